"""Generated functions and their derivatives against mpmath and against differences in high precision."""

from __future__ import annotations

import gc
import itertools
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from idfit.errors import InputError
from idfit.expressions import parse
from idfit.model import Model, Readout, compile_formulas, compile_model
from idfit.model.codegen import _parts
from idfit.model.graph import Graph
from idfit.numerics.arguments import Z_HD, Z_SEGMENT, Z_STATES, Z_TIME

STATES, PARAMETERS = ("x", "y"), ("k", "n")


def compiled(*formulas: str):
    """A model whose right-hand sides are the formulas (one or two)."""
    odes = dict(zip(STATES, (*formulas, "0")[:2], strict=True))
    model = Model.from_equations(odes, {"o": formulas[0]}, PARAMETERS, {"x": "k*n", "y": "n^2"})
    return compile_model(
        model, (Readout("o", model.observables[0][1], parse("k^2 + o")),), PARAMETERS, frozenset(PARAMETERS)
    )


def inputs(code, x, p, t=0.7, hd=0.0, stage=(0.0, 0.0)) -> np.ndarray:
    z = np.zeros((1, Z_STATES + 2 * len(x) + len(p)))
    z[0, Z_TIME], z[0, Z_SEGMENT], z[0, Z_HD] = t, t, hd
    z[0, Z_STATES : Z_STATES + len(x)] = np.asarray(x, dtype=float)[code.order]
    z[0, Z_STATES + len(x) : Z_STATES + len(x) + len(p)] = p
    z[0, Z_STATES + len(x) + len(p) :] = np.asarray(stage, dtype=float)[code.order]
    return z


def dense(pattern, entries, order_rows, order_columns=None) -> np.ndarray:
    n_columns = len(order_columns) if order_columns is not None else len(PARAMETERS)
    matrix = np.zeros((len(order_rows), n_columns))
    for i, row in enumerate(order_rows):
        for e in range(pattern.pointer[i], pattern.pointer[i + 1]):
            c = pattern.column[e]
            matrix[row, order_columns[c] if order_columns is not None else c] = entries[e]
    return matrix


def blocks(code, x, p, t=0.7, hd=0.3, stage=(0.4, -1.1)) -> dict[str, np.ndarray]:
    """Right-hand side, df/dx, df/dp, df/dt and the two second blocks, in the model's order of states."""
    z, order = inputs(code, x, p, t, hd, stage), code.order
    n_j, n_p = len(code.jacobian.column), len(code.parameter_jacobian.column)
    n_m, n_n = len(code.second_jacobian.column), len(code.second_parameter_jacobian.column)
    stage_out = code.evaluate("stage", z, n_j + n_p)[0]
    jacobian_out = code.evaluate("jacobian", z, n_j + len(order))[0]
    tangent = code.evaluate("tangent", z, n_m + n_n)[0]
    np.testing.assert_array_equal(stage_out[:n_j], jacobian_out[:n_j])
    rhs, f_t = np.empty(len(order)), np.empty(len(order))
    rhs[order], f_t[order] = code.evaluate("rhs", z, len(order))[0], jacobian_out[n_j:]
    return {
        "rhs": rhs,
        "f_t": f_t,
        "x": dense(code.jacobian, stage_out[:n_j], order, order),
        "p": dense(code.parameter_jacobian, stage_out[n_j:], order),
        "xx": dense(code.second_jacobian, tangent[:n_m], order, order),
        "xp": dense(code.second_parameter_jacobian, tangent[n_m:], order),
    }


def exact_blocks(formulas, x, p, t=0.7, hd=0.3, stage=(0.4, -1.1)) -> dict[str, np.ndarray]:
    """The same by sympy's derivatives, evaluated with 40 digits."""
    symbols = sympy.symbols("x y k n t")
    f = [parse(e) for e in (*formulas, "0")[:2]]
    point = dict(zip(symbols, [*x, *p, t], strict=True))

    def number(e) -> float:
        return float(sympy.N(e.doit().subs(point), 40))

    xs, ps = symbols[:2], symbols[2:4]
    second = [
        sum(sympy.diff(e, v) * u for v, u in zip(xs, stage, strict=True)) + hd * sympy.diff(e, symbols[4])
        for e in f
    ]
    return {
        "rhs": np.array([number(e) for e in f]),
        "f_t": np.array([number(sympy.diff(e, symbols[4])) for e in f]),
        "x": np.array([[number(sympy.diff(e, v)) for v in xs] for e in f]),
        "p": np.array([[number(sympy.diff(e, v)) for v in ps] for e in f]),
        "xx": np.array([[number(sympy.diff(e, v)) for v in xs] for e in second]),
        "xp": np.array([[number(sympy.diff(e, v)) for v in ps] for e in second]),
    }


