"""Predictions and tests of residuals in words."""

from __future__ import annotations

import numpy as np

from idfit.reporting import numerals, verdicts
from idfit.reporting.figures import style
from idfit.reporting.reading.prediction import Checks, Diagnostics, Predictions
from idfit.results.prediction import LimitStatus

#: the head of each test's column, and what a sign against the model then means
TESTS = {
    "normality": ("shape", "the residuals do not have the distribution of the stated noise"),
    "runs": (
        "runs",
        "residuals of one sign follow each other: the model misses a course in time",
    ),
    "autocorrelation": ("neighbours", "neighbouring residuals are alike: the model misses a course"),
    "chi2": ("size (χ²)", "the residuals are larger than the stated noise allows"),
    "outlier": ("largest", "one measurement lies farther off than noise would put it"),
}
QUANTITIES = {
    "chi2": "size of the residuals",
    "largest": "largest residual",
    "autocorrelation": "neighbours in time",
}
# a predictive p-value this close to 0 or 1 is worth a remark
_EXTREME = 0.01
_MOST = 4  # signs that are told in a sentence


def probability(p: float) -> str:
    """
    >>> probability(0.0314), probability(1e-7)
    ('0.031', '< 0.0001')
    """
    return "< 0.0001" if p < 1e-4 else numerals.number(p, 2)


def tests_words(found: Diagnostics) -> str:
    """What the tests say together, with their number."""
    if not found.n_tests:
        return "There are too few measurements to test the residuals."
    n = numerals.count(found.n_tests, "test")
    if not found.against:
        show = "shows" if found.n_tests == 1 else "show"
        return (
            f"{n} of the residuals {show} no sign against the model or its noise at "
            f"{numerals.percent(found.level)}, after correction for their number (Holm). That is no proof: "
            "with few measurements a test sees large faults only."
        )
    signs = []
    for j in dict.fromkeys(j for _, j in found.against):
        own = [i for i, k in found.against if k == j]
        who = numerals.listing([_subject(found.subjects[i]) for i in own])
        signs.append(f"{TESTS[found.tests[j]][1]} ({who}, p {_equals(found.adjusted[own[0], j])})")
    more = [f"and {len(signs) - _MOST} more"] if len(signs) > _MOST else []
    return (
        f"{n} of the residuals were made, and their p-values corrected for their number (Holm). Against the "
        f"model or its noise speaks: {'; '.join([*signs[:_MOST], *more])}."
    )


def _equals(p: float) -> str:
    text = probability(p)
    return text if text.startswith("<") else f"= {text}"


def _subject(name: str) -> str:
    return "all measurements" if name == "all" else style.label(name, 40)


def checks_words(found: Checks) -> str:
    """What drawn data say beside the measured ones."""
    extreme = extremes(found)
    n = numerals.count(int(found.n_draws), "draw")
    start = f"Data drawn from the posterior ({n}) beside those measured: "
    if not found.converged:
        start = f"The chains have not converged, so this is a hint only. {start}"
    if not extreme:
        return f"{start}the model makes data such as these."
    signs = [
        f"{QUANTITIES.get(found.quantities[j], found.quantities[j])} ({_subject(found.subjects[i])}, "
        f"p {_equals(found.p[i, j])})"
        for i, j in extreme[:_MOST]
    ]
    return f"{start}they differ in {numerals.listing(signs)}."


def extremes(found: Checks) -> list[tuple[int, int]]:
    """Checks (subject, quantity) whose p-value is near 0 or 1."""
    near = (found.p < _EXTREME) | (found.p > 1.0 - _EXTREME)
    return [(int(i), int(j)) for i, j in np.argwhere(near & np.isfinite(found.p))]


def open_words(found: Predictions) -> str:
    """Which predictions have no limit; "" if all have."""
    n = found.n_with(LimitStatus.OPEN)
    if not n:
        return ""
    names = dict.fromkeys(b.observable for b in found.bands if b.n_with(LimitStatus.OPEN))
    listed = numerals.listing([style.label(name, 40) for name in names])
    return f"{numerals.count(n, 'limit')} of {listed} cannot be given: the data set none."


def width_words(found: Predictions) -> str:
    """How wide the bands are: the widest relative to its value, and where."""
    widest, at = -1.0, None
    for band in found.bands:
        with np.errstate(invalid="ignore", divide="ignore"):
            share = 0.5 * (band.upper - band.lower) / np.abs(band.centre).max(initial=0.0)
        share = np.where(np.isfinite(share), share, -1.0)
        if len(share) and share.max() > widest:
            widest, at = float(share.max()), (band, int(np.argmax(share)))
    if at is None or widest < 0.0:
        return ""
    band, t = at
    return (
        f"The widest of the bands ({verdicts.level_words(found.prob)}) is that of "
        f"{style.label(band.observable, 40)} at time {numerals.short_number(band.time[t], 3)}: "
        f"± {numerals.percent(widest)} of its largest value."
    )
