"""States and sensitivities against other integrators, closed forms and finite differences."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from idfit.results import Status
from tests.numerics.stiff import ROBERTSON, STIFF
from tests.problems import states_problem

TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)


@cache
def problem_of(name: str):
    stiff = STIFF[name]
    return states_problem(stiff.odes, stiff.initial, stiff.parameters, stiff.times)


def states_of(name: str, rtol: float) -> np.ndarray:
    """(state, time)"""
    problem = problem_of(name)
    ev = problem.objective(rtol, atol=1e-16)(problem.parameters.nominal_scaled, order=0)
    assert ev.status is Status.OK
    return ev.prediction.reshape(len(STIFF[name].odes), -1)


def errors(name: str) -> np.ndarray:
    """Largest error at each tolerance, relative to each state's size."""
    reference = np.array(STIFF[name].reference)
    size = np.abs(reference).max(axis=1, keepdims=True)
    return np.array([np.abs((states_of(name, rtol) - reference) / size).max() for rtol in TOLERANCES])


@pytest.mark.parametrize("name", STIFF)
def test_states_reach_the_requested_tolerance(name):
    assert (errors(name) <= 50 * np.array(TOLERANCES)).all()


@pytest.mark.parametrize("name", STIFF)
def test_error_falls_with_the_tolerance(name):
    falling = errors(name)
    # by at least a factor 2 from each tolerance to the next but one, and by 10^4 over all
    assert (falling[2:] < 0.5 * falling[:-2]).all()
    assert falling[-1] < 1e-4 * falling[0]


def test_robertson_over_eleven_decades_of_time():
    """The end of the Test Set for IVP Solvers, t = 1e11, also with a first step eleven decades shorter."""
    problem = states_problem(ROBERTSON.odes, ROBERTSON.initial, ROBERTSON.parameters, [0.4, 1e11])
    for rtol in (1e-4, 1e-8):
        ev = problem.objective(rtol, 1e-16)(problem.parameters.nominal_scaled, order=0)
        assert ev.status is Status.OK
        a, b, c = ev.prediction.reshape(3, 2)[:, 1]
        np.testing.assert_allclose(
            [a, b, c], [2.083340149701255e-8, 8.333360770334713e-14, 0.9999999791665050], rtol=50 * rtol
        )


@pytest.mark.parametrize("name", STIFF)
def test_sensitivities_against_differences_at_tight_tolerance(name):
    problem = problem_of(name)
    theta = problem.parameters.nominal_scaled
    n_times = len(STIFF[name].times)
    tight = problem.objective(1e-11, 1e-18)
    jacobian = problem.objective(1e-10, 1e-16)(theta).jacobian
    assert jacobian is not None
    for k, p in enumerate(theta):
        step = 1e-4 * p
        moved = [theta + s * step * np.eye(len(theta))[k] for s in (1, -1, 2, -2)]
        up, down, up2, down2 = (tight(m, order=0).prediction for m in moved)
        differences = (8 * (up - down) - (up2 - down2)) / (12 * step)
        size = np.abs(differences).reshape(-1, n_times).max(axis=1).repeat(n_times)
        assert np.abs(jacobian[:, k] - differences).max() > 0  # not the same computation
        np.testing.assert_array_less(np.abs(jacobian[:, k] - differences), 1e-5 * size + 1e-300)


def test_sensitivities_where_the_state_does_not_move():
    """x' = k (a - x), x(0) = a rests, so only the sensitivities can ask for small steps: dx/dx0 = exp(-k
    t)."""
    times = np.linspace(0, 5, 11)
    problem = states_problem({"x": "k*(a - x)"}, {"x": "x0"}, {"k": 1.3, "a": 2.0, "x0": 2.0}, times)
    jacobian = problem.objective(1e-8)(problem.parameters.nominal_scaled).jacobian
    assert jacobian is not None
    decay = np.exp(-1.3 * times)
    np.testing.assert_allclose(jacobian, np.transpose([0 * times, 1 - decay, decay]), rtol=0, atol=1e-7)


def test_dense_output_between_the_steps():
    times = np.linspace(0, 3, 1201)
    odes = {"x": "v", "v": "-w^2*x"}
    problem = states_problem(odes, {"x": 1}, {"w": 2.0}, times, observables={"of_x": "x"})
    for rtol in (1e-5, 1e-9):
        ev = problem.objective(rtol)(problem.parameters.nominal_scaled)
        assert ev.n_steps < 700
        np.testing.assert_allclose(ev.prediction, np.cos(2 * times), rtol=0, atol=50 * rtol)
        assert ev.jacobian is not None
        np.testing.assert_allclose(ev.jacobian[:, 0], -times * np.sin(2 * times), rtol=0, atol=200 * rtol)


