"""The equations of all values that give the same outputs, as polynomials modulo a prime.

At a random point (unknowns, starts) the outputs have the Taylor coefficients y_k. Variables are the unknowns
of the question and the Taylor coefficients x_k of the states; x' = N/Q becomes one equation Q x' - N = 0 for
every order, y = N/Q the equation Q y - N = 0, so that all stay sparse and of low degree (SIAN: Hong,
Ovchinnikov, Pogudin, Yap, Global identifiability of differential models, Comm. Pure Appl. Math. 73 (2020)
1831).

What no output determines would leave solutions of positive dimension. A maximal independent set t of such
unknowns is therefore fixed at the point's values: the field of the outputs is algebraically closed in the one
that t generates over it, so a quantity is a function of the outputs just if it is one of outputs and t.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np
import sympy

from idfit.structural.question import Experiment, NotRationalError, Question

EXTRA_ORDERS = 2  # beyond those that determine all unknowns locally


class SpecialPoint(Exception):
    """A division by zero at the point."""


@dataclass(frozen=True)
class System:
    """Polynomials in `names` that vanish at `point`, and no others are needed.

    nonzero : polynomials that vanish nowhere on the fibre (denominators); lifted : a formula of unknowns and
    known names as a polynomial (of degree 0: a number); weight : of each variable, by how many derivatives of
    the outputs it takes to see it; place : by which variables are sorted, high orders first.
    """

    names: tuple[str, ...]
    point: Mapping[str, int]
    equations: Sequence[Any]
    nonzero: Sequence[Any]
    context: Any
    prime: int
    weight: Sequence[int]
    place: Sequence[tuple[int, int]]
    lifted: Callable[[sympy.Expr], Any]

    @property
    def one(self) -> Any:
        return self.context.constant(1)


# ---- formulas as power series over any ring --------------------------------------------------------------


@dataclass(frozen=True)
class _Node:
    """op is "number", "name", "+" or "*"; `args` the value, the name or the nodes."""

    op: str
    args: tuple


def _compiled(formula: Any, memo: dict[Any, _Node]) -> _Node:
    if formula not in memo:
        memo[formula] = _node(formula, memo)
    return memo[formula]


def _node(formula: Any, memo: dict[Any, _Node]) -> _Node:
    if formula.is_Symbol:
        return _Node("name", (str(formula),))
    if formula.is_Rational:
        return _Node("number", (int(formula.p), int(formula.q)))
    if formula.is_Add:
        return _Node("+", tuple(_compiled(a, memo) for a in formula.args))
    if formula.is_Mul:
        return _product([_compiled(a, memo) for a in formula.args])
    if formula.is_Pow and formula.exp.is_Integer and formula.exp > 0:
        return _product([_compiled(formula.base, memo)] * int(formula.exp))
    raise NotRationalError(str(formula))


def _product(nodes: Sequence[_Node]) -> _Node:
    result = nodes[0]
    for node in nodes[1:]:
        result = _Node("*", (result, node))
    return result


def quotient(formula: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """Numerator and denominator."""
    return sympy.fraction(sympy.together(formula))


class _Expansion:
    """Taylor coefficients of formulas from `series`, those of names, in any ring (where 0 is int 0)."""

    def __init__(self, series: Callable[[str, int], Any], prime: int):
        self.series, self.prime = series, prime
        self._compiled: dict[Any, _Node] = {}
        self._known: dict[tuple[int, int], Any] = {}

    def of(self, formula: sympy.Expr, order: int) -> Any:
        return self._value(_compiled(formula, self._compiled), order)

    def _value(self, node: _Node, order: int) -> Any:
        key = (id(node), order)
        if key not in self._known:
            self._known[key] = self._computed(node, order)
        return self._known[key]

    def _computed(self, node: _Node, order: int) -> Any:
        if node.op == "name":
            return self.series(node.args[0], order)
        if node.op == "number":
            p, q = node.args
            return 0 if order else p * pow(q, -1, self.prime) % self.prime
        if node.op == "+":
            return _total(self._value(a, order) for a in node.args)
        left, right = node.args
        return _total(_times(self._value(left, i), self._value(right, order - i)) for i in range(order + 1))


def _total(values) -> Any:
    result: Any = 0
    for value in values:
        if not (isinstance(value, int) and value == 0):
            result = value if isinstance(result, int) and result == 0 else result + value
    return result


def _times(left: Any, right: Any) -> Any:
    return (
        0 if (isinstance(left, int) and not left) or (isinstance(right, int) and not right) else left * right
    )


class _Dual:
    """A residue with its derivatives in the unknowns: (1 + unknown,) int64."""

    __slots__ = ("prime", "value")

    def __init__(self, value: np.ndarray, prime: int):
        self.value, self.prime = value, prime

    def _lifted(self, other) -> np.ndarray:
        if isinstance(other, _Dual):
            return other.value
        value = np.zeros_like(self.value)
        value[0] = other % self.prime
        return value

    def __add__(self, other):
        return _Dual((self.value + self._lifted(other)) % self.prime, self.prime)

    def __mul__(self, other):
        a, b = self.value, self._lifted(other)
        result = (a[0] * b % self.prime + b[0] * a % self.prime) % self.prime
        result[0] = a[0] * b[0] % self.prime
        return _Dual(result, self.prime)

    __radd__, __rmul__ = __add__, __mul__

    def inverse(self) -> _Dual:
        if not self.value[0]:
            raise SpecialPoint
        inverse = pow(int(self.value[0]), -1, self.prime)
        result = -self.value * (inverse * inverse % self.prime) % self.prime
        result[0] = inverse
        return _Dual(result, self.prime)


# ---- the point -------------------------------------------------------------------------------------------


class _Trajectory:
    """One experiment at the point: Taylor coefficients with derivatives, as many as are asked for."""

    def __init__(
        self, experiment: Experiment, values: Mapping[str, _Dual], rng: np.random.Generator, prime: int
    ):
        self.experiment, self.values, self.rng, self.prime = experiment, values, rng, prime
        self.zero = next(iter(values.values())) * 0 if values else _Dual(np.zeros(1, dtype=np.int64), prime)
        start = _Expansion(lambda name, k: 0 if k else values[name], prime)
        self.states: dict[str, list[Any]] = {
            s: [self._divided(start, *quotient(f), 0)]
            for s, f in zip(experiment.states, experiment.start, strict=True)
        }
        self.inputs: dict[str, list[int]] = {name: [] for name in experiment.inputs}
        self.expansion = _Expansion(self._series, prime)
        self.odes = dict(zip(experiment.states, map(quotient, experiment.odes), strict=True))

    def _divided(self, expansion: _Expansion, numerator, denominator, order: int) -> _Dual:
        """A Taylor coefficient of a quotient of which the first coefficients need not be kept (order 0)."""
        below = self.zero + expansion.of(denominator, 0)
        return (self.zero + expansion.of(numerator, order)) * below.inverse()

    def _series(self, name: str, order: int) -> Any:
        if name in self.states:
            return self.state(name, order)
        if name in self.inputs:
            return self.input(name, order)
        return 0 if order else self.values[name]

    def input(self, name: str, order: int) -> int:
        known = self.inputs[name]
        while len(known) <= order:
            known.append(int(self.rng.integers(1, self.prime)))
        return known[order]

    def state(self, name: str, order: int) -> _Dual:
        known = self.states[name]
        while len(known) <= order:
            known.append(self._next(name, len(known)))
        return known[order]

    def _next(self, name: str, order: int) -> _Dual:
        """x_order from Σ_j Q_j (order - j) x_(order - j) = N_(order - 1)."""
        above, below = self.odes[name]
        rest = self.zero + self.expansion.of(above, order - 1)
        for j in range(1, order):
            rest = rest + _times(self.expansion.of(below, j), self.states[name][order - j] * (j - order))
        return rest * ((self.zero + self.expansion.of(below, 0)) * order).inverse()

    def output(self, formula: sympy.Expr, known: list[_Dual]) -> _Dual:
        """The next Taylor coefficient of a quotient, after those in `known`."""
        above, below = quotient(formula)
        order = len(known)
        rest = self.zero + self.expansion.of(above, order)
        for j in range(1, order + 1):
            rest = rest + _times(self.expansion.of(below, j), known[order - j] * -1)
        return rest * (self.zero + self.expansion.of(below, 0)).inverse()


class _Span:
    """The span of rows of residues, in echelon form."""

    def __init__(self, width: int, prime: int):
        self.rows, self.pivots, self.prime = np.zeros((0, width), dtype=np.int64), [], prime

    def __len__(self) -> int:
        return len(self.pivots)

    def add(self, row: np.ndarray) -> bool:
        """Whether the row was none of the span; it now is."""
        row = row.copy()
        for pivot, other in zip(self.pivots, self.rows, strict=True):
            if row[pivot]:
                row = (row - row[pivot] * other) % self.prime
        if not row.any():
            return False
        pivot = int(np.flatnonzero(row)[0])
        row = row * pow(int(row[pivot]), -1, self.prime) % self.prime
        self.rows = np.concatenate([self.rows, row[np.newaxis]])
        self.pivots.append(pivot)
        return True

    def __contains__(self, row: np.ndarray) -> bool:
        trial = _Span(0, self.prime)
        trial.rows, trial.pivots = self.rows, list(self.pivots)
        return not trial.add(row)


@dataclass(frozen=True)
class _Told:
    """What an experiment tells: a formula, its Taylor coefficients, and how many of them are of use."""

    formula: sympy.Expr
    coefficients: list[_Dual]
    once: bool


class FibrePoint:
    """A random point of a question, the outputs there, and how many orders of each are needed."""

    def __init__(self, question: Question, seed: int, prime: int):
        self.question, self.prime = question, prime
        rng = np.random.default_rng([seed, prime])
        n = len(question.unknowns)
        self.values: dict[str, _Dual] = {}
        for i, name in enumerate((*question.unknowns, *question.known)):
            value = np.zeros(1 + n, dtype=np.int64)
            value[0] = rng.integers(1, prime)
            if i < n:
                value[1 + i] = 1
            self.values[name] = _Dual(value, prime)
        self.trajectories = [_Trajectory(e, self.values, rng, prime) for e in question.experiments]
        self.told = [
            [
                *(_Told(f, [], False) for _, f in (*e.outputs, *e.noise)),
                *(_Told(f, [], True) for _, f in e.start_outputs),
            ]
            for e in question.experiments
        ]
        self.span = _Span(n, prime)
        self.needed = self._orders_needed()

    def _orders_needed(self) -> list[list[int]]:
        """For every output the number of its coefficients up to the last that told something new."""
        question = self.question
        needed = [[1 for _ in told] for told in self.told]
        starts = {str(start) for e in question.experiments for start in e.start}
        ends_for_good = question.generic and not starts & set(question.known)
        patience = 1 if ends_for_good else 2 + max((len(e.states) for e in question.experiments), default=0)
        order = last_gain = 0
        while order <= last_gain + patience and len(self.span) < len(question.unknowns):
            if question.orders is not None and order >= question.orders:
                break
            for t, all_told in enumerate(self.told):
                for j, told in enumerate(all_told):
                    if told.once and order:
                        continue
                    self.output(t, j, order)
                    if self.span.add(told.coefficients[order].value[1:]):
                        needed[t][j], last_gain = order + 1, order
            order += 1
        return needed

    def output(self, experiment: int, j: int, order: int) -> int:
        """A Taylor coefficient of an output."""
        told = self.told[experiment][j]
        while len(told.coefficients) <= order:
            told.coefficients.append(self.trajectories[experiment].output(told.formula, told.coefficients))
        return int(told.coefficients[order].value[0])

    def value(self, formula: sympy.Expr) -> _Dual:
        """A formula of unknowns and known names at the point, with its derivatives."""
        expansion = _Expansion(lambda name, k: 0 if k else self.values[name], self.prime)
        above, below = quotient(formula)
        zero = _Dual(np.zeros(1 + len(self.question.unknowns), dtype=np.int64), self.prime)
        return (zero + expansion.of(above, 0)) * (zero + expansion.of(below, 0)).inverse()

    def determines(self, formula: sympy.Expr) -> bool:
        return self.value(formula).value[1:] in self.span

    def independent(self) -> tuple[str, ...]:
        """A maximal set of unknowns that stay free together whatever the outputs are."""
        span = _Span(0, self.prime)
        span.rows, span.pivots = self.span.rows, list(self.span.pivots)
        unit = np.eye(len(self.question.unknowns), dtype=np.int64)
        return tuple(name for name, row in zip(self.question.unknowns, unit, strict=True) if span.add(row))


# ---- the polynomials -------------------------------------------------------------------------------------


def equations_of(point: FibrePoint, extra: int = EXTRA_ORDERS) -> System:
    """The system of all values with the point's outputs, `extra` orders more than local analysis needs."""
    return _Builder(point, extra).system()


