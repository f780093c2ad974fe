"""Formulas of idfit as MathML, the inverse of `idfit.formats.sbml_math`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from xml.etree.ElementTree import Element, SubElement

from idfit.errors import InputError
from idfit.expressions.grammar import Node, syntax_tree
from idfit.spec.findings import clipped

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
_TIME = "http://www.sbml.org/sbml/symbols/time"
_LARGEST_INTEGER = 2**31 - 1  # that readers of <cn type="integer"> must know

_CONSTANTS = {"pi": "pi", "inf": "infinity"}
_TRUTHS = ("true", "false")
_RELATIONS = {"==": "eq", "!=": "neq", "<": "lt", "<=": "leq", ">": "gt", ">=": "geq"}
_LOGIC = {"&&": "and", "||": "or"}
_FUNCTIONS = {
    "exp": "exp",
    "ln": "ln",
    "abs": "abs",
    "Abs": "abs",
    "floor": "floor",
    "ceil": "ceiling",
    "ceiling": "ceiling",
    "pow": "power",
    "sqrt": "root",
    **{name: name.lower() for name in ("min", "max", "Min", "Max")},
}
for _name in (f"{f}{h}" for f in ("sin", "cos", "tan", "sec", "csc", "cot") for h in ("", "h")):
    _FUNCTIONS |= {_name: _name, f"a{_name}": f"arc{_name}", f"arc{_name}": f"arc{_name}"}

Formula = float | str
Written = tuple[Element, bool]
"""An element, and whether it is a condition: SBML keeps truth values and numbers apart."""


def number_text(value: float) -> str:
    """The shortest text of a number; whole ones without a point."""
    return repr(value).removesuffix(".0")


def mathml(formula: Formula, time: Collection[str], *, condition: bool = False) -> Element:
    """The ``<math>`` of a formula, or of a condition; names in `time` mean the time.

    Errors: `InputError` for what MathML in SBML cannot say. The formula itself must parse.
    """
    writer = _Writer(time)
    root = Element("math", xmlns=NAMESPACE)
    node = syntax_tree(formula if isinstance(formula, str) else number_text(formula))
    root.append((writer.condition if condition else writer.number)(node))
    return root


class _Writer:
    """Its recursion is bounded by the depth of the syntax tree."""

    def __init__(self, time: Collection[str]):
        self.time = time

    def number(self, node: Node) -> Element:
        element, truth = self.write(node)
        if not truth:
            return element
        if element.tag in _TRUTHS:
            return _literal("1" if element.tag == "true" else "0")
        return _piecewise([(_literal("1"), element)], _literal("0"))

    def condition(self, node: Node) -> Element:
        element, truth = self.write(node)
        return element if truth else _apply("neq", element, _literal("0"))

    def write(self, node: Node) -> Written:
        return getattr(self, "_" + node.op)(node)

    def _number(self, node: Node) -> Written:
        return _literal(node.text), False

    def _name(self, node: Node) -> Written:
        name = node.text
        if name in _TRUTHS:
            return Element(name), True
        if name in _CONSTANTS:
            return Element(_CONSTANTS[name]), False
        if name in self.time:
            element = Element("csymbol", encoding="text", definitionURL=_TIME)
        else:
            element = Element("ci")
        element.text = f" {name} "
        return element, False

    def _sign(self, node: Node) -> Written:
        (argument,) = node.args
        if node.text == "+":
            return self.number(argument), False
        if argument.op == "number":
            return _literal(f"-{argument.text}"), False
        return _apply("minus", self.number(argument)), False

    def _negation(self, node: Node) -> Written:
        return _apply("not", self.condition(node.args[0])), True

    def _power(self, node: Node) -> Written:
        return _apply("power", *map(self.number, node.args)), False

    def _sum(self, node: Node) -> Written:
        """Many terms are the operands of one sum, the negative ones with a sign: long is not deep."""
        signs = ["+", *node.text.split()]
        terms = [self.number(argument) for argument in node.args]
        if signs == ["+", "-"]:
            return _apply("minus", *terms), False
        pairs = zip(signs, terms, strict=True)
        return _apply("plus", *(t if sign == "+" else _apply("minus", t) for sign, t in pairs)), False

    def _product(self, node: Node) -> Written:
        """All factors over all divisors; a remainder is taken of what stands before it."""
        first, *rest = (self.number(argument) for argument in node.args)
        above, below = [first], []
        for operator, factor in zip(node.text.split(), rest, strict=True):
            if operator == "%":
                above, below = [_apply("rem", _quotient(above, below), factor)], []
            else:
                (above if operator == "*" else below).append(factor)
        return _quotient(above, below), False

    def _comparison(self, node: Node) -> Written:
        return _apply(_RELATIONS[node.text], *map(self.number, node.args)), True

    def _logic(self, node: Node) -> Written:
        """Both operators bind alike, from the left; a run of one is one element."""
        operators = node.text.split()
        run = [self.condition(node.args[0])]
        for i, operator in enumerate(operators):
            run.append(self.condition(node.args[i + 1]))
            if i + 1 == len(operators) or operators[i + 1] != operator:
                run = [_apply(_LOGIC[operator], *run)]
        return run[0], True

    def _call(self, node: Node) -> Written:
        if node.text in _FUNCTIONS:
            return _apply(_FUNCTIONS[node.text], *map(self.number, node.args)), False
        write = _OTHERS.get(node.text)
        if write is None:
            given = clipped(f"{node.text}(...)")
            raise InputError.of(given, "is not a function of SBML", "write it with functions that SBML has")
        return write(self, node), False

    def _piecewise(self, node: Node) -> Element:
        *choices, otherwise = node.args
        pairs = zip(choices[::2], choices[1::2], strict=True)
        return _piecewise(
            [(self.number(value), self.condition(condition)) for value, condition in pairs],
            self.number(otherwise),
        )

    def _logarithm(self, node: Node) -> Element:
        bases = {"log2": "2", "log10": "10"}
        if node.text in bases:
            return _logarithm(_literal(bases[node.text]), self.number(node.args[0]))
        if len(node.args) == 1:
            return _apply("ln", self.number(node.args[0]))
        argument, base = map(self.number, node.args)
        return _logarithm(base, argument)

    def _signum(self, node: Node) -> Element:
        value = node.args[0]
        choices = [
            (_literal("1"), _apply("gt", self.number(value), _literal("0"))),
            (_literal("-1"), _apply("lt", self.number(value), _literal("0"))),
        ]
        return _piecewise(choices, _literal("0"))

    def _modulo(self, node: Node) -> Element:
        """With the sign of the divisor, which ``<rem/>`` does not have: a - b floor(a/b)."""
        a, b = node.args
        floor = _apply("floor", _apply("divide", self.number(a), self.number(b)))
        return _apply("minus", self.number(a), _apply("times", self.number(b), floor))


_OTHERS: dict[str, Callable[[_Writer, Node], Element]] = {
    "piecewise": _Writer._piecewise,
    "sign": _Writer._signum,
    "mod": _Writer._modulo,
    **dict.fromkeys(("log", "log2", "log10"), _Writer._logarithm),
}


def _apply(operator: str, *arguments: Element) -> Element:
    element = Element("apply")
    element.append(Element(operator))
    element.extend(arguments)
    return element


def _quotient(above: list[Element], below: list[Element]) -> Element:
    top, bottom = (f[0] if len(f) == 1 else _apply("times", *f) for f in (above, below or above))
    return _apply("divide", top, bottom) if below else top


def _logarithm(base: Element, argument: Element) -> Element:
    element = Element("apply")
    element.append(Element("log"))
    SubElement(element, "logbase").append(base)
    element.append(argument)
    return element


def _piecewise(choices: list[tuple[Element, Element]], otherwise: Element) -> Element:
    element = Element("piecewise")
    for choice in choices:
        SubElement(element, "piece").extend(choice)
    SubElement(element, "otherwise").append(otherwise)
    return element


def _literal(text: str) -> Element:
    mantissa, _, exponent = text.lower().partition("e")
    if exponent:
        element = Element("cn", type="e-notation")
        element.text = mantissa
        SubElement(element, "sep").tail = str(int(exponent))
    elif mantissa.lstrip("-").isdigit() and abs(int(mantissa)) <= _LARGEST_INTEGER:
        element = Element("cn", type="integer")
        element.text = mantissa
    else:
        element = Element("cn")
        element.text = mantissa
    return element
