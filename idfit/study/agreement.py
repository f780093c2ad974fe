"""Whether curvature, profile, bootstrap and posterior tell the same story of a parameter; if not, why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from idfit.numerics.scales import SCALES, natural
from idfit.results import Agreement, BoundSide, SideStatus, dataset
from idfit.study.marginals import Marginal, ends_of_profile_as_density, marginals, no_claim, why_apart
from idfit.study.views import Evidence, views

LEVEL = 0.95
#: limits may differ by this share of the half-width of the reference on that side
TOLERANCE = 0.2
#: half-widths of a profile that differ by more than this factor make it asymmetric
ASYMMETRIC = 1.5
#: share of the information along a parameter above which its prior shapes the interval
PRIOR_SHARE = 0.5
#: bias of the bootstrap's estimates, in their standard errors, that shifts their percentiles
BIAS = 0.2
#: ratio of standard errors above which observed and expected information differ
ERROR_RATIO = 1.2
# the method that the others are held against: the first of these that there is
_REFERENCES = ("profile", "posterior", "bootstrap", "wald")
_SIDES = ("below", "above")
# sides of which it is not known whether they have an end
_UNFINISHED = (SideStatus.BUDGET, SideStatus.FAILED, SideStatus.NOT_REACHED)


def agreement(
    fit: xr.Dataset,
    fisher: xr.Dataset | None,
    profiles: xr.Dataset | None,
    bootstrap: xr.Dataset | None = None,
    posterior: xr.Dataset | None = None,
    opinions: Mapping[str, xr.Dataset] | None = None,
    structure: xr.Dataset | None = None,
    combinations: xr.Dataset | None = None,
    sampling: xr.Dataset | None = None,
) -> xr.Dataset:
    """Intervals of each parameter by every method, and whether they agree.

    wald, wald_expected : estimate ± √(2·rise)·standard error on the estimation scale, from the observed and
    the expected information, where rise is that of the profiles' threshold (χ² or F, so that like is
    compared with like; √(2·rise) = 1.96 for χ² at 95 %). profile : its interval; bootstrap : percentiles;
    posterior : quantiles over (chain, draw) of a variable for each parameter on its natural scale, left out
    if `sampling` says that the chains have not converged; opinions : profiles by other methods (endpoints,
    integration). wald_expected is shown beside wald, and judged only where there is no observed information.

    Intervals agree if each finite limit lies within a fifth of the reference's half-width on that side, on
    the estimation scale, and if the same sides are open. The reference is the profile, or the posterior,
    the bootstrap or the observed information where there is none. A limit beyond a natural limit of the
    parameter counts as standing on it, one beyond what the profile searched as open. A bootstrap is not
    held against profiles with the F threshold, as its percentiles lack the correction for an estimated
    noise level. The confidence level is 95 %, or the largest of the profiles where they do not have it.

    With `structure`, what it leaves open is held against the information and the profiles (`views`).

    Returns a dataset of the group ``agreement``.
    """
    level, rise = _level_and_rise(profiles)
    names = [str(n) for n in fit["parameter"].values]
    limits = _curvature_limits(fit, fisher, math.sqrt(2.0 * rise))
    if profiles is not None:
        limits["profile"] = _profile_limits(profiles, names, level)
    for method, other in (opinions or {}).items():
        limits[method] = _profile_limits(other, names, level)
    if bootstrap is not None:
        limits["bootstrap"] = _bootstrap_limits(
            bootstrap, names, level, _natural_ends(profiles, names, level)
        )
    drawn = marginals(posterior, sampling, fit)
    if drawn:
        nothing = np.full(2, np.nan)
        limits["posterior"] = np.array([drawn[n].ends(level) if n in drawn else nothing for n in names])
    kind = "chi2" if profiles is None else str(profiles.attrs.get("threshold_kind", "chi2"))
    judged = {m: v for m, v in limits.items() if m != "bootstrap" or kind == "chi2"}
    cases = [
        _Case(
            i,
            name,
            {m: v[i] for m, v in judged.items()},
            fit,
            fisher,
            _row(profiles, name, level),
            rise,
            None if bootstrap is None else bootstrap.sel(parameter=name),
            drawn.get(name),
            level,
        )
        for i, name in enumerate(names)
    ]
    verdicts = [_judged(case) for case in cases]
    scale = [str(s) for s in fit["scale"].values]
    seen: tuple[dict[str, Any], dict[str, Any], dict[str, Any]] = ({}, {}, {})
    if structure is not None:
        seen = views(Evidence(fit, fisher, profiles, structure, combinations))
    return dataset(
        "agreement",
        {
            "interval": np.array([_on_natural_scale(v, scale) for v in limits.values()]),
            "agreement": [int(a) for a, _ in verdicts],
            "cause": [cause for _, cause in verdicts],
            **seen[0],
        },
        {"parameter": names, "scale": scale, "unit": _units(fit), "source": list(limits), **seen[1]},
        {
            "ci_prob": level,
            "threshold_kind": kind,
            "rise": rise,
            "wald_factor": math.sqrt(2.0 * rise),
            "tolerance": TOLERANCE,
            "posterior_left_out": no_claim(sampling),
            **seen[2],
        },
    )


@dataclass(frozen=True)
class _Case:
    """One parameter: its limits (lower, upper) by method on the estimation scale, and the evidence."""

    i: int
    name: str
    limits: dict[str, np.ndarray]
    fit: xr.Dataset = field(repr=False)
    fisher: xr.Dataset | None = field(repr=False)
    profile: xr.Dataset | None = field(repr=False)
    rise: float
    bootstrap: xr.Dataset | None = field(default=None, repr=False)
    marginal: Marginal | None = field(default=None, repr=False)
    level: float = LEVEL

    @property
    def given(self) -> dict[str, np.ndarray]:
        """The methods that say something of this parameter, as far as the profile could have seen it."""
        return {m: self._as_seen(ends) for m, ends in self.limits.items() if not np.isnan(ends).all()}

    def _as_seen(self, ends: np.ndarray) -> np.ndarray:
        """Limits beyond a natural limit stand on it; limits beyond the end of the search are open."""
        if self.profile is None:
            return ends
        seen = ends.copy()
        searched = self.profile["searched"].sel(space="estimation").values
        for side, outward in ((0, -1.0), (1, 1.0)):
            if outward * (ends[side] - searched[side]) > 0.0:
                if self.status(side) is SideStatus.DOMAIN_BOUND:
                    seen[side] = searched[side]
                elif self.is_open(side):
                    seen[side] = outward * math.inf
        return seen

    @property
    def centre(self) -> float:
        if self.profile is not None:
            return float(self.profile["estimate"].sel(space="estimation"))
        return float(self.fit["optimum"].values[0, self.i])

    def status(self, side: int) -> SideStatus | None:
        """How that side of the profile ended; None without a profile."""
        return None if self.profile is None else SideStatus(int(self.profile["side_status"].values[side]))

    def is_open(self, side: int) -> bool:
        status = self.status(side)
        return status is not None and not status.finite and status not in _UNFINISHED


def _judged(case: _Case) -> tuple[Agreement, str]:
    """The verdict, with the likely cause of a disagreement."""
    given = case.given
    reference = next((m for m in _REFERENCES if m in given), None)
    if reference is None or len(given) < 2:
        return Agreement.NOT_COMPARABLE, ""
    shown_only = {"wald_expected"} if "wald" in given else set()
    apart = [
        method
        for method, ends in given.items()
        if method not in shown_only and not _same(case, given[reference], ends)
    ]
    if not apart:
        return Agreement.AGREE, ""
    # integrating is another question than maximising: the posterior has causes of its own
    groups = [[m for m in apart if m != "posterior"], [m for m in apart if m == "posterior"]]
    causes = [_cause(case, group, reference) for group in groups if group]
    return Agreement.DISAGREE, "; ".join(dict.fromkeys(causes))


def _cause(case: _Case, apart: list[str], reference: str) -> str:
    unknown = f"unknown cause ({', '.join(apart)} against {reference})"
    causes = _CAUSES_OF_ONE.get(apart[0], _CAUSES) if len(apart) == 1 else _CAUSES
    return next((text for cause in causes if (text := cause(case))), unknown)


def _same(case: _Case, reference: np.ndarray, ends: np.ndarray) -> bool:
    return not _sides_apart(case, reference, ends)


def _sides_apart(case: _Case, reference: np.ndarray, ends: np.ndarray) -> list[int]:
    """The sides on which two methods do not give the same limit."""
    half = np.abs(reference - case.centre)
    apart = []
    for side in (0, 1):
        ours, theirs = reference[side], ends[side]
        if math.isnan(ours) or math.isnan(theirs):
            continue
        if math.isinf(ours) or math.isinf(theirs):
            apart += [side] if ours != theirs else []
            continue
        width = half[side] if half[side] > 0.0 else half[1 - side]
        apart += [side] if abs(theirs - ours) > TOLERANCE * width else []
    return apart


def _at_a_bound(case: _Case) -> str:
    code = BoundSide(int(case.fit["at_bound"].values[case.i]))
    if code is BoundSide.INSIDE:
        return ""
    side = "lower" if code is BoundSide.LOWER_BOUND else "upper"
    return f"the estimate stands at its {side} bound, where the curvature does not give an interval"


def _open_where_curved(case: _Case) -> str:
    """Saturation, or a valley: the curvature at the best fit says nothing of what lies farther away."""
    sides = [
        _SIDES[side]
        for side in (0, 1)
        if case.is_open(side) and any(math.isfinite(ends[side]) for ends in case.given.values())
    ]
    if not sides or case.profile is None:
        return ""
    partner = str(case.profile["partner"].values[0]) if case.profile.sizes["rank"] else ""
    why = f"along a valley with {partner}" if partner else "as the predictions saturate"
    return f"the profile stays open {' and '.join(sides)}, {why}; the curvature holds near the best fit only"


def _asymmetric(case: _Case) -> str:
    if case.profile is None or any(case.status(side) is not SideStatus.CROSSED for side in (0, 1)):
        return ""
    below, above = np.abs(case.profile["interval"].sel(space="estimation").values - case.centre)
    return _lopsided("profile", float(below), float(above))


def _lopsided(method: str, below: float, above: float) -> str:
    ratio = above / below if below > 0.0 else math.inf
    if 1 / ASYMMETRIC <= ratio <= ASYMMETRIC:
        return ""
    if ratio > 1.0:
        return f"the {method} reaches {ratio:.2g} times as far above the estimate as below"
    return f"the {method} reaches {1 / ratio:.2g} times as far below the estimate as above"


def _second_optimum(case: _Case) -> str:
    if case.profile is not None:
        if int(case.profile["n_regions"]) > 1:
            return "there is a second optimum: the confidence set falls into pieces"
        rise = case.profile["objective"].values - np.nanmin(case.profile["objective"].values)
        if (case.profile["jump"].values & (rise <= case.rise)).any():
            return "there is a second optimum: the profile jumps to another branch inside the interval"
        if int(case.profile.attrs.get("n_rounds", 1)) > 1:
            return "there is a second optimum: profiling met one better than the fit"
    cluster, objective = case.fit["cluster"].values, case.fit["objective"].values
    others = objective[cluster > 0]
    if len(others) and np.nanmin(others) - np.nanmin(objective) <= case.rise:
        return "there is a second optimum: another one of the fit lies within the threshold"
    return ""


def _shaped_by_the_prior(case: _Case) -> str:
    """Share of the prior in the information along the parameter, all others adapted: c′Pc/c_ii with c the
    column of the covariance."""
    if case.fisher is None:
        return ""
    at = case.fisher.sel(space="estimation")
    column = at["covariance"].values[:, case.i]
    prior = at["prior_information"].values
    if not math.isfinite(column[case.i]) or column[case.i] <= 0.0:
        return ""
    known = np.nan_to_num(column)
    share = float(known @ prior @ known / column[case.i])
    return f"the prior makes {100 * share:.0f} % of the information" if share > PRIOR_SHARE else ""


def _curved(case: _Case) -> str:
    if "wald" not in case.given or "wald_expected" not in case.given:
        return ""
    observed, expected = (float(np.ptp(case.limits[m])) for m in ("wald", "wald_expected"))
    ratio = observed / expected if expected > 0.0 else math.inf
    if 1 / ERROR_RATIO <= ratio <= ERROR_RATIO:
        return ""
    return f"observed and expected information differ (errors {ratio:.2g} : 1), the model is strongly curved"


def _biased(case: _Case) -> str:
    """Percentiles lie where the estimates lie: off the best fit by the bias of the estimator."""
    if case.bootstrap is None:
        return ""
    at = case.bootstrap.sel(space="estimation")
    bias, error = float(at["bias"]), float(at["standard_error"])
    if not abs(bias) > BIAS * error:
        return ""
    where = "below" if bias < 0 else "above"
    return f"the bootstrap's estimates lie {abs(bias) / error:.2g} standard errors {where} the best fit: bias"


def _given_limit(case: _Case) -> str:
    """The posterior always has an interval; where the data give none, bounds or priors do."""
    if case.marginal is None:
        return ""
    given = case.given
    others = [ends for method, ends in given.items() if method != "posterior"]
    apart = _sides_apart(case, given.get("profile", others[0]), given["posterior"]) if others else []
    said = {side: case.marginal.given(side) for side in apart}
    said = {side: source for side, source in said.items() if source}
    if not said:
        return ""
    sources = " and ".join(dict.fromkeys(said.values()))
    sides = " and ".join(_SIDES[side] for side in said)
    open_ = ", where the profile is open" if any(case.is_open(side) for side in said) else ""
    return f"the posterior's limit {sides} comes from {sources}, not from the data{open_}"


def _several_modes(case: _Case) -> str:
    if case.marginal is None or (n := case.marginal.n_modes) < 2:
        return ""
    return f"the posterior has {n} modes, and the interval spans what lies between them"


def _integrated(case: _Case) -> str:
    if case.marginal is None or case.profile is None:
        return ""
    as_density = ends_of_profile_as_density(case.profile, case.level)
    if as_density is None:
        return ""
    return why_apart(case.marginal.ends(case.level), as_density, TOLERANCE)


def _asymmetric_posterior(case: _Case) -> str:
    if case.marginal is None or case.profile is not None:
        return ""
    return _lopsided("posterior", *np.abs(case.marginal.ends(case.level) - case.centre))


def _otherwise_wide_posterior(case: _Case) -> str:
    """Without a profile there is only the curvature to hold the posterior against."""
    if case.marginal is None or case.profile is not None or "wald" not in case.given:
        return ""
    ratio = float(np.ptp(case.marginal.ends(case.level)) / np.ptp(case.given["wald"]))
    if 1 / ERROR_RATIO <= ratio <= ERROR_RATIO:
        return ""
    return (
        f"the posterior is {ratio:.2g} times as wide as the curvature says: it integrates the other "
        "parameters out, noise levels among them, and sees what lies farther away"
    )


def _one_branch(case: _Case) -> str:
    return _second_optimum(case) or "the endpoints follow one branch only, the path tries others"


def _lost_path(case: _Case) -> str:
    return (
        "the integration has lost the path: another parameter meets or leaves its bound, or the Hessian "
        "hardly determines it"
    )


_CAUSES = (
    _at_a_bound,
    _open_where_curved,
    _asymmetric,
    _asymmetric_posterior,
    _second_optimum,
    _shaped_by_the_prior,
    _curved,
    _otherwise_wide_posterior,
    _biased,
)
# where one method alone differs, its own failing comes first
_CAUSES_OF_ONE = {
    "bootstrap": (_at_a_bound, _biased, *_CAUSES[1:]),
    "endpoints": (_one_branch,),
    "integration": (_lost_path,),
    "posterior": (_given_limit, _several_modes, _second_optimum, _integrated, _shaped_by_the_prior),
}


def _level_and_rise(profiles: xr.Dataset | None) -> tuple[float, float]:
    if profiles is None:
        return LEVEL, float(stats.chi2.ppf(LEVEL, 1)) / 2
    levels = profiles["ci_prob"].values
    position = int(np.argmin(np.abs(levels - LEVEL)))
    if abs(levels[position] - LEVEL) > 1e-9:
        position = len(levels) - 1
    return float(levels[position]), float(profiles["threshold"].values[position])


def _at_level(ds: xr.Dataset, level: float) -> xr.Dataset | None:
    """The dataset at that confidence level, if it has it."""
    found = np.flatnonzero(np.abs(ds["ci_prob"].values - level) < 1e-9)
    return ds.isel(ci_prob=int(found[0])) if len(found) else None


def _row(profiles: xr.Dataset | None, name: str, level: float) -> xr.Dataset | None:
    """The profile of a parameter at that level."""
    at = None if profiles is None else _at_level(profiles, level)
    if at is None or name not in at["profiled"].values:
        return None
    return at.sel(profiled=name)


def _curvature_limits(fit: xr.Dataset, fisher: xr.Dataset | None, factor: float) -> dict[str, np.ndarray]:
    """From the information where it was computed (it may be that of a better optimum), else from the fit."""
    if fisher is None:
        theta = fit["optimum"].values[0]
        source, names = fit, ("standard_error", "standard_error_expected")
    else:
        theta = fisher["theta"].values
        source, names = fisher, ("standard_error_observed", "standard_error")
    errors = [source[name].sel(space="estimation").values for name in names]
    both = [theta[:, None] + factor * np.outer(error, [-1.0, 1.0]) for error in errors]
    return {
        method: np.where(np.isfinite(ends), ends, np.nan)
        for method, ends in zip(("wald", "wald_expected"), both, strict=True)
    }


def _profile_limits(profiles: xr.Dataset, names: list[str], level: float) -> np.ndarray:
    """NaN where a side could not be followed to its end, which is not the same as open."""
    limits = np.full((len(names), 2), np.nan)
    for i, name in enumerate(names):
        row = _row(profiles, name, level)
        if row is not None:
            lost = [SideStatus(int(side)) in _UNFINISHED for side in row["side_status"].values]
            limits[i] = np.where(lost, np.nan, row["interval"].sel(space="estimation").values)
    return limits


def _natural_ends(profiles: xr.Dataset | None, names: list[str], level: float) -> np.ndarray:
    """Whether each side (parameter, side) ends at a natural limit of the parameter."""
    rows = [_row(profiles, name, level) for name in names]
    return np.array([
        [False, False] if row is None else row["side_status"].values == int(SideStatus.DOMAIN_BOUND)
        for row in rows
    ])  # fmt: skip


def _bootstrap_limits(
    bootstrap: xr.Dataset, names: list[str], level: float, at_domain: np.ndarray
) -> np.ndarray:
    """A percentile that stands on a bound of the search is no limit: that side is open."""
    limits = np.full((len(names), 2), np.nan)
    at = _at_level(bootstrap, level)
    if at is None:
        return limits
    for i, name in enumerate(names):
        row = at.sel(parameter=name)
        limits[i] = row["interval"].sel(space="estimation").values
        cut = (row["on_bound"].values > (1.0 - level) / 2) & ~at_domain[i]
        limits[i, cut] = np.array([-math.inf, math.inf])[cut]
    return limits


def _on_natural_scale(limits: np.ndarray, scale: list[str]) -> np.ndarray:
    def one(code: int, value: float) -> float:
        return natural(code, value)[0] if math.isfinite(value) else value

    return np.array([
        [one(SCALES.index(s), float(end)) for end in ends] for s, ends in zip(scale, limits, strict=True)
    ])  # fmt: skip


def _units(fit: xr.Dataset) -> list[str]:
    return [str(u) for u in fit["unit"].values] if "unit" in fit else [""] * fit.sizes["parameter"]
