"""What the data determine, in words: the verdict, the interval, what moves along, and what to do about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from idfit.reporting import numerals
from idfit.reporting.figures import style
from idfit.reporting.reading import Partner, Profile
from idfit.results import SideStatus, Verdict

Tone = Literal["good", "open", "flat", "unknown"]
_TAGS: dict[Verdict, tuple[str, Tone]] = {
    Verdict.IDENTIFIABLE: ("identifiable", "good"),
    Verdict.AT_DOMAIN_BOUND: ("identifiable", "good"),
    Verdict.OPEN_BELOW: ("open below", "open"),
    Verdict.OPEN_ABOVE: ("open above", "open"),
    Verdict.OPEN_BOTH: ("open on both sides", "open"),
    Verdict.FLAT: ("flat", "flat"),
    Verdict.STRUCTURAL: ("structurally non-identifiable", "flat"),
    Verdict.UNDETERMINED: ("no verdict", "unknown"),
    Verdict.NOT_REACHED: ("not computed", "unknown"),
}
_LEAST_SHARE, _LEAST_DECADES = 0.05, 0.0212  # a partner that moves by less than 5 % is not worth naming
_BESIDE_LARGEST = 0.2
_MOST_PARTNERS = 3


@dataclass(frozen=True)
class Interval:
    """An interval as text: `text` stands in a table, `note` says in words what limits it."""

    text: str
    note: str = ""


def tag(verdict: int, kind: str = "parameter") -> tuple[str, Tone]:
    """Short words and tone of a verdict, also of one that a later version has invented.

    >>> tag(Verdict.OPEN_ABOVE), tag(Verdict.IDENTIFIABLE, "prediction"), tag(99)
    (('open above', 'open'), ('determined', 'good'), ('verdict 99', 'unknown'))
    """
    try:
        words, tone = _TAGS[Verdict(verdict)]
    except (ValueError, KeyError):
        return f"verdict {verdict}", "unknown"
    return words if kind == "parameter" else words.replace("identifiable", "determined"), tone


def level_words(prob: float) -> str:
    """
    >>> level_words(0.95), level_words(0.6827)
    ('95 %', '68.27 %')
    """
    return f"{100 * prob:.4g} %"


def interval_of(profile: Profile, level: int | None = None) -> Interval:
    """The interval in words; an open side is said to be open, and up to where it was searched. What the
    equations leave open has no limits by the data, wherever bounds end its profile."""
    level = profile.level if level is None else level
    low, high = profile.limits(level)
    sides = [profile.side(level, k) for k in (0, 1)]
    notes = [n for k in (0, 1) if (n := _side_note(profile, sides[k], k))]
    if (n := int(profile.n_regions[level])) > 1:
        pieces = [
            numerals.interval(*piece) for piece in profile.regions[level][:n] if not math.isnan(piece[0])
        ]
        listed = f": {'; '.join(pieces)}" if pieces else ""
        notes.append(f"in {n} pieces{listed}")
    ends = [numerals.short_number(end, 3) for end in (low, high) if math.isfinite(end)]
    if profile.code is Verdict.STRUCTURAL and ends:
        text = "no limits"
        notes.append(f"its profile ends at {numerals.listing(ends)} only because of bounds")
    elif math.isfinite(low) and math.isfinite(high):
        text = numerals.interval(low, high)
    elif math.isfinite(low):
        text = f"at least {numerals.number(low, 3)}"
    elif math.isfinite(high):
        text = f"at most {numerals.number(high, 3)}"
    else:
        text = "no limits"
    if all(side is None or side == SideStatus.NOT_REACHED for side in sides):
        return Interval(numerals.ABSENT, "not computed")
    return Interval(text, "; ".join(notes))


def limiting_reason(profile: Profile) -> str:
    """What limits a verdict that was reached; the reason for having none stands in the advice."""
    known = profile.code not in (Verdict.UNDETERMINED, Verdict.NOT_REACHED, None)
    return _sentence(style.label(profile.reason, 300)) if profile.reason and known else ""


def was_computed(profile: Profile) -> bool:
    """Whether at least one side was followed."""
    return any(profile.side(profile.level, k) not in (None, SideStatus.NOT_REACHED) for k in (0, 1))


def interval_in_a_sentence(profile: Profile) -> str:
    """``0.02 to 0.03 1/min`` or ``at least 3 1/min (no upper limit up to 100)``."""
    interval = interval_of(profile)
    unit = _unit(profile.axis.unit) if interval.text[:2] != "no" else ""
    return interval.text + unit + (f" ({interval.note})" if interval.note else "")


def _side_note(profile: Profile, side: SideStatus | None, k: int) -> str:
    name, to = ("lower", "down to") if k == 0 else ("upper", "up to")
    if side == SideStatus.SEARCH_BOUND:
        reached = float(profile.searched[k])
        end = f" {to}\u00a0{numerals.short_number(reached, 3)}" if math.isfinite(reached) else ""
        return f"no {name} limit{end}"
    if side == SideStatus.PARTNER_BOUND:
        return f"no {name} limit of its own: another parameter meets its bound"
    if side == SideStatus.DOMAIN_BOUND:
        sign = "≥" if k == 0 else "≤"
        return f"{sign} {numerals.short_number(profile.limits(profile.level)[k], 3)}, a natural limit"
    if side == SideStatus.BUDGET:
        return f"{name} limit not reached within the budget"
    if side == SideStatus.FAILED:
        return f"{name} side could not be followed"
    if side == SideStatus.NOT_REACHED or side is None:
        return f"{name} side not computed"
    return ""


def movement(partner: Partner) -> str:
    """By how much a partner moves: a factor on a logarithmic scale, else in its unit.

    >>> from idfit.reporting.reading import Axis
    >>> movement(Partner(Axis("k", "1/s", "log10"), 0.5)), movement(Partner(Axis("a", "mM"), 0.5))
    ('× 3.2', '0.50 mM')
    """
    decades = decades_of(partner)
    if decades is None:
        return numerals.number(abs(partner.shift), 2) + _unit(partner.axis.unit)
    return f"× {numerals.number(10.0 ** min(decades, 300.0), 2)}"


def decades_of(partner: Partner) -> float | None:
    """Movement in decades; None where the scale is not logarithmic."""
    if partner.axis.scale == "log10":
        return abs(partner.shift)
    if partner.axis.scale == "log":
        return abs(partner.shift) / math.log(10)
    return None


def movers(profile: Profile) -> list[Partner]:
    """The partners that move by more than a twentieth of their value, at most three."""
    return [p for p in profile.partners[:_MOST_PARTNERS] if _moves(profile, p)]


def _moves(profile: Profile, partner: Partner) -> bool:
    decades = decades_of(partner)
    if decades is not None:
        return decades > _LEAST_DECADES
    names = [p.name for p in profile.parameters]
    if partner.axis.name not in names or not 0 <= profile.start < len(profile.theta):
        return partner.shift != 0
    value = float(profile.theta[profile.start, names.index(partner.axis.name)])
    return abs(partner.shift) > _LEAST_SHARE * abs(value)


def compensators(profile: Profile) -> list[str]:
    """Names of the movers whose movement is not small beside the largest one's."""
    found = movers(profile)
    largest = max((decades_of(p) or 0.0 for p in found), default=0.0)
    return [
        style.label(p.axis.name, 40)
        for p in found
        if (d := decades_of(p)) is None or d > _BESIDE_LARGEST * largest
    ]


