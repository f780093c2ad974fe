"""Formula text to a sympy expression."""

from __future__ import annotations

from functools import lru_cache

import sympy

from idfit.expressions import conditions, exact
from idfit.expressions import values as v
from idfit.expressions.errors import ExpressionError, Refusal, excerpt
from idfit.expressions.functions import TABLE, Function, nearest, remainder
from idfit.expressions.grammar import Node, syntax_tree
from idfit.expressions.values import Value

CONSTANTS = {"true": v.TRUE, "false": v.FALSE, "inf": v.INFINITY, "pi": v.PI}
_COMPARISONS = {
    ">": sympy.Gt,
    ">=": sympy.Ge,
    "<": sympy.Lt,
    "<=": sympy.Le,
    "==": sympy.Eq,
    "!=": sympy.Ne,
}
_UNAVAILABLE = {
    "gamma": "the gamma function is not available",
    "lgamma": "the gamma function is not available",
    "loggamma": "the gamma function is not available",
    "digamma": "the digamma function is not available",
    "factorial": "factorials are not available",
}
_HINTS = {
    "heaviside": "write piecewise(1, x >= 0, 0)",
    "if": "write piecewise(value, condition, otherwise)",
    "ifelse": "write piecewise(value, condition, otherwise)",
    "cbrt": "write x^(1/3), which needs x >= 0",
    "and": "write a && b",
    "or": "write a || b",
    "not": "write !a",
}


def parse(text: str | float | int) -> sympy.Expr:
    """The expression that a formula (or a number) stands for.

    Names are plain `sympy.Symbol`s, numbers exact rationals whose double is that of the text, truth values 1
    and 0. `pi`, `inf`, `true` and `false` are constants; function names are names unless "(" follows. `a % b`
    has the sign of a, `mod(a, b)` that of b. Raises `ExpressionError` with the column of what is refused.

    >>> parse("k1*x^2/(K + x)")
    k1*x**2/(K + x)
    """
    if isinstance(text, str):
        return _parse(text)
    try:
        return exact.from_float(float(text))
    except Refusal as refusal:
        raise ExpressionError(0, str(text), refusal.rule, refusal.remedy, refusal.code) from None


@lru_cache(maxsize=8192)
def _parse(text: str) -> sympy.Expr:
    try:
        value = conditions.as_number(_Builder(text).build(syntax_tree(text)))
        conditions.check_parts(value.expr)
    except Refusal as refusal:
        raise ExpressionError(1, excerpt(text), refusal.rule, refusal.remedy, refusal.code) from None
    except RecursionError:  # the caller has left little of the stack
        rule, remedy = "the formula is nested too deep", "split it with [assignments]"
        raise ExpressionError(1, excerpt(text), rule, remedy, "E07") from None
    return value.expr


