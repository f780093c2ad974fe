"""The posterior density against closed forms: likelihood, priors with their Jacobian, bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import lognorm

from idfit.errors import InputError
from idfit.model import Model
from idfit.problem import Problem
from idfit.sampling.density import Density
from tests.problems import ORACLES, data_at, estimated

TIMES = [0.5, 1.0, 2.0, 3.0]


def decay(scale: str = "log", low: float = 1e-3, high: float = 1e3, **more) -> Problem:
    model = Model.from_equations({"x": "-k*x"}, {"y": "x"}, ["k"], initial={"x": 1.0})
    values = np.exp(-0.5 * np.array(TIMES))
    parameters = {"k": estimated(0.5, low, high, scale, **more)}
    return Problem(model, data_at(TIMES, values), parameters=parameters, noise={"y": 0.1})


def density_of(problem: Problem) -> Density:
    return Density(problem.objective())


@pytest.mark.parametrize("name", ORACLES)
def test_without_priors_it_is_the_likelihood_of_the_closed_form(name):
    oracle = ORACLES[name]()
    space = oracle.problem.parameters
    if any(space.prior):
        pytest.skip("this problem has priors")
    theta = space.nominal_scaled + 0.05
    assert_allclose(
        density_of(oracle.problem)(theta), -np.real(oracle.nllh(space.to_natural(theta))), rtol=1e-6
    )


@pytest.mark.parametrize("scale", ["lin", "log", "log10"])
def test_a_prior_of_the_natural_value_carries_its_jacobian(scale):
    plain, informed = decay(scale), decay(scale, prior="log-normal(-0.5, 0.4)")
    space = plain.parameters
    for k in (0.2, 0.5, 1.3):
        theta = space.to_scaled(np.array([k]))
        slope = {"lin": 1.0, "log": k, "log10": k * np.log(10)}[scale]
        prior = lognorm(0.4, scale=np.exp(-0.5)).logpdf(k)
        assert_allclose(
            density_of(informed)(theta) - density_of(plain)(theta), prior + np.log(slope), atol=1e-9
        )


@pytest.mark.parametrize("scale", ["lin", "log", "log10", "logit"])
def test_the_gradient_is_that_of_the_value(scale):
    low, high = (1e-3, 0.99) if scale == "logit" else (1e-3, 1e3)
    density = density_of(decay(scale, low, high, prior="log-normal(-0.5, 0.4)"))
    theta = density.objective.parameters.nominal_scaled + 0.1
    value, gradient = density.with_gradient(theta)
    assert_allclose(value, density(theta), rtol=1e-7)
    difference = (density(theta + 1e-4) - density(theta - 1e-4)) / 2e-4
    assert_allclose(gradient[0], difference, rtol=1e-4, atol=1e-4)


def test_bounds_are_exact_and_no_failure():
    density = density_of(decay("lin", 0.1, 2.0))
    assert np.isfinite([density(np.array([0.1])), density(np.array([2.0]))]).all()
    assert density(np.array([np.nextafter(0.1, 0)])) == density(np.array([np.nextafter(2.0, 3)])) == -np.inf
    assert density.with_gradient(np.array([3.0]))[0] == -np.inf
    assert not density.failures


def test_an_improper_posterior_is_refused():
    objective = decay("lin").objective()
    unbounded = replace(objective.parameters, upper=np.array([np.inf]))
    with pytest.raises(InputError, match="parameter k has no prior"):
        Density(replace(objective, parameters=unbounded))
