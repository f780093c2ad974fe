"""The next measurement in words: what to measure, what it does to the intervals, and what it cannot do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from idfit.reporting import numerals, verdicts
from idfit.reporting.reading.design import Design, Offer, TargetSide
from idfit.results import SideStatus

_OPEN = (SideStatus.SEARCH_BOUND, SideStatus.PARTNER_BOUND)
_MOST_TARGETS = 6
# a truth that no candidate tells from the open end by more than this share of what is needed lies on it
_NOTHING = 1e-6


def proposal(design: Design, time_unit: str = "") -> str:
    """What to measure: ``Measure y in a at 240 min (sd 5 nM), 3 times.``"""
    counts: dict[int, int] = {}
    for i in design.chosen:
        counts[i] = counts.get(i, 0) + design.replicates
    parts = [offer_words(design.offers[i], n, time_unit) for i, n in counts.items()]
    return f"Measure {numerals.listing(parts)}."


def offer_words(offer: Offer, times: int = 1, time_unit: str = "") -> str:
    unit = f" {time_unit}" if time_unit else ""
    when = f"at {numerals.short_number(offer.time)}{unit}"
    if offer.is_course:
        when = (
            f"along its course from {numerals.short_number(offer.time)} to "
            f"{numerals.short_number(offer.last_time)}{unit}"
        )
    often = {1: "", 2: ", twice"}.get(times, f", {times} times")
    return f"{offer.observable} in {offer.condition} {when} ({sd_words(offer)}){often}"


def sd_words(offer: Offer) -> str:
    """
    >>> sd_words(Offer(0, "y", "c", 0, 0, 1, 0.05, "nM", "log10", False, 0, 0, 0))
    'sd 0.05 of log10'
    """
    if offer.transform not in ("", "lin"):
        return f"sd {numerals.number(offer.sigma, 3)} of {offer.transform}"
    return f"sd {numerals.number(offer.sigma, 3)}{' ' + offer.unit if offer.unit else ''}"


@dataclass(frozen=True)
class Effect:
    """What the proposal does to a target if one point is true: limits on both sides in `closed` of `n`
    simulations, with these medians of the limits."""

    target: str
    now: str
    truth: str
    closed: int
    n: int
    median: str


def effects(design: Design) -> list[Effect]:
    """For each target and each point that may be true; none without a check by simulation."""
    if not design.has_check:
        return []
    return [
        _effect(design, i, t)
        for i in range(min(len(design.targets), _MOST_TARGETS))
        for t in design.truths_for(i)
    ]


def _effect(design: Design, i: int, t: int) -> Effect:
    usable = design.usable[t]
    return Effect(
        design.targets[i].name,
        interval_words(design, i),
        truth_words(design, i, t),
        int(design.closed[t, usable, i].all(axis=1).sum()),
        int(usable.sum()),
        _limits(design, i, *(float(v) for v in design.median[t, i])) or "no limits",
    )


def expected(design: Design) -> list[str]:
    """What the information at the best fit expects of the first of the set; for designs without a check."""
    first = design.chosen[0]
    before, after = design.error_before, design.error_after[:, first]
    return [
        f"{axis.name}: {interval_words(design, i)}; the first of them alone takes its standard error from "
        f"{numerals.number(before[i], 3)} to {numerals.number(after[i], 3)}, in {_own_unit(design, i)}."
        for i, axis in enumerate(design.targets[:_MOST_TARGETS])
    ]


def _own_unit(design: Design, i: int) -> str:
    return "factors of e" if design.targets[i].is_logarithmic else "units of its value"


def interval_words(design: Design, i: int) -> str:
    """``now open above, at least 1.4 1/min``"""
    low, high = (float(v) for v in design.interval[i])
    if math.isnan(low) and math.isnan(high):
        return "now not profiled"
    sides = [SideStatus(int(s)) in _OPEN for s in design.side_status[i]]
    words = {
        (True, True): "now open on both sides",
        (True, False): "now open below",
        (False, True): "now open above",
    }
    text = words.get((sides[0], sides[1]), "now")
    limits = _limits(design, i, low, high)
    return f"{text}{', ' if any(sides) and limits else ' '}{limits}".rstrip()


def _limits(design: Design, i: int, low: float, high: float) -> str:
    unit = f" {design.targets[i].unit}" if design.targets[i].unit else ""
    if math.isfinite(low) and math.isfinite(high):
        return f"{numerals.interval(low, high)}{unit}"
    if math.isfinite(low):
        return f"at least {numerals.number(low, 3)}{unit}"
    return f"at most {numerals.number(high, 3)}{unit}" if math.isfinite(high) else ""


def truth_words(design: Design, i: int, t: int) -> str:
    """The point that is taken to be true, by the target's value there."""
    unit = f" {design.targets[i].unit}" if design.targets[i].unit else ""
    value = numerals.number(float(design.true_value[t, i]), 3)
    return f"the best fit ({value}{unit})" if not design.truth_of[t] else f"{value}{unit}"


