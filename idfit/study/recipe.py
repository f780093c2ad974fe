"""What a run is to do: a recipe, read from ``reports/<name>.toml`` or put together from options."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from idfit.errors import Finding, Severity
from idfit.spec.files import MAX_MODEL_BYTES, path_beside, read_text
from idfit.spec.findings import Findings, Positions, did_you_mean, dotted, listed, shown
from idfit.spec.toml_text import load_toml
from idfit.study import analyses
from idfit.study.analyses import Fault

MAX_STARTS = 1_000_000
SMALLEST_TOLERANCE, LARGE_TOLERANCE = 1e-14, 1e-3
_MAX_SEED = 2**63 - 1
_MAX_ITERATIONS = 1_000_000
# tables whose keys are options of the command line, and options that are named otherwise
_BY_KEY = (
    "fit",
    "solver",
    "structure",
    "profiles",
    "profiles_2d",
    "reduction",
    "design",
    "posterior",
    "prediction",
)
_OPTIONS = {
    "functions": "function",
    "reparameterization": "manual",
    "identifiability_test": "test",
    "bootstrap": "bootstrap",
    "second_opinions": "second-opinion",
}


class FitOptions(BaseModel):
    """How to search: number of starts, local optimiser by name, how the starts are spread, and how long each
    may take."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    starts: int = 50
    optimizer: str | None = None  # None: idfit's own
    sampling: Literal["sobol", "lhs"] = "sobol"
    max_iterations: int | None = None  # None: as many as `LocalOptions` allows


