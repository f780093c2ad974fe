"""The study in words: one paragraph, and remarks on what should be known before the numbers are used."""

from idfit.reporting.summary.fit import position_between_bounds
from idfit.reporting.summary.remark import Remark
from idfit.reporting.summary.whole import paragraph, remarks

__all__ = ["Remark", "paragraph", "position_between_bounds", "remarks"]
