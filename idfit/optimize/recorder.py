"""Evaluations of one start as a foreign optimiser makes them: counted, the best kept, the end judged."""

from __future__ import annotations

import numpy as np

from idfit.numerics.trust_region import bounded_step
from idfit.optimize.local import LocalOptions, LocalResult, projected_gradient
from idfit.optimize.residual_form import ResidualForm, Squares
from idfit.problem import Evaluation, Objective
from idfit.results import Status

# an expected decrease of the log-likelihood that no data could tell: such a start has arrived
_ARRIVED = 1e-3


class Stopped(Exception):
    """The stop flag was seen inside an optimiser that has no other way out."""


class Recorder:
    """Stands between an optimiser and the objective.

    `at` and `squares_at` evaluate at a point (clipped to the bounds), remember the last one, as most
    optimisers ask for value and derivatives apart, and the best one. They raise `Stopped` at the stop flag.
    """

    def __init__(self, objective: Objective, theta0: np.ndarray, stop: np.ndarray):
        self.objective, self.stop = objective, stop
        self.lower, self.upper = objective.parameters.lower_scaled, objective.parameters.upper_scaled
        self.count = 0
        self.worst = -np.inf
        self.best, self.best_value = np.array(theta0, dtype=float), np.inf
        self._point: np.ndarray | None = None
        self._order = -1
        self._last: Evaluation | Squares | None = None

    def at(self, theta: np.ndarray, order: int) -> Evaluation:
        """The objective; a failed evaluation has the objective +inf."""
        theta = self._inside(theta)
        if isinstance(self._last, Evaluation) and self._is_last(theta, order):
            return self._last
        evaluation = self.objective(theta, order, self.stop)
        self._note(theta, order, evaluation, evaluation.objective)
        return evaluation

    def squares_at(self, form: ResidualForm, theta: np.ndarray, order: int = 1) -> Squares:
        """The same as rows of a sum of squares; the value recorded is the objective's."""
        theta = self._inside(theta)
        if isinstance(self._last, Squares) and self._is_last(theta, order):
            return self._last
        squares = form(theta, order, self.stop)
        value = 0.5 * float(squares.residual @ squares.residual) + form.constant
        self._note(theta, order, squares, value if squares.status is Status.OK else np.inf)
        return squares

    def finite(self, evaluation: Evaluation) -> float:
        """The objective, or where it failed a value worse than all seen: line searches can stand that."""
        if evaluation.status is Status.OK:
            return evaluation.objective
        return self.worst + 10.0 * (1.0 + abs(self.worst))

    def _inside(self, theta: np.ndarray) -> np.ndarray:
        if self.stop[0]:
            raise Stopped
        theta = np.asarray(theta, dtype=float)
        # a line search that divided by zero asks for nowhere: it gets the best point and has to think again
        return np.clip(np.where(np.isfinite(theta), theta, self.best), self.lower, self.upper)

    def _is_last(self, theta: np.ndarray, order: int) -> bool:
        return self._point is not None and self._order >= order and np.array_equal(self._point, theta)

    def _note(self, theta: np.ndarray, order: int, found: Evaluation | Squares, value: float) -> None:
        if found.status is Status.INTERRUPTED:
            raise Stopped
        self.count += 1
        self._point, self._order, self._last = theta.copy(), order, found
        if np.isfinite(value):
            self.worst = max(self.worst, value)
            if value < self.best_value:
                self.best, self.best_value = theta.copy(), value

    def failed(self, status: Status) -> LocalResult:
        return LocalResult(self.best, status, n_evaluations=self.count)

    def result(self, options: LocalOptions, gave_up: bool, n_iterations: int) -> LocalResult:
        """The best point seen, whatever the optimiser says of itself.

        It has converged if no decrease is expected there that data could tell; otherwise the optimiser gave
        up at its limit of iterations, or stalled.
        """
        theta = self.best
        evaluation = self.at(theta, 1)
        if evaluation.gradient is None or evaluation.fim is None or evaluation.prior_fim is None:
            return self.failed(evaluation.status)
        linear = np.array([scale == "lin" for scale in self.objective.parameters.scale])
        unit = np.where(linear & (theta != 0.0), np.abs(theta), 1.0)
        expected = bounded_step(
            theta, evaluation.gradient, evaluation.fim + evaluation.prior_fim, unit,
            self.lower, self.upper, np.ones(len(theta), dtype=bool), 1.0, np.empty(len(theta)),
        )  # fmt: skip
        if expected <= max(_ARRIVED, options.tolerance):
            status = Status.CONVERGED
        else:
            status = Status.MAX_ITERATIONS if gave_up else Status.STALLED
        projected = projected_gradient(theta, evaluation.gradient, self.lower, self.upper)
        return LocalResult(
            theta=theta,
            status=status,
            objective=evaluation.objective,
            nllh=evaluation.nllh,
            nlprior=evaluation.nlprior,
            chi2=evaluation.chi2,
            gradient_norm=float(np.max(np.abs(projected * unit), initial=0.0)),
            n_evaluations=self.count,
            n_iterations=n_iterations,
        )
