"""Steady states: pre-equilibration and measurements at t = inf, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from idfit.results import Status
from tests.numerics.test_events import close, with_events
from tests.problems import states_problem

INF = float("inf")


def evaluated(problem, rtol=1e-10):
    ev = problem.objective(rtol)(problem.parameters.nominal_scaled)
    assert ev.status is Status.OK
    return ev.prediction, ev.prediction_jacobian


def test_a_reversible_reaction_with_its_conserved_sum():
    """A <-> B: A = k2 (A0 + B0)/(k1 + k2)."""
    values = {"k1": 0.8, "k2": 0.6, "A0": 1.0, "B0": 0.3}
    problem = states_problem(
        {"A": "k2*B - k1*A", "B": "k1*A - k2*B"}, {"A": "A0", "B": "B0"}, values, [1.0, INF]
    )

    def solution(k1, k2, A0, B0):
        total, rate = A0 + B0, k1 + k2
        end = k2 * total / rate
        one = end + (A0 - end) * np.exp(-rate)
        return np.array([one, end, total - one, total - end])

    close(problem, solution, values)


@pytest.mark.parametrize("kd", [1e-3, 1.0, 50.0])
def test_michaelis_menten_like_binding(kd):
    """A + B <-> C: a quadratic, two conserved sums."""
    values = {"kd": kd, "A0": 2.0, "B0": 1.5}
    problem = states_problem(
        {"A": "kd*C - A*B", "B": "kd*C - A*B", "C": "A*B - kd*C"}, {"A": "A0", "B": "B0"}, values, [INF]
    )

    def solution(kd, A0, B0):
        b = A0 + B0 + kd
        c = (b - np.sqrt(b**2 - 4 * A0 * B0)) / 2
        return np.array([A0 - c, B0 - c, c])

    close(problem, solution, values)


def test_preequilibration_with_other_parameters_and_states_that_start_anew():
    """A <-> B at rest with k1 = p, then k1 from the experiment; B starts anew."""
    values = {"p": 0.3, "k1": 0.8, "k2": 0.6, "A0": 1.0}
    conditions = {
        "before": {"set": {"k1": "p"}},
        "after": {"preequilibrate": "before", "set": {"B": 1.0}, "reinit": ["B"]},
    }
    problem = states_problem(
        {"A": "k2*B - k1*A", "B": "k1*A - k2*B"}, {"A": "A0"}, values, [0.0, 2.0],
        conditions=conditions, condition="after",
    )  # fmt: skip

    def solution(p, k1, k2, A0):
        a = k2 * A0 / (p + k2)
        total, rate = a + 1, k1 + k2
        end = k2 * total / rate
        two = end + (a - end) * np.exp(-2 * rate)
        return np.array([a, two, total - a, total - two])

    close(problem, solution, values)


def test_a_state_that_decays_to_nothing():
    values = {"k": 0.5, "x0": 3.0}
    problem = states_problem({"x": "-k*x", "y": "k*x"}, {"x": "x0"}, values, [INF])
    close(problem, lambda k, x0: np.array([0 * x0, x0]), values)


def test_the_start_decides_between_two_steady_states():
    """x' = x (1 - x)(x - 2)... rests at 0, 1 or beyond: Newton's method alone could take the wrong one."""
    for start, end in ((0.99, 0.0), (1.01, 2.0)):
        problem = states_problem({"x": "k*x*(x - 1)*(2 - x)"}, {"x": start}, {"k": 1.0}, [INF])
        prediction, jacobian = evaluated(problem)
        assert prediction[0] == pytest.approx(end, abs=1e-9)
        assert jacobian[0, 0] == pytest.approx(0, abs=1e-7)


def test_a_steady_state_that_the_equations_alone_do_not_determine():
    """x' = -x y, y' = -x y: x - y is conserved, and so is found; x' = -k x^2 ends at 0 with a singular
    Jacobian."""
    values = {"x0": 2.0, "y0": 0.5}
    problem = states_problem({"x": "-x*y", "y": "-x*y"}, {"x": "x0", "y": "y0"}, values, [INF])
    close(problem, lambda x0, y0: np.array([x0 - y0, 0 * x0]), values)


def test_a_nonlinear_conserved_quantity_is_followed_by_integration():
    """x' = -k x, y' = k x y: y exp(x) stays, and y may rest anywhere."""
    values = {"k": 0.7, "x0": 1.0, "y0": 0.5}
    problem = states_problem({"x": "-k*x", "y": "k*x*y"}, {"x": "x0", "y": "y0"}, values, [INF])
    prediction, jacobian = evaluated(problem)
    np.testing.assert_allclose(prediction, [0, 0.5 * np.e], atol=1e-8)
    np.testing.assert_allclose(jacobian, [[0, 0, 0], [0, 0.5 * np.e, np.e]], atol=1e-6)


def test_growth_has_no_steady_state():
    problem = states_problem({"x": "k"}, {"x": 1}, {"k": 1.0}, [INF])
    ev = problem.objective()(problem.parameters.nominal_scaled)
    assert ev.status in (Status.NO_STEADY_STATE, Status.NOT_FINITE)
    assert ev.objective == INF


def test_an_event_on_the_way_and_its_derivative():
    """p' = 1 up to 500, where an event adds d and everything stands still: 0023 of the PEtab test suite."""
    values = {"p0": 10.0, "d": 1000.0}
    problem = with_events(
        {"p": "piecewise(1, p <= 500, 0)"}, {"p": "p0"}, values, [INF], [("p >= 500", {"p": "p + d"})]
    )
    close(problem, lambda p0, d: np.array([500 + d + 0 * p0]), values)
