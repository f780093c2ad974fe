"""The one exception of formulas and unit texts: what was given, where, which rule it breaks, what to do."""

from __future__ import annotations

from idfit.errors import Finding, InputError

SHOWN = 60


class ExpressionError(InputError):
    """A formula or unit text that cannot be accepted.

    `column` counts characters from 1 in the text as given (0: the text as a whole). `code` is the row of the
    catalogue of bad inputs. The same facts stand in `findings[0]`, whose file and line the caller fills in.
    """

    def __init__(self, column: int, given: str, rule: str, remedy: str = "", code: str = "E03"):
        self.column = column
        self.given = given
        self.rule = rule
        self.remedy = remedy
        self.code = code
        super().__init__([Finding("", 0, column, given, rule, remedy, code)])

    def __reduce__(self):
        return type(self), (self.column, self.given, self.rule, self.remedy, self.code)


class Refusal(Exception):
    """A rule broken while an expression is built; who knows the place makes it an error."""

    def __init__(self, rule: str, remedy: str = "", code: str = "E13"):
        super().__init__(rule)
        self.rule = rule
        self.remedy = remedy
        self.code = code


def excerpt(text: str, start: int = 0, end: int | None = None) -> str:
    """The part of a text that a message shows: on one line, printable, and of bounded length."""
    stop = len(text) if end is None else end
    part = text[start : min(stop, start + SHOWN)].encode("unicode_escape").decode("ascii")
    return part[:SHOWN] + ("..." if stop - start > SHOWN or len(part) > SHOWN else "")
