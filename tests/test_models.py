"""Every model in models/ loads with its data and gives the numbers of models/expected.toml."""

from __future__ import annotations

import math
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import idfit

ROOT = Path(__file__).resolve().parent.parent
EXPECTED = tomllib.loads((ROOT / "models/expected.toml").read_text(encoding="utf-8"))
MODELS = sorted(EXPECTED)
POINTS = 10


@cache
def problem_of(name: str):
    return idfit.load(ROOT / f"models/{name}.toml", ROOT / f"data/{EXPECTED[name].get('data', name)}.csv")


@cache
def objective_of(name: str):
    return problem_of(name).objective(rtol=1e-10, atol=1e-14)


def nominal(name: str) -> np.ndarray:
    parameters = problem_of(name).parameters
    return parameters.to_scaled(parameters.nominal)


def bounds(name: str) -> tuple[np.ndarray, np.ndarray]:
    parameters = problem_of(name).parameters
    return parameters.to_scaled(parameters.lower), parameters.to_scaled(parameters.upper)


def near(value: float, expected: float) -> bool:
    """Within 1e-8 relative or 1e-6 absolute, whichever is wider."""
    return math.isclose(value, expected, rel_tol=1e-8, abs_tol=1e-6)


def test_every_model_has_an_expectation_a_recipe_and_described_data():
    models = {path.stem for path in (ROOT / "models").glob("*.toml")} - {"expected"}
    assert set(EXPECTED) == models
    for name in models:
        assert (ROOT / f"reports/{name}.toml").is_file()
        assert (ROOT / f"data/{EXPECTED[name].get('data', name)}.md").is_file()


@pytest.mark.parametrize("name", MODELS)
def test_it_loads(name):
    problem = problem_of(name)
    assert len(problem.spec.measurements) == EXPECTED[name]["n_data"]
    assert len(problem.parameters.names) == EXPECTED[name]["n_estimated"]
    assert not [finding for finding in problem.findings if finding.severity == "warning"]


@pytest.mark.parametrize("name", MODELS)
def test_likelihood_at_the_nominal_values(name):
    expected = EXPECTED[name]
    evaluation = objective_of(name)(nominal(name), order=0)
    assert near(evaluation.nllh, expected["nllh"])
    assert near(evaluation.nlprior, expected.get("nlprior", 0.0))
    assert near(evaluation.objective, expected["nllh"] + expected.get("nlprior", 0.0))
    assert evaluation.chi2 == pytest.approx(expected["chi2"], rel=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_predictions_at_the_nominal_values(name):
    problem = problem_of(name)
    simulation = idfit.simulate(problem, nominal(name), rtol=1e-10)
    predicted = simulation["prediction"].values
    measured = np.array(problem.spec.measurements.value)
    logarithmic = {k for k, o in problem.spec.observables.items() if o.distribution == "log-normal"}
    on_log = np.isin(problem.spec.measurements.observable, list(logarithmic))
    residual = predicted - measured
    residual[on_log] = np.log(predicted[on_log] / measured[on_log])
    assert residual @ residual == pytest.approx(EXPECTED[name]["sse"], rel=1e-6)


def assert_minimum(name: str, theta: np.ndarray, at_bound: list[str]) -> None:
    """The quadratic bowl is no deeper elsewhere, and the objective rises from the bounds inwards."""
    evaluation = objective_of(name)(theta, order=1)
    lower, upper = bounds(name)
    on_bound = (theta == lower) | (theta == upper)
    assert [n for n, on in zip(problem_of(name).parameters.names, on_bound, strict=True) if on] == at_bound
    free = np.flatnonzero(~on_bound)
    gradient = evaluation.gradient[free]
    curvature = (evaluation.fim + evaluation.prior_fim)[np.ix_(free, free)]
    assert gradient @ np.linalg.solve(curvature, gradient) / 2 < 1e-6
    assert (evaluation.gradient[theta == lower] > 0).all()
    assert (evaluation.gradient[theta == upper] < 0).all()


@pytest.mark.parametrize("name", [name for name in MODELS if "optimum" in EXPECTED[name]])
def test_the_nominal_values_are_the_optimum(name):
    assert_minimum(name, nominal(name), EXPECTED[name].get("at_bound", []))


@pytest.mark.parametrize("name", [name for name in MODELS if "best" in EXPECTED[name]])
def test_likelihood_at_the_best_fit(name):
    problem, best = problem_of(name), EXPECTED[name]["best"]
    assert set(best["parameters"]) == set(problem.parameters.names)
    theta = problem.parameters.to_scaled(np.array([best["parameters"][n] for n in problem.parameters.names]))
    evaluation = objective_of(name)(theta, order=0)
    if "nllh" in best:
        assert near(evaluation.nllh, best["nllh"])
        assert evaluation.chi2 == pytest.approx(best["chi2"], rel=1e-6)
    if "objective" in best:
        assert near(evaluation.objective, best["objective"])
    assert_minimum(name, theta, best.get("at_bound", []))


@pytest.mark.parametrize("name", [name for name in MODELS if "published" in EXPECTED[name]])
def test_nominal_values_are_those_published(name):
    published = dict(EXPECTED[name]["published"])
    tolerance = published.pop("tolerance")
    assert published.pop("source")
    if "nllh" in published:
        assert EXPECTED[name]["nllh"] == pytest.approx(published.pop("nllh"), abs=1e-6)
    parameters = problem_of(name).parameters
    ours = dict(zip(parameters.names, parameters.nominal, strict=True))
    for parameter, value in published.items():
        assert ours[parameter] == pytest.approx(value, rel=tolerance), parameter


@pytest.mark.parametrize("name", MODELS)
def test_gradient_against_central_differences(name):
    """Richardson-extrapolated central differences at random feasible points around the nominal values."""
    objective = objective_of(name)
    rng = np.random.default_rng(20240 + MODELS.index(name))
    for theta in feasible_points(name, rng):
        gradient = objective(theta, order=1).gradient
        differences = numeric_gradient(lambda x: objective(x, order=0).objective, theta, step_of(name))
        assert np.linalg.norm(gradient - differences) < 1e-4 * np.linalg.norm(gradient)


def feasible_points(name: str, rng: np.random.Generator) -> list[np.ndarray]:
    lower, upper = bounds(name)
    reach = EXPECTED[name].get("spread", 0.25) * (upper - lower)
    margin = 1e-3 * (upper - lower)  # differences must not step over a bound
    points: list[np.ndarray] = []
    for _ in range(10 * POINTS):
        draw = nominal(name) + reach * rng.uniform(-1, 1, len(lower))
        theta = np.clip(draw, lower + margin, upper - margin)
        if np.isfinite(objective_of(name)(theta, order=0).objective):
            points.append(theta)
        if len(points) == POINTS:
            return points
    raise AssertionError(f"only {len(points)} feasible points found")


def step_of(name: str) -> np.ndarray:
    lower, upper = bounds(name)
    return 1e-5 * (upper - lower)


def numeric_gradient(function, x: np.ndarray, step: np.ndarray) -> np.ndarray:
    def central(scale: float) -> np.ndarray:
        shifts = np.diag(scale * step)
        return np.array([function(x + s) - function(x - s) for s in shifts]) / (2 * scale * step)

    return (4 * central(1.0) - central(2.0)) / 3