def compare(formulas, x, p, **more) -> None:
    found, exact = blocks(compiled(*formulas), x, p, **more), exact_blocks(formulas, x, p, **more)
    for name, expected in exact.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, atol=1e-13, err_msg=name)


SMOOTH = [
    ("k*x/(n + x) - y^2", "x*y*exp(-k*t)"),
    ("sin(k*x)*cos(n*y)", "tan(x/4) + t*y"),
    ("asin(x/3) + acos(y/5)", "atan(k*x) - sinh(y/3)"),
    ("cosh(x/2) + tanh(n*y)", "asinh(x*y) + acosh(2 + x^2)"),
    ("atanh(x/4)", "erf(k*x - y)"),
    ("log(x + y)/sqrt(k)", "log10(n*x)*log2(y)"),
    ("x^n/(k^n + x^n)", "k*x^(-n) + y^1.5*x^(-2.5)"),
    ("(x + k*y)^(n*t)", "sqrt(x*y + t) - (x/y)^3.7"),
    ("x*x^2*x^(-3)*k + (k*x)^2*y^-3", "1e3*(x - y)/(1e-3*k)"),
    ("exp(-x^2)*erf(y)", "x^64 / 2^60 + (x/5)^70"),
]


@pytest.mark.parametrize("formulas", SMOOTH)
def test_values_first_and_second_derivatives(formulas):
    rng = np.random.default_rng(11)
    for _ in range(3):
        compare(
            formulas,
            rng.uniform(0.3, 1.6, 2),
            rng.uniform(0.5, 2.5, 2),
            stage=rng.normal(size=2),
            hd=rng.normal(),
        )


_LEAVES = st.sampled_from(["x", "y", "k", "n", "t", "2", "0.5", "3.25"])


def _combined(children):
    two = st.tuples(children, children)
    return st.one_of(
        two.map(lambda ab: f"({ab[0]} + {ab[1]})"),
        two.map(lambda ab: f"({ab[0]} - {ab[1]})"),
        two.map(lambda ab: f"({ab[0]})*({ab[1]})"),
        two.map(lambda ab: f"({ab[0]})/(1 + ({ab[1]})^2)"),
        two.map(lambda ab: f"(1 + ({ab[0]})^2)^(({ab[1]})/4)"),
        children.map(lambda a: f"exp(-({a})^2)"),
        children.map(lambda a: f"sin({a})"),
        children.map(lambda a: f"tanh({a})"),
        children.map(lambda a: f"sqrt(2 + ({a})^2)"),
        children.map(lambda a: f"log(3 + ({a})^2)"),
    )


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.recursive(_LEAVES, _combined, max_leaves=8), st.integers(0, 10_000))
def test_random_formulas(formula, seed):
    rng = np.random.default_rng(seed)
    x, p = rng.uniform(-1.5, 1.5, 2), rng.uniform(0.3, 2, 2)
    found, exact = blocks(compiled(formula), x, p), exact_blocks((formula,), x, p)
    for name, expected in exact.items():
        scale = max(1.0, float(np.abs(expected).max()))
        if scale < 1e8:
            np.testing.assert_allclose(
                found[name], expected, rtol=1e-9, atol=1e-10 * scale, err_msg=f"{name} of {formula}"
            )


