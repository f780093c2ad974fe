"""What the page says about what the data determine, as texts ready for the templates."""

from __future__ import annotations

import math
import re

import numpy as np
import xarray as xr

from idfit.reporting import numerals, page_posterior, page_structure, reading, structural, verdicts
from idfit.reporting.figures import profiles as profile_figure
from idfit.reporting.figures import style
from idfit.reporting.figures.agreement import method_words
from idfit.reporting.reading import Profile
from idfit.reporting.summary import companions
from idfit.reporting.tables import identifiability, status_words
from idfit.results import Verdict

_MOST_ROWS = 400


def context(study: xr.DataTree) -> dict:
    """Everything that the templates `determined` and `identifiability` ask for."""
    found = reading.read_profiles(study)
    functions = reading.read_profiles(study, "function_profiles")
    parameters = [] if found is None else found.profiles
    equations, combined = reading.read_structure(study), reading.read_combinations(study)
    opinions, drawn = page_structure.opinions(study), page_posterior.intervals(study)
    return {
        "verdicts": [
            _verdict(p, structural.instead_words(p.name, equations, combined), opinions.get(p.name, ""))
            | {"posterior": drawn.get(p.name)}
            for p in parameters
        ],
        "posterior_level": page_posterior.level_words(study) if drawn else "",
        "verdict_level": verdicts.level_words(parameters[0].prob) if parameters else "",
        "functions": [] if functions is None else [_verdict(p) for p in functions.profiles],
        "function_level": "" if functions is None else verdicts.level_words(functions.profiles[0].prob),
        "profile_ends": [_ends(p) for p in parameters],
        "function_ends": [] if functions is None else [_ends(p) for p in functions.profiles],
        "fisher": _fisher(study),
        "quick_test": _quick_test(study),
        "agreement": _agreement(study),
        "bootstrap": _bootstrap(study),
    }


def intervals(study: xr.DataTree) -> dict[str, verdicts.Interval]:
    """The profile interval of each parameter that was profiled: the parameter table shows it."""
    found = reading.read_profiles(study)
    return {p.name: verdicts.interval_of(p) for p in found.profiles} if found is not None else {}


def _verdict(p: Profile, instead: str = "", equations: str = "") -> dict:
    words, tone = verdicts.tag(p.verdict, p.kind)
    return {
        "name": p.name,
        "kind": p.kind,
        "tag": words,
        "tone": tone,
        "estimate": numerals.number(p.estimate),
        "interval": verdicts.interval_of(p),
        "unit": p.axis.unit,
        "partners": [(m.axis.name, verdicts.movement(m)) for m in verdicts.movers(p)],
        "equations": "" if _agrees(p, equations) else equations,
        "advice": _whole_numbers(verdicts.advice(p, instead)),
        "reason": verdicts.limiting_reason(p),
    }


def _agrees(p: Profile, equations: str) -> bool:
    """Whether the verdict of the equations need not be said beside that of the profile."""
    good = p.code is not None and p.code.is_identifiable
    return p.code is Verdict.STRUCTURAL or (good and equations != "non-identifiable")


def _whole_numbers(text: str) -> str:
    """Text in which no line ends inside a number such as 9.06 × 10⁻⁴."""
    return re.sub(r" × (?=10)", "\u00a0×\u00a0", text)


def _ends(p: Profile) -> dict:
    """How the two sides of a profile ended, and which of its refits failed."""
    sides = [p.side(p.level, k) for k in (0, 1)]
    failed = [f"{status_words(code)[0]} ({n})" for code, n in sorted(profile_figure.failed_steps(p).items())]
    evaluations = p.n_evaluations[p.n_evaluations >= 0]
    return {
        "name": p.name,
        "sides": [
            "This version of idfit does not know this end." if side is None else side.sentence
            for side in sides
        ],
        "rise": [numerals.number(2 * float(r), 3) for r in p.rise],
        "steps": int(p.good.sum()),
        "failed": numerals.listing(failed) or "none",
        "n_evaluations": int(evaluations.sum()) if len(evaluations) else -1,
    }


