"""A failed evaluation is +inf with a reason, within its budget, and can be stopped from outside."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idfit.results import Status
from tests.problems import exponential_decay, states_problem


def outcome(odes, initial, values, times=(0.5, 2.0), order=1, max_steps=100_000, **more):
    problem = states_problem(odes, initial, values, times, **more)
    return problem.objective(max_steps=max_steps)(problem.parameters.nominal_scaled, order)


def assert_failed(ev, status: Status) -> None:
    assert ev.status is status
    assert ev.objective == ev.nllh == math.inf
    assert np.isnan(ev.prediction).all()
    assert ev.gradient is ev.fim is ev.jacobian is ev.hessian is None


@pytest.mark.parametrize("order", [0, 1])
def test_blow_up_in_finite_time(order):
    """x' = x^2, x(0) = 1 is 1/(1 - t)."""
    ev = outcome({"x": "k*x^2"}, {"x": 1}, {"k": 1.0}, order=order)
    assert_failed(ev, Status.STEP_TOO_SMALL)
    assert ev.time == pytest.approx(1.0, abs=1e-6)
    assert ev.simulation == "default"


@pytest.mark.parametrize(
    ("formula", "start", "status"),
    [
        ("k*log(x - 5)", 1, Status.NOT_FINITE),
        ("k/x", 0, Status.NOT_FINITE),
        ("k*x^(-0.5)", 0, Status.NOT_FINITE),
        ("k*x^1.5", -1, Status.NOT_FINITE),
        ("k", "1/(k - 1)", Status.INITIAL_NOT_FINITE),
        ("k", "log(0 - k)", Status.INITIAL_NOT_FINITE),
    ],
)
def test_what_is_not_a_number_from_the_start_on(formula, start, status):
    begin = time.perf_counter()
    assert_failed(outcome({"x": formula}, {"x": start}, {"k": 1.0}), status)
    assert time.perf_counter() - begin < 20  # compiling included; never hangs


def test_what_is_not_a_number_later():
    """x = 1 - t reaches the end of the logarithm's domain at 1."""
    ev = outcome({"x": "-k", "y": "log(x)"}, {"x": 1}, {"k": 1.0})
    assert ev.status in (Status.NOT_FINITE, Status.STEP_TOO_SMALL)
    assert_failed(ev, ev.status)
    assert 0.5 < ev.time <= 1


def test_a_step_budget_decides_and_not_the_clock():
    ev = outcome({"x": "w*v", "v": "-w*x"}, {"x": 1}, {"w": 1e6}, max_steps=500)
    assert_failed(ev, Status.STEP_BUDGET)
    assert ev.n_steps == 501
    again = outcome({"x": "w*v", "v": "-w*x"}, {"x": 1}, {"w": 1e6}, max_steps=500)
    assert (again.time, again.n_steps) == (ev.time, ev.n_steps)


def test_the_branch_of_a_root_at_zero_is_the_one_that_stays():
    """x' = sqrt(|x|) from 0 has many solutions; the one that rests is taken, and its sensitivities rest
    too."""
    ev = outcome({"x": "k*sqrt(abs(x))"}, {"x": 0}, {"k": 1.0})
    assert ev.status is Status.OK
    assert not ev.prediction.any()
    assert not ev.jacobian.any()


def test_a_root_that_leaves_zero_is_integrated():
    """x' = k - sqrt(x) from 0: with s = sqrt(x), k = 1: t = -2 s - 2 log(1 - s). Its Jacobian is infinite
    at 0."""
    ev = outcome({"x": "k - sqrt(x)"}, {"x": 0}, {"k": 1.0})
    s = np.sqrt(ev.prediction)
    np.testing.assert_allclose(-2 * s - 2 * np.log1p(-s), [0.5, 2.0], rtol=1e-5)


@pytest.mark.parametrize("power", ["n", "2.5", "0.5"])
def test_small_negative_states_with_powers_give_a_reason(power):
    ev = outcome({"x": f"-k*x^{power}"}, {"x": "x0"}, {"k": 1.0, "n": 2.5, "x0": -1e-14})
    assert ev.objective == math.inf
    assert ev.status in (Status.NOT_FINITE, Status.BAD_GRADIENT)


