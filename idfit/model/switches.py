"""Discontinuities of the equations: which of them are at known times, and which have to be looked for.

A condition in a right-hand side is decided before a step and kept during it, so that every step sees smooth
equations. Conditions on the time alone are decided at the middle of a segment between known times. Every
other one becomes a *switch*: a function g(t, x, p, u) whose sign, the *side*, enters the equations as a
variable of its own; integration stops at the roots of g and the side changes there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from idfit.errors import InputError
from idfit.model.graph import Graph, Node
from idfit.numerics.arguments import Z_SEGMENT, Z_STATES, Z_TIME

_COMPARISONS = frozenset({"lt", "le", "eq", "ne"})
JUMPS = _COMPARISONS | {"sign", "floor", "ceil"}
_KINKS = frozenset({"abs", "min", "max"})
_BOOLEAN = _COMPARISONS | {"and", "or", "not"}


@dataclass(frozen=True)
class SwitchTime:
    """A known time at which the right-hand side jumps or bends: linear in t, so t* = -value(0)/slope.

    `parameters` are the positions of the formal parameters it depends on; `jump` is False for a mere kink.
    """

    parameters: tuple[int, ...]
    jump: bool
    _graph: Graph = field(repr=False)
    _value: Node
    _slope: Node

    def at(self, values: Mapping[int, float], n_states: int) -> float | None:
        """The time for given values of the formal parameters, None if the condition does not change in
        time."""
        numbers = {Z_TIME: 0.0, Z_SEGMENT: 0.0} | {Z_STATES + n_states + j: v for j, v in values.items()}
        slope = self._graph.evaluate(self._slope, numbers)
        return None if slope == 0.0 else -self._graph.evaluate(self._value, numbers) / slope


class Switches:
    """Finds the conditions of formulas and rewrites the formulas accordingly.

    moving : variables that change while a step is taken (bit masks of the states, the inputs and the time);
    varying : positions of the formal parameters whose values are estimated somewhere.
    """

    def __init__(
        self, graph: Graph, x: Sequence[Node], u: Sequence[Node], n_formal: int, varying: Collection[int]
    ):
        self.graph = graph
        self.time = graph.variables[Z_TIME]
        self.unknown = sum(graph.depends[v] for v in (*x, *u))
        self.moving = self.unknown | graph.depends[self.time]
        first = Z_STATES + len(x)
        self.formal_bits = {j: 1 << (first + j) for j in range(n_formal)}
        self.varying = sum(1 << (first + j) for j in varying)
        self.functions: list[Node] = []
        self.sides: list[Node] = []
        self.known: dict[tuple[Node, Node], SwitchTime] = {}
        self.kinks: set[Node] = set()
        self._decided: dict[Node, Node] = {}

    def of_equations(self, roots: Sequence[Node], names: Sequence[str]) -> list[Node]:
        """Right-hand sides in which every condition is decided by sides or at the middle of the segment.

        Errors: `InputError` for floor, ceil and mod, which jump without end.
        """
        for name, root in zip(names, roots, strict=True):
            self._decide(root, f"ode of {name}", known_times=True)
        return self._rewritten(roots)

    def of_triggers(self, conditions: Sequence[Node], names: Sequence[str]) -> list[Node]:
        """Conditions of events, as truth values that depend on sides and parameters alone."""
        truths = [self._truth(node) for node in conditions]
        for name, truth in zip(names, truths, strict=True):
            self._decide(truth, f"condition of {name}", known_times=False)
        return self._rewritten(truths)

    def _truth(self, node: Node) -> Node:
        graph = self.graph
        if graph.kind[node] == "select":
            condition, yes, no = graph.data[node]
            if graph.value(yes) == 1.0 and graph.value(no) == 0.0 and graph.kind[condition] in _BOOLEAN:
                return condition
        return node if graph.kind[node] in _BOOLEAN else graph.binary("ne", node, graph.constant(0.0))

    def _rewritten(self, roots: Sequence[Node]) -> list[Node]:
        decided = self.graph.substituted(roots, self._decided)
        kinks = frozenset(self.graph.substituted(sorted(self.kinks), self._decided))
        segment = self.graph.variables[Z_SEGMENT]
        return self.graph.replaced(decided, self.time, segment, JUMPS, kinks)

    def _decide(self, root: Node, where: str, *, known_times: bool) -> None:
        graph = self.graph
        for node in graph.below([root]):
            kind = graph.kind[node]
            if kind not in JUMPS | _KINKS or not graph.depends[node] & self.moving or node in self._decided:
                continue
            if kind in ("floor", "ceil"):
                raise InputError.of(
                    where,
                    "floor, ceil and mod of states or time jump without end",
                    "write the known jumps as doses",
                )
            if kind in _KINKS and graph.depends[node] & self.unknown:
                continue  # continuous, at an unknown time: the error control sees to it
            is_known = self._note_known_time(node)
            if kind in JUMPS and not (is_known and known_times):
                self._decided[node] = self._by_side(node)

    def _difference(self, node: Node) -> Node:
        kind, data = self.graph.kind[node], self.graph.data[node]
        if kind in ("sign", "abs"):
            return data[0]
        return self.graph.add([(1.0, data[0]), (-1.0, data[1])])

    def _note_known_time(self, node: Node) -> bool:
        """Whether a condition changes at a time that parameters known in advance give."""
        graph = self.graph
        if graph.depends[node] & self.unknown:
            return False
        value = self._difference(node)
        (slope,) = graph.tangent([value], {self.time: graph.constant(1.0)})
        depends = graph.depends[value] | graph.depends[slope]
        jumps = graph.kind[node] in JUMPS
        if graph.depends[slope] & graph.depends[self.time] or (jumps and depends & self.varying):
            return False
        parameters = tuple(j for j, bit in self.formal_bits.items() if depends & bit)
        if not jumps and not parameters:
            self.kinks.add(node)
        before = self.known.get((value, slope))
        jump = jumps or (before is not None and before.jump)
        self.known[value, slope] = SwitchTime(parameters, jump, graph, value, slope)
        return True

    def _by_side(self, node: Node) -> Node:
        """The condition in terms of the side of a − b: a < b where that is negative, and so on."""
        graph = self.graph
        (g,) = graph.substituted([self._difference(node)], self._decided)
        (g,) = graph.replaced([g], self.time, graph.variables[Z_SEGMENT], JUMPS)
        opposite = graph.scale(-1.0, g)
        if g in self.functions:
            side = self.sides[self.functions.index(g)]
        elif opposite in self.functions:
            side = graph.scale(-1.0, self.sides[self.functions.index(opposite)])
        else:
            self.functions.append(g)
            side = graph.new_variable()
            self.sides.append(side)
        kind = graph.kind[node]
        return side if kind == "sign" else graph.binary(kind, side, graph.constant(0.0))
