"""Characters of a formula to tokens, and what to say of characters and numbers that are none."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from lark import Token

from idfit.expressions.errors import ExpressionError, excerpt

MAX_CHARACTERS = 20_000
MAX_DEPTH = 200
MAX_NODES = 20_000
MAX_LITERAL = 64

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<NUMBER>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<NAME>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<POW>\^|\*\*) | (?P<SIGN>[+-]) | (?P<TIMES>[*/%])
      | (?P<COMPARE>[<>]=?|==|!=) | (?P<LOGIC>&&|\|\|) | (?P<NOT>!)
      | (?P<LPAR>\() | (?P<RPAR>\)) | (?P<COMMA>,) | (?P<END>\Z)
    )""",
    re.VERBOSE,
)
_BLANK = " \t\r\n"
_PATH = re.compile(
    r"\s*(?:[A-Za-z][A-Za-z0-9+.-]*://|/|~/|\.{1,2}[/\\]|[A-Za-z]:\\"
    r"|[\w./\\-]+\.(?:csv|tsv|txt|dat|toml|ya?ml|json|xml|nc|h5|xlsx|py)\s*$)"
)
_SEPARATED = re.compile(r"[0-9]+(?:_[0-9]+)+(?:\.[0-9]*)?")
_FORTRAN = re.compile(r"((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))[dD]([+-]?[0-9]+)")
_LOOKALIKES = dict(
    zip("авсеһіјкмоорԛѕтхуΑΒΕΖΗΙΚΜΝΟΡΤΥΧανοικρυχτ", "abcehijkmoopqstxyABEZHIKMNOPTYXavoikpuxt", strict=True)
)
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"
_PLAIN = {
    "\u00d7": "*",
    "\u00b7": "*",
    "\u22c5": "*",
    "\u2217": "*",
    "\u00f7": "/",
    "\u2215": "/",
    "\u2264": "<=",
    "\u2265": ">=",
}


def tokenize(text: str) -> Iterator[Token]:
    """Tokens of a formula with their places (`start_pos`, `end_pos`); parentheses are bounded on the way."""
    check_length(text)
    position = depth = 0
    previous_end, previous_type = -1, ""
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _bad_character(text, position)
        kind = match.lastgroup or ""
        start, end = match.span(kind)
        if kind == "END":
            return
        if start == previous_end and previous_type == "NUMBER" and kind in ("NAME", "NUMBER"):
            raise _bad_number(text, start)
        if kind == "NUMBER" and end - start > MAX_LITERAL:
            raise ExpressionError(
                start + 1,
                excerpt(text, start, end),
                f"a number may have {MAX_LITERAL} characters, this has {end - start}",
                "write it with fewer digits, doubles hold 17",
                "E05",
            )
        if kind == "LPAR":
            depth += 1
            if depth > MAX_DEPTH:
                raise ExpressionError(
                    start + 1,
                    excerpt(text),
                    f"parentheses are nested deeper than {MAX_DEPTH}",
                    "split the formula with [assignments]",
                    "E07",
                )
        elif kind == "RPAR":
            depth -= 1
        yield Token(kind, match.group(kind), start, None, None, None, None, end)
        position = previous_end = end
        previous_type = kind


def check_length(text: str) -> None:
    """Refuse a text that is too long or empty, before anything reads it."""
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(
            0,
            excerpt(text),
            f"a formula may have {MAX_CHARACTERS} characters, this has {len(text)}",
            "split it with [assignments]",
            "E10",
        )
    if not text.strip(_BLANK):
        raise ExpressionError(
            1, repr(text[:SHORT]), "the formula is empty", "write a number or a formula", "E03"
        )


SHORT = 20


def looks_like_a_path(text: str) -> bool:
    """Whether a text that is no formula seems to be meant as a path or address."""
    return _PATH.match(text) is not None


def path_error(text: str, position: int) -> ExpressionError:
    return ExpressionError(
        position + 1,
        excerpt(text),
        "a formula cannot be a path or an address",
        "name files in the keys that are made for them, such as [inputs] file",
        "E21",
    )


