"""The evidence from draws against closed forms, quadrature, and what is missing where chains do not count."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import norm

from idfit.model import Model
from idfit.problem import Problem
from idfit.sampling import SampleOptions
from idfit.sampling.bridge import _iterated
from idfit.sampling.density import Density
from idfit.sampling.sample import sample
from tests.problems import estimated
from tests.sampling.targets import two_modes_problem
from tests.sampling.test_nested import in_a_box, line, under_normal_priors


def evidence(problem: Problem, seed: int = 1, **options) -> tuple[float, float]:
    made = sample(problem, seed=seed, options=SampleOptions(**{"ess": 1000, **options}))["sampling"]
    return made.attrs["log_evidence"], made.attrs["log_evidence_error"]


def test_of_a_linear_model_in_a_box():
    found, error = evidence(line())
    assert abs(found - in_a_box(line())) < 4 * error < 0.2


@pytest.mark.parametrize("more", ["", " within bounds", " on estimation"])
def test_of_a_linear_model_under_normal_priors(more):
    problem = line(-20, 20, prior="normal(0.5, 1.5)" + more)
    found, error = evidence(problem)
    assert abs(found - under_normal_priors(problem, 0.5, 1.5)) < 4 * error < 0.2


@pytest.mark.parametrize("prior", ["gamma(2, 1)", "log-normal(0, 1) within bounds"])
@pytest.mark.parametrize("sampler", ["metropolis", "emcee"])
def test_of_one_parameter_whose_bounds_cut_its_prior(prior, sampler):
    model = Model.from_equations({}, {"y": "k"}, ["k"])
    parameters = {"k": estimated(1.5, 0.5, 3.0, "log10", prior=prior)}
    problem = Problem(model, {"time": [0.0], "value": [2.0]}, parameters=parameters, noise={"y": 0.5})
    density = Density(problem.objective())
    low, high = density.lower[0], density.upper[0]
    over = quad(lambda v: np.exp(density(np.array([v]))), low, high)[0]
    prior_alone = quad(lambda v: np.exp(density.at(np.array([v]), 0).log_prior), low, high)[0]
    found, error = evidence(problem, sampler=sampler)
    assert abs(found - np.log(over / prior_alone)) < 4 * error < 0.2


def test_of_two_modes():
    """π = c (0.3 exp(-½|θ + m|²) + 0.7 exp(-½|θ - m|²)): Z = c (2π)³ over the volume of the box."""
    problem = two_modes_problem(6)
    found, error = evidence(problem, seed=3, sampler="tempering", ess=2000)
    log_c = Density(problem.objective())(np.full(6, 4.0)) - np.log(0.7)
    assert abs(found - (log_c + 3 * np.log(2 * np.pi) - 6 * np.log(24))) < 4 * error < 0.3


def test_the_iteration_on_two_normal_densities():
    """π = 5 N(0, 1) and g = N(0.5, 1.2²): Z = 5 within its error, which is that of many repetitions."""
    rng = np.random.default_rng(1)
    target, g = norm(0, 1), norm(0.5, 1.2)

    def once() -> tuple[float, float]:
        x, y = target.rvs(500, random_state=rng), g.rvs(500, random_state=rng)
        ratios = [np.log(5) + target.logpdf(v) - g.logpdf(v) for v in (x, y)]
        return _iterated(*ratios, 500.0)

    found = np.array([once() for _ in range(300)])
    assert_allclose(found[:, 0].mean(), np.log(5), atol=4 * found[:, 0].std() / np.sqrt(300))
    assert_allclose(found[:, 1].mean(), found[:, 0].std(), rtol=0.15)


def test_chains_that_do_not_count_have_none():
    made = sample(line(), seed=1, options=SampleOptions(ess=100_000, max_evaluations=8000))["sampling"]
    assert "log_evidence" not in made.attrs
