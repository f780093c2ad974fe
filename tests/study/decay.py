"""A small problem for runs: two readouts of an exponential decay with stated noise, and its exact optimum."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from idfit.study.analyses import StructureTable
from idfit.study.recipe import FitOptions, Recipe

MODEL = """idfit = 1
name = "decay"
time = "h"
[parameters]
a = { value = 1, min = 0.1, max = 10, unit = "nM" }
k = { value = 1, min = 1e-2, max = 1e2, scale = "log10", unit = "1/h" }
half = { tie = "a/2" }
[observables]
y = { formula = "a*exp(-k*t)", noise = 0.1, unit = "nM" }
z = { formula = "half*exp(-k*t)", noise = { column = "sd", kind = "sd" } }
"""
TIMES = np.linspace(0.2, 4, 12)


def decay_recipe(folder: Path, **tables) -> Recipe:
    """A recipe of 8 starts for the files that are written into the folder; without global verdicts."""
    rng = np.random.default_rng(3)
    rows = ["condition,time,observable,value,sd"]
    rows += [f"default,{t},y,{3 * math.exp(-0.7 * t) + 0.1 * rng.normal()}," for t in TIMES]
    rows += [f"default,{t},z,{1.5 * math.exp(-0.7 * t) + 0.2 * rng.normal()},0.2" for t in TIMES[:5]]
    (folder / "model.toml").write_text(MODEL)
    (folder / "data.csv").write_text("\n".join(rows) + "\n")
    return Recipe(
        model=str(folder / "model.toml"),
        data=str(folder / "data.csv"),
        out=str(folder / "run"),
        seed=5,
        fit=FitOptions(starts=8),
        **{"structure": StructureTable(global_=False)} | tables,
    )


def chi2_along_k(recipe: Recipe, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least sum of squares for each k, and the a where it is: linear regression, without idfit."""
    rows = [line.split(",") for line in Path(str(recipe.data)).read_text().splitlines()[1:]]
    t, value = (np.array([float(row[i]) for row in rows]) for i in (1, 3))
    sd = np.array([0.1 if row[2] == "y" else 0.2 for row in rows])
    factor = np.array([1.0 if row[2] == "y" else 0.5 for row in rows])
    shape = factor * np.exp(-np.multiply.outer(k, t)) / sd
    a = shape @ (value / sd) / np.sum(shape**2, axis=1)
    return np.sum((value / sd - a[:, None] * shape) ** 2, axis=1), a


def nllh_of(chi2: float) -> float:
    """The negative log-likelihood with all constants."""
    sd = np.array([0.1] * 12 + [0.2] * 5)
    return chi2 / 2 + float(np.sum(np.log(sd))) + len(sd) / 2 * math.log(2 * math.pi)
