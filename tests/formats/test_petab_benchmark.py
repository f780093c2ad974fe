"""Published PEtab problems: likelihood and gradient at the nominal parameters beside those of AMICI.

The problems are found through the environment variable ``IDFIT_REFERENCES`` (folder ``petab_benchmark``,
whose ``reference.json`` says how the numbers were made). The references leave priors out.
"""

from __future__ import annotations

import json
import os
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from idfit.formats.petab import read_petab
from idfit.problem import Problem, build

pytest.importorskip("libsbml")

NAMES = [
    "Armistead_CellDeathDis2024",
    "Bertozzi_PNAS2020",
    "Blasi_CellSystems2016",
    "Boehm_JProteomeRes2014",
    "Brannmark_JBC2010",
    "Crauste_CellSystems2017",
    "Fujita_SciSignal2010",
    "Oliveira_NatCommun2021",
    "Perelson_Science1996",
    "Schwen_PONE2014",
    "Zhao_QuantBiol2020",
    "Zheng_PNAS2012",
]
IMPRECISE = {
    "Crauste_CellSystems2017": "the gradient turns by its own length within 1e-9 of the nominal parameters",
    "Fujita_SciSignal2010": "the reference is that of a relative tolerance of 1e-6",
}
"""Gradients that are compared with differences of the likelihood, as the reference has too few digits."""


def folder() -> Path:
    place = os.environ.get("IDFIT_REFERENCES")
    if not place:
        pytest.skip("IDFIT_REFERENCES is not set: the folder with petab_benchmark is not known")
    return Path(place) / "petab_benchmark"


def file_of(name: str) -> Path:
    own = folder() / name / f"{name}.yaml"
    return own if own.exists() else folder() / name / "problem.yaml"


@cache
def problem(name: str) -> Problem:
    return build(read_petab(file_of(name))[0])


@cache
def references() -> dict:
    return json.loads((folder() / "reference.json").read_text())["models"]


def difference(objective, theta: np.ndarray, k: int, step: float) -> float:
    """A central difference of the likelihood, extrapolated to a step of 0 from two."""
    slopes = []
    for h in (step, 2 * step):
        beside = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[k] += sign * h
            beside.append(objective(moved, 0).nllh)
        slopes.append((beside[0] - beside[1]) / (2 * h))
    return (4 * slopes[0] - slopes[1]) / 3


@pytest.mark.parametrize("name", NAMES)
def test_likelihood_and_gradient(name):
    reference = references()[name]
    theta = np.array(list(reference["theta_scaled"].values()))
    space = problem(name).parameters
    assert space.names == tuple(reference["theta_scaled"])
    assert space.to_scaled(space.nominal) == pytest.approx(theta, rel=1e-12)
    tight = 1e-13 if name.startswith("Crauste") else 1e-10
    objective = problem(name).without_priors().objective(rtol=tight, atol=tight * 1e-4)
    found = objective(theta, 1)
    assert found.nllh == pytest.approx(reference["nllh"], rel=1e-6)
    gradient = np.array(list(reference["gradient_scaled"].values()))
    if name in IMPRECISE:
        step = 2e-10 if name.startswith("Crauste") else 1e-4
        rough, gradient = (
            gradient,
            np.array([difference(objective, theta, k, step) for k in range(len(theta))]),
        )
        assert np.linalg.norm(found.gradient - rough) < 0.02 * np.linalg.norm(rough)
    assert np.linalg.norm(found.gradient - gradient) < 1e-4 * np.linalg.norm(gradient)


@pytest.mark.parametrize("name", ["Fujita_SciSignal2010", "Zheng_PNAS2012", "Crauste_CellSystems2017"])
def test_reading_takes_half_a_second(name):
    file = file_of(name)
    took = []
    for _ in range(3):
        start = time.perf_counter()
        read_petab(file)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.5
