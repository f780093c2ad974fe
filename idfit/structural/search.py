"""A search for counterexamples: other parameters, within the bounds, with the same predictions.

One-sided: what it finds shows that a quantity is not unique, whatever the functions in the equations; that
it finds nothing says nothing. It begins at a random point near the nominal values, fits its predictions from
random starts by least squares, and compares the curves of all observables between the measurements too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from idfit.problem import Problem, simulate
from idfit.results import Status

N_STARTS = 30
_NEAR_NOMINAL = 0.05  # of the search range
_SAME_PREDICTIONS = 1e-6  # of the range of each observable
_ANOTHER_VALUE = 1e-3  # of the search range
_MOST_EVALUATIONS = 200


@dataclass(frozen=True)
class OtherValue:
    """Two natural values of a quantity with the same predictions, and by how much these differ."""

    here: float
    there: float
    difference: float


def other_values(
    problem: Problem, names: Sequence[str], *, n_starts: int = N_STARTS, seed: int = 0, seconds: float = 10.0
) -> dict[str, OtherValue]:
    """For those of the named estimated parameters for which there is one: another value with the same
    predictions.

    Nothing is found without measurements, or where a bound is infinite. It ends when every name has an
    answer, after `n_starts` starts, or after `seconds`.
    """
    space = problem.parameters
    low, high = space.lower_scaled, space.upper_scaled
    if not len(problem.spec.measurements) or not np.isfinite([low, high]).all():
        return {}
    end, rng = time.monotonic() + seconds, np.random.default_rng(seed)
    objective = problem.objective()
    middle = np.where(np.isfinite(space.nominal_scaled), space.nominal_scaled, 0.5 * (low + high))
    here = np.clip(middle + _NEAR_NOMINAL * (high - low) * rng.standard_normal(len(low)), low, high)
    wanted = objective(here, 1)
    if wanted.status is not Status.OK:
        return {}
    bad = np.full(len(wanted.prediction), 1e6)

    def residual(theta: np.ndarray) -> np.ndarray:
        there = objective(theta, 0)
        usable = there.status is Status.OK
        return (there.prediction - wanted.prediction) / wanted.sigma if usable else bad

    def jacobian(theta: np.ndarray) -> np.ndarray:
        there = objective(theta, 1)
        if there.prediction_jacobian is None or there.status is not Status.OK:
            return np.zeros((len(bad), len(theta)))
        return there.prediction_jacobian / wanted.sigma[:, np.newaxis]

    search: Any = least_squares  # its annotations know no function as jac
    found: dict[str, OtherValue] = {}
    for _ in range(n_starts):
        if time.monotonic() > end or len(found) == len(names):
            break
        start = low + (high - low) * rng.random(len(low))
        fit = search(
            residual, start, jacobian, (low, high), xtol=1e-15, ftol=1e-15, gtol=1e-15,
            max_nfev=_MOST_EVALUATIONS,
        )  # fmt: skip
        moved = np.abs(fit.x - here) > _ANOTHER_VALUE * (high - low)
        new = [n for n in names if n not in found and moved[space.position([n])[0]]]
        if not new or np.abs(fit.fun).max() > 1.0:
            continue
        difference = _difference(problem, here, fit.x)
        if difference < _SAME_PREDICTIONS:
            values = space.to_natural(here), space.to_natural(fit.x)
            for name in new:
                i = space.names.index(name)
                found[name] = OtherValue(float(values[0][i]), float(values[1][i]), difference)
    return found


def _difference(problem: Problem, here: np.ndarray, there: np.ndarray) -> float:
    """The largest difference of the curves, relative to the range of each."""
    curves = [
        np.nan_to_num(simulate(problem, theta, rtol=1e-10)["trajectory"].values) for theta in (here, there)
    ]
    scale = np.abs(curves[0]).max(axis=-1, keepdims=True)
    return float((np.abs(curves[0] - curves[1]) / np.where(scale > 0.0, scale, 1.0)).max())
