"""The published verdicts of 68 models, from the references if they are there."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from idfit.model import Model


@functools.cache
def records() -> list[dict[str, Any]]:
    folder = os.environ.get("IDFIT_REFERENCES")
    if folder is None:
        return []
    return json.loads((Path(folder) / "structural" / "ground_truth.json").read_text("utf-8"))


needs_references = pytest.mark.skipif(
    not os.environ.get("IDFIT_REFERENCES"), reason="needs the reference data: set IDFIT_REFERENCES"
)


def by_name(name: str) -> dict[str, Any]:
    return next(r for r in records() if r["name"] == name)


def model_of(record: dict[str, Any]) -> Model:
    return Model.from_equations(
        record["states"], record["outputs"], record["parameters"], inputs=record["inputs"]
    )


def options_of(record: dict[str, Any]) -> dict[str, Any]:
    """What the record says of starts, as options of `assess_structure`."""
    starts = record["known_initial_conditions"]
    if isinstance(starts, dict):
        return {"initial": starts}
    return {"known": starts} if starts else {}
