"""What is known of a problem near one point: derivatives, the root of the information, and its error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import xarray as xr

from idfit.errors import InputError, RunError
from idfit.numerics.information import Modes, information_root, modes
from idfit.numerics.scales import SCALES, natural
from idfit.problem import ParameterSpace, Problem
from idfit.problem.objective import Evaluation, Objective
from idfit.results import Status

_RTOL, _ATOL = 1e-8, 1e-12
# singular values (of a root with unit columns) that are nothing but rounding
ROUNDING = 1e-12
# a parameter this close to a bound (relative to the width) stands on it
_ON_BOUND = 1e-6
# the integration error is the change of the root from one accuracy to this multiple of it
_OTHER_ACCURACY = (0.1, 10.0)


@dataclass(frozen=True)
class Expansion:
    """Derivatives of a problem at theta : (parameter,), estimation scale; `point` says which point it is.

    root : (2 row, parameter), rootᵀ root is the information of the data, the first half from the predictions;
    error : the same, its change at another accuracy of the integration; floor : what is rounding among the
    singular values; free : (parameter,) bool, not standing on a bound.
    """

    theta: np.ndarray
    point: str
    objective: Objective
    evaluation: Evaluation
    root: np.ndarray
    error: np.ndarray
    floor: float
    free: np.ndarray

    @property
    def n_rows(self) -> int:
        return len(self.evaluation.sigma)

    @cached_property
    def slope(self) -> np.ndarray:
        """dp/dtheta, (parameter,)."""
        return self.objective.parameters.slope(self.theta)

    @cached_property
    def bend(self) -> np.ndarray:
        """(d²p/dtheta²)/(dp/dtheta), (parameter,)."""
        scales = self.objective.parameters.scale
        derivatives = [natural(SCALES.index(s), t) for s, t in zip(scales, self.theta, strict=True)]
        return np.array([second / first for _, first, second in derivatives])

    @cached_property
    def modes(self) -> Modes:
        """Singular values of the root, all parameters."""
        return modes(self.root, self.error, self.floor)


def expand(
    problem: Problem,
    given: xr.Dataset | Sequence[float] | np.ndarray | None,
    rtol: float | None,
    atol: float | None,
) -> Expansion:
    """The expansion at the best optimum of a fit, at a vector theta or (None) at the nominal values.

    rtol, atol : those of the fit, else 1e-8 and 1e-12, where None. Errors: `InputError`, `RunError`.
    """
    space = problem.parameters
    if not len(space):
        raise InputError("no parameter is estimated, so there is nothing to have information about")
    if not len(problem.spec.measurements):
        raise InputError("there are no measurements and hence no information; give a data file")
    theta, point, attrs = space.nominal_scaled, "nominal values", {}
    if isinstance(given, xr.Dataset):
        _check_fit(space, given)
        theta, point, attrs = given["optimum"].values[0].astype(float), "best fit", given.attrs
    elif given is not None:
        theta, point = np.array(given, dtype=float), "given point"
    objective = problem.objective(
        float(attrs.get("rtol", _RTOL) if rtol is None else rtol),
        float(attrs.get("atol", _ATOL) if atol is None else atol),
    )
    ev = _evaluated(objective, theta, point)
    root, error, floor = _root_and_error(problem, objective, theta, ev)
    return Expansion(theta, point, objective, ev, root, error, floor, ~_at_bound(space, theta))


def _check_fit(space: ParameterSpace, fit: xr.Dataset) -> None:
    if "optimum" not in fit:
        raise InputError("the dataset has no 'optimum'; give the result of idfit.fit, or a vector theta")
    for what, own in (("parameter", space.names), ("scale", space.scale)):
        theirs = tuple(str(v) for v in fit[what].values)
        if theirs != own:
            raise InputError(
                f"the fit has the {what}s {', '.join(theirs)}, the problem {', '.join(own)}; "
                "give the fit of this problem, or a vector theta"
            )


def _evaluated(objective: Objective, theta: np.ndarray, point: str) -> Evaluation:
    ev = objective(theta, 2)
    if ev.status is not Status.OK:
        where = f" (simulation {ev.simulation}, time {ev.time:g})" if ev.simulation else ""
        raise RunError(
            f"there is no information at the {point} {np.round(theta, 4).tolist()} (estimation scale): "
            f"{ev.status.sentence}{where}"
        )
    return ev


def _at_bound(space: ParameterSpace, theta: np.ndarray) -> np.ndarray:
    """Whether a parameter stands on one of its bounds, (parameter,) bool."""
    lower, upper = space.lower_scaled, space.upper_scaled
    width = upper - lower
    near = np.where(np.isfinite(width), _ON_BOUND * width, 0.0)
    return (theta <= lower + near) | (theta >= upper - near)


def root_at(objective: Objective, ev: Evaluation) -> np.ndarray:
    """The root of the information of the data at an evaluation with derivatives, (2 row, parameter)."""
    assert ev.prediction_jacobian is not None
    assert ev.sigma_jacobian is not None
    n, k = ev.prediction_jacobian.shape
    root = np.empty((2 * n, k))
    ints, floats = objective.plan.ints, objective.plan.floats
    information_root(ints, floats, ev.prediction, ev.sigma, ev.prediction_jacobian, ev.sigma_jacobian, root)
    return root


def _root_and_error(
    problem: Problem, objective: Objective, theta: np.ndarray, ev: Evaluation
) -> tuple[np.ndarray, np.ndarray, float]:
    """The root, its change at another accuracy, and the singular value below which all is rounding."""
    root = root_at(objective, ev)
    if not problem.model.states:
        return root, np.zeros_like(root), ROUNDING
    for multiple in _OTHER_ACCURACY:
        if not 1e-14 <= multiple * objective.rtol < 1.0:
            continue
        atol = max(multiple * objective.atol, 1e-30)
        other = replace(objective, rtol=multiple * objective.rtol, atol=atol)
        beside = other(theta, 1)
        if beside.status is Status.OK:
            # the same steps make the same error, of which the change then says nothing
            floor = objective.rtol if beside.n_steps == ev.n_steps else ROUNDING
            return root, root - root_at(other, beside), floor
    return root, np.zeros_like(root), objective.rtol
