"""The posterior in words: whether it makes a claim, and where each interval comes from."""

from __future__ import annotations

import math

import numpy as np

from idfit.reporting import numerals
from idfit.reporting.figures import style
from idfit.reporting.reading import Posterior
from idfit.reporting.reading.posterior import GIVEN
from idfit.results import Limit

_COMES_FROM = {
    Limit.DATA: "the data",
    Limit.BOUND: "its bound",
    Limit.DOMAIN: "a natural limit",
    Limit.PRIOR: "the prior",
    Limit.OTHER_BOUNDS: "bounds of others",
    Limit.UNDETERMINED: "not known",
}
_SIDES = ("lower limit", "upper limit")
#: a sampler that crosses between modes
LADDER = "tempering"


def verdict_words(found: Posterior) -> tuple[str, str]:
    """Short words and tone: converged, or without a claim."""
    return ("converged", "good") if found.converged else ("makes no claim", "unknown")


def why_no_claim(found: Posterior) -> str:
    """What is missing, and what to do about it; "" if the chains have converged."""
    if found.converged:
        return ""
    reason = style.label(found.reason.rstrip(". "), 400) or "the chains have not converged"
    return f"{reason[:1].upper()}{reason[1:]}. {_remedy(found)}"


def _remedy(found: Posterior) -> str:
    superchains, walkers = found.apart, found.walkers_apart
    if not superchains and not walkers:
        return "Allow more evaluations (--max-evaluations)."
    who = "superchains" if superchains else "walkers"
    names = numerals.listing([style.label(found.parameters[i].name, 40) for i in superchains or walkers])
    text = (
        f"The {who} sit in different places ({names}): the posterior has separate modes, or so long a "
        f"valley that {found.sampler or 'the sampler'} does not cross it."
    )
    if found.sampler == LADDER:
        return f"{text} Allow more rungs (--rungs), or narrower bounds."
    return f"{text} More of the same will not help: use a ladder of temperatures (--sampler {LADDER})."


def how_drawn(found: Posterior) -> str:
    """Sampler, superchains, draws, what was dropped, and what it cost."""
    n, chains = len(found.superchains), found.draws.shape[1]
    each = f" of {chains // n} walkers" if chains > n else ""
    text = (
        f"{numerals.count(found.n_draws, 'draw')} by {found.sampler or 'a sampler'}, in "
        f"{numerals.count(n, 'independent superchain')}{each}"
    )
    if found.burn_in > 0:
        text += f"; the first {found.burn_in:.0f} steps were dropped"
    if found.thin > 1:
        text += f", and every {_ordinal(int(found.thin))} draw was kept"
    known = found.n_evaluations[found.n_evaluations >= 0]
    return text + (f"; {int(known.sum()):,} evaluations in all." if len(known) else ".")


def _ordinal(n: int) -> str:
    """
    >>> _ordinal(2), _ordinal(5), _ordinal(13)
    ('2nd', '5th', '13th')
    """
    last = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th") if n % 100 not in (11, 12, 13) else "th"
    return f"{n}{last}"


def trust_words(found: Posterior) -> str:
    """How well converged chains agree, and how much independent draws they are worth."""
    parts = []
    if np.isfinite(found.rhat).any():
        parts.append(f"the largest R-hat is {numerals.number(float(np.nanmax(found.rhat)), 4)}")
    if np.isfinite(found.ess_bulk).any():
        parts.append(f"the least effective sample size {np.nanmin(found.ess_bulk):,.0f}")
    return f"The superchains agree: {numerals.listing(parts)}." if parts else ""


def comes_from(found: Posterior, i: int) -> str:
    """
    Where the two limits of an interval come from, as ``lower limit: its bound``; "the data" for both.
    """
    ends = [found.limit(i, bound) for bound in (0, 1)]
    said = [_COMES_FROM.get(end, "not known") if end is not None else "not known" for end in ends]
    if said[0] == said[1]:
        return said[0]
    return "; ".join(
        f"{side}: {words}"
        for side, words, end in zip(_SIDES, said, ends, strict=True)
        if end is not Limit.DATA
    )


def given_parameters(found: Posterior) -> list[int]:
    """Parameters with an interval that priors or bounds have set, on one side at least."""
    return [i for i in range(len(found.parameters)) if found.converged and found.given(i)]


def given_words(found: Posterior) -> str:
    """The sentence that says which limits are not of the data; "" if all are."""
    said = [
        f"{style.label(found.parameters[i].name, 40)} {_given_sides(found, i)}"
        for i in given_parameters(found)
    ]
    if not said:
        return ""
    return (
        f"Some limits do not come from the data: {numerals.listing(said, 12)}. Another prior or bound would "
        "move them."
    )


def _given_sides(found: Posterior, i: int) -> str:
    """``below (its bound)``; ``on both sides (the prior)``."""
    ends = [found.limit(i, bound) for bound in (0, 1)]
    given = [_COMES_FROM[end] if end in GIVEN else "" for end in ends]  # type: ignore[index]
    if given[0] and given[0] == given[1]:
        return f"on both sides ({given[0]})"
    return " and ".join(f"{side} ({w})" for side, w in zip(("below", "above"), given, strict=True) if w)


def evidence_words(found: Posterior) -> str:
    if not math.isfinite(found.log_evidence):
        return ""
    error = found.log_evidence_error
    text = f"The evidence, ln ∫ likelihood × prior, is {numerals.number(found.log_evidence, 5)}"
    return text + (f" ± {numerals.number(error, 2)}." if math.isfinite(error) else ".")
