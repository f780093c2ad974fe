"""From a model's equations to the machine code and sparsity patterns that the integrator works with."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import sympy

from idfit.errors import InputError
from idfit.expressions import names_in
from idfit.model.codegen import Library, compile_functions, has_unusable_constant
from idfit.model.graph import Graph, Node, UnavailableFunction
from idfit.model.model import TIME_NAMES, Model, in_order_of_use
from idfit.model.sparse_code import sparse_functions
from idfit.model.switches import Switches, SwitchTime
from idfit.numerics.arguments import Z_HD, Z_STATES, Z_TIME
from idfit.numerics.sparse import eliminated_pattern, minimum_degree_order


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
class Action:
    """What an event or a dose computes from the states: so many values, each with the nonzero positions of
    its derivatives by states and by formal parameters. An event's last two values are its delay and its
    priority."""

    rows: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


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
    switch_jacobian: Pattern
    switch_parameter_jacobian: Pattern
    #: of the events of the model, then of the jumps that were asked for
    actions: tuple[Action, ...]
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
    model: Model,
    readouts: tuple[Readout, ...],
    formal: tuple[str, ...],
    varying: frozenset[str],
    jumps: tuple[tuple[sympy.Expr, ...], ...] = (),
) -> CompiledModel:
    """Derive and compile everything that a problem with these equations needs.

    formal : the names that stand for values from outside, in the order in which the engine passes them.
    varying : those whose values depend on estimated parameters somewhere; only for these are derivatives
    derived. jumps : groups of formulas of the states that doses need.

    Errors: `InputError` names a discontinuity that cannot be handled exactly, or a function without
    derivative.
    """
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
    # derivatives with respect to a constant would be computed in every step and never be used
    moving = [j for j, name in enumerate(formal) if name in varying]
    switches = Switches(graph, x, u, m, moving)
    f = switches.of_equations(f, model.states)
    events = [f"event {i + 1}" for i in range(len(model.events))]
    truths = switches.of_triggers(
        [_node(graph, e.when, names, f"condition of {w}") for e, w in zip(model.events, events, strict=True)],
        events,
    )
    done = [
        [_finite_node(graph, e, names, where) for e in (*(v for _, v in event.changes), *event.timing)]
        for event, where in zip(model.events, events, strict=True)
    ] + [[_finite_node(graph, e, names, "dose") for e in jump] for jump in jumps]

    order = _elimination_order(graph, f, x)
    for i, s in enumerate(order):
        graph.position[x[s]] = Z_STATES + i
        graph.position[stage[s]] = Z_STATES + n + m + 2 * k + i
    f = [f[s] for s in order]
    x = [x[s] for s in order]
    stage = [stage[s] for s in order]
    starts = _starting_values(graph, model, names)
    x0 = [starts[model.states[s]] for s in order]

    # a power's pole at a single time (x^1.5 at x = 0 has an infinite second derivative) must not stop the
    # integration
    graph.pole_free = sum(graph.depends[v] for v in (variable[Z_TIME], *x, *u))
    along_time = {variable[Z_TIME]: graph.constant(1.0)} | dict(zip(u, slopes, strict=True))
    f_t = graph.tangent(f, along_time)
    along_stage = graph.tangent(f, dict(zip(x, stage, strict=True)))
    second = [
        graph.add([(1.0, a), (1.0, graph.multiply([(variable[Z_HD], 1), (b, 1)]))])
        for a, b in zip(along_stage, f_t, strict=True)
    ]

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
    g = switches.functions
    blocks["switch_jacobian"] = graph.jacobian(g, x)
    blocks["switch_parameter_jacobian"] = by_parameters(g)
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
    if g:
        functions["switch"] = g
        functions["switch_derivative"] = [
            *g, *graph.tangent(g, along_time),
            *entries["switch_jacobian"], *entries["switch_parameter_jacobian"],
        ]  # fmt: skip
    if truths:
        functions["trigger"] = truths
    actions = []
    for i, values in enumerate(done):
        rows = list(zip(graph.jacobian(values, x), by_parameters(values), strict=True))
        slopes_in_time = graph.tangent(values, along_time)
        functions[f"action_{i}"] = values
        functions[f"action_derivative_{i}"] = [
            *values, *slopes_in_time, *(node for row in rows for part in row for _, node in part)
        ]  # fmt: skip
        actions.append(Action(tuple((tuple(c for c, _ in a), tuple(c for c, _ in b)) for a, b in rows)))
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
        actions=tuple(actions),
        readout_patterns=tuple(patterns),
        switch_times=tuple(switches.known.values()),
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


def _starting_values(graph: Graph, model: Model, names: Mapping[str, Node]) -> dict[str, Node]:
    """The initial value of each state; states and assignments in its formula mean what they are at the start.

    Errors: `InputError` for values that refer to each other in a circle.
    """
    initial = dict(zip(model.states, model.initial, strict=True))
    formulas = {**dict(model.assignments), **initial}
    found = {name: node for name, node in names.items() if name not in formulas}
    for root in initial:
        stack = [root]
        while stack:
            name = stack[-1]
            missing = sorted((names_in(formulas[name]) & formulas.keys()) - found.keys())
            if not missing:
                found[name] = _finite_node(graph, formulas[name], found, f"initial value of {root}")
                stack.pop()
            elif missing[0] in stack:
                circle = " -> ".join([*stack[stack.index(missing[0]) :], missing[0]])
                raise InputError.of(f"initial values {circle}", "refer to each other in a circle")
            else:
                stack.append(missing[0])
    return found


def _elimination_order(graph: Graph, f: Sequence[Node], x: Sequence[Node]) -> np.ndarray:
    coupled = np.array([[bool(graph.depends[a] & graph.depends[b]) for b in x] for a in f], dtype=bool)
    return minimum_degree_order(coupled.reshape(len(x), len(x)))


def _factor_rows(n: int, jacobian: Sequence[Sequence[int]]) -> list[list[int]]:
    coupled = np.zeros((n, n), dtype=bool)
    for i, row in enumerate(jacobian):
        coupled[i, list(row)] = True
    return [np.flatnonzero(row).tolist() for row in eliminated_pattern(coupled)]


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
