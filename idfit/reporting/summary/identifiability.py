"""What the profiles say of all parameters together, and what limits it."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from idfit.reporting import numerals, reading, verdicts
from idfit.reporting.figures import style
from idfit.reporting.reading import Profile, Profiles
from idfit.reporting.summary.remark import Remark
from idfit.results import SideStatus, Verdict

_FEW_HITS = 5
_PRIOR_SHARE = 0.2  # of the rise at a limit
_BETTER = 1e-3  # differences of the objective that anyone asks about


def sentence(study: xr.DataTree) -> str:
    """How many parameters are identifiable, and what is wrong with the others, by name."""
    profiles = _of_parameters(study)
    if not profiles:
        return ""
    starts = reading.read_starts(study)
    n_all = len(starts.parameters) if starts is not None else len(profiles)
    good = [p for p in profiles if p.code is not None and p.code.is_identifiable]
    verb = "is" if len(good) == 1 else "are"
    text = (
        f"By profile likelihood at {verdicts.level_words(profiles[0].prob)}, {len(good)} of "
        f"{numerals.count(n_all, 'parameter')} {verb} identifiable"
    )
    parts = [part for part in (_open(profiles), _flat(profiles), _unknown(profiles)) if part]
    if given := given_limits(study, profiles):
        parts.append(f"the limits of {_names(given)} come from priors or bounds, not from the data")
    if (n := n_all - len(profiles)) > 0:
        parts.append(f"{numerals.count(n, 'was', 'were')} not profiled")
    return "; ".join([text, *parts]) + "."


def given_limits(study: xr.DataTree, profiles: list[Profile]) -> list[Profile]:
    """Profiles with limits although the equations leave the parameter open: no data have set them."""
    structure = reading.read_structure(study)
    lost = [] if structure is None else structure.lost
    return [p for p in profiles if p.name in lost and p.code is not None and p.code.is_identifiable]


def _of_parameters(study: xr.DataTree) -> list[Profile]:
    found = reading.read_profiles(study)
    if found is None:
        return []
    return [p for p in found.profiles if p.kind == "parameter"]


def _with(profiles: list[Profile], *codes: Verdict) -> list[Profile]:
    return [p for p in profiles if p.code in codes]


def _open(profiles: list[Profile]) -> str:
    missing = {
        Verdict.OPEN_BELOW: "no lower limit",
        Verdict.OPEN_ABOVE: "no upper limit",
        Verdict.OPEN_BOTH: "neither limit",
    }
    chosen = _with(profiles, *missing)
    if not chosen:
        return ""
    said = [f"{style.label(p.name, 40)} has {missing[p.code]}" for p in chosen]  # type: ignore[index]
    return f"{_n_are(chosen)} practically non-identifiable ({numerals.listing(said)})"


def _flat(profiles: list[Profile]) -> str:
    parts = []
    if flat := _with(profiles, Verdict.FLAT):
        parts.append(f"the data say nothing about {_names(flat)}")
    if structural := _with(profiles, Verdict.STRUCTURAL):
        parts.append(f"{_n_are(structural)} structurally non-identifiable ({_names(structural)})")
    return "; ".join(parts)


def _unknown(profiles: list[Profile]) -> str:
    known = [p for p in profiles if p.code is not None and (p.code.is_identifiable or p.code.is_open)]
    unknown = [p for p in profiles if p not in known]
    if not unknown:
        return ""
    return f"there is no verdict on {_names(unknown)}"


def _n_are(profiles: list[Profile]) -> str:
    return f"{len(profiles)} {'is' if len(profiles) == 1 else 'are'}"


def _names(profiles: list[Profile]) -> str:
    return numerals.listing([style.label(p.name, 40) for p in profiles])


def profile_remarks(study: xr.DataTree) -> list[Remark]:
    """What the profiles add to, or take from, the numbers."""
    found = reading.read_profiles(study)
    if found is None:
        return []
    return [
        *_on_verdicts(found, given_limits(study, found.profiles)),
        *_on_better_optimum(study, found),
        *_on_sides(found),
        *_on_pieces(found),
        *_on_few_starts(found),
        *_on_jumps(found),
        *_on_priors(found),
        *_on_threshold(found),
        *_on_domain(found),
    ]


def _on_verdicts(found: Profiles, given: list[Profile]) -> list[Remark]:
    if given:
        text = (
            f"The equations leave {_names(given)} open: priors or search bounds give these intervals. "
            "They say what was put in, not what was measured."
        )
        n = numerals.count(len(given), "interval does", "intervals do")
        return [Remark("caution", f"{n} not come from the data", text), *_on_open(found)]
    return _on_open(found) or _on_good(found)


def _on_open(found: Profiles) -> list[Remark]:
    profiles = [p for p in found.profiles if p.kind == "parameter"]
    lost = [p for p in profiles if p.code is not None and p.code.is_open]
    if lost:
        text = f"{_names(lost)}: see “What the data determine” for what they do say, and what to do."
        title = f"The data do not determine {numerals.count(len(lost), 'parameter')}"
        return [Remark("caution", title, text)]
    return []


def _on_good(found: Profiles) -> list[Remark]:
    profiles = [p for p in found.profiles if p.kind == "parameter"]
    if profiles and all(p.code is not None and p.code.is_identifiable for p in profiles):
        text = "Every profile crosses its threshold on both sides, or ends at a natural limit."
        return [Remark("good", "All profiled parameters are identifiable", text)]
    return []


def _on_better_optimum(study: xr.DataTree, found: Profiles) -> list[Remark]:
    out = []
    gain, rounds = found.number("better_by"), found.number("n_rounds")
    if gain > 0:
        better = numerals.number(gain, 3)
        text = f"On the way a fit was found that is better by {better}; the profiles start from it"
        text += f" (round {rounds:.0f})." if rounds > 1 else "."
        starts = reading.read_starts(study)
        best = found.profiles[0].best
        if starts is not None and starts.finished.any() and best < starts.best - _BETTER:
            text += " The sections on fit and search still show the earlier one: fit again from there."
        out.append(Remark("caution", "The profiles found a better fit", text))
    if found.number("still_better") > 0:
        text = (
            "Better fits kept turning up along the profiles until the rounds were used up: run more starts."
        )
        out.append(Remark("caution", "The best fit is not settled", text))
    below = [p for p in found.profiles if p.good.any() and p.delta[p.good].min() < -2 * _BETTER]
    if below:
        least = min(float(p.delta[p.good].min()) for p in below) / 2
        text = (
            f"Along the profile of {_names(below)} the objective falls by {numerals.number(-least, 2)} "
            "below the best fit: the limits are measured from the wrong place. Fit again with more "
            "starts."
        )
        out.append(Remark("caution", "A better fit exists and was not adopted", text))
    return out


def _on_sides(found: Profiles) -> list[Remark]:
    failed = [p for p in found.profiles if _ended(p, SideStatus.FAILED)]
    budget = [p for p in found.profiles if _ended(p, SideStatus.BUDGET) and p not in failed]
    out = []
    if failed:
        text = (
            f"{_names(failed)}: refits failed on the way, so a limit is missing. Their verdict rests on less."
        )
        out.append(Remark("caution", f"{numerals.count(len(failed), 'profile')} could not be followed", text))
    if budget:
        text = f"{_names(budget)}: allow more steps to reach the limit."
        out.append(Remark("caution", f"{numerals.count(len(budget), 'profile')} ran out of steps", text))
    return out


def _ended(profile: Profile, status: SideStatus) -> bool:
    return any(profile.side(profile.level, k) == status for k in (0, 1))


def _on_pieces(found: Profiles) -> list[Remark]:
    several = [p for p in found.profiles if p.n_regions[p.level] > 1]
    if not several:
        return []
    text = (
        f"The values of {_names(several)} that are compatible with the data fall into separate pieces: "
        "there is more than one explanation. The interval given spans them all."
    )
    return [Remark("caution", "A confidence set falls into pieces", text)]


def _on_few_starts(found: Profiles) -> list[Remark]:
    hits, n = found.number("hits"), found.number("n_starts")
    if not math.isfinite(hits) or not math.isfinite(n) or hits >= _FEW_HITS:
        return []
    text = (
        f"The profiles start from an optimum that {hits:.0f} of {n:.0f} starts found. If a better one "
        "exists, limits and verdicts change: run more starts."
    )
    return [Remark("caution", "Profiles of an optimum that few starts found", text)]


def _on_jumps(found: Profiles) -> list[Remark]:
    jumping = [p for p in found.profiles if p.jump[p.reached].any()]
    if not jumping:
        return []
    text = (
        f"Along the profile of {_names(jumping)} the other parameters jump to another valley. The limits "
        "hold, but between the steps at a jump the curve was not seen."
    )
    return [Remark("note", "Profiles with jumps", text)]


def _on_priors(found: Profiles) -> list[Remark]:
    shaped = [p for p in found.profiles if prior_share(p) >= _PRIOR_SHARE]
    if not shaped:
        return []
    said = [f"{style.label(p.name, 40)} ({numerals.percent(prior_share(p))} of the rise)" for p in shaped]
    text = f"{numerals.listing(said)}: without the priors these would be wider, or open."
    return [Remark("note", "Priors shape the interval", text)]


def prior_share(profile: Profile) -> float:
    """Largest part that the priors have in the rise at a limit, 0 to 1; 0 where they have none."""
    if not profile.prior_moves or not 0 <= profile.start < len(profile.nlprior):
        return 0.0
    prior = profile.nlprior - profile.nlprior[profile.start]
    rise = profile.objective - profile.objective[profile.start]
    shares = []
    for side in (np.arange(len(rise)) < profile.start, np.arange(len(rise)) > profile.start):
        at = np.flatnonzero(side & profile.good & (rise > 0.5 * profile.threshold[profile.level]))
        if len(at):
            k = at[np.argmin(np.abs(rise[at] - profile.threshold[profile.level]))]
            shares.append(float(prior[k] / rise[k]))
    return float(np.clip(max(shares, default=0.0), 0.0, 1.0))


def _on_threshold(found: Profiles) -> list[Remark]:
    first = found.profiles[0]
    if found.threshold_kind.lower() != "f":
        return []
    text = (
        "The limits use the F distribution, which allows for the noise having been estimated from few "
        f"data: at {verdicts.level_words(first.prob)} the objective may rise by "
        f"{numerals.number(float(first.threshold[first.level]), 3)}, more than the χ² distribution allows."
    )
    return [Remark("note", "Limits for a small sample", text)]


def _on_domain(found: Profiles) -> list[Remark]:
    limited = _with(found.profiles, Verdict.AT_DOMAIN_BOUND)
    if not limited:
        return []
    text = (
        f"The interval of {_names(limited)} ends at a value that nature does not let it pass. There the "
        "threshold errs to the safe side: the true level is at least the one given."
    )
    return [Remark("note", "Intervals that end at a natural limit", text)]
