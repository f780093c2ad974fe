"""Doses, switches at known times and sampled inputs: exact at and around the times at which something
changes."""

from __future__ import annotations

import numpy as np
import pytest

from idfit.errors import InputError
from tests.problems import states_problem

TIMES = np.array([0.0, 1.0, 1.999, 2.0, 2.001, 3.0, 4.0])


def evaluated(problem, rtol=1e-10):
    ev = problem.objective(rtol)(problem.parameters.nominal_scaled)
    assert ev.jacobian is not None
    return ev.prediction, ev.jacobian


def test_doses_add_and_set_with_their_sensitivities():
    """add d at 1, set to r at 2, add 2 d at 4 (the last measurement): at a dose time the value after it."""
    dose = [
        {"time": 1.0, "add": {"x": "d"}},
        {"time": 2.0, "set": {"x": "r"}},
        {"time": 4.0, "add": {"x": "2*d"}},
    ]
    values = {"k": 0.5, "d": 3.0, "r": 0.2, "x0": 1.0}
    problem = states_problem({"x": "-k*x"}, {"x": "x0"}, values, TIMES, conditions={"c": {"dose": dose}})
    prediction, jacobian = evaluated(problem)

    def solution(k, d, r, x0):
        before = x0 * np.exp(-k * TIMES) + np.where(TIMES >= 1, d * np.exp(-k * (TIMES - 1)), 0)
        after = r * np.exp(-k * (TIMES - 2)) + np.where(TIMES >= 4, 2 * d * np.exp(-k * (TIMES - 4)), 0)
        return np.where(TIMES < 2, before, after)

    p = np.array(list(values.values()))
    exact = np.array([solution(*(p + step)).imag for step in np.eye(4) * 1e-30j]).T / 1e-30
    np.testing.assert_allclose(prediction, solution(*p), rtol=1e-8)
    np.testing.assert_allclose(jacobian, exact, rtol=1e-7, atol=1e-9)


def test_add_comes_before_set_within_a_dose():
    dose = [{"time": 1.0, "set": {"x": 7}, "add": {"x": 1, "y": 1}}]
    problem = states_problem({"x": "0", "y": "-k*y"}, {}, {"k": 1.0}, [1.0], conditions={"c": {"dose": dose}})
    assert list(evaluated(problem)[0]) == [7.0, 1.0]


def test_a_dose_at_the_start_counts_before_the_first_measurement():
    dose = [{"time": 0, "add": {"x": "d"}}]
    problem = states_problem(
        {"x": "-k*x"}, {"x": 1}, {"k": 1.0, "d": 2.0}, [0.0, 1.0], conditions={"c": {"dose": dose}}
    )
    prediction, jacobian = evaluated(problem)
    np.testing.assert_allclose(prediction, [3, 3 * np.exp(-1)], rtol=1e-8)
    np.testing.assert_allclose(jacobian[:, 1], [1, np.exp(-1)], rtol=1e-8)


def test_many_doses():
    times = np.arange(0, 50.0)
    dose = [{"time": times.tolist(), "add": {"x": 1}}]
    problem = states_problem({"x": "-k*x"}, {}, {"k": 0.3}, times + 0.5, conditions={"c": {"dose": dose}})
    expected = [np.exp(-0.3 * (t + 0.5 - times[times <= t])).sum() for t in times]
    np.testing.assert_allclose(evaluated(problem)[0], expected, rtol=1e-8)


@pytest.mark.parametrize(
    "condition", ["t < 2", "t <= 2", "2 > time", "2*t - 4 < 0", "t < s", "!(t >= s)", "t < s && t > -1"]
)
def test_a_switch_at_a_known_time_is_exact(condition):
    """x' = a before 2 and b after it: a bent line, to rounding at the bend and beside it."""
    values = {"a": 1.5, "b": -0.25}
    parameters = {"s": {"value": 2.0, "fixed": True}} if "s" in condition else {}
    from idfit.model import Model
    from idfit.problem import Problem
    from tests.problems import estimated

    model = Model.from_equations({"x": f"piecewise(a, {condition}, b)"}, {"y": "x"}, [*values, *parameters])
    bounds = {k: estimated(v, -9, 9) for k, v in values.items()} | parameters
    data = {"time": TIMES, "value": np.zeros(len(TIMES))}
    prediction, jacobian = evaluated(Problem(model, data, parameters=bounds, noise={"y": 1}), 1e-3)
    before, after = np.minimum(TIMES, 2), np.maximum(TIMES - 2, 0)
    np.testing.assert_allclose(prediction, 1.5 * before - 0.25 * after, rtol=1e-12)
    np.testing.assert_allclose(jacobian, np.transpose([before, after]), rtol=0, atol=1e-12)


