"""All that is predicted, evaluated at once: one row for each curve and time behind the rows of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from idfit.numerics.scales import TRANSFORMS
from idfit.prediction.curves import Curve, given_times, telling_times
from idfit.problem import Objective, Problem
from idfit.problem.quantities import with_rows
from idfit.problem.simulation import simulate
from idfit.results import Status

_FORWARD = (lambda v: v, np.log, np.log10, np.log2)
_BACKWARD = (lambda v: v, np.exp, lambda v: 10.0**v, np.exp2)


def forward(transform: str, value: np.ndarray) -> np.ndarray:
    """Values on the scale of the noise; NaN where there are none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return _FORWARD[TRANSFORMS.index(transform)](value)


def backward(transform: str, value: np.ndarray) -> np.ndarray:
    """Natural values of values on the scale of the noise."""
    with np.errstate(over="ignore"):
        return _BACKWARD[TRANSFORMS.index(transform)](value)


@dataclass(frozen=True)
class Cells:
    """The cells that can be evaluated: which curve and which time each is, (cell,).

    curves : all; times : (time,) all; asked : (curve, time); has_noise : (cell,) whether the row has noise of
    its own; sd : (cell,) noise that is a column of the data, NaN elsewhere; objective : of the data with the
    cells' rows.
    """

    curves: list[Curve]
    times: np.ndarray
    asked: np.ndarray
    curve: np.ndarray
    time: np.ndarray
    has_noise: np.ndarray
    sd: np.ndarray
    objective: Objective

    def __len__(self) -> int:
        return len(self.curve)

    def values(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predictions and noise levels (cell,) at theta; NaN where they cannot be evaluated."""
        ev = self.objective(theta, 0)
        if ev.status is not Status.OK:
            return np.full(len(self), np.nan), np.full(len(self), np.nan)
        rows = slice(self.objective.plan.n_rows - len(self), None)
        return ev.prediction[rows], np.where(self.has_noise, ev.sigma[rows], self.sd)

    def slopes(self, theta: np.ndarray) -> np.ndarray:
        """d prediction / d theta, (cell, parameter)."""
        jacobian = self.objective(theta, 1).prediction_jacobian
        if jacobian is None:
            return np.full((len(self), len(theta)), np.nan)
        return jacobian[self.objective.plan.n_rows - len(self) :]

    def grid(self, values: np.ndarray, blank: float | int | str = np.nan) -> np.ndarray:
        """Values of the cells (cell, …) in their places (curve, time, …); `blank` elsewhere."""
        values = np.asarray(values)
        kind = object if isinstance(blank, str) else values.dtype
        out = np.full((len(self.curves), len(self.times), *values.shape[1:]), blank, dtype=kind)
        out[self.curve, self.time] = values
        return out


def cells_of(
    problem: Problem,
    curves: Sequence[Curve],
    times: Sequence[float] | np.ndarray | None,
    theta: np.ndarray,
    rtol: float,
    atol: float,
) -> Cells:
    """The cells of the curves. What cannot be evaluated at theta (the best fit) is left out, as the logarithm
    of an observable that begins at zero; a cell whose noise cannot be evaluated stays without it.

    Errors: `InputError` for times and formulas.
    """
    all_times, asked = _times_of(problem, curves, times, theta, rtol, atol)
    places = np.argwhere(asked)
    noisy = np.array([curves[c].noise is not None for c, _ in places], dtype=bool)

    def objective_of(places: np.ndarray, noisy: np.ndarray) -> Objective:
        rows, noise = [], {}
        for (c, t), n in zip(places, noisy, strict=True):
            # one observable serves all conditions
            name = f"idfit_{'noisy' if n else 'plain'}_{curves[c].observable}"
            rows.append((name, curves[c].quantity(float(all_times[t]))))
            noise[name] = curves[c].noise if n else 1.0
        return with_rows(problem, rows, noise).objective(rtol, atol)

    def works(objective: Objective) -> bool:
        return objective(theta, 0).status is Status.OK

    if not works(objective := objective_of(places, noisy)):
        kept = np.ones(len(places), dtype=bool)
        for i in range(len(places)):
            alone = places[i : i + 1]
            noisy[i] = noisy[i] and works(objective_of(alone, np.array([True])))
            kept[i] = noisy[i] or works(objective_of(alone, np.array([False])))
        places, noisy = places[kept], noisy[kept]
        objective = objective_of(places, noisy)
    given = [curves[c].sd_at(float(all_times[t])) for c, t in places]
    return Cells(
        list(curves), all_times, asked, places[:, 0], places[:, 1], noisy, np.array(given, dtype=float),
        objective,
    )  # fmt: skip


def _times_of(
    problem: Problem,
    curves: Sequence[Curve],
    times: Sequence[float] | np.ndarray | None,
    theta: np.ndarray,
    rtol: float,
    atol: float,
) -> tuple[np.ndarray, np.ndarray]:
    """All times (time,), and which of them each curve is asked for, (curve, time): without times those that
    tell the curves of a condition at theta, from its start to its last measurement."""
    if times is not None:
        given = given_times(problem, curves, times)
        return given, np.ones((len(curves), len(given)), dtype=bool)
    courses = _courses(problem, curves, theta, rtol, atol)
    own: dict[str, np.ndarray] = {}
    for label in dict.fromkeys(c.condition for c in curves):
        here = [course for curve, course in zip(curves, courses, strict=True) if curve.condition == label]
        own[label] = telling_times(here[0][0], [values for _, values in here])
    union = np.unique(np.concatenate(list(own.values()))) if own else np.empty(0)
    asked = [np.isin(union, own[curve.condition]) for curve in curves]
    return union, np.array(asked).reshape(len(curves), len(union))


def _courses(
    problem: Problem, curves: Sequence[Curve], theta: np.ndarray, rtol: float, atol: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each curve at theta on a fine grid: (time,) and its values on the scale of its noise."""
    rows = [(f"idfit_{c.observable}", c.quantity(_last_time(problem, c))) for c in curves]
    wider = with_rows(problem, rows, dict.fromkeys([name for name, _ in rows], 1.0))
    made = simulate(wider, theta, rtol=rtol, atol=atol)
    found = []
    for curve, (name, _) in zip(curves, rows, strict=True):
        one = made.sel(trajectory_condition=curve.condition, trajectory_observable=name)
        found.append((one["trajectory_time"].values, forward(curve.transform, one["trajectory"].values)))
    return found


def _last_time(problem: Problem, curve: Curve) -> float:
    """That of the measurements in its condition, or of all if there are none; its start if these are none."""
    table = problem.spec.measurements
    measured = np.array(table.time, dtype=float)
    here = np.array([c == curve.where for c in table.condition]) & np.isfinite(measured)
    start = next(s.t0 for s in problem.resolution.simulations if s.condition == curve.where and not s.steady)
    return float(measured[here if here.any() else np.isfinite(measured)].max(initial=start))
