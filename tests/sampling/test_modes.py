"""Bananas and separate modes through the verb: who finds their moments, and that who does not says so."""

from __future__ import annotations

import importlib
import re

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from idfit.optimize import fit
from idfit.problem import Problem
from idfit.sampling import SampleOptions
from idfit.sampling.density import Density
from idfit.sampling.kernels import kernel_of
from idfit.sampling.modes import Modes, log_masses, missed, modes_of
from idfit.sampling.sample import sample
from tests.sampling.targets import banana_problem, two_modes_problem

SMALL = SampleOptions(ess=2000)


@pytest.fixture(scope="module")
def six() -> tuple[Problem, xr.Dataset]:
    """Two modes in six dimensions, and a fit that has met both."""
    problem = two_modes_problem(6)
    return problem, fit(problem, 10, seed=1)


def share_of_the_larger(made) -> float:
    """Of the draws, that lie in the mode of weight 0.7."""
    return float((made["posterior"]["x0"] > 0).mean())


def part_missed(reason: str) -> float:
    """That the mode holds, in per cent."""
    found = re.search(r"no draw is near an optimum .* holds about (\d+)%", reason)
    assert found, reason
    return float(found[1])


def test_the_banana_has_its_moments():
    # E x2 = 0, Var x2 = 201 (references, ground_truth.md)
    options = SampleOptions(sampler="tempering", ess=2000, rungs=6)
    made = sample(banana_problem(), seed=3, options=options)
    worth = made["sampling"].sel(parameter="x2")
    assert made["sampling"].attrs["converged"] == 1
    assert abs(float(worth["mean"])) < 4 * float(worth["mcse_mean"])
    assert abs(float(worth["sd"]) - np.sqrt(201)) < 4 * float(worth["mcse_sd"])


def test_a_ladder_finds_the_weights_of_two_modes(six):
    made = sample(*six, seed=3, options=SampleOptions(sampler="tempering", ess=2000))
    assert made["sampling"].attrs["converged"] == 1
    assert_allclose(share_of_the_larger(made), 0.7, atol=0.03)


@pytest.mark.parametrize("seed", [11, 16])
def test_chains_that_know_the_optima_find_their_weights(six, seed):
    # with seed 16 all chains leave the larger mode within the first steps
    made = sample(*six, seed=seed, options=SMALL)
    assert made["sampling"].attrs["converged"] == 1
    assert_allclose(share_of_the_larger(made), 0.7, atol=0.03)


def test_chains_that_all_left_a_mode_make_no_claim(six, monkeypatch):
    module = importlib.import_module("idfit.sampling.sample")
    monkeypatch.setattr(module, "kernel_of", lambda options, modes: kernel_of(options))
    made = sample(*six, seed=16, options=SampleOptions(ess=1000, max_evaluations=30_000))
    assert share_of_the_larger(made) == 0.0
    assert part_missed(made["sampling"].attrs["reason"]) == pytest.approx(70, abs=8)
    assert np.isnan(made["sampling"]["interval"]).all()


def known(six) -> tuple[Modes, Density]:
    density = Density(six[0].objective())
    return modes_of(density, six[1]), density


def test_modes_are_those_of_the_mixture(six):
    modes, _ = known(six)
    assert_allclose(modes.mean, [[4.0] * 6, [-4.0] * 6], atol=1e-3)
    # of variance 1; the prior, uniform over 24, adds its precision 1/48
    covariance = np.matmul(modes.root, modes.root.transpose(0, 2, 1))
    assert_allclose(covariance, np.broadcast_to(np.eye(6) * 48 / 49, (2, 6, 6)), atol=1e-4)


def test_masses_of_modes_are_their_weights(six):
    modes, density = known(six)
    masses = log_masses(density, modes, np.random.default_rng(1))
    assert_allclose(masses[0] - masses[1], np.log(0.7 / 0.3), atol=0.2)


def test_what_draws_have_missed(six):
    modes, density = known(six)
    masses = log_masses(density, modes, np.random.default_rng(1))
    around = np.random.default_rng(2).standard_normal((1000, 6))
    assert part_missed(missed(modes.shares(around - 4), masses, 1000.0)) == pytest.approx(70, abs=8)
    assert part_missed(missed(modes.shares(around + 4), masses, 1000.0)) == pytest.approx(30, abs=8)
    # too few draws to expect one there, draws in both, draws near none
    assert not missed(modes.shares(around - 4), masses, 4.0)
    assert not missed(modes.shares(np.concatenate([around - 4, around + 4])), masses, 1000.0)
    assert not missed(modes.shares(0.1 * around), masses, 1000.0)


def test_ensembles_that_hardly_cross_between_modes_make_no_claim():
    problem = two_modes_problem(16)
    start = fit(problem, 10, seed=1)
    options = SampleOptions(sampler="emcee", ess=500, max_evaluations=150_000)
    made = sample(problem, start, seed=3, options=options)
    # there are draws enough; but walkers keep to the mode that they began in, and no number is given
    assert (made["sampling"]["ess_bulk"] > 500).all()
    assert made["sampling"].attrs["converged"] == 0
    assert "walkers of one ensemble stay apart" in made["sampling"].attrs["reason"]
    assert np.isnan(made["sampling"]["interval"]).all()
