"""Predictions, tests of residuals and predictive checks as rows of plain values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.reporting.reading.prediction import read_checks, read_diagnostics, read_predictions
from idfit.results.prediction import CheckVerdict, Code, LimitStatus


@dataclass(frozen=True)
class PredictionRow:
    """One prediction with its limits, natural scale; NaN where a limit was not computed."""

    condition: str
    observable: str
    unit: str
    time: float
    value: float
    lower: float
    upper: float
    lower_status: str
    upper_status: str
    validation_lower: float
    validation_upper: float
    validation_status: str
    rests_on: str
    ci_prob: float
    kind: str


@dataclass(frozen=True)
class TestRow:
    """One test of residuals."""

    subject: str
    test: str
    n: int
    statistic: float
    p_value: float
    adjusted_p_value: float
    verdict: str
    reason: str


@dataclass(frozen=True)
class CheckRow:
    """One posterior predictive check: the share of draws whose data have so large a test quantity."""

    subject: str
    quantity: str
    measured: float
    drawn: float
    p_value: float


def prediction_table(study: xr.DataTree) -> list[PredictionRow]:
    found = read_predictions(study)
    if found is None:
        return []
    return [
        PredictionRow(
            band.condition,
            band.observable,
            band.unit,
            float(band.time[t]),
            float(band.centre[t]),
            float(band.lower[t]),
            float(band.upper[t]),
            _label(LimitStatus, band.status[t, 0]),
            _label(LimitStatus, band.status[t, 1]),
            float(band.validation_lower[t]),
            float(band.validation_upper[t]),
            _label(LimitStatus, np.max(band.validation_status[t])),
            ", ".join(dict.fromkeys(text for text in map(str, band.rests_on[t]) if text)),
            found.prob,
            found.kind,
        )
        for band in found.bands
        for t in range(len(band.time))
    ]


def diagnostics_table(study: xr.DataTree) -> list[TestRow]:
    found = read_diagnostics(study)
    if found is None:
        return []
    return [
        TestRow(
            subject,
            test,
            int(found.n[i]),
            float(found.statistic[i, j]),
            float(found.p[i, j]),
            float(found.adjusted[i, j]),
            _label(CheckVerdict, found.verdict[i, j]),
            found.reason[i][j],
        )
        for i, subject in enumerate(found.subjects)
        for j, test in enumerate(found.tests)
    ]


def check_table(study: xr.DataTree) -> list[CheckRow]:
    found = read_checks(study)
    if found is None:
        return []
    return [
        CheckRow(
            subject, quantity, float(found.measured[i, j]), float(found.drawn[i, j]), float(found.p[i, j])
        )
        for i, subject in enumerate(found.subjects)
        for j, quantity in enumerate(found.quantities)
    ]


def _label(codes: type[Code], code: float) -> str:
    """The name of a code; that of a later version stays a number."""
    try:
        return codes(int(code)).label
    except ValueError:
        return f"code {int(code)}"
