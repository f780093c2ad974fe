"""What the combinations say, made ready for solving: no copies, only what moves, no function too many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sympy
from sympy.polys.matrices import DomainMatrix

from idfit.errors import InputError
from idfit.expressions import names_in, to_text
from idfit.reparameterization.elimination import exponents, is_rational
from idfit.reparameterization.unknowns import base_name, read_formula, without_copies

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Component:
    """Unknowns that move together along undetermined directions, and independent functions that do not.

    There are ``len(unknowns) - len(invariants)`` such directions. Names are those of parameters, without
    copies.
    """

    unknowns: tuple[str, ...]
    invariants: tuple[sympy.Expr, ...]

    @property
    def nullity(self) -> int:
        return len(self.unknowns) - len(self.invariants)

    @property
    def is_monomial(self) -> bool:
        return all(exponents(formula) is not None for formula in self.invariants)


@dataclass(frozen=True)
class Combinations:
    """The dataset "combinations" as formulas. `moving` : unknowns that change along undetermined directions;
    names here are those of copies."""

    unknowns: tuple[str, ...]
    formulas: tuple[sympy.Expr, ...]
    moving: tuple[str, ...]
    nullity: int

    @classmethod
    def of(cls, combos: xr.Dataset) -> Combinations:
        """Errors: `InputError` if the combinations do not account for every direction."""
        names = tuple(str(name) for name in combos["unknown"].values)
        moves = combos["involved"].values.reshape(-1, len(names))
        moving = tuple(name for name, along in zip(names, moves.T, strict=True) if along.any())
        found = cls(
            names,
            tuple(read_formula(str(text)) for text in combos["formula"].values),
            moving,
            int(combos["nullity"]),
        )
        n_found = rank(found.formulas_of_moving, moving)
        if not bool(combos["complete"]) or n_found != len(moving) - found.nullity:
            raise InputError.of(
                f"combinations of {', '.join(moving)}",
                f"{n_found} independent ones are known, and {len(moving) - found.nullity} are needed",
                "give new parameters of your own (manual=...), or search with a higher degree",
            )
        return found

    @property
    def formulas_of_moving(self) -> tuple[sympy.Expr, ...]:
        return tuple(f for f in self.formulas if names_in(f) & set(self.moving))

    def components(self) -> tuple[Component, ...]:
        """Errors: `InputError` where some copies of a parameter move and others do not."""
        moving = tuple(dict.fromkeys(base_name(name) for name in self.moving))
        for name in self.unknowns:
            if base_name(name) in moving and name not in self.moving:
                raise InputError.of(
                    f"copies of {base_name(name)}",
                    f"{name} is determined by itself and others are not, so that no formula holds for all",
                    "fix the copies that are known, or give them to parameters of their own",
                )
        reduced = (_without_what_stays(without_copies(f), moving) for f in self.formulas_of_moving)
        basis = _independent(reduced, moving)
        return tuple(
            Component(group, _as_monomials(group, tuple(f for f in basis if names_in(f) & set(group))))
            for group in _connected(moving, basis)
        )


def _as_monomials(names: Sequence[str], invariants: tuple[sympy.Expr, ...]) -> tuple[sympy.Expr, ...]:
    """Monomials in the place of other invariants, where the undetermined directions are scalings.

    z -> λ^w z leaves a rational function alone if all terms of its numerator and denominator have one weight.
    Where such w are as many as the directions, the monomials that all of them leave alone say the same.
    """
    if all(exponents(f) is not None for f in invariants) or not all(map(is_rational, invariants)):
        return invariants
    symbols = [sympy.Symbol(name) for name in names]
    rows: list[list[int]] = []
    for formula in invariants:
        terms = [
            m for part in sympy.fraction(sympy.together(formula)) for m in sympy.Poly(part, *symbols).monoms()
        ]
        rows += [[a - b for a, b in zip(term, terms[0], strict=True)] for term in terms[1:]]
    weights = sympy.Matrix(rows).nullspace()
    if len(weights) != len(names) - len(invariants):
        return invariants
    powers = sympy.Matrix([list(w) for w in weights]).nullspace()
    return tuple(sympy.Mul(*(s**e for s, e in zip(symbols, p, strict=True))) for p in powers)


def _without_what_stays(formula: sympy.Expr, moving: Sequence[str]) -> sympy.Expr:
    """The formula without terms and factors that are determined anyway."""
    symbols = [sympy.Symbol(name) for name in moving]
    if isinstance(formula, sympy.Add):
        formula = formula.as_independent(*symbols, as_Add=True)[1]
    return sympy.factor_terms(formula).as_independent(*symbols, as_Add=False)[1]


def _independent(formulas: Iterable[sympy.Expr], names: Sequence[str]) -> list[sympy.Expr]:
    """As many of the formulas as are independent functions of the names, the simplest first."""
    simplest = sorted(
        dict.fromkeys(f for f in formulas if f.free_symbols),
        key=lambda f: (exponents(f) is None, f.count_ops(), to_text(f)),
    )
    chosen: list[sympy.Expr] = []
    for formula in simplest:
        if rank([*chosen, formula], names) > len(chosen):
            chosen.append(formula)
    return chosen


def rank(formulas: Sequence[sympy.Expr], names: Sequence[str], seed: int = 0) -> int:
    """How many of the formulas are independent functions of the names: rank of the derivatives at a random
    point with whole numbers, in exact arithmetic."""
    if not formulas or not names:
        return 0
    rng = np.random.default_rng(seed)
    every = sorted({n for f in formulas for n in names_in(f)} | set(names))
    point = {
        sympy.Symbol(n): sympy.Integer(int(v))
        for n, v in zip(every, rng.integers(2, 10**6, len(every)), strict=True)
    }
    rows = [[f.diff(sympy.Symbol(n)).xreplace(point) for n in names] for f in formulas]
    return DomainMatrix.from_Matrix(sympy.Matrix(rows)).to_field().rank()


def _connected(names: Sequence[str], formulas: Iterable[sympy.Expr]) -> list[tuple[str, ...]]:
    """The names in groups that no formula connects, in order."""
    group = {name: {name} for name in names}
    for formula in formulas:
        inside = [n for n in names if n in names_in(formula)]
        union = set().union(*(group[n] for n in inside))
        for name in union:
            group[name] = union
    return list(dict.fromkeys(tuple(n for n in names if n in group[name]) for name in names))
