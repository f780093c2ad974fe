"""Groups, variables and attributes of a study as plain arrays and texts, whatever is absent."""

from __future__ import annotations

import json
from collections.abc import Hashable

import numpy as np
import xarray as xr


def group(study: xr.DataTree | xr.Dataset, name: str) -> xr.Dataset | None:
    """The group as a dataset, None when the study has none; a dataset is taken to be the group itself."""
    if isinstance(study, xr.Dataset):
        return study
    if name not in study.children:
        return None
    dataset = study[name].to_dataset()
    return dataset if dataset.variables else None


def attribute(study: xr.DataTree | xr.Dataset, name: str, default: str = "") -> str:
    value = study.attrs.get(name, default)
    return default if value is None else str(value)


def json_attribute(study: xr.DataTree | xr.Dataset, name: str) -> object:
    """An attribute that holds JSON; a text that is none comes back as it stands."""
    value = attribute(study, name)
    try:
        return json.loads(value) if value else None
    except ValueError:
        return value


def numbers(dataset: xr.Dataset, name: str, dims: tuple[str, ...], fill: float = np.nan) -> np.ndarray:
    """Variable `name` transposed to `dims`; filled with `fill` when it is absent."""
    variable = dataset.variables.get(name)  # far quicker than a DataArray with its coordinates
    if variable is not None and set(variable.dims) == set(dims):
        return np.asarray(variable.transpose(*dims).values)
    return np.full(tuple(dataset.sizes.get(d, 0) for d in dims), fill)


def texts(dataset: xr.Dataset, name: str, dim: str) -> list[str]:
    """Text variable along `dim`; empty texts when it is absent."""
    variable = dataset.variables.get(name)
    if variable is not None and variable.dims == (dim,):
        return [_text(v) for v in variable.values]
    return [""] * dataset.sizes.get(dim, 0)


def text_rows(dataset: xr.Dataset, name: str, dims: tuple[str, str]) -> list[list[str]]:
    """Text variable along two dims, row by row; empty texts when it is absent."""
    variable = dataset.variables.get(name)
    if variable is not None and set(variable.dims) == set(dims):
        return [[_text(v) for v in row] for row in variable.transpose(*dims).values]
    n, m = (dataset.sizes.get(d, 0) for d in dims)
    return [[""] * m for _ in range(n)]


def axis_names(dataset: xr.Dataset, dim: str) -> list[str]:
    """Names along a dimension, its numbers where it has no coordinate."""
    if dim in dataset.variables:
        return [_text(v) for v in dataset[dim].values]
    return [str(i) for i in range(dataset.sizes.get(dim, 0))]


def scalar(dataset: xr.Dataset | None, name: str) -> float:
    """A number kept as a variable without dims or as an attribute; NaN when it is absent."""
    if dataset is None:
        return float("nan")
    value: object = dataset.attrs.get(name)
    if name in dataset.variables and dataset[name].ndim == 0:
        value = dataset[name].item()
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")


def _text(value: Hashable | None) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None or value != value else str(value)


def count_of(dataset: xr.Dataset | None, name: str) -> int | None:
    """A count kept without dims; None where it was not reached (-1 in `n_data`, and then also in `dof`)."""
    value = scalar(dataset, name)
    known = scalar(dataset, "n_data")
    return int(value) if np.isfinite(value) and np.isfinite(known) and known >= 0 else None
