"""scipy's minimisers as local optimisers, by name: ``scipy:trf``, ``scipy:L-BFGS-B`` and others with
bounds."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np
from scipy.optimize import Bounds, least_squares, minimize

from idfit.errors import InputError
from idfit.optimize.local import LocalOptimizer, LocalOptions, LocalResult
from idfit.optimize.recorder import Recorder, Stopped
from idfit.optimize.residual_form import refuse_other_than_squares, residual_form
from idfit.problem import Objective
from idfit.results import Status

#: methods of ``scipy.optimize.least_squares``: for noise and priors that are sums of squares
LEAST_SQUARES = ("trf", "dogbox")
#: methods of ``scipy.optimize.minimize`` that keep bounds
MINIMISERS = ("L-BFGS-B", "TNC", "SLSQP", "trust-constr", "Nelder-Mead", "Powell")
_WITHOUT_GRADIENT = ("Nelder-Mead", "Powell")
# a simplex moves one of its corners in each iteration: many are needed for each parameter
_SIMPLEX_MOVES = 10


def scipy_optimizer(method: str) -> LocalOptimizer:
    """The local optimiser that runs a method of scipy on the estimation scale.

    Errors: `InputError` for a method that is not known or keeps no bounds.
    """
    known = {name.lower(): name for name in (*LEAST_SQUARES, *MINIMISERS)}
    name = known.get(method.lower())
    if name is None:
        near = difflib.get_close_matches(method.lower(), known, n=1, cutoff=0.5)
        hint = f"; did you mean scipy:{known[near[0]]}?" if near else ""
        raise InputError(
            f"optimizer 'scipy:{method}' is not known or keeps no bounds; there are "
            f"{', '.join(f'scipy:{k}' for k in known.values())}{hint}"
        )

    def optimise(
        objective: Objective,
        theta0: np.ndarray,
        options: LocalOptions,
        stop: np.ndarray,
        rng: np.random.Generator,
    ) -> LocalResult:
        recorder = Recorder(objective, theta0, stop)
        try:
            if name in LEAST_SQUARES:
                refuse_other_than_squares(objective)
            first = recorder.at(theta0, 0 if name in _WITHOUT_GRADIENT else 1)
            if first.status is not Status.OK:
                return recorder.failed(first.status)
            run = _least_squares if name in LEAST_SQUARES else _minimise
            gave_up, n_iterations = run(recorder, name, np.array(theta0, dtype=float), options)
            return recorder.result(options, gave_up, n_iterations)
        except Stopped:
            return recorder.failed(Status.INTERRUPTED)

    return optimise


def _least_squares(
    recorder: Recorder, method: str, theta0: np.ndarray, options: LocalOptions
) -> tuple[bool, int]:
    """Runs a method on the residual form. Returns whether it gave up at its limit, and its iterations."""
    form = residual_form(recorder.objective, theta0)
    failure = np.full(form.n_rows, np.inf)  # these methods then shorten their step
    nowhere = np.zeros((form.n_rows, len(theta0)))

    def residual(theta: np.ndarray) -> np.ndarray:
        squares = recorder.squares_at(form, theta)
        return squares.residual if squares.status is Status.OK else failure

    def jacobian(theta: np.ndarray) -> np.ndarray:
        squares = recorder.squares_at(form, theta)
        return nowhere if squares.jacobian is None else squares.jacobian

    found = least_squares(
        residual,
        theta0,
        jacobian,  # pyright: ignore[reportArgumentType]
        bounds=(recorder.lower, recorder.upper),
        method=method,
        # relative to ½‖r‖², which is of the size of the number of rows
        ftol=max(options.tolerance / form.n_rows, 1e-15),
        xtol=1e-12,
        gtol=1e-12,
        max_nfev=options.max_iterations,
    )
    return found.status == 0, int(found.njev)


def _minimise(recorder: Recorder, method: str, theta0: np.ndarray, options: LocalOptions) -> tuple[bool, int]:
    """Runs a method on the objective. Returns whether it gave up at its limit, and its iterations."""
    zero = np.zeros(len(theta0))

    def value(theta: np.ndarray) -> float:
        return recorder.finite(recorder.at(theta, 0))

    def value_and_gradient(theta: np.ndarray) -> tuple[float, np.ndarray]:
        evaluation = recorder.at(theta, 1)
        return recorder.finite(evaluation), zero if evaluation.gradient is None else evaluation.gradient

    def information(theta: np.ndarray) -> np.ndarray:
        evaluation = recorder.at(theta, 1)
        if evaluation.fim is None or evaluation.prior_fim is None:
            return np.eye(len(theta0))
        return evaluation.fim + evaluation.prior_fim

    without = method in _WITHOUT_GRADIENT
    further: dict[str, Any] = {"hess": information} if method == "trust-constr" else {}
    bounds: Any = Bounds(recorder.lower, recorder.upper, method == "trust-constr")  # pyright: ignore
    found: Any = minimize(
        value if without else value_and_gradient,
        theta0,
        jac=None if without else True,
        method=method,
        bounds=bounds,
        options=_stopping(method, options, len(theta0), abs(recorder.best_value)),
        **further,
    )
    return not found.success, int(found.nit)


def _stopping(method: str, options: LocalOptions, n: int, size: float) -> dict[str, float]:
    """The options that make a method stop at the decrease and the number of iterations that are asked for."""
    limit, decrease = options.max_iterations, options.tolerance
    match method:
        case "L-BFGS-B":
            return {"maxiter": limit, "maxfun": 20 * limit, "ftol": decrease / max(size, 1.0), "gtol": 1e-9}
        case "TNC":
            return {"maxfun": 20 * limit, "ftol": decrease, "gtol": 1e-9, "xtol": 0.0}
        case "SLSQP":
            return {"maxiter": limit, "ftol": decrease}
        case "trust-constr":
            return {"maxiter": limit, "gtol": 1e-6, "xtol": 1e-10}
        case "Powell":
            return {"maxiter": limit, "xtol": 1e-6, "ftol": decrease / max(size, 1.0)}
        case _:
            return {"maxiter": _SIMPLEX_MOVES * n * limit, "xatol": 1e-6, "fatol": decrease}