# what is not smooth -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", [(0.4, 1.7), (-2.3, 0.6), (1.5, -0.2), (-0.4, -3.8)])
def test_pieces_have_the_derivative_of_their_branch(point):
    x, y = point
    observables = {
        "abs": ("abs(x)", abs(x), math.copysign(1, x), 0),
        "min": ("min(x, y, 1)", min(x, y, 1), float(x < min(y, 1)), float(y < min(x, 1))),
        "max": ("max(x, k*y)", max(x, 2 * y), float(x > 2 * y), 2.0 * (2 * y > x)),
        "sign": ("sign(x)*y", math.copysign(1, x) * y, 0, math.copysign(1, x)),
        "floor": ("floor(x)*y", math.floor(x) * y, 0, math.floor(x)),
        "ceil": ("ceil(x)*y", math.ceil(x) * y, 0, math.ceil(x)),
        "mod": ("mod(x, 1.5)", x % 1.5, 1, 0),
        "modulus": (
            "mod(2.75, abs(y) + 0.1)",
            2.75 % (abs(y) + 0.1),
            0,
            -(2.75 // (abs(y) + 0.1)) * math.copysign(1, y),
        ),
        "percent": ("x % 1.5", math.fmod(x, 1.5), 1, 0),
        "piecewise": (
            "piecewise(x^2, x < 0 && y > 0, y^2, x < 0, x*y)",
            x**2 if x < 0 < y else y**2 if x < 0 else x * y,
            2 * x if x < 0 < y else 0 if x < 0 else y,
            0 if x < 0 < y else 2 * y if x < 0 else x,
        ),
        "logic": (
            "piecewise(x, !(x <= 0.4) || y == 1.7, y)",
            x if x > 0.4 or y == 1.7 else y,
            float(x > 0.4 or y == 1.7),
            float(not (x > 0.4 or y == 1.7)),
        ),
    }
    model = Model.from_equations({"x": "0", "y": "0"}, {k: v[0] for k, v in observables.items()}, ["k"])
    code = compile_model(model, tuple(Readout(k, e) for k, e in model.observables), ("k",), frozenset("k"))
    z = np.zeros((1, Z_STATES + 5))
    z[0, Z_STATES : Z_STATES + 2], z[0, Z_STATES + 2] = np.array([x, y])[code.order], 2.0
    for i, (name, (_, value, d_x, d_y)) in enumerate(observables.items()):
        columns = code.readout_patterns[i][0]
        out = code.evaluate(f"derivative_{i}", z, 2 + len(columns) + 8)[0]
        gradient = np.zeros(2)
        gradient[code.order[list(columns)]] = out[2 : 2 + len(columns)]
        assert out[0] == pytest.approx(value, rel=1e-14), name
        assert out[1] == 1.0
        np.testing.assert_allclose(gradient, [d_x, d_y], rtol=1e-14, err_msg=name)
        assert code.evaluate(f"value_{i}", z, 2)[0, 0] == out[0]


@pytest.mark.parametrize("n", [1.0, 1.5, 2.0, 3.0, 0.5])
def test_hill_terms_at_zero_have_no_holes(n):
    """k x^n/(y^n + x^n) at x = 0: value 0, d/dn = 0, and every derivative that the tangents use is a
    number."""
    code = compiled("k*x^n/(y^n + x^n)")
    found = blocks(code, (0.0, 2.0), (3.0, n))
    assert found["rhs"][0] == 0
    assert found["p"][0, 1] == 0
    assert all(np.isfinite(block).all() for block in found.values())
    slope = {1.0: 3.0 / 2.0}.get(n, 0.0)
    np.testing.assert_allclose(found["x"][0], [slope, 0.0])
    # U d2f/dx2 with U = (0.4, -1.1) at x = 0: the limit for n = 1, 2, 3
    if n in (1.0, 2.0, 3.0):
        curvature = {1.0: -2 * 3.0 / 4.0, 2.0: 2 * 3.0 / 4.0, 3.0: 0.0}[n]
        mixed = {1.0: -3.0 / 4.0}.get(n, 0.0)
        np.testing.assert_allclose(found["xx"][0], [0.4 * curvature - 1.1 * mixed, 0.4 * mixed], rtol=1e-13)


@pytest.mark.parametrize("power", ["0.5", "1.5", "2.5", "n"])
def test_powers_at_zero(power):
    found = blocks(compiled(f"k*x^{power}"), (0.0, 1.0), (3.0, 1.5))
    assert found["rhs"][0] == 0
    assert all(np.isfinite(block).all() for block in found.values())
    assert not found["p"][0].any()


def test_a_pole_of_the_formula_itself_stays_one():
    for formula in ("k/x", "k*x^(-0.5)", "k*x^(-n)", "log(x)"):
        assert math.isinf(blocks(compiled(formula), (0.0, 1.0), (3.0, 1.5))["rhs"][0]), formula
    # and a parameter at 0 is no single time to be passed over
    assert math.isinf(blocks(compiled("sqrt(k)*x"), (1.0, 1.0), (0.0, 1.5))["p"][0, 0])


def test_negative_bases_of_broken_powers_are_not_numbers():
    for power in ("0.5", "2.5", "n"):
        assert math.isnan(blocks(compiled(f"x^{power}"), (-1.0, 1.0), (3.0, 1.5))["rhs"][0])
    assert blocks(compiled("x^3"), (-2.0, 1.0), (3.0, 1.5))["rhs"][0] == -8


# names, refusals, owners ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        (sympy.gamma(sympy.Symbol("x")), "gamma(x)"),
        (sympy.besselj(1, sympy.Symbol("x")), "besselj(1, x)"),
        (sympy.I * sympy.Symbol("x"), "I"),
        (sympy.Function("f")(sympy.Symbol("x")), "f(x)"),
        (sympy.Symbol("x") * sympy.zoo, "zoo"),
    ],
)
def test_functions_without_a_place_are_refused_by_name(expression, name):
    for model, where in (
        (Model(states=("x",), odes=(expression,), initial=(sympy.Integer(0),)), "ode of x"),
        (
            Model(
                states=("x",),
                odes=(sympy.Integer(0),),
                initial=(sympy.Integer(0),),
                observables=(("o", expression),),
            ),
            "o",
        ),
    ):
        with pytest.raises(InputError) as raised:
            compile_model(model, tuple(Readout(*o) for o in model.observables), (), frozenset())
        assert name in str(raised.value)
        assert where in str(raised.value)


