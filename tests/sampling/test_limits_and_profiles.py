"""Limits that profiles know to be of the data, though the information averaged over draws is small."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from idfit.results import Limit, SideStatus, Verdict
from idfit.sampling.summary import seen_by_profiles

SPACE = SimpleNamespace(names=("a", "b"))
C, OPEN, PARTNER = SideStatus.CROSSED, SideStatus.SEARCH_BOUND, SideStatus.PARTNER_BOUND


def profiles(sides, rests_on=("", ""), verdict=Verdict.IDENTIFIABLE) -> xr.Dataset:
    """Of b alone, at two levels; the inner one has crossed in any case."""
    return xr.Dataset(
        {
            "side_status": (("profiled", "ci_prob", "ci_bound"), [[[C, C], list(sides)]]),
            "rests_on": (("profiled", "ci_bound"), [list(rests_on)]),
            "verdict": ("profiled", [int(verdict)]),
        },
        {"profiled": ["b"], "ci_prob": [0.68, 0.95]},
    )


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (profiles((C, C)), [Limit.DATA, Limit.DATA]),
        (profiles((OPEN, C)), [Limit.OTHER_BOUNDS, Limit.DATA]),
        (profiles((C, PARTNER)), [Limit.DATA, Limit.OTHER_BOUNDS]),
        (profiles((C, C), rests_on=("", "a")), [Limit.DATA, Limit.OTHER_BOUNDS]),
        (profiles((C, C), verdict=Verdict.STRUCTURAL), [Limit.OTHER_BOUNDS, Limit.OTHER_BOUNDS]),
    ],
)
def test_a_profile_that_crosses_by_itself_is_limited_by_the_data(made, expected):
    limits = np.full((2, 2), int(Limit.OTHER_BOUNDS))
    seen = seen_by_profiles(limits, SPACE, made)  # type: ignore[arg-type]
    assert seen[1].tolist() == expected
    assert (seen[0] == Limit.OTHER_BOUNDS).all()  # a was not profiled
    assert (limits == Limit.OTHER_BOUNDS).all()


def test_own_bounds_and_priors_stay():
    limits = np.array([[Limit.DATA, Limit.DATA], [Limit.BOUND, Limit.PRIOR]])
    assert seen_by_profiles(limits, SPACE, profiles((C, C))).tolist() == limits.tolist()  # type: ignore[arg-type]
