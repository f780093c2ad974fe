"""The PEtab test suite: likelihood, chi2 and simulations of every case, within the tolerances of the suite.

The cases are found through the environment variable ``IDFIT_REFERENCES`` (folder ``petab_test_suite``).
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from idfit.formats.petab import read_petab
from idfit.formats.yaml_guard import load_yaml
from idfit.numerics.priors import PRIORS, prior_term
from idfit.problem import build
from idfit.spec.findings import Findings

pytest.importorskip("libsbml")

V1 = [f"{n:04d}" for n in range(1, 21)]
V2 = [f"{n:04d}" for n in range(1, 33) if n != 19]
CASES = [*(("v1.0.0", case) for case in V1), *(("v2.0.0", case) for case in V2)]


def folder(version: str, case: str) -> Path:
    place = os.environ.get("IDFIT_REFERENCES")
    if not place:
        pytest.skip("IDFIT_REFERENCES is not set: the folder with petab_test_suite is not known")
    return Path(place) / "petab_test_suite" / version / "sbml" / case


def solution(path: Path, case: str) -> dict:
    text = (path / f"_{case}_solution.yaml").read_text()
    return dict(load_yaml(text, "solution", Findings())[0])  # type: ignore[arg-type]


def simulations(path: Path) -> np.ndarray:
    with open(path / "_simulations.tsv") as stream:
        return np.array([float(row["simulation"]) for row in csv.DictReader(stream, delimiter="\t")])


@pytest.mark.parametrize(("version", "case"), CASES, ids=lambda value: value[:4])
def test_case(version, case):
    path = folder(version, case)
    expected = solution(path, case)
    problem = build(read_petab(path / f"_{case}.yaml")[0])
    theta = problem.parameters.to_scaled(problem.parameters.nominal)
    found = problem.objective(rtol=1e-10, atol=1e-14)(theta, order=0)
    for name, value in (("llh", -found.nllh), ("chi2", found.chi2)):
        assert value == pytest.approx(float(expected[name]), abs=float(expected[f"tol_{name}"]), rel=0)
    tolerance = float(expected["tol_simulations"])
    assert found.prediction == pytest.approx(simulations(path), abs=tolerance, rel=0)


@pytest.mark.parametrize("case", ["0024", "0025"])
def test_priors_of_each_parameter(case):
    path = folder("v2.0.0", case)
    expected = solution(path, case)
    spec, _ = read_petab(path / f"_{case}.yaml")
    used = "p1" + "".join(f" + {name} - 5" for name in expected["log_prior"] if name != "p1")
    observable = spec.observables["obs_p1"].model_copy(update={"formula": used})
    space = build(spec.model_copy(update={"observables": {"obs_p1": observable}})).parameters
    assert set(space.names) == set(expected["log_prior"])
    for k, (name, prior) in enumerate(zip(space.names, space.prior, strict=True)):
        assert prior is not None
        term, _, _ = prior_term(PRIORS.index(prior.kind), prior.a, prior.b, space.nominal[k])
        value = -term - space.prior_constant[k]
        assert value == pytest.approx(float(expected["log_prior"][name]), abs=1e-14, rel=0)
