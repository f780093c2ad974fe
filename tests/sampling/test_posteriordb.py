"""Lynx and hare against the reference draws of posteriordb (hudson_lynx_hare-lotka_volterra).

The draws are found through the environment variable ``IDFIT_REFERENCES`` (folder ``posteriordb``).
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.stats import lognorm, norm

import idfit
from idfit.sampling.density import Density

ROOT = Path(__file__).parent.parent.parent
NAMES = {
    "alpha": "theta[1]", "beta": "theta[2]", "gamma": "theta[3]", "delta": "theta[4]",
    "hare0": "z_init[1]", "lynx0": "z_init[2]", "sd_hare": "sigma[1]", "sd_lynx": "sigma[2]",
}  # fmt: skip

pytestmark = pytest.mark.skipif(
    not os.environ.get("IDFIT_REFERENCES"), reason="IDFIT_REFERENCES is not set: the draws are not known"
)


def stored(name: str):
    """The JSON document in one of the zip files."""
    path = Path(os.environ["IDFIT_REFERENCES"]) / "posteriordb" / f"{name}.json.zip"
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(archive.namelist()[0]))


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    """(draw, parameter) on the natural scale, in the order of the model."""
    chains = stored("reference_posteriors__draws__draws__hudson_lynx_hare-lotka_volterra")
    return (
        np.array([[chain[name] for name in NAMES.values()] for chain in chains]).swapaxes(1, 2).reshape(-1, 8)
    )


@pytest.fixture(scope="module")
def problem() -> idfit.Problem:
    return idfit.load(ROOT / "models/lynx_hare_bayes.toml", ROOT / "data/lynx_hare.csv")


def log_density_of_stan(p: np.ndarray, data: dict) -> float:
    """ln of the density that the Stan programme states, over the natural values, by scipy alone."""
    alpha, beta, gamma, delta, hare, lynx, *sigma = p
    times = [0, *data["ts"]]
    found = solve_ivp(
        lambda t, z: [(alpha - beta * z[1]) * z[0], (delta * z[0] - gamma) * z[1]],
        (0, times[-1]),
        [hare, lynx],
        "DOP853",
        times,
        rtol=1e-10,
        atol=1e-10,
    )
    y = np.array([data["y_init"], *data["y"]]).T
    return (
        sum(norm(1, 0.5).logpdf(v) for v in (alpha, gamma))
        + sum(norm(0.05, 0.05).logpdf(v) for v in (beta, delta))
        + sum(lognorm(1, scale=np.exp(-1)).logpdf(v) for v in sigma)
        + sum(lognorm(1, scale=10).logpdf(v) for v in (hare, lynx))
        + sum(lognorm(s, scale=z).logpdf(v).sum() for s, z, v in zip(sigma, found.y, y, strict=True))
    )


def test_the_model_states_the_posterior_of_the_reference(problem, reference):
    """The same density at draws, but for the Jacobian of the logarithmic scale; all draws within bounds."""
    space, data = problem.parameters, stored("data__data__hudson_lynx_hare")
    assert list(space.names) == list(NAMES)
    assert np.all((reference > 1.2 * space.lower) & (reference < space.upper / 1.2))
    density = Density(problem.objective(1e-10))
    for p in reference[::997]:
        jacobian = np.log(p * np.log(10)).sum()
        assert_allclose(density(space.to_scaled(p)) - jacobian, log_density_of_stan(p, data), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["metropolis", "nuts"])
def test_draws_agree_with_the_reference(problem, reference, sampler):
    """Means within 0.05 sd, sds within 5 %, R-hat below 1.01, at least 4,400 effective draws."""
    draws = idfit.sample(problem, idfit.fit(problem, 30, 1), seed=1, sampler=sampler)
    worth, posterior = draws["sampling"], draws["posterior"]
    assert worth.attrs["converged"] == 1, worth.attrs["reason"]
    assert float(worth["rhat"].max()) < 1.01
    assert float(worth["ess_bulk"].min()) >= 4400
    mine = np.array([posterior[name].values.ravel() for name in NAMES])
    sd = reference.std(axis=0)
    assert np.all(np.abs(mine.mean(axis=1) - reference.mean(axis=0)) < 0.05 * sd)
    assert_allclose(mine.std(axis=1), sd, rtol=0.05)
    assert_allclose(worth["mean"].values, mine.mean(axis=1), rtol=1e-12)
