"""Optimal designs that are known in closed form, and gains against other ways to compute them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from idfit.fisher import fisher_information
from idfit.model import Model
from idfit.prediction.candidates import Candidate, widened
from idfit.prediction.criteria import (
    Information,
    criterion_value,
    null_directions,
    remaining_null_space,
)
from idfit.prediction.design import design
from idfit.prediction.exchange import exchanged, greedy
from idfit.problem import Problem
from tests.problems import estimated

NOISE = 0.1
LOCAL = {"method": "fisher", "check": False}


def hardly_measured(formula: str, parameters: dict, **more) -> Problem:
    """A problem whose data say next to nothing: `y` is to be measured, and only `blurred` has been."""
    model = Model.from_equations({}, {"y": formula, "blurred": formula}, list(parameters), **more)
    data = {"time": [0.5, 1.0, 2.0], "observable": ["blurred"] * 3, "value": [1.0, 1.0, 1.0]}
    return Problem(model, data, parameters=parameters, noise={"y": NOISE, "blurred": 1e4})


def nominal(problem: Problem) -> np.ndarray:
    return problem.parameters.nominal_scaled


def chosen_times(found) -> list[float]:
    return sorted(found["time"].values[found["chosen_candidate"].values].tolist())


GRID = [Candidate("y", float(t)) for t in np.linspace(0.0, 4.0, 81)]


def test_a_straight_line_is_measured_at_both_ends():
    line = hardly_measured("a + b*t", {"a": estimated(1.0, -1e3, 1e3), "b": estimated(2.0, -1e3, 1e3)})
    found = design(line, nominal(line), candidates=GRID, criterion="D", n_new=4, **LOCAL)
    assert chosen_times(found) == [0.0, 0.0, 4.0, 4.0]


def test_a_straight_line_through_known_origin_is_measured_at_the_far_end():
    line = hardly_measured("b*t", {"b": estimated(2.0, -1e3, 1e3)})
    found = design(line, nominal(line), candidates=GRID, criterion="single", **LOCAL)
    assert chosen_times(found) == [4.0]
    # var(b) = σ²/t², in units of b
    best = found.sel(candidate=found["chosen_candidate"].values[0])
    assert float(best["error_after"][0]) == pytest.approx(NOISE / 4.0 / 2.0, rel=1e-6)


@pytest.mark.parametrize("k", [0.5, 1.0, 2.0])
def test_a_decay_rate_is_measured_after_its_own_time(k: float):
    decay = hardly_measured("3*exp(-k*t)", {"k": estimated(k, 1e-3, 1e3, "log10")})
    found = design(decay, nominal(decay), candidates=GRID, target="k", criterion="single", **LOCAL)
    assert chosen_times(found) == [pytest.approx(1.0 / k)]


@pytest.mark.parametrize("k", [0.5, 1.0, 2.0])
def test_amplitude_and_rate_of_a_decay_are_measured_at_the_start_and_after_its_own_time(k: float):
    parameters = {"A": estimated(3.0, 1e-3, 1e3, "log10"), "k": estimated(k, 1e-3, 1e3, "log10")}
    decay = hardly_measured("A*exp(-k*t)", parameters)
    found = design(decay, nominal(decay), candidates=GRID, n_new=2, **LOCAL)
    assert chosen_times(found) == [0.0, pytest.approx(1.0 / k)]


def test_michaelis_menten_is_measured_at_the_top_and_at_the_known_substrate():
    # Dette & Biedermann 2003: s = K·smax/(2K + smax)
    K, smax = 2.0, 8.0
    parameters = {
        "V": estimated(3.0, 1e-3, 1e3, "log10"), "K": estimated(K, 1e-3, 1e3, "log10"),
        "s": {"value": 1.0, "fixed": True},
    }  # fmt: skip
    enzyme = hardly_measured("V*s/(K + s)", parameters)
    levels = np.round(np.linspace(0.0, smax, 241), 10)
    offers = [
        Candidate("y", 0.0, "default", set={"s": float(s)}, name=f"s_{i}") for i, s in enumerate(levels)
    ]
    found = design(enzyme, nominal(enzyme), candidates=offers, n_new=2, **LOCAL)
    measured = sorted(levels[found["chosen_candidate"].values])
    assert measured == [pytest.approx(K * smax / (2 * K + smax), abs=smax / 240), smax]


def random_information(n: int = 7, k: int = 3, targets: int = 2) -> tuple[np.ndarray, np.ndarray, list]:
    rng = np.random.default_rng(5)
    root, lines = rng.normal(size=(5, k)), rng.normal(size=(targets, k))
    return root, lines, [rng.normal(size=(rng.integers(1, 3), k)) for _ in range(n)]


@pytest.mark.parametrize("criterion", ["D", "A", "E", "single"])
def test_criteria_are_those_of_the_inverse_information(criterion):
    root, lines, candidates = random_information()
    info = Information.of(root, lines, candidates)
    for chosen in ([], [2], [0, 0, 4]):
        fim = root.T @ root + sum(candidates[i].T @ candidates[i] for i in chosen)
        cov = lines @ np.linalg.inv(fim) @ lines.T
        direct = {
            "D": math.log(np.linalg.det(cov)) / 2, "A": math.log(np.trace(cov)),
            "E": math.log(max(np.linalg.eigvalsh(cov))), "single": math.log(cov[0, 0]),
        }[criterion]  # fmt: skip
        assert criterion_value(info.covariance(info.set_of(chosen)), criterion) == pytest.approx(direct)


@pytest.mark.parametrize("criterion", ["D", "A", "E", "single"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_exchange_finds_what_enumeration_finds(criterion, size: int):
    root, lines, candidates = random_information()
    info = Information.of(root, lines, candidates)

    def scores(chosen: list[int]) -> np.ndarray:
        return -criterion_value(info.covariance(info.set_of(chosen) + info.weights), criterion)

    values = {
        tuple(chosen): -float(criterion_value(info.covariance(info.set_of(list(chosen))), criterion))
        for chosen in itertools.combinations_with_replacement(range(len(candidates)), size)
    }
    found = exchanged(scores, greedy(scores, size))
    assert values[tuple(sorted(found))] == pytest.approx(max(values.values()))


def test_exchange_leaves_the_trap_of_greedy_choice():
    # each alone is worse than the middle one, together they are best
    worth = {(): 0.0, (0,): 1.0, (1,): 2.0, (2,): 1.0, (0, 2): 10.0}

    def scores(chosen: list[int]) -> np.ndarray:
        return np.array([worth.get(tuple(sorted([*chosen, i])), 3.0) for i in range(3)])

    assert sorted(greedy(scores, 2)) != [0, 2]
    assert sorted(exchanged(scores, greedy(scores, 2))) == [0, 2]


def test_gains_are_those_of_the_information_with_the_measurement_among_the_data():
    parameters = {"A": estimated(3.0, 1e-6, 1e6, "log10"), "k": estimated(0.7, 1e-6, 1e6, "log10"),
                  "sd": estimated(0.1, 1e-6, 1e6, "log10")}  # fmt: skip
    model = Model.from_equations({"x": "-k*x"}, {"y": "x"}, ["A", "k"], initial={"x": "A"})
    times = np.linspace(0.0, 3.0, 12)
    data = {"time": times, "value": 3.0 * np.exp(-0.7 * times)}
    problem = Problem(model, data, parameters=parameters, noise={"y": "sd"})
    offers = [Candidate("y", t) for t in (0.5, 1.4, 5.0)]
    found = design(problem, nominal(problem), candidates=offers, **LOCAL)
    before = fisher_information(problem, nominal(problem), curvature=False)["fim"].values[0]
    for i, offer in enumerate(offers):
        more = {"time": [*times, offer.time], "value": [*data["value"], 1.0]}
        wider = Problem(model, more, parameters=parameters, noise={"y": "sd"})
        after = fisher_information(wider, nominal(problem), curvature=False)["fim"].values[0]
        expected = (np.linalg.slogdet(after)[1] - np.linalg.slogdet(before)[1]) / 3
        # the bounds add 1/(12 decades/√12)² to informations of hundreds
        assert float(found["gain"][i]) == pytest.approx(expected, rel=1e-2)
        errors = np.sqrt(np.diag(np.linalg.inv(after))) * math.log(10.0)
        assert found["error_after"].values[:, i] == pytest.approx(errors, rel=2e-3)


def a_product() -> Problem:
    model = Model.from_equations({}, {"y": "a*b*t", "a_alone": "a"}, ["a", "b"])
    bounds = {"a": estimated(2.0, 1e-3, 1e3, "log10"), "b": estimated(1.0, 1e-3, 1e3, "log10")}
    data = {"time": [1.0, 2.0, 3.0], "observable": ["y"] * 3, "value": [2.1, 3.9, 6.0]}
    return Problem(model, data, parameters=bounds, noise={"y": 0.1, "a_alone": 0.5})


def test_information_along_an_undetermined_direction_is_counted_and_not_inverted_away():
    problem = a_product()
    offers = [Candidate("y", 10.0), Candidate("a_alone", 1.0)]
    found = design(problem, nominal(problem), candidates=offers, target=["a"], **LOCAL)
    assert not bool(found["determined_before"][0])
    assert found["determined_after"].values[0].tolist() == [False, True]
    # direction (1, −1)/√2 in units of a factor e; ∂a/∂ln a = 2, noise 0.5
    assert found["null_information"].values[0] == pytest.approx([0.0, (2.0 / 0.5) ** 2 / 2.0], abs=1e-9)
    # without it, a is known no better than its bounds say: six decades, and b moves against it
    assert float(found["error_before"][0]) > 0.5 * 6 * math.log(10.0) / math.sqrt(12.0)
    assert float(found["error_after"][0, 1]) == pytest.approx(0.25, rel=1e-2)
    assert found["rank"].values.tolist() == [1, 0]


def test_the_product_that_is_determined_is_no_target_of_the_undetermined_direction():
    problem = a_product()
    found = design(problem, nominal(problem), candidates=[Candidate("y", 10.0)], target=["a*b"], **LOCAL)
    assert bool(found["determined_before"][0])


def test_null_directions_by_hand():
    null = np.array([[1.0], [-1.0], [0.0]])
    lines = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
    directions = null_directions(lines, null, 1e-6)
    assert np.abs(directions[0]) == pytest.approx([math.sqrt(0.5), math.sqrt(0.5), 0.0])
    assert not directions[1:].any()
    assert remaining_null_space(np.array([[1.0, 1.0, 5.0]]), null).shape == (3, 1)
    assert remaining_null_space(np.array([[1.0, 0.0, 5.0]]), null).shape == (3, 0)


def test_noise_that_depends_on_parameters_is_the_candidates_own():
    parameters = {"a": estimated(2.0, 1e-2, 1e2, "log10"), "rel": {"value": 0.2, "fixed": True}}
    model = Model.from_equations({}, {"y": "a*t"}, list(parameters))
    problem = Problem(
        model, {"time": [1.0], "value": [2.0]}, parameters=parameters, noise={"y": "0.01 + rel*y"}
    )
    found = design(problem, nominal(problem), candidates=[Candidate("y", 3.0)], **LOCAL)
    assert float(found["sigma"][0]) == pytest.approx(0.01 + 0.2 * 6.0)


def test_replicates_count_as_often_as_they_are_made():
    line = hardly_measured("b*t", {"b": estimated(2.0, -1e3, 1e3)})
    once = design(line, nominal(line), candidates=GRID[40:41], **LOCAL)
    four = design(line, nominal(line), candidates=GRID[40:41], replicates=4, **LOCAL)
    assert float(once["error_after"][0, 0]) == pytest.approx(2.0 * float(four["error_after"][0, 0]), rel=1e-6)


def test_a_row_for_each_reading_and_the_data_as_they_were():
    problem = a_product()
    wider = widened(problem, problem.spec, [Candidate("y", (4.0, 5.0)), Candidate("a_alone", 0.0)])
    table = wider.problem.spec.measurements
    assert wider.rows == (slice(3, 5), slice(5, 6))
    assert (table.value[:3], table.time[3:]) == (problem.spec.measurements.value, (4.0, 5.0, 0.0))
