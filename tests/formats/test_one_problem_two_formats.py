"""The Boehm problem from its PEtab files and from idfit's own model and data: the same in every respect."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from idfit.formats.load import load
from idfit.optimize import fit
from idfit.profiles import profile

HERE = Path(__file__).parents[2]
REFERENCES = os.environ.get("IDFIT_REFERENCES")

pytestmark = pytest.mark.skipif(
    not REFERENCES, reason="IDFIT_REFERENCES is not set: the PEtab files are not known"
)


@pytest.fixture(scope="module")
def problems():
    folder = Path(REFERENCES or ".") / "petab_benchmark" / "Boehm_JProteomeRes2014"
    own = load(HERE / "models" / "boehm.toml", HERE / "data" / "boehm.csv")
    return load(folder / "Boehm_JProteomeRes2014.yaml"), own


def common(problem, other):
    """Positions in `problem` of the parameters, in the order of `other`."""
    return [problem.parameters.names.index(name) for name in other.parameters.names]


def test_value_and_gradient_are_the_same_at_random_points(problems):
    foreign, own = problems
    order = common(foreign, own)
    assert len(order) == len(foreign.parameters) == 9
    rng = np.random.default_rng(5)
    lower, upper = own.parameters.lower_scaled, own.parameters.upper_scaled
    for share in rng.uniform(0.3, 0.7, (5, len(lower))):
        theta = lower + share * (upper - lower)
        mine = own.objective(1e-10)(theta)
        theirs = np.empty_like(theta)
        theirs[order] = theta
        ev = foreign.objective(1e-10)(theirs)
        assert ev.nllh == pytest.approx(mine.nllh, rel=1e-9)
        np.testing.assert_allclose(ev.gradient[order], mine.gradient, rtol=1e-6, atol=1e-6)


def test_profiles_are_the_same(problems):
    limits = []
    for problem in problems:
        best = fit(problem, n_starts=8, seed=1)
        found = profile(problem, best, parameters=["k_phos", "k_exp_hetero"])
        limits.append(found["interval"].sel(space="estimation", ci_prob=0.95).values)
    np.testing.assert_allclose(limits[0], limits[1], atol=2e-5)
