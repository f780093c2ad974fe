"""What predictions and residuals add to the first screen."""

from __future__ import annotations

import xarray as xr

from idfit.reporting import prediction
from idfit.reporting.reading.prediction import read_checks, read_diagnostics, read_predictions
from idfit.reporting.summary.remark import Remark


def remarks(study: xr.DataTree) -> list[Remark]:
    """Signs against the model in its residuals and in drawn data, and what limits the bands."""
    found: list[Remark] = []
    tests, checks, bands = read_diagnostics(study), read_checks(study), read_predictions(study)
    if tests is not None and tests.against:
        text = f"{prediction.tests_words(tests)} See the residuals."
        found.append(Remark("caution", "The residuals speak against the model or its noise", text))
    if checks is not None and prediction.extremes(checks):
        title = "The model makes other data than those measured"
        found.append(Remark("caution", title, prediction.checks_words(checks)))
    if bands is None:
        return found
    if bands.inner:
        found.append(Remark("caution", "The bands of predictions are an inner approximation", bands.sentence))
    if words := prediction.open_words(bands):
        found.append(Remark("caution", "Some predictions have no limit", words))
    return found
