"""What measurements tell along valleys, against refits; and the check by simulated data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from idfit.errors import InputError
from idfit.model import Model
from idfit.optimize import fit
from idfit.optimize.local import LocalOptions, trust_region
from idfit.prediction.candidates import Candidate, offered
from idfit.prediction.design import design
from idfit.problem import Problem
from idfit.profiles import profile
from idfit.tasks import Runner
from tests.problems import estimated

OPTIONS = LocalOptions()


def line(noise: float | str = 0.1) -> Problem:
    times = np.array([0.0, 1.0, 2.0, 3.0])
    model = Model.from_equations({}, {"y": "a + b*t"}, ["a", "b"])
    parameters = {"a": estimated(1.0, -1e3, 1e3), "b": estimated(2.0, -1e3, 1e3)}
    data = {"time": times, "value": 1.0 + 2.0 * times + 0.05 * np.array([1, -1, -1, 1])}
    return Problem(model, data, parameters=parameters, noise={"y": noise})


@pytest.mark.parametrize("replicates", [1, 3])
def test_the_gain_at_a_limit_is_what_a_refit_there_finds(replicates: int):
    problem = line()
    fitted = fit(problem, n_starts=1, seed=1)
    profiles = profile(problem, fitted)
    offer = Candidate("y", 6.0)
    found = design(
        problem, fitted, candidates=[offer], target=["b"], profiles=profiles, method="valley",
        check=False, replicates=replicates,
    )  # fmt: skip
    best = profiles["theta"].values[0, int(profiles["start_step"][0])]
    exact = best[0] + best[1] * 6.0
    table = problem.spec.measurements
    more = {"time": [*table.time, *[6.0] * replicates], "value": [*table.value, *[exact] * replicates]}
    wider = Problem(problem.model, more, noise={"y": 0.1}, parameters={
        "a": estimated(1.0, -1e3, 1e3), "b": estimated(2.0, -1e3, 1e3)})  # fmt: skip
    for side in range(2):
        end = found["theta_end"].values[0, side]
        refit = trust_region(
            wider.objective(), end, OPTIONS, np.zeros(1, dtype=np.int64), free=np.array([True, False])
        )
        rise = refit.objective - wider.objective()(best, 0).objective
        before = float(profiles["threshold"][-1])
        gain = float(found["valley_gain"].values[0, side, 0, 0])
        assert gain == pytest.approx(rise - before, rel=1e-5)
        assert gain < 0.9 * float(found["valley_spread"].values[0, side, 0, 0])


def slow_loss() -> tuple[Problem, np.ndarray]:
    """x = exp(−k t), k too small for what was measured: the best fit stands at the lower bound of log10 k."""
    model = Model.from_equations({"x": "-k*x"}, {"y": "x"}, ["k"], initial={"x": "1"})
    times = np.array([0.5, 1.0, 1.5, 2.0])
    data = {"time": times, "value": np.array([1.01, 0.99, 1.02, 1.005])}
    parameters = {"k": estimated(1e-4, 1e-5, 10.0, "log10")}
    return Problem(model, data, parameters=parameters, noise={"y": 0.02}), times


def test_late_times_tell_a_slow_rate_where_the_information_at_the_bound_is_blind():
    problem, _ = slow_loss()
    fitted = fit(problem, n_starts=5, seed=1)
    profiles = profile(problem, fitted)
    assert [str(s) for s in profiles["side_status_label"].values[0, -1]] == ["search_bound", "crossed"]
    offers = [Candidate("y", t) for t in (1.0, 10.0, 100.0, 1000.0)]
    found = design(problem, fitted, candidates=offers, profiles=profiles, check=False)
    assert found.attrs["method"] == "valley"
    assert found["target"].values.tolist() == ["k"]
    # at the bound d ln k hardly moves y: an error of a factor e and more stays
    assert float(found["error_after"][0, 1]) > 1.0
    gains = found["valley_gain"].sel(ci_bound="lower").values[0]
    inside = found["truth"].values.tolist().index("k at 67% of its interval")
    k = 10 ** found["theta_truth"].values[inside, 0]
    for i, offer in enumerate(offers):
        z = (math.exp(-k * offer.times[0]) - math.exp(-1e-5 * offer.times[0])) / 0.02
        assert gains[inside, i] == pytest.approx(0.5 * z**2, rel=1e-5, abs=1e-12)
    needed = found["valley_needed"].sel(ci_bound="lower").values[0]
    assert gains[inside, 0] < needed[inside] < gains[inside, 3]
    assert found["label"].values[found["chosen_candidate"].values[0]] == "y in default at 1000"


def mass(**more) -> Problem:
    """m x″ + c x′ + k x = force, let go at x = 1: only ratios are determined until a known force acts."""
    model = Model.from_equations(
        {"x": "v", "v": "(force - c*v - k*x)/m"},
        {"y": "x"},
        ["m", "c", "k", "force"],
        initial={"x": "x0", "v": "0"},
    )
    times = np.linspace(0.2, 6.0, 25)
    # m = 1, c = 0.4, k = 4
    omega = math.sqrt(4.0 - 0.04)
    exact = np.exp(-0.2 * times) * (np.cos(omega * times) + 0.2 / omega * np.sin(omega * times))
    noise = 0.02 * np.random.default_rng(3).standard_normal(len(times))
    parameters = {
        "m": estimated(1.0, 1e-2, 1e2, "log10"), "c": estimated(0.4, 1e-3, 1e2, "log10"),
        "k": estimated(4.0, 1e-2, 1e3, "log10"), "x0": {"value": 1.0, "fixed": True},
        "force": {"value": 0.0, "fixed": True},
    }  # fmt: skip
    data = {"time": times, "value": exact + noise}
    return Problem(model, data, parameters=parameters, noise={"y": 0.02}, **more)


PUSHED = {"pushed": {"set": {"force": 2.0, "x0": 0.0}}}


def test_a_known_force_is_what_an_oscillator_needs():
    problem = mass()
    fitted = fit(problem, n_starts=4, seed=1)
    profiles = profile(problem, fitted, ["m"])
    found = design(
        problem, fitted, target=["m"], profiles=profiles, conditions=PUSHED, times=[0.5, 1.0, 2.0, 4.0],
        n_simulations=4,
    )  # fmt: skip
    best = found.isel(candidate=found["chosen_candidate"].values[0])
    assert (str(best["condition"].values), bool(best["offered"])) == ("pushed", True)
    free = found["condition"].values == "default"
    assert not found["determined_after"].values[0, free].any()
    assert found["determined_after"].values[0, ~free].all()
    gains = found["valley_gain"].values[0, :, 0]
    assert (gains[:, free] < 0.1).all()
    assert [str(s) for s in found["side_status_label"].values[0]] != ["crossed", "crossed"]
    assert found["share_closed"].values == pytest.approx(1.0)
    median = found["median_interval"].values[0, 0]
    # the pushed mass comes to rest at force/k: known to 0.02/0.5 and better
    assert median[0] < found["true_value"].values[0, 0] < median[1] < 1.3 * median[0]


def test_simulated_intervals_have_the_width_that_a_line_must_have():
    problem = line()
    fitted = fit(problem, n_starts=1, seed=1)
    found = design(
        problem, fitted, candidates=[Candidate("y", 6.0)], target=["b"], replicates=2, n_simulations=6
    )
    times = np.array([0.0, 1.0, 2.0, 3.0, 6.0, 6.0])
    error = 0.1 / math.sqrt(np.sum((times - times.mean()) ** 2))
    limits = found["simulated_interval"].values[0, :, 0]
    assert limits[:, 1] - limits[:, 0] == pytest.approx(2 * 1.959964 * error, rel=1e-5)
    assert np.std(limits[:, 0]) > 0.01 * error
    assert found["share_closed"].values == pytest.approx(1.0)
    assert found["n_readings"].values.tolist() == [2]
    assert float(found["simulated_estimate"].mean()) == pytest.approx(
        float(found["true_value"][0, 0]), abs=4 * error
    )


def test_the_same_seed_gives_the_same_design_with_one_worker_and_with_two():
    problem = line()
    fitted = fit(problem, n_starts=1, seed=1)
    one, two = (
        design(problem, fitted, candidates=[Candidate("y", 6.0)], n_simulations=3, seed=5, runner=Runner(n))
        for n in (1, 2)
    )
    assert one.identical(two)


def test_functions_of_parameters_are_targets_too():
    problem = line()
    fitted = fit(problem, n_starts=1, seed=1)
    offers = [Candidate("y", t) for t in (0.0, 6.0)]
    found = design(problem, fitted, candidates=offers, target={"at_zero_of_y": "-a/b"}, n_simulations=2)
    # a and b vary along (−a/b) by the delta method
    X = np.stack([np.ones(4), np.arange(4.0)], axis=1)
    cov = 0.01 * np.linalg.inv(X.T @ X)
    a, b = fitted["estimate"].values
    slope = np.array([-1 / b, a / b**2])
    expected = math.sqrt(slope @ cov @ slope) / abs(a / b)
    assert float(found["error_before"][0]) == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(found["median_interval"].values).all()


def test_the_offered_grid_reaches_beyond_the_data_and_takes_in_new_observables_and_conditions():
    problem = mass()
    _, grid = offered(problem, {"speed": {"formula": "v", "noise": 0.1}}, PUSHED)
    assert {c.observable for c in grid} == {"y", "speed"}
    assert {c.where for c in grid} == {"default", "pushed"}
    assert max(c.times[0] for c in grid) == pytest.approx(12.0)


def test_the_grid_ends_with_the_data_where_the_model_ends_soon_after():
    # x = 1/(1/a − t) has a pole at t = 1/a = 1
    model = Model.from_equations({"x": "x^2"}, {"y": "x"}, ["a"], initial={"x": "a"})
    times = np.array([0.2, 0.5, 0.8])
    parameters = {"a": estimated(1.0, 0.1, 1.1)}
    problem = Problem(
        model, {"time": times, "value": 1 / (1 - times)}, parameters=parameters, noise={"y": 0.1}
    )
    found = design(problem, problem.parameters.nominal_scaled, method="fisher", check=False)
    assert float(found["time"].max()) == pytest.approx(0.8)
    assert found["time"].values[found["chosen_candidate"].values[0]] == pytest.approx(0.8)


def test_a_condition_with_parameters_of_its_own_is_offered_as_a_course():
    model = Model.from_equations({"x": "-k*x"}, {"y": "x"}, ["k"], initial={"x": "x0"})
    parameters = {"k": estimated(1.0, 1e-2, 1e2, "log10"), "x0": estimated(1.0, 0.1, 10, per="condition")}
    data = {"time": [0.5, 1.0], "value": [0.6, 0.4], "condition": ["cold"] * 2}
    problem = Problem(
        model, data, conditions={"cold": {}, "warm": {}}, parameters=parameters, noise={"y": 0.1}
    )
    _, grid = offered(problem)
    warm = [c for c in grid if c.condition == "warm"]
    assert [len(c.times) for c in warm] == [50]
    found = design(problem, problem.parameters.nominal_scaled, candidates=warm, target=["k"], check=False)
    # x0[warm] is unknown, and a course knows it: k from both courses
    assert float(found["gain"][0]) > 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"criterion": "G"}, "criterion = 'G'"),
        ({"method": "guess"}, "method = 'guess'"),
        ({"n_new": 0}, "n_new = 0"),
        ({"candidates": [Candidate("z", 1.0)]}, "'z' is no observable"),
        ({"candidates": [Candidate("y", 1.0, "hot")]}, "condition 'hot' is none of default"),
        ({"candidates": [Candidate("y", 1.0)], "times": [1.0]}, "times were given beside candidates"),
        ({"candidates": []}, "no measurement is offered"),
        ({"candidates": [Candidate("y", 1.0, sd=0.3)], "noise": "sd"}, "by the model"),
        ({"observables": {"y": {"formula": "a", "noise": 1}}}, "'y' is one of the model already"),
        ({"observables": {"z": {"formula": "a"}}}, "observable z: noise"),
        ({"target": []}, "no target was named"),
        ({"target": ["a", "2*a"]}, "depend on each other"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(options: dict, said: str):
    problem = line()
    if options.pop("noise", None):
        problem = Problem(
            problem.model, {"time": [0.0, 1.0], "value": [1.0, 3.0]}, noise={"y": "sd"},
            parameters={n: estimated(v, 0.01, 9.0) for n, v in (("a", 1.0), ("b", 2.0), ("sd", 0.1))},
        )  # fmt: skip
    with pytest.raises(InputError, match=said):
        design(problem, problem.parameters.nominal_scaled, check=False, **options)
