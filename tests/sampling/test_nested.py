"""The evidence against closed forms and quadrature, and the prior transform against idfit's own priors."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import kstest, multivariate_normal, norm

from idfit.errors import InputError, Interrupted
from idfit.model import Model
from idfit.problem import Problem
from idfit.sampling.density import Density
from idfit.sampling.nested import prior_transform, run_nested
from tests.problems import estimated, exponential_decay, linear_gaussian

TIMES = np.linspace(0, 3, 7)
DESIGN = np.stack([np.ones(7), TIMES], axis=1)


def line(low: float = -5.0, high: float = 5.0, **more) -> Problem:
    """y = a + b t with sd 0.1, as in tests.problems, with priors or other bounds."""
    data = {"time": list(TIMES), "value": list(linear_gaussian().values)}
    model = Model.from_equations({}, {"y": "a + b*t"}, ["a", "b"])
    parameters = {name: estimated(0.4 if name == "a" else -1.0, low, high, **more) for name in "ab"}
    return Problem(model, data, parameters=parameters, noise={"y": 0.1})


def in_a_box(problem: Problem) -> float:
    """ln of ∫ likelihood over the whole plane / area of the box."""
    y = np.array(problem.spec.measurements.value)
    information = DESIGN.T @ DESIGN / 0.01
    best = np.linalg.solve(information, DESIGN.T @ y / 0.01)
    highest = norm(0, 0.1).logpdf(y - DESIGN @ best).sum()
    area = np.prod(problem.parameters.upper - problem.parameters.lower)
    return highest + np.log(2 * np.pi) - np.linalg.slogdet(information)[1] / 2 - np.log(area)


def under_normal_priors(problem: Problem, mean: float, sd: float) -> float:
    """The density of the data: normal, its covariance that of noise and parameters together."""
    y = np.array(problem.spec.measurements.value)
    covariance = 0.01 * np.eye(7) + sd**2 * DESIGN @ DESIGN.T
    return float(multivariate_normal(DESIGN @ np.full(2, mean), covariance).logpdf(y))


def density_of(problem: Problem) -> Density:
    return Density(problem.objective())


def test_evidence_of_a_linear_model_in_a_box():
    problem = line()
    found = run_nested(density_of(problem), 1, 0.01, 100_000, 200)
    assert abs(found["log_evidence"] - in_a_box(problem)) < 4 * found["log_evidence_error"] < 2
    assert found["dlogz"] == 0.01
    theta, oracle = found["theta"], linear_gaussian()
    assert len(theta) > 500
    covariance = np.linalg.inv(oracle.fim(theta[0]))
    best = np.linalg.lstsq(DESIGN, oracle.values, rcond=None)[0]
    error = np.sqrt(covariance.diagonal() / len(theta))
    assert np.all(np.abs(theta.mean(axis=0) - best) < 5 * error)
    assert_allclose(np.cov(theta.T), covariance, rtol=0.25)
    assert_allclose(found["lp"][:5], [density_of(problem)(t) for t in theta[:5]], rtol=1e-12)


@pytest.mark.parametrize("more", ["", " within bounds", " on estimation"])
def test_evidence_of_a_linear_model_under_normal_priors(more):
    """Bounds that cut nothing; whether the prior is called one within bounds makes no difference."""
    problem = line(-20, 20, prior="normal(0.5, 1.5)" + more)
    found = run_nested(density_of(problem), 2, 0.05, 100_000, 80)
    expected = under_normal_priors(problem, 0.5, 1.5)
    assert abs(found["log_evidence"] - expected) < 4 * found["log_evidence_error"] < 2


@pytest.mark.parametrize("prior", ["gamma(2, 1)", "log-normal(0, 1) within bounds"])
def test_evidence_of_one_parameter_by_quadrature(prior):
    """A prior of the natural value, cut by the bounds and normalised there, on a logarithmic scale."""
    model = Model.from_equations({}, {"y": "k"}, ["k"])
    parameters = {"k": estimated(1.5, 0.5, 3.0, "log10", prior=prior)}
    problem = Problem(model, {"time": [0.0], "value": [2.0]}, parameters=parameters, noise={"y": 0.5})
    density = density_of(problem)
    low, high = density.lower[0], density.upper[0]
    over = quad(lambda v: np.exp(density(np.array([v]))), low, high)[0]
    prior_alone = quad(lambda v: np.exp(density.at(np.array([v]), 0).log_prior), low, high)[0]
    found = run_nested(density, 3, 0.01, 100_000, 100)
    assert abs(found["log_evidence"] - np.log(over / prior_alone)) < 4 * found["log_evidence_error"] < 0.6


PRIORS = [
    "normal(1, 0.5)", "log-normal(0, 0.7)", "uniform(0.2, 2.5)", "log-uniform(0.25, 3)", "laplace(1, 0.3)",
    "log-laplace(0, 0.4)", "gamma(2, 0.5)", "inverse-gamma(3, 2)", "cauchy(1, 0.4)", "chi-square(3)",
    "exponential(1.2)", "rayleigh(0.8)",
]  # fmt: skip

# all between 0.3 and 2.4 on the scale that the prior is of
BOUNDS = {
    ("lin", ""): (0.3, 2.2), ("log", ""): (0.3, 2.2), ("log10", ""): (0.3, 2.2), ("logit", ""): (0.3, 0.95),
    ("lin", " on estimation"): (0.3, 2.2), ("log", " on estimation"): (1.4, 9.0),
    ("log10", " on estimation"): (2.0, 200.0), ("logit", " on estimation"): (0.6, 0.9),
}  # fmt: skip


@pytest.mark.parametrize("scale", ["lin", "log", "log10", "logit"])
@pytest.mark.parametrize("on", ["", " on estimation"])
@pytest.mark.parametrize("prior", [None, *PRIORS])
def test_uniform_numbers_become_draws_from_the_priors_of_the_problem(prior, on, scale):
    """By Kolmogorov and Smirnov, against the integral of what the posterior density says of the prior."""
    low, high = BOUNDS[scale, on]
    model = Model.from_equations({}, {"y": "k"}, ["k"])
    more = {} if prior is None else {"prior": prior + on}
    parameters = {"k": estimated((low + high) / 2, low, high, scale, **more)}
    problem = Problem(model, {"time": [0.0], "value": [1.0]}, parameters=parameters, noise={"y": 1.0})
    density = density_of(problem)
    transform = prior_transform(density)
    grid = np.linspace(density.lower[0], density.upper[0], 4001)
    middle = (grid[1:] + grid[:-1]) / 2
    heights = np.exp([density.at(np.array([v]), 0).log_prior for v in middle])
    below = np.append(0, np.cumsum(heights)) / heights.sum()
    cube = np.random.default_rng(1).random((400, 1))
    draws = np.array([transform(u)[0] for u in cube])
    assert np.all((draws >= density.lower[0]) & (draws <= density.upper[0]))
    assert_allclose(np.interp(draws, grid, below), cube[:, 0], atol=2e-3)
    assert kstest(draws, lambda v: np.interp(v, grid, below)).pvalue > 1e-3


def test_a_seed_fixes_every_byte():
    density = density_of(line())
    first, again, other = (run_nested(density, seed, 0.5, 100_000, 50) for seed in (5, 5, 6))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert first["log_evidence"] != other["log_evidence"]


def test_a_budget_ends_it_and_says_what_is_left():
    found = run_nested(density_of(line()), 1, 0.01, 300, 50)
    assert found["dlogz"] > 1
    assert 300 <= found["n_evaluations"] < 600


@pytest.mark.parametrize("problem", [line(), exponential_decay().problem])
def test_a_set_stop_flag_interrupts_without_a_word(problem, monkeypatch, capfd):
    original, calls = Density.at, []

    def sets_the_flag(density: Density, theta: np.ndarray, order: int = 1):
        calls.append(theta)
        density.stop[0] = len(calls) > 300
        return original(density, theta, order)

    monkeypatch.setattr(Density, "at", sets_the_flag)
    with pytest.raises(Interrupted):
        run_nested(Density(problem.objective(), np.zeros(1, dtype=np.int64)), 1, 0.01, 100_000, 100)
    assert len(calls) == 301
    assert capfd.readouterr() == ("", "")


def test_what_cannot_run_is_refused_in_words(monkeypatch):
    with pytest.raises(InputError, match=r"normal\(-400, 1\) of parameter a - has no probability between"):
        prior_transform(density_of(line(-60, 60, prior="normal(-400, 1)")))
    monkeypatch.setitem(sys.modules, "dynesty", None)
    with pytest.raises(InputError, match=r"needs the package dynesty.*pip install 'idfit\[evidence\]'"):
        run_nested(density_of(line()), 1, 0.1, 1000)
