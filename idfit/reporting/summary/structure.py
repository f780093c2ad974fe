"""What the equations allow, in a sentence and in remarks."""

from __future__ import annotations

import xarray as xr

from idfit.reporting import numerals, reading, structural
from idfit.reporting.figures import style
from idfit.reporting.summary.remark import Remark


def sentence(study: xr.DataTree) -> str:
    """How many unknowns ideal data of this kind could determine, and which not."""
    found = reading.read_structure(study)
    if found is None:
        return ""
    if (change := reading.read_change(study)) is not None:
        return _after(found.lost, change)
    unknowns = found.unknowns
    good = [q for q in unknowns if q.code is not None and q.code.is_identifiable]
    n = numerals.count(len(unknowns), "unknown")
    if len(good) == len(unknowns):
        all_n = n if len(good) == 1 else f"all {n}"
        return f"By the equations alone, ideal data of this kind determine {all_n}."
    text = f"By the equations alone, ideal data of this kind determine {len(good)} of {n}"
    if found.lost:
        lost = numerals.listing([style.label(name, 40) for name in found.lost])
        text += f", and can never determine {lost}"
    return f"{text}."


def remarks(study: xr.DataTree) -> list[Remark]:
    """What no such data can determine, and what to fit instead."""
    found = reading.read_structure(study)
    if found is None:
        return []
    if (change := reading.read_change(study)) is not None:
        return [_on_change(change)]
    lost = structural.blocks(found, reading.read_combinations(study))
    if not lost:
        return []
    texts = []
    for block in lost:
        names = numerals.listing([style.label(name, 40) for name in block.names])
        texts.append(f"{names}: {block.words or 'not determined at all'}")
    text = (
        f"{'; '.join(texts)}. No amount of such data changes that: fit the combination instead (idfit "
        "reparameterize), fix a value that is known, or measure something else."
    )
    return [Remark("caution", "The equations leave parameters open", text)]


def _after(lost: list[str], change: reading.Change) -> str:
    """Of a study in other parameters: what was wrong with the old ones."""
    new = [p.name for p in change.new if p.is_changed]
    if not lost or not new:
        return ""
    return (
        f"No data of this kind determine {_names(lost)} of the model file; the study is in "
        f"{_names(new)} instead."
    )


def _on_change(change: reading.Change) -> Remark:
    new = _names([f"{p.name} = {p.forward}" for p in change.new if p.is_changed])
    if change.same_predictions and change.same_nllh and change.full_rank:
        text = f"{new}. Predictions and likelihood are the same, and the equations determine every parameter."
        return Remark("good", "The model in new parameters is the same model", text)
    text = f"{new}. One of the checks of its proof does not hold, or could not be done: see there."
    return Remark("caution", "The new parameters are not proven", text)


def _names(names: list[str]) -> str:
    return numerals.listing([style.label(name, 80) for name in names])
