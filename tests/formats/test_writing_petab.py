"""Problems written as PEtab say the same when they are read again: the likelihood keeps its value.

What a version of the format cannot say is refused by name, never left out of the likelihood.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from idfit.errors import InputError
from idfit.formats.convert import converted
from idfit.formats.load import load
from idfit.problem import build
from idfit.spec.schema import ProblemSpec

ROOT = Path(__file__).parents[2]
EXPECTED = tomllib.loads((ROOT / "models" / "expected.toml").read_text(encoding="utf-8"))
REFERENCES = os.environ.get("IDFIT_REFERENCES")


def written(spec, target, folder):
    """The problem after it has been written and read again."""
    files, _ = converted(spec, target, folder)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return load(next(iter(files)))


def own_problem(name):
    data = EXPECTED[name].get("data", name)
    return load(ROOT / "models" / f"{name}.toml", ROOT / "data" / f"{data}.csv")


def value(problem, natural=None):
    """nllh at the nominal values, or at given natural values by name."""
    space = problem.parameters
    theta = space.nominal_scaled if natural is None else space.to_scaled([natural[n] for n in space.names])
    return problem.objective(1e-10)(theta, 0).nllh


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_models_keep_their_likelihood_through_version_2(name, tmp_path):
    problem = own_problem(name)
    again = written(problem.spec, "petab", tmp_path)
    assert len(again.parameters) == len(problem.parameters)
    if "[" not in "".join(problem.parameters.names):
        assert sorted(again.parameters.names) == sorted(problem.parameters.names)
    assert value(again) == pytest.approx(value(problem), rel=1e-8)


@pytest.mark.skipif(not REFERENCES, reason="IDFIT_REFERENCES is not set: the PEtab problems are not known")
@pytest.mark.parametrize("target", ["petab", "petab1", "toml"])
@pytest.mark.parametrize("name", ["Boehm_JProteomeRes2014", "Brannmark_JBC2010", "Crauste_CellSystems2017"])
def test_published_problems_keep_their_likelihood(name, target, tmp_path):
    path = Path(REFERENCES or ".") / "petab_benchmark" / name / f"{name}.yaml"
    problem = load(path)
    if target == "toml":
        files, _ = converted(problem.spec, "toml", tmp_path)
        for file, text in files.items():
            file.write_text(text, encoding="utf-8")
        again = load(tmp_path / "model.toml", tmp_path / "data.csv")
    else:
        again = written(problem.spec, target, tmp_path)
    assert again.parameters.names == problem.parameters.names
    assert value(again) == pytest.approx(value(problem), rel=1e-8)
    rng = np.random.default_rng(2)
    theta = problem.parameters.nominal_scaled + rng.normal(0, 0.01, len(problem.parameters))
    natural = dict(zip(problem.parameters.names, problem.parameters.to_natural(theta), strict=True))
    assert value(again, natural) == pytest.approx(value(problem, natural), rel=1e-7)


SUITE = [f"v1.0.0/sbml/{n:04}" for n in range(1, 21)]
SUITE += [f"v2.0.0/sbml/{n:04}" for n in range(1, 33) if n != 19]
IMPOSSIBLE = {
    "petab": {"petab_benchmark/Schwen_PONE2014": "normal of the scaled parameter"},
    "petab1": {
        "petab_test_suite/v2.0.0/sbml/0016": "does not say which comes first",
        "petab_test_suite/v2.0.0/sbml/0018": "begins at 10",
        "petab_test_suite/v2.0.0/sbml/0026": "is a formula",
        "petab_test_suite/v2.0.0/sbml/0027": "is a formula",
        "petab_test_suite/v2.0.0/sbml/0029": "begins at 5",
        "petab_test_suite/v2.0.0/sbml/0030": "does not say which comes first",
    },
}
"""What a version cannot say, and with what words."""


def problem_files() -> list[str]:
    root = Path(REFERENCES or ".")
    published = sorted(p.name for p in (root / "petab_benchmark").glob("*_*") if p.is_dir())
    return [f"petab_benchmark/{n}" for n in published] + [f"petab_test_suite/{n}" for n in SUITE]


@pytest.mark.slow
@pytest.mark.skipif(not REFERENCES, reason="IDFIT_REFERENCES is not set: the PEtab problems are not known")
@pytest.mark.parametrize("target", ["petab", "petab1"])
@pytest.mark.parametrize("name", problem_files())
def test_every_reference_keeps_its_likelihood_or_is_refused_by_name(name, target, tmp_path):
    folder = Path(REFERENCES or ".") / name
    (path,) = [p for p in folder.glob("*.yaml") if not re.search("_solution|_test_", p.name)]
    problem = load(path)
    if words := IMPOSSIBLE[target].get(name):
        with pytest.raises(InputError, match=words):
            written(problem.spec, target, tmp_path)
        return
    again = written(problem.spec, target, tmp_path)
    assert again.parameters.names == problem.parameters.names
    tight = 1e-13 if "Crauste" in name else 1e-11
    values = [
        p.objective(tight, tight * 1e-4)(p.parameters.to_scaled(problem.parameters.nominal), 0).nllh
        for p in (problem, again)
    ]
    assert values[1] == pytest.approx(values[0], rel=1e-8)


EVENTS = {
    "states": {"A": {"init": "A0"}, "B": {"init": "2*A"}},
    "odes": {"A": "-k*A", "B": "k*A"},
    "parameters": {
        "k": {"value": 0.5, "min": 0.01, "max": 10, "scale": "log10"},
        "A0": {"value": 1, "min": 0.1, "max": 5},
    },
    "events": {"refill": {"when": "A < 0.4", "set": {"A": "A + 1"}, "delay": 0.1, "values": "execution"}},
    "observables": {"y": {"formula": "A + B", "noise": 0.1}},
    "conditions": {
        "rest": {"set": {"k": 0.1}, "t0": 0},
        "go": {"dose": [{"time": 1.0, "set": {"k": "2*k", "B": "B/2"}}]},
    },
    "measurements": {
        "condition": ("go",) * 3, "time": (0.5, 1.0, 4.0), "observable": ("y",) * 3,
        "value": (1.0, 2.0, 3.0), "sd": (float("nan"),) * 3,
    },
}  # fmt: skip


def test_events_and_changes_in_time_go_through_version_2(tmp_path):
    problem = build(ProblemSpec.model_validate(EVENTS))
    again = written(problem.spec, "petab", tmp_path)
    first, second = (p.objective(1e-11)(p.parameters.nominal_scaled) for p in (problem, again))
    np.testing.assert_allclose(second.prediction, first.prediction, rtol=1e-8)


def with_noise(**changes):
    observables = {"y": {"formula": "A + B", "noise": 0.1, **changes}}
    return build(ProblemSpec.model_validate(EVENTS | {"observables": observables}))


@pytest.mark.parametrize("transform", ["log", "log2", "log10"])
def test_noise_of_any_logarithm_keeps_its_likelihood(transform, tmp_path):
    problem = with_noise(transform=transform)
    assert value(written(problem.spec, "petab", tmp_path)) == pytest.approx(value(problem), rel=1e-9)


def test_noise_that_petab_cannot_say_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="student-t"):
        converted(with_noise(distribution="student-t", dof=4).spec, "petab", tmp_path)
