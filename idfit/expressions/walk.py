"""Going through expressions without recursion, so that neither depth nor shared parts matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy


def bottom_up(expr: sympy.Basic) -> list[sympy.Basic]:
    """Every distinct part of an expression once, arguments before what contains them."""
    order: list[sympy.Basic] = []
    seen: set[sympy.Basic] = set()
    stack: list[tuple[sympy.Basic, bool]] = [(expr, False)]
    while stack:
        node, arguments_done = stack.pop()
        if arguments_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((argument, False) for argument in reversed(node.args))
    return order


def names_in(expr: sympy.Basic) -> frozenset[str]:
    """The names that an expression uses."""
    return frozenset(part.name for part in bottom_up(expr) if isinstance(part, sympy.Symbol))


def replaced(expr: Any, meanings: Mapping[str, sympy.Expr]) -> Any:
    """The expression with names replaced by what they mean, all at once."""
    return expr.xreplace({sympy.Symbol(name): meaning for name, meaning in meanings.items()})
