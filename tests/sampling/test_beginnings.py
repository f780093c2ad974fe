"""Where chains begin: at every mode that the starts of the fit have met."""

from __future__ import annotations

import numpy as np
import pytest

import idfit
from idfit.sampling import SampleOptions
from idfit.sampling.density import Density
from idfit.sampling.positions import anchors

MODEL = """idfit = 1
[parameters]
p = { value = 0.5, min = -3, max = 3 }
q = { value = 0.5, min = 0, max = 3 }
[observables]
y = { formula = "p^2", noise = 0.1 }
z = { formula = "q", noise = 0.1 }
"""


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modes")
    (folder / "model.toml").write_text(MODEL)
    (folder / "data.csv").write_text("time,observable,value\n0,y,2.0\n0,z,1.5\n")
    return idfit.load(folder / "model.toml", folder / "data.csv")


def test_modes_that_predict_the_same_are_one_optimum_and_two_beginnings(problem):
    fit = idfit.fit(problem, n_starts=12, seed=1)
    assert fit.sizes["optimum_index"] == 1
    density = Density(problem.objective())
    found = anchors(density, fit, None)
    assert np.sort(np.unique(found[:, 0].round(3))) == pytest.approx([-np.sqrt(2), np.sqrt(2)], abs=1e-3)
    assert found[0] == pytest.approx(fit["optimum"].values[0])


def test_profiles_do_not_outweigh_the_starts(problem):
    fit = idfit.fit(problem, n_starts=12, seed=1)
    profiles = idfit.profile(problem, fit)
    found = anchors(Density(problem.objective()), fit, profiles)
    other = np.sign(found[:, 0]) != np.sign(fit["optimum"].values[0, 0])
    assert 0.1 < other.mean() < 0.9
    assert found[:, 1].std() > 0.05  # and the paths spread the chains


def test_the_posterior_of_both_modes_is_found(problem):
    fit = idfit.fit(problem, n_starts=12, seed=1)
    options = SampleOptions(ess=400, max_evaluations=120_000)
    post = idfit.sample(problem, fit, seed=1, options=options)
    assert post["sampling"].attrs["converged"] == 1, post["sampling"].attrs["reason"]
    share = float((post["posterior"]["p"] > 0).mean())
    assert share == pytest.approx(0.5, abs=0.12)  # p and -p are alike
