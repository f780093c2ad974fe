"""What the page says about what the equations allow, as texts ready for the template."""

from __future__ import annotations

import xarray as xr

from idfit.reporting import numerals, reading, structural
from idfit.reporting.reading import Combinations, Structure
from idfit.results import StructuralVerdict

_KINDS = {"initial": "initial value", "state": "course of a state"}
_MOST_ROWS = 400
_MOST_COMBINATIONS = 40


def context(study: xr.DataTree) -> dict:
    """Everything that the template `structure` asks for."""
    found = reading.read_structure(study)
    if found is None:
        return {"structure": None}
    combined = reading.read_combinations(study)
    # starts that are numbers or formulas, and courses of states, follow from the unknowns
    first = [q for q in found.quantities if q.is_unknown or q.kind == "function"]
    rows = [_row(found, combined, q) for q in first]
    states = [_row(found, combined, q) for q in found.quantities if q not in first and not _is_number(q)]
    return {
        "structure": {
            "is_of_old": reading.read_change(study) is not None,
            "words": _words(found, combined),
            "rows": rows[:_MOST_ROWS],
            "states": states[:_MOST_ROWS],
            "n_more": max(0, len(rows) - _MOST_ROWS) + max(0, len(states) - _MOST_ROWS),
            "meanings": _meanings(found),
            "combinations": _combinations(combined),
            "missing": "" if combined is None else combined.missing,
            "symmetries": [] if combined is None else [s.formula for s in combined.symmetries],
            "assumptions": found.assumptions,
            "facts": _facts(found),
        }
    }


def opinions(study: xr.DataTree) -> dict[str, str]:
    """What the equations say of each unknown by name, in a word for the tables of parameters."""
    found = reading.read_structure(study)
    return {} if found is None else {q.name: _word(q.code) for q in found.unknowns}


def _word(code: StructuralVerdict | None) -> str:
    if code is StructuralVerdict.NONIDENTIFIABLE:
        return "non-identifiable"
    return "identifiable" if code is not None and code.is_identifiable else "undecided"


def _words(found: Structure, combined: Combinations | None) -> str:
    unknowns = found.unknowns
    lost = structural.blocks(found, combined)
    n = len(unknowns)
    if not lost:
        undecided = [q.name for q in unknowns if q.code is StructuralVerdict.UNDETERMINED]
        if undecided:
            return f"Not decided: {numerals.listing(undecided)}."
        return f"Such data determine {'it' if n == 1 else f'all {n} unknowns'}, at least locally."
    texts = []
    for block in lost:
        names = numerals.listing(block.names)
        verb = "make up for each other" if len(block.names) > 1 else "is not determined"
        texts.append(f"{names} {verb}" + (f": {block.words}." if block.words else "."))
    n_lost = sum(len(block.names) for block in lost)
    return f"No such data determine {n_lost} of {numerals.count(n, 'unknown')}. " + " ".join(texts)


def _is_number(q: reading.Quantity) -> bool:
    """Whether there is nothing to decide."""
    try:
        float(q.formula)
    except ValueError:
        return False
    return True


def _row(found: Structure, combined: Combinations | None, q: reading.Quantity) -> dict:
    words, tone = structural.tag(q.verdict)
    instead = structural.instead_of(q.name, found, combined)
    return {
        "name": q.name,
        "kind": _KINDS.get(q.kind, q.kind),
        "formula": q.formula if q.formula != q.name and q.kind != "state" else "",
        "tag": words,
        "tone": tone,
        "instead": instead[:3],
        "more": max(0, len(instead) - 3),
        "decided_by": q.decided_by,
    }


def _meanings(found: Structure) -> str:
    """What each verdict that occurs means."""
    codes = sorted({q.code for q in found.quantities if q.code is not None and not _is_number(q)})
    said = []
    for code in codes:
        words = structural.tag(code)[0]
        meaning = code.sentence.partition(": ")[2] or code.sentence.partition("; ")[2]
        said.append(f"{words[:1].upper()}{words[1:]}: {meaning}.")
    return " ".join(said)


def _combinations(combined: Combinations | None) -> list[dict]:
    if combined is None:
        return []
    return [
        {"formula": c.formula, "uses": numerals.listing(c.uses, 8), "kind": c.kind}
        for c in combined.proper[:_MOST_COMBINATIONS]
    ]


def _facts(found: Structure) -> str:
    parts = []
    if found.rank:
        grown = " → ".join(str(r) for r in found.rank[:24]) + (" → …" if len(found.rank) > 24 else "")
        parts.append(
            f"Of {numerals.count(found.n_unknowns, 'unknown')}, the outputs and their time derivatives up to "
            f"order 0, 1, 2, … determine {grown} independent directions of them."
        )
    if undecided := [q.name for q in found.unknowns if q.code is StructuralVerdict.AT_LEAST_LOCAL]:
        limit = found.attrs.get("time_limit")
        how = "was not asked for" if limit is None else f"with its limit of {limit:g} s did not decide"
        parts.append(f"The global analysis {how}: {numerals.listing(undecided, 12)}.")
    return " ".join(parts)
