"""One row of the schema of results: a variable with its dims, kind, unit and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from idfit.results.codes import Code, Status

Kind = Literal["float", "int", "bool", "text", "code"]
DTYPES: dict[Kind, Any] = {"float": np.float64, "int": np.int64, "bool": np.bool_, "code": np.int8}
_FILLS: dict[Kind, Any] = {"float": np.nan, "int": -1, "bool": False, "text": ""}


@dataclass(frozen=True)
class Variable:
    """One row of the schema.

    `units` is a unit, ``"1"`` for pure numbers, or the coordinate that holds one unit per entry, as
    ``"unit(parameter)"``. An `optional` variable that is left out is filled with its fill value where its
    dims are known. `flags` lists the codes of a categorical variable; its text twin is ``<name>_label``.
    """

    dims: tuple[str, ...]
    long_name: str
    kind: Kind = "float"
    units: str = ""
    optional: bool = False
    flags: type[Code] | None = None
    missing: int = 0  # fill value of codes
    values: tuple[str, ...] = ()  # of a coordinate that is always the same

    @property
    def fill(self) -> Any:
        return self.missing if self.kind == "code" else _FILLS[self.kind]


def number(dims: str, long_name: str, units: str = "1", **options: Any) -> Variable:
    return Variable(tuple(dims.split()), long_name, "float", units, **options)


def count(dims: str, long_name: str, **options: Any) -> Variable:
    return Variable(tuple(dims.split()), long_name, "int", "1", **options)


def text(dims: str, long_name: str, **options: Any) -> Variable:
    return Variable(tuple(dims.split()), long_name, "text", **options)


def flag(dims: str, long_name: str, **options: Any) -> Variable:
    return Variable(tuple(dims.split()), long_name, "bool", **options)


def code(dims: str, long_name: str, flags: type[Code], missing: int, **options: Any) -> Variable:
    return Variable(tuple(dims.split()), long_name, "code", "1", flags=flags, missing=missing, **options)


def status(dims: str, long_name: str, **options: Any) -> Variable:
    return code(dims, long_name, Status, int(Status.NOT_REACHED), **options)


@dataclass(frozen=True)
class Group:
    """The coordinates and variables that a dataset of this group may have."""

    coords: Mapping[str, Variable]
    variables: Mapping[str, Variable]
