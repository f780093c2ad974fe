"""What the page says about a study in other parameters, as texts ready for the template."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from idfit.reporting import numerals, reading, verdicts
from idfit.reporting.reading import Change, Profile
from idfit.results import Verdict

_FLAT = (Verdict.FLAT, Verdict.STRUCTURAL)
_LEVEL = 0.95


def context(study: xr.DataTree) -> dict:
    """Everything that the template `change` asks for."""
    return {"change": _change(study), "reduction": _reduction(study)}


def _change(study: xr.DataTree) -> dict | None:
    found = reading.read_change(study)
    if found is None:
        return None
    after, before = (reading.read_profiles(study, name) for name in ("profiles", "profiles_before"))
    level = int(np.argmin(np.abs(found.probs - _LEVEL))) if found.probs.size else -1
    return {
        "words": _words(found),
        "new": [_new(p.name, p.forward, _of(after, p.name)) for p in found.new if p.is_changed],
        "old": [_old(p, level, _of(before, p.name)) for p in found.old if p.is_changed],
        "level": verdicts.level_words(float(found.probs[level])) if level >= 0 else "",
        "reasons": found.sentences,
        "checks": _checks(found, *([] if p is None else p.profiles for p in (before, after))),
        "model_before": str(found.attrs.get("model_toml_before", "")),
    }


def _of(profiles: reading.Profiles | None, name: str) -> Profile | None:
    return None if profiles is None else profiles.of(name)


def _words(found: Change) -> str:
    old = [p.name for p in found.old if p.is_changed]
    new = [p.name for p in found.new if p.is_changed]
    held = [p.name for p in found.old if math.isfinite(p.held_at)]
    text = f"This study is in other parameters than the model file: {numerals.listing(old)} made way for "
    text += numerals.listing(new) if new else "nothing new"
    if held:
        verb = "is" if len(held) == 1 else "are"
        text += f", and {numerals.listing(held)} {verb} held, as any value predicts the same"
    return text + "."


def _new(name: str, forward: str, profile: Profile | None) -> dict:
    row = {"name": name, "formula": forward, "tag": "", "tone": "", "estimate": "–", "interval": None}
    if profile is None:
        return row | {"unit": ""}
    words, tone = verdicts.tag(profile.verdict, profile.kind)
    return row | {
        "tag": words,
        "tone": tone,
        "estimate": numerals.number(profile.estimate),
        "interval": verdicts.interval_of(profile),
        "unit": profile.axis.unit,
    }


def _old(p: reading.OldParameter, level: int, profile: Profile | None) -> dict:
    words, tone = ("", "") if profile is None else verdicts.tag(profile.verdict, profile.kind)
    ends = p.intervals[level] if level >= 0 and len(p.intervals) else np.full(2, math.nan)
    interval = numerals.interval(float(ends[0]), float(ends[1]))
    if np.isinf(ends).all():
        interval = "no limits"
    return {
        "name": p.name,
        "formula": p.back if not math.isfinite(p.held_at) else f"{numerals.short_number(p.held_at)}, held",
        "tag": words,
        "tone": tone,
        # within the bounds of the search a profile may rise although the equations leave the parameter open
        "equations": "non-identifiable" if p.moving and words and tone != "flat" else "",
        "interval": interval,
        "says": p.says,
    }


def _checks(found: Change, before: list[Profile], after: list[Profile]) -> list[dict]:
    """Each part of the proof with what was found."""
    rank = f"{found.rank} of {found.n_unknowns} new unknowns"
    checks = [
        {
            "what": "The equations determine every new parameter",
            "how": "rank of the outputs' derivatives in time, at random points",
            "found": rank if found.rank >= 0 else "cannot be computed",
            "holds": found.full_rank if found.rank >= 0 else None,
        },
        {
            "what": "Predictions are the same",
            "how": "simulated at the best known and at random points",
            "found": _largest(found.prediction_difference),
            "holds": found.same_predictions if found.prediction_difference.size else None,
        },
    ]
    if found.nllh_difference.size:
        checks.append(
            {
                "what": "The likelihood is the same",
                "how": "−log likelihood at the same points",
                "found": _largest(found.nllh_difference),
                "holds": found.same_nllh,
            }
        )
    if after and before:
        flat = [[p.name for p in profiles if p.code in _FLAT] for profiles in (before, after)]
        checks.append(
            {
                "what": "No profile is flat any more",
                "how": "profiles of the old parameters and of the new ones, with the same data",
                "found": f"before: {numerals.listing(flat[0]) or 'none within the bounds of the search'}; "
                f"now: {numerals.listing(flat[1]) or 'none'}",
                "holds": not flat[1],
            }
        )
    return [check | {"words": _answer(check["holds"])} for check in checks]


def _answer(holds: bool | None) -> tuple[str, str]:
    """Words and tone."""
    return ("not known", "unknown") if holds is None else ("yes", "good") if holds else ("no", "open")


def _largest(values: np.ndarray) -> str:
    if not values.size:
        return "no point could be simulated"
    n = numerals.count(values.size, "point")
    return f"{n}, largest relative difference {numerals.number(float(values.max()), 2)}"


def _reduction(study: xr.DataTree) -> dict | None:
    """The limits that were taken, and the smallest model that fits as well."""
    found = reading.read_reduction(study)
    if found is None:
        return None
    first, last = found.steps[0], found.smallest
    taken = [step.limit for step in found.steps[1:] if step.accepted]
    if taken:
        words = (
            f"{numerals.count(len(taken), 'limit')} could be taken: {last.n_parameters} parameters fit as "
            f"well as {first.n_parameters}."
        )
    else:
        words = "No limit could be taken without a worse fit."
    return {
        "words": words,
        "rows": [
            {
                "limit": step.limit or "the model as it is",
                "evidence": step.evidence,
                "n_parameters": step.n_parameters,
                "nllh": numerals.number(step.nllh, 6),
                "rise": numerals.number(step.rise, 3) if k else "–",
                "threshold": numerals.number(step.threshold, 3) if k else "–",
                "aic": numerals.number(step.aic, 5),
                "words": ("–", "")
                if not k
                else ("taken", "good")
                if step.accepted
                else ("worse fit", "open"),
                "how": step.how + ("" if step.exact else " (not exactly: a parameter is held far out)"),
            }
            for k, step in enumerate(found.steps)
        ],
        "ended": found.ended,
        "model": last.model if taken else "",
    }