def test_switches_of_min_max_abs_sign_and_floor_of_time():
    """Each is a polynomial between its known times, so that loose tolerances integrate it exactly."""
    odes = {"a": "k*abs(t - 2)", "b": "k*min(t, 3)", "c": "k*max(t - 1, 0)", "d": "k*sign(t - 2.5)"}
    problem = states_problem(odes, {}, {"k": 2.0}, TIMES)
    prediction, jacobian = evaluated(problem, 1e-3)
    t = TIMES
    a = np.where(t < 2, 2 * t - t**2 / 2, 2 + (t - 2) ** 2 / 2)
    b = np.where(t < 3, t**2 / 2, 4.5 + 3 * (t - 3))
    c = np.maximum(t - 1, 0) ** 2 / 2
    d = np.where(t < 2.5, -t, t - 5)
    expected = np.concatenate([a, b, c, d])
    np.testing.assert_allclose(prediction, 2 * expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(jacobian[:, 0], expected, rtol=1e-10, atol=1e-12)


def test_the_time_of_a_switch_may_differ_between_conditions():
    from idfit.model import Model
    from idfit.problem import Problem
    from tests.problems import estimated

    model = Model.from_equations({"x": "piecewise(k, t < s, 0)"}, {"y": "x"}, ["k", "s"])
    data = {"condition": ["early", "late"] * 2, "time": [3, 3, 1, 1], "value": [0.0] * 4}
    problem = Problem(
        model,
        data,
        conditions={"early": {"set": {"s": 0.5}}, "late": {"set": {"s": 2.5}}},
        parameters={"k": estimated(2.0, 0, 9), "s": {"value": 1, "fixed": True}},
        noise={"y": 1},
    )
    np.testing.assert_allclose(evaluated(problem, 1e-3)[0], [1.0, 5.0, 1.0, 2.0], rtol=1e-12)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("k*floor(x)", ("ode of x", "floor", "doses")),
        ("k*mod(t, 2)", ("ode of x", "mod", "doses")),
    ],
)
def test_jumps_without_end_are_refused_by_name(formula, words):
    problem = states_problem({"x": formula}, {}, {"k": 1.0}, [1.0])
    with pytest.raises(InputError) as raised:
        problem.objective()
    for word in words:
        assert word in str(raised.value)


def test_a_kink_at_an_estimated_time_is_integrated():
    """max(t - s, 0) bends at s but does not jump, so s may be estimated: d/ds of (t - s)^2/2 is s - t."""
    for formula in ("max(t - s, 0)", "0.5*(abs(t - s) + t - s)"):
        problem = states_problem({"x": formula, "y": formula}, {}, {"s": 1.3}, TIMES)
        prediction, jacobian = evaluated(problem, 1e-9)
        after = np.tile(np.maximum(TIMES - 1.3, 0), 2)
        np.testing.assert_allclose(prediction, after**2 / 2, rtol=0, atol=1e-7)
        np.testing.assert_allclose(jacobian[:, 0], -after, rtol=0, atol=1e-6)


def test_samples_must_cover_the_measurements():
    inputs = {"u": {"times": [0, 1], "values": [0, 1]}}
    with pytest.raises(
        InputError, match="has samples from 0 to 1, and condition 'default' needs them from 0 to 2"
    ):
        states_problem({"x": "k*u"}, {}, {"k": 1.0}, [2.0], inputs=inputs)


def test_a_step_input_is_held_before_and_after_its_samples():
    inputs = {"u": {"times": [1, 2], "values": [5, 7], "interpolation": "step"}}
    problem = states_problem({"x": "k*u"}, {}, {"k": 1.0}, [0.5, 1.0, 2.0, 3.0], inputs=inputs)
    np.testing.assert_allclose(evaluated(problem, 1e-3)[0], [2.5, 5, 10, 17], rtol=1e-12)


def test_inputs_as_number_and_as_formula():
    for given, expected in ((3, 3 * TIMES), ("2*t", TIMES**2), ("c + cos(t)", TIMES + np.sin(TIMES))):
        values = {"k": 1.0} | ({"c": 1.0} if "c " in str(given) else {})
        problem = states_problem({"x": "k*u"}, {}, values, TIMES, inputs={"u": given})
        np.testing.assert_allclose(evaluated(problem)[0], expected, rtol=1e-8, atol=1e-10)
