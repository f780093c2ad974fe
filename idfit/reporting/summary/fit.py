"""Question, search and quality of the fit in words."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from idfit.reporting import numerals, reading, tables, verdicts
from idfit.reporting.figures import style
from idfit.reporting.scales import to_scaled
from idfit.reporting.summary.remark import Remark
from idfit.results import Status

_FEW_HITS = 5
_MOST_FINDINGS = 5
_LIKELIHOOD_RATIO_95 = 1.9207  # half the 95 % quantile of chi2 with one degree of freedom


def sentences(study: xr.DataTree) -> list[str]:
    """What was asked, how it was searched, and how well the best fit describes the data."""
    return [_question(study), _search(study), _quality(study)]


def _question(study: xr.DataTree) -> str:
    data, starts = reading.read_measurements(study), reading.read_starts(study)
    if data is None and starts is None:
        return "This study holds no data and no fit."
    described = ""
    if data is not None:
        n_observables, n_conditions = len(set(data.observable)), len(set(data.condition))
        described = (
            f"{numerals.count(len(data), 'measurement')} of {numerals.count(n_observables, 'observable')} "
            f"in {numerals.count(n_conditions, 'condition')}"
        )
    if starts is None:
        return f"The study holds {described}; no fit has been computed."
    from_data = f" from {described}" if described else ""
    succeeded = "estimated" if starts.finished.any() else "was to estimate"
    return f"idfit {succeeded} {numerals.count(len(starts.parameters), 'parameter')}{from_data}."


def _search(study: xr.DataTree) -> str:
    starts = reading.read_starts(study)
    if starts is None:
        return ""
    n, finished = len(starts), int(starts.finished.sum())
    if not finished:
        return f"None of {numerals.count(n, 'start')} ended with a value: there is no fit to report."
    ended = (
        "the only start ended" if n == finished == 1 else f"{finished} of {numerals.count(n, 'start')} ended"
    )
    text = f"{ended[0].upper()}{ended[1:]} with a value"
    optima = tables.optimum_table(study)
    if optima and n > 1:
        text += f", {optima[0].hits} of them in the best optimum found{_rate(optima[0])}"
    value = numerals.number(starts.best, _objective_digits(starts.best))
    fit = reading.group(study, "fit")
    priors = fit is not None and bool(np.nan_to_num(reading.numbers(fit, "nlprior", ("start",))).any())
    meaning = "negative log likelihood" + (" plus negative log prior" if priors else "")
    return f"{text}. The best objective ({meaning}) is {value}."


def _rate(optimum: tables.OptimumRow) -> str:
    if not math.isfinite(optimum.rate):
        return ""
    text = f" ({numerals.percent(optimum.rate)} of all starts"
    if math.isfinite(optimum.rate_lower) and math.isfinite(optimum.rate_upper):
        text += f", 95 % interval {numerals.percent_interval(optimum.rate_lower, optimum.rate_upper)}"
    return text + ")"


def _objective_digits(value: float) -> int:
    """Three decimals: differences of a thousandth are the smallest that anyone asks about."""
    return max(4, len(str(int(abs(value)))) + 3)


def _quality(study: xr.DataTree) -> str:
    fit = reading.group(study, "fit")
    chi2, dof = reading.scalar(fit, "chi2"), reading.count_of(fit, "dof")
    if not math.isfinite(chi2) or dof is None or dof <= 0:
        return ""
    return f"χ²/dof is {numerals.number(chi2 / dof, 3)} ({numerals.number(chi2, 3)} / {dof})."


def fit_remarks(study: xr.DataTree) -> list[Remark]:
    """Everything about search and fit that supports or limits the result."""
    return [
        *_on_failure_of_all(study),
        *_on_hits(study),
        *_on_best_start(study),
        *_on_rivals(study),
        *_on_noise(study),
        *_on_bounds(study),
        *_on_errors(study),
        *_on_failures(study),
        *_on_findings(study),
    ]


def _on_failure_of_all(study: xr.DataTree) -> list[Remark]:
    starts = reading.read_starts(study)
    if starts is None or starts.finished.any():
        return []
    fates = tables.fate_table(study)
    return [
        Remark(
            "caution",
            "No start succeeded",
            f"All {numerals.count(len(starts), 'start')} failed. Most often: {fates[0].label} "
            f"({numerals.count(fates[0].n, 'start')}). {fates[0].meaning}",
        )
    ]


def _on_hits(study: xr.DataTree) -> list[Remark]:
    starts, optima = reading.read_starts(study), tables.optimum_table(study)
    if starts is None or not starts.finished.any() or not optima:
        return []
    hits, n = optima[0].hits, len(starts)
    if n == 1:
        return [Remark("caution", "One start only", "Nothing is known about other optima: run more starts.")]
    if hits == 1:
        text = f"One of {n} starts ended in the best optimum. A better one may well exist: run more starts."
        return [Remark("caution", "Found once: run more starts", text)]
    text = f"{hits} of {n} starts ended in the best optimum found{_rate(optima[0])}."
    if hits < _FEW_HITS:
        return [
            Remark("note", f"Found {hits} times", f"{text} That is few; more starts would make it firmer.")
        ]
    text += " An optimum that few starts lead to can still have been missed."
    return [Remark("good", "The best optimum was found again and again", text)]


def _on_best_start(study: xr.DataTree) -> list[Remark]:
    starts = reading.read_starts(study)
    if starts is None or not starts.finished.any():
        return []
    best = starts.ranked[0]
    status = int(starts.status[best])
    if status == Status.CONVERGED:
        return []
    # the others of the same optimum may have converged to the same value
    twins = (
        (starts.cluster == starts.cluster[best]) & (starts.cluster >= 0) & (starts.status == Status.CONVERGED)
    )
    label, meaning = tables.status_words(status)
    if twins.any():
        text = (
            f"The start with the very lowest value ended as “{label}”, but others converged to the "
            "same optimum."
        )
        return [Remark("note", "The lowest start itself did not converge", text)]
    text = f"It ended as “{label}”. {meaning} Until then take the best value as an upper bound."
    return [Remark("caution", "The best start did not converge", text)]


def _on_rivals(study: xr.DataTree) -> list[Remark]:
    """Other ends within the threshold: optima of their own, or starts that stopped on their way."""
    near = [o for o in tables.optimum_table(study)[1:] if o.above_best < _LIKELIHOOD_RATIO_95]
    out = []
    if rivals := [o for o in near if o.converged]:
        text = (
            f"{_named(rivals)} less than 1.92 above the best value: the data hardly tell them apart, so the "
            "parameters that differ between them are not settled."
        )
        out.append(Remark("caution", "Other optima fit almost as well", text))
    if stopped := [o for o in near if not o.converged]:
        text = (
            f"{_named(stopped)} less than 1.92 above the best value, but no start converged there: more "
            "iterations would tell whether it leads to the best optimum. Parameters that differ between them "
            "are not settled."
        )
        out.append(Remark("caution", "Some starts stopped close to the best value", text))
    return out


def _named(optima: list[tables.OptimumRow]) -> str:
    which = [f"optimum {o.optimum} (+{numerals.number(o.above_best, 2)})" for o in optima]
    text = numerals.listing(which)
    return f"{text[0].upper()}{text[1:]} {'lies' if len(optima) == 1 else 'lie'}"


def _on_noise(study: xr.DataTree) -> list[Remark]:
    fit = reading.group(study, "fit")
    chi2, dof = reading.scalar(fit, "chi2"), reading.count_of(fit, "dof")
    if not math.isfinite(chi2) or dof is None or not reading.is_gaussian(study):
        return []
    if dof <= 0:
        text = (
            "There are at least as many estimated parameters as measurements: a close fit means nothing here."
        )
        return [Remark("caution", "No degrees of freedom are left", text)]
    if reading.noise_was_estimated(study):
        text = (
            "Noise levels were estimated from the same data, so χ² comes out near the number of "
            "measurements by itself and is no test of the model. Look at the residuals."
        )
        return [Remark("note", "χ² is no test here", text)]
    if not reading.noise_is_stated(study):
        return []
    # Wilson & Hilferty 1931: (chi2/dof)^(1/3) is nearly normal
    spread = 2 / (9 * dof)
    z = ((chi2 / dof) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    ratio = numerals.number(chi2 / dof, 3)
    if z > 3:
        text = (
            f"χ²/dof is {ratio}, more than chance allows if the stated noise is right: the model "
            "misses something, or the noise is larger than stated."
        )
        return [Remark("caution", "The model does not explain the data to within the noise", text)]
    if z < -3:
        text = (
            f"χ²/dof is {ratio}, less than chance allows: the stated noise is probably too large, "
            "and with it the standard errors."
        )
        return [Remark("note", "The fit is closer than the stated noise", text)]
    text = f"χ²/dof is {ratio}, as chance allows with the stated noise. Other models may do as well."
    return [Remark("good", "The model agrees with the data to within the noise", text)]


def _on_bounds(study: xr.DataTree) -> list[Remark]:
    rows = [r for r in tables.parameter_table(study) if r.at_bound]
    if not rows:
        return []

    def stands(row: tables.ParameterRow) -> str:
        side, bound = ("lower", row.lower) if row.at_bound < 0 else ("upper", row.upper)
        value = (
            f" ({numerals.short_number(bound)}{' ' + row.unit if row.unit else ''})"
            if math.isfinite(bound)
            else ""
        )
        return f"{style.label(row.name, 40)} at its {side} bound{value}"

    profiled = [p for r in rows if (p := _profile_of(study, r.name)) is not None]
    told = f" Its profile gives {_intervals(profiled)}." if len(profiled) == 1 else ""
    if len(profiled) > 1:
        told = f" Their profiles give {_intervals(profiled)}."
    if len(profiled) < len(rows):
        told += " No standard error or interval is given there." if not profiled else ""
    text = (
        f"{numerals.listing([stands(r) for r in rows])}. The best value may lie beyond; widen the "
        f"bound if it is not a law of nature.{told}"
    )
    return [Remark("caution", f"{numerals.count(len(rows), 'parameter')} at a bound", text)]


def _profile_of(study: xr.DataTree, name: str) -> reading.Profile | None:
    found = reading.read_profiles(study)
    profile = found.of(name) if found is not None else None
    return profile if profile is not None and verdicts.was_computed(profile) else None


def _intervals(profiles: list[reading.Profile]) -> str:
    return numerals.listing(
        [f"{style.label(p.name, 40)} {verdicts.interval_in_a_sentence(p)}" for p in profiles]
    )


def _on_errors(study: xr.DataTree) -> list[Remark]:
    starts = reading.read_starts(study)
    if starts is None or not starts.finished.any():
        return []
    estimated = [r for r in tables.parameter_table(study) if r.role == "estimated"]
    missing = [r for r in estimated if not r.at_bound and not math.isfinite(r.standard_error)]
    # an interval of four decades holds nothing that one could quote
    wide = [r for r in estimated if r.interval_lower > 0 and r.interval_upper > 1e4 * r.interval_lower]
    # expected and observed information agree for a nearly linear model
    bent = [
        r
        for r in estimated
        if r.standard_error_expected > 1.5 * r.standard_error_estimation
        or r.standard_error_estimation > 1.5 * r.standard_error_expected
    ]
    out = []
    if bent:
        names = numerals.listing([style.label(r.name, 40) for r in bent])
        profiled = all(_profile_of(study, r.name) is not None for r in bent)
        text = (
            f"For {names} the expected (Fisher) information gives standard errors that differ by more than "
            "half: the model is strongly curved there, and a symmetric interval is only a first guess. "
            + ("The profile intervals do not rest on it." if profiled else "Profiles would tell.")
        )
        out.append(Remark("note", "Observed and expected information disagree", text))
    if missing:
        names = numerals.listing([style.label(r.name, 40) for r in missing])
        profiles = [p for r in missing if (p := _profile_of(study, r.name)) is not None]
        text = f"At the best fit the curvature gives none for {names}: these data may not determine them. "
        if not profiles:
            text += "Profiles would tell."
        else:
            text += f"The profiles tell: {_intervals(profiles)}."
        out.append(
            Remark("caution", f"No standard error for {numerals.count(len(missing), 'parameter')}", text)
        )
    wide = [r for r in wide if _profile_of(study, r.name) is None]  # else the profile has the word
    if wide:
        names = numerals.listing([style.label(r.name, 40) for r in wide])
        text = (
            f"The interval of {names} spans more than four decades: practically open as far as the "
            "curvature tells."
        )
        out.append(Remark("caution", f"{numerals.count(len(wide), 'parameter')} hardly determined", text))
    return out


def _on_failures(study: xr.DataTree) -> list[Remark]:
    starts, fates = reading.read_starts(study), tables.fate_table(study)
    if starts is None or not starts.finished.any():
        return []
    failed = [f for f in fates if not f.finished]
    out = []
    if failed:
        n = sum(f.n for f in failed)
        reasons = numerals.listing([f"{f.label} ({f.n})" for f in failed])
        text = f"{n} of {len(starts)}: {reasons}. The reasons are explained under “How the starts ended”."
        kind = "caution" if n > len(starts) / 2 else "note"
        out.append(Remark(kind, f"{numerals.count(n, 'start')} ended without a value", text))
    open_ended = [f for f in fates if f.finished and f.status not in (Status.OK, Status.CONVERGED)]
    if open_ended:
        n = sum(f.n for f in open_ended)
        reasons = numerals.listing([f"{f.label} ({f.n})" for f in open_ended])
        out.append(Remark("note", f"{numerals.count(n, 'start')} ended before convergence", f"{reasons}."))
    return out


def _on_findings(study: xr.DataTree) -> list[Remark]:
    """What reading the files had to say, kept as lines in an attribute. What the equations leave open has a
    remark of its own."""
    lines = dict.fromkeys(reading.attribute(study, "findings").splitlines())
    texts = [t for t in lines if t.strip() and not t.startswith("equations - structurally")]
    shown = [Remark("note", "From reading the files", style.label(t, 600)) for t in texts[:_MOST_FINDINGS]]
    if len(texts) > len(shown):
        more = f"There are {len(texts) - len(shown)} more; `idfit check` lists them all."
        shown.append(Remark("note", "From reading the files", more))
    return shown


def position_between_bounds(row: tables.ParameterRow) -> float:
    """Where the estimate lies between its bounds on the estimation scale, 0 to 1; NaN without bounds."""
    low, value, high = (to_scaled(v, row.scale) for v in (row.lower, row.estimate, row.upper))
    if not all(math.isfinite(v) for v in (low, value, high)) or high <= low:
        return math.nan
    return float(np.clip((value - low) / (high - low), 0, 1))
