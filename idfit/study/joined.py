"""Verdicts of profiles in the light of the equations: flat for all data of this kind, or for these data."""

from __future__ import annotations

import numpy as np
import xarray as xr

from idfit.results import StructuralVerdict, Verdict

FLAT_BY_THE_EQUATIONS = "the equations agree: no such data can determine it"
FLAT_BY_THE_DATA = "the equations would allow to determine it: these data say nothing about it"
FLAT_AND_UNDECIDED = "the equations do not decide whether other such data could determine it"


def joined(profiles: xr.Dataset, structure: xr.Dataset | None) -> xr.Dataset:
    """The profiles with *flat* turned into *structural* where the structural analysis agrees.

    What is flat although the equations would allow to determine it stays flat, and the reason says so. Other
    verdicts stay: a profile that rises, by a prior say, has determined something.
    """
    flat = profiles["verdict"].values == int(Verdict.FLAT)
    if structure is None or not flat.any():
        return profiles
    verdicts = dict(zip(*(structure[v].values.tolist() for v in ("quantity", "verdict")), strict=True))
    changed = profiles.copy(deep=True)
    labels, reasons = (profiles[v].values.tolist() for v in ("verdict_label", "reason"))
    for i in np.flatnonzero(flat):
        name = str(profiles["profiled"].values[i])
        if name not in verdicts:
            continue
        found = StructuralVerdict(int(verdicts[name]))
        words = FLAT_AND_UNDECIDED
        if found is StructuralVerdict.NONIDENTIFIABLE:
            changed["verdict"][i], labels[i] = int(Verdict.STRUCTURAL), Verdict.STRUCTURAL.label
            words = FLAT_BY_THE_EQUATIONS
        elif found.is_identifiable:
            words = FLAT_BY_THE_DATA
        reasons[i] = "; ".join(part for part in (reasons[i], words) if part)
    for name, texts in (("verdict_label", labels), ("reason", reasons)):
        changed[name] = (profiles[name].dims, np.array(texts, dtype=np.str_), profiles[name].attrs)
    return changed
