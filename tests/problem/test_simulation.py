"""Curves, predictions and drawn data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import idfit
from idfit.errors import InputError, RunError
from idfit.model import Model
from idfit.problem import Problem
from idfit.results import Status
from tests.problems import bolus, driven, estimated, exponential_decay


def test_predictions_and_curves_of_a_decay():
    oracle = exponential_decay()
    result = idfit.simulate(oracle.problem, np.array([np.log10(0.8), 3.0, np.log(0.2)]), rtol=1e-10)
    t = result["trajectory_time"].values[0]
    times = np.array(oracle.problem.spec.measurements.time)
    np.testing.assert_allclose(result["prediction"], 3 * np.exp(-0.8 * times), rtol=1e-8)
    np.testing.assert_allclose(
        result["residual"], (oracle.values - 3 * np.exp(-0.8 * times)) / 0.2, rtol=1e-6
    )
    np.testing.assert_allclose(result["trajectory"][0, 0], 3 * np.exp(-0.8 * t), rtol=1e-8)
    np.testing.assert_allclose(result["state_trajectory"][0, 0], 3 * np.exp(-0.8 * t), rtol=1e-8)
    np.testing.assert_allclose(result["trajectory_sigma"], 0.2, rtol=1e-12)
    assert (t[0], t[-1]) == (0.0, times[-1])
    assert result["status"] == Status.OK
    assert list(result["curve"].values) == ["default"] * len(times)


def test_times_may_be_given_in_any_order_and_beyond_the_data():
    oracle = bolus()  # the doses go on to 12; the data to 20
    times = np.array([30.0, 3.0, 6.0, 0.0])
    result = idfit.simulate(oracle.problem, times=times, rtol=1e-10)
    cl, v, f = oracle.problem.parameters.nominal
    expected = [sum(f * 100 / v * np.exp(-cl / v * (t - d)) for d in (0, 6, 12) if t >= d) for t in times]
    np.testing.assert_allclose(result["trajectory"][0, 0], expected, rtol=1e-8)
    with pytest.raises(InputError, match="starts at 0"):
        idfit.simulate(oracle.problem, times=[-1.0])
    with pytest.raises(InputError, match="finite"):
        idfit.simulate(oracle.problem, times=[np.nan])


def test_doses_after_the_data_count_where_curves_go_on():
    model = Model.from_equations({"A": "-k*A"}, {"y": "A"}, ["k"])
    problem = Problem(
        model,
        {"time": [1.0], "value": [0.0]},
        noise={"y": 1},
        parameters={"k": estimated(1.0, 0, 2)},
        conditions={"c": {"dose": [{"time": [0, 5], "add": {"A": 1}}]}},
    )
    result = idfit.simulate(problem, times=[5.0, 6.0], rtol=1e-10)
    np.testing.assert_allclose(
        result["trajectory"][0, 0], [1 + np.exp(-5), np.exp(-1) + np.exp(-6)], rtol=1e-8
    )


def test_without_data_every_condition_and_observable_has_a_curve():
    model = Model.from_equations({"A": "-k*A"}, {"y": "s*A + o", "z": "2*y"}, ["k", "s", "o"], {"A": "A0"})
    parameters = {
        n: estimated(v, 0.01, 9) for n, v in {"k": 1.0, "s": 2.0, "o": 0.5, "A0": 3.0, "sd": 0.1}.items()
    }
    problem = Problem(
        model,
        parameters=parameters,
        noise={"y": "sd*y", "z": 1},
        conditions={"one": {}, "two": {"set": {"A0": 4, "s": 1}}},
    )
    with pytest.raises(InputError, match="give the times"):
        idfit.simulate(problem)
    t = np.linspace(0, 2, 5)
    result = idfit.simulate(problem, times=t, rtol=1e-10)
    y = np.array([2 * 3 * np.exp(-t) + 0.5, 4 * np.exp(-t) + 0.5])
    found = result["trajectory"].sel(trajectory_condition=["one", "two"])
    np.testing.assert_allclose(found.sel(trajectory_observable="y"), y, rtol=1e-8)
    np.testing.assert_allclose(found.sel(trajectory_observable="z"), 2 * y, rtol=1e-8)
    np.testing.assert_allclose(result["trajectory_sigma"].sel(trajectory_observable="y"), 0.1 * y, rtol=1e-8)


def test_a_curve_has_holes_only_where_it_is_not_defined():
    """log-normal data whose prediction is 0 at the start, where nothing was measured; noise that is 0
    there."""
    model = Model.from_equations({"A": "k"}, {"y": "A", "r": "A/A"}, ["k"])
    problem = Problem(
        model,
        {"observable": ["y", "r"], "time": [1.0, 1.0], "value": [1.0, 1.0]},
        noise={"y": {"noise": 0.1, "distribution": "log-normal"}, "r": 1},
        parameters={"k": estimated(1.0, 0, 2)},
    )
    result = idfit.simulate(problem)
    assert result["status"] == Status.OK
    np.testing.assert_allclose(
        result["trajectory"].sel(trajectory_observable="y")[0], result["trajectory_time"][0], atol=1e-9
    )
    model = Model.from_equations({"A": "k"}, {"y": "A", "r": "1/A"}, ["k"])
    problem = Problem(
        model,
        {"observable": ["y", "r"], "time": [1.0, 1.0], "value": [1.0, 1.0]},
        noise={"y": "0.1*y", "r": 1},
        parameters={"k": estimated(1.0, 0, 2)},
    )
    result = idfit.simulate(problem)
    assert result["trajectory_sigma"].sel(trajectory_observable="y").values[0, 0] == 0
    broken = ~np.isfinite(result["trajectory"].sel(trajectory_observable="r").values[0])
    assert list(np.flatnonzero(broken)) == [0]


def test_what_could_not_be_integrated_is_not_a_number():
    model = Model.from_equations({"x": "k*x^2"}, {"y": "x"}, ["k"], {"x": 1})
    problem = Problem(
        model, {"time": [0.5, 2.0], "value": [1, 1]}, noise={"y": 1}, parameters={"k": estimated(0.1, 0, 2)}
    )
    result = idfit.simulate(problem, np.array([1.0]))
    assert result["status"] == Status.STEP_TOO_SMALL
    assert np.isnan(result["prediction"]).all()
    t, curve = result["trajectory_time"].values[0], result["trajectory"].values[0, 0]
    np.testing.assert_allclose(curve[t < 0.99], 1 / (1 - t[t < 0.99]), rtol=1e-6)
    assert np.isnan(curve[t > 1]).all()
    with pytest.raises(RunError, match="cannot draw data"):
        idfit.simulate_data(problem, np.array([1.0]), seed=0)


def test_curves_read_sampled_inputs():
    oracle = driven("linear")
    result = idfit.simulate(oracle.problem, rtol=1e-10)
    t = result["trajectory_time"].values[0]
    at = np.searchsorted(t, np.array(oracle.problem.spec.measurements.time))
    on_grid = t[at] == np.array(oracle.problem.spec.measurements.time)
    curve = result["trajectory"].values[0, 0][at]
    assert on_grid.sum() >= 5
    np.testing.assert_allclose(
        curve[on_grid], oracle.solution(oracle.problem.parameters.nominal)[on_grid], rtol=1e-8
    )


# drawn data -------------------------------------------------------------------------------------------------


def drawn(noise, n=2000, seed=5, **columns):
    model = Model.from_equations({}, {"y": "a + 0*t"}, ["a"])
    data = {"time": np.arange(n), "value": np.full(n, 2.0), **columns}
    problem = Problem(model, data, noise={"y": noise}, parameters={"a": estimated(2.0, 0, 9)})
    return problem, idfit.simulate_data(problem, seed=seed)


@pytest.mark.parametrize(
    ("noise", "frozen"),
    [
        ({"noise": 0.3}, stats.norm(2, 0.3)),
        ({"noise": 0.3, "distribution": "laplace"}, stats.laplace(2, 0.3)),
        ({"noise": 0.3, "distribution": "student-t", "dof": 3}, stats.t(3, 2, 0.3)),
        ({"noise": 0.3, "distribution": "log-normal"}, stats.lognorm(0.3, scale=2)),
        ({"noise": 0.3, "transform": "log10"}, stats.lognorm(0.3 * np.log(10), scale=2)),
        ({"noise": 0.3, "transform": "log2"}, stats.lognorm(0.3 * np.log(2), scale=2)),
        ({"noise": 0.3, "distribution": "log-laplace"}, stats.loglaplace(1 / 0.3, scale=2)),
    ],
)
def test_drawn_data_have_the_noise_of_the_model(noise, frozen):
    _, fake = drawn(noise)
    assert stats.kstest(fake.spec.measurements.value, frozen.cdf).pvalue > 0.01


def test_drawn_data_keep_everything_but_the_values():
    problem, fake = drawn({"noise": 0.3}, n=20)
    again = idfit.simulate_data(problem, seed=5)
    other = idfit.simulate_data(problem, seed=6)
    assert fake.spec.measurements.value == again.spec.measurements.value != other.spec.measurements.value
    assert fake.spec.measurements.time == problem.spec.measurements.time
    assert problem.spec.measurements.value == (2.0,) * 20
    assert fake.spec.model_copy(update={"measurements": problem.spec.measurements}) == problem.spec


def test_drawn_censored_data_stay_censored_where_they_are_beyond_the_limit():
    censored = ["left"] * 1000 + ["right"] * 1000
    _, fake = drawn({"noise": 0.3}, censored=censored)
    values, marks = np.array(fake.spec.measurements.value), np.array(fake.spec.measurements.censored)
    for side, rows in (("left", slice(0, 1000)), ("right", slice(1000, 2000))):
        still = marks[rows] == side
        assert 400 < still.sum() < 600  # the limit is the median
        assert (values[rows][still] == 2.0).all()
        seen = values[rows][~still]
        assert (seen > 2).all() if side == "left" else (seen < 2).all()