def is_rate(unit: str) -> bool:
    """Whether a unit is one over something, as of rate constants.

    >>> is_rate("1/min"), is_rate("h^-1"), is_rate("mM")
    (True, True, False)
    """
    text = unit.replace(" ", "")
    return text.startswith("1/") or text.endswith(("^-1", "**-1", "⁻¹"))


def advice(profile: Profile, instead: str = "") -> str:
    """What to do about one parameter, as far as the profile supports it.

    instead : what the equations determine of its combinations, where they leave it open itself
    """
    if profile.code == Verdict.STRUCTURAL and instead:
        return (
            f"No data of this kind can determine it: {instead}. Fit that instead (idfit reparameterize), "
            "or fix a value."
        )
    if profile.code is not None and profile.code.is_identifiable and instead:
        return (
            f"A prior or a bound gives these limits, not the data: by the equations {instead}. Report it as "
            "such, or fit the combination."
        )
    text = _by_verdict(profile)
    if profile.code in (Verdict.OPEN_BELOW, Verdict.OPEN_ABOVE, Verdict.OPEN_BOTH) and instead:
        text += f" By the equations {instead}: fit that instead."
    return text


def _by_verdict(profile: Profile) -> str:
    verdict = profile.code
    low, high = profile.limits(profile.level)
    name = style.label(profile.name, 40)
    if verdict == Verdict.IDENTIFIABLE:
        return _when_determined(profile, low, high)
    if verdict == Verdict.AT_DOMAIN_BOUND:
        return _when_limited(profile, low, high)
    if verdict == Verdict.OPEN_ABOVE:
        says = f"The data only say {name} > {_with_unit(low, profile)}: report that bound, or fix the value. "
        faster = "Faster than these times resolve: measure earlier and more densely."
        other = "To find an upper limit, measure where a larger value would change the outcome."
        return says + (faster if is_rate(profile.axis.unit) else other) + _compensation(profile)
    if verdict == Verdict.OPEN_BELOW:
        says = (
            f"The data only say {name} < {_with_unit(high, profile)}: report that bound, or fix the value. "
        )
        slower = "See whether the fit is as good without this process; to find a lower limit, measure longer."
        other = "To find a lower limit, measure where a smaller value would change the outcome."
        return says + (slower if is_rate(profile.axis.unit) else other) + _compensation(profile)
    if verdict in (Verdict.OPEN_BOTH, Verdict.FLAT, Verdict.STRUCTURAL):
        return _when_free(profile, verdict, name)
    if verdict == Verdict.NOT_REACHED:
        return "Resume the run to compute it."
    reason = f"{_sentence(style.label(profile.reason, 300))} " if profile.reason else ""
    return f"{reason}Do not use the interval yet; see the failed steps under “Profiles”."


