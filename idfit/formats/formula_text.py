"""Formulas as texts: names exchanged for others, or for formulas, without reading them as expressions."""

from __future__ import annotations

from collections.abc import Mapping

from idfit.expressions import ExpressionError
from idfit.expressions.tokens import tokenize
from idfit.spec.findings import is_identifier, is_plain_number


def substituted(text: str, replacements: Mapping[str, str]) -> str:
    """The formula with names replaced, all at once; what is no single name or number gets parentheses.

    Names of functions stay, and so does a text that is no formula.

    >>> substituted("a*exp(b) - a", {"a": "c + 1", "b": "d", "exp": "f"})
    '(c + 1)*exp(d) - (c + 1)'
    """
    try:
        tokens = list(tokenize(text))
    except ExpressionError:
        return text
    parts: list[str] = []
    end = 0
    for i, token in enumerate(tokens):
        called = i + 1 < len(tokens) and tokens[i + 1].type == "LPAR"
        if token.type == "NAME" and not called and (new := replacements.get(str(token))) is not None:
            start = token.start_pos or 0
            plain = is_identifier(new) or (is_plain_number(new) and new[0] not in "+-")
            parts += [text[end:start], new if plain else f"({new})"]
            end = token.end_pos or 0
    return "".join(parts) + text[end:]
