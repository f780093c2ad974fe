"""Equations in the limit of infinitely fast processes: x' = F(x)/ε^m + f(x) for ε → 0.

With F = N r(x), constant N, the fast processes r bring x along the columns of N to where r = 0, and from then
on x moves on that set. There r/ε^m tends to the flux J that keeps it there:

    x' = f + N J,   0 = dg/dt = ∇g (f + N J),   g = 0 where r = 0.

States that g = 0 gives are eliminated, and starts move along N. It is the rapid equilibrium of a reversible
reaction and the passage through a state that empties at once. Tikhonov's theorem asks that r = 0 attracts,
which numbers have to show. Tikhonov, Mat Sb 31 (1952) 575-586; Lee & Othmer, J Math Biol 60 (2010) 387-450.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import sympy

from idfit.expressions import names_in
from idfit.reparameterization.elimination import shortest

_MOST_PROCESSES = 4
# points at which it is looked up which of two roots is the nearer one
_DRAWS = 8


class NoLimit(Exception):
    """The limit is not one that can be taken exactly; the text says why."""


@dataclass(frozen=True)
class SlowSet:
    """Where the fast processes rest: `rest` are the g, and N : (state, process) the directions to there.

    gone : formulas of the states that are eliminated. The default has no fast processes.
    """

    states: tuple[sympy.Symbol, ...]
    rest: tuple[sympy.Expr, ...] = ()
    n: Any = None
    gone: Mapping[str, sympy.Expr] = field(default_factory=dict)

    @classmethod
    def of(cls, fast: Mapping[str, sympy.Expr], states: Sequence[str]) -> SlowSet:
        """From F by state. Errors: `NoLimit`."""
        symbols = tuple(sympy.Symbol(name) for name in states)
        n, processes = _factored([fast.get(name, sympy.S.Zero) for name in states], symbols)
        if not processes or len(processes) > _MOST_PROCESSES:
            raise NoLimit(f"{len(processes)} processes become fast at once")
        rest = tuple(_vanishing(r, symbols) for r in processes)
        return cls(symbols, rest, n, _eliminated(rest, n, symbols))

    @property
    def holding(self) -> frozenset[str]:
        """The states that stand in a g: a change of one of them moves others."""
        return frozenset(name for g in self.rest for name in names_in(g)) & {s.name for s in self.states}

    @cached_property
    def _gradient(self) -> Any:
        return sympy.Matrix(list(self.rest)).jacobian(sympy.Matrix(list(self.states)))

    @cached_property
    def _square(self) -> Any:
        """∇g N, (process, process)."""
        square = (self._gradient * self.n).applyfunc(sympy.cancel)
        if square.det() == 0:
            raise NoLimit("the fast process is not brought to rest by itself")
        return square

    def odes(self, slow: Mapping[str, sympy.Expr], moving: frozenset[str]) -> dict[str, sympy.Expr]:
        """x' = f − N (∇g N)⁻¹ ∇g f of the states that are left; moving : other names that change in time."""
        total: Any = sympy.Matrix(list(slow.values()))
        if self.rest:
            if any(names_in(g) & moving for g in self.rest):
                raise NoLimit("what the fast process comes to rest at changes in time by itself")
            total = total - self.n * self._square.LUsolve(self._gradient * total)
        put = {sympy.Symbol(name): formula for name, formula in self.gone.items()}
        return self._left([formula.xreplace(put) for formula in total])

    def starts(self, starts: Mapping[str, sympy.Expr]) -> dict[str, sympy.Expr]:
        """Starts moved along N to the slow set, of the states that are left."""
        given = [starts[s.name] for s in self.states]
        return self._left(_moved(self.rest, self.n, given, self.states) if self.rest else given)

    def after_adding(self, added: Mapping[str, sympy.Expr]) -> dict[str, sympy.Expr]:
        """What states that are left gain when others are added to, on the slow set before and after."""
        gain: Any = sympy.Matrix([added.get(s.name, sympy.S.Zero) for s in self.states])
        if self.holding & added.keys():
            if self._gradient.free_symbols & set(self.states):
                raise NoLimit("what is added is shared out by a fast process")
            gain = gain - self.n * self._square.LUsolve(self._gradient * gain)
        return {name: value for name, value in self._left(list(gain)).items() if value != 0}

    def _left(self, formulas: Sequence[sympy.Expr]) -> dict[str, sympy.Expr]:
        return {
            s.name: shortest(formula)
            for s, formula in zip(self.states, formulas, strict=True)
            if s.name not in self.gone
        }


