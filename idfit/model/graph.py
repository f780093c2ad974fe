"""Expressions as one shared graph, and their exact derivatives.

Every distinct subexpression is one node, so intermediate quantities are computed once and differentiated
once: the derivatives of a model are taken by the chain rule on this graph, never on expanded formulas. A
node's children always have smaller numbers than the node itself, so the order of creation is an evaluation
order.

Two node kinds carry almost everything:

* a sum ``c + Σ a_i·n_i`` with numeric coefficients (like terms collected), and
* a product ``Π n_i^k_i`` with integer exponents (like factors collected),

which makes differences, quotients and stoichiometric coefficients canonical without an algebra system.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence

import sympy

#: unary functions of the graph and, for each, its derivative as a function of (graph, argument, node itself)
_DERIVATIVES = {
    "exp": lambda g, a, n: n,
    "log": lambda g, a, n: g.power(a, -1),
    "sin": lambda g, a, n: g.function("cos", a),
    "cos": lambda g, a, n: g.scale(-1.0, g.function("sin", a)),
    "tan": lambda g, a, n: g.add([(1.0, g.power(n, 2))], 1.0),
    "asin": lambda g, a, n: g.inverse_root(g.add([(-1.0, g.power(a, 2))], 1.0)),
    "acos": lambda g, a, n: g.scale(-1.0, g.inverse_root(g.add([(-1.0, g.power(a, 2))], 1.0))),
    "atan": lambda g, a, n: g.power(g.add([(1.0, g.power(a, 2))], 1.0), -1),
    "sinh": lambda g, a, n: g.function("cosh", a),
    "cosh": lambda g, a, n: g.function("sinh", a),
    "tanh": lambda g, a, n: g.add([(-1.0, g.power(n, 2))], 1.0),
    "asinh": lambda g, a, n: g.inverse_root(g.add([(1.0, g.power(a, 2))], 1.0)),
    "acosh": lambda g, a, n: g.inverse_root(g.add([(1.0, g.power(a, 2))], -1.0)),
    "atanh": lambda g, a, n: g.power(g.add([(-1.0, g.power(a, 2))], 1.0), -1),
    "erf": lambda g, a, n: g.scale(2.0 / math.sqrt(math.pi), g.function("exp", g.scale(-1.0, g.power(a, 2)))),
    "abs": lambda g, a, n: g.function("sign", a),
    "sign": lambda g, a, n: g.constant(0.0),
    "floor": lambda g, a, n: g.constant(0.0),
    "ceil": lambda g, a, n: g.constant(0.0),
}
_VALUES = {
    name: getattr(math, name)
    for name in ("exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh")
} | {
    "asinh": math.asinh,
    "acosh": math.acosh,
    "atanh": math.atanh,
    "erf": math.erf,
    "abs": abs,
    "sign": lambda v: float((v > 0) - (v < 0)),
    "floor": lambda v: float(math.floor(v)),
    "ceil": lambda v: float(math.ceil(v)),
}
_BINARY = {
    "min": min,
    "max": max,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
    "and": lambda a, b: bool(a) and bool(b),
    "or": lambda a, b: bool(a) or bool(b),
}
_LARGEST_UNROLLED_POWER = 64

Node = int


class UnavailableFunction(Exception):
    """A function of sympy that a model cannot use; carries its text."""


def _raised(base: float, k: int) -> float:
    """base^k, inf or nan where it is too large or divides by zero: refused where the formula is compiled."""
    try:
        return base**k
    except (OverflowError, ZeroDivisionError):
        return math.inf


def _value_of_power(base: float, exponent: float, logs: int, pole: bool) -> float:
    if base == 0.0 and (logs or (exponent < 0.0 and not pole)):
        return 0.0
    try:
        return math.pow(base, exponent) * math.log(base) ** logs if logs else math.pow(base, exponent)
    except ValueError:
        return math.inf if base == 0.0 else math.nan
    except OverflowError:
        return math.inf


class Graph:
    """A growing set of nodes over numbered variables.

    `kind[n]`, `data[n]` describe node n: ``("const", value)``, ``("var", index)``, ``("sum", (c, ((a, n),
    …)))``, ``("prod", ((n, k), …))``, ``(function, (n,))``, ``("pow", (base, exponent, j))`` for
    ``base^exponent·log(base)^j``, ``("min"|"max", (a, b))``, ``("select", (condition, a, b))``, comparisons
    ``("lt"|"le"|"eq"|"ne", (a, b))`` and ``("and"|"or", (a, b))``, ``("not", (a,))``. `depends[n]` is the
    set of variables below n, as a bit mask.
    """

    def __init__(self, n_variables: int):
        self.kind: list[str] = []
        self.data: list[tuple] = []
        self.depends: list[int] = []
        self._number: dict[tuple, Node] = {}
        self.variables = [self._node("var", (i,), 1 << i) for i in range(n_variables)]
        #: where each variable stands in the input of generated functions
        self.position = list(range(n_variables))
        #: variables (bit mask) in whose powers differentiation makes no poles at 0, see `general_power`
        self.pole_free = 0

    def _node(self, kind: str, data: tuple, depends: int) -> Node:
        key = (kind, data)
        node = self._number.get(key)
        if node is None:
            node = self._number[key] = len(self.kind)
            self.kind.append(kind)
            self.data.append(data)
            self.depends.append(depends)
        return node

    def new_variable(self) -> Node:
        """One more variable, behind all others in the input of generated functions."""
        index = len(self.variables)
        self.variables.append(self._node("var", (index,), 1 << index))
        self.position.append(len(self.position))
        return self.variables[-1]

    # construction -----------------------------------------------------------------------------------------

    def constant(self, value: float) -> Node:
        # -0.0 and 0.0 are one key in a dict; the sign of a zero constant has no meaning in a formula
        return self._node("const", (float(value) + 0.0,), 0)

    def value(self, node: Node) -> float | None:
        """The number that a node is, or None if it is not a constant."""
        return self.data[node][0] if self.kind[node] == "const" else None

    def is_zero(self, node: Node) -> bool:
        return self.value(node) == 0.0

    def add(self, terms: Iterable[tuple[float, Node]], constant: float = 0.0) -> Node:
        """``constant + Σ coefficient·node``, nested sums merged and like terms collected."""
        collected: dict[Node, float] = {}
        for coefficient, node in terms:
            kind = self.kind[node]
            if kind == "const":
                constant += coefficient * self.data[node][0]
            elif kind == "sum" and (coefficient == 1.0 or len(self.data[node][1]) == 1):
                inner, pairs = self.data[node]
                constant += coefficient * inner
                for a, n in pairs:
                    collected[n] = collected.get(n, 0.0) + coefficient * a
            else:
                collected[node] = collected.get(node, 0.0) + coefficient
        pairs = tuple(sorted(((n, a) for n, a in collected.items() if a != 0.0)))
        if not pairs:
            return self.constant(constant)
        if constant == 0.0 and len(pairs) == 1 and pairs[0][1] == 1.0:
            return pairs[0][0]
        depends = 0
        for n, _ in pairs:
            depends |= self.depends[n]
        return self._node("sum", (constant + 0.0, tuple((a, n) for n, a in pairs)), depends)

    def scale(self, coefficient: float, node: Node) -> Node:
        return self.add([(coefficient, node)])

    def multiply(self, factors: Iterable[tuple[Node, int]]) -> Node:
        """``Π node^k``, nested products merged, like factors collected, numbers pulled out in front."""
        coefficient = 1.0
        collected: dict[Node, int] = {}
        stack = list(factors)
        while stack:
            node, k = stack.pop()
            kind = self.kind[node]
            if kind == "const":
                coefficient *= _raised(self.data[node][0], k)
            elif kind == "prod":
                stack.extend((n, j * k) for n, j in self.data[node])
            elif kind == "sum" and self.data[node][0] == 0.0 and len(self.data[node][1]) == 1:
                a, n = self.data[node][1][0]
                coefficient *= _raised(a, k)
                stack.append((n, k))
            else:
                collected[node] = collected.get(node, 0) + k
        if coefficient == 0.0:
            return self.constant(0.0)
        pairs = tuple(sorted((n, k) for n, k in collected.items() if k))
        if not pairs:
            return self.constant(coefficient)
        if len(pairs) == 1 and pairs[0][1] == 1:
            product = pairs[0][0]
        else:
            depends = 0
            for n, _ in pairs:
                depends |= self.depends[n]
            product = self._node("prod", pairs, depends)
        return product if coefficient == 1.0 else self.scale(coefficient, product)

    def power(self, base: Node, k: int) -> Node:
        return self.multiply([(base, k)])

    def general_power(self, base: Node, exponent: Node, logs: int = 0, *, pole: bool = True) -> Node:
        """``base^exponent·log(base)^logs``, taken as 0 at base 0 where logs > 0 (the limit for exponent > 0).

        pole : False takes a negative exponent at base 0 as 0 too. The derivatives of ``x^n`` in a
        right-hand side are
        meant by that: with ``n(n-1)x^(n-2)`` at x = 0 comes a factor 0, and a pole at a single time must
        not enter W.
        """
        number = self.value(exponent)
        if number is not None and logs == 0:
            whole = number.is_integer() and abs(number) <= _LARGEST_UNROLLED_POWER
            if whole and (number >= 0 or pole):
                return self.power(base, int(number))
            pole = pole or number >= 0
        if logs == 0 and self.value(base) is not None and number is not None:
            return self.constant(_value_of_power(self.data[base][0], number, 0, pole))
        return self._node("pow", (base, exponent, logs, pole), self.depends[base] | self.depends[exponent])

    def inverse_root(self, node: Node) -> Node:
        pole = not self.depends[node] & self.pole_free
        return self.general_power(node, self.constant(-0.5), pole=pole)

    def function(self, name: str, argument: Node) -> Node:
        number = self.value(argument)
        if number is not None:
            try:
                return self.constant(_VALUES[name](number))
            except (ValueError, OverflowError):
                return self.constant(math.nan)
        return self._node(name, (argument,), self.depends[argument])

    def binary(self, kind: str, a: Node, b: Node) -> Node:
        return self._node(kind, (a, b), self.depends[a] | self.depends[b])

    def select(self, condition: Node, yes: Node, no: Node) -> Node:
        if yes == no:
            return yes
        number = self.value(condition)
        if number is not None:
            return yes if number else no
        depends = self.depends[condition] | self.depends[yes] | self.depends[no]
        return self._node("select", (condition, yes, no), depends)

    def invert(self, condition: Node) -> Node:
        return self._node("not", (condition,), self.depends[condition])

    # reading ----------------------------------------------------------------------------------------------

    def replaced(
        self,
        roots: Sequence[Node],
        old: Node,
        new: Node,
        within: frozenset[str],
        kinks: frozenset[Node] = frozenset(),
    ) -> list[Node]:
        """The roots with `old` replaced by `new`, but only below nodes of the given kinds.

        kinks : nodes abs, min, max that become a choice between two smooth branches, decided at `new`.
        """
        plain: dict[Node, Node] = {}
        swapped: dict[Node, Node] = {old: new}
        for node in self.below(roots, self.depends[old]):
            if node != old:
                swapped[node] = self._rebuilt(node, swapped)
            if node in kinks:
                plain[node] = self._branches(node, plain, swapped)
            else:
                plain[node] = swapped[node] if self.kind[node] in within else self._rebuilt(node, plain)
        return [plain.get(root, root) for root in roots]

    def substituted(self, roots: Sequence[Node], by: Mapping[Node, Node]) -> list[Node]:
        """The roots with some nodes replaced by others, which stay as they are."""
        if not by:
            return list(roots)
        new: dict[Node, Node] = {}
        for node in self.below(roots):
            new[node] = by[node] if node in by else self._rebuilt(node, new)
        return [new[root] for root in roots]

    def _branches(self, kink: Node, plain: Mapping[Node, Node], decides: Mapping[Node, Node]) -> Node:
        kind, arguments = self.kind[kink], self.data[kink]
        if kind == "abs":
            (value,) = (plain.get(n, n) for n in arguments)
            negative = self.binary("lt", decides.get(arguments[0], arguments[0]), self.constant(0.0))
            return self.select(negative, self.scale(-1.0, value), value)
        a, b = (decides.get(n, n) for n in arguments)
        first = self.binary("le", a, b) if kind == "min" else self.binary("le", b, a)
        return self.select(first, *(plain.get(n, n) for n in arguments))

    def _rebuilt(self, node: Node, by: Mapping[Node, Node]) -> Node:
        kind, data = self.kind[node], self.data[node]
        if kind in ("var", "const"):
            return by.get(node, node)
        if kind == "sum":
            return self.add([(a, by.get(n, n)) for a, n in data[1]], data[0])
        if kind == "prod":
            return self.multiply([(by.get(n, n), k) for n, k in data])
        if kind == "pow":
            return self.general_power(
                by.get(data[0], data[0]), by.get(data[1], data[1]), data[2], pole=data[3]
            )
        args = [by.get(n, n) for n in data]
        if kind == "select":
            return self.select(*args)
        if kind == "not":
            return self.invert(*args)
        return self.binary(kind, *args) if len(args) == 2 else self.function(kind, *args)

    def evaluate(self, node: Node, values: Mapping[int, float]) -> float:
        """The number that a node has at given values of the variables it depends on (by variable number)."""
        number: dict[Node, float] = {}
        for n in self.below([node]):
            kind, data = self.kind[n], self.data[n]
            args = [number[c] for c in self.children(n)]
            number[n] = float(self._evaluated(kind, data, args, values))
        return number[node]

    @staticmethod
    def _evaluated(kind: str, data: tuple, args: list[float], values: Mapping[int, float]) -> float:
        if kind == "const":
            return data[0]
        if kind == "var":
            return values[data[0]]
        if kind == "sum":
            return data[0] + sum(a * v for (a, _), v in zip(data[1], args, strict=True))
        if kind == "prod":
            return math.prod(_raised(v, k) for (_, k), v in zip(data, args, strict=True))
        if kind == "pow":
            return _value_of_power(args[0], args[1], data[2], data[3])
        if kind == "select":
            return args[1] if args[0] else args[2]
        if kind == "not":
            return not args[0]
        if kind in _BINARY:
            return _BINARY[kind](*args)
        return _VALUES[kind](args[0])

    def children(self, node: Node) -> tuple[Node, ...]:
        kind, data = self.kind[node], self.data[node]
        if kind in ("const", "var"):
            return ()
        if kind == "sum":
            return tuple(n for _, n in data[1])
        if kind == "prod":
            return tuple(n for n, _ in data)
        return data[:2] if kind == "pow" else data

    def below(self, roots: Iterable[Node], mask: int = -1) -> list[Node]:
        """All nodes under the roots that depend on a variable of the mask (-1: all nodes), children first."""
        seen = set()
        stack = [n for n in roots if mask == -1 or self.depends[n] & mask]
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            stack.extend(n for n in self.children(node) if mask == -1 or self.depends[n] & mask)
        return sorted(seen)

    # derivatives ------------------------------------------------------------------------------------------

    def tangent(self, roots: Sequence[Node], seeds: Mapping[Node, Node]) -> list[Node]:
        """Directional derivatives ``Σ_v ∂root/∂v·seed_v`` of all roots, by forward propagation."""
        mask = 0
        for variable in seeds:
            mask |= self.depends[variable]
        zero = self.constant(0.0)
        dot: dict[Node, Node] = {}
        for node in self.below(roots, mask):
            dot[node] = seeds[node] if node in seeds else self._dot(node, dot, zero)
        return [dot.get(root, zero) for root in roots]

    def _dot(self, node: Node, dot: Mapping[Node, Node], zero: Node) -> Node:
        kind, data = self.kind[node], self.data[node]
        if kind == "sum":
            return self.add([(a, dot[n]) for a, n in data[1] if n in dot])
        if kind == "prod":
            terms = []
            for n, k in data:
                if n in dot and not self.is_zero(dot[n]):
                    rest = [(m, j if m != n else k - 1) for m, j in data]
                    terms.append((float(k), self.multiply([*rest, (dot[n], 1)])))
            return self.add(terms)
        if kind == "pow":
            base, exponent, logs, pole = data
            terms = []
            if base in dot:
                lower = self.add([(1.0, exponent)], -1.0)
                pole = pole and not self.depends[base] & self.pole_free
                slope = [
                    (
                        1.0,
                        self.multiply([(exponent, 1), (self.general_power(base, lower, logs, pole=pole), 1)]),
                    )
                ]
                if logs:
                    slope.append((float(logs), self.general_power(base, lower, logs - 1, pole=pole)))
                terms.append((1.0, self.multiply([(self.add(slope), 1), (dot[base], 1)])))
            if exponent in dot:
                rise = self.general_power(base, exponent, logs + 1, pole=pole)
                terms.append((1.0, self.multiply([(rise, 1), (dot[exponent], 1)])))
            return self.add(terms)
        if kind in ("min", "max"):
            a, b = data
            first = self.binary("le", a, b) if kind == "min" else self.binary("le", b, a)
            return self.select(first, dot.get(a, zero), dot.get(b, zero))
        if kind == "select":
            condition, yes, no = data
            return self.select(condition, dot.get(yes, zero), dot.get(no, zero))
        if kind in ("lt", "le", "eq", "ne", "and", "or", "not"):
            return zero
        (argument,) = data
        if self.is_zero(dot[argument]):
            return zero
        return self.multiply([(_DERIVATIVES[kind](self, argument, node), 1), (dot[argument], 1)])

    def jacobian(self, roots: Sequence[Node], variables: Sequence[Node]) -> list[list[tuple[int, Node]]]:
        """The nonzero derivatives: for each root the list of (position in variables, node), positions
        rising."""
        one = self.constant(1.0)
        rows: list[list[tuple[int, Node]]] = [[] for _ in roots]
        for position, variable in enumerate(variables):
            bit = self.depends[variable]
            wanted = [i for i, root in enumerate(roots) if self.depends[root] & bit]
            if not wanted:
                continue
            for i, entry in zip(
                wanted, self.tangent([roots[i] for i in wanted], {variable: one}), strict=True
            ):
                if not self.is_zero(entry):
                    rows[i].append((position, entry))
        return rows

    # from sympy -------------------------------------------------------------------------------------------

    def add_expression(self, expression: sympy.Basic, names: Mapping[str, Node]) -> Node:
        """The node of a sympy expression whose symbols are the given names.

        Errors: `UnavailableFunction` names a function that has no value or derivative here.
        """
        memo: dict[sympy.Basic, Node] = {}
        for part in sympy.postorder_traversal(expression):
            if part not in memo:
                memo[part] = self._convert(part, memo, names)
        return memo[expression]

    def _convert(self, e, memo: dict, names: Mapping[str, Node]) -> Node:
        if e.is_Symbol:
            return names[e.name]
        if e.is_Number or e.is_NumberSymbol:
            return self.constant(float(e))
        if e.is_Boolean and not e.args:
            return self.constant(1.0 if e is sympy.true else 0.0)
        args = [memo[a] for a in e.args] if not isinstance(e, sympy.Tuple) else []
        if e.is_Add:
            return self.add([(1.0, a) for a in args])
        if e.is_Mul:
            return self.multiply([(a, 1) for a in args])
        if e.is_Pow:
            return self.general_power(*args)
        if isinstance(e, sympy.Piecewise):
            branches = [(memo[b.args[0]], memo[b.args[1]]) for b in e.args]
            node = self.constant(math.nan)
            for value, condition in reversed(branches):
                node = self.select(condition, value, node)
            return node
        if isinstance(e, sympy.Tuple):
            return -1  # read by the Piecewise above
        if isinstance(e, sympy.Max | sympy.Min):
            node = args[0]
            for other in args[1:]:
                node = self.binary("max" if isinstance(e, sympy.Max) else "min", node, other)
            return node
        if isinstance(e, sympy.Mod):
            quotient = self.function("floor", self.multiply([(args[0], 1), (args[1], -1)]))
            return self.add([(1.0, args[0]), (-1.0, self.multiply([(args[1], 1), (quotient, 1)]))])
        if isinstance(e, sympy.And | sympy.Or):
            node = args[0]
            for other in args[1:]:
                node = self.binary("and" if isinstance(e, sympy.And) else "or", node, other)
            return node
        if isinstance(e, sympy.Not):
            return self.invert(args[0])
        kind = _SYMPY_HEADS.get(type(e).__name__)
        if kind in ("gt", "ge"):
            return self.binary("lt" if kind == "gt" else "le", args[1], args[0])
        if kind in ("lt", "le", "eq", "ne"):
            return self.binary(kind, *args)
        if kind is None or len(args) != 1:
            raise UnavailableFunction(str(e)[:80])
        return self.function(kind, args[0])


_SYMPY_HEADS = {
    "exp": "exp", "log": "log", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "asin", "acos": "acos",
    "atan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "asinh", "acosh": "acosh",
    "atanh": "atanh", "erf": "erf", "Abs": "abs", "sign": "sign", "floor": "floor", "ceiling": "ceil",
    "StrictLessThan": "lt", "LessThan": "le", "StrictGreaterThan": "gt", "GreaterThan": "ge",
    "Equality": "eq", "Unequality": "ne",
}  # fmt: skip
