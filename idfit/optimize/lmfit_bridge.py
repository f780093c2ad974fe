"""lmfit: a problem as its Parameters and residuals, its methods as local optimisers, a fit as its result."""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import xarray as xr

from idfit.errors import InputError
from idfit.numerics.covariance import covariance
from idfit.optimize.local import LocalOptimizer, LocalOptions, LocalResult
from idfit.optimize.recorder import Recorder, Stopped
from idfit.optimize.residual_form import ResidualForm, refuse_other_than_squares, residual_form
from idfit.problem import Objective, ParameterSpace, Problem
from idfit.results import Status

if TYPE_CHECKING:
    import lmfit

Space = Literal["natural", "estimation"]
#: lmfit's methods that can be a local optimiser
METHODS = (
    "leastsq", "least_squares", "nelder", "lbfgsb", "powell", "cg", "newton", "bfgs", "tnc", "cobyla",
    "slsqp", "trust-constr", "differential_evolution", "basinhopping", "dual_annealing", "shgo",
)  # fmt: skip
_REFUSED = {
    "emcee": "it is a sampler and finds no optimum; sample the posterior instead",
    "brute": "its grid has 20 points for each parameter; draw more starts instead",
    "ampgo": "it draws from the random generator of the whole process, so that no seed repeats it; "
    "use lmfit:basinhopping or lmfit:dual_annealing",
    **dict.fromkeys(
        ("dogleg", "trust-ncg", "trust-exact", "trust-krylov"),
        "it needs second derivatives, which lmfit does not carry through bounds; use lmfit:leastsq",
    ),
}
_SEEDED = ("differential_evolution", "basinhopping", "dual_annealing")
_WITH_JACOBIAN = ("leastsq", "least_squares")
_WITH_GRADIENT = ("lbfgsb", "cg", "newton", "bfgs", "tnc", "slsqp")
# lmfit refuses infinite residuals and squares what it gets
_FAILED_RESIDUAL = 1e50
# starts are moved inside by this share of the width between the bounds
_INSIDE = 1e-3


class LmfitProblem(NamedTuple):
    """``parameters, residual = idfit.to_lmfit(problem)``; ``minimizer()`` is ready to run."""

    parameters: lmfit.Parameters
    residual: LmfitResidual

    def minimizer(self, **options: Any) -> lmfit.Minimizer:
        """An `lmfit.Minimizer`. Residuals are in units of their noise, so the covariance is not scaled."""
        import lmfit

        settings: dict[str, Any] = {"scale_covar": False} | options
        return lmfit.Minimizer(self.residual, self.parameters, **settings)


@dataclass(frozen=True)
class LmfitResidual:
    """``residual(parameters) -> (row,)`` and ``residual.jacobian(parameters) -> (row, varying parameter)``.

    ½ Σ residual² + `form.constant` is the objective; rows as in `ResidualForm`. `names` are lmfit's names
    of the estimated parameters in idfit's order. Where the model fails the residuals are 1e50 each.
    """

    form: ResidualForm = field(repr=False)
    names: tuple[str, ...]
    space: Space

    def theta(self, parameters: lmfit.Parameters) -> np.ndarray:
        """The estimated vector on the estimation scale."""
        own: ParameterSpace = self.form.objective.parameters
        values = np.array([float(parameters[name].value) for name in self.names])
        theta = own.to_scaled(values) if self.space == "natural" else values
        return np.clip(theta, own.lower_scaled, own.upper_scaled)

    def __call__(self, parameters: lmfit.Parameters) -> np.ndarray:
        squares = self.form(self.theta(parameters), 0)
        failed = squares.status is not Status.OK
        return np.full(self.form.n_rows, _FAILED_RESIDUAL) if failed else squares.residual

    def jacobian(self, parameters: lmfit.Parameters) -> np.ndarray:
        """Derivatives by the parameters that vary; zero where the model fails. Pass as ``Dfun``."""
        return self.columns(self.form(self.theta(parameters), 1).jacobian, parameters)

    def columns(self, jacobian: np.ndarray | None, parameters: lmfit.Parameters) -> np.ndarray:
        own = self.form.objective.parameters
        if jacobian is None:
            jacobian = np.zeros((self.form.n_rows, len(self.names)))
        elif self.space == "natural":
            jacobian = jacobian / own.slope(self.theta(parameters))
        return jacobian[:, [bool(parameters[name].vary) for name in self.names]]


