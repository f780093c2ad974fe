"""Verdicts, intervals, standard errors and the agreement of methods as rows of plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.reporting import reading, structural, verdicts
from idfit.reporting.figures.agreement import method_words
from idfit.reporting.reading import Profile
from idfit.results import Agreement, Verdict

PROFILE_GROUPS = ("profiles", "function_profiles")


@dataclass(frozen=True)
class VerdictRow:
    """What the data determine of one quantity, on the natural scale.

    A limit is infinite where the side is open, and NaN where nothing is known of it.
    """

    name: str
    kind: str
    unit: str
    scale: str
    verdict: str
    estimate: float
    ci_prob: float
    lower: float
    upper: float
    lower_side: str
    upper_side: str
    searched_lower: float
    searched_upper: float
    rise_lower: float
    rise_upper: float
    n_regions: int
    partners: str
    valley: str
    reason: str
    advice: str
    n_evaluations: int


@dataclass(frozen=True)
class IntervalRow:
    """One interval: of the profile, a piece of its confidence set, a slice, or the curvature (Wald)."""

    name: str
    kind: str
    unit: str
    ci_prob: float
    method: str
    lower: float
    upper: float
    lower_scaled: float
    upper_scaled: float
    scale: str
    lower_side: str
    upper_side: str


@dataclass(frozen=True)
class ErrorRow:
    """Standard errors of one parameter; `widened` is expected over slice: what the others cost."""

    name: str
    unit: str
    scale: str
    expected: float
    data: float
    observed: float
    slice: float
    widened: float
    null_share: float
    expected_natural: float
    data_natural: float
    observed_natural: float
    slice_natural: float


@dataclass(frozen=True)
class AgreementRow:
    """The interval of one parameter by one method."""

    name: str
    unit: str
    method: str
    ci_prob: float
    lower: float
    upper: float
    agreement: str
    cause: str


@dataclass(frozen=True)
class BootstrapRow:
    """Estimates of one parameter from the simulated data sets, natural scale."""

    name: str
    unit: str
    mean: float
    standard_error: float
    bias: float
    bias_share: float  # of the standard error, both on the estimation scale
    ci_prob: float
    lower: float
    upper: float
    at_lower_bound: float
    at_upper_bound: float


def verdict_table(study: xr.DataTree, group: str = "") -> list[VerdictRow]:
    """One row per profiled quantity of `group`, or of both groups of profiles."""
    equations, combined = reading.read_structure(study), reading.read_combinations(study)
    return [
        _verdict_row(p, structural.instead_words(p.name, equations, combined))
        for g in ([group] if group else PROFILE_GROUPS)
        for p in _profiles(study, g)
    ]


def _profiles(study: xr.DataTree, group: str) -> list[Profile]:
    found = reading.read_profiles(study, group)
    return [] if found is None else found.profiles


def side_label(profile: Profile, level: int, bound: int) -> str:
    side = profile.side(level, bound)
    return f"status {int(profile.side_status[level, bound])}" if side is None else side.label


def _verdict_row(p: Profile, instead: str) -> VerdictRow:
    code = p.code
    # bounds may end the profile of what the equations leave open; the data do not
    low, high = (-math.inf, math.inf) if code is Verdict.STRUCTURAL else p.known_limits(p.level)
    partners = [f"{m.axis.name} ({verdicts.movement(m)})" for m in verdicts.movers(p)]
    return VerdictRow(
        name=p.name,
        kind=p.kind,
        unit=p.axis.unit,
        scale=p.axis.scale,
        verdict=f"verdict {p.verdict}" if code is None else code.label,
        estimate=p.estimate,
        ci_prob=p.prob,
        lower=low,
        upper=high,
        lower_side=side_label(p, p.level, 0),
        upper_side=side_label(p, p.level, 1),
        searched_lower=float(p.searched[0]),
        searched_upper=float(p.searched[1]),
        rise_lower=float(p.rise[0]),
        rise_upper=float(p.rise[1]),
        n_regions=int(p.n_regions[p.level]),
        partners="; ".join(partners),
        valley=p.valley,
        reason=p.reason,
        advice=verdicts.advice(p, instead),
        n_evaluations=int(np.maximum(np.nan_to_num(p.n_evaluations), 0).sum()),
    )


def interval_table(study: xr.DataTree) -> list[IntervalRow]:
    """Every interval of every profile: all levels, both scales, with pieces, slices and Wald's."""
    return [row for g in PROFILE_GROUPS for p in _profiles(study, g) for row in _interval_rows(p)]


