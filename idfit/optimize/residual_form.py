"""The objective as a sum of squares, for the optimisers of scipy and lmfit that want residuals.

With normal noise, and N rows whose sigma is estimated, objective = ½‖r‖² + constant with the rows

    (m - y)/σ                for every measurement
    √(2 ln σ + c)            for every measurement whose σ is estimated, so that ½(…)² - c/2 = ln σ
    (v - mean)/sd            for every normal prior, v the parameter or its value on the estimation scale

The constant holds (ln 2π)/2 for each measurement and normal prior, -c/2 for each of the N, ln σ where σ is
given, and the derivatives of transforms. c follows from the bounds of σ, so that the root stays real.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from idfit.errors import Finding, InputError
from idfit.numerics import plan as layout
from idfit.numerics.likelihood import DISTRIBUTIONS
from idfit.numerics.objective import REPORT_SIZE, predict
from idfit.numerics.scales import natural
from idfit.problem import Objective
from idfit.problem.objective import NO_STOP
from idfit.results import Status

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
# 2 ln σ + c at the lowest σ: at 0 the root would have no derivative
_MARGIN = 1.0
# where σ is a formula, its lowest value is taken to be this fraction of that at the reference point
_LOWEST = 1e-3


@dataclass(frozen=True)
class Squares:
    """One evaluation: residual (row,) and jacobian (row, parameter) = d residual/d theta, or why there are
    none."""

    status: Status
    residual: np.ndarray = field(repr=False)
    jacobian: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ResidualForm:
    """``form(theta, order=1) -> Squares``; theta on the estimation scale.

    objective = ½‖residual‖² + `constant`. The first `n_data` rows are the measurements in the order of the
    data, then follow the rows of estimated noise (`noise_rows` are their measurements) and those of priors
    (`prior_rows` are their parameters).
    """

    objective: Objective = field(repr=False)
    constant: float
    c: float
    noise_rows: np.ndarray = field(repr=False)
    prior_rows: np.ndarray = field(repr=False)

    @property
    def n_data(self) -> int:
        return self.objective.plan.n_rows

    @property
    def n_rows(self) -> int:
        return self.n_data + len(self.noise_rows) + len(self.prior_rows)

    def __call__(self, theta: np.ndarray, order: int = 1, stop: np.ndarray = NO_STOP) -> Squares:
        theta = np.ascontiguousarray(theta, dtype=float)
        status, m, sigma, dm, dsigma = _predict(self.objective, theta, order, stop)
        if status is not Status.OK:
            return Squares(status, np.full(self.n_rows, np.nan))
        data = (m - _values(self.objective)) / sigma
        under_root = 2.0 * np.log(sigma[self.noise_rows]) + self.c
        if not (under_root > 0.0).all():
            return Squares(Status.NOISE_NONPOSITIVE, np.full(self.n_rows, np.nan))
        noise = np.sqrt(under_root)
        prior, prior_slope = self._prior(theta)
        residual = np.concatenate([data, noise, prior])
        if not order:
            return Squares(status, residual)
        jacobian = np.zeros((self.n_rows, len(theta)))
        jacobian[: self.n_data] = (dm - data[:, None] * dsigma) / sigma[:, None]
        own = self.noise_rows
        jacobian[self.n_data : self.n_data + len(own)] = dsigma[own] / (sigma[own] * noise)[:, None]
        jacobian[self.n_data + len(own) + np.arange(len(prior)), self.prior_rows] = prior_slope
        if not np.isfinite(jacobian).all():
            return Squares(Status.BAD_GRADIENT, residual)
        return Squares(status, residual, jacobian)

    def _prior(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the priors and their derivatives, each (prior,)."""
        codes = layout.integers(self.objective.plan.ints, layout.THETA_SCALE)
        rows = np.empty((2, len(self.prior_rows)))
        for i, k in enumerate(self.prior_rows):
            prior = self.objective.parameters.prior[k]
            assert prior is not None
            value, slope = (theta[k], 1.0) if prior.on == "estimation" else natural(codes[k], theta[k])[:2]
            rows[:, i] = (value - prior.a) / prior.b, slope / prior.b
        return rows[0], rows[1]