@pytest.mark.parametrize("function", ["gamma(x)", "loggamma(x)", "besselj(1, x)"])
def test_unknown_functions_in_text_are_refused_by_name(function):
    with pytest.raises(InputError, match=function.split("(")[0]):
        Model.from_equations({"x": function}, {"o": "x"}, [])


def test_names_of_sympy_and_python_are_only_names():
    """gamma, lambda, S, I, N, E, beta, zeta and x0 ... x9 beside each other: d'/dt of each is another one."""
    names = [
        *(f"x{i}" for i in range(10)),
        "lambda",
        "S",
        "I",
        "N",
        "E",
        "time2",
        "gamma",
        "beta",
        "Q",
        "zoo",
        "oo",
        "nan_",
    ]
    odes = {
        name: f"{following}*{i + 1} - {name}"
        for i, (name, following) in enumerate(zip(names, names[1:] + names[:1], strict=True))
    }
    model = Model.from_equations(odes, {"o": " + ".join(f"{2**i}*{n}" for i, n in enumerate(names))}, [])
    code = compile_model(model, (Readout("o", model.observables[0][1]),), (), frozenset())
    n = len(names)
    x = np.random.default_rng(5).normal(size=n)
    z = np.zeros((1, Z_STATES + 2 * n))
    z[0, Z_STATES : Z_STATES + n] = x[code.order]
    rhs = np.empty(n)
    rhs[code.order] = code.evaluate("rhs", z, n)[0]
    np.testing.assert_allclose(rhs, np.roll(x, -1) * np.arange(1, n + 1) - x, rtol=1e-14)
    assert code.evaluate("value_0", z, 2)[0, 0] == pytest.approx(float(x @ 2.0 ** np.arange(n)), rel=1e-12)


