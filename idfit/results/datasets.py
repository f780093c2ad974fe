"""Datasets of the schema: checked names, dims and dtypes, with units, long names, flags and text twins."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from idfit.results.codes import Status
from idfit.results.design import DESIGN_GROUPS
from idfit.results.fitting import FIT_GROUPS
from idfit.results.identifiability import IDENTIFIABILITY_GROUPS
from idfit.results.prediction import PREDICTION_GROUPS
from idfit.results.reduction import REDUCTION_GROUPS
from idfit.results.rows import DTYPES, Group, Variable
from idfit.results.sampling import SAMPLING_GROUPS
from idfit.results.structure import STRUCTURE_GROUPS

if TYPE_CHECKING:
    import xarray as xr

SCHEMA_VERSION = "1.3"  # major.minor: a newer minor only adds; a file of a newer major is refused

GROUPS: Mapping[str, Group] = {
    **FIT_GROUPS,
    **IDENTIFIABILITY_GROUPS,
    **STRUCTURE_GROUPS,
    **REDUCTION_GROUPS,
    **PREDICTION_GROUPS,
    **DESIGN_GROUPS,
    **SAMPLING_GROUPS,
}


def dataset(
    group: str,
    variables: Mapping[str, Any],
    coords: Mapping[str, Any],
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """A dataset of `group` with checked names, dims and dtypes, units, long names, flags and text twins.

    `variables` and `coords` are plain arrays in the order of the dims in `GROUPS`; coordinates that are
    counts default to 0, 1, …, those with fixed values to these. A `ValueError` names what does not fit.

    >>> ds = dataset("problem",
    ...     {"nominal": [0.1], "scale": ["log10"], "estimated": [True], "condition": ["wt"],
    ...      "observable": ["y"], "time": [1.0], "value": [2.0]}, {"parameter_all": ["k"]})
    >>> ds["lower"].values, ds["nominal"].attrs["long_name"]
    (array([nan]), 'value in the model file, natural scale')
    """
    schema = GROUPS[group]
    known = {**schema.coords, **schema.variables}
    for name in (*variables, *coords):
        table = schema.coords if name in coords else schema.variables
        if name not in table:
            near = difflib.get_close_matches(name, list(table), 1)
            raise ValueError(
                f"group {group!r} has no {name!r}" + (f"; is {near[0]!r} meant?" if near else "")
            )
    arrays = {
        name: _array(group, name, value, known[name]) for name, value in {**coords, **variables}.items()
    }
    sizes = _sizes(group, arrays, known)
    for name, row in known.items():
        if name in arrays:
            continue
        if name in schema.coords and row.dims == (name,):
            if (default := _default_coordinate(name, row, arrays, sizes)) is not None:
                arrays[name] = default
                sizes.setdefault(name, len(default))
        elif row.optional and all(dim in sizes for dim in row.dims):
            arrays[name] = _full(row, tuple(sizes[dim] for dim in row.dims))
        elif not row.optional and all(dim in sizes for dim in row.dims):
            raise ValueError(f"group {group!r} needs {name!r}({', '.join(row.dims)})")
    import xarray as xr  # takes longer to load than the kernels, which need the codes of this file only

    ds = xr.Dataset(
        {
            name: (known[name].dims, arrays[name], _attrs(known[name]))
            for name in schema.variables
            if name in arrays
        },
        {
            name: (known[name].dims, arrays[name], _attrs(known[name]))
            for name in schema.coords
            if name in arrays
        },
        dict(attrs or {}),
    )
    return _with_labels(ds, known)


def sentences(status: xr.DataArray) -> dict[str, int]:
    """How often each fate occurs: sentence -> count, the most frequent first.

    >>> import xarray as xr
    >>> sentences(xr.DataArray([1, 1, 10], dims="start"))[Status.CONVERGED.sentence]
    2
    """
    codes, counts = np.unique(status.values, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {Status(int(codes[i])).sentence: int(counts[i]) for i in order}


def _array(group: str, name: str, value: Any, row: Variable) -> np.ndarray:
    array = np.asarray(value)
    if array.ndim != len(row.dims):
        raise ValueError(
            f"{group}.{name} has shape {array.shape}; the schema wants the dims ({', '.join(row.dims)})"
        )
    if row.kind == "text":
        if array.size and array.dtype.kind not in "UO":
            raise ValueError(f"{group}.{name} must be text, not {array.dtype}")
        return np.array([str(item) for item in array.ravel()], dtype=np.str_).reshape(array.shape)
    if array.size and not np.can_cast(array.dtype, DTYPES[row.kind], "same_kind"):
        raise ValueError(f"{group}.{name} must be {row.kind}, not {array.dtype}")
    return array.astype(DTYPES[row.kind])


def _sizes(group: str, arrays: Mapping[str, np.ndarray], known: Mapping[str, Variable]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        for dim, size in zip(known[name].dims, array.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise ValueError(f"{group}.{name} has {size} entries along {dim!r}; others have {sizes[dim]}")
    return sizes


def _default_coordinate(
    name: str, row: Variable, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int]
) -> np.ndarray | None:
    if row.values:
        return np.array(row.values)
    if row.kind == "int" and name in sizes:
        return np.arange(sizes[name])
    if name == "parameter_" and "parameter" in arrays:
        return arrays["parameter"]
    if name in sizes:
        raise ValueError(f"the coordinate {name!r} must be given")
    return None


def _full(row: Variable, shape: tuple[int, ...]) -> np.ndarray:
    return np.full(shape, row.fill, dtype="<U1" if row.kind == "text" else DTYPES[row.kind])


def _attrs(row: Variable) -> dict[str, Any]:
    attrs: dict[str, Any] = {"long_name": row.long_name}
    if row.units:  # a name such as unit(parameter) or time_unit says where the unit is to be found
        stands_elsewhere = "(" in row.units or row.units == "time_unit"
        attrs["units_in" if stands_elsewhere else "units"] = row.units
    if row.flags:
        attrs["flag_values"] = np.array([int(flag) for flag in row.flags], dtype=np.int8)
        attrs["flag_meanings"] = " ".join(flag.label for flag in row.flags)
    return attrs


def _with_labels(ds: xr.Dataset, known: Mapping[str, Variable]) -> xr.Dataset:
    for name in list(ds.data_vars):
        flags = known[str(name)].flags
        if flags:
            codes = ds[name]
            labels = np.array([flags(int(code)).label for code in codes.values.ravel()], dtype=np.str_)
            long_name = f"{codes.attrs['long_name']}, in words"
            ds[f"{name}_label"] = (codes.dims, labels.reshape(codes.shape), {"long_name": long_name})
    return ds