class _Builder:
    def __init__(self, point: FibrePoint, extra: int):
        self.point, self.prime, question = point, point.prime, point.question
        self.pinned = point.independent()
        self.orders = [
            [1 if told.once else n + extra for told, n in zip(all_told, needed, strict=True)]
            for all_told, needed in zip(point.told, point.needed, strict=True)
        ]
        if question.orders is not None:
            self.orders = [[min(n, question.orders) for n in one] for one in self.orders]
        self.observed = [self._observed(t) for t in range(len(question.experiments))]
        self.demanded = [self._demanded(t) for t in range(len(question.experiments))]
        free = [name for name in question.unknowns if name not in self.pinned]
        self.point_values = {name: int(point.values[name].value[0]) for name in free}
        for t, e in enumerate(question.experiments):
            for s, k in self.demanded[t]:
                if s not in self.observed[t] and (k or quotient(e.start[e.states.index(s)])[1].free_symbols):
                    value = point.trajectories[t].state(s, k).value[0]
                    self.point_values[_name(t, s, k)] = int(value)
        self.names = tuple(self.point_values)
        contexts: Any = flint.nmod_mpoly_ctx
        self.context = contexts.get(("v", len(self.names)), self.prime, flint.Ordering.degrevlex)
        self.generators = dict(zip(self.names, self.context.gens(), strict=False))

    def _observed(self, t: int) -> dict[str, int]:
        """States that are outputs themselves, by the number of the output."""
        e = self.point.question.experiments[t]
        return {
            str(told.formula): j
            for j, told in reversed(list(enumerate(self.point.told[t])))
            if str(told.formula) in e.states and not told.once
        }

    def _demanded(self, t: int) -> list[tuple[str, int]]:
        """(state, order) of all Taylor coefficients that the equations speak of."""
        e = self.point.question.experiments[t]
        odes = dict(zip(e.states, e.odes, strict=True))
        within = {s: [r for r in e.states if sympy.Symbol(r) in f.free_symbols] for s, f in odes.items()}
        todo = [(s, 0) for s in e.states]
        for told, n in zip(self.point.told[t], self.orders[t], strict=True):
            todo += [(s, n - 1) for s in e.states if sympy.Symbol(s) in told.formula.free_symbols]
        seen: set[tuple[str, int]] = set()
        while todo:
            s, k = todo.pop()
            if (s, k) not in seen:
                seen.add((s, k))
                if k:
                    todo += [(s, k - 1), *((r, k - 1) for r in within[s])]
        return sorted(seen, key=lambda pair: (pair[1], e.states.index(pair[0])))

    def _lifted(self, name: str) -> Any:
        return self.generators.get(
            name, int(self.point.values[name].value[0]) if name in self.point.values else 0
        )

    def system(self) -> System:
        equations, nonzero = [], []
        for t in range(len(self.point.question.experiments)):
            self._experiment(t, equations, nonzero)
        unknowns = _Expansion(lambda name, k: 0 if k else self._lifted(name), self.prime)
        level = self._levels()
        return System(
            names=self.names,
            point=self.point_values,
            equations=[e for e in equations if not isinstance(e, int) and not e.is_zero()],
            nonzero=[q for q in nonzero if not isinstance(q, int) and not q.is_constant()],
            context=self.context,
            prime=self.prime,
            weight=[level.get(name.split("<")[0], 0) + 1 for name in self.names],
            place=[self._place(i, name) for i, name in enumerate(self.names)],
            lifted=lambda formula: unknowns.of(formula, 0),
        )

    def _place(self, i: int, name: str) -> tuple[int, int]:
        """High orders first, then starts, then parameters."""
        if "<" in name:
            return -int(name.rsplit(",", 1)[1][:-1]), i
        is_start = any(sympy.Symbol(name) in e.start for e in self.point.question.experiments)
        return 0 if is_start else 1, i

    def _levels(self) -> dict[str, int]:
        """For every name the number of derivatives of outputs that it takes until they speak of it."""
        levels: dict[str, int] = {}
        for e in self.point.question.experiments:
            odes = {s: f.free_symbols for s, f in zip(e.states, e.odes, strict=True)}
            edge = {str(x) for _, f in e.outputs for x in f.free_symbols}
            seen: set[str] = set()
            level = 0
            while edge:
                for name in edge:
                    levels[name] = min(levels.get(name, level), level)
                seen |= edge
                edge = {str(x) for s in edge for x in odes.get(s, ())} - seen
                level += 1
        return levels

    def _experiment(self, t: int, equations: list, nonzero: list) -> None:
        e, trajectory = self.point.question.experiments[t], self.point.trajectories[t]
        starts = _Expansion(lambda name, k: 0 if k else self._lifted(name), self.prime)
        zeroth: dict[str, Any] = {}
        for s, formula in zip(e.states, e.start, strict=True):
            above, below = (starts.of(f, 0) for f in quotient(formula))
            known = int(trajectory.state(s, 0).value[0])
            if s in self.observed[t]:
                zeroth[s] = known
            elif isinstance(below, int):
                zeroth[s] = above * pow(below, -1, self.prime)
            else:
                zeroth[s] = self.generators[_name(t, s, 0)]
            if s in self.observed[t] or not isinstance(below, int):
                equations.append(_less(zeroth[s] * below, above))
                nonzero.append(below)

        def series(name: str, order: int) -> Any:
            if name in self.observed[t]:
                return int(trajectory.state(name, order).value[0])
            if name in zeroth:
                return self.generators[_name(t, name, order)] if order else zeroth[name]
            if name in trajectory.inputs:
                return trajectory.input(name, order)
            return 0 if order else self._lifted(name)

        expansion = _Expansion(series, self.prime)
        for s, formula in zip(e.states, e.odes, strict=True):
            above, below = quotient(formula)
            orders = {k for r, k in self.demanded[t] if r == s and k}
            for k in sorted(orders):
                left = _total(_times(expansion.of(below, j), series(s, k - j) * (k - j)) for j in range(k))
                equations.append(_less(left, expansion.of(above, k - 1)))
            if orders:
                nonzero.append(expansion.of(below, 0))
        for j, told in enumerate(self.point.told[t]):
            if self.observed[t].get(str(told.formula)) == j:
                continue
            above, below = quotient(told.formula)
            for k in range(self.orders[t][j]):
                left = _total(
                    _times(expansion.of(below, i), self.point.output(t, j, k - i)) for i in range(k + 1)
                )
                equations.append(_less(left, expansion.of(above, k)))
            nonzero.append(expansion.of(below, 0))


def _less(left: Any, right: Any) -> Any:
    return left if isinstance(right, int) and right == 0 else left - right


def _name(experiment: int, state: str, order: int) -> str:
    return f"{state}<{experiment},{order}>"
