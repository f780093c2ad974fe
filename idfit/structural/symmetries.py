"""Transformations of the unknowns that no output notices: vector fields that stay on the fibre, by ansatz.

A field Σ_i ξ_i ∂/∂z_i stays on the fibre where ξ is a combination of its directions. For ξ_i a sum of
monomials that is linear in the coefficients, at every point. Tried are scalings (ξ_i = a_i z_i), translations
(ξ_i constant), affine and quadratic fields, in this order (Merkt et al. 2015, Phys. Rev. E 92:012920).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import sympy

from idfit.expressions import to_text
from idfit.structural.fibre import SPARE, Fibre, Sample, across, residues
from idfit.structural.invariants import components, readable_basis
from idfit.structural.rational import null_space, rank, whole_numbers

KINDS = ("scaling", "translation", "affine", "quadratic")
_LARGEST_SYSTEM = 400


@dataclass(frozen=True)
class Symmetry:
    """kind : see `KINDS`; rates : how fast each symbol that changes does so along the transformation."""

    kind: str
    rates: dict[sympy.Symbol, sympy.Expr]

    @property
    def sentence(self) -> str:
        return _WORDS.get(self.kind, _flow_words)(self.rates)


def symmetries(fibre: Fibre) -> list[Symmetry]:
    """Independent symmetries; as many as directions where all of them are of the kinds that are tried."""
    return [s for columns in components(fibre) for s in _of_component(fibre.part(columns))]


def _of_component(fibre: Fibre) -> list[Symmetry]:
    if len(fibre) == 1:
        return [Symmetry("translation", {fibre.coordinates[0]: sympy.S.One})]
    sample = fibre.draw(1)
    kept: list[Symmetry] = []
    fields = np.zeros((0, len(fibre)), dtype=np.int64)
    for kind in KINDS:
        for rates in _candidates(fibre, kind) if len(kept) < sample.tangents.shape[1] else ():
            longer = np.concatenate([fields, _at(fibre, sample, rates)[np.newaxis]])
            if rank(longer, fibre.prime) == len(longer):
                kept.append(Symmetry(kind, rates))
                fields = longer
    return kept


def _at(fibre: Fibre, sample: Sample, rates: dict[sympy.Symbol, sympy.Expr]) -> np.ndarray:
    """The field (coordinate,) at the first point."""
    names = fibre.environment(sample)
    columns = [residues(rates.get(x, sympy.S.Zero), names, fibre.prime)[0] for x in fibre.coordinates]
    return np.array(columns, dtype=np.int64)


def _candidates(fibre: Fibre, kind: str) -> list[dict[sympy.Symbol, sympy.Expr]]:
    """Fields of a kind, simple ones first."""
    if kind == "scaling":
        none_costly = np.zeros(len(fibre), dtype=bool)
        basis = readable_basis(fibre.scalings().tolist(), none_costly)
        return [{x: a * x for x, a in zip(fibre.coordinates, vector, strict=True) if a} for vector in basis]
    degree = KINDS.index(kind) - 1
    symbols = (*fibre.coordinates, *fibre.constants)
    monomials = [
        sympy.Mul(*some) for k in range(degree + 1) for some in combinations_with_replacement(symbols, k)
    ]
    found = []
    for terms in _equal_weights(fibre, monomials):
        for vector in _fields(fibre, terms):
            rates: dict[sympy.Symbol, Any] = dict.fromkeys(fibre.coordinates, sympy.S.Zero)
            for amount, (x, m) in zip(vector, terms, strict=True):
                rates[x] = rates[x] + amount * m
            cost = (sum(1 for a in vector if a), sum(map(abs, vector)), min(vector) < 0)
            found.append((cost, {x: rate for x, rate in rates.items() if rate != 0}))
    return [rates for _, rates in sorted(found, key=lambda pair: pair[0])]


def _equal_weights(
    fibre: Fibre, monomials: Sequence[sympy.Expr]
) -> list[list[tuple[sympy.Symbol, sympy.Expr]]]:
    """Terms m ∂/∂x by their weight; a field is a symmetry if its part of each weight is one."""
    groups: dict[tuple[int, ...], list[tuple[sympy.Symbol, sympy.Expr]]] = {}
    for m in monomials:
        weight = sum((fibre.weight[s] * int(p) for s, p in m.as_powers_dict().items() if s.is_Symbol), 0)
        for x in fibre.coordinates:
            key = tuple(np.atleast_1d(weight - fibre.weight[x]).tolist())
            groups.setdefault(key, []).append((x, m))
    return [terms for terms in groups.values() if len(terms) <= _LARGEST_SYSTEM]


def _fields(fibre: Fibre, terms: Sequence[tuple[sympy.Symbol, sympy.Expr]]) -> list[list[int]]:
    n_across = len(fibre) - fibre.draw(1).tangents.shape[1]
    sample = fibre.draw(len(terms) // max(n_across, 1) + SPARE)
    names = fibre.environment(sample)
    fields = np.zeros((len(sample.values), len(terms), len(fibre)), dtype=np.int64)
    for f, (x, m) in enumerate(terms):
        fields[:, f, fibre.coordinates.index(x)] = residues(m, names, fibre.prime)
    rows = across(sample, fields, fibre.prime)
    vectors = (whole_numbers(vector, fibre.prime) for vector in null_space(rows, fibre.prime))
    return [_upright(vector) for vector in vectors if vector is not None]


def _upright(vector: list[int]) -> list[int]:
    first = next(a for a in vector if a)
    return vector if first > 0 else [-a for a in vector]


# --- in words -----------------------------------------------------------------------------------------------


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _with_verb(names: Sequence[str], verb: str) -> str:
    return f"{_listed(names)} {'is' if len(names) == 1 else 'are'} {verb}"


def _scaling_words(rates: dict[sympy.Symbol, sympy.Expr]) -> str:
    powers = {x.name: int(sympy.cancel(rate / x)) for x, rate in rates.items()}
    if sum(1 if a > 0 else -1 for a in powers.values()) < 0:
        powers = {name: -a for name, a in powers.items()}
    base = min(a for a in powers.values() if a > 0)
    factor = {1: "factor", 2: "square"}.get(base, f"{base}th power")
    words = _first("multiplied by", [n for n, a in powers.items() if a == base], factor)
    amounts = {1: "that factor", 2: "its square"} if base == 1 else {1: "the factor itself"}
    parts = []
    for a in sorted({a for a in powers.values() if a != base}, key=lambda a: (abs(a), a)):
        verb = "multiplied" if a > 0 else "divided"
        amount = "it" if a == -base else amounts.get(abs(a), f"its {abs(a)}th power")
        parts.append(_with_verb([n for n, b in powers.items() if b == a], f"{verb} by {amount}"))
    return words + (f" while {_listed(parts)}" if parts else "")


def _translation_words(rates: dict[sympy.Symbol, sympy.Expr]) -> str:
    steps = {x.name: int(rate) for x, rate in rates.items()}  # type: ignore[arg-type]
    if len(steps) == 1:
        return f"{next(iter(steps))} can take any value"
    base = min(a for a in steps.values() if a > 0)
    words = _first("increased by", [n for n, a in steps.items() if a == base], "amount")
    parts = []
    for a in sorted({a for a in steps.values() if a != base}, key=lambda a: (abs(a), a)):
        verb = "increased" if a > 0 else "decreased"
        ratio = Fraction(abs(a), base)
        amount = "it" if ratio == 1 else "twice it" if ratio == 2 else f"{ratio} times it"
        parts.append(_with_verb([n for n, b in steps.items() if b == a], f"{verb} by {amount}"))
    return words + (f" while {_listed(parts)}" if parts else "")


def _first(verb: str, names: Sequence[str], what: str) -> str:
    return f"{_listed(names)} can be {verb} {'the same' if len(names) > 1 else 'any'} {what}"


def _flow_words(rates: dict[sympy.Symbol, sympy.Expr]) -> str:
    names = [x.name for x in rates]
    changes = [f"{x.name} at the rate {to_text(rate)}" for x, rate in rates.items()]
    return f"{_listed(names)} can change together: {_listed(changes)}"


_WORDS = {"scaling": _scaling_words, "translation": _translation_words}