def test_a_name_for_the_time_may_be_declared():
    model = Model.from_equations({"t": "time - t"}, {"o": "t + 10*time"}, [])
    code = compile_model(model, (Readout("o", model.observables[0][1]),), (), frozenset())
    z = np.array([[3.0, 3.0, 0.0, 5.0, 0.0]])
    assert code.evaluate("rhs", z, 1)[0, 0] == -2.0
    assert code.evaluate("value_0", z, 2)[0, 0] == 35.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (({"x": "-pi*x"}, {}, ["pi"]), ("pi", "number")),
        (({"x": "-k*x"}, {}, ["k", "x"]), ("x", "twice")),
        (({"x": "-k*x"}, {}, []), ("k", "not declared")),
        (({"x": "-k*x"}, {"o": "x + z"}, ["k"]), ("'z' in observable o", "not declared")),
        (({"x y": "1"}, {}, []), ("x y", "name")),
    ],
)
def test_models_that_cannot_mean_what_they_say(arguments, words):
    with pytest.raises(InputError) as raised:
        Model.from_equations(*arguments)
    for word in words:
        assert word in str(raised.value)


def test_cycles_of_assignments_and_observables_are_shown():
    for extra in ({"assignments": {"a": "b", "b": "2*a"}},):
        with pytest.raises(InputError, match="a -> b -> a"):
            Model.from_equations({"x": "a"}, {}, [], **extra)


def test_observables_may_use_each_other_in_any_order():
    model = Model.from_equations({"x": "-k*x"}, {"double": "2*single", "single": "k*x"}, ["k"])
    code = compile_model(model, tuple(Readout(*o) for o in model.observables), ("k",), frozenset("k"))
    z = np.array([[0, 0, 0, 3.0, 5.0, 0]])
    assert code.evaluate("value_0", z, 2)[0, 0] == 30.0
    assert list(code.evaluate("derivative_0", z, 4)[0]) == [30.0, 1.0, 10.0, 6.0]


def test_order_2_blocks_of_inputs_use_their_slopes():
    """f = k u^2: df/dt = 2 k u u'."""
    model = Model.from_equations({"x": "k*u^2"}, {}, ["k"], inputs=["u"])
    code = compile_model(model, (), ("k",), frozenset("k"))
    z = np.array([[0, 0, 0, 1.0, 3.0, 0.5, -2.0, 0]])  # t, segment, h d, x, k, u, u', stage
    assert code.evaluate("jacobian", z, 1)[0, 0] == 2 * 3.0 * 0.5 * -2.0


def test_formulas_of_parameters():
    code = compile_formulas((parse("2*a*b"), parse("exp(b)")), ("a", "b", "c"))
    assert code.jacobian.pointer.tolist() == [0, 2, 3]
    assert code.jacobian.column.tolist() == [0, 1, 1]


def test_cached_code_gives_the_same_numbers(monkeypatch, tmp_path):
    from idfit.model import codegen

    monkeypatch.setattr(codegen, "cache_directory", lambda: tmp_path)
    formulas = ("k*x/(n + x) - y^2.5", "x*y*exp(-k*t)*tanh(x)")
    results = []
    for expected in (False, True, False):
        compile_model.cache_clear()
        code = compiled(*formulas)
        assert code.library.cached is expected
        results.append(blocks(code, (0.3, 1.2), (0.8, 2.1)))
        if expected:  # a damaged file is compiled anew, not trusted
            (file,) = (tmp_path / "models").glob("*.o")
            file.write_bytes(b"not an object file")
    for name in results[0]:
        assert results[0][name].tobytes() == results[1][name].tobytes() == results[2][name].tobytes()


def test_code_lives_as_long_as_what_uses_it():
    """Only the objective is kept; other models are compiled and dropped meanwhile."""
    from tests.problems import exponential_decay

    oracle = exponential_decay()
    objective, theta = oracle.problem.objective(), oracle.problem.parameters.nominal_scaled
    before = objective(theta, 2)
    del oracle
    for i in range(5):
        compile_model.cache_clear()
        compile_formulas.cache_clear()
        compiled(f"x + {i}*y*k")
        gc.collect()
    after = objective(theta, 2)
    assert before.objective == after.objective
    assert before.hessian.tobytes() == after.hessian.tobytes()


