"""Bananas and separate modes through the verb: who finds their moments, and that who does not says so."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from idfit.optimize import fit
from idfit.sampling import SampleOptions
from idfit.sampling.sample import sample
from tests.sampling.targets import banana_problem, two_modes_problem


def share_of_the_larger(made) -> float:
    """Of the draws, that lie in the mode of weight 0.7."""
    return float((made["posterior"]["x0"] > 0).mean())


def test_the_banana_has_its_moments():
    # E x2 = 0, Var x2 = 201 (references, ground_truth.md)
    options = SampleOptions(sampler="tempering", ess=2000, rungs=6)
    made = sample(banana_problem(), seed=3, options=options)
    worth = made["sampling"].sel(parameter="x2")
    assert made["sampling"].attrs["converged"] == 1
    assert abs(float(worth["mean"])) < 4 * float(worth["mcse_mean"])
    assert abs(float(worth["sd"]) - np.sqrt(201)) < 4 * float(worth["mcse_sd"])


def test_a_ladder_finds_the_weights_of_two_modes():
    problem = two_modes_problem(6)
    start = fit(problem, 10, seed=1)
    made = sample(problem, start, seed=3, options=SampleOptions(sampler="tempering", ess=2000))
    assert made["sampling"].attrs["converged"] == 1
    assert_allclose(share_of_the_larger(made), 0.7, atol=0.03)


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
