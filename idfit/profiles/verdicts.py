"""From profiles to verdicts: limits, pieces, verdict, partners and the direction of a valley."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from idfit.profiles.path import End
from idfit.results import SideStatus, Status, Verdict

#: a profile that rises by less than this over all that was searched is flat
FLAT = 1e-3
#: a partner's movement along the profile would alone have been worth this rise of the objective or more
_WORTH = 0.5
MOST_PARTNERS = 5
# powers of natural values that are spoken of as ratios, products and the like
_POWERS = {1.0: "", -1.0: "", 2.0: "²", -2.0: "²", 0.5: "^½", -0.5: "^½"}
_POWER_ERROR = 0.03


@dataclass(frozen=True)
class Limits:
    """One side at one level: the outermost end of the confidence set, how it came about, and all crossings
    from the best fit outward."""

    limit: float
    status: SideStatus
    crossings: tuple[float, ...]


def side_limits(
    side: dict, direction: int, level: int, threshold: float, best: float, at_domain: bool
) -> Limits:
    """The end of the confidence set on one side.

    It is the last crossing, unless the profile lies below the threshold where the side ends: then the set
    has no end there, except at a natural limit of the parameter.
    """
    found = tuple(float(v) for v in side["crossing_value"][side["crossing_level"] == level])
    above = side["objective"][-1] - best > threshold
    if above and found:
        return Limits(found[-1], SideStatus.CROSSED, found)
    end = End(int(side["end"]))
    if end is End.LIMIT and at_domain:
        return Limits(float(side["value"][-1]), SideStatus.DOMAIN_BOUND, found)
    status = {
        End.LIMIT: SideStatus.SEARCH_BOUND,
        End.BUDGET: SideStatus.BUDGET,
    }.get(end, SideStatus.FAILED)
    return Limits(direction * math.inf, status, found)


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
    sides: tuple[Limits, Limits], rise: float, flat_below: float, reasons: tuple[Status, Status]
) -> tuple[Verdict, str]:
    """The verdict of a profile at one level and, where there is something to say, why.

    rise : the largest rise of the objective on either side; flat_below : rises below it are none.
    """
    lower, upper = sides
    statuses = (lower.status, upper.status)
    unfinished = [
        f"the {name} side {_WHY[side.status]}"
        + (f" ({reason.label})" if side.status == SideStatus.FAILED else "")
        for name, side, reason in zip(("lower", "upper"), sides, reasons, strict=True)
        if side.status in _WHY
    ]
    if unfinished:
        return Verdict.UNDETERMINED, " and ".join(unfinished)
    if SideStatus.CROSSED not in statuses and rise < flat_below:
        return Verdict.FLAT, ""
    match (lower.status.finite, upper.status.finite):
        case (True, True) if statuses == (SideStatus.DOMAIN_BOUND, SideStatus.DOMAIN_BOUND):
            return Verdict.OPEN_BOTH, "every value between its natural limits is compatible with the data"
        case (True, True) if SideStatus.DOMAIN_BOUND in statuses:
            reason = (
                "the interval ends at a natural limit of the parameter, where the χ² threshold is "
                "conservative"
            )
            return Verdict.AT_DOMAIN_BOUND, reason
        case (True, True):
            return Verdict.IDENTIFIABLE, ""
        case (False, True):
            return Verdict.OPEN_BELOW, ""
        case (True, False):
            return Verdict.OPEN_ABOVE, ""
        case _:
            return Verdict.OPEN_BOTH, ""


_WHY = {
    SideStatus.BUDGET: "used up its budget of steps",
    SideStatus.FAILED: "could not be followed",
    SideStatus.NOT_REACHED: "was not computed",
}


def partners(
    theta: np.ndarray, inside: np.ndarray, information: np.ndarray, own: int
) -> list[tuple[int, float]]:
    """The parameters that make up for the profiled one: position and movement, the one that matters most
    first.

    theta : (step, parameter) along the profile; inside : (step,) mask of the confidence set; information :
    (parameter,) diagonal of the Fisher information at the best fit. A movement matters by what it would do
    to the data alone: ½ information·movement² units of the log-likelihood; below ½ it is no partner.
    """
    path = theta[inside]
    if len(path) < 2:
        return []
    shift = np.ptp(path, axis=0)
    worth = 0.5 * np.maximum(information, 0.0) * shift**2
    order = [i for i in np.argsort(-worth, kind="stable") if i != own and worth[i] >= _WORTH]
    return [(int(i), float(shift[i])) for i in order[:MOST_PARTNERS]]


def valley(
    name: str,
    own: np.ndarray | None,
    natural: np.ndarray,
    names: tuple[str, ...],
    moving: list[tuple[int, float]],
) -> str:
    """The direction of a valley in words: who moves with the profiled value, and what stays determined.

    own : (step,) natural values of the profiled quantity inside the confidence set; natural : (step,
    parameter) those of the parameters. A power law between positive values is named as a product or ratio.
    """
    if own is None or len(own) < 3 or not moving:
        return ""
    first = moving[0][0]
    partner = natural[:, first]
    direction = "rises" if np.corrcoef(own, partner)[0, 1] > 0 else "falls"
    if len(moving) == 1 and (own > 0).all() and (partner > 0).all():
        x, y = np.log(own), np.log(partner)
        power, offset = np.polyfit(x, y, 1)
        wide = np.ptp(x) > 0.1
        straight = np.max(np.abs(y - (power * x + offset))) < 0.02 * max(np.ptp(y), 1e-12)
        nearest = min(_POWERS, key=lambda p: abs(p - power))
        if wide and straight and abs(power - nearest) < _POWER_ERROR:
            return _in_words(name, names[first], nearest)
    others = ", ".join(
        f"{names[i]} {'rises' if np.corrcoef(own, natural[:, i])[0, 1] > 0 else 'falls'}"
        for i, _ in moving[1:3]
    )
    return f"as {name} rises, {names[first]} {direction}" + (f", {others}" if others else "")


def _in_words(own: str, partner: str, power: float) -> str:
    raised = f"{own}{_POWERS[power]}"
    if power > 0:
        return f"{own} and {partner} rise together; only {partner}/{raised} is determined"
    return f"as {own} rises, {partner} falls; only {partner}·{raised} is determined"
