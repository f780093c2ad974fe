"""95 % intervals cover the truth in 95 % of simulated data sets, to within the binomial 99.9 % band."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import idfit
from idfit.model import Model
from idfit.problem import Problem, simulate_data
from idfit.profiles import profile
from tests.problems import estimated

QUICK, SLOW = 200, 2000


def decay() -> Problem:
    """A' = −k A, sixty measurements with known noise: χ² thresholds."""
    model = Model.from_equations({"A": "-k*A"}, {"y": "A"}, ["k"], {"A": "A0"})
    times = np.linspace(0.1, 5.0, 60)
    parameters = {"k": estimated(0.6, 1e-3, 1e2, "log10"), "A0": estimated(2.0, 0.0, 20.0)}
    data = {"time": list(times), "value": [1.0] * len(times)}
    return Problem(model, data, parameters=parameters, noise={"y": 0.1})


def growth() -> Problem:
    """Logistic growth with twelve measurements and an estimated noise level: F thresholds."""
    model = Model.from_equations({"N": "r*N*(1 - N/K)"}, {"y": "N"}, ["r", "K"], {"N": 0.5})
    times = np.linspace(0.5, 8.0, 12)
    parameters = {
        "r": estimated(0.9, 1e-2, 1e1, "log10"),
        "K": estimated(5.0, 1.0, 50.0, "log10"),
        "sd": estimated(0.2, 1e-3, 1e1, "log10"),
    }
    data = {"time": list(times), "value": [1.0] * len(times)}
    return Problem(model, data, parameters=parameters, noise={"y": "sd"})


def covered(problem: Problem, threshold: str, names: list[str], n: int) -> np.ndarray:
    """Data sets in which the interval of each parameter holds its true value."""
    truth = problem.parameters.nominal_scaled
    counts = np.zeros(len(names), dtype=int)
    for seed in range(n):
        drawn = simulate_data(problem, truth, seed=seed)
        fit = idfit.fit(drawn, 0, 1, nominal=True)
        found = profile(drawn, fit, names, threshold=threshold, method="endpoints")
        interval = found["interval"].sel(space="estimation").values[:, 0]
        true = truth[problem.parameters.position(names)]
        counts += (interval[:, 0] <= true) & (true <= interval[:, 1])
    return counts


def check(n: int) -> None:
    low, high = stats.binom.ppf([0.0005, 0.9995], n, 0.95)
    for problem, threshold, names in ((decay(), "chi2", ["k", "A0"]), (growth(), "F", ["r", "K"])):
        counts = covered(problem, threshold, names, n)
        assert (counts >= low).all(), counts
        assert (counts <= high).all(), counts


def test_intervals_cover_the_truth():
    check(QUICK)


@pytest.mark.slow
def test_intervals_cover_the_truth_in_many_data_sets():
    check(SLOW)