_FACTS = (
    ("method", "Method of the profiles"),
    ("threshold_kind", "Threshold of the profiles"),
    ("ci_prob", "Confidence level of the verdicts"),
    ("n_rounds", "Rounds of the profiles"),
    ("n_evaluations", "Evaluations of the profiles"),
    ("rtol", "Relative tolerance of the profiles"),
    ("atol", "Absolute tolerance of the profiles"),
    ("tolerance", "Tolerance of the profiles"),
)
_WORDS = {
    "threshold_kind": {"chi2": "χ², one degree of freedom", "f": "F, for small samples"},
    "method": {
        "path": "refits all along each path",
        "endpoints": "the limits alone, without the path",
        "integration": "integrated paths, without refits",
    },
}


def profile_facts(study: xr.DataTree) -> list[tuple[str, str, str]]:
    found = reading.read_profiles(study)
    if found is None:
        return []
    facts = []
    for name, label in _FACTS:
        value = found.attrs.get(name)
        if value is None or str(value) == "":
            continue
        text = str(value)
        if name in _WORDS:
            text = _WORDS[name].get(text.lower(), text)
        facts.append((label, text, "text"))
    first = found.profiles[0]
    rises = [
        f"{numerals.number(float(r), 4)} at {verdicts.level_words(float(p))}"
        for p, r in zip(first.probs, first.threshold, strict=True)
        if math.isfinite(r)
    ]
    if rises:
        facts.append(("Rise of the objective at the limits", numerals.listing(rises), "text"))
    return facts


def _fisher(study: xr.DataTree) -> dict | None:
    found = reading.read_fisher(study)
    if found is None:
        return None
    rows = [
        {
            "name": row.name,
            "scale": row.scale,
            "unit": row.unit,
            "errors": [_error(v) for v in (row.expected, row.data, row.observed, row.slice)],
            "widened": numerals.number(row.widened, 2),
            "natural": _error(row.expected_natural),
        }
        for row in identifiability.error_table(study)
    ]
    return {
        "words": _fisher_words(found),
        "rule": style.label(found.null_rule, 1000),
        "rows": rows,
        "curvatures": _curvatures(found),
    }


def _error(value: float) -> str:
    """An error that does not exist is infinite in some groups and NaN in others."""
    return numerals.number(value, 3) if math.isfinite(value) else numerals.ABSENT


def _fisher_words(found: reading.Fisher) -> str:
    n = len(found.parameters)
    parts = []
    if math.isfinite(found.sloppiness):
        spread = numerals.number(found.sloppiness, 2)
        parts.append(
            f"Between the best and the least determined direction that the data see lie {spread} decades of "
            "information (sloppiness): along the latter, errors are "
            f"{numerals.number(10 ** min(found.sloppiness / 2, 300), 2)} times as large."
        )
    if found.nullity:
        made_of = companions.members(found)
        parts.append(
            f"{found.nullity} of {numerals.count(n, 'direction')} {'is' if found.nullity == 1 else 'are'} "
            "not "
            "determined at all at this point" + (f", made of {made_of}." if made_of else ".")
        )
    elif len(found.eigenvalue):
        parts.append("At this point the data see every direction, if some only weakly.")
    if found.held_at_bound:
        parts.append(
            f"On a bound, and therefore without standard error: {style.label(found.held_at_bound, 300)}."
        )
    if found.no_curvature:
        parts.append(f"Curvatures are not given: {style.label(found.no_curvature, 300).rstrip('. ')}.")
    return " ".join(parts)


def _curvatures(found: reading.Fisher) -> list[dict]:
    rows = []
    for space, words in (("estimation", "estimation scale"), ("natural", "natural scale")):
        for label, values in (("Parameter effects", found.parameter_effects), ("Intrinsic", found.intrinsic)):
            value = values.get(space, math.nan)
            if math.isfinite(value):
                rows.append(
                    {
                        "name": label,
                        "space": words,
                        "value": numerals.number(value, 2),
                        "meaning": companions.curvature_words(value),
                    }
                )
    return rows


