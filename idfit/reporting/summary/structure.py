"""What the equations allow, in a sentence and in remarks."""

from __future__ import annotations

import xarray as xr

from idfit.reporting import numerals, reading, structural
from idfit.reporting.figures import style
from idfit.reporting.summary.remark import Remark
from idfit.results import StructuralVerdict


def sentence(study: xr.DataTree) -> str:
    """How many unknowns ideal data of this kind could determine, and which not."""
    found = reading.read_structure(study)
    if found is None:
        return ""
    unknowns = found.unknowns
    good = [q for q in unknowns if q.code is not None and q.code.is_identifiable]
    n = numerals.count(len(unknowns), "unknown")
    if len(good) == len(unknowns):
        all_n = n if len(good) == 1 else f"all {n}"
        return f"By the equations alone, ideal data of this kind determine {all_n}."
    lost = [q.name for q in unknowns if q.code is StructuralVerdict.NONIDENTIFIABLE]
    text = f"By the equations alone, ideal data of this kind determine {len(good)} of {n}"
    if lost:
        text += f", and can never determine {numerals.listing([style.label(name, 40) for name in lost])}"
    return f"{text}."


def remarks(study: xr.DataTree) -> list[Remark]:
    """What no such data can determine, and what to fit instead."""
    found = reading.read_structure(study)
    if found is None:
        return []
    lost = structural.blocks(found, reading.read_combinations(study))
    if not lost:
        return []
    texts = []
    for block in lost:
        names = numerals.listing([style.label(name, 40) for name in block.names])
        said = structural.determined_words(block.determined)
        texts.append(f"{names}: only {said}" if said else f"{names}: any value will do")
    text = (
        f"{'; '.join(texts)}. No amount of such data changes that: fit the combination instead (idfit "
        "reparameterize), fix a value that is known, or measure something else."
    )
    return [Remark("caution", "The equations leave parameters open", text)]
