"""From the points of a profile to limits, pieces, verdicts and words."""

from __future__ import annotations

import numpy as np
import pytest

from idfit.profiles.path import End
from idfit.profiles.verdicts import (
    SideOfProfile,
    due_to_bounds,
    partners,
    regions,
    resting_on,
    valley,
    verdict_of,
)
from idfit.results import SideStatus, Status, Verdict

NAMES = ("a", "b", "c")


def side(
    direction: int,
    rises: list[float],
    end: End = End.ROSE,
    crossings: tuple[float, ...] = (),
    held: list[bool] | None = None,
    at_domain: bool = False,
) -> SideOfProfile:
    """A side whose points lie at 0, ±1, ±2, …; `held` says where its search bound presses on b."""
    n = len(rises)
    result = {
        "value": direction * np.arange(float(n)),
        "objective": 10.0 + np.array(rises),
        "crossing_value": direction * np.array(crossings, dtype=float),
        "crossing_level": np.zeros(len(crossings), dtype=int),
        "end": int(end),
        "reason": int(Status.STEP_TOO_SMALL if end is End.FAILED else Status.OK),
    }
    relief = np.zeros((n, 3))
    relief[:, 1] = held or [False] * n
    return SideOfProfile(result, direction, 10.0, at_domain, relief, 1e-3)


def judged(lower: SideOfProfile, upper: SideOfProfile) -> tuple[Verdict, str]:
    return verdict_of((lower, upper), (lower.limits(0, 1.92), upper.limits(0, 1.92)))


CROSSED = ([0.0, 1.0, 2.5], End.ROSE, (1.7,))
OPEN = ([0.0, 0.5, 0.9], End.LIMIT)
FLAT = ([0.0, 1e-5, 2e-5], End.LIMIT)


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        (CROSSED, CROSSED, Verdict.IDENTIFIABLE),
        (OPEN, CROSSED, Verdict.OPEN_BELOW),
        (CROSSED, OPEN, Verdict.OPEN_ABOVE),
        (OPEN, OPEN, Verdict.OPEN_BOTH),
        (FLAT, FLAT, Verdict.FLAT),
        (FLAT, OPEN, Verdict.OPEN_BOTH),
        (([0.0, 0.1], End.BUDGET), CROSSED, Verdict.UNDETERMINED),
        (CROSSED, ([0.0, 0.1], End.FAILED), Verdict.UNDETERMINED),
        ((*OPEN, (), None, True), CROSSED, Verdict.AT_DOMAIN_BOUND),
        ((*OPEN, (), None, True), OPEN, Verdict.OPEN_ABOVE),
        ((*OPEN, (), None, True), (*OPEN, (), None, True), Verdict.OPEN_BOTH),
    ],
)
def test_verdicts(lower, upper, expected):
    assert judged(side(-1, *lower), side(1, *upper))[0] is expected


def test_a_failed_side_is_named_with_its_reason():
    _, reason = judged(side(-1, *CROSSED), side(1, [0.0, 0.1], End.FAILED))
    assert reason == "the upper side could not be followed (step_too_small)"


def test_a_side_below_the_threshold_has_no_finite_limit_whatever_it_crossed():
    """Up through the threshold and down again, then the search ends: the set goes on."""
    there = side(1, [0.0, 2.5, 1.0], End.LIMIT, (0.8, 1.4))
    limit = there.limits(0, 1.92)
    assert limit.limit == np.inf
    assert limit.status is SideStatus.SEARCH_BOUND
    assert regions(side(-1, *CROSSED).limits(0, 1.92), limit) == [(-1.7, 0.8), (1.4, np.inf)]


def test_pieces_of_a_set_that_closes_again():
    upper = side(1, [0.0, 2.5, 1.0, 3.0], End.ROSE, (0.8, 1.4, 2.4)).limits(0, 1.92)
    assert upper.limit == 2.4
    assert regions(side(-1, *CROSSED).limits(0, 1.92), upper) == [(-1.7, 0.8), (1.4, 2.4)]


