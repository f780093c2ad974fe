"""What the equations allow, as lines for the console and facts for ``--json``."""

from __future__ import annotations

from typing import Any

import xarray as xr

from idfit.cli.determined import table_lines
from idfit.reporting.reading import Combinations, Structure, read_combinations, read_structure
from idfit.reporting.structural import block_words, blocks, tag
from idfit.results import StructuralVerdict

_MOST_FORMULAS = 12


def structure_lines(made: xr.Dataset, combinations: xr.Dataset | None = None) -> list[str]:
    """A table of verdicts, what hangs together, what is determined instead, and what was assumed."""
    found = read_structure(made)
    if found is None:
        return ["nothing is unknown: there are no parameters or initial values to decide about"]
    rows = [("", "verdict", "decided by")]
    rows += [(q.name, tag(q.verdict)[0], q.decided_by) for q in found.quantities]
    combined = None if combinations is None else read_combinations(combinations)
    lines = table_lines(rows)
    lines += [f"not determined: {block_words(block)}" for block in blocks(found, combined)]
    if combined is not None:
        lines += _combination_lines(combined)
    return lines + [f"asked: {sentence}" for sentence in found.assumptions]


def _combination_lines(found: Combinations) -> list[str]:
    formulas = [c.formula for c in found.proper]
    lines = [f"determined: {formula}" for formula in formulas[:_MOST_FORMULAS]]
    if len(formulas) > _MOST_FORMULAS:
        lines.append(f"... and {len(formulas) - _MOST_FORMULAS} more")
    lines += [f"unnoticed by such data: {symmetry.formula}" for symmetry in found.symmetries]
    if found.missing:
        lines.append(found.missing)
    return lines


def verdict_line(made: xr.Dataset) -> str:
    """The verdicts on parameters and initial values in one line, for `idfit check`."""
    found = read_structure(made)
    if found is None:
        return "equations: nothing is unknown"
    return f"equations: {_counted(found)}"


def _counted(found: Structure) -> str:
    unknowns = found.unknowns
    lost = "; ".join(block_words(block) for block in blocks(found))
    undecided = [q.name for q in unknowns if q.code is StructuralVerdict.UNDETERMINED]
    if not lost and not undecided:
        return f"ideal data of this kind determine all {len(unknowns)} unknowns, at least locally"
    parts = []
    if lost:
        parts.append(f"no such data can determine {lost}")
    if undecided:
        reasons = dict.fromkeys(q.decided_by for q in unknowns if q.name in undecided)
        parts.append(f"not decided: {', '.join(undecided)} ({'; '.join(reasons)})")
    return "; ".join(parts)


def structure_facts(made: xr.Dataset, combinations: xr.Dataset | None = None) -> dict[str, Any]:
    """The verdict of each quantity by name, and combinations and symmetries as formulas."""
    found = read_structure(made)
    facts: dict[str, Any] = {
        "structure": {}
        if found is None
        else {
            q.name: {
                "kind": q.kind,
                "verdict": "" if q.code is None else q.code.label,
                "decided_by": q.decided_by,
            }
            for q in found.quantities
        },
        "nullity": 0 if found is None else found.nullity,
    }
    combined = None if combinations is None else read_combinations(combinations)
    if combined is not None:
        facts["combinations"] = [c.formula for c in combined.combinations]
        facts["symmetries"] = [s.formula for s in combined.symmetries]
        facts["complete"] = combined.complete
    return facts
