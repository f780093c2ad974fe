"""Predictions with their bands, tests of residuals and predictive checks of a study, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.reporting.reading.access import attribute, axis_names, group, numbers, scalar, text_rows, texts
from idfit.results.prediction import CheckVerdict, LimitStatus

_CELL = ("condition", "observable", "time")


@dataclass(frozen=True)
class Band:
    """One observable or formula in one condition, at the times that were asked for, natural scale.

    status, validation_status : (time, side) codes; rests_on : parameters at search bounds, by (time, side).
    """

    condition: str
    observable: str
    unit: str
    transform: str
    time: np.ndarray
    centre: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    status: np.ndarray
    validation_lower: np.ndarray
    validation_upper: np.ndarray
    validation_status: np.ndarray
    rests_on: np.ndarray

    @property
    def has_validation(self) -> bool:
        return bool((~np.isnan(self.validation_lower) & ~np.isnan(self.validation_upper)).any())

    def n_with(self, status: LimitStatus) -> int:
        """Limits of the value without noise that have this status."""
        return int((self.status == int(status)).sum())


@dataclass(frozen=True)
class Predictions:
    """All bands, and what kind they are."""

    bands: list[Band]
    method: str
    kind: str
    sentence: str
    inner: bool
    prob: float
    reason: str  # why draws make no claim
    n_draws: float

    @property
    def has_validation(self) -> bool:
        return any(band.has_validation for band in self.bands)

    @property
    def resting(self) -> list[str]:
        """Parameters at search bounds where limits lie."""
        names = [n for b in self.bands for text in b.rests_on.ravel() for n in str(text).split(", ") if n]
        return list(dict.fromkeys(names))

    def n_with(self, status: LimitStatus) -> int:
        return sum(band.n_with(status) for band in self.bands)


def read_predictions(study: xr.DataTree | xr.Dataset) -> Predictions | None:
    found = group(study, "prediction")
    if found is None or any(dim not in found.sizes for dim in _CELL):
        return None
    conditions, observables = axis_names(found, "condition"), axis_names(found, "observable")
    units, transforms = (texts(found, f"observable_{n}", "observable") for n in ("unit", "transform"))
    time = np.asarray(found["time"].values, dtype=float)
    values = {n: numbers(found, n, _CELL) for n in (
        "median", "lower", "upper", "validation_lower", "validation_upper")}  # fmt: skip
    codes = {
        n: numbers(found, n, (*_CELL, "ci_bound"), int(LimitStatus.NOT_REACHED))
        for n in ("status", "validation_status")
    }
    bands = []
    for i, condition in enumerate(conditions):
        for j, observable in enumerate(observables):
            asked = (codes["status"][i, j] != int(LimitStatus.NOT_REACHED)).any(axis=-1)
            asked |= np.isfinite(values["median"][i, j])
            if not asked.any():
                continue
            rests = found["rests_on"].values[i, j] if "rests_on" in found else None
            bands.append(Band(
                condition, observable, units[j], transforms[j] or "lin", time[asked],
                values["median"][i, j, asked], values["lower"][i, j, asked], values["upper"][i, j, asked],
                codes["status"][i, j, asked], values["validation_lower"][i, j, asked],
                values["validation_upper"][i, j, asked], codes["validation_status"][i, j, asked],
                np.full((int(asked.sum()), 2), "") if rests is None else rests[asked],
            ))  # fmt: skip
    if not bands:
        return None
    method, kind, sentence = (attribute(found, n) for n in ("method", "kind", "kind_sentence"))
    return Predictions(
        bands, method, kind, sentence, bool(scalar(found, "inner") == 1.0), scalar(found, "ci_prob"),
        attribute(found, "reason"), scalar(found, "n_draws"),
    )  # fmt: skip


@dataclass(frozen=True)
class Diagnostics:
    """Tests (subject, test) of the residuals; `outliers` are rows of the data."""

    subjects: list[str]
    tests: list[str]
    statistic: np.ndarray
    p: np.ndarray
    adjusted: np.ndarray
    verdict: np.ndarray
    reason: list[list[str]]
    n: np.ndarray
    outliers: np.ndarray
    studentised: np.ndarray
    level: float

    @property
    def n_tests(self) -> int:
        return int(np.isfinite(self.p).sum())

    @property
    def against(self) -> list[tuple[int, int]]:
        """Positions (subject, test) of the signs against the model, the clearest first."""
        found = np.argwhere(self.verdict == int(CheckVerdict.AGAINST))
        return sorted(((int(i), int(j)) for i, j in found), key=lambda at: self.adjusted[at])


def read_diagnostics(study: xr.DataTree | xr.Dataset) -> Diagnostics | None:
    found = group(study, "diagnostics")
    if found is None or "subject" not in found.sizes:
        return None
    dims = ("subject", "test")
    outlier = numbers(found, "outlier", ("measurement",), 0.0).astype(bool)
    return Diagnostics(
        axis_names(found, "subject"), axis_names(found, "test"), numbers(found, "statistic", dims),
        numbers(found, "p_value", dims), numbers(found, "adjusted_p_value", dims),
        numbers(found, "verdict", dims, int(CheckVerdict.UNDETERMINED)), text_rows(found, "reason", dims),
        numbers(found, "n", ("subject",)), np.flatnonzero(outlier),
        numbers(found, "studentised", ("measurement",)), scalar(found, "level"),
    )  # fmt: skip


@dataclass(frozen=True)
class Checks:
    """Posterior predictive p-values (subject, quantity)."""

    subjects: list[str]
    quantities: list[str]
    p: np.ndarray
    measured: np.ndarray
    drawn: np.ndarray
    n_draws: float
    converged: bool


def read_checks(study: xr.DataTree | xr.Dataset) -> Checks | None:
    found = group(study, "predictive_checks")
    if found is None or "subject" not in found.sizes:
        return None
    dims = ("subject", "quantity")
    return Checks(
        axis_names(found, "subject"), axis_names(found, "quantity"), numbers(found, "p_value", dims),
        numbers(found, "measured", dims), numbers(found, "drawn", dims), scalar(found, "n_draws"),
        bool(scalar(found, "converged") != 0.0),
    )  # fmt: skip