# a test of all parameters together: its verdict is about the worst direction
_TEST_SAYS = {
    int(Verdict.IDENTIFIABLE): "So every parameter is determined to within the radius.",
    int(Verdict.OPEN_BOTH): "So not every parameter is determined to within the radius.",
    int(Verdict.FLAT): "So there is a direction of which the data say nothing that far.",
}


def _quick_test(study: xr.DataTree) -> dict | None:
    test = reading.read_test(study)
    if test is None:
        return None
    words, tone = verdicts.tag(test.verdict)
    n, finished = len(test.status), int(test.finished.sum())
    text = (
        f"All parameters at once: {numerals.count(n, 'refit')} on a sphere of radius "
        f"{numerals.short_number(test.radius, 3)} around the best fit (in decades of logarithmic "
        f"parameters) looked for the direction in which the objective rises least. {finished} of {n} "
        f"ended with a value; the least rise is {numerals.number(test.least_rise, 2)}. "
        f"{_TEST_SAYS.get(test.verdict, '')}"
    ).strip()
    order = [int(i) for i in np.argsort(-np.abs(np.nan_to_num(test.direction)), kind="stable")]
    rows = [
        {"name": test.parameters[i].name, "component": _component(float(test.direction[i]))}
        for i in order[:8]
        if abs(test.direction[i]) > 0.05
    ]
    return {"tag": words, "tone": tone, "text": text, "rows": rows}


def _component(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _agreement(study: xr.DataTree) -> dict | None:
    found = reading.read_agreement(study)
    if found is None:
        return None
    rows = []
    for i, axis in enumerate(found.parameters[:_MOST_ROWS]):
        texts = [numerals.interval(float(low), float(high)) for low, high in found.interval[:, i]]
        words = identifiability.agreement_words(int(found.agreement[i]))
        rows.append(
            {
                "name": axis.name,
                "unit": axis.unit,
                "intervals": texts,
                "words": words,
                "tone": "open" if found.disagree(i) else "good" if words == "agree" else "unknown",
                "cause": found.cause[i],
            }
        )
    return {
        "methods": [method_words(m) for m in found.methods],
        "level": verdicts.level_words(found.prob),
        "rows": rows,
        "directions": found.directions,
        "left_out": style.label(found.left_out, 300),
        "views": [_view(found, i) for i in range(len(rows))] if len(found.views) else [],
    }


_VIEWS = {1: ("open", "flat"), 0: ("determined", "good")}


def _view(found: reading.Opinions, i: int) -> dict:
    """What equations, information and profile each say of one parameter, and whether that fits together."""
    words = identifiability.agreement_words(int(found.views[i]))
    tone = {"agree": "good", "disagree": "open"}.get(words, "unknown")
    return {
        "name": found.parameters[i].name,
        "cells": [_VIEWS.get(int(code), ("–", "")) for code in found.open_by_view[:, i]],
        "words": words,
        "tone": tone,
        "cause": found.views_cause[i],
    }


def _bootstrap(study: xr.DataTree) -> dict | None:
    found = reading.read_bootstrap(study)
    if found is None:
        return None
    n, finished = len(found.status), int(found.finished.sum())
    rows = []
    for row in identifiability.bootstrap_table(study):
        bounds = [s for s in (row.at_lower_bound, row.at_upper_bound) if s > 0]
        mean, error = numerals.value_and_error(row.mean, row.standard_error)
        rows.append(
            {
                "name": row.name,
                "unit": row.unit,
                "mean": mean,
                "error": error,
                "interval": numerals.interval(row.lower, row.upper),
                "bias": numerals.percent(abs(row.bias_share)),
                "on_bound": numerals.percent(sum(bounds)) if bounds else "–",
            }
        )
    level = verdicts.level_words(float(found.probs[found.level])) if len(found.probs) else ""
    text = (
        f"The model at the best fit drew {numerals.count(n, 'data set')} with its own noise, and each was "
        f"fitted again; {finished} of these fits ended with a value. The scatter of the estimates shows "
        "what another experiment of the same kind would give, if the model is right."
    )
    return {"text": text, "rows": rows, "level": level}