def residual_form(objective: Objective, theta: np.ndarray) -> ResidualForm:
    """The sum-of-squares form of an objective.

    theta : (parameter,) the reference point, a feasible one, where σ of rows whose noise is a formula is
    read.

    Errors: `InputError` names every noise and prior that is no sum of squares, or says why theta cannot be
    evaluated.
    """
    refuse_other_than_squares(objective)
    ints, floats = objective.plan.ints, objective.plan.floats
    status, _, sigma, _, dsigma = _predict(objective, np.ascontiguousarray(theta, dtype=float), 1, NO_STOP)
    if status is not Status.OK:
        raise InputError(f"the residuals have no values at the starting point. {status.sentence}")
    noise_rows = np.flatnonzero(np.any(dsigma != 0.0, axis=1))
    lowest = _LOWEST * sigma
    pointer, own = layout.integers(ints, layout.NOISE_ROW_PTR), layout.integers(ints, layout.NOISE_ROW)
    order = layout.integers(ints, layout.ROW_INDEX)
    for j, k in enumerate(layout.integers(ints, layout.NOISE_THETA)):
        bound = objective.parameters.lower[k]
        if bound > 0.0:
            lowest[order[own[pointer[j] : pointer[j + 1]]]] = bound
    c = _MARGIN - 2.0 * float(np.log(lowest[noise_rows].min())) if len(noise_rows) else 0.0
    known = np.setdiff1d(np.arange(len(sigma)), noise_rows)
    prior_rows, prior_constant = _normal_priors(objective)
    constant = (
        len(sigma) * _HALF_LOG_2PI
        + float(layout.reals(ints, floats, layout.ROW_CONSTANT).sum())
        + float(np.log(sigma[known]).sum())
        - 0.5 * len(noise_rows) * c
        + prior_constant
    )
    return ResidualForm(objective, constant, c, noise_rows, prior_rows)


def refuse_other_than_squares(objective: Objective) -> None:
    """Errors: `InputError` names every observable and parameter whose density is not that of a sum of
    squares."""
    ints = objective.plan.ints
    used = layout.integers(ints, layout.ROW_READOUT)
    distribution = layout.integers(ints, layout.READOUT_DISTRIBUTION)
    censored = layout.integers(ints, layout.ROW_CENSORED)
    remedy = "use the default optimiser or a minimiser such as scipy:L-BFGS-B, which take any likelihood"
    findings = []
    for r, name in enumerate(objective.plan.compiled.readouts):
        kind = DISTRIBUTIONS[distribution[r]]
        if kind != "normal":
            findings.append(_refused(f"observable {name}: {kind} noise", remedy))
        elif censored[used == r].any():
            findings.append(_refused(f"observable {name}: censored values", remedy))
    for name, prior in zip(objective.parameters.names, objective.parameters.prior, strict=True):
        if prior is not None and prior.kind not in ("normal", "uniform"):
            findings.append(_refused(f"parameter {name}: prior {prior}", remedy))
    if findings:
        raise InputError(findings)


def _refused(given: str, remedy: str) -> Finding:
    return Finding("", 0, 0, given, "is no sum of squares, which this method needs", remedy)


def _normal_priors(objective: Objective) -> tuple[np.ndarray, float]:
    """Parameters with normal priors, and the constants of all priors (a uniform one is nothing else)."""
    rows, constant = [], float(objective.parameters.prior_constant.sum())
    for k, prior in enumerate(objective.parameters.prior):
        if prior is None:
            continue
        if prior.kind == "uniform":
            constant += math.log(prior.b - prior.a)
        else:
            rows.append(k)
            constant += math.log(prior.b) + _HALF_LOG_2PI
    return np.array(rows, dtype=np.int64), constant


def _values(objective: Objective) -> np.ndarray:
    return layout.reals(objective.plan.ints, objective.plan.floats, layout.ROW_VALUE)


def _predict(objective: Objective, theta: np.ndarray, order: int, stop: np.ndarray):
    """Status, m, sigma (row,), and their derivatives (row, parameter) for order 1."""
    plan, n, k = objective.plan, objective.plan.n_rows, len(theta)
    y, m, sigma = np.empty((3, n))
    dm, dsigma = np.empty((2, n if order else 0, k))
    status = predict(
        plan.ints, plan.floats, theta, order, objective.rtol, objective.atol, objective.max_steps, stop,
        y, m, sigma, dm, dsigma, np.empty(REPORT_SIZE),
    )  # fmt: skip
    return Status(status), m, sigma, dm, dsigma
