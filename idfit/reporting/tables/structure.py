"""Structural verdicts, combinations, symmetries and changes of parameters as rows of plain values."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from idfit.reporting import reading, structural


@dataclass(frozen=True)
class StructureRow:
    """What the equations allow of one quantity; `determined` is what can be fitted in its place."""

    name: str
    kind: str
    formula: str
    verdict: str
    decided_by: str
    determined: str


@dataclass(frozen=True)
class CombinationRow:
    """A function of the unknowns that such data determine."""

    formula: str
    kind: str
    made_of: str


@dataclass(frozen=True)
class SymmetryRow:
    """A change of the unknowns that no such data notice."""

    formula: str
    kind: str


@dataclass(frozen=True)
class ChangeRow:
    """An old or a new parameter of a study in other parameters, as a formula of the others.

    rise : largest rise of the objective along its profile; lower, upper : of an old one, from the new ones.
    """

    name: str
    is_new: bool
    formula: str
    held_at: float
    rise: float
    ci_prob: float
    lower: float
    upper: float
    says: str


def change_table(study: xr.DataTree) -> list[ChangeRow]:
    """The new parameters, then the old ones at the largest level."""
    found = reading.read_change(study)
    if found is None:
        return []
    nan = float("nan")
    prob = float(found.probs[-1]) if found.probs.size else nan
    new = [ChangeRow(p.name, True, p.forward, nan, p.rise, nan, nan, nan, "") for p in found.new]
    for p in found.old:
        lower, upper = (float(end) for end in p.intervals[-1]) if found.probs.size else (nan, nan)
        new.append(ChangeRow(p.name, False, p.back, p.held_at, p.rise, prob, lower, upper, p.says))
    return new


def structure_table(study: xr.DataTree) -> list[StructureRow]:
    """One row per quantity that was decided about."""
    found = reading.read_structure(study)
    combined = reading.read_combinations(study)
    return [
        StructureRow(
            name=q.name,
            kind=q.kind,
            formula=q.formula,
            verdict=f"verdict {q.verdict}" if q.code is None else q.code.label,
            decided_by=q.decided_by,
            determined="; ".join(structural.instead_of(q.name, found, combined)),
        )
        for q in ([] if found is None else found.quantities)
    ]


def combination_table(study: xr.DataTree) -> list[CombinationRow]:
    found = reading.read_combinations(study)
    return [
        CombinationRow(c.formula, c.kind, "; ".join(c.uses))
        for c in ([] if found is None else found.combinations)
    ]


def symmetry_table(study: xr.DataTree) -> list[SymmetryRow]:
    found = reading.read_combinations(study)
    return [SymmetryRow(s.formula, s.kind) for s in ([] if found is None else found.symmetries)]
