"""Formulas of idfit as those of PEtab, which has fewer functions and one name for each."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from idfit.errors import InputError
from idfit.expressions.grammar import Node, syntax_tree
from idfit.expressions.tokens import tokenize
from idfit.formats.mathml import Formula, number_text

_CIRCULAR = [f"{f}{h}" for f in ("sin", "cos", "tan", "sec", "csc", "cot") for h in ("", "h")]
FUNCTIONS = frozenset(
    ["pow", "exp", "sqrt", "log", "ln", "log2", "log10", "piecewise", "abs", "sign", "min", "max"]
    + [f"{arc}{name}" for arc in ("", "arc") for name in _CIRCULAR]
)
_NAMED_OTHERWISE = {"Abs": "abs", "Min": "min", "Max": "max"}

Edit = tuple[int, int, str]
"""From where to where the text is replaced, and by what."""


def petab_formula(formula: Formula, time: Collection[str] = ()) -> str:
    """The formula in the grammar of PEtab; names in `time` mean the time.

    Errors: `InputError` for functions that PEtab does not have.
    """
    if not isinstance(formula, str):
        return number_text(formula)
    powers = ((t.start_pos or 0, t.end_pos or 0, "^") for t in tokenize(formula) if t.type == "POW")
    edits = sorted({*powers, *_edits(syntax_tree(formula), formula, time)})
    parts, end = [], 0
    for start, stop, new in edits:
        parts += [formula[end:start], new]
        end = stop
    return " ".join(("".join(parts) + formula[end:]).split())  # on one line


def _edits(tree: Node, formula: str, time: Collection[str]) -> Iterator[Edit]:
    pending = [tree]
    while pending:
        node = pending.pop()
        pending += node.args
        if node.op == "name" and node.text in time:
            yield node.start, node.start + len(node.text), "time"
        elif node.op == "name" and node.text == "pi":
            yield node.start, node.start + len(node.text), repr(math.pi)
        elif node.op == "call":
            yield from _edits_of_call(node)
        elif node.op == "product" and "%" in node.text:
            raise _unknown("%")


def _edits_of_call(node: Node) -> Iterator[Edit]:
    name = _NAMED_OTHERWISE.get(node.text, node.text)
    if name not in FUNCTIONS and name.startswith("a"):
        name = f"arc{name[1:]}"
    if name not in FUNCTIONS:
        raise _unknown(node.text)
    more = len(node.args) - 2 if name in ("min", "max") else 0
    if more < 0:
        raise _unknown(f"{node.text} of a single value")
    # those of many values are nested, as PEtab has them of two
    yield node.start, node.start + len(node.text), f"{name}(" * more + name
    for argument in node.args[1:-1] if more else ():
        yield argument.end, argument.end, ")"


def _unknown(name: str) -> InputError:
    remedy = "write the formula as an assignment of the model, and its name here"
    return InputError.of(name, "is not a function of PEtab", remedy)
