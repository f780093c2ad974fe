"""The posterior, as lines for the console and facts for ``--json``."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from idfit.results import Limit

#: what ends an interval if not the data
_GIVEN = {
    Limit.BOUND: "its bound",
    Limit.DOMAIN: "a natural limit",
    Limit.PRIOR: "the prior",
    Limit.OTHER_BOUNDS: "bounds of others",
}
_COLUMNS = ("rhat", "ess_bulk", "ess_tail", "mcse_mean", "contraction", "data_share")


def posterior_rows(sampling: xr.Dataset) -> list[tuple[str, ...]]:
    """A table: name, median, interval at the largest level with its unit, R-hat, effective draws, origin."""
    level = 100 * float(sampling["ci_prob"][-1])
    head = ("", "median", f"{level:.4g} % interval", "R-hat", "effective draws", "limits from")
    rows = []
    for i, name in enumerate(sampling["parameter"].values.tolist()):
        at = sampling.isel(parameter=i)
        low, high = at["interval"].values[-1].tolist()
        rows.append(
            (
                name,
                f"{float(at['median']):.5g}",
                f"{low:.4g} to {high:.4g} {at['unit'].values!s}".rstrip(),
                f"{float(at['rhat']):.4g}",
                f"{float(at['ess_bulk']):.0f}",
                _origin(at["limited_by"].values.tolist()),
            )
        )
    return [head, *rows]


def _origin(codes: list[int]) -> str:
    """
    >>> _origin([1, 1]), _origin([1, 2]), _origin([2, 2])
    ('data', 'upper: its bound', 'its bound')
    """
    words = [_GIVEN.get(Limit(code), "") for code in codes]
    if words[0] == words[1]:
        return words[0] or "data"
    return ", ".join(f"{side}: {w}" for side, w in zip(("lower", "upper"), words, strict=True) if w)


def posterior_line(sampling: xr.Dataset) -> str:
    """Whether the draws count, and what they cost."""
    n = int(sampling["n_evaluations"].sum())
    if not sampling.attrs["converged"]:
        return f"posterior: makes no claim after {n:,} evaluations: {sampling.attrs['reason']}"
    worst, least = float(sampling["rhat"].max()), float(sampling["ess_bulk"].min())
    return (
        f"posterior: {int(sampling.attrs['n_draws']):,} draws by {sampling.attrs['sampler']} in {n:,} "
        f"evaluations, R-hat up to {worst:.4g}, {least:,.0f} effective draws or more"
    )


def posterior_facts(sampling: xr.Dataset) -> dict[str, Any]:
    """NaN, which becomes null, where chains that have not converged make no claim."""
    facts: dict[str, Any] = {
        name: sampling.attrs[name] for name in ("sampler", "reason", "n_draws", "burn_in", "thin", "seed")
    }
    facts |= {
        "converged": bool(sampling.attrs["converged"]),
        "n_evaluations": int(sampling["n_evaluations"].sum()),
        "failures": dict(
            zip(sampling["fate"].values.tolist(), sampling["n_failures"].values.tolist(), strict=True)
        ),
    }
    facts |= {n: float(v) for n, v in sampling.attrs.items() if str(n).startswith("log_evidence")}
    return facts | {"parameters": {n: _parameter(sampling, n) for n in sampling["parameter"].values.tolist()}}


def _parameter(sampling: xr.Dataset, name: str) -> dict[str, Any]:
    at = sampling.sel(parameter=name)
    numbers = ("median", "mean", "sd", *_COLUMNS)
    limits = [Limit(code).label for code in np.ravel(at["limited_by"].values).tolist()]
    return {
        **{number: float(at[number]) for number in numbers},
        "unit": str(at["unit"].values),
        "lower_from": limits[0],
        "upper_from": limits[1],
        "intervals": [
            {"ci_prob": float(level), "lower": float(low), "upper": float(high)}
            for level, (low, high) in zip(sampling["ci_prob"].values, at["interval"].values, strict=True)
        ],
    }
