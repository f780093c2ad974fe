"""What the page says about predictions and residuals, as texts ready for the templates."""

from __future__ import annotations

import xarray as xr

from idfit.reporting import numerals, prediction, verdicts
from idfit.reporting.reading.prediction import (
    Band,
    Diagnostics,
    read_checks,
    read_diagnostics,
    read_predictions,
)
from idfit.results.prediction import CheckVerdict, LimitStatus

_MOST_ROWS = 400
_WORDS = {
    LimitStatus.OPEN: "no limit",
    LimitStatus.LEVELS_OFF: "levels off",
    LimitStatus.FAILED: "not found",
    LimitStatus.NO_VALUE: "no value there",
    LimitStatus.NOT_DETERMINED: "not determined",
    LimitStatus.UNCONVERGED: "no claim",
}


def context(study: xr.DataTree) -> dict:
    """What the templates ask for; None where there is none."""
    return {
        "predictions": _predictions(study),
        "diagnostics": _diagnostics(study),
        "predictive": _checks(study),
    }


def _predictions(study: xr.DataTree) -> dict | None:
    found = read_predictions(study)
    if found is None:
        return None
    words = [prediction.width_words(found), prediction.open_words(found)]
    if found.reason:
        words = [f"The chains make no claim ({found.reason}), so there are no bands."]
    rows = [row for band in found.bands for row in _rows(band)]
    return {
        "kind": found.kind,
        "tone": "open" if found.inner else "good" if found.method == "profiles" else "unknown",
        "sentence": found.sentence,
        "words": " ".join(w for w in words if w),
        "level": verdicts.level_words(found.prob),
        "centre": "Median" if found.method == "posterior" else "Best fit",
        "validation": found.has_validation,
        "rows": rows[:_MOST_ROWS],
        "hidden": max(len(rows) - _MOST_ROWS, 0),
        "resting": any(row["rests_on"] for row in rows),
    }


def _rows(band: Band) -> list[dict]:
    rows = []
    for t in range(len(band.time)):
        codes = [_code(c) for c in band.status[t]]
        notes = dict.fromkeys(_WORDS[c] for c in codes if c is not None and c in _WORDS)
        rests = dict.fromkeys(str(text) for text in band.rests_on[t] if str(text))
        rows.append({
            "condition": band.condition,
            "observable": band.observable,
            "unit": band.unit,
            "time": numerals.short_number(band.time[t]),
            "value": numerals.number(band.centre[t]),
            "interval": numerals.interval(band.lower[t], band.upper[t]),
            "note": ", ".join(notes),
            "new": numerals.interval(band.validation_lower[t], band.validation_upper[t]),
            "rests_on": ", ".join(rests),
        })  # fmt: skip
    return rows


def _code(value: float) -> LimitStatus | None:
    try:
        return LimitStatus(int(value))
    except ValueError:
        return None


def _diagnostics(study: xr.DataTree) -> dict | None:
    found = read_diagnostics(study)
    if found is None:
        return None
    reasons = dict.fromkeys(text for row in found.reason for text in row if text)
    return {
        "words": prediction.tests_words(found),
        "tests": [prediction.TESTS.get(test, (test, ""))[0] for test in found.tests],
        "rows": [
            {
                "subject": "all measurements" if subject == "all" else subject,
                "n": int(found.n[i]),
                "cells": [_test(found, i, j) for j in range(len(found.tests))],
            }
            for i, subject in enumerate(found.subjects)
        ],
        "level": numerals.percent(found.level),
        "untested": "; ".join(reasons),
    }


def _test(found: Diagnostics, i: int, j: int) -> dict:
    against = int(found.verdict[i, j]) == int(CheckVerdict.AGAINST)
    p = found.p[i, j]
    return {"p": prediction.probability(p) if p == p else numerals.ABSENT, "against": against}


def _checks(study: xr.DataTree) -> dict | None:
    found = read_checks(study)
    if found is None:
        return None
    extreme = set(prediction.extremes(found))
    return {
        "words": prediction.checks_words(found),
        "quantities": [prediction.QUANTITIES.get(q, q) for q in found.quantities],
        "rows": [
            {
                "subject": "all measurements" if subject == "all" else subject,
                "cells": [
                    {
                        "p": prediction.probability(p) if p == p else numerals.ABSENT,
                        "extreme": (i, j) in extreme,
                    }
                    for j, p in enumerate(found.p[i])
                ],
            }
            for i, subject in enumerate(found.subjects)
        ],
    }
