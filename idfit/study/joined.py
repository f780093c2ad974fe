"""Verdicts of profiles in the light of the equations: flat for all data of this kind, or for these data."""

from __future__ import annotations

import numpy as np
import xarray as xr

from idfit.results import StructuralVerdict, Verdict

FLAT_BY_THE_EQUATIONS = "the equations agree: no such data can determine it"
RISES_BY_BOUNDS = "by the equations no such data can determine it: what rises is due to bounds"
FLAT_BY_THE_DATA = "the equations would allow to determine it: these data say nothing about it"
FLAT_AND_UNDECIDED = "the equations do not decide whether other such data could determine it"


def joined(profiles: xr.Dataset, structure: xr.Dataset | None) -> xr.Dataset:
    """The profiles with *flat* turned into *structural* where the structural analysis agrees.

    Without priors, whatever rises along a parameter that the equations leave open is due to bounds: those of
    the search, or natural ones as of rates that are not negative. That is structural too. With priors other
    verdicts stay, as these have determined something. What is flat although the equations would allow to
    determine it stays flat, and the reason says so.
    """
    if structure is None:
        return profiles
    without_priors = not np.nan_to_num(profiles["nlprior"].values).any()
    found_by_name = dict(zip(*(structure[v].values.tolist() for v in ("quantity", "verdict")), strict=True))
    changed = profiles.copy(deep=True)
    labels, reasons = (profiles[v].values.tolist() for v in ("verdict_label", "reason"))
    for i, name in enumerate(profiles["profiled"].values.tolist()):
        before = Verdict(int(profiles["verdict"].values[i]))
        if name not in found_by_name or before in (Verdict.UNDETERMINED, Verdict.NOT_REACHED):
            continue
        found = StructuralVerdict(int(found_by_name[name]))
        is_open = found is StructuralVerdict.NONIDENTIFIABLE
        if before is not Verdict.FLAT and not (is_open and without_priors):
            continue
        words = FLAT_AND_UNDECIDED
        if is_open:
            changed["verdict"][i], labels[i] = int(Verdict.STRUCTURAL), Verdict.STRUCTURAL.label
            words = FLAT_BY_THE_EQUATIONS if before is Verdict.FLAT else RISES_BY_BOUNDS
        elif found.is_identifiable:
            words = FLAT_BY_THE_DATA
        reasons[i] = "; ".join(part for part in (reasons[i], words) if part)
    for name, texts in (("verdict_label", labels), ("reason", reasons)):
        changed[name] = (profiles[name].dims, np.array(texts, dtype=np.str_), profiles[name].attrs)
    return changed
