"""The No-U-Turn sampler against closed forms: moments, a posterior cut by a bound, blocks, stops."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import cumulative_trapezoid
from scipy.stats import kstest, truncnorm

from idfit.errors import InputError, Interrupted, RunError
from idfit.model import Model
from idfit.problem import Problem
from idfit.sampling.density import Density
from idfit.sampling.diagnostics import ess_mean, mcse_mean, mcse_sd
from idfit.sampling.nuts import run_chain
from tests.problems import data_at, estimated, exponential_decay, linear_gaussian


def line() -> tuple[Density, np.ndarray]:
    problem = linear_gaussian().problem
    return Density(problem.objective()), problem.parameters.nominal_scaled


def cut(scale: str, low: float, high: float) -> Density:
    """k ~ half of a normal density: y = k measured as 1 with sd 1."""
    model = Model.from_equations({}, {"y": "k"}, ["k"])
    data = {"time": [0.0], "value": [1.0]}
    return Density(
        Problem(model, data, parameters={"k": estimated(1.5, low, high, scale)}, noise={"y": 1.0}).objective()
    )


def test_mean_and_sd_of_a_linear_model():
    density, start = line()
    chain = run_chain(density, start, 100, 1500, 1)
    oracle = linear_gaussian()
    covariance = np.linalg.inv(oracle.fim(start))
    times = np.linspace(0, 3, 7)
    mean = np.linalg.lstsq(np.stack([np.ones(7), times], axis=1), oracle.values, rcond=None)[0]
    for k in range(2):
        draws = chain["theta"][:, k][None, None]
        assert ess_mean(draws) > 300
        assert_allclose(draws.mean(), mean[k], atol=4 * mcse_mean(draws))
        assert_allclose(draws.std(), np.sqrt(covariance[k, k]), atol=4 * mcse_sd(draws))
    assert_allclose(
        np.corrcoef(chain["theta"].T)[0, 1],
        covariance[0, 1] / np.sqrt(covariance.diagonal().prod()),
        atol=0.03,
    )
    assert 0.6 < chain["acceptance"] < 1
    assert chain["n_divergent"] == 0
    assert chain["n_evaluations"] > 1600


@pytest.mark.parametrize(
    ("scale", "low", "high"), [("lin", 0.8, 6.0), ("log10", 0.5, 20.0), ("lin", 1.4, 1.9)]
)
def test_a_posterior_cut_by_its_bounds(scale, low, high):
    """Against the distribution function by quadrature, uniform prior on the estimation scale."""
    density = cut(scale, low, high)
    space = density.objective.parameters
    chain = run_chain(density, space.nominal_scaled, 100, 2000, 3)
    draws = chain["theta"][:, 0]
    grid = np.linspace(space.lower_scaled[0], space.upper_scaled[0], 401)
    heights = np.exp([density(np.array([v])) for v in grid])
    below = cumulative_trapezoid(heights, grid, initial=0)
    thin = int(np.ceil(len(draws) / ess_mean(draws[None, None])))
    assert kstest(draws[::thin], lambda v: np.interp(v, grid, below / below[-1])).pvalue > 1e-3
    assert len(draws[::thin]) > 200


@pytest.mark.parametrize(("low", "high"), [(1.2, np.inf), (-np.inf, 0.3), (-np.inf, np.inf)])
def test_one_bound_or_none_beside_a_prior(low, high):
    """A normal prior and a normal measurement: a normal posterior, cut where there is a bound."""
    model = Model.from_equations({}, {"y": "k"}, ["k"])
    parameters = {"k": estimated(0.0, -50, 50, prior="normal(0, 1)")}
    data = {"time": [0.0], "value": [1.0]}
    objective = Problem(model, data, parameters=parameters, noise={"y": 1.0}).objective()
    space = replace(objective.parameters, lower=np.array([low]), upper=np.array([high]))
    chain = run_chain(Density(replace(objective, parameters=space)), np.array([0.7]), 100, 800, 2)
    mean, sd = 0.5, np.sqrt(0.5)
    exact = truncnorm((low - mean) / sd, (high - mean) / sd, mean, sd)
    thin = int(np.ceil(800 / ess_mean(chain["theta"][:, 0][None, None])))
    assert kstest(chain["theta"][::thin, 0], exact.cdf).pvalue > 1e-3
    assert thin < 10


def test_lp_is_the_density_without_the_jacobian_of_the_whole_line():
    density = cut("log10", 0.5, 20.0)
    chain = run_chain(density, np.array([0.1]), 50, 30, 1)
    assert_allclose(chain["lp"], [density(theta) for theta in chain["theta"]], atol=1e-9)


def test_a_seed_fixes_every_byte():
    density, start = line()
    first, again, other = (run_chain(density, start, 30, 20, seed) for seed in (5, 5, 6))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["theta"], other["theta"])


def test_a_further_block_needs_no_warm_up():
    density, start = line()
    first = run_chain(density, start, 200, 10, 1)
    second = run_chain(density, start, 0, 1000, 2, first)
    assert second["step_size"] == first["step_size"]
    assert_allclose(second["state_variance"], first["state_variance"], rtol=1e-12)
    assert second["n_evaluations"] < 1 + 8 * 1000
    draws = second["theta"][:, 0][None, None]
    fresh = run_chain(density, start, 100, 1000, 3)["theta"][:, 0]
    assert abs(draws.mean() - fresh.mean()) < 4 * np.sqrt(2) * mcse_mean(draws)
    # the first step begins where the block before ended
    assert np.abs(second["theta"][0] - first["theta"][-1]).max() < 10 * fresh.std()


def test_a_beginning_on_a_bound_is_moved_inside():
    density = cut("lin", 0.8, 6.0)
    assert np.isfinite(run_chain(density, np.array([0.8]), 30, 10, 1)["lp"]).all()


def test_trajectories_into_what_cannot_be_computed_are_divergent():
    """1/x = 1 - k t, and x grows beyond all bounds at k = 1, in the midst of the box."""
    model = Model.from_equations({"x": "k*x^2"}, {"y": "1/x"}, ["k"], initial={"x": 1.0})
    problem = Problem(
        model, data_at([1.0], np.array([0.0])), parameters={"k": estimated(0.5, 0.0, 3.0)}, noise={"y": 1.0}
    )
    density = Density(problem.objective())
    chain = run_chain(density, np.array([0.5]), 20, 40, 1)
    assert chain["n_divergent"] > 0
    assert sum(density.failures.values()) > 0
    assert chain["theta"].max() < 1.0
    assert np.isfinite(chain["lp"]).all()


@pytest.mark.parametrize("oracle", [linear_gaussian, exponential_decay])
def test_a_set_stop_flag_interrupts(oracle, monkeypatch):
    problem, original, calls = oracle().problem, Density.with_gradient, []

    def sets_the_flag(density: Density, theta: np.ndarray) -> tuple[float, np.ndarray]:
        calls.append(theta)
        density.stop[0] = len(calls) > 100
        return original(density, theta)

    monkeypatch.setattr(Density, "with_gradient", sets_the_flag)
    density = Density(problem.objective(), np.zeros(1, dtype=np.int64))
    with pytest.raises(Interrupted):
        run_chain(density, problem.parameters.nominal_scaled, 200, 1000, 1)
    assert len(calls) < 2000


def test_what_cannot_run_is_refused_in_words(monkeypatch):
    density, start = line()
    with pytest.raises(InputError, match="a warm-up of 5 steps was given; at least 20"):
        run_chain(density, start, 5, 10, 1)
    monkeypatch.setitem(sys.modules, "mici", None)
    with pytest.raises(InputError, match=r"needs the package mici.*pip install 'idfit\[nuts\]'"):
        run_chain(density, start, 50, 10, 1)


def test_a_beginning_without_density_is_refused_in_words():
    model = Model.from_equations({"x": "k*x^2"}, {"y": "1/x"}, ["k"], initial={"x": 1.0})
    problem = Problem(
        model, data_at([1.0], np.array([0.0])), parameters={"k": estimated(2.5, 0.0, 3.0)}, noise={"y": 1.0}
    )
    with pytest.raises(RunError, match="begin elsewhere"):
        run_chain(Density(problem.objective()), np.array([2.5]), 50, 10, 1)
