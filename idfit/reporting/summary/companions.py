"""Remarks from the Fisher information, the quick test, the bootstrap and the agreement of methods."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from idfit.reporting import numerals, reading, verdicts
from idfit.reporting.figures import style
from idfit.reporting.summary.remark import Remark
from idfit.results import Verdict

_MOST_DISAGREEMENTS = 5
_FAIR_CURVATURE = 0.5  # Bates & Watts (1988): curvature times √F is to be small against 1/2
_LEAST_SHARE = 0.05


def companion_remarks(study: xr.DataTree) -> list[Remark]:
    return [
        *_on_agreement(study),
        *_on_null_space(study),
        *_on_curvature(study),
        *_on_pairs(study),
        *_on_test(study),
        *_on_bootstrap(study),
    ]


def _on_agreement(study: xr.DataTree) -> list[Remark]:
    found = reading.read_agreement(study)
    if found is None:
        return []
    apart = [i for i in range(len(found.parameters)) if found.disagree(i)]
    if not apart:
        return []
    said = [f"{style.label(found.parameters[i].name, 40)}: {_cause(found, i)}" for i in apart]
    more = (
        f" {len(said) - _MOST_DISAGREEMENTS} more are in the table."
        if len(said) > _MOST_DISAGREEMENTS
        else ""
    )
    text = f"{'; '.join(said[:_MOST_DISAGREEMENTS])}.{more}"
    title = f"The methods disagree about {numerals.count(len(apart), 'parameter')}"
    return [Remark("caution", title, text)]


def _cause(found: reading.Opinions, i: int) -> str:
    return style.label(found.cause[i].rstrip(". "), 240) or "no cause was found"


def _on_null_space(study: xr.DataTree) -> list[Remark]:
    fisher = reading.read_fisher(study)
    if fisher is None or not fisher.nullity:
        return []
    made_of = members(fisher)
    text = (
        f"At the best fit, {numerals.count(fisher.nullity, 'direction')} of {len(fisher.parameters)} "
        f"{'changes' if fisher.nullity == 1 else 'change'} nothing that was measured"
        + (f"; {'it is' if fisher.nullity == 1 else 'they are'} made of {made_of}" if made_of else "")
        + ". This is a statement about that point; the profiles tell how far it reaches."
    )
    return [Remark("caution", "The data leave a direction open", text)]


def members(fisher: reading.Fisher) -> str:
    """The parameters in the open directions with their shares, the largest first."""
    order = [int(i) for i in np.argsort(-np.nan_to_num(fisher.null_share), kind="stable")]
    return numerals.listing(
        [
            f"{style.label(fisher.parameters[i].name, 40)} ({numerals.percent(float(fisher.null_share[i]))})"
            for i in order
            if fisher.null_share[i] > _LEAST_SHARE
        ]
    )


def curvature_words(value: float) -> str:
    """What a curvature times √F means.

    >>> curvature_words(0.1), curvature_words(0.4), curvature_words(2.0)
    ('small: a linear approximation is fair', 'noticeable', 'large: a linear approximation misleads')
    """
    if not math.isfinite(value):
        return "not known"
    if value < 0.3:
        return "small: a linear approximation is fair"
    return "noticeable" if value < _FAIR_CURVATURE else "large: a linear approximation misleads"


def _on_curvature(study: xr.DataTree) -> list[Remark]:
    fisher = reading.read_fisher(study)
    if fisher is None:
        return []
    effects = fisher.parameter_effects.get("estimation", math.nan)
    if not effects >= _FAIR_CURVATURE:
        return []
    text = (
        f"The parameter-effects curvature is {numerals.number(effects, 2)} on the estimation scale, where "
        "0.3 is fair and 0.5 the limit (Bates & Watts): intervals from standard errors mislead."
    )
    return [Remark("note", "The model is strongly curved", text)]


def _on_pairs(study: xr.DataTree) -> list[Remark]:
    ds = reading.group(study, "profiles_2d")
    if ds is None:
        return []
    out = []
    gain = reading.scalar(ds, "better_by")
    if gain > 0:
        text = (
            f"A cell lies {numerals.number(gain, 2)} below the best fit: contours are measured from the "
            "wrong place. Fit again with more starts."
        )
        out.append(Remark("caution", "Two-parameter profiles found a better fit", text))
    if reading.scalar(ds, "budget_used") > 0 or reading.scalar(ds, "unsettled") > 0:
        text = (
            "Cells were still changing, or missing, when the budget was used up: read the contours with care."
        )
        out.append(Remark("note", "Two-parameter profiles are unfinished", text))
    return out


def direction_words(test: reading.QuickTest, most: int = 4) -> str:
    """The parameters of the direction of least rise with their components, the largest first."""
    order = [int(i) for i in np.argsort(-np.abs(np.nan_to_num(test.direction)), kind="stable")[:most]]
    return numerals.listing(
        [
            f"{style.label(test.parameters[i].name, 40)} ({_signed(float(test.direction[i]))})"
            for i in order
            if abs(test.direction[i]) > 0.1
        ]
    )


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '−'}{numerals.number(abs(value), 2)}"


def _on_test(study: xr.DataTree) -> list[Remark]:
    test = reading.read_test(study)
    if test is None or reading.read_profiles(study) is not None:  # the profiles have the better word
        return []
    rise = numerals.number(test.least_rise, 2)
    words, tone = verdicts.tag(test.verdict)
    if tone == "good":
        text = f"The objective rises by at least {rise} wherever the test went: no direction is flat."
        return [Remark("good", "The quick test finds no open direction", text)]
    if test.verdict == Verdict.UNDETERMINED:
        text = "It does not support a statement; profiles would tell."
        return [Remark("note", "The quick test gives no verdict", text)]
    made_of = direction_words(test)
    text = (
        f"There is a direction along which the objective rises by {rise} only"
        + (f", made of {made_of}" if made_of else "")
        + ". Profiles tell which parameters are open."
    )
    return [Remark("caution", f"The quick test says: {words}", text)]


def _on_bootstrap(study: xr.DataTree) -> list[Remark]:
    found = reading.read_bootstrap(study)
    if found is None or not len(found.status):
        return []
    failed = int((~found.finished).sum())
    if failed <= 0.1 * len(found.status):
        return []
    text = (
        f"{failed} of {len(found.status)} simulated data sets could not be fitted, and the intervals know "
        "nothing of them."
    )
    return [Remark("caution", "The bootstrap lost many data sets", text)]