def test_the_same_model_compiles_to_the_same_code_in_every_process():
    """Names reach generated code through their order only, and that never depends on hashes."""
    program = (
        "from tests.problems import bolus, driven\n"
        "for o in (bolus(), driven('linear')):\n"
        "    print(o.problem.model, o.problem.resolution.formal, o.problem.resolution.outer)\n"
    )
    root = Path(__file__).resolve().parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_a_network_of_a_hundred_states_compiles_in_seconds():
    rng = np.random.default_rng(1)
    n, m = 100, 250
    odes = {f"s{i}": [] for i in range(n)}
    for r in range(m):
        a, b, c = rng.choice(n, 3, replace=False)
        for state, sign in ((a, "-"), (b, "-"), (c, "+")):
            odes[f"s{state}"].append(f"{sign} k{r}*s{a}*s{b}")
    formulas = {s: " ".join(terms) or "0" for s, terms in odes.items()}
    formulas = {s: f.removeprefix("+ ") for s, f in formulas.items()}
    model = Model.from_equations(formulas, {"o": "s0"}, [f"k{r}" for r in range(m)])
    begin = time.process_time()
    code = compile_model(
        model, (Readout("o", model.observables[0][1]),), model.parameters, frozenset(model.parameters)
    )
    assert time.process_time() - begin < 15
    x, k = rng.uniform(size=n), rng.uniform(size=m)
    z = np.zeros((1, Z_STATES + 2 * n + m))
    z[0, Z_STATES : Z_STATES + n], z[0, Z_STATES + n : Z_STATES + n + m] = x[code.order], k
    rhs = np.empty(n)
    rhs[code.order] = code.evaluate("rhs", z, n)[0]
    values = dict(zip([*formulas, *model.parameters], [*x, *k], strict=True))
    expected = [
        float(sympy.lambdify(list(e.free_symbols), e)(**{s.name: values[s.name] for s in e.free_symbols}))
        for e in model.odes
    ]
    np.testing.assert_allclose(rhs, expected, rtol=1e-12, atol=1e-13)


def n_emitted(graph, outputs) -> int:
    """Nodes in all parts of a function; every output stands in one part, with all that it needs."""
    parts = _parts(graph, outputs)
    assert [i for start, end, _ in parts for i in range(start, end)] == list(range(len(outputs)))
    assert all(set(graph.below(outputs[start:end])) == reach for start, end, reach in parts)
    return sum(len(reach) for _, _, reach in parts)


def test_long_functions_are_generated_in_short_parts():
    graph = Graph(500)
    v = graph.variables
    outputs = [graph.multiply([(a, 1), (b, 1)]) for a, b in itertools.pairwise(v)]
    assert max(len(reach) for _, _, reach in _parts(graph, outputs)) < 210
    assert n_emitted(graph, outputs) < 1.1 * len(graph.below(outputs))


def test_a_long_formula_in_many_outputs_is_not_computed_in_every_part():
    graph = Graph(400)
    trunk = graph.variables[0]
    for v in graph.variables[1:]:
        trunk = graph.add([(1.0, graph.power(trunk, 2)), (1.0, v)])
    outputs = [graph.multiply([(trunk, 1), (v, 1)]) for v in graph.variables]
    assert n_emitted(graph, outputs) < 2 * len(graph.below(outputs))


def test_functions_in_many_outputs_are_not_called_in_every_part():
    graph = Graph(1000)
    v = graph.variables
    shared = [graph.function("exp", a) for a in v[:10]]
    outputs = [
        graph.multiply([(shared[i % 10], 1), (a, 1), (b, 1)])
        for i, (a, b) in enumerate(itertools.pairwise(v))
    ]
    emitted = [n for _, _, reach in _parts(graph, outputs) for n in reach]
    assert sum(graph.kind[n] == "exp" for n in emitted) <= 20


def test_mpmath_is_the_judge_of_the_error_function():
    code = compiled("erf(x)")
    for x in (-3.0, -0.1, 0.0, 1e-8, 2.5):
        found = blocks(code, (x, 0.0), (1.0, 1.0))
        assert found["rhs"][0] == pytest.approx(float(mpmath.erf(x)), rel=1e-14)
        assert found["x"][0, 0] == pytest.approx(
            float(2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-x * x)), rel=1e-14
        )
