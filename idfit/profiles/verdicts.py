"""From profiles to verdicts: limits, pieces, verdict, partners and the direction of a valley."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from idfit.numerics.covariance import covariance
from idfit.profiles.path import PRESSES, End
from idfit.results import SideStatus, Status, Verdict

#: a profile that rises by less than this over all that was searched is flat
FLAT = 1e-3
#: a partner's movement along the profile would alone have been worth this rise of the objective or more
_WORTH = 0.5
MOST_PARTNERS = 5
# powers of natural values that are spoken of as ratios, products and the like
_POWERS = {1.0: "", -1.0: "", 2.0: "²", -2.0: "²", 0.5: "^½", -0.5: "^½"}
_POWER_ERROR = 0.03
# a side may end at its threshold, to within the accuracy of its limit
_AT_THRESHOLD = 1e-5
_STRAIGHT = 0.02  # of the whole movement
# a profile rises because of bounds if it would rise by less than half without them
_DUE = 0.5
# a bound without which the objective at a limit were lower by this share of the threshold matters to it
_MATTERS = 0.01
_TURNS = 0.3  # a path that goes back by more than this share of its way turns


@dataclass(frozen=True)
class Limits:
    """One side at one level: the outermost end of the confidence set, how it came about, and all crossings
    from the best fit outward."""

    limit: float
    status: SideStatus
    crossings: tuple[float, ...]


@dataclass(frozen=True)
class SideOfProfile:
    """One side as verdicts see it.

    result : what `run_side` returned; lowest : objective at the best fit; at_domain : whether the search
    ends at a natural limit; relief : (step, parameter) what the objective would gain without the search
    bounds of others that have come to press on the way; flat_below : a rise that counts as none.
    """

    result: dict
    direction: int
    lowest: float
    at_domain: bool
    relief: np.ndarray
    flat_below: float

    @property
    def rises(self) -> np.ndarray:
        return self.result["objective"] - self.lowest

    @property
    def first_risen(self) -> int:
        """The first step at which the profile has risen; the number of steps if it never does."""
        risen = np.flatnonzero(self.rises >= self.flat_below)
        return int(risen[0]) if len(risen) else len(self.rises)

    @property
    def rises_by_bounds(self) -> bool:
        """Whether the profile had gone some way without rising when the search bounds of partners made it
        rise: a·b = 1 makes the profile of a flat until b cannot follow."""
        k = self.first_risen
        return 2 <= k < len(self.rises) and bool(self.relief[k].sum() >= _DUE * self.rises[k])

    @property
    def own_rise(self) -> float:
        """The largest rise that is not due to a partner's bound."""
        seen = self.rises[: self.first_risen] if self.rises_by_bounds else self.rises
        return max(0.0, float(seen.max()))

    def limits(self, level: int, threshold: float) -> Limits:
        """The end of the confidence set.

        It is the last crossing, unless the profile lies below the threshold where the side ends: then the
        set has no end there, except at a natural limit of the parameter.
        """
        result = self.result
        found = tuple(float(v) for v in result["crossing_value"][result["crossing_level"] == level])
        if self.rises[-1] > threshold * (1.0 - _AT_THRESHOLD) and found:
            if self.rises_by_bounds:
                return Limits(self.direction * math.inf, SideStatus.PARTNER_BOUND, ())
            return Limits(found[-1], SideStatus.CROSSED, found)
        end = End(int(result["end"]))
        if end is End.LIMIT and self.at_domain:
            return Limits(float(result["value"][-1]), SideStatus.DOMAIN_BOUND, found)
        status = {End.LIMIT: SideStatus.SEARCH_BOUND, End.BUDGET: SideStatus.BUDGET}
        return Limits(self.direction * math.inf, status.get(end, SideStatus.FAILED), found)

    def holding(self, value: float, threshold: float) -> np.ndarray:
        """Positions of the partners whose search bound matters to a limit at that value."""
        at = int(np.argmin(np.abs(self.result["value"] - value)))
        return np.flatnonzero(self.relief[at] > _MATTERS * threshold)


def regions(lower: Limits, upper: Limits) -> list[tuple[float, float]]:
    """The pieces of the confidence set in rising order."""
    ends = [
        end
        for side in (lower, upper)
        for end in (*side.crossings, *(() if side.status is SideStatus.CROSSED else (side.limit,)))
    ]
    ends.sort()
    return list(zip(ends[::2], ends[1::2], strict=True))


def verdict_of(
    sides: tuple[SideOfProfile, SideOfProfile], limits: tuple[Limits, Limits]
) -> tuple[Verdict, str]:
    """The verdict of a profile at one level and, where there is something to say, why."""
    statuses = tuple(limit.status for limit in limits)
    unfinished = [
        f"the {name} side {_WHY[status]}"
        + (f" ({Status(int(side.result['reason'])).label})" if status == SideStatus.FAILED else "")
        for name, side, status in zip(("lower", "upper"), sides, statuses, strict=True)
        if status in _WHY
    ]
    if unfinished:
        return Verdict.UNDETERMINED, " and ".join(unfinished)
    if SideStatus.CROSSED not in statuses and max(s.own_rise for s in sides) < sides[0].flat_below:
        return Verdict.FLAT, ""
    match tuple(status.finite for status in statuses):
        case (True, True) if SideStatus.CROSSED not in statuses:
            return Verdict.OPEN_BOTH, "every value between its natural limits is compatible with the data"
        case (True, True) if SideStatus.DOMAIN_BOUND in statuses:
            return Verdict.AT_DOMAIN_BOUND, "χ² is conservative at a natural limit of the parameter"
        case (True, True):
            return Verdict.IDENTIFIABLE, ""
        case (False, True):
            return Verdict.OPEN_BELOW, ""
        case (True, False):
            return Verdict.OPEN_ABOVE, ""
        case _:
            return Verdict.OPEN_BOTH, ""