def test_an_observable_that_is_no_number_and_noise_that_is_none():
    model = {"odes": {"x": "-k*x"}, "initial": {"x": 1}, "values": {"k": 1.0}}
    ev = outcome(**model, observables={"y": "log(x - 1)"}, times=(0.5,))
    assert_failed(ev, Status.OBSERVABLE_NOT_FINITE)
    assert ev.time == 0.5


def test_infinite_slope_of_an_observable_is_a_bad_gradient_only_where_something_moves():
    """y = sqrt(x) at x = 0: dy/dx is infinite, and times a sensitivity of 0 it is 0."""
    resting = outcome({"x": "k*x"}, {"x": 0}, {"k": 1.0}, observables={"y": "sqrt(x)"})
    assert resting.status is Status.OK
    assert not resting.jacobian.any()
    moving = outcome({"x": "k*x"}, {"x": "x0"}, {"k": 1.0, "x0": 0.0}, observables={"y": "sqrt(x)"})
    assert_failed(moving, Status.BAD_GRADIENT)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3), st.sampled_from([0, 1]))
def test_failure_never_looks_better_than_success(k, start, order):
    """x' = k x^2: every evaluation is a finite value with its prediction, or +inf with a reason."""
    ev = _growth()(np.array([k, start]), order)
    blows_up = k * start > 0 and 1 / (k * start) <= 2.0
    if abs(k * start - 0.5) > 1e-6:
        assert (ev.status is Status.OK) is not blows_up
    if ev.status is Status.OK:
        assert math.isfinite(ev.objective)
        assert ev.prediction == pytest.approx(
            [start / (1 - k * start * t) for t in (0.5, 2.0)], rel=1e-5, abs=1e-12
        )
    else:
        assert_failed(ev, ev.status)
        assert ev.objective > 1e300


_KEPT: dict[str, object] = {}


def _growth():
    if "growth" not in _KEPT:
        problem = states_problem({"x": "k*x^2"}, {"x": "x0"}, {"k": 1.0, "x0": 0.1}, [0.5, 2.0])
        _KEPT["growth"] = problem.objective(1e-8)
    return _KEPT["growth"]


def test_a_stop_flag_ends_a_long_integration_within_a_second():
    problem = states_problem({"x": "w*v", "v": "-w*x"}, {"x": 1}, {"w": 1.0}, [1.0, 1e9])
    objective = problem.objective(max_steps=10**12)
    stop, ended = np.zeros(1, dtype=np.int64), []

    def work():
        ended.append(objective(problem.parameters.nominal_scaled, 1, stop))

    objective(
        problem.parameters.nominal_scaled, 1, np.ones(1, dtype=np.int64)
    )  # compiled before the clock runs
    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.2)
    assert thread.is_alive()  # the GIL is free meanwhile
    begin = time.perf_counter()
    stop[0] = 1
    thread.join(timeout=10)
    assert time.perf_counter() - begin < 1
    assert_failed(ended[0], Status.INTERRUPTED)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_same_bytes_from_any_number_of_threads(workers):
    oracle = exponential_decay()
    objective = oracle.problem.objective()
    thetas = oracle.problem.parameters.nominal_scaled + np.random.default_rng(3).uniform(-0.3, 0.3, (40, 3))
    alone = [objective(theta, 2) for theta in thetas]
    with ThreadPoolExecutor(workers) as pool:
        together = list(pool.map(lambda theta: objective(theta, 2), thetas))
    for a, b in zip(alone, together, strict=True):
        assert a.objective == b.objective
        for name in ("gradient", "fim", "hessian", "jacobian", "prediction"):
            assert getattr(a, name).tobytes() == getattr(b, name).tobytes()


def test_a_model_without_states_needs_no_integration():
    problem = states_problem({}, {}, {"a": 2.0}, [0.0, 1.0, 1e6], observables={"y": "a*t"})
    ev = problem.objective()(problem.parameters.nominal_scaled)
    assert ev.n_steps == 0
    np.testing.assert_array_equal(ev.prediction, [0, 2, 2e6])
    np.testing.assert_array_equal(ev.jacobian, [[0], [1], [1e6]])


def test_tolerances_outside_their_range_are_refused():
    from idfit.errors import InputError

    problem = states_problem({"x": "-k*x"}, {"x": 1}, {"k": 1.0}, [1.0])
    for options in ({"rtol": 0.0}, {"rtol": 1.0}, {"rtol": math.nan}, {"atol": -1.0}):
        with pytest.raises(InputError, match="was given; it lies in"):
            problem.objective(**options)
