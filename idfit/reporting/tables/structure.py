"""Structural verdicts, combinations and symmetries as rows of plain values."""

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
