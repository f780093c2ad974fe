"""The groups of a posterior: ArviZ's own, and ``sampling``, which says how far the draws can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from idfit.results.codes import Limit, Status
from idfit.results.identifiability import BOUND, LEVEL, PARAMETER
from idfit.results.rows import Group, code, count, number, text

if TYPE_CHECKING:
    import xarray as xr

_NATURAL = "unit(parameter)"

SAMPLING_GROUPS: Mapping[str, Group] = {
    "sampling": Group(
        coords={
            **PARAMETER,
            "ci_prob": LEVEL,
            "ci_bound": BOUND,
            "superchain": count("superchain", "independent ensemble, or chain"),
            "fate": text("fate", "reason for which evaluations failed"),
            "prior_level": number("prior_level", "probability of a quantile of the prior"),
            "rung": count("rung", "temperature of a ladder; 0 is the posterior"),
        },
        variables={
            "mean": number("parameter", "posterior mean", _NATURAL),
            "sd": number("parameter", "posterior standard deviation", _NATURAL),
            "median": number("parameter", "posterior median", _NATURAL),
            "interval": number("parameter ci_prob ci_bound", "equal-tailed credible limits", _NATURAL),
            "rhat": number("parameter", "nested R-hat over superchains, rank-normalised"),
            "ess_bulk": number("parameter", "effective sample size of the bulk"),
            "ess_tail": number("parameter", "effective sample size of the 5 % and 95 % quantile"),
            "mcse_mean": number("parameter", "Monte Carlo standard error of the mean", _NATURAL),
            "mcse_sd": number("parameter", "Monte Carlo standard error of the standard deviation", _NATURAL),
            "autocorrelation_time": number("parameter", "draws per independent draw, before thinning"),
            "contraction": number(
                "parameter", "1 − posterior variance / prior variance, estimation scale", optional=True
            ),
            "data_share": number(
                "parameter", "share of the information that the data carry, 0 to 1", optional=True
            ),
            "limited_by": code(
                "parameter ci_bound", "what ends the interval", Limit, int(Limit.UNDETERMINED)
            ),
            "prior_quantile": number(
                "parameter prior_level", "quantile of the prior within the bounds", _NATURAL, optional=True
            ),
            "acceptance": number("superchain", "share of proposals accepted"),
            "n_stuck": count("superchain", "walkers that hardly move"),
            "n_divergent": count("superchain", "trajectories that diverged", optional=True),
            "n_evaluations": count("superchain", "evaluations of the density"),
            "n_failures": count("fate", "evaluations that failed for this reason"),
            "beta": number("superchain rung", "inverse temperature of each rung", optional=True),
            "swap_rate": number(
                "superchain rung", "share of swaps accepted with the next hotter rung", optional=True
            ),
        },
    )
}


def variable_of(parameter: str) -> str:
    """The name of a parameter's draws: no variable of a DataTree has a slash in its name, but copies of a
    parameter may, as they are named by the data.

    >>> variable_of("gain[gel 1/2]")
    'gain[gel 1∕2]'
    """
    return parameter.replace("/", "\N{DIVISION SLASH}")


def draws_dataset(
    values: Mapping[str, np.ndarray],
    superchain: np.ndarray,
    step: np.ndarray,
    about: Mapping[str, Mapping[str, Any]],
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """A group of ArviZ's schema: variables (chain, draw, …) by name, and `superchain` for each chain.

    step : (draw,) of the sampler, counted from the end of the burn-in; about : attributes of each variable.
    """
    import xarray as xr

    data = {
        variable_of(name): (
            ("chain", "draw", *([name + "_dim"] * (array.ndim - 2))),
            array,
            dict(about.get(name, {})),
        )
        for name, array in values.items()
    }
    coords = {
        "chain": np.arange(len(superchain)),
        "draw": step,
        "superchain": ("chain", superchain, {"long_name": "independent ensemble, or chain, of the chain"}),
    }
    return xr.Dataset(data, coords, dict(attrs or {}))


def fates(failures: Mapping[Status, int]) -> tuple[list[str], list[int]]:
    """Labels and counts of failed evaluations, in the order of their codes."""
    known: Sequence[Status] = sorted(failures)
    return [status.label for status in known], [int(failures[status]) for status in known]