def resting_on(
    sides: tuple[SideOfProfile, SideOfProfile],
    limits: tuple[Limits, Limits],
    threshold: float,
    names: tuple[str, ...],
) -> list[str]:
    """For each side the other parameters whose search bound its limit rests on, "" if none."""
    found = []
    for side, limit in zip(sides, limits, strict=True):
        held = np.empty(0, dtype=int)
        if limit.status is SideStatus.PARTNER_BOUND:
            held = np.flatnonzero(side.relief[side.first_risen] > PRESSES)
        elif limit.status is SideStatus.CROSSED:
            held = side.holding(limit.limit, threshold)
        found.append(", ".join(names[i] for i in held))
    return found


def due_to_bounds(limits: tuple[Limits, Limits], resting: list[str]) -> list[str]:
    """What rests on the search bounds of others, in words."""
    words = {
        SideStatus.PARTNER_BOUND: "what rises on the {} side is due to the search bound of {}",
        SideStatus.CROSSED: "the {} limit rests on the search bound of {}",
    }
    return [
        words[limit.status].format(which, on)
        for which, limit, on in zip(("lower", "upper"), limits, resting, strict=True)
        if on
    ]


_WHY = {
    SideStatus.BUDGET: "used up its budget of steps",
    SideStatus.FAILED: "could not be followed",
    SideStatus.NOT_REACHED: "was not computed",
}


def partners(
    theta: np.ndarray, inside: np.ndarray, information: np.ndarray, own: int, tolerance: float
) -> list[tuple[int, float]]:
    """The parameters that make up for the profiled one: position and movement, the one that matters most
    first.

    theta : (step, parameter) along the profile; inside : (step,) mask of the confidence set; information :
    (parameter, parameter) Fisher information at the best fit, singular below `tolerance`; own : position of
    the parameter profiled, -1 for a function. A movement matters by what it would do to the data alone:
    ½ information·movement² units of the log-likelihood; below ½ it is no partner. Nor is a parameter that
    the data leave open with the profiled one held: it drifts, and makes up for others.
    """
    path = theta[inside]
    if len(path) < 2:
        return []
    shift = np.ptp(path, axis=0)
    worth = 0.5 * np.maximum(np.diag(information), 0.0) * shift**2
    if own >= 0:
        held = np.arange(len(shift)) == own
        worth[np.isnan(np.diag(covariance(information, ~held, tolerance)))] = 0.0
    order = [i for i in np.argsort(-worth, kind="stable") if i != own and worth[i] >= _WORTH]
    return [(int(i), float(shift[i])) for i in order[:MOST_PARTNERS]]


def valley(
    name: str,
    own: np.ndarray,
    natural: np.ndarray,
    names: tuple[str, ...],
    moving: list[tuple[int, float]],
    is_open: bool,
) -> str:
    """The direction of a valley in words: who moves with the profiled value, and what stays determined.

    own : (step,) natural values of the profiled quantity inside the confidence set; natural : (step,
    parameter) those of the parameters. A power law between two positive values in an open valley is named as
    the product or ratio that the data determine.
    """
    if len(own) < 3 or not moving:
        return ""
    first = moving[0][0]
    if is_open and len(moving) == 1 and (own > 0).all() and (natural[:, first] > 0).all():
        x, y = np.log(own), np.log(natural[:, first])
        power, offset = np.polyfit(x, y, 1)
        straight = np.max(np.abs(y - (power * x + offset))) < _STRAIGHT * np.ptp(y)
        nearest = min(_POWERS, key=lambda p: abs(p - power))
        if straight and abs(power - nearest) < _POWER_ERROR:
            return _in_words(name, names[first], nearest)
    words = [f"{names[i]} {_trend(own, natural[:, i])}" for i, _ in moving[:3]]
    return f"as {name} rises, {', '.join(words)}"


def _trend(x: np.ndarray, y: np.ndarray) -> str:
    """Rises or falls from one end to the other, or turns in between."""
    order = np.argsort(x, kind="stable")
    steps = np.diff(y[order])
    up, down = steps[steps > 0].sum(), -steps[steps < 0].sum()
    if min(up, down) > _TURNS * max(up, down):
        return "rises and falls" if np.argmax(y[order]) not in (0, len(y) - 1) else "falls and rises"
    return "rises" if up > down else "falls"


def _in_words(own: str, partner: str, power: float) -> str:
    raised = f"{own}{_POWERS[power]}"
    if power > 0:
        return f"{own} and {partner} rise together; only {partner}/{raised} is determined"
    return f"as {own} rises, {partner} falls; only {partner}·{raised} is determined"
