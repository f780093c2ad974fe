"""A group of the study as the result of one task, so that a journal keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from idfit.results import GROUPS, dataset
from idfit.tasks import Runner, Task


def kept(group: str, key: str, make: Callable[[], xr.Dataset], runner: Runner) -> xr.Dataset:
    """The group as it is made, or from the journal of `runner` if it has a task of that key."""

    def work(task: Task, stop: np.ndarray) -> dict[str, Any]:
        return as_result(make())

    return from_result(group, runner.run([Task(key)], work)[0])


def as_result(made: xr.Dataset) -> dict[str, Any]:
    """A dataset as the result of a task: arrays of numbers as they are, texts and attributes as JSON."""
    names = [str(name) for name in made.variables if not str(name).endswith("_label")]
    texts = {
        name: [list(made[name].shape), made[name].values.ravel().tolist()]
        for name in names
        if made[name].dtype.kind in "UO"
    }
    attrs = {str(key): _plain(value) for key, value in made.attrs.items()}
    numbers = {name: made[name].values for name in names if name not in texts}
    return {
        "texts": json.dumps(texts),
        "attrs": json.dumps(attrs),
        **{f"numbers {name}": values for name, values in numbers.items()},
    }


def from_result(group: str, result: dict[str, Any]) -> xr.Dataset:
    """The dataset that `as_result` was given."""
    arrays: dict[str, Any] = {
        name: np.array(values, dtype=np.str_).reshape(shape)
        for name, (shape, values) in json.loads(result["texts"]).items()
    }
    arrays |= {k.removeprefix("numbers "): v for k, v in result.items() if k.startswith("numbers ")}
    coords = {name: values for name, values in arrays.items() if name in GROUPS[group].coords}
    variables = {name: values for name, values in arrays.items() if name not in coords}
    return dataset(group, variables, coords, json.loads(result["attrs"]))


def _plain(value: Any) -> Any:
    """Numpy's numbers and arrays as Python's."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