def test_a_rise_that_begins_at_a_partners_bound_is_no_limit():
    held = [False, False, True, True]
    there = side(1, [0.0, 1e-6, 0.5, 2.5], End.ROSE, (2.7,), held)
    assert there.limits(0, 1.92).status is SideStatus.PARTNER_BOUND
    assert there.limits(0, 1.92).limit == np.inf
    assert judged(side(-1, *FLAT), there)[0] is Verdict.FLAT
    sides = (side(-1, *FLAT), there)
    limits = (sides[0].limits(0, 1.92), sides[1].limits(0, 1.92))
    resting = resting_on(sides, limits, 1.92, NAMES)
    assert resting == ["", "b"]
    assert due_to_bounds(limits, resting) == ["what rises on the upper side is due to the search bound of b"]


def test_a_limit_reached_with_a_partner_at_its_bound_says_so_and_stays():
    held = [False, False, True, True]
    there = side(1, [0.0, 0.8, 1.2, 2.5], End.ROSE, (2.7,), held)
    limits = (side(-1, *CROSSED).limits(0, 1.92), there.limits(0, 1.92))
    assert limits[1].limit == 2.7
    resting = resting_on((side(-1, *CROSSED), there), limits, 1.92, NAMES)
    assert due_to_bounds(limits, resting) == ["the upper limit rests on the search bound of b"]


def test_a_bound_that_hardly_presses_is_not_what_a_limit_rests_on():
    """b stands at its bound and costs less there than what the profile has risen by."""
    there = side(1, [0.0, 1e-6, 0.5, 2.5], End.ROSE, (2.7,))
    there.relief[2:, 1] = 5e-3
    limits = (side(-1, *CROSSED).limits(0, 1.92), there.limits(0, 1.92))
    assert limits[1].status is SideStatus.CROSSED
    assert limits[1].limit == 2.7
    assert resting_on((side(-1, *CROSSED), there), limits, 1.92, NAMES) == ["", ""]
    there.relief[2, 1] = 0.4  # most of the rise
    assert there.limits(0, 1.92).status is SideStatus.PARTNER_BOUND


def test_partners_are_ranked_by_what_their_movement_would_do_to_the_data():
    theta = np.array([[0.0, 0.0, 0.0], [1.0, 0.1, 5.0]])
    both = np.array([True, True])
    found = partners(theta, both, np.diag([1.0, 1e4, 0.5]), 0, 1e-8)
    assert [i for i, _ in found] == [1, 2]
    assert [shift for _, shift in found] == pytest.approx([0.1, 5.0])
    # a movement that no data would notice makes no partner
    assert partners(theta, both, np.diag([1.0, 1e-3, 1e-3]), 0, 1e-8) == []
    # nor does one outside the confidence set
    assert partners(theta, np.array([True, False]), np.diag([1.0, 1e4, 0.5]), 0, 1e-8) == []


def test_what_drifts_along_an_open_direction_is_no_partner():
    """b + c is determined and c is not: along a they drift, along b the other one makes up for it."""
    theta = np.array([[0.0, 0.0, 0.0], [1.0, 5.0, -5.0]])
    information = np.array([[2.0, 0.5, 0.5], [0.5, 1.0, 1.0], [0.5, 1.0, 1.0]])
    both = np.array([True, True])
    assert partners(theta, both, information, 0, 1e-8) == []
    assert [i for i, _ in partners(theta, both, information, 1, 1e-8)] == [2, 0]


@pytest.mark.parametrize(
    ("power", "words"),
    [
        (1.0, "a and b rise together; only b/a is determined"),
        (-1.0, "as a rises, b falls; only b·a is determined"),
        (2.0, "a and b rise together; only b/a² is determined"),
        (-0.5, "as a rises, b falls; only b·a^½ is determined"),
        (1.4, "as a rises, b rises"),
    ],
)
def test_the_direction_of_a_valley_in_words(power, words):
    own = np.geomspace(0.1, 10, 9)
    natural = np.stack([own, 3 * own**power, np.ones(9)], 1)
    assert valley("a", own, natural, NAMES, [(1, 1.0)], is_open=True) == words
    trend = "rises" if power > 0 else "falls"
    assert valley("a", own, natural, NAMES, [(1, 1.0)], is_open=False) == f"as a rises, b {trend}"


def test_a_path_that_turns_is_told():
    own = np.linspace(1, 3, 9)
    natural = np.stack([own, 1 + (own - 2) ** 2, own], 1)
    assert (
        valley("a", own, natural, NAMES, [(1, 1.0), (2, 1.0)], True)
        == "as a rises, b falls and rises, c rises"
    )
