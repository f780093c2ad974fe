"""What a design is for: parameters, or functions of them, whose uncertainty is to become small."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.errors import InputError
from idfit.numerics.scales import SCALES, natural
from idfit.problem import Problem, Quantity
from idfit.problem.quantities import Extended, extended
from idfit.profiles import profile, profile_functions
from idfit.results import Verdict
from idfit.tasks import Runner

#: a target as it may be given: names and formulas, or quantities by name
Given = str | Sequence[str] | Mapping[str, Quantity | str] | None


@dataclass(frozen=True)
class Target:
    """A parameter (position >= 0) or a function; value and gradient are on the scale of its profile."""

    name: str
    scale: str
    unit: str
    position: int
    quantity: Quantity | None = None
    function: Extended | None = None

    def value(self, theta: np.ndarray) -> float:
        return float(theta[self.position]) if self.function is None else self.function.value(theta)

    def natural(self, theta: np.ndarray) -> float:
        return float(natural(SCALES.index(self.scale), self.value(theta))[0])

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """(parameter,)"""
        if self.function is not None:
            return self.function.slope(theta)
        return (np.arange(len(theta)) == self.position).astype(float)

    def own_unit(self, theta: np.ndarray) -> float:
        """What counts as one unit of it: a factor e on logarithmic scales, else its own size."""
        if self.scale != "lin":
            return 1.0 / math.log(10.0) if self.scale == "log10" else 1.0
        return abs(self.value(theta)) or 1.0


def targets_of(
    problem: Problem, given: Given, profiles: xr.Dataset | None, rtol: float, atol: float
) -> list[Target]:
    """The targets; if none are given the parameters whose profiles are open, else all.

    Errors: `InputError` for a name or formula that cannot be used.
    """
    names = problem.parameters.names
    if given is None:
        given = _open(profiles, names) or list(names)
    if isinstance(given, str):
        given = [given]
    asked: Mapping[str, Quantity | str] = (
        given if isinstance(given, Mapping) else {name: name for name in given}
    )
    if not asked:
        raise InputError("no target was named; give parameters or formulas, or leave it out")
    found = []
    for name, what in asked.items():
        if isinstance(what, str) and what in names:
            i = names.index(what)
            space = problem.parameters
            found.append(Target(what, space.scale[i], space.unit[i], i))
            continue
        quantity = Quantity(what) if isinstance(what, str) else what
        function = extended(problem, f"design_target_{len(found) + 1}", quantity, rtol, atol)
        found.append(Target(name, quantity.scale, quantity.unit, -1, quantity, function))
    return found


def profiles_of(
    problem: Problem,
    targets: list[Target],
    theta: np.ndarray,
    ci_prob: float,
    rtol: float,
    atol: float,
    seed: int,
    runner: Runner,
    method: str = "path",
) -> xr.Dataset:
    """Profiles of the targets from theta, parameters first; only what verdicts and valleys need of them.

    method : of the parameters' profiles; functions are always followed along their path.
    """
    import xarray

    names = [t.name for t in targets if t.quantity is None]
    quantities = {_function_name(t): t.quantity for t in targets if t.quantity is not None}
    parts = []
    if names:
        parts.append(profile(problem, theta, names, ci_prob, rtol=rtol, atol=atol, seed=seed, runner=runner))
    if quantities:
        found = profile_functions(
            problem, theta, quantities, ci_prob, rtol=rtol, atol=atol, seed=seed, runner=runner
        )
        called = {_function_name(t): t.name for t in targets if t.quantity is not None}
        parts.append(found.assign_coords(profiled=[called[str(n)] for n in found["profiled"].values]))
    if len(parts) == 1:
        return parts[0]
    kept = ["value", "theta", "objective", "start_step", "side_status", "interval", "estimate", "verdict"]
    joined = xarray.concat([p[kept] for p in parts], "profiled", join="outer", combine_attrs="drop_conflicts")
    return joined.assign(threshold=parts[0]["threshold"]).assign_attrs(
        {**parts[0].attrs, "objective": min(p.attrs["objective"] for p in parts)}
    )


def _function_name(target: Target) -> str:
    assert target.function is not None
    return str(target.function.problem.spec.measurements.observable[-1])


def _open(profiles: xr.Dataset | None, names: Sequence[str]) -> list[str]:
    if profiles is None:
        return []
    verdicts = zip(profiles["profiled"].values, profiles["verdict"].values, strict=True)
    return [str(n) for n, v in verdicts if Verdict(int(v)).is_open and str(n) in names]
