"""What the posterior adds to the first screen: its intervals if it has converged, else that it has none."""

from __future__ import annotations

import numpy as np
import xarray as xr

from idfit.reporting import numerals, posterior, reading, verdicts
from idfit.reporting.summary.remark import Remark


def sentence(study: xr.DataTree) -> str:
    """That the posterior has converged, and how many of its intervals the data give; "" without."""
    found = reading.read_posterior(study)
    if found is None or not found.converged:
        return ""
    n, given = len(found.parameters), posterior.given_parameters(found)
    largest = numerals.number(float(np.nanmax(found.rhat)), 4) if np.isfinite(found.rhat).any() else ""
    text = "The posterior has converged" + (f" (largest R-hat {largest})" if largest else "")
    level = verdicts.level_words(found.prob)
    if given:
        return f"{text}; the data give {n - len(given)} of its {n} intervals ({level})."
    return f"{text}; the data give all of its intervals ({level})."


def remarks(study: xr.DataTree) -> list[Remark]:
    found = reading.read_posterior(study)
    if found is None:
        return []
    if not found.converged:
        return [Remark("caution", "The posterior makes no claim", posterior.why_no_claim(found))]
    if words := posterior.given_words(found):
        n = numerals.count(len(posterior.given_parameters(found)), "interval")
        return [Remark("caution", f"Priors or bounds limit {n} of the posterior", words)]
    return []