def determining(design: Design, time_unit: str = "") -> list[str]:
    """For each target that the information leaves undetermined, which candidates determine it."""
    found = []
    for i, axis in enumerate(design.targets[:_MOST_TARGETS]):
        if design.determined_before[i]:
            continue
        does = [offer for offer in design.offers if design.determined_after[i, offer.number]]
        if not does:
            words = "and neither does any measurement on offer"
        else:
            best = min(does, key=lambda offer: offer.rank)
            verb = "does" if len(does) == 1 else "do"
            many = f"{len(does)} of the {len(design.offers)} measurements on offer {verb}"
            words = f"{many}: best {offer_words(best, design.replicates, time_unit)}"
        found.append(f"The data do not determine {axis.name} at all, to first order; {words}.")
    return found


def out_of_reach(design: Design, time_unit: str = "") -> list[str]:
    """For each open side what no single measurement on offer can do, and what brings it in reach."""
    found = []
    for side in design.sides:
        if SideStatus(int(design.side_status[side.target, side.side])) not in _OPEN:
            continue
        found += _reach(design, side, time_unit)
    return found


def _reach(design: Design, side: TargetSide, time_unit: str) -> list[str]:
    ratio = np.nan_to_num(side.ratio(), nan=0.0)
    offered = np.array([offer.offered for offer in design.offers])
    name = f"{design.targets[side.target].name} a limit {'below' if side.side == 0 else 'above'}"
    closes = (ratio >= 1.0).any(axis=1)
    words = []
    if offered.any() and not offered.all() and not (ratio[:, ~offered] >= 1.0).any() and closes.any():
        words.append(
            f"No single measurement of what the model observes gives {name}, whatever is true; what was "
            "offered beside it can."
        )
    nothing = ratio.max(axis=1) < _NOTHING
    if nothing.any():
        ends = " or ".join(truth_words(design, side.target, side.truths[k]) for k in np.flatnonzero(nothing))
        words.append(
            f"If {ends} is true, nothing can give {name}: the truth is then where the search ended, and "
            "predicts the same."
        )
    never = np.flatnonzero(~closes & ~nothing)
    if len(never):
        k, best = (int(x) for x in np.unravel_index(np.argmax(ratio[never]), ratio[never].shape))
        k = int(never[k])
        truths = " or ".join(truth_words(design, side.target, side.truths[n]) for n in never)
        words.append(
            f"If {truths} is true, no single measurement on offer gives {name}: the best is "
            f"{offer_words(design.offers[best], design.replicates, time_unit)}, which brings "
            f"{numerals.number(float(side.telling[k, best]), 2)} of the "
            f"{numerals.number(float(side.needed[k]), 3)} that it takes."
        )
    return words


def remark(design: Design, time_unit: str = "") -> tuple[str, str]:
    """Title and text for the first page."""
    text = proposal(design, time_unit)
    if design.has_check:
        best = [_best_share(design, side) for side in design.sides]
        said = [words for words in best if words]
        text += f" In simulations {numerals.listing(said)}." if said else ""
    return "The next measurement", text


def _best_share(design: Design, side: TargetSide) -> str:
    shares = [float(design.share_closed[t, side.target, side.side]) for t in side.truths]
    if not np.isfinite(shares).any():
        return ""
    low, high = np.nanmin(shares), np.nanmax(shares)
    share = numerals.percent(low) if low == high else numerals.percent_interval(low, high)
    where = "" if low == high else ", depending on what is true"
    return f"{design.targets[side.target].name} gets its {side.word} limit in {share}{where}"


def level(design: Design) -> str:
    return verdicts.level_words(design.prob)
