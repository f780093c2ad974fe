"""The SBML semantic test suite: every case agrees within its own tolerance, or is refused by name.

The cases are found through the environment variable ``IDFIT_REFERENCES`` (folder ``sbml_semantic``; set A is
smooth, set B has events). A normal run takes every tenth case and some of every unusual kind; the others are
marked slow.
"""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("libsbml", reason="python-libsbml is not installed")

from idfit.errors import InputError
from idfit.formats.sbml import SbmlImport, read_sbml_models
from idfit.problem import build, simulate
from idfit.spec.schema import ObservableSpec

REFUSED = {
    "00028": "factorial",
    "00950": "infinite",
    "01811": "infinite",
    "01813": "notanumber",
}
UNUSUAL = (
    "0D-Compartment",
    "AssignedVariableStoichiometry",
    "BoolNumericSwap",
    "ConversionFactors",
    "CSymbolAvogadro",
    "CSymbolRateOf",
    "EventT0Firing",
    "HasOnlySubstanceUnits",
    "L3v2MathML",
    "LocalParameters",
    "NoMathML",
    "NonConstantCompartment",
    "SpeciesReferenceInMath",
    "UncommonMathML",
    "VolumeConcentrationRates",
)
FIRST_OF_A_KIND = 3


@dataclass(frozen=True)
class Case:
    """One case: the newest model, and what is expected of its variables at the times."""

    folder: Path

    @property
    def model(self) -> Path:
        return max(self.folder.glob("*-sbml-*.xml"))

    @property
    def tags(self) -> list[str]:
        text = next(self.folder.glob("*-model.m")).read_text(encoding="utf-8")
        return re.findall(r"[\w-]+", " ".join(re.findall(r"^(?:component|test)Tags:(.*)$", text, re.M)))

    @property
    def settings(self) -> dict[str, str]:
        text = next(self.folder.glob("*-settings.txt")).read_text(encoding="utf-8")
        return {
            key.strip(): value.strip()
            for key, _, value in (line.partition(":") for line in text.splitlines())
        }

    def names(self, key: str) -> list[str]:
        return [name.strip() for name in self.settings[key].split(",") if name.strip()]

    def results(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Times, and the expected values of each variable."""
        with next(self.folder.glob("*-results.csv")).open(encoding="utf-8") as stream:
            header, *rows = [[entry.strip() for entry in row] for row in csv.reader(stream) if row]
        table = np.array(rows, dtype=float)
        return table[:, 0], {name: table[:, i] for i, name in enumerate(header) if i}


def folder() -> Path | None:
    place = os.environ.get("IDFIT_REFERENCES")
    path = Path(place or ".") / "sbml_semantic"
    return path if place and path.is_dir() else None


def cases() -> list:
    """Every case as a parameter of the test, the usual ones marked slow but for every tenth."""
    place = folder()
    if place is None:
        reason = "IDFIT_REFERENCES is not set, or has no folder sbml_semantic: the cases are not known"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="none")]
    found, seen = [], dict.fromkeys(UNUSUAL, 0)
    for number, path in enumerate(sorted(place.glob("set_*/*"))):
        chosen = number % 10 == 0 or path.name in REFUSED
        case = Case(path)
        for tag in set(case.tags) & seen.keys():
            seen[tag] += 1
            chosen |= seen[tag] <= FIRST_OF_A_KIND
        marks = [] if chosen else [pytest.mark.slow]
        found.append(pytest.param(case, marks=marks, id=path.name))
    return found


@cache
def models() -> dict[Path, SbmlImport | InputError]:
    """All models, read at once."""
    paths = [Case(path).model for path in sorted((folder() or Path()).glob("set_*/*"))]
    return dict(zip(paths, read_sbml_models(paths), strict=True))


def observed(case: Case, model: SbmlImport) -> dict[str, ObservableSpec]:
    """The variables of a case as formulas: concentrations as amounts, and the other way round, as it asks."""
    text = case.model.read_text(encoding="utf-8")
    formulas = {}
    for i, variable in enumerate(case.names("variables")):
        name = formula = model.names[variable]
        if variable in case.names("amount") and (volume := model.volumes.get(name)):
            formula = f"{name}*{volume}"
        if variable in case.names("concentration") and model.volumes.get(name, "") is None:
            tag = re.search(rf'<species [^>]*\bid="{variable}"[^>]*>', text)
            compartment = re.search(r'compartment="(\w+)"', tag[0] if tag else "")
            assert compartment
            formula = f"{name}/{model.names[compartment[1]]}"
        formulas[f"observed_{i}"] = ObservableSpec(formula=formula, noise=1.0)
    return formulas


@pytest.mark.parametrize("case", cases())
def test_case(case: Case):
    model = models()[case.model]
    if case.folder.name in REFUSED:
        assert isinstance(model, InputError)
        assert REFUSED[case.folder.name] in str(model)
        return
    assert not isinstance(model, InputError), str(model)
    times, expected = case.results()
    problem = build(model.spec.model_copy(update={"observables": observed(case, model)}))
    simulated = simulate(problem, times=times)["trajectory"].values[0]
    absolute, relative = (float(case.settings[key]) for key in ("absolute", "relative"))
    for variable, values in zip(case.names("variables"), simulated, strict=True):
        correct = expected[variable]
        wrong = ~(np.abs(values - correct) <= absolute + relative * np.abs(correct))
        i = int(np.argmax(wrong))
        assert not wrong.any(), f"{variable} at {times[i]:g}: {values[i]}, expected {correct[i]}"


def test_enough_is_computed():
    """At least 99 % of the smooth cases, and 95 % of those with events."""
    if (place := folder()) is None:
        pytest.skip("IDFIT_REFERENCES is not set: the cases are not known")
    for name, share in (("set_A", 0.99), ("set_B", 0.95)):
        every = [path.name for path in (place / name).iterdir()]
        assert len(REFUSED.keys() & set(every)) <= (1 - share) * len(every)
