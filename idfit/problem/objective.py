"""The objective of a problem as a function of theta."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from idfit.errors import InputError
from idfit.numerics import plan as layout
from idfit.numerics.likelihood import measurement_term
from idfit.numerics.objective import (
    REPORT_SIMULATION,
    REPORT_SIZE,
    REPORT_STEPS,
    REPORT_TIME,
    SUM_CHI2,
    SUM_NLLH,
    SUM_NLPRIOR,
    SUM_OBJECTIVE,
    SUM_SIZE,
    predict,
    score,
)
from idfit.numerics.plan import integers, reals
from idfit.problem.packing import Plan, censoring_codes, transformed_values
from idfit.problem.parameters import ParameterSpace
from idfit.results import Status

#: integration steps that one simulation may take
STEP_BUDGET = 100_000
# step of the differences that give the Hessian, in standard errors or relative to the parameter
_HESSIAN_STEP = 1e-2
NO_STOP = np.zeros(1, dtype=np.int64)


@dataclass(frozen=True)
class Evaluation:
    """All that one solve gives. Vectors over parameters are on the estimation scale, rows in the order of
    the data.

    objective = nllh + nlprior; `gradient` and `hessian` are the objective's, `prior_gradient` nlprior's share
    of the former; `fim` is the expected information of the data alone, Σ(∇m∇mᵀ + 2∇σ∇σᵀ)/σ² for normal
    noise, and `prior_fim` the priors' curvature; prediction is as measured, `transformed` the same on the
    scale of the noise (its logarithm, say); residual = (transformed - measurement)/sigma there, NaN where
    censored; prediction_jacobian and sigma_jacobian, (row, parameter), are the derivatives of `transformed`
    and of sigma; chi2 = Σ residual². Entries of an order that was not asked for are None.

    A failed evaluation has objective = nllh = +inf and says why in `status`, `simulation` and `time`.
    """

    objective: float
    nllh: float
    nlprior: float
    chi2: float
    status: Status
    prediction: np.ndarray = field(repr=False)
    transformed: np.ndarray = field(repr=False)
    sigma: np.ndarray = field(repr=False)
    residual: np.ndarray = field(repr=False)
    gradient: np.ndarray | None = field(default=None, repr=False)
    prior_gradient: np.ndarray | None = field(default=None, repr=False)
    prediction_jacobian: np.ndarray | None = field(default=None, repr=False)
    sigma_jacobian: np.ndarray | None = field(default=None, repr=False)
    fim: np.ndarray | None = field(default=None, repr=False)
    prior_fim: np.ndarray | None = field(default=None, repr=False)
    hessian: np.ndarray | None = field(default=None, repr=False)
    simulation: str = ""
    time: float = math.nan
    n_steps: int = 0

    @cached_property
    def jacobian(self) -> np.ndarray | None:
        """d residual/d theta, (row, parameter); NaN in the rows of censored measurements."""
        if self.prediction_jacobian is None or self.sigma_jacobian is None:
            return None
        slope = self.prediction_jacobian - self.residual[:, None] * self.sigma_jacobian
        return slope / self.sigma[:, None]


@dataclass(frozen=True)
class Objective:
    """``objective(theta, order=1) -> Evaluation``; order 0 values, 1 derivatives, 2 also the Hessian.

    The Hessian comes from central differences of the gradient. rtol and atol are the integrator's: errors
    are weighed by ``atol·(scale of the state) + rtol·|x|``. The call releases the GIL and may be made from
    several threads.
    """

    plan: Plan = field(repr=False)
    parameters: ParameterSpace = field(repr=False)
    labels: tuple[str, ...] = field(repr=False)
    rtol: float = 1e-8
    atol: float = 1e-12
    max_steps: int = STEP_BUDGET

    def __post_init__(self) -> None:
        for name in ("rtol", "atol"):
            value = getattr(self, name)
            lowest = 1e-14 if name == "rtol" else 1e-30
            if not lowest <= value < 1.0:
                raise InputError(
                    f"{name} = {value:g} was given; it lies in [{lowest:g}, 1), and 1e-8 is usual for rtol"
                )

    def __call__(self, theta: np.ndarray, order: int = 1, stop: np.ndarray = NO_STOP) -> Evaluation:
        theta = np.ascontiguousarray(theta, dtype=float)
        if theta.shape != (len(self.parameters),):
            raise InputError(
                f"theta of shape {theta.shape} was given for {len(self.parameters)} estimated parameters"
            )
        n_rows, k = self.plan.n_rows, len(theta)
        m_derivative = (n_rows, k) if order else (0, k)
        y, m, sigma, residual = np.empty((4, n_rows))
        dm, dsigma = np.empty(m_derivative), np.empty(m_derivative)
        report, sums = np.empty(REPORT_SIZE), np.empty(SUM_SIZE)
        gradient, prior_gradient = np.empty((2, k))
        fim, prior_fim = np.empty((2, k, k))
        ints, floats = self.plan.ints, self.plan.floats
        status = predict(
            ints, floats, theta, min(order, 1), self.rtol, self.atol, self.max_steps, stop,
            y, m, sigma, dm, dsigma, report,
        )  # fmt: skip
        if status == Status.OK:
            status = score(
                ints, floats, theta, min(order, 1), m, sigma, dm, dsigma, sums, residual,
                gradient, prior_gradient, fim, prior_fim,
            )  # fmt: skip
        if status != Status.OK:
            return self._failed(
                Status(status), report, n_rows, sums if status == Status.OUT_OF_BOUNDS else None
            )
        derivatives: dict[str, Any] = {}
        if order:
            derivatives = {
                "gradient": gradient + prior_gradient,
                "prior_gradient": prior_gradient,
                "prediction_jacobian": dm,
                "sigma_jacobian": dsigma,
                "fim": fim,
                "prior_fim": prior_fim,
            }
        if order > 1:
            derivatives["hessian"] = self._hessian(theta, stop)
        return Evaluation(
            objective=float(sums[SUM_OBJECTIVE]),
            nllh=float(sums[SUM_NLLH]),
            nlprior=float(sums[SUM_NLPRIOR]),
            chi2=float(sums[SUM_CHI2]),
            status=Status.OK,
            prediction=y,
            transformed=m,
            sigma=sigma,
            residual=residual,
            n_steps=int(report[REPORT_STEPS]),
            **derivatives,
        )

    def with_values(self, values: np.ndarray, censored: Sequence[str] | None = None) -> Objective:
        """The objective of the same problem with other measured values; nothing is compiled or built anew.

        values : (row,) as measured, in the order of the data; censored : (row,) ``""``, ``"left"`` or
        ``"right"``, as in the data if None. Values may become uncensored, but not censored: the closed form
        of the best noise counts on measured ones.

        Errors: `InputError` for another number of values, a value that has no logarithm where one is taken,
        or a newly censored one.
        """
        ints, floats = self.plan.ints.copy(), self.plan.floats.copy()
        order, before = integers(ints, layout.ROW_INDEX), integers(ints, layout.ROW_CENSORED)
        values, codes = np.asarray(values, dtype=float), np.zeros(len(order), dtype=np.int64)
        codes[order] = before
        if censored is not None:
            given = censoring_codes(censored)
            if given.shape != codes.shape or (given[codes == 0] != 0).any():
                raise InputError("only measurements that are censored in the data can be given as censored")
            codes = given
        if values.shape != codes.shape:
            raise InputError(f"values of shape {values.shape} were given for {len(order)} measurements")
        transform = np.empty_like(codes)
        transform[order] = integers(ints, layout.READOUT_TRANSFORM)[integers(ints, layout.ROW_READOUT)]
        value, constant = transformed_values(values, transform, codes)
        if not np.isfinite(value).all():
            row = int(np.flatnonzero(~np.isfinite(value))[0])
            raise InputError(
                f"the value {values[row]:g} was given for measurement {row}; values are finite, and positive "
                "where the noise is that of a logarithm"
            )
        before[:] = codes[order]
        reals(ints, floats, layout.ROW_VALUE)[:] = value
        reals(ints, floats, layout.ROW_CONSTANT)[:] = constant
        return replace(self, plan=replace(self.plan, ints=ints, floats=floats))

    def measurement_nllh(self, evaluation: Evaluation) -> np.ndarray:
        """(row,) contribution of each measurement to the nllh of an evaluation, in the order of the data."""
        ints, floats = self.plan.ints, self.plan.floats
        readout, index = integers(ints, layout.ROW_READOUT), integers(ints, layout.ROW_INDEX)
        distribution = integers(ints, layout.READOUT_DISTRIBUTION)[readout]
        dof, censored = reals(ints, floats, layout.READOUT_DOF)[readout], integers(ints, layout.ROW_CENSORED)
        value, constant = reals(ints, floats, layout.ROW_VALUE), reals(ints, floats, layout.ROW_CONSTANT)
        terms = np.empty(len(index))
        for row, i in enumerate(index):
            m, sigma = evaluation.transformed[i], evaluation.sigma[i]
            term = measurement_term(distribution[row], dof[row], censored[row], m, value[i], sigma)
            terms[i] = term[0] + constant[i]
        return terms

    def _failed(self, status: Status, report: np.ndarray, n_rows: int, sums: np.ndarray | None) -> Evaluation:
        nothing = np.full(n_rows, np.nan)
        where = self.labels[int(report[REPORT_SIMULATION])] if self.labels and sums is None else ""
        nllh = math.inf if sums is None else float(sums[SUM_NLLH])
        return Evaluation(
            objective=math.inf,
            nllh=nllh,
            nlprior=math.nan if sums is None else math.inf,
            chi2=math.nan,
            status=status,
            prediction=nothing,
            transformed=nothing,
            sigma=nothing,
            residual=nothing,
            simulation=where,
            time=float(report[REPORT_TIME]),
            n_steps=int(report[REPORT_STEPS]),
        )

    def _hessian(self, theta: np.ndarray, stop: np.ndarray) -> np.ndarray:
        """Central differences of the gradient; a step that is infeasible on one side becomes one-sided.

        NaN in rows where the gradient is available on neither side.
        """
        k = len(theta)
        hessian = np.full((k, k), np.nan)
        centre = self(theta, 1, stop)
        here = centre.gradient
        steps = self._difference_steps(theta, centre)
        for i in range(k):
            sides = []
            for sign in (1.0, -1.0):
                moved = theta.copy()
                moved[i] += sign * steps[i]
                sides.append((self(moved, 1, stop).gradient, moved[i]))
            points = [(g, v) for g, v in sides if g is not None]
            if len(points) == 1 and here is not None:
                points.append((here, theta[i]))
            if len(points) == 2:
                (a, v), (b, w) = points
                hessian[i] = (a - b) / (v - w)
        return 0.5 * (hessian + hessian.T)

    def _difference_steps(self, theta: np.ndarray, centre: Evaluation) -> np.ndarray:
        """A hundredth of a standard error: small beside what the data can tell, large beside the solver's
        error.

        Where there is little or no information, a hundredth of the parameter (of a unit on a logarithmic
        scale).
        """
        own = np.where([s == "lin" for s in self.parameters.scale], np.abs(theta), 1.0)
        widest = _HESSIAN_STEP * np.where(own > 0, own, 1.0)
        if centre.fim is None or centre.prior_fim is None:
            return widest
        information = np.diag(centre.fim) + np.diag(centre.prior_fim)
        with np.errstate(divide="ignore"):
            error = _HESSIAN_STEP / np.sqrt(information)
        return np.where(own > 0, np.minimum(error, widest), np.where(np.isfinite(error), error, widest))
