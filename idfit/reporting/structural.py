"""What the equations allow, in words: which quantities hang together, and what is determined instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from idfit.reporting import numerals
from idfit.reporting.reading.structure import Combinations, Structure
from idfit.results import StructuralVerdict

Tone = Literal["good", "open", "flat", "unknown"]
_TAGS: dict[StructuralVerdict, tuple[str, Tone]] = {
    StructuralVerdict.GLOBAL: ("globally identifiable", "good"),
    StructuralVerdict.LOCAL: ("locally identifiable", "good"),
    StructuralVerdict.AT_LEAST_LOCAL: ("at least locally identifiable", "good"),
    StructuralVerdict.NONIDENTIFIABLE: ("structurally non-identifiable", "flat"),
    StructuralVerdict.UNDETERMINED: ("not decided", "unknown"),
    StructuralVerdict.NOT_REACHED: ("not computed", "unknown"),
}
_MOST_FORMULAS = 4
_LONGEST_FORMULA = 80


@dataclass(frozen=True)
class Block:
    """Unknowns that make up for each other, and the combinations of them that such data determine."""

    names: list[str]
    determined: list[str]
    complete: bool = True

    @property
    def words(self) -> str:
        """``only a*b is determined``; "" where there is nothing to say."""
        return determined_words(self.determined, self.complete)


def tag(verdict: int) -> tuple[str, Tone]:
    """
    >>> tag(StructuralVerdict.NONIDENTIFIABLE), tag(99)
    (('structurally non-identifiable', 'flat'), ('verdict 99', 'unknown'))
    """
    try:
        return _TAGS[StructuralVerdict(verdict)]
    except (ValueError, KeyError):
        return f"verdict {verdict}", "unknown"


def blocks(structure: Structure, combinations: Combinations | None = None) -> list[Block]:
    """The non-identifiable unknowns, together if they share a direction, and what is determined of them."""
    lost = structure.lost
    sets = [{name} for name in lost]
    for direction in structure.directions:
        touched = [s for s in sets if s & set(direction)]
        if touched:
            sets = [s for s in sets if s not in touched] + [set().union(*touched)]
    proper = [] if combinations is None else combinations.proper
    complete = combinations is not None and combinations.complete
    made = [
        Block([n for n in lost if n in s], [c.formula for c in proper if s & set(c.uses)], complete)
        for s in sets
    ]
    return sorted(made, key=lambda block: lost.index(block.names[0]))


def block_words(block: Block) -> str:
    """
    >>> block_words(Block(["a", "b"], ["a*b"])), block_words(Block(["c"], []))
    ('a, b (only a*b is determined)', 'c')
    """
    return ", ".join(block.names) + (f" ({block.words})" if block.words else "")


def determined_words(formulas: Sequence[str], complete: bool = True) -> str:
    """
    >>> determined_words(["a*b"]), determined_words(["a*b", "c + d"], complete=False)
    ('only a*b is determined', 'a*b, c + d and further combinations are determined')
    """
    short = [f for f in formulas if len(f) <= _LONGEST_FORMULA]
    if not short:
        return ""
    longer = len(formulas) - len(short)
    if not complete:
        listed = numerals.listing([*short[: _MOST_FORMULAS - 1], "further combinations"])
    elif longer:
        listed = numerals.listing([*short, numerals.count(longer, "longer formula")], _MOST_FORMULAS)
    else:
        listed = numerals.listing(short, _MOST_FORMULAS)
    one = len(formulas) == 1 and complete
    return f"{'only ' if complete else ''}{listed} {'is' if one else 'are'} determined"


def instead_of(name: str, structure: Structure | None, combinations: Combinations | None) -> list[str]:
    """Combinations to fit in place of an unknown that the equations leave open, as formulas."""
    found = None if structure is None else structure.of(name)
    if found is None or found.code is not StructuralVerdict.NONIDENTIFIABLE or combinations is None:
        return []
    return [c.formula for c in combinations.proper if name in c.uses]


def instead_words(name: str, structure: Structure | None, combinations: Combinations | None) -> str:
    """``only a*b is determined``, of the combinations with an unknown that the equations leave open."""
    complete = combinations is not None and combinations.complete
    return determined_words(instead_of(name, structure, combinations), complete)
