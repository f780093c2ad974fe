"""The test on a sphere, against what is known of each model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

import idfit
from idfit.errors import InputError
from idfit.profiles import identifiability_test, profile
from tests.problems import linear_gaussian, phosphorylation, product

ROOT = Path(__file__).resolve().parents[2]


def test_the_direction_that_a_product_leaves_open():
    problem = product().problem
    test = identifiability_test(problem, idfit.fit(problem, 3, 1))
    assert str(test["verdict_label"].values) == "flat"
    assert np.abs(test["direction"].values @ np.array([1, -1])) == pytest.approx(np.sqrt(2), abs=1e-3)
    assert float(test["least_rise"]) < 1e-6
    assert test["distance"].values == pytest.approx(1.0, abs=0.02)


def test_a_sum_of_rates_is_flat_and_a_known_scale_mends_it():
    problem = phosphorylation().problem
    assert str(identifiability_test(problem, idfit.fit(problem, 3, 1))["verdict_label"].values) == "flat"
    better = phosphorylation().problem.fix(s=1.0)
    test = identifiability_test(better, idfit.fit(better, 3, 1), radius=2.0)
    assert str(test["verdict_label"].values) != "flat"


def test_the_least_rise_of_a_linear_model_is_that_of_its_weakest_axis():
    """On the sphere ‖(theta − best)/best‖ = R the rise is ½ uᵀHu, least along the weakest eigenvector."""
    oracle = linear_gaussian()
    fit = idfit.fit(oracle.problem, 3, 1)
    test = identifiability_test(oracle.problem, fit, radius=0.1)
    best = fit["optimum"].values[0]
    jacobian = oracle.jacobian(best) * np.abs(best)
    weakest = np.linalg.eigvalsh(jacobian.T @ jacobian / 0.01)[0]
    distance = test["distance"].values[np.argmin(test["objective"].values)]
    assert float(test["least_rise"]) == pytest.approx(0.5 * weakest * distance**2, rel=1e-3)
    assert distance == pytest.approx(0.1, rel=0.1)


def test_identifiable_means_that_every_interval_lies_within():
    problem = idfit.load(ROOT / "models/lynx_hare.toml", ROOT / "data/lynx_hare.csv")
    fit = idfit.fit(problem, 0, 1, nominal=True)
    test = identifiability_test(problem, fit)
    assert str(test["verdict_label"].values) == "identifiable"
    intervals = profile(problem, fit, method="endpoints")["interval"].sel(space="estimation").values[:, 0]
    assert (np.abs(intervals - fit["optimum"].values[0][:, None]) < 1.0).all()
    open_ended = idfit.load(ROOT / "models/boehm.toml", ROOT / "data/boehm.csv")
    test = identifiability_test(open_ended, idfit.fit(open_ended, 0, 1, nominal=True))
    assert str(test["verdict_label"].values) in ("flat", "open_both")
    names = open_ended.parameters.names
    assert names[int(np.argmax(np.abs(test["direction"].values)))] in ("k_imp_homo", "k_exp_hetero")


def test_the_rise_is_the_least_on_its_sphere():
    """scipy's SLSQP with the distance as a constraint finds nothing lower."""
    problem = idfit.load(ROOT / "models/bod_marske.toml", ROOT / "data/bod_marske.csv")
    fit = idfit.fit(problem, 0, 1, nominal=True)
    test = identifiability_test(problem, fit, radius=0.3)
    objective, best = problem.objective(), fit["optimum"].values[0]
    distance = float(test["distance"].values[np.argmin(test["objective"].values)])
    rng = np.random.default_rng(1)
    lowest = np.inf
    for _ in range(6):
        start = rng.standard_normal(len(best))
        found = minimize(
            lambda th: objective(th, 0).objective,
            best + distance * start / np.linalg.norm(start),
            method="SLSQP",
            constraints={"type": "eq", "fun": lambda th: np.sum((th - best) ** 2) - distance**2},
        )
        lowest = min(lowest, float(found.fun)) if found.success else lowest
    assert float(np.min(test["objective"])) == pytest.approx(lowest, abs=2e-3)


@pytest.mark.parametrize("radius", [0.0, -1.0, 1000.0, float("nan")])
def test_a_radius_that_makes_no_sense_is_refused(radius):
    with pytest.raises(InputError, match="radius"):
        identifiability_test(linear_gaussian().problem, np.zeros(2), radius)