def _factored(fast: Sequence[sympy.Expr], states: Sequence[sympy.Symbol]) -> tuple[Any, list[sympy.Expr]]:
    """F = N r with N : (state, process) free of states, and r independent over what is free of states."""
    coefficients: list[dict[sympy.Expr, sympy.Expr]] = []
    keys: dict[sympy.Expr, None] = {}
    for formula in fast:
        row: dict[sympy.Expr, sympy.Expr] = {}
        for term in sympy.Add.make_args(sympy.expand(formula)):
            constant, key = term.as_independent(*states, as_Add=False)
            if term != 0:
                row[key] = row.get(key, sympy.S.Zero) + constant
                keys[key] = None
        coefficients.append(row)
    ordered = sorted(keys, key=lambda key: key == 1)  # what no state stops is solved for by none
    matrix: Any = sympy.Matrix([[row.get(key, sympy.S.Zero) for key in ordered] for row in coefficients])
    reduced, pivots = matrix.rref(simplify=True)
    columns = sympy.Matrix(ordered)
    processes = [(reduced[i, :] * columns)[0] for i in range(len(pivots))]
    return matrix[:, list(pivots)] if pivots else sympy.zeros(len(fast), 0), processes


def _vanishing(process: sympy.Expr, states: Sequence[sympy.Symbol]) -> sympy.Expr:
    """The simple factor g of a process that is zero where the process is."""
    above, _ = sympy.fraction(sympy.together(process))
    candidates = [factor for factor, _ in sympy.factor_list(above)[1] if factor.free_symbols & set(states)]
    able = [factor for factor in candidates if not _never_zero(factor, states)]
    if len(able) != 1:
        raise NoLimit(f"the fast process {process} can end in more than one way")
    return able[0]


def _never_zero(factor: sympy.Expr, states: Sequence[sympy.Symbol]) -> bool:
    """A sum of positive terms with one that no state can make zero, of positive parameters."""
    terms = sympy.Add.make_args(sympy.expand(factor))
    one_sign = len({bool(term.as_coeff_Mul()[0] > 0) for term in terms}) == 1
    return one_sign and any(not term.free_symbols & set(states) for term in terms)


def _eliminated(rest: Sequence[sympy.Expr], n: Any, states: Sequence[sympy.Symbol]) -> dict[str, sympy.Expr]:
    """For each g = 0 a fast state that it is linear in, as a formula; its coefficient cannot vanish."""
    gone: dict[sympy.Symbol, sympy.Expr] = {}
    for given in rest:
        g: Any = sympy.expand(given.xreplace(gone))
        options = []
        for i, state in enumerate(states):
            if not any(n[i, :]) or state in gone or sympy.Poly(g, state).degree() != 1:
                continue
            slope = g.coeff(state)
            if not slope.free_symbols & set(states):
                value = sympy.cancel(-(g - slope * state) / slope)
                options.append((value != 0, value.count_ops(), i, state, value))
        if not options:
            raise NoLimit(f"no state follows simply from {g} = 0")
        *_, state, value = min(options, key=lambda option: option[:3])
        gone = {s: sympy.cancel(v.xreplace({state: value})) for s, v in gone.items()} | {state: value}
    return {state.name: value for state, value in gone.items()}


def _moved(
    rest: Sequence[sympy.Expr],
    n: Any,
    starts: Sequence[sympy.Expr],
    states: Sequence[sympy.Symbol],
) -> list[sympy.Expr]:
    """Starts moved along N to where the fast processes rest."""
    shift = sympy.symbols(f"shift:{len(rest)}", cls=sympy.Dummy)
    moved: Any = sympy.Matrix(list(starts)) + n * sympy.Matrix(shift)
    conditions = [
        sympy.expand(sympy.together(g.xreplace(dict(zip(states, moved, strict=True))))) for g in rest
    ]
    if all(c.xreplace(dict.fromkeys(shift, sympy.S.Zero)) == 0 for c in conditions):
        return list(starts)
    degree = max(sympy.Poly(c, *shift).total_degree() for c in conditions)
    if degree == 1:
        found: Any = next(iter(sympy.linsolve(conditions, *shift)))
    elif degree == 2 and len(shift) == 1:
        found = (_nearest_root(conditions[0], shift[0]),)
    else:
        raise NoLimit("the start after the fast process is no simple formula")
    return list(moved.xreplace(dict(zip(shift, found, strict=True))))


def _nearest_root(quadratic: Any, z: Any) -> sympy.Expr:
    """The root that a process which starts at z = 0 comes to first, the same at all positive values.

    With both roots on one side of 0 that is the nearer one; otherwise it is not known, and refused.
    """
    a, b, c = sympy.Poly(quadratic, z).all_coeffs()
    root = sympy.sqrt(b**2 - 4 * a * c)
    roots = [(-b + sign * root) / (2 * a) for sign in (1, -1)]
    names = sorted(quadratic.free_symbols - {z}, key=str)
    rng, nearest = np.random.default_rng(0), set()
    for _ in range(_DRAWS):
        values = dict(zip(names, map(sympy.Float, np.exp(rng.normal(size=len(names)))), strict=True))
        at = [complex(r.xreplace(values)) for r in roots]
        if any(abs(v.imag) > 0 for v in at) or at[0].real * at[1].real <= 0:
            raise NoLimit("the start after the fast process may be one of two")
        nearest.add(int(np.argmin([abs(v) for v in at])))
    if len(nearest) > 1:
        raise NoLimit("the start after the fast process may be one of two")
    return roots[nearest.pop()]