class _Builder:
    """Builds values from the nodes of one formula; its recursion is bounded by the depth of the tree."""

    def __init__(self, text: str):
        self.text = text

    def build(self, node: Node) -> Value:
        try:
            return getattr(self, "_" + node.op)(node)
        except Refusal as refusal:
            raise self._error(node, refusal.rule, refusal.remedy, refusal.code) from None

    def _error(self, node: Node, rule: str, remedy: str, code: str) -> ExpressionError:
        return ExpressionError(node.start + 1, excerpt(self.text, node.start, node.end), rule, remedy, code)

    def _numbers(self, node: Node) -> list[Value]:
        return [conditions.as_number(self.build(argument)) for argument in node.args]

    def _number(self, node: Node) -> Value:
        return v.constant(exact.from_literal(node.text))

    def _name(self, node: Node) -> Value:
        return CONSTANTS.get(node.text) or Value(sympy.Symbol(node.text), None)

    def _sign(self, node: Node) -> Value:
        (value,) = self._numbers(node)
        return v.negate(value) if node.text == "-" else value

    def _negation(self, node: Node) -> Value:
        return conditions.negation(self.build(node.args[0]))

    def _power(self, node: Node) -> Value:
        return v.raise_to(*self._numbers(node))

    def _sum(self, node: Node) -> Value:
        signs = ["+", *node.text.split()]
        terms = self._numbers(node)
        return v.add([v.negate(t) if s == "-" else t for s, t in zip(signs, terms, strict=True)])

    def _product(self, node: Node) -> Value:
        nodes, sign = node.args, v.ONE
        while nodes[0].op == "sign":  # -(a + b)/c keeps its minus outside the sum
            sign = v.MINUS_ONE if (nodes[0].text == "-") == (sign is v.ONE) else v.ONE
            nodes = [nodes[0].args[0], *nodes[1:]]
        first, *factors = [conditions.as_number(self.build(n)) for n in nodes]
        pending = [first] if sign is v.ONE else [sign, first]
        for operator, factor in zip(node.text.split(), factors, strict=True):
            if operator == "%":
                pending = [remainder(v.multiply(pending), factor)]
            else:
                pending.append(factor if operator == "*" else v.raise_to(factor, v.MINUS_ONE))
        return v.multiply(pending)

    def _comparison(self, node: Node) -> Value:
        operators = node.text.split()
        if len(operators) > 1:
            a, b, c = (self.text[n.start : n.end] for n in node.args[:3])
            remedy = excerpt(f"write {a} {operators[0]} {b} && {b} {operators[1]} {c}")
            raise Refusal("comparisons cannot be chained", remedy, "E03")
        return conditions.compare(_COMPARISONS[operators[0]], *self._numbers(node))

    def _logic(self, node: Node) -> Value:
        """Equal precedence, from the left; a run of one operator is one And or Or."""
        operands = [conditions.as_condition(self.build(argument)) for argument in node.args]
        operators = node.text.split()
        value, run = operands[0], [operands[0]]
        for i, operator in enumerate(operators):
            run.append(operands[i + 1])
            if i + 1 == len(operators) or operators[i + 1] != operator:
                value = conditions.join(operator == "&&", run)
                run = [value]
        return value

    def _call(self, node: Node) -> Value:
        name, count = node.text, len(node.args)
        if name == "piecewise":
            if count < 3 or count % 2 == 0:
                remedy = "write piecewise(value, condition, ..., otherwise)"
                raise Refusal(
                    f"piecewise takes an odd number of arguments from 3 on, here are {count}", remedy, "E11"
                )
            return conditions.piecewise([self.build(argument) for argument in node.args])
        function = TABLE.get(name)
        if function is None:
            raise self._unknown_function(node)
        if count < function.least or (function.most is not None and count > function.most):
            raise self._wrong_arity(node, function)
        return function.build(*self._numbers(node))

    def _unknown_function(self, node: Node) -> ExpressionError:
        name = node.text
        rule = _UNAVAILABLE.get(name.lower(), "there is no function of this name")
        remedy = _HINTS.get(name.lower(), f"the nearest function is {nearest(name)}")
        if name.lower() not in _HINTS and name not in _UNAVAILABLE:
            remedy += f"; to multiply, write {excerpt(name)}*(...)"
        end = node.start + len(name)
        return ExpressionError(node.start + 1, excerpt(self.text, node.start, end), rule, remedy, "E11")

    def _wrong_arity(self, node: Node, function: Function) -> ExpressionError:
        least, most = function.least, function.most
        if most is None:
            takes = f"at least {least} argument"
        elif least == most:
            takes = f"{least} argument" + "s" * (least > 1)
        else:
            takes = f"{least} or {most} arguments"
        return self._error(
            node, f"{node.text} takes {takes}, here are {len(node.args)}", _arity_remedy(node), "E11"
        )


def _arity_remedy(node: Node) -> str:
    if len(node.args) == 2 and all(a.op == "number" for a in node.args):
        return f"a decimal comma is written as a point: {node.args[0].text}.{node.args[1].text}"
    return "count the commas"