def _when_determined(profile: Profile, low: float, high: float) -> str:
    if profile.n_regions[profile.level] > 1:
        return (
            "Values between the pieces are excluded: there are two explanations; report the pieces, not one "
            "range."
        )
    if profile.rests_on:
        return f"Widen the search bound of {_named(profile.rests_on)} and profile again, unless it is a fact."
    if profile.axis.is_logarithmic and low > 0 and high > 100 * low:
        return f"Nothing, unless a factor of {numerals.number(high / low, 2)} is too wide: then more data."
    return "Nothing."


def _named(names: list[str]) -> str:
    return numerals.listing([style.label(name, 40) for name in names])


def _when_limited(profile: Profile, low: float, high: float) -> str:
    sides = [profile.side(profile.level, k) for k in (0, 1)]
    lower = sides[0] == SideStatus.DOMAIN_BOUND
    end, sign, inner = (low, "<", high) if lower else (high, ">", low)
    limit = numerals.short_number(end, 3)
    return (
        f"Report {style.label(profile.name, 40)} {sign} {_with_unit(inner, profile)}. "
        f"The data allow {limit}: see whether the model fits as well with it."
    )


def _when_free(profile: Profile, verdict: Verdict | None, name: str) -> str:
    partners = compensators(profile)
    if verdict == Verdict.STRUCTURAL:
        first = "No data of this kind can determine it. "
    elif verdict == Verdict.FLAT:
        first = f"The fit is the same {_range_words(profile)}. "
    else:
        first = f"The data set no limit {_range_words(profile)}. "
    if partners:
        names = numerals.listing([name, *partners])
        valley = f" ({style.label(profile.valley, 200)})" if profile.valley else ""
        return (
            f"{first}{names} compensate each other{valley}: only their combination matters. "
            "Fix one, or reparameterize."
        )
    return f"{first}No other parameter makes up for it: fix it, or measure something that depends on it."


def _range_words(profile: Profile) -> str:
    low, high = (float(s) for s in profile.searched)
    if not (math.isfinite(low) and math.isfinite(high)):
        return "wherever it was searched"
    return f"from {numerals.short_number(low, 3)} to {_with_unit(high, profile)}"


def _compensation(profile: Profile) -> str:
    names = compensators(profile)
    if not names:
        return ""
    them = "it" if len(names) == 1 else "them"
    return (
        f" {numerals.listing(names)} {'moves' if len(names) == 1 else 'move'} along; "
        f"knowing {them} would help."
    )


def _with_unit(value: float, profile: Profile) -> str:
    return numerals.number(value, 3) + _unit(profile.axis.unit)


def _unit(unit: str) -> str:
    """The unit as it stands behind a number in a sentence; nothing for one without dimension."""
    return f" {style.label(unit, 16)}" if unit and unit != "dimensionless" else ""


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
