"""An expression as formula text that reads back as the same expression."""

from __future__ import annotations

from typing import Any

import sympy
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from idfit.expressions.errors import ExpressionError
from idfit.expressions.exact import decimal_text
from idfit.expressions.walk import bottom_up

# how tightly the outermost operator of a text binds
_LOGIC, _COMPARISON, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(7)
_NAMES = {
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.sin: "sin",
    sympy.cos: "cos",
    sympy.tan: "tan",
    sympy.asin: "asin",
    sympy.acos: "acos",
    sympy.atan: "atan",
    sympy.sinh: "sinh",
    sympy.cosh: "cosh",
    sympy.tanh: "tanh",
    sympy.asinh: "asinh",
    sympy.acosh: "acosh",
    sympy.atanh: "atanh",
    sympy.erf: "erf",
    sympy.Abs: "abs",
    sympy.sign: "sign",
    sympy.floor: "floor",
    sympy.ceiling: "ceil",
    sympy.Mod: "mod",
    sympy.Min: "min",
    sympy.Max: "max",
}
_SIGNS = {sympy.Gt: ">", sympy.Ge: ">=", sympy.Lt: "<", sympy.Le: "<=", sympy.Eq: "==", sympy.Ne: "!="}

Piece = tuple[str, int]


def to_text(expr: sympy.Basic) -> str:
    """The formula of an expression; `parse(to_text(expr)) == expr` for every expression that `parse` gives.

    Floats are printed as the shortest decimal of their double. Raises `ExpressionError` for a function that
    formulas do not have.

    >>> from idfit.expressions import parse
    >>> to_text(parse("-0.5*x**2/(K+x)"))
    '-0.5*x^2/(K + x)'
    """
    pieces: dict[sympy.Basic, Piece] = {}
    for part in bottom_up(expr):
        pieces[part] = _piece(part, pieces)
    return pieces[expr][0]


def _piece(part: sympy.Basic, pieces: dict[sympy.Basic, Piece]) -> Piece:
    if isinstance(part, sympy.Symbol):
        return part.name, _ATOM
    if part is sympy.oo or part is -sympy.oo:
        return ("inf", _ATOM) if part is sympy.oo else ("-inf", _SIGN)
    if isinstance(part, sympy.Number) and part is not sympy.nan:
        return _number(part)
    if part is sympy.pi or part is sympy.E:
        return ("pi" if part is sympy.pi else "exp(1)"), _ATOM
    if isinstance(part, BooleanTrue | BooleanFalse):
        return ("true" if part == sympy.true else "false"), _ATOM
    if isinstance(part, sympy.Add):
        return _sum(part, pieces)
    if isinstance(part, sympy.Mul):
        return _product(part, pieces)
    if isinstance(part, sympy.Pow):
        return _power(part, pieces)
    arguments = [pieces[a] for a in part.args]
    if part.func in _NAMES:
        return f"{_NAMES[part.func]}({', '.join(text for text, _ in arguments)})", _ATOM
    if part.func in _SIGNS:
        left, right = (_wrapped(a, _SUM) for a in arguments)
        return f"{left} {_SIGNS[part.func]} {right}", _COMPARISON
    if isinstance(part, sympy.And | sympy.Or):
        return (" && " if isinstance(part, sympy.And) else " || ").join(
            _wrapped(a, _COMPARISON) for a in arguments
        ), _LOGIC
    if isinstance(part, sympy.Not):
        return "!" + _wrapped(arguments[0], _SIGN), _SIGN
    if isinstance(part, sympy.Piecewise):
        return _piecewise(part, pieces), _ATOM
    if part.func.__name__ == "ExprCondPair":
        return "", _ATOM
    raise ExpressionError(
        0, part.func.__name__, "formulas do not have this function", "write it with those they have", "E11"
    )


def _wrapped(piece: Piece, least: int) -> str:
    text, binding = piece
    return text if binding >= least else f"({text})"


def _number(number: sympy.Number) -> Piece:
    if not isinstance(number, sympy.Rational):
        text = repr(float(number))
        return text, _SIGN if text.startswith("-") else _ATOM
    text = decimal_text(number)
    if text is None:
        return f"{_integer(number.p)}/{_integer(number.q)}", _PRODUCT
    return text, _SIGN if text.startswith("-") else _ATOM


def _integer(number: int) -> str:
    return decimal_text(sympy.Integer(number)) or str(number)


def _sum(part: sympy.Add, pieces: dict[sympy.Basic, Piece]) -> Piece:
    terms = [pieces[a] for a in part.args]
    terms.sort(key=lambda piece: piece[0].startswith("-"))
    text = _wrapped(terms[0], _PRODUCT)
    for term in terms[1:]:
        shown = _wrapped(term, _PRODUCT)
        text += f" - {shown[1:]}" if shown.startswith("-") else f" + {shown}"
    return text, _SUM


def _product(part: Any, pieces: dict[sympy.Basic, Piece]) -> Piece:
    above: list[str] = []
    below: list[str] = []
    sign = divisor = ""
    for factor in part.args:
        if isinstance(factor, sympy.Number):
            text, _ = _number(factor) if factor.is_finite else pieces[factor]
            if text.startswith("-"):
                sign, text = "-", text[1:]
            numerator, _, denominator = text.partition("/")
            if numerator != "1" or (factor.is_Integer and abs(factor) != 1):
                above.append(numerator)
            divisor = denominator
        elif isinstance(factor, sympy.Pow) and factor.exp.is_Rational and factor.exp < 0:
            below.append(_raised(factor.base, -factor.exp, pieces))
        else:
            above.append(_wrapped(pieces[factor], _POWER))
    text = "*".join(above) or "1"
    if divisor:  # apart, for a number times a sum in parentheses would be multiplied out
        text += "/" + divisor
    if len(below) == 1:
        text += "/" + below[0]
    elif below:
        text += f"/({'*'.join(below)})"
    return sign + text, _PRODUCT


def _power(part: Any, pieces: dict[sympy.Basic, Piece]) -> Piece:
    base, exponent = part.args
    if exponent == sympy.S.Half:
        return f"sqrt({pieces[base][0]})", _ATOM
    if isinstance(exponent, sympy.Rational):
        if exponent < 0:
            return "1/" + _raised(base, -exponent, pieces), _PRODUCT
        return _raised(base, exponent, pieces), _POWER
    return f"{_wrapped(pieces[base], _ATOM)}^{_wrapped(pieces[exponent], _SIGN)}", _POWER


def _raised(base: Any, exponent: Any, pieces: dict[sympy.Basic, Piece]) -> str:
    """base ^ exponent for a positive exponent, as a factor."""
    if exponent == 1:
        return _wrapped(pieces[base], _POWER)
    if exponent == sympy.S.Half:
        return f"sqrt({pieces[base][0]})"
    return f"{_wrapped(pieces[base], _ATOM)}^{_wrapped(_number(exponent), _ATOM)}"


def _piecewise(part: sympy.Piecewise, pieces: dict[sympy.Basic, Piece]) -> str:
    texts: list[str] = []
    for value, condition in part.args:  # type: ignore[misc]
        texts.append(pieces[value][0])
        if condition == sympy.true:
            return f"piecewise({', '.join(texts)})"
        texts.append(pieces[condition][0])
    raise ExpressionError(0, "Piecewise", "this choice has no last branch", "add what holds otherwise", "E11")
