"""How often bands cover what they claim to: 1,000 simulated data sets of two small models, at several times.

A prediction interval is to cover the noise-free trajectory of the truth, a validation interval a new
measurement drawn there, each in 95 % of the data sets. Judged by the 99.9 % band of the binomial
distribution.

    python benchmarks/coverage_prediction.py            # 1,000 data sets
    python benchmarks/coverage_prediction.py 200
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy import stats

import idfit
from idfit.problem import Problem, simulate, simulate_data

LEVEL, DATA_SETS = 0.95, 1000
KINDS = ("prediction", "validation", "inner approximation")


def decay() -> tuple[Problem, str, np.ndarray]:
    """A′ = −k A, fifteen measurements with known noise: χ² thresholds; times within and beyond the data."""
    model = idfit.Model.from_equations({"A": "-k*A"}, {"y": "A"}, ["k"], {"A": "A0"})
    parameters = {
        "k": {"value": 0.6, "min": 1e-3, "max": 1e2, "scale": "log10"},
        "A0": {"value": 2.0, "min": 0.0, "max": 20.0},
    }
    data = {"time": list(np.linspace(0.2, 4.0, 15)), "value": [1.0] * 15}
    return (
        Problem(model, data, parameters=parameters, noise={"y": 0.1}),
        "chi2",
        np.array([0.0, 1.0, 4.0, 8.0]),
    )


def growth() -> tuple[Problem, str, np.ndarray]:
    """Logistic growth, twelve measurements with an estimated noise level: F thresholds."""
    model = idfit.Model.from_equations({"N": "r*N*(1 - N/K)"}, {"y": "N"}, ["r", "K"], {"N": 0.5})
    parameters = {
        "r": {"value": 0.9, "min": 1e-2, "max": 1e1, "scale": "log10"},
        "K": {"value": 5.0, "min": 1.0, "max": 50.0, "scale": "log10"},
        "sd": {"value": 0.2, "min": 1e-3, "max": 1e1, "scale": "log10"},
    }
    data = {"time": list(np.linspace(0.5, 8.0, 12)), "value": [1.0] * 12}
    return (
        Problem(model, data, parameters=parameters, noise={"y": "sd"}),
        "F",
        np.array([1.0, 2.5, 5.0, 12.0]),
    )


def covered(problem: Problem, threshold: str, times: np.ndarray, n: int) -> np.ndarray:
    """How many of n data sets each kind of interval covers at each time, (kind, time)."""
    truth = problem.parameters.nominal_scaled
    curve = simulate(problem, truth, times=times)
    value = curve["trajectory"].values[0, 0]
    noise = curve["trajectory_sigma"].values[0, 0]
    counts = np.zeros((len(KINDS), len(times)), dtype=int)
    for seed in range(n):
        drawn = simulate_data(problem, truth, seed=seed)
        fit = idfit.fit(drawn, 0, 1, nominal=True)
        exact, inner = (
            idfit.predict(drawn, fit, method=m, times=times, ci_prob=LEVEL, threshold=threshold, validation=v)
            for m, v in (("profiles", True), ("profile_points", False))
        )
        new = value + noise * np.random.default_rng([seed, 1]).standard_normal(len(times))
        for k, (band, asked, prefix) in enumerate(
            ((exact, value, ""), (exact, new, "validation_"), (inner, value, ""))
        ):
            low, high = (band[f"{prefix}{side}"].values[0, 0] for side in ("lower", "upper"))
            counts[k] += (low <= asked) & (asked <= high)
    return counts


def band_of(n: int) -> tuple[int, int]:
    """The 99.9 % band of the counts, were each covered with the stated probability."""
    low, high = stats.binom.ppf([0.0005, 0.9995], n, LEVEL)
    return int(low), int(high)


def measure(n: int = DATA_SETS):
    from measuring import Goal, Table

    low, high = band_of(n)
    rows, goals = [], []
    for name, (problem, threshold, times) in (("decay", decay()), ("growth", growth())):
        start = time.process_time()
        counts = covered(problem, threshold, times, n)
        took = (time.process_time() - start) / n
        for kind, own in zip(KINDS, counts, strict=True):
            shares = ", ".join(f"{c / n:.3f} at t = {t:g}" for c, t in zip(own, times, strict=True))
            rows.append((f"{name}, {threshold}", kind, shares, f"{took:.2f}"))
            if kind != KINDS[-1]:
                met = bool((own >= low).all() and (own <= high).all())
                goals.append(
                    Goal(f"{name}: {kind} intervals cover", shares, f"{low / n:.3f} to {high / n:.3f}", met)
                )
    table = Table(
        f"Coverage of 95 % intervals in {n:,} simulated data sets",
        ("model, threshold", "interval", "covered", "CPU s per data set"),
        rows,
        "The inner approximation, from the points of one-dimensional profiles, is narrower than it claims "
        "and labelled so.",
    )
    return [table], goals


if __name__ == "__main__":
    from measuring import show

    show(*measure(int(sys.argv[1]) if len(sys.argv) > 1 else DATA_SETS))
