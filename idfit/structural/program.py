"""Formulas of an experiment as a straight-line program modulo a prime.

Functions beyond arithmetic are reduced first to algebraically independent ones: logarithms of irreducible
factors, exponentials and angles of single terms, roots. exp(x) and exp(2·x) then share one value e, as e and
e², and x^n with an unknown n becomes exp(n·log x). The values of these functions at the start are random;
that they solve their differential equations is all that the power series needs (their independence: Ax 1971,
Ann. Math. 93:252-268). A function of the same number has the same value in all experiments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from idfit.expressions.walk import bottom_up
from idfit.numerics import modular
from idfit.structural.question import Experiment

Node = int


class CannotDecideError(Exception):
    """The method does not cover these equations; the text says why."""


@dataclass(frozen=True)
class Program:
    """Nodes in the order of evaluation; see `idfit.numerics.modular` for what they are.

    numbers : value of each leaf that is a number; symbols : node of each unknown and known name; begin,
    derivative : nodes of the start and of the right-hand side of each state; outputs, start_outputs, noise :
    nodes that the data tell; inputs : nodes of known functions of time.
    """

    op: np.ndarray
    aux: np.ndarray
    pointer: np.ndarray
    argument: np.ndarray
    constant: np.ndarray
    numbers: Mapping[Node, Fraction]
    symbols: Mapping[str, Node]
    states: tuple[Node, ...]
    begin: np.ndarray
    derivative: np.ndarray
    outputs: tuple[Node, ...]
    start_outputs: tuple[Node, ...]
    noise: tuple[Node, ...]
    inputs: tuple[Node, ...]
    functions: tuple[Node, ...]


@dataclass
class _Builder:
    """Makes nodes, equal ones once."""

    op: list[int] = field(default_factory=list)
    aux: list[int] = field(default_factory=list)
    arguments: list[tuple[Node, ...]] = field(default_factory=list)
    constant: list[bool] = field(default_factory=list)
    numbers: dict[Node, Fraction] = field(default_factory=dict)
    _known: dict[tuple, Node] = field(default_factory=dict)

    def node(self, op: int, arguments: tuple[Node, ...] = (), aux: int = 0, constant: bool = False) -> Node:
        key = (op, arguments, aux)
        if op in (modular.LEAF, modular.INPUT) or key not in self._known:
            self._known[key] = len(self.op)
            self.op.append(op)
            self.aux.append(aux)
            self.arguments.append(arguments)
            self.constant.append(constant)
        return self._known[key]

    def number(self, value: Fraction | int) -> Node:
        key = ("number", Fraction(value))
        if key not in self._known:
            self._known[key] = self.node(modular.LEAF, constant=True)
            self.numbers[self._known[key]] = Fraction(value)
        return self._known[key]

    def combined(self, op: int, arguments: Iterable[Node]) -> Node:
        """A sum, or a product of two."""
        given = tuple(sorted(arguments))
        return self.node(op, given, constant=all(self.constant[a] for a in given))

    def sum(self, terms: Sequence[Node]) -> Node:
        return terms[0] if len(terms) == 1 else self.combined(modular.SUM, terms)

    def product(self, factors: Iterable[Node]) -> Node:
        """Constant factors first, so that as few series as can be are multiplied."""
        ordered = sorted(factors, key=lambda a: (not self.constant[a], a))
        result = ordered[0] if ordered else self.number(1)
        for factor in ordered[1:]:
            result = self.combined(modular.PRODUCT, (result, factor))
        return result

    def inverse(self, a: Node) -> Node:
        return self.node(modular.INVERSE, (a,), constant=self.constant[a])

    def power(self, base: Node, exponent: int) -> Node:
        result, square, rest = None, base, abs(exponent)
        while rest:
            if rest & 1:
                result = square if result is None else self.combined(modular.PRODUCT, (result, square))
            rest >>= 1
            if rest:
                square = self.combined(modular.PRODUCT, (square, square))
        result = self.number(1) if result is None else result
        return self.inverse(result) if exponent < 0 else result

    def primitive(self, kind: int, g: Node, slope: Callable[[Node], Node]) -> Node:
        """w with w' = slope(w)·g'; the slope may be made of w itself."""
        key = (modular.PRIMITIVE, kind, g)
        if key not in self._known:
            w = self.node(modular.PRIMITIVE, (g, -1 - len(self.op)), kind, self.constant[g])
            self._known[key] = w
            self.arguments[w] = (g, slope(w))
        return self._known[key]

    def root(self, a: Node, q: int) -> Node:
        """a^(1/q): w' = w/(q·a)·a'."""
        return self.primitive(
            modular.ROOT + q,
            a,
            lambda w: self.product([self.number(Fraction(1, q)), w, self.inverse(a)]),
        )


@dataclass
class _Steps:
    """For each term in exponents and angles, the common measure of its multiples in all formulas."""

    exponents: dict[sympy.Expr, Fraction] = field(default_factory=dict)
    angles: dict[sympy.Expr, Fraction] = field(default_factory=dict)

    @staticmethod
    def note(table: dict[sympy.Expr, Fraction], term: sympy.Expr, multiple: Fraction) -> None:
        before = table.get(term)
        table[term] = abs(multiple) if before is None else _common(before, multiple)


def _common(a: Fraction, b: Fraction) -> Fraction:
    """The largest number of which both are whole multiples."""
    denominator = math.lcm(a.denominator, b.denominator)
    return Fraction(math.gcd(int(a * denominator), int(b * denominator)), denominator)


def _fraction(number: Any) -> Fraction:
    return Fraction(int(number.p), int(number.q))


def _terms(expression: Any) -> list[tuple[Fraction, Any]]:
    """The expanded expression as multiples of terms, logarithms split into those of factors."""
    expanded: Any = sympy.expand(_split_logs(expression))
    parts: Any = sympy.Add.make_args(expanded)
    return [
        (_fraction(c), rest) for c, rest in (part.as_coeff_Mul(rational=True) for part in parts) if c != 0
    ]


def _split_logs(expression: Any) -> Any:
    logs = [part for part in bottom_up(expression) if isinstance(part, sympy.log)]
    return expression.xreplace({part: _log_of(part.args[0]) for part in logs})


def _log_of(argument: Any) -> Any:
    """log of a product as a sum over irreducible factors; that of a number over its primes."""
    if argument.is_Rational and argument.is_positive:
        primes: Any = sympy.factorrat(argument)
        return sympy.Add(*(e * sympy.log(p, evaluate=False) for p, e in primes.items()))
    if isinstance(argument, sympy.Symbol):
        return sympy.log(argument)
    factored: Any = sympy.factor(argument) if argument.is_rational_function() else argument
    factors = [factor.as_base_exp() for factor in sympy.Mul.make_args(factored)]
    if len(factors) == 1 and factors[0][1] == 1:
        return sympy.log(factored)
    return sympy.Add(*(exponent * _log_of(base) for base, exponent in factors))


def _exponent(expression: Any) -> Any:
    """g if the expression is exp(g) in disguise: a power with an exponent that is no number."""
    if isinstance(expression, sympy.exp):
        return expression.args[0]
    if isinstance(expression, sympy.Pow) and not expression.exp.is_Rational:
        return expression.exp * sympy.log(expression.base)
    if isinstance(expression, sympy.sinh | sympy.cosh | sympy.tanh):
        return expression.args[0]
    return None


def prepared(formulas: Iterable[Any]) -> _Steps:
    """The common measures over all formulas. Errors: `CannotDecideError` for functions with branches."""
    steps = _Steps()
    for formula in formulas:
        for part in bottom_up(formula):
            if (exponent := _exponent(part)) is not None:
                for multiple, term in _terms(exponent):
                    if not isinstance(term, sympy.log):
                        steps.note(steps.exponents, term, multiple)
            elif isinstance(part, sympy.sin | sympy.cos | sympy.tan):
                for multiple, term in _terms(part.args[0]):
                    steps.note(steps.angles, term, multiple)
    return steps


class Compiler:
    """Formulas to nodes, where names mean what `environment` says."""

    def __init__(self, builder: _Builder, steps: _Steps, environment: Mapping[str, Node]):
        self.builder, self.steps, self.environment = builder, steps, environment
        self._done: dict[sympy.Basic, Node] = {}

    def node(self, expression: Any) -> Node:
        stack: list[Any] = [expression]
        while stack:
            part = stack[-1]
            missing = [a for a in self._needs(part) if a not in self._done] if part not in self._done else []
            if missing:
                stack.extend(missing)
            else:
                if part not in self._done:
                    self._done[part] = self._made(part)
                stack.pop()
        return self._done[expression]

    def _needs(self, part: Any) -> Sequence[sympy.Basic]:
        if part.is_Atom:
            return ()
        if _exponent(part) is not None or isinstance(part, sympy.sin | sympy.cos | sympy.tan | sympy.log):
            return ()  # taken apart anew
        return part.args[:1] if isinstance(part, sympy.Pow) else part.args

    def _made(self, part: Any) -> Node:
        builder = self.builder
        if isinstance(part, sympy.Symbol):
            if part.name not in self.environment:
                raise CannotDecideError(f"{part.name!r} has no meaning there")
            return self.environment[part.name]
        if part.is_Rational or part.is_Float:
            return builder.number(Fraction(str(part)))
        if isinstance(part, sympy.Add):
            return builder.sum([self._done[a] for a in part.args])
        if isinstance(part, sympy.Mul):
            return builder.product([self._done[a] for a in part.args])
        if isinstance(part, sympy.Pow) and part.exp.is_Rational:
            return self._rational_power(self._done[part.base], _fraction(part.exp))
        if isinstance(part, sympy.sinh | sympy.cosh | sympy.tanh):
            return self._hyperbolic(part)
        if (exponent := _exponent(part)) is not None:
            return self._exp(exponent)
        if isinstance(part, sympy.log):
            return self._log(part.args[0])
        if isinstance(part, sympy.sin | sympy.cos | sympy.tan):
            sine, cosine = self._angle(part.args[0])
            if isinstance(part, sympy.sin):
                return sine
            return cosine if isinstance(part, sympy.cos) else builder.product([sine, builder.inverse(cosine)])
        if type(part) in _PRIMITIVES:
            return self._primitive(part)
        if part.is_number and part.is_finite and not part.args:
            return self._transcendental(part)
        raise CannotDecideError(
            f"{type(part).__name__} is not covered: it has branches or no algebraic derivative"
        )

    def _transcendental(self, number: Any) -> Node:
        """A number such as pi: algebraically independent of everything else."""
        scattered = Fraction(1 + sum(ord(c) * 7919**i for i, c in enumerate(str(number))) % 1_000_003)
        return self._log(sympy.Rational(scattered.numerator, 1))

    def _exp(self, exponent: Any) -> Node:
        factors = []
        for multiple, term in _terms(exponent):
            if isinstance(term, sympy.log):
                factors.append(self._rational_power(self.node(term.args[0]), multiple))
                continue
            step = self.steps.exponents.setdefault(term, abs(multiple))
            unit = self.node(term * sympy.Rational(step.numerator, step.denominator))
            factors.append(
                self.builder.power(
                    self.builder.primitive(modular.EXP, unit, lambda w: w), int(multiple / step)
                )
            )
        return self.builder.product(factors)

    def _rational_power(self, base: Node, exponent: Fraction) -> Node:
        if exponent.denominator > 1:
            base = self.builder.root(base, exponent.denominator)
        return self.builder.power(base, exponent.numerator)

    def _hyperbolic(self, part: Any) -> Node:
        e = self._exp(part.args[0])
        builder, back = self.builder, self.builder.inverse(e)
        half = builder.number(Fraction(1, 2))
        sinh = builder.product([half, builder.sum([e, builder.product([builder.number(-1), back])])])
        cosh = builder.product([half, builder.sum([e, back])])
        if isinstance(part, sympy.tanh):
            return builder.product([sinh, builder.inverse(cosh)])
        return sinh if isinstance(part, sympy.sinh) else cosh

    def _log(self, argument: Any) -> Node:
        split = _log_of(argument)
        terms = []
        for multiple, term in ((_fraction(c), t) for c, t in _coefficients(split)):
            base = self.node(term.args[0])
            terms.append(
                self.builder.product(
                    [
                        self.builder.number(multiple),
                        self.builder.primitive(
                            modular.LOG, base, lambda w, base=base: self.builder.inverse(base)
                        ),
                    ]
                )
            )
        return self.builder.sum(terms) if terms else self.builder.number(0)

    def _angle(self, argument: Any) -> tuple[Node, Node]:
        """Sine and cosine, by the addition theorem from those of single terms."""
        builder = self.builder
        sine, cosine = builder.number(0), builder.number(1)
        minus = builder.number(-1)
        for multiple, term in _terms(argument):
            step = self.steps.angles.setdefault(term, abs(multiple))
            unit = self.node(term * sympy.Rational(step.numerator, step.denominator))
            s, c = self._unit_angle(unit)
            turns = int(multiple / step)
            if turns < 0:
                s = builder.product([minus, s])
            for _ in range(abs(turns)):
                sine, cosine = (
                    builder.sum([builder.product([sine, c]), builder.product([cosine, s])]),
                    builder.sum([builder.product([cosine, c]), builder.product([minus, sine, s])]),
                )
        return sine, cosine

    def _unit_angle(self, unit: Node) -> tuple[Node, Node]:
        cosines: list[Node] = []

        def slope_of_sine(sine: Node) -> Node:
            minus = self.builder.number(-1)
            cosines.append(
                self.builder.primitive(modular.COS, unit, lambda _: self.builder.product([minus, sine]))
            )
            return cosines[0]

        sine = self.builder.primitive(modular.SIN, unit, slope_of_sine)
        cosine = cosines[0] if cosines else self.builder.primitive(modular.COS, unit, lambda w: w)
        return sine, cosine

    def _primitive(self, part: Any) -> Node:
        kind, slope = _PRIMITIVES[type(part)]
        x = sympy.Symbol("x")
        formula: Any = slope(x).subs(x, part.args[0])
        steps = prepared([formula])
        for term, step in steps.exponents.items():
            _Steps.note(self.steps.exponents, term, step)
        argument = self.node(part.args[0])
        node = self.node(formula)
        return self.builder.primitive(kind, argument, lambda _: node)


def _coefficients(expression: Any) -> list[tuple[Any, Any]]:
    parts = sympy.Add.make_args(expression)
    return [pair for pair in (part.as_coeff_Mul(rational=True) for part in parts) if pair[0] != 0]


#: functions by their derivative
_PRIMITIVES: Mapping[type, tuple[int, Callable[[sympy.Symbol], sympy.Expr]]] = {
    sympy.atan: (modular.ATAN, lambda x: 1 / (1 + x**2)),
    sympy.asin: (modular.ASIN, lambda x: 1 / sympy.sqrt(1 - x**2)),
    sympy.acos: (modular.ACOS, lambda x: -1 / sympy.sqrt(1 - x**2)),
    sympy.asinh: (modular.ASINH, lambda x: 1 / sympy.sqrt(1 + x**2)),
    sympy.acosh: (modular.ACOSH, lambda x: 1 / sympy.sqrt(x**2 - 1)),
    sympy.atanh: (modular.ATANH, lambda x: 1 / (1 - x**2)),
    sympy.erf: (modular.ERF, lambda x: 2 * sympy.exp(-(x**2)) / sympy.sqrt(sympy.pi)),
}


def compiled(
    experiment: Experiment,
    names: Sequence[str],
    functions: Sequence[sympy.Expr] = (),
) -> Program:
    """The program of an experiment; `names` are the unknowns and known names, `functions` formulas of them.

    Errors: `CannotDecideError` for equations with branches or functions that are not covered.
    """
    builder = _Builder()
    symbols = {name: builder.node(modular.LEAF, constant=True) for name in names}
    tables = (experiment.outputs, experiment.start_outputs, experiment.noise)
    observed = [formula for table in tables for _, formula in table]
    steps = prepared([*experiment.odes, *experiment.start, *observed, *functions])
    static = Compiler(builder, steps, symbols)
    begin = [static.node(formula) for formula in experiment.start]
    functions_at = tuple(static.node(formula) for formula in functions)
    states = tuple(builder.node(modular.STATE, (), i) for i in range(len(experiment.states)))
    inputs = tuple(builder.node(modular.INPUT) for _ in experiment.inputs)
    moving = Compiler(
        builder,
        steps,
        {
            **symbols,
            **dict(zip(experiment.states, states, strict=True)),
            **dict(zip(experiment.inputs, inputs, strict=True)),
        },
    )
    derivative = [moving.node(formula) for formula in experiment.odes]
    observed_at = [tuple(moving.node(formula) for _, formula in table) for table in tables]
    return Program(
        op=np.array(builder.op, dtype=np.int64),
        aux=np.array(builder.aux, dtype=np.int64),
        pointer=np.concatenate([[0], np.cumsum([len(a) for a in builder.arguments])]).astype(np.int64),
        argument=np.array([a for given in builder.arguments for a in given], dtype=np.int64),
        constant=np.array(builder.constant, dtype=np.bool_),
        numbers=builder.numbers,
        symbols=symbols,
        states=states,
        begin=np.array(begin, dtype=np.int64),
        derivative=np.array(derivative, dtype=np.int64),
        outputs=observed_at[0],
        start_outputs=observed_at[1],
        noise=observed_at[2],
        inputs=inputs,
        functions=functions_at,
    )