class SolverOptions(BaseModel):
    """Tolerances of the integrator; `atol` is in units of each state's own scale."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rtol: float = 1e-8
    atol: float = 1e-12


_TABLES: dict[str, type[BaseModel]] = {"fit": FitOptions, "solver": SolverOptions, **analyses.TABLES}


class Recipe(BaseModel):
    """One run. Paths in a recipe file are relative to it; `out` defaults to the recipe's name beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    idfit: Literal[1] = 1
    name: str = ""
    description: str = ""
    model: str
    data: str | None = None
    missing: Literal["refuse", "drop"] = "refuse"
    out: str | None = None
    seed: int | None = None
    fit: FitOptions = FitOptions()
    solver: SolverOptions = SolverOptions()
    structure: analyses.StructureTable = analyses.StructureTable()
    reparameterization: analyses.ReparameterizationTable | None = None
    fisher: analyses.FisherTable = analyses.FisherTable()
    profiles: analyses.ProfilesTable | None = None
    functions: dict[str, analyses.Function] = {}
    profiles_2d: analyses.PairsTable | None = None
    second_opinions: analyses.OpinionsTable | None = None
    identifiability_test: analyses.QuickTestTable | None = None
    bootstrap: analyses.BootstrapTable | None = None
    reduction: analyses.ReductionTable | None = None
    design: analyses.DesignTable | None = None
    posterior: analyses.PosteriorTable | None = None
    diagnostics: analyses.DiagnosticsTable = analyses.DiagnosticsTable()
    prediction: analyses.PredictionTable | None = None

    # places in the recipe file; None for a recipe put together from options
    _positions: Positions | None = PrivateAttr(default=None)

    def with_seed(self) -> Recipe:
        """The recipe with a seed: the given one, or one drawn now."""
        return self if self.seed is not None else self.model_copy(update={"seed": secrets.randbits(32)})

    def identity(self, hash_model: str, hash_data: str) -> dict[str, str]:
        """The parts that decide the numbers of the fit, each by name, so that a difference can be named."""
        options = {"seed": self.seed, **self.fit.model_dump(), **self.solver.model_dump()}
        texts = {name: str(value) for name, value in options.items()}
        return {"model": hash_model, "data": hash_data} | texts

    def digest(self) -> str:
        """SHA-256 of what the recipe says, paths left out: where files lie does not matter."""
        content = self.model_dump(exclude={"model", "data", "out"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_recipe(path: str | os.PathLike[str]) -> tuple[Recipe, list[Finding]]:
    """Read a recipe file; the paths in the result are usable from the working directory.

    Returns warnings and notices beside it. Errors: `InputError` with every finding, with file and line.
    """
    file = os.fspath(path)
    text = read_text(file, limit=MAX_MODEL_BYTES, what="recipe").text
    findings = Findings()
    raw, positions = load_toml(text, file, findings)
    findings.positions = positions
    folder = Path(file).parent
    for key in ("model", "data", "out"):
        if isinstance(raw.get(key), str):
            beside, rule = path_beside(folder, raw[key])
            if beside is None:
                rule, remedy = rule.replace("model file", "recipe"), "write a path relative to the recipe"
                findings.error((key,), f"{key} = {shown(raw[key])}", rule, remedy, "S12")
            else:
                raw[key] = os.path.normpath(beside)
    raw.setdefault("out", str(Path(file).with_suffix("")))
    raw.setdefault("name", Path(file).stem)
    recipe = _validated(raw, findings)
    if recipe is not None:
        recipe._positions = positions
        for finding in check_options(recipe):
            findings.add(finding)
    notices = findings.raise_errors()
    assert recipe is not None
    return recipe, notices


def finding_of(recipe: Recipe, fault: Fault, code: str, severity: Severity = "error") -> Finding:
    """A fault with its place in the recipe file, or with the option of the command line that it came by."""
    path, value, rule, remedy = fault
    places = recipe._positions
    if places is None:
        option = _OPTIONS.get(str(path[0])) or str(path[1 if path[0] in _BY_KEY else 0]).replace("_", "-")
        return Finding("", 0, 0, f"--{option} {shown(value)}", rule, remedy, code, severity)
    return Finding(*places.key(path), f"{dotted(path)} = {shown(value)}", rule, remedy, code, severity)


def check_options(recipe: Recipe) -> list[Finding]:
    """What is out of range, whatever the model."""
    found: list[Finding] = []

    def tell(
        path: tuple[str, ...], value: Any, rule: str, remedy: str, code: str, severity: Severity = "error"
    ):
        found.append(finding_of(recipe, (path, value, rule, remedy), code, severity))

    if not 1 <= recipe.fit.starts <= MAX_STARTS:
        rule = f"must be from 1 to {MAX_STARTS:,}"
        tell(("fit", "starts"), recipe.fit.starts, rule, "50 is a good beginning", "P12")
    if (limit := recipe.fit.max_iterations) is not None and not 1 <= limit <= _MAX_ITERATIONS:
        rule = f"must be from 1 to {_MAX_ITERATIONS:,}"
        tell(("fit", "max_iterations"), limit, rule, "leave it out for the usual number", "P12")
    if recipe.seed is not None and not 0 <= recipe.seed <= _MAX_SEED:
        tell(("seed",), recipe.seed, f"must be from 0 to {_MAX_SEED}", "leave it out to draw one", "P12")
    for name, value in recipe.solver.model_dump().items():
        if not SMALLEST_TOLERANCE <= value < 1:
            rule = f"must be from {SMALLEST_TOLERANCE:g} (numbers have 16 digits) to below 1"
            tell(("solver", name), value, rule, "1e-8 for rtol and 1e-12 for atol do for most models", "P20")
        elif value > LARGE_TOLERANCE:
            rule = f"is above {LARGE_TOLERANCE:g}: the optimum may be an artefact of the integrator"
            tell(("solver", name), value, rule, "use 1e-6 or smaller for a fit", "P20", "warning")
    return found + [finding_of(recipe, fault, "P12") for fault in analyses.out_of_range(recipe)]


def check_names(recipe: Recipe, names: Sequence[str]) -> list[Finding]:
    """Parameters that the analyses ask for and the problem does not estimate."""

    def remedy(name: str) -> str | None:
        return None if name in names else did_you_mean(name, names, f"there are {listed(names)}")

    return [finding_of(recipe, fault, "P19") for fault in analyses.unknown_names(recipe, remedy)]


def _validated(raw: dict[str, Any], findings: Findings) -> Recipe | None:
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=False):
            path = item["loc"]
            keys = _keys_beside(path)
            if item["type"] == "extra_forbidden":
                where = "a recipe" if len(path) == 1 else f"[{dotted(path[:-1])}]"
                rule = f"is not a key of {where}; there are {listed(keys, 20)}"
                remedy = did_you_mean(str(path[-1]), keys, "delete it")
                findings.error(path, dotted(path), rule, remedy, "P19")
            elif item["type"] == "missing":
                remedy = (
                    'write model = "../models/name.toml"' if path == ("model",) else f"write {path[-1]} = ..."
                )
                findings.error(path[:-1], dotted(path), "is missing", remedy, "P19")
            else:
                rule = item["msg"].replace("Input should", "must")
                findings.error(path, f"{dotted(path)} = {shown(item['input'])}", rule, "", "P19")
    return None


def _keys_beside(path: tuple[str | int, ...]) -> list[str]:
    """What may stand where the last key of a path stands."""
    depth = 3 if path and path[0] == "functions" else 2
    owner = _TABLES.get(str(path[0])) if len(path) >= depth else None
    return [field.alias or name for name, field in (owner or Recipe).model_fields.items()]