def _bad_character(text: str, position: int) -> ExpressionError:
    while text[position] in _BLANK:
        position += 1
    char, column = text[position], position + 1
    shown = excerpt(char)
    if ord(char) > 127:
        return _not_ascii(char, column)
    if looks_like_a_path(text):
        return path_error(text, position)
    if char in "'\"`":
        return ExpressionError(
            column, shown, "quotes have no meaning in a formula", "remove the text in quotes", "E01"
        )
    if char in ".[]{}":
        remedy = "write 0.5 for one half; formulas have numbers, names, operators and functions only"
        return ExpressionError(column, shown, f"{char!r} has no meaning here", remedy, "E02")
    remedies = {
        "=": "write == to compare; a formula assigns nothing",
        "&": "write && for 'and'",
        "|": "write || for 'or', abs(x) for the absolute value",
        "~": "write ! for 'not'",
        ":": "write piecewise(value, condition, otherwise) for a choice",
        "?": "write piecewise(value, condition, otherwise) for a choice",
        "#": "put comments outside the formula",
        ";": "write one formula",
    }
    code_point = "" if char.isprintable() else f" (U+{ord(char):04X})"
    return ExpressionError(
        column,
        shown + code_point,
        "this character has no meaning in a formula",
        remedies.get(char, "formulas have numbers, names, operators and functions only"),
        "E03",
    )


def _not_ascii(char: str, column: int) -> ExpressionError:
    name = unicodedata.name(char, "unnamed")
    shown = f"{char if char.isprintable() else excerpt(char)} (U+{ord(char):04X} {name})"
    plain = "-" if char in _DASHES else _PLAIN.get(char, "")
    folded = unicodedata.normalize("NFKC", char)
    if not plain and folded.isascii() and folded.isprintable() and not folded.isalpha():
        plain = folded.strip()
    if plain or unicodedata.category(char) not in ("Lu", "Ll", "Lo", "Lt", "Lm", "Mn", "Mc"):
        remedy = f"write {plain!r}" if plain else "write the formula in ASCII characters"
        return ExpressionError(
            column, shown, "numbers and operators are written in ASCII characters", remedy, "E15"
        )
    twin = _LOOKALIKES.get(char, folded if folded.isascii() else "")
    remedy = (
        f"it looks like the ASCII letter {twin!r}: write that" if twin else "rename it with ASCII letters"
    )
    return ExpressionError(column, shown, "names are made of the ASCII letters, digits and _", remedy, "E16")


def _bad_number(text: str, position: int) -> ExpressionError:
    start = position
    while start and (text[start - 1].isalnum() or text[start - 1] in "._"):
        start -= 1
    end = position
    while end < len(text) and (text[end].isalnum() or text[end] in "._"):
        end += 1
    if match := _SEPARATED.match(text, start):
        return _number_error(text, start, match.end(), match.group().replace("_", ""))
    if match := _FORTRAN.match(text, start):
        return _number_error(text, start, match.end(), f"{match[1]}e{match[2]}")
    number, name = text[start:position], text[position:end]
    if name[0] in "eE" and len(name) == 1:
        rule, remedy, code = (
            "the exponent of the number is missing",
            f"write {number}{name}3, or {number}*{name}",
            "E15",
        )
    elif name[0] == "." or name[0].isdigit():
        rule, remedy, code = "this is not one number", "write a single decimal point", "E15"
    else:
        rule, remedy, code = (
            "a number stands directly before a name",
            f"to multiply, write {number}*{name}",
            "E03",
        )
    return ExpressionError(start + 1, excerpt(text, start, end), rule, remedy, code)


def _number_error(text: str, start: int, end: int, plain: str) -> ExpressionError:
    rule = "numbers are written like 12, 0.5 or 1e-3"
    return ExpressionError(start + 1, excerpt(text, start, end), rule, f"write {plain}", "E15")
