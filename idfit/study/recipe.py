"""What a run is to do: a recipe, read from ``reports/<name>.toml`` or put together from options."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from idfit.errors import Finding, Severity
from idfit.spec.files import MAX_MODEL_BYTES, path_beside, read_text
from idfit.spec.findings import Findings, Positions, did_you_mean, dotted, listed, shown
from idfit.spec.toml_text import load_toml

MAX_STARTS = 1_000_000
SMALLEST_TOLERANCE, LARGE_TOLERANCE = 1e-14, 1e-3
_MAX_SEED = 2**63 - 1


class FitOptions(BaseModel):
    """How to search: number of starts, local optimiser by name, and how the starts are spread."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    starts: int = 50
    optimizer: str | None = None  # None: idfit's own
    sampling: Literal["sobol", "lhs"] = "sobol"


class SolverOptions(BaseModel):
    """Tolerances of the integrator; `atol` is in units of each state's own scale."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rtol: float = 1e-8
    atol: float = 1e-12


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

    def with_seed(self) -> Recipe:
        """The recipe with a seed: the given one, or one drawn now."""
        return self if self.seed is not None else self.model_copy(update={"seed": secrets.randbits(32)})

    def identity(self, hash_model: str, hash_data: str) -> dict[str, str]:
        """The parts that decide the numbers of a run, each by name, so that a difference can be named."""
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
        for finding in check_options(recipe, positions):
            findings.add(finding)
    notices = findings.raise_errors()
    assert recipe is not None
    return recipe, notices


def check_options(recipe: Recipe, positions: Positions | None = None) -> list[Finding]:
    """What is out of range. Without positions the findings name the options of the command line."""
    found: list[Finding] = []

    def tell(
        path: tuple[str, ...], value: Any, rule: str, remedy: str, code: str, severity: Severity = "error"
    ):
        place = positions.key(path) if positions else ("", 0, 0)
        name = f"{dotted(path)} =" if positions else f"--{path[-1]}"
        found.append(Finding(*place, f"{name} {shown(value)}", rule, remedy, code, severity))

    if not 1 <= recipe.fit.starts <= MAX_STARTS:
        rule = f"must be from 1 to {MAX_STARTS:,}"
        tell(("fit", "starts"), recipe.fit.starts, rule, "50 is a good beginning", "P12")
    if recipe.seed is not None and not 0 <= recipe.seed <= _MAX_SEED:
        tell(("seed",), recipe.seed, f"must be from 0 to {_MAX_SEED}", "leave it out to draw one", "P12")
    for name, value in recipe.solver.model_dump().items():
        if not SMALLEST_TOLERANCE <= value < 1:
            rule = f"must be from {SMALLEST_TOLERANCE:g} (numbers have 16 digits) to below 1"
            tell(("solver", name), value, rule, "1e-8 for rtol and 1e-12 for atol do for most models", "P20")
        elif value > LARGE_TOLERANCE:
            rule = f"is above {LARGE_TOLERANCE:g}: the optimum may be an artefact of the integrator"
            tell(("solver", name), value, rule, "use 1e-6 or smaller for a fit", "P20", "warning")
    return found


def _validated(raw: dict[str, Any], findings: Findings) -> Recipe | None:
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=False):
            path = item["loc"]
            last = str(path[-1]) if path else ""
            owner: Any = {"fit": FitOptions, "solver": SolverOptions}.get(
                str(path[0]) if path else "", Recipe
            )
            keys = list(owner.model_fields if len(path) > 1 else Recipe.model_fields)
            if item["type"] == "extra_forbidden":
                rule = f"is not a key of a recipe; there are {listed(keys, 20)}"
                remedy = did_you_mean(last, keys, "delete it")
                findings.error(path, dotted(path), rule, remedy, "P19")
            elif item["type"] == "missing":
                findings.error((), dotted(path), "is missing", 'write model = "../models/name.toml"', "P19")
            else:
                rule = item["msg"].replace("Input should", "must")
                findings.error(path, f"{dotted(path)} = {shown(item['input'])}", rule, "", "P19")
    return None