def lmfit_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names as lmfit takes them: identifiers, each one once.

    >>> lmfit_names(["k", "vt[fall_01]", "lambda", "vt_fall_01"])
    ('k', 'vt_fall_01', 'lambda_', 'vt_fall_01_')
    """
    result: list[str] = []
    for name in names:
        text = re.sub(r"\W+", "_", name).rstrip("_") or "_"
        text = f"_{text}" if text[0].isdigit() else text
        while text in result or keyword.iskeyword(text) or text in ("exec", "eval", "execfile"):
            text += "_"
        result.append(text)
    return tuple(result)


def to_lmfit(
    problem: Problem, scale: Space = "natural", *, rtol: float = 1e-8, atol: float = 1e-12
) -> LmfitProblem:
    """The problem for lmfit: ``parameters, residual = to_lmfit(problem)``.

    scale : whether lmfit's parameters are the natural ones, or those on the estimation scale. Values are
    the nominal ones, ``min`` and ``max`` the bounds. Names that are no identifiers are changed,
    ``vt[fall_01]`` to ``vt_fall_01``.

    Errors: `InputError` names every noise and prior that is no sum of squares.
    """
    if scale not in ("natural", "estimation"):
        raise InputError(f"scale {scale!r} is not known; there are natural and estimation")
    if not len(problem.spec.measurements):
        raise InputError("there are no measurements to fit; give a data file")
    space, objective = problem.parameters, problem.objective(rtol, atol)
    theta = np.clip(space.nominal_scaled, space.lower_scaled, space.upper_scaled)
    names = lmfit_names(space.names)
    residual = LmfitResidual(residual_form(objective, theta), names, scale)
    return LmfitProblem(_parameters(space, names, theta, scale), residual)


def _parameters(
    space: ParameterSpace, names: Sequence[str], theta: np.ndarray, scale: Space
) -> lmfit.Parameters:
    import lmfit

    is_natural = scale == "natural"
    values = space.to_natural(theta) if is_natural else theta
    lower = space.lower if is_natural else space.lower_scaled
    upper = space.upper if is_natural else space.upper_scaled
    parameters = lmfit.Parameters()
    for name, value, low, high in zip(names, values, lower, upper, strict=True):
        parameters.add(name, value=float(value), min=float(low), max=float(high))
    return parameters


def lmfit_optimizer(method: str) -> LocalOptimizer:
    """The local optimiser that runs a method of lmfit on the estimation scale.

    Errors: `InputError` for a method that lmfit does not have, or that cannot be one, with the reason.
    """
    if method in _REFUSED:
        raise InputError(f"optimizer 'lmfit:{method}' cannot be used: {_REFUSED[method]}")
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, n=1, cutoff=0.5)
        hint = f"; did you mean lmfit:{near[0]}?" if near else ""
        raise InputError(
            f"optimizer 'lmfit:{method}' is not known; there are "
            f"{', '.join(f'lmfit:{m}' for m in METHODS)}{hint}"
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
            refuse_other_than_squares(objective)
            first = recorder.at(theta0, 1)
            if first.status is not Status.OK:
                return recorder.failed(first.status)
            gave_up = _run(recorder, method, np.asarray(theta0, dtype=float), options, rng)
            return recorder.result(options, gave_up, -1)  # lmfit tells no iterations
        except Stopped:
            return recorder.failed(Status.INTERRUPTED)

    return optimise


def _run(
    recorder: Recorder, method: str, theta0: np.ndarray, options: LocalOptions, rng: np.random.Generator
) -> bool:
    """Runs a method of lmfit. Returns whether it gave up at its limit of evaluations."""
    import lmfit

    form = residual_form(recorder.objective, theta0)
    names = lmfit_names(recorder.objective.parameters.names)
    residual = LmfitResidual(form, names, "estimation")
    failure = np.full(form.n_rows, _FAILED_RESIDUAL)

    def rows(parameters: lmfit.Parameters) -> np.ndarray:
        squares = recorder.squares_at(form, residual.theta(parameters), 0)
        return squares.residual if squares.status is Status.OK else failure

    def jacobian(parameters: lmfit.Parameters) -> np.ndarray:
        return residual.columns(recorder.squares_at(form, residual.theta(parameters)).jacobian, parameters)

    def gradient(parameters: lmfit.Parameters) -> np.ndarray:
        # of lmfit's scalar, the sum of squares
        squares = recorder.squares_at(form, residual.theta(parameters))
        return 2.0 * squares.residual @ residual.columns(squares.jacobian, parameters)

    keywords: dict[str, Any] = {}
    if method in _WITH_JACOBIAN:
        keywords["Dfun"] = jacobian
    elif method in _WITH_GRADIENT:
        keywords["Dfun"] = gradient
    if method == "leastsq":
        # a longer first step leaves the period in which lmfit's variables have their bounds
        ftol = max(options.tolerance / form.n_rows, 1e-15)
        keywords |= {"col_deriv": False, "ftol": ftol, "xtol": 1e-12, "factor": 1.0}
    if method in _SEEDED:
        keywords["seed"] = int(rng.integers(2**31))
    # on a bound lmfit's variables have no derivative
    margin = _INSIDE * np.nan_to_num(recorder.upper - recorder.lower, posinf=0.0)
    theta0 = np.clip(theta0, recorder.lower + margin, recorder.upper - margin)
    start = _parameters(recorder.objective.parameters, names, theta0, "estimation")
    limit = options.max_iterations * (1 if method in _WITH_JACOBIAN else 10 * (len(theta0) + 1))
    minimizer = lmfit.Minimizer(
        rows, start, scale_covar=False, calc_covar=False, nan_policy="propagate", max_nfev=limit
    )
    with np.errstate(all="ignore"):
        result = minimizer.minimize(method=method, **keywords)
    return bool(getattr(result, "aborted", False)) or not getattr(result, "success", True)


def to_minimizer_result(problem: Problem, fit: xr.Dataset) -> lmfit.minimizer.MinimizerResult:
    """The best fit of a dataset of the group ``fit`` as lmfit's result, on the natural scale.

    `params` have the estimates, standard errors (observed information) and correlations, and `covar` the
    covariance, NaN for what the data do not determine. `residual` and `chisqr` are those of the
    measurements alone; `aic` and `bic` come from the likelihood with all its constants, not from lmfit's
    formula for an unknown common sigma.
    """
    from lmfit.minimizer import MinimizerResult

    space = problem.parameters
    if tuple(fit["parameter"].values) != space.names:
        raise InputError("the fit belongs to another problem: its estimated parameters are others")
    names = lmfit_names(space.names)
    theta = fit["optimum"].values[0]
    evaluation = problem.objective(fit.attrs["rtol"], fit.attrs["atol"])(theta, 0)
    if evaluation.status is not Status.OK:
        raise InputError(
            f"the fit belongs to another problem: at its best point, {evaluation.status.sentence}"
        )
    slope = space.slope(theta)
    covar = _natural_covariance(problem, fit, slope)
    in_best = fit["cluster"].values == 0
    best = int(np.argmin(np.where(in_best, fit["objective"].values, np.inf)))
    initial = space.to_natural(fit["theta0"].values[best])
    parameters = _parameters(space, names, theta, "natural")
    for i, name in enumerate(names):
        error = float(np.sqrt(covar[i, i])) if covar[i, i] > 0 else None
        parameters[name].init_value = float(initial[i])
        parameters[name].stderr = error
        parameters[name].correl = _correlations(covar, i, names) if error else None
    residual = evaluation.residual[np.isfinite(evaluation.residual)]
    n_free = max(len(residual) - len(names), 1)
    return MinimizerResult(
        params=parameters,
        method=fit.attrs["optimizer"],
        var_names=list(names),
        covar=covar,
        errorbars=bool(np.isfinite(np.diag(covar)).all()),
        init_vals=[float(v) for v in initial],
        init_values=dict(zip(names, map(float, initial), strict=True)),
        residual=residual,
        ndata=len(residual),
        nvarys=len(names),
        nfree=n_free,
        nfev=int(fit["n_evaluations"].values[best]),
        chisqr=float(evaluation.chi2),
        redchi=float(evaluation.chi2) / n_free,
        aic=float(fit.attrs["aic"]),
        bic=float(fit.attrs["bic"]),
        success=int(fit["status"].values[best]) == Status.CONVERGED,
        aborted=False,
        status=int(fit["status"].values[best]),
        message=Status(int(fit["status"].values[best])).sentence,
    )


def _natural_covariance(problem: Problem, fit: xr.Dataset, slope: np.ndarray) -> np.ndarray:
    """Inverse of the observed information, as the standard errors of the fit have it."""
    tolerance = max(fit.attrs["rtol"], 1e-14) if problem.model.states else 1e-14
    inside = fit["at_bound"].values == 0
    return covariance(fit["hessian"].values, inside, tolerance) * np.outer(slope, slope)


def _correlations(covar: np.ndarray, i: int, names: Sequence[str]) -> dict[str, float]:
    size = np.sqrt(np.diag(covar))
    return {
        name: float(covar[i, j] / (size[i] * size[j]))
        for j, name in enumerate(names)
        if j != i and np.isfinite(covar[i, j])
    }
