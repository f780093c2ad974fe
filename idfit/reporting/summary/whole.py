"""The study in words: one paragraph, and remarks on what should be known before the numbers are used."""

from __future__ import annotations

import xarray as xr

from idfit.reporting.summary import companions, design, fit, identifiability, posterior, prediction, structure
from idfit.reporting.summary.remark import Remark


def paragraph(study: xr.DataTree) -> str:
    """What was done and found, with its numbers, in a few sentences."""
    said = (
        *fit.sentences(study),
        structure.sentence(study),
        identifiability.sentence(study),
        posterior.sentence(study),
    )
    return " ".join(s for s in said if s)


def remarks(study: xr.DataTree) -> list[Remark]:
    """Everything that supports or limits the result, most important first."""
    found = [
        *structure.remarks(study),
        *identifiability.profile_remarks(study),
        *posterior.remarks(study),
        *fit.fit_remarks(study),
        *prediction.remarks(study),
        *companions.companion_remarks(study),
        *design.remarks(study),
    ]
    order = {"caution": 0, "note": 1, "good": 2}
    return sorted(found, key=lambda r: order[r.kind])