def _interval_rows(p: Profile) -> list[IntervalRow]:
    rows = []
    for level in range(len(p.probs)):
        sides = (side_label(p, level, 0), side_label(p, level, 1))
        ends = np.array(p.known_limits(level))
        scaled = np.where(np.isfinite(ends), p.interval_scaled[level], ends)
        rows.append(_interval_row(p, level, "profile", ends, scaled, sides))
        n = int(p.n_regions[level])
        if n > 1:
            for k, piece in enumerate(p.regions[level][:n]):
                rows.append(_interval_row(p, level, f"piece {k + 1}", piece))
        rows.append(_interval_row(p, level, "slice", p.slice_interval[level]))
        rows.append(_interval_row(p, level, "wald", p.wald_interval[level], p.wald_scaled[level]))
    return [r for r in rows if r.method == "profile" or not np.isnan([r.lower, r.upper]).all()]


def _interval_row(p: Profile, level: int, method: str, ends, scaled=(np.nan, np.nan), sides=("", "")):
    return IntervalRow(
        name=p.name,
        kind=p.kind,
        unit=p.axis.unit,
        ci_prob=float(p.probs[level]),
        method=method,
        lower=float(ends[0]),
        upper=float(ends[1]),
        lower_scaled=float(scaled[0]),
        upper_scaled=float(scaled[1]),
        scale=p.axis.scale,
        lower_side=sides[0],
        upper_side=sides[1],
    )


def error_table(study: xr.DataTree) -> list[ErrorRow]:
    """Standard errors from the information at the best fit, by parameter."""
    fisher = reading.read_fisher(study)
    if fisher is None:
        return []
    rows = []
    for i, axis in enumerate(fisher.parameters):
        errors = {key: float(values[i]) for key, values in fisher.errors.items()}
        natural = {f"{key}_natural": float(values[i]) for key, values in fisher.natural_errors.items()}
        widened = errors["expected"] / errors["slice"] if errors["slice"] > 0 else np.nan
        rows.append(
            ErrorRow(
                name=axis.name,
                unit=axis.unit,
                scale=axis.scale,
                **errors,
                widened=widened,
                null_share=float(fisher.null_share[i]),
                **natural,
            )
        )
    return rows


def agreement_table(study: xr.DataTree) -> list[AgreementRow]:
    """One row per parameter and method."""
    found = reading.read_agreement(study)
    if found is None:
        return []
    return [
        AgreementRow(
            name=axis.name,
            unit=axis.unit,
            method=method,
            ci_prob=found.prob,
            lower=float(found.interval[m, i, 0]),
            upper=float(found.interval[m, i, 1]),
            agreement=agreement_words(int(found.agreement[i])),
            cause=found.cause[i],
        )
        for i, axis in enumerate(found.parameters)
        for m, method in enumerate(found.methods)
    ]


def agreement_words(code: int) -> str:
    """
    >>> agreement_words(2), agreement_words(77)
    ('disagree', 'agreement 77')
    """
    try:
        return Agreement(code).label.replace("_", " ")
    except ValueError:
        return f"agreement {code}"


def bootstrap_table(study: xr.DataTree) -> list[BootstrapRow]:
    """One row per parameter, with the interval of the level nearest to 95 %."""
    found = reading.read_bootstrap(study)
    if found is None:
        return []
    level = found.level
    known = len(found.probs) > 0
    return [
        BootstrapRow(
            name=axis.name,
            unit=axis.unit,
            mean=float(found.mean[i]),
            standard_error=float(found.standard_error[i]),
            bias=float(found.bias[i]),
            bias_share=float(found.bias_scaled[i] / found.error_scaled[i])
            if found.error_scaled[i] > 0
            else np.nan,
            ci_prob=float(found.probs[level]) if known else np.nan,
            lower=float(found.interval[i, level, 0]) if known else np.nan,
            upper=float(found.interval[i, level, 1]) if known else np.nan,
            at_lower_bound=float(found.on_bound[i, 0]) if found.on_bound.size else np.nan,
            at_upper_bound=float(found.on_bound[i, 1]) if found.on_bound.size else np.nan,
        )
        for i, axis in enumerate(found.parameters)
    ]


def method_names(study: xr.DataTree) -> list[str]:
    found = reading.read_agreement(study)
    return [] if found is None else [method_words(m) for m in found.methods]
