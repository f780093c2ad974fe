"""The shape of results: which groups a study has, which variables stand in them, and what their codes mean.

Every result is an `xarray.Dataset` made by `dataset`, which refuses what the table `GROUPS` does not know. A
study is an `xarray.DataTree` of such groups. NaN (-1 for counts) means "not reached"; a status then says why.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

SCHEMA_VERSION = "1.0"  # major.minor: a newer minor only adds; a file of a newer major is refused


class Status(IntEnum):
    """The fate of an evaluation (0, 10 and above) or of a start (all), with a sentence and a remedy each.

    >>> Status(1).label, Status(1).sentence
    ('converged', 'The projected gradient is small: a local optimum was reached.')
    """

    sentence: str

    OK = 0, "The evaluation succeeded."
    CONVERGED = 1, "The projected gradient is small: a local optimum was reached."
    STALLED = (
        2,
        "No further decrease was possible, yet the gradient is not small; tighten rtol, or rescale.",
    )
    MAX_ITERATIONS = 3, "The iteration limit was reached before convergence; allow more iterations."
    INTERRUPTED = 5, "Stopped by the user before the end; resume the run."
    STEP_BUDGET = (
        10,
        "The step budget was used up; see whether the model oscillates fast there, or loosen rtol.",
    )
    STEP_TOO_SMALL = (
        11,
        "The step size vanished as in a blow-up or jump; narrow the bounds, or state the jump's time.",
    )
    NOT_FINITE = (
        12,
        "The right-hand side was not finite; look for divisions by zero, logs, powers of negatives.",
    )
    SINGULAR = (
        13,
        "A linear system of the integrator was singular; look for states that no equation determines.",
    )
    LOG_NONPOSITIVE = (
        14,
        "A prediction under a logarithm was not positive; add an offset, or fit it untransformed.",
    )
    NOISE_NONPOSITIVE = 15, "A noise level was zero or negative; give its parameter a positive lower bound."
    BAD_GRADIENT = (
        16,
        "The gradient was not finite although the objective was; look for roots and powers at zero.",
    )
    OBSERVABLE_NOT_FINITE = 17, "An observable was not finite; look for divisions by zero in its formula."
    OUT_OF_BOUNDS = 18, "A parameter left its bounds; only values within the bounds can be evaluated."
    WORKER_LOST = (
        19,
        "The task ended with an unexpected error or its worker was lost; the log has the reason.",
    )
    INITIAL_NOT_FINITE = 20, "An initial value was not finite; look at its formula."
    NOT_REACHED = 30, "Not computed; resume the run to compute it."

    def __new__(cls, value: int, sentence: str):
        member = int.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    @property
    def label(self) -> str:
        return self.name.lower()

    @property
    def usable(self) -> bool:
        """Whether there is a value to report: a start that arrived somewhere, or an evaluation."""
        return self in (Status.OK, Status.CONVERGED, Status.STALLED, Status.MAX_ITERATIONS)


class BoundSide(IntEnum):
    """Where an estimate stands in its interval of allowed values."""

    LOWER_BOUND = -1
    INSIDE = 0
    UPPER_BOUND = 1

    @property
    def label(self) -> str:
        return self.name.lower()


Kind = Literal["float", "int", "bool", "text", "code"]
_DTYPES: dict[Kind, Any] = {"float": np.float64, "int": np.int64, "bool": np.bool_, "code": np.int8}
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
    flags: type[Status] | type[BoundSide] | None = None
    missing: int = 0  # fill value of codes
    values: tuple[str, ...] = ()  # of a coordinate that is always the same

    @property
    def fill(self) -> Any:
        return self.missing if self.kind == "code" else _FILLS[self.kind]


def _number(dims: str, long_name: str, units: str = "1", **options: Any) -> Variable:
    return Variable(tuple(dims.split()), long_name, "float", units, **options)


def _count(dims: str, long_name: str, **options: Any) -> Variable:
    return Variable(tuple(dims.split()), long_name, "int", "1", **options)


def _text(dims: str, long_name: str, **options: Any) -> Variable:
    return Variable(tuple(dims.split()), long_name, "text", **options)


def _flag(dims: str, long_name: str) -> Variable:
    return Variable(tuple(dims.split()), long_name, "bool")


def _status(dims: str, long_name: str, **options: Any) -> Variable:
    options = {"flags": Status, "missing": int(Status.NOT_REACHED)} | options
    return Variable(tuple(dims.split()), long_name, "code", "1", **options)


@dataclass(frozen=True)
class Group:
    """The coordinates and variables that a dataset of this group may have."""

    coords: Mapping[str, Variable]
    variables: Mapping[str, Variable]


_ON_SCALE = "scale(parameter)"  # thetas are on the estimation scale, which that coordinate names
_IN_UNIT = "unit(parameter)"

GROUPS: Mapping[str, Group] = {
    "problem": Group(
        coords={
            "parameter_all": _text("parameter_all", "parameter, estimated or not"),
            "measurement": _count("measurement", "row of the data, from 0"),
        },
        variables={
            "lower": _number(
                "parameter_all", "lower bound, natural scale", "unit(parameter_all)", optional=True
            ),
            "upper": _number(
                "parameter_all", "upper bound, natural scale", "unit(parameter_all)", optional=True
            ),
            "nominal": _number(
                "parameter_all", "value in the model file, natural scale", "unit(parameter_all)"
            ),
            "scale": _text("parameter_all", "estimation scale"),
            "unit": _text("parameter_all", "unit", optional=True),
            "estimated": _flag("parameter_all", "whether the parameter is estimated"),
            "prior": _text("parameter_all", "prior density", optional=True),
            "tie": _text("parameter_all", "formula that the parameter is tied to", optional=True),
            "condition": _text("measurement", "condition"),
            "observable": _text("measurement", "observable"),
            "time": _number("measurement", "time of the measurement", "time_unit"),
            "value": _number("measurement", "measured value", "measurement_unit(measurement)"),
            "sd": _number(
                "measurement",
                "standard deviation given with the data",
                "measurement_unit(measurement)",
                optional=True,
            ),
            "sigma_source": _text("measurement", "where the noise level comes from", optional=True),
            "replicate": _text("measurement", "replicate", optional=True),
            "censored": _text("measurement", "censoring: left, right or none", optional=True),
            "measurement_unit": _text("measurement", "unit of the measured value", optional=True),
        },
    ),
    "fit": Group(
        coords={
            "start": _count("start", "number of the start; 0 is the nominal point where it was asked for"),
            "parameter": _text("parameter", "estimated parameter"),
            "parameter_": _text("parameter_", "estimated parameter"),
            "optimum_index": _count("optimum_index", "cluster of equivalent optima; 0 is the best"),
            "space": _text("space", "coordinates", values=("estimation", "natural")),
            "ci_bound": _text("ci_bound", "side of an interval", values=("lower", "upper")),
            "unit": _text("parameter", "unit on the natural scale", optional=True),
            "scale": _text("parameter", "estimation scale"),
        },
        variables={
            "theta0": _number("start parameter", "starting point, estimation scale", _ON_SCALE),
            "theta": _number("start parameter", "end point, estimation scale", _ON_SCALE),
            "objective": _number("start", "nllh + nlprior at the end point"),
            "nllh": _number("start", "negative log-likelihood at the end point, all constants kept"),
            "nlprior": _number("start", "negative log-prior at the end point", optional=True),
            "status": _status("start", "fate of the start"),
            "cluster": _count("start", "cluster of the end point; -1 where there is none"),
            "n_evaluations": _count("start", "evaluations of the objective", optional=True),
            "n_iterations": _count("start", "iterations", optional=True),
            "gradient_norm": _number(
                "start", "norm of the projected gradient at the end point, estimation scale", optional=True
            ),
            "optimum": _number(
                "optimum_index parameter", "best end point of the cluster, estimation scale", _ON_SCALE
            ),
            "optimum_nllh": _number(
                "optimum_index", "negative log-likelihood of the best end point of the cluster"
            ),
            "hits": _count("optimum_index", "starts that ended in the cluster"),
            "hit_rate": _number("optimum_index", "share of the starts that ended in the cluster"),
            "hit_rate_interval": _number(
                "optimum_index ci_bound", "95 % interval of the hit rate", optional=True
            ),
            "estimate": _number("parameter", "best fit, natural scale", _IN_UNIT),
            "standard_error": _number(
                "space parameter",
                "standard error from the observed information: the Hessian of the objective at the best fit",
                optional=True,
            ),
            "standard_error_expected": _number(
                "space parameter",
                "standard error from the expected (Fisher) information at the best fit",
                optional=True,
            ),
            "standard_error_unbiased": _number(
                "space parameter",
                "standard error with the noise level corrected for the number of fitted parameters",
                optional=True,
            ),
            "at_bound": Variable(
                ("parameter",), "whether the best fit stands at a bound", "code", "1", True, BoundSide
            ),
            "fim": _number(
                "parameter parameter_", "Fisher information at the best fit, estimation scale", optional=True
            ),
            "hessian": _number(
                "parameter parameter_",
                "Hessian of the objective at the best fit, estimation scale",
                optional=True,
            ),
            "chi2": _number("", "sum of squared standardised residuals at the best fit", optional=True),
            "n_data": _count("", "number of measurements", optional=True),
            "dof": _count("", "measurements minus estimated parameters", optional=True),
        },
    ),
    "simulation": Group(
        coords={
            "measurement": _count("measurement", "row of the data, from 0"),
            "condition": _text("measurement", "condition"),
            "observable": _text("measurement", "observable"),
            "time": _number("measurement", "time of the measurement", "time_unit"),
            "replicate": _text("measurement", "replicate", optional=True),
            "curve": _text("measurement", "trajectory_condition it belongs to", optional=True),
            "parameter": _text("parameter", "estimated parameter"),
            # `condition` is a coordinate of the measurements, so the curves' dims need names of their own.
            "trajectory_condition": _text("trajectory_condition", "condition of a curve"),
            "trajectory_observable": _text("trajectory_observable", "observable of a curve"),
            "observable_unit": _text("trajectory_observable", "unit of the observable", optional=True),
            "observable_transform": _text("trajectory_observable", "scale of the noise", optional=True),
            "observable_distribution": _text("trajectory_observable", "noise distribution", optional=True),
            "state": _text("state", "state"),
            "state_unit": _text("state", "unit of the state", optional=True),
            "grid": _count("grid", "point of a curve"),
        },
        variables={
            "prediction": _number(
                "measurement",
                "prediction of the measurement",
                "observable_unit(trajectory_observable)",
                optional=True,
            ),
            "sigma": _number("measurement", "noise level on the noise scale", optional=True),
            "residual": _number(
                "measurement", "(measured - predicted)/sigma on the noise scale", optional=True
            ),
            "theta": _number("parameter", "where it was simulated, estimation scale", optional=True),
            "nllh": _number("", "negative log-likelihood", optional=True),
            "chi2": _number("", "sum of squared standardised residuals", optional=True),
            "status": _status("", "fate of the simulation", optional=True),
            "trajectory_time": _number(
                "trajectory_condition grid", "time of the curve", "time_unit", optional=True
            ),
            "trajectory": _number(
                "trajectory_condition trajectory_observable grid",
                "observable without noise",
                "observable_unit(trajectory_observable)",
                optional=True,
            ),
            "trajectory_sigma": _number(
                "trajectory_condition trajectory_observable grid",
                "noise level along the curve, noise scale",
                optional=True,
            ),
            "state_trajectory": _number(
                "trajectory_condition state grid", "state", "state_unit(state)", optional=True
            ),
        },
    ),
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
    if array.size and not np.can_cast(array.dtype, _DTYPES[row.kind], "same_kind"):
        raise ValueError(f"{group}.{name} must be {row.kind}, not {array.dtype}")
    return array.astype(_DTYPES[row.kind])


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
    return np.full(shape, row.fill, dtype="<U1" if row.kind == "text" else _DTYPES[row.kind])


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
