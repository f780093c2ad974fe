"""What the data determine, as lines for the console and facts for ``--json``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from idfit.cli.drawn import posterior_facts, posterior_line, posterior_rows
from idfit.cli.next_measurement import design_facts, design_lines
from idfit.cli.predicted import diagnostics_facts, diagnostics_line, prediction_facts, prediction_lines
from idfit.results import Agreement, SideStatus, Verdict

_TAGS = {
    Verdict.OPEN_BELOW: "open below",
    Verdict.OPEN_ABOVE: "open above",
    Verdict.OPEN_BOTH: "open on both sides",
    Verdict.AT_DOMAIN_BOUND: "identifiable up to a natural limit",
    Verdict.STRUCTURAL: "structurally open",
    Verdict.NOT_REACHED: "not computed",
}
_UNFINISHED = (SideStatus.BUDGET, SideStatus.FAILED, SideStatus.NOT_REACHED)
_MOST_PARTNERS = 3
_LARGE_SHARE = 0.1  # of a parameter in the null space, to be named


def group(study: xr.DataTree, name: str) -> xr.Dataset | None:
    return study[name].to_dataset() if name in study.children else None


def tag(verdict: Verdict) -> str:
    """
    >>> tag(Verdict.IDENTIFIABLE), tag(Verdict.OPEN_ABOVE)
    ('identifiable', 'open above')
    """
    return _TAGS.get(verdict, verdict.label)


def profile_lines(profiles: xr.Dataset) -> list[str]:
    """A table: name, verdict, estimate, interval at the largest level with its unit, partners."""
    level = 100 * float(profiles["ci_prob"][-1])
    rows = [("", "verdict", "estimate", f"{level:.4g} % interval", "moves with")]
    reasons = []
    for i, name in enumerate(profiles["profiled"].values.tolist()):
        at = profiles.isel(profiled=i)
        estimate, limits = (at[v].sel(space="natural").values for v in ("estimate", "interval"))
        rows.append((
            name,
            tag(Verdict(int(at["verdict"]))),
            f"{float(estimate):.5g}",
            "open" if at["verdict"] == Verdict.STRUCTURAL
            else _interval(limits[-1], at["side_status"].values[-1], str(at["unit"].values)),
            ", ".join(_partners(at)),
        ))  # fmt: skip
        if reason := str(at["reason"].values):
            reasons.append(f"  {name}: {reason}")
    return table_lines(rows) + reasons


def _interval(limits: np.ndarray, sides: np.ndarray, unit: str) -> str:
    """
    >>> _interval(np.array([0.1, math.inf]), np.array([1, 2]), "1/h")
    '0.1 to ∞ 1/h'
    """
    ends = [
        "?" if side in _UNFINISHED else f"{limit:.4g}".replace("inf", "∞")
        for limit, side in zip(limits.tolist(), sides.tolist(), strict=True)
    ]
    return f"{ends[0]} to {ends[1]} {unit}".rstrip()


def _partners(profile: xr.Dataset) -> list[str]:
    return [str(name) for name in profile["partner"].values if name][:_MOST_PARTNERS]


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def further_lines(study: xr.DataTree) -> list[str]:
    """A line or table for each further group."""
    lines = []
    if (info := group(study, "fisher")) is not None:
        lines.append(information_line(info))
    if (functions := group(study, "function_profiles")) is not None:
        lines += profile_lines(functions)
    if (test := group(study, "identifiability_test")) is not None:
        lines.append(test_line(test))
    if (replicates := group(study, "bootstrap")) is not None:
        lines.append(f"bootstrap: {replicates.sizes['replicate']} replicates")
    if (reduction := group(study, "reduction")) is not None:
        lines += reduction_lines(reduction)
    if (diagnostics := group(study, "diagnostics")) is not None:
        lines.append(diagnostics_line(diagnostics))
    if (prediction := group(study, "prediction")) is not None:
        lines += prediction_lines(prediction)
    lines += design_lines(study)
    if (sampling := group(study, "sampling")) is not None:
        lines.append(posterior_line(sampling))
        lines += table_lines(posterior_rows(sampling)) if sampling.attrs["converged"] else []
    if (opinions := group(study, "agreement")) is not None:
        lines += [*_disagreements(opinions), *_views(opinions)]
    return lines


def _views(opinions: xr.Dataset) -> list[str]:
    """What equations and information leave open, and where equations, information and profile differ."""
    if "view" not in opinions.dims:
        return []
    directions = str(opinions.attrs.get("directions", ""))
    columns = (opinions[v].values.tolist() for v in ("parameter", "views", "views_cause"))
    apart = [(n, why) for n, code, why in zip(*columns, strict=True) if code == Agreement.DISAGREE]
    return [*([directions] if directions else []), *table_lines(apart)]


def reduction_lines(reduction: xr.Dataset) -> list[str]:
    """The limits that were taken, one after the other, and why it ended."""
    rows: list[tuple[str, ...]] = [("limits of the model", "parameters", "nllh", "rise", "allowed", "")]
    for i in range(reduction.sizes["step"]):
        at = reduction.isel(step=i)
        numbers = [f"{float(at[v]):.4g}" if i else "" for v in ("rise", "threshold")]
        kept = "" if bool(at["accepted"]) else "not taken"
        limit = str(at["limit"].values) or "the model as it is"
        rows.append((limit, str(int(at["n_parameters"])), f"{float(at['nllh']):.6f}", *numbers, kept))
    return [*table_lines(rows), f"  ended, as {reduction.attrs['ended']}"]


def test_line(test: xr.Dataset) -> str:
    """What the quick test says of all parameters together, and where the objective rises least."""
    share, names = np.abs(test["direction"].values), test["parameter"].values.tolist()
    most = [i for i in np.argsort(-share, kind="stable")[:_MOST_PARTNERS] if share[i] > _LARGE_SHARE]
    along = ", ".join(names[i] for i in most)
    words = {
        Verdict.IDENTIFIABLE: "every parameter is determined to within the radius",
        Verdict.OPEN_BOTH: f"not every parameter is determined to within the radius, least {along}",
        Verdict.FLAT: f"a direction is flat: {along}",
    }.get(Verdict(int(test["verdict"])), "no verdict")
    return (
        f"identifiability test: {words} (least rise {float(test['least_rise']):.4g} at a distance of "
        f"{float(test['radius']):g})"
    )


def information_line(info: xr.Dataset) -> str:
    """How many directions the data leave undetermined at the best fit, and in which parameters they lie."""
    at = info.sel(space="estimation")
    nullity, spread = int(at["nullity"]), f"eigenvalues over {float(at['sloppiness']):.1f} decades"
    if not nullity:
        return f"information at the best fit: every direction is determined, {spread}"
    shares = dict(zip(info["parameter"].values.tolist(), info["null_share"].values.tolist(), strict=True))
    names = [n for n, share in sorted(shares.items(), key=lambda item: -item[1]) if share > _LARGE_SHARE]
    lie = f" ({', '.join(names)})" if names else ""
    return f"information at the best fit: {nullity} of {len(shares)} directions undetermined{lie}, {spread}"


def _disagreements(opinions: xr.Dataset) -> list[str]:
    verdicts = opinions["agreement"].values.tolist()
    apart = [i for i, code in enumerate(verdicts) if code == Agreement.DISAGREE]
    names, causes = opinions["parameter"].values.tolist(), opinions["cause"].values.tolist()
    methods = ", ".join(str(m) for m in opinions["source"].values)
    compared = sum(code != Agreement.NOT_COMPARABLE for code in verdicts)
    if not apart:
        return [f"methods ({methods}) agree on {compared} of {len(names)} parameters"]
    head = f"methods ({methods}) disagree on {len(apart)} of {compared} parameters:"
    return [head, *table_lines([(names[i], causes[i]) for i in apart])]


def error_lines(info: xr.Dataset) -> list[str]:
    """Standard errors on the natural scale: expected, observed, and with all others held."""
    at = info.sel(space="natural")
    rows: list[tuple[str, ...]] = [("", "expected error", "observed error", "others held", "unit")]
    for i, name in enumerate(info["parameter"].values.tolist()):
        errors = [float(at[v][i]) for v in ("standard_error", "standard_error_observed", "slice_error")]
        shown = ["undetermined" if math.isnan(e) else f"{e:.4g}" for e in errors]
        rows.append((name, *shown, str(info["unit"].values[i])))
    return table_lines(rows)


def determined_facts(study: xr.DataTree) -> dict[str, Any]:
    """Facts of every group there is. An infinite limit becomes null, and its status says why."""
    facts: dict[str, Any] = {}
    if (info := group(study, "fisher")) is not None:
        facts["fisher"] = _fisher_facts(info)
    for name in ("profiles", "function_profiles"):
        if (profiles := group(study, name)) is not None:
            facts[name] = {
                n: _profile_facts(profiles.sel(profiled=n)) for n in profiles["profiled"].values.tolist()
            }
    if (plane := group(study, "profiles_2d")) is not None:
        facts["profiles_2d"] = plane["pair"].values.tolist()
    if (test := group(study, "identifiability_test")) is not None:
        facts["identifiability_test"] = {
            "verdict": Verdict(int(test["verdict"])).label,
            "least_rise": float(test["least_rise"]),
            "radius": float(test["radius"]),
        }
    if (diagnostics := group(study, "diagnostics")) is not None:
        facts["diagnostics"] = diagnostics_facts(diagnostics)
    if (prediction := group(study, "prediction")) is not None:
        facts["prediction"] = prediction_facts(prediction)
    if (replicates := group(study, "bootstrap")) is not None:
        facts["bootstrap"] = {"n": replicates.sizes["replicate"]}
    if (reduction := group(study, "reduction")) is not None:
        names = ("limit", "accepted", "n_parameters", "nllh", "rise", "threshold")
        rows = zip(*(reduction[name].values.tolist() for name in names), strict=True)
        facts["reduction"] = {
            "steps": [dict(zip(names, row, strict=True)) for row in rows],
            "ended": str(reduction.attrs["ended"]),
        }
    if (design := group(study, "design")) is not None:
        facts["design"] = design_facts(design)
    if (sampling := group(study, "sampling")) is not None:
        facts["posterior"] = posterior_facts(sampling)
    if (opinions := group(study, "agreement")) is not None:
        facts["agreement"] = {
            name: {"agreement": Agreement(code).label, "cause": cause}
            for name, code, cause in zip(
                *(opinions[v].values.tolist() for v in ("parameter", "agreement", "cause")), strict=True
            )
        }
    return facts


def _fisher_facts(info: xr.Dataset) -> dict[str, Any]:
    names, natural = info["parameter"].values.tolist(), info.sel(space="natural")
    errors = ("standard_error", "standard_error_observed", "slice_error")
    return {
        "eigenvalue": info["eigenvalue"].sel(space="estimation").values.tolist(),
        "nullity": int(info["nullity"][0]),
        "sloppiness": float(info["sloppiness"][0]),
        **{error: dict(zip(names, natural[error].values.tolist(), strict=True)) for error in errors},
    }


def _profile_facts(profile: xr.Dataset) -> dict[str, Any]:
    natural = profile.sel(space="natural")
    return {
        "verdict": Verdict(int(profile["verdict"])).label,
        "reason": str(profile["reason"].values),
        "estimate": float(natural["estimate"]),
        "unit": str(profile["unit"].values),
        "intervals": [
            {
                "ci_prob": float(level),
                "lower": float(limits[0]),
                "upper": float(limits[1]),
                "lower_status": SideStatus(int(sides[0])).label,
                "upper_status": SideStatus(int(sides[1])).label,
            }
            for level, limits, sides in zip(
                profile["ci_prob"].values,
                natural["interval"].values,
                profile["side_status"].values,
                strict=True,
            )
        ],
        "partners": [str(name) for name in profile["partner"].values if name],
    }
