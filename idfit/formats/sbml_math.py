"""Mathematics of SBML (nested lists) as formulas of idfit."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from idfit.expressions.tokens import MAX_CHARACTERS
from idfit.formats.sbml_elements import Math
from idfit.spec.findings import Findings

AVOGADRO = "6.02214179e23"

_SUM, _PRODUCT, _POWER, _ATOM = 2, 3, 5, 6  # how tightly a text binds; the grammar in idfit.expressions
_LOGIC, _COMPARISON, _UNARY = 0, 1, 4

_RELATIONS = {"eq": "==", "neq": "!=", "lt": "<", "leq": "<=", "gt": ">", "geq": ">="}
_LOGICAL = {"and": ("&&", "true"), "or": ("||", "false")}
_TRIGONOMETRIC = ("sin", "cos", "tan", "sec", "csc", "cot")
_FUNCTIONS = {
    "exp",
    "ln",
    "abs",
    *(f"{a}{f}{h}" for a in ("", "arc") for f in _TRIGONOMETRIC for h in ("", "h")),
}
_OPERANDS = {
    **dict.fromkeys((*_FUNCTIONS, "floor", "ceiling", "factorial", "not", "rateOf"), (1, 1)),
    **dict.fromkeys(("/", "^", "root", "log", "quotient", "rem", "implies"), (2, 2)),
    **dict.fromkeys(("min", "max", "piecewise"), (1, math.inf)),
    "-": (1, 2),
}
"""The least and largest numbers of operands, where not any number will do."""


class Unsupported(Exception):
    """What a formula contains that idfit cannot compute, and what to do about it."""

    def __init__(self, rule: str, remedy: str, code: str = ""):
        super().__init__(rule)
        self.rule, self.remedy, self.code = rule, remedy, code


class Refusals:
    """Names what a model has and idfit does not compute, all of it in one pass."""

    def __init__(self, findings: Findings, file: str):
        self.findings, self.file = findings, file

    def add(self, line: int, given: str, rule: str, remedy: str = "", code: str = "") -> None:
        self.findings.in_row(self.file, line, given, rule, remedy, code)

    def unsupported(self, line: int, given: str, error: Unsupported) -> None:
        self.add(line, given, error.rule, error.remedy, error.code)


def names_of(formula: Math) -> Iterator[str]:
    """Every name in a formula without functions of the model."""
    for part in parts_of(formula):
        if part[0] == "name":
            yield part[1]


def parts_of(formula: Math) -> Iterator[Math]:
    """The formula and everything in it."""
    stack = [formula]
    while stack:
        part = stack.pop()
        yield part
        stack.extend(p for p in part[1:] if isinstance(p, list))


class Naming(Protocol):
    """What the writer of a formula has to ask."""

    def name(self, given: str) -> str:
        """What an id is called."""
        ...

    def rate_of(self, given: str) -> str:
        """What its derivative is called."""
        ...

    def floor_of(self, argument: Math, text: str) -> str:
        """What the argument, whose text is given, rounded down is called."""
        ...


@dataclass(frozen=True)
class Local:
    """Names where local parameters hide others."""

    others: Naming
    names: Mapping[str, str]

    def name(self, given: str) -> str:
        return self.names[given] if given in self.names else self.others.name(given)

    def rate_of(self, given: str) -> str:
        return "0" if given in self.names else self.others.rate_of(given)

    def floor_of(self, argument: Math, text: str) -> str:
        return self.others.floor_of(argument, text)


@dataclass(frozen=True)
class AtOnce:
    """Names where a formula is evaluated at one moment, and steps need no watching."""

    others: Naming

    def name(self, given: str) -> str:
        return self.others.name(given)

    def rate_of(self, given: str) -> str:
        return self.others.rate_of(given)

    def floor_of(self, argument: Math, text: str) -> str:
        return f"floor({text})"


def text_of(formula: Math, naming: Naming) -> str:
    """The formula (without calls) as a text."""
    try:
        return _Writer(naming).write(formula)[0]
    except RecursionError:
        raise Unsupported("is nested too deep", "split it with assignment rules", "E08") from None


class _Writer:
    """Texts with how tightly they bind, so that parentheses stand only where they are needed."""

    def __init__(self, naming: Naming):
        self.naming = naming

    def write(self, formula: Math) -> tuple[str, int]:
        text, binding = self._write(formula)
        if len(text) > MAX_CHARACTERS:  # asked at every step, as some operators write their operands twice
            rule = f"becomes longer than {MAX_CHARACTERS:,} characters"
            raise Unsupported(rule, "split it with assignment rules", "E10")
        return text, binding

    def _write(self, formula: Math) -> tuple[str, int]:
        head, *parts = formula
        least, most = _OPERANDS.get(head, (0, math.inf))
        if not least <= len(parts) <= most:
            raise Unsupported(f"contains '{head}' of {len(parts)} operands", "count them", "E11")
        match head:
            case "number":
                return _number(parts[0])
            case "name":
                return self.naming.name(parts[0]), _ATOM
            case "rateOf":
                return self._rate(parts)
            case "true" | "false" | "pi" | "time":
                return head, _ATOM
            case "avogadro":
                return AVOGADRO, _ATOM
            case "exponentiale":
                return "exp(1)", _ATOM
            case "unknown":
                raise Unsupported(
                    f"contains '{parts[0]}', which is not available", "write it otherwise", "E11"
                )
            case "delay":
                remedy = "replace it by a chain of linear steps"
                raise Unsupported("contains a delay, and delay equations are not solved", remedy, "M13")
        if head in _FUNCTIONS or head in ("min", "max"):
            return self._call(head, parts), _ATOM
        if head in _RELATIONS:
            return self._relation(_RELATIONS[head], parts)
        if head in _LOGICAL:
            return self._joined(*_LOGICAL[head], parts, _LOGIC)
        if head not in _WRITERS:
            raise Unsupported(f"contains '{head}', which is not available", "write it otherwise", "E11")
        return _WRITERS[head](self, parts)

    def _within(self, formula: Math, least: int, *, first: bool = False) -> str:
        """The text of a part, in parentheses unless it binds as tightly as `least`; a sign may only begin."""
        text, binding = self.write(formula)
        return text if binding >= least and (first or not text.startswith("-")) else f"({text})"

    def _call(self, function: str, arguments: Sequence[Math]) -> str:
        return f"{function}({', '.join(self.write(a)[0] for a in arguments)})"

    def _joined(self, operator: str, empty: str, parts: list[Math], binding: int) -> tuple[str, int]:
        """An associative operator with any number of operands."""
        if len(parts) < 2:
            return self.write(parts[0]) if parts else (empty, _ATOM)
        # && and || bind alike, so these are kept apart; a quotient may begin, and only begin
        least = binding if binding == _PRODUCT else binding + 1
        shown = [self._within(parts[0], least, first=True)]
        shown += [self._within(part, binding + 1) for part in parts[1:]]
        return (operator if binding == _PRODUCT else f" {operator} ").join(shown), binding

    def _plus(self, parts: list[Math]) -> tuple[str, int]:
        if len(parts) < 2:
            return self.write(parts[0]) if parts else ("0", _ATOM)
        text = self._within(parts[0], _SUM, first=True)
        for part in parts[1:]:
            term = self._within(part, _PRODUCT, first=True)
            text += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
        return text, _SUM

    def _times(self, parts: list[Math]) -> tuple[str, int]:
        return self._joined("*", "1", parts, _PRODUCT)

    def _minus(self, parts: list[Math]) -> tuple[str, int]:
        if len(parts) == 1:
            text, binding = self.write(parts[0])
            if binding < _PRODUCT or text.startswith("-"):
                text, binding = f"({text})", _ATOM
            return f"-{text}", min(binding, _UNARY)
        left, right = parts
        return f"{self._within(left, _SUM, first=True)} - {self._within(right, _PRODUCT)}", _SUM

    def _divide(self, parts: list[Math]) -> tuple[str, int]:
        left, right = parts
        return f"{self._within(left, _PRODUCT, first=True)}/{self._within(right, _POWER)}", _PRODUCT

    def _power(self, parts: list[Math]) -> tuple[str, int]:
        base, exponent = parts
        return f"{self._within(base, _ATOM)}^{self._within(exponent, _ATOM)}", _POWER

    def _root(self, parts: list[Math]) -> tuple[str, int]:
        degree, radicand = parts
        if degree == ["number", "2"]:
            return self._call("sqrt", [radicand]), _ATOM
        return f"{self._within(radicand, _ATOM)}^(1/{self._within(degree, _POWER)})", _POWER

    def _log(self, parts: list[Math]) -> tuple[str, int]:
        base, argument = parts
        if base == ["number", "10"]:
            return self._call("log10", [argument]), _ATOM
        return self._call("log", [argument, base]), _ATOM

    def _floor(self, parts: list[Math]) -> tuple[str, int]:
        (argument,) = parts
        return self.naming.floor_of(argument, self.write(argument)[0]), _ATOM

    def _ceiling(self, parts: list[Math]) -> tuple[str, int]:
        return self.write(["-", ["floor", ["-", *parts]]])

    def _quotient(self, parts: list[Math]) -> tuple[str, int]:
        """Rounded towards zero."""
        ratio = ["/", *parts]
        return f"{self._call('sign', [ratio])}*{self.write(['floor', ['abs', ratio]])[0]}", _PRODUCT

    def _rem(self, parts: list[Math]) -> tuple[str, int]:
        left, right = parts
        return self.write(["-", left, ["*", right, ["quotient", left, right]]])

    def _factorial(self, parts: list[Math]) -> tuple[str, int]:
        text, _ = self.write(parts[0])
        if not re.fullmatch(r"\d{1,3}", text) or int(text) > 170:
            rule = "contains the factorial of something else than a whole number up to 170"
            raise Unsupported(rule, "write the product out", "E06")
        return repr(float(math.factorial(int(text)))), _ATOM

    def _not(self, parts: list[Math]) -> tuple[str, int]:
        return f"!({self.write(parts[0])[0]})", _UNARY

    def _xor(self, parts: list[Math]) -> tuple[str, int]:
        """Whether an odd number of them holds."""
        if len(parts) < 2:
            return self.write(parts[0]) if parts else ("false", _ATOM)
        *others, last = parts
        first = ["xor", *others]
        return self.write(["or", ["and", first, ["not", last]], ["and", ["not", first], last]])

    def _implies(self, parts: list[Math]) -> tuple[str, int]:
        premise, conclusion = parts
        return self.write(["or", ["not", premise], conclusion])

    def _relation(self, operator: str, parts: list[Math]) -> tuple[str, int]:
        """Between neighbours, all of which must be so related."""
        sides = [self._within(part, _SUM, first=True) for part in parts]
        pairs = [f"{a} {operator} {b}" for a, b in pairwise(sides)]
        return " && ".join(pairs) or "true", _COMPARISON if len(pairs) == 1 else _LOGIC

    def _piecewise(self, parts: list[Math]) -> tuple[str, int]:
        if len(parts) % 2 == 0:
            if parts[-1] != ["true"]:
                rule = "contains a piecewise without otherwise, which has no value where no condition holds"
                raise Unsupported(rule, "add an otherwise")
            parts = parts[:-1]
        return self.write(parts[0]) if len(parts) == 1 else (self._call("piecewise", parts), _ATOM)

    def _rate(self, parts: list[Math]) -> tuple[str, int]:
        if parts[0][0] != "name":
            raise Unsupported("contains rateOf of something else than a name", "name a quantity", "E11")
        return self.naming.rate_of(parts[0][1]), _ATOM


_WRITERS = {
    "+": _Writer._plus,
    "-": _Writer._minus,
    "*": _Writer._times,
    "/": _Writer._divide,
    "^": _Writer._power,
    "root": _Writer._root,
    "log": _Writer._log,
    "floor": _Writer._floor,
    "ceiling": _Writer._ceiling,
    "quotient": _Writer._quotient,
    "rem": _Writer._rem,
    "factorial": _Writer._factorial,
    "not": _Writer._not,
    "xor": _Writer._xor,
    "implies": _Writer._implies,
    "piecewise": _Writer._piecewise,
}


def _number(text: str) -> tuple[str, int]:
    """The number as its shortest text."""
    if "/" in text:
        return text, _PRODUCT
    if text == "nan":
        raise Unsupported("contains 'notanumber'", "write a number", "M28")
    value = float(text)
    if text.endswith(".0") and abs(value) < 1e15:
        text = text[:-2]
    return text.replace("E+", "e").replace("E", "e"), _ATOM if text[0] != "-" else _UNARY
