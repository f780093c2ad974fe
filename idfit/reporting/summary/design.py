"""The next measurement as a remark of the first page."""

from __future__ import annotations

import xarray as xr

from idfit.reporting import next_measurement, reading
from idfit.reporting.summary.remark import Remark


def remarks(study: xr.DataTree) -> list[Remark]:
    found = reading.read_design(study)
    if found is None:
        return []
    title, text = next_measurement.remark(found, reading.attribute(study, "time_unit"))
    return [Remark("note", title, text)]
