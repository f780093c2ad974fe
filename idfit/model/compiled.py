"""From a model's equations to the machine code and sparsity patterns that the integrator works with."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import sympy

from idfit.errors import InputError
from idfit.model.codegen import Library, compile_functions, has_unusable_constant
from idfit.model.graph import Graph, Node, UnavailableFunction
from idfit.model.model import TIME_NAMES, Model, in_order_of_use
from idfit.model.sparse_code import sparse_functions
from idfit.numerics.integrator import Z_HD, Z_SEGMENT, Z_STATES, Z_TIME
from idfit.numerics.sparse import eliminated_pattern, minimum_degree_order

_COMPARISONS = frozenset({"lt", "le", "eq", "ne"})
_JUMPS = _COMPARISONS | {"sign", "floor", "ceil"}
_KINKS = frozenset({"abs", "min", "max"})


@dataclass(frozen=True)
class Readout:
    """An observable with its noise: both formulas; `noise` None where the data give the standard
    deviation."""

    name: str
    formula: sympy.Expr
    noise: sympy.Expr | None = None


@dataclass(frozen=True)
class Pattern:
    """Nonzero entries of a matrix by rows: `column[pointer[i]:pointer[i+1]]` are the columns of row i."""

    pointer: np.ndarray
    column: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Pattern:
        pointer = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
        return cls(pointer, np.array([c for r in rows for c in r], dtype=np.int64))


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


@dataclass(frozen=True)
class CompiledModel:
    """Machine code of a model with its readouts. Owns the code: addresses are good while this object lives.

    Inside the engine states stand in an order that keeps the factorisation sparse: `order[i]` is the
    model's state at internal position i. Patterns and addresses use internal positions; formal parameters
    keep the model's order.
    """

    states: tuple[str, ...]
    order: np.ndarray
    formal: tuple[str, ...]
    inputs: tuple[str, ...]
    readouts: tuple[str, ...]
    jacobian: Pattern
    parameter_jacobian: Pattern
    second_jacobian: Pattern
    second_parameter_jacobian: Pattern
    initial_jacobian: Pattern
    factors: Pattern
    readout_patterns: tuple[tuple[tuple[int, ...], ...], ...]
    switch_times: tuple[SwitchTime, ...]
    library: Library = field(repr=False)

    def address(self, function: str) -> int:
        """Where a function lies; 0 for one that was not generated."""
        return self.library.address.get(function, 0)

    def evaluate(self, function: str, inputs: np.ndarray, n_outputs: int) -> np.ndarray:
        """Outputs (point, output) of a generated function; inputs : (point, variable), see `Z_STATES`."""
        inputs = np.ascontiguousarray(inputs, dtype=float)
        outputs = np.empty((len(inputs), n_outputs))
        run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(self.address(function))
        for row, out in zip(inputs, outputs, strict=True):
            run(out.ctypes.data, row.ctypes.data)
        return outputs


@functools.lru_cache(maxsize=64)
def compile_model(
    model: Model, readouts: tuple[Readout, ...], formal: tuple[str, ...], varying: frozenset[str]
) -> CompiledModel:
    """Derive and compile everything that a problem with these equations needs.

    formal : the names that stand for values from outside, in the order in which the engine passes them.
    varying : those whose values depend on estimated parameters somewhere; only for these are derivatives
    derived.

    Errors: `InputError` names a discontinuity that cannot be handled exactly, or a function without
    derivative.
    """
    if model.events:
        raise InputError.of("events", "are not available yet", "use doses at known times")
    n, m, k = len(model.states), len(formal), len(model.inputs)
    graph = Graph(Z_STATES + n + m + 2 * k + n)
    variable = graph.variables
    x = variable[Z_STATES : Z_STATES + n]
    p = variable[Z_STATES + n : Z_STATES + n + m]
    u = variable[Z_STATES + n + m : Z_STATES + n + m + k]
    slopes = variable[Z_STATES + n + m + k : Z_STATES + n + m + 2 * k]
    stage = variable[Z_STATES + n + m + 2 * k :]
    names = dict.fromkeys(TIME_NAMES, variable[Z_TIME])
    names |= dict(zip([*model.states, *formal, *model.inputs], [*x, *p, *u], strict=True))
    for name, expression in model.assignments:
        names[name] = _node(graph, expression, names, f"assignment {name}")
    f = [_finite_node(graph, e, names, f"ode of {s}") for s, e in zip(model.states, model.odes, strict=True)]
    switch_times, kinks = _switch_times(graph, model, f, x, u)
    f = graph.replaced(f, variable[Z_TIME], variable[Z_SEGMENT], _JUMPS, kinks)

    order = _elimination_order(graph, f, x)
    for i, s in enumerate(order):
        graph.position[x[s]] = Z_STATES + i
        graph.position[stage[s]] = Z_STATES + n + m + 2 * k + i
    f = [f[s] for s in order]
    x = [x[s] for s in order]
    stage = [stage[s] for s in order]
    x0 = [_finite_node(graph, model.initial[s], names, f"initial value of {model.states[s]}") for s in order]

    # a power's pole at a single time (x^1.5 at x = 0 has an infinite second derivative) must not stop the
    # integration
    graph.pole_free = sum(graph.depends[v] for v in (variable[Z_TIME], *x, *u))
    f_t = graph.tangent(f, {variable[Z_TIME]: graph.constant(1.0)} | dict(zip(u, slopes, strict=True)))
    along_stage = graph.tangent(f, dict(zip(x, stage, strict=True)))
    second = [
        graph.add([(1.0, a), (1.0, graph.multiply([(variable[Z_HD], 1), (b, 1)]))])
        for a, b in zip(along_stage, f_t, strict=True)
    ]
    # derivatives with respect to a constant would be computed in every step and never be used
    moving = [j for j, name in enumerate(formal) if name in varying]

    def by_parameters(roots: Sequence[Node]) -> list[list[tuple[int, Node]]]:
        rows = graph.jacobian(roots, [p[j] for j in moving])
        return [[(moving[c], node) for c, node in row] for row in rows]

    blocks = {
        "jacobian": graph.jacobian(f, x),
        "parameter_jacobian": by_parameters(f),
        "second_jacobian": graph.jacobian(second, x),
        "second_parameter_jacobian": by_parameters(second),
    }
    graph.pole_free = 0
    blocks["initial_jacobian"] = by_parameters(x0)
    entries = {name: [node for row in rows for _, node in row] for name, rows in blocks.items()}
    functions: dict[str, list[Node]] = {
        "rhs": f,
        "jacobian": entries["jacobian"] + f_t,
        "stage": entries["jacobian"] + entries["parameter_jacobian"],
        "tangent": entries["second_jacobian"] + entries["second_parameter_jacobian"],
        "initial": x0,
        "initial_sensitivity": entries["initial_jacobian"],
    }
    observed: dict[str, Node] = {}
    for name, expression in in_order_of_use(dict(model.observables)):
        observed[name] = _node(graph, expression, observed | names, f"observable {name}")
    patterns = []
    for i, readout in enumerate(readouts):
        y = _finite_node(graph, readout.formula, observed | names, f"observable {readout.name}")
        # a noise formula may speak of observables by name
        known = observed | {readout.name: y} | names
        noise = graph.constant(1.0)
        if readout.noise is not None:
            noise = _finite_node(graph, readout.noise, known, f"noise of {readout.name}")
        rows = [row for node in (y, noise) for row in (graph.jacobian([node], x), by_parameters([node]))]
        functions[f"value_{i}"] = [y, noise]
        functions[f"derivative_{i}"] = [y, noise, *(node for row in rows for _, node in row[0])]
        patterns.append(tuple(tuple(c for c, _ in row[0]) for row in rows))
    columns = {name: [[c for c, _ in row] for row in rows] for name, rows in blocks.items()}
    pattern = {name: Pattern.of(rows) for name, rows in columns.items()}
    factors = _factor_rows(n, columns["jacobian"])
    written, declared = sparse_functions(columns["jacobian"], columns["second_jacobian"], factors)
    return CompiledModel(
        states=model.states,
        order=order,
        formal=formal,
        inputs=model.inputs,
        readouts=tuple(r.name for r in readouts),
        factors=Pattern.of(factors),
        readout_patterns=tuple(patterns),
        switch_times=switch_times,
        library=compile_functions(graph, functions, written, declared),
        **pattern,
    )


def _node(graph: Graph, expression: sympy.Expr, names: Mapping[str, Node], where: str) -> Node:
    """The node of a formula. Errors: `InputError` says where a function stands that has no place in a
    model."""
    try:
        return graph.add_expression(expression, names)
    except UnavailableFunction as error:
        raise InputError.of(
            where, f"{error} is not available in a model", "write it with elementary functions"
        ) from None


def _finite_node(graph: Graph, expression: sympy.Expr, names: Mapping[str, Node], where: str) -> Node:
    node = _node(graph, expression, names, where)
    if has_unusable_constant(graph, [node]):
        raise InputError.of(where, "divides by zero or has no finite value", "mend the formula")
    return node


def _elimination_order(graph: Graph, f: Sequence[Node], x: Sequence[Node]) -> np.ndarray:
    coupled = np.array([[bool(graph.depends[a] & graph.depends[b]) for b in x] for a in f], dtype=bool)
    return minimum_degree_order(coupled.reshape(len(x), len(x)))


def _factor_rows(n: int, jacobian: Sequence[Sequence[int]]) -> list[list[int]]:
    coupled = np.zeros((n, n), dtype=bool)
    for i, row in enumerate(jacobian):
        coupled[i, list(row)] = True
    return [np.flatnonzero(row).tolist() for row in eliminated_pattern(coupled)]


def _switch_times(
    graph: Graph, model: Model, f: Sequence[Node], x: Sequence[Node], u: Sequence[Node]
) -> tuple[tuple[SwitchTime, ...], frozenset[Node]]:
    """The times at which conditions of the right-hand sides change; refuses what has no known time.

    Also the kinks (abs, min, max) whose time is a number, so that integration stops there in every problem.
    """
    time = graph.variables[Z_TIME]
    x_bits = sum(graph.depends[v] for v in x)
    u_bits = sum(graph.depends[v] for v in u)
    found: dict[tuple[Node, Node], SwitchTime] = {}
    kinks: set[Node] = set()
    for state, root in zip(model.states, f, strict=True):
        for node in graph.below([root]):
            kind, data = graph.kind[node], graph.data[node]
            depends = graph.depends[node]
            moving = depends & (x_bits | u_bits | graph.depends[time])
            if kind not in _JUMPS | _KINKS or not moving:
                continue
            where = f"ode of {state}"
            if kind in ("floor", "ceil"):
                raise InputError.of(
                    where,
                    "floor, ceil and mod of states or time jump without end",
                    "write the known jumps as doses",
                )
            if kind in _JUMPS and depends & (x_bits | u_bits):
                what = "a sign()" if kind == "sign" else "a piecewise condition"
                raise InputError.of(
                    where,
                    f"{what} that depends on a state or a sampled input is a discontinuity at an unknown "
                    "time, which is not available yet",
                    "write it without the jump: v*abs(v) for sign(v)*v^2, min() or max() for limits",
                )
            if depends & (x_bits | u_bits):
                continue  # a kink at an unknown time: continuous, so the error control sees to it
            value = data[0] if kind in ("sign", "abs") else graph.add([(1.0, data[0]), (-1.0, data[1])])
            (slope,) = graph.tangent([value], {time: graph.constant(1.0)})
            if graph.depends[slope] & graph.depends[time]:
                if kind in _KINKS:
                    continue
                raise InputError.of(
                    where,
                    "a condition on time has to be linear in time",
                    "compare t itself with a number or parameter",
                )
            parameters = [
                j
                for j in range(len(graph.variables) - Z_STATES - len(x))
                if (graph.depends[value] | graph.depends[slope]) >> (Z_STATES + len(x) + j) & 1
            ]
            if kind in _KINKS and not parameters:
                kinks.add(node)
            before = found.get((value, slope))
            jump = kind in _JUMPS or (before is not None and before.jump)
            found[value, slope] = SwitchTime(tuple(parameters), jump, graph, value, slope)
    return tuple(found.values()), frozenset(kinks)


@dataclass(frozen=True)
class CompiledFormulas:
    """Formulas of estimated parameters (ties, values set by conditions): values and sparse derivatives."""

    jacobian: Pattern
    library: Library | None = field(repr=False)

    def address(self, function: str) -> int:
        return self.library.address[function] if self.library else 0


@functools.lru_cache(maxsize=64)
def compile_formulas(formulas: tuple[sympy.Expr, ...], names: tuple[str, ...]) -> CompiledFormulas:
    """Compile formulas of the named values and their derivatives."""
    if not formulas:
        return CompiledFormulas(Pattern.of([]), None)
    graph = Graph(len(names))
    known = dict(zip(names, graph.variables, strict=True))
    nodes = [_finite_node(graph, e, known, f"formula {str(e)[:60]}") for e in formulas]
    rows = graph.jacobian(nodes, graph.variables)
    functions = {"value": nodes, "derivative": [node for row in rows for _, node in row]}
    return CompiledFormulas(
        Pattern.of([[c for c, _ in row] for row in rows]), compile_functions(graph, functions)
    )
