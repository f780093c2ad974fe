"""Limits of profiles, on profiles known in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from idfit.profiles.crossing import cross
from idfit.profiles.refit import Point
from idfit.results import Status


def at(value: float, status: Status = Status.CONVERGED) -> Point:
    """A point of the profile value⁸."""
    rise = value**8
    return Point(value, np.array([value]), rise, rise, 0.0, 8 * value**7, status)


@dataclass
class Power:
    """Refits that do not settle for values in `gap`; elsewhere they are exact."""

    gap: tuple[float, float] = (0.0, 0.0)

    def refit(self, value, theta, curvature, stop, aim):
        inside = self.gap[0] < value < self.gap[1]
        return at(value, Status.MAX_ITERATIONS if inside else Status.CONVERGED)


@pytest.mark.parametrize("gap", [(0.0, 0.0), (0.6, 1.08), (1.09, 1.3), (1.084, 1.0847)])
def test_the_threshold_is_met_beside_refits_that_do_not_settle(gap):
    threshold, curvature, stop = 1.920729410347062, np.zeros((1, 1)), np.zeros(1, dtype=np.int64)
    point, _ = cross(Power(gap), at(0.0), at(0.5), at(1.4), threshold, curvature, stop)  # type: ignore[arg-type]
    assert point.value == pytest.approx(threshold**0.125, abs=1e-5)
