"""Where a study came from: the attributes of its root."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from idfit.results import SCHEMA_VERSION
from idfit.spec.schema import ProblemSpec
from idfit.spec.writing import hashes, to_toml
from idfit.study.recipe import Recipe

_PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "sympy", "xarray", "h5netcdf", "lmfit", "pint")


def idfit_version() -> str:
    return _version("idfit")


def root_attrs(
    spec: ProblemSpec, recipe: Recipe, *, seed: int, rtol: float, atol: float, command: str
) -> dict[str, Any]:
    """The attributes of a study's root. Nothing in them depends on when, where or how fast it ran."""
    digests = hashes(spec)
    return {
        "schema_version": SCHEMA_VERSION,
        "idfit_version": idfit_version(),
        "versions": json.dumps(versions()),
        "model_toml": to_toml(spec),
        "hash_model": digests["model"],
        "hash_data": digests["data"],
        "hash_recipe": recipe.digest(),
        "files": ", ".join(Path(path).name for path in (recipe.model, recipe.data) if path),
        "seed": seed,
        "rtol": rtol,
        "atol": atol,
        "command": command,
        "name": spec.name,
        "description": spec.description,
        "time_unit": spec.time or "",
    }


def versions(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Versions of what computes, the kind of machine, and the threads that linear algebra may use."""
    found = {name: _version(name) for name in _PACKAGES}
    return {
        "python": platform.python_version(),
        **found,
        "machine": f"{platform.system()} {platform.machine()}",
        "blas_threads": environment.get("OPENBLAS_NUM_THREADS", "not set"),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