def test_time_may_begin_below_zero_and_rise_through_it():
    problem = states_problem(
        {"x": "-k*x"}, {"x": 1}, {"k": 0.7}, [-2.0, 0.0, 1.0], conditions={"c": {"t0": -3.0}}
    )
    ev = problem.objective(1e-9)(problem.parameters.nominal_scaled)
    np.testing.assert_allclose(ev.prediction, np.exp(-0.7 * np.array([1.0, 3.0, 4.0])), rtol=1e-8)


def test_small_states_are_resolved_relative_to_their_own_size():
    """A molar model: concentrations of 1e-9, and an intermediate that is gone again at every measurement."""
    odes = {"A": "-k*A", "B": "k*A - 50*k*B"}
    problem = states_problem(odes, {"A": 1e-9}, {"k": 1.0}, [0.0, 30.0])
    assert problem.state_scale[1] < 1e-9
    ev = problem.objective(1e-8)(problem.parameters.nominal_scaled)
    expected = 1e-9 / 49 * (np.exp(-30) - np.exp(-1500))
    assert ev.prediction[3] == pytest.approx(expected, rel=2e-2)


def test_states_with_a_thousandfold_coupling_fall_back_to_pivoting():
    """x' = c y, y' = -x/c: without pivoting the factor of the first row loses all digits."""
    from idfit.numerics import integrator
    from idfit.problem.trajectories import values_at

    problem = states_problem({"x": "c*y", "y": "-x/c"}, {"x": 1}, {"c": 1e14}, [1.0, 2.0])
    theta = problem.parameters.nominal_scaled
    ev = problem.objective(1e-8)(theta)
    np.testing.assert_allclose(ev.prediction[:2], np.cos([1, 2]), rtol=1e-7)
    np.testing.assert_allclose(ev.prediction[2:] * 1e14, -np.sin([1, 2]), rtol=1e-7)
    assert ev.jacobian is not None
    np.testing.assert_allclose(ev.jacobian[2:, 0] * 1e28, np.sin([1, 2]), rtol=1e-6)
    info, states = np.empty(integrator.INFO_SIZE), np.empty((2, 2))
    plan, stop = problem.plan, np.zeros(1, dtype=np.int64)
    q = values_at(plan, theta)
    nothing = np.empty(0)
    integrator.integrate(
        plan.ints, plan.floats, 0, q, False, 1e-8, 1e-12, 10_000, stop,
        nothing, nothing, nothing, states, np.empty((2, 0)), info,
    )  # fmt: skip
    assert info[integrator.INFO_DENSE] > 0


def test_a_chain_with_fill_equals_its_closed_form():
    """Everything decays into a hub that feeds back: elimination in the given order would fill the whole
    matrix."""
    n = 12
    odes = {"hub": "0 - h*hub" + "".join(f" + x{i}*{i + 1}" for i in range(n))}
    odes |= {f"x{i}": f"hub - {i + 1}*x{i}" for i in range(n)}
    problem = states_problem(odes, {"hub": 1}, {"h": 5.0}, [0.1, 1.0], observables={"of_hub": "hub"})
    matrix = np.zeros((n + 1, n + 1))
    matrix[0, 0], matrix[0, 1:] = -5.0, np.arange(1, n + 1)
    matrix[1:, 0] = 1.0
    matrix[np.arange(1, n + 1), np.arange(1, n + 1)] = -np.arange(1, n + 1)
    from scipy.linalg import expm

    expected = [expm(matrix * t)[0, 0] for t in (0.1, 1.0)]
    ev = problem.objective(1e-9)(problem.parameters.nominal_scaled)
    np.testing.assert_allclose(ev.prediction, expected, rtol=1e-7)
    assert len(problem.plan.compiled.factors.column) == 3 * n + 1  # no fill in the order chosen
    more = np.zeros_like(matrix)
    more[0, 0] = -1e-5
    differences = [(expm((matrix + more) * t) - expm((matrix - more) * t))[0, 0] / 2e-5 for t in (0.1, 1.0)]
    assert ev.jacobian is not None
    np.testing.assert_allclose(ev.jacobian[:, 0], differences, rtol=1e-6)
