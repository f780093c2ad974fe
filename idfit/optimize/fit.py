"""Multistart fitting: every start kept, optima clustered, the best one with its statistics."""

from __future__ import annotations

import math
import secrets

import numpy as np
import xarray as xr
from scipy import stats

from idfit.errors import InputError, RunError
from idfit.numerics import plan as layout
from idfit.numerics.covariance import covariance
from idfit.optimize.clustering import cluster_optima, hit_rates
from idfit.optimize.local import DEFAULT_OPTIMIZER, LocalOptimizer, LocalOptions, trust_region
from idfit.optimize.starts import draw_starts, given_starts
from idfit.problem import Evaluation, Objective, Problem
from idfit.results import BoundSide, Status, dataset
from idfit.tasks import Runner, Task, seed_sequence

#: stages of the random streams of a fit
_STAGE_DESIGN, _STAGE_START = 0, 1
# an infeasible start is drawn anew this many times before it counts as failed
_REDRAWS = 20
# a parameter this close to a bound (relative to the width) stands on it
_ON_BOUND = 1e-6


def find_optimizer(name: str) -> LocalOptimizer:
    """The local optimiser of that name: ``trust-region``, ``scipy:<method>`` or ``lmfit:<method>``."""
    if name == DEFAULT_OPTIMIZER:
        return trust_region
    family, _, method = name.partition(":")
    if family == "scipy" and method:
        from idfit.optimize.scipy_methods import scipy_optimizer

        return scipy_optimizer(method)
    if family == "lmfit" and method:
        from idfit.optimize.lmfit_bridge import lmfit_optimizer

        return lmfit_optimizer(method)
    raise InputError(
        f"optimizer {name!r} is not known; use {DEFAULT_OPTIMIZER!r}, 'scipy:<method>' such as "
        "scipy:L-BFGS-B, or 'lmfit:<method>' such as lmfit:leastsq"
    )


def fit(
    problem: Problem,
    n_starts: int = 50,
    seed: int | None = None,
    *,
    starts: np.ndarray | None = None,
    nominal: bool = False,
    sampling: str = "sobol",
    optimizer: str = DEFAULT_OPTIMIZER,
    options: LocalOptions | None = None,
    rtol: float = 1e-8,
    atol: float = 1e-12,
    runner: Runner | None = None,
) -> xr.Dataset:
    """Minimise the objective from many starting points.

    n_starts : how many are drawn within the bounds on the estimation scale; seed : of all random numbers
    (drawn and kept in the attrs if None); starts : (start, parameter) points of the user's own, tried
    first, on the estimation scale; nominal : also start from the nominal values (start 0). With `starts` or
    `nominal`, n_starts may be 0.

    Returns a dataset of the group ``fit``, starts in their order. The same seed gives the same bytes with
    any number of workers. Errors: `InputError` for options and starts; `RunError` if every start failed,
    with the reasons; `Interrupted` if stopped.
    """
    runner, options = runner or Runner(), options or LocalOptions()
    seed = secrets.randbits(32) if seed is None else seed
    points = _all_starts(problem, n_starts, starts, nominal, sampling, seed)
    if not len(problem.spec.measurements):
        raise InputError("there are no measurements to fit; give a data file")
    objective = problem.objective(rtol, atol)
    local = find_optimizer(optimizer)
    n_given = len(points) - n_starts

    def work(task: Task, stop: np.ndarray) -> dict:
        return _one_start(objective, local, options, task, stop, seed)

    tasks = [
        Task(f"start {i}", (_STAGE_START, i), {"theta0": p, "redraw": i >= n_given})
        for i, p in enumerate(points)
    ]
    results = runner.run(tasks, work)
    attrs = {
        "optimizer": optimizer,
        "n_starts": len(points),
        "seed": seed,
        "sampling": sampling,
        "rtol": rtol,
        "atol": atol,
        "max_iterations": options.max_iterations,
        "tolerance": options.tolerance,
    }
    return _collected(problem, objective, points, results, attrs)


def _all_starts(problem, n_starts, starts, nominal, sampling, seed) -> np.ndarray:
    space = problem.parameters
    own = [space.nominal_scaled[None]] if nominal else []
    own += [given_starts(space, starts)] if starts is not None else []
    if n_starts or not own:
        own.append(draw_starts(space, n_starts, sampling, seed_sequence(seed, _STAGE_DESIGN, 0)))
    return np.concatenate(own)


def _one_start(
    objective: Objective,
    local: LocalOptimizer,
    options: LocalOptions,
    task: Task,
    stop: np.ndarray,
    seed: int,
) -> dict:
    rng = seed_sequence(seed, *task.seed_key)
    theta0 = np.asarray(task.inputs["theta0"], dtype=float)
    space = objective.parameters
    lower, upper = space.lower_scaled, space.upper_scaled
    result = local(objective, theta0, options, stop, rng)
    first_point, first = theta0, result
    for _ in range(_REDRAWS if task.inputs["redraw"] else 0):
        if result.status.usable or result.status is Status.INTERRUPTED or stop[0]:
            break
        theta0 = lower + rng.random(len(lower)) * (upper - lower)
        result = local(objective, theta0, options, stop, rng)
    if not result.status.usable and result.status is not Status.INTERRUPTED:
        theta0, result = first_point, first
    return {
        "theta0": theta0,
        "theta": result.theta,
        "objective": result.objective,
        "nllh": result.nllh,
        "nlprior": result.nlprior,
        "status": int(result.status),
        "gradient_norm": result.gradient_norm,
        "n_evaluations": result.n_evaluations,
        "n_iterations": result.n_iterations,
    }


def _collected(
    problem: Problem, objective: Objective, points: np.ndarray, results: list[dict], attrs: dict
) -> xr.Dataset:
    n, k = points.shape
    blank = {
        "theta0": None,
        "theta": np.full(k, np.nan),
        "objective": np.inf,
        "nllh": np.inf,
        "nlprior": np.nan,
        "gradient_norm": np.nan,
        "n_evaluations": -1,
        "n_iterations": -1,
    }
    rows = [blank | {"theta0": p} | r for p, r in zip(points, results, strict=True)]
    columns = {name: np.array([r[name] for r in rows]) for name in (*blank, "status")}
    usable = np.array([Status(int(s)).usable for s in columns["status"]])
    value = np.where(usable, columns["objective"], np.inf)
    if not np.isfinite(value).any():
        counts = {s: int(np.sum(columns["status"] == s)) for s in dict.fromkeys(columns["status"].tolist())}
        reasons = "; ".join(f"{c} x {Status(s).label}: {Status(s).sentence}" for s, c in counts.items())
        examples = "; ".join(str(np.round(p, 3).tolist()) for p in points[:3])
        raise RunError(
            f"all {n} starts failed. {reasons} Starts on the estimation scale were, for example: {examples}"
        )
    predictions = np.full((n, objective.plan.n_rows), np.nan)
    for i in np.flatnonzero(np.isfinite(value)):
        # residuals of the same data differ by what the predictions do, on the scale of the noise
        predictions[i] = np.nan_to_num(objective(columns["theta"][i], 0).residual)
    cluster = cluster_optima(value, predictions)
    hits, rate, interval = hit_rates(cluster)
    leaders = [int(np.flatnonzero(cluster == c)[np.argmin(value[cluster == c])]) for c in range(len(hits))]
    theta = columns["theta"][leaders[0]]
    ev = objective(theta, 2)
    space = problem.parameters
    variables = columns | {
        "cluster": cluster,
        "optimum": columns["theta"][leaders],
        "optimum_nllh": columns["nllh"][leaders],
        "hits": hits,
        "hit_rate": rate,
        "hit_rate_interval": interval,
        "estimate": space.to_natural(theta),
    }
    variables |= _statistics(problem, theta, ev, attrs)
    return dataset(
        "fit",
        variables,
        {"parameter": list(space.names), "unit": list(space.unit), "scale": list(space.scale)},
        attrs,
    )


def _statistics(problem: Problem, theta: np.ndarray, ev: Evaluation, attrs: dict) -> dict:
    """What follows from the best fit alone; adds information criteria and finite-sample figures to the
    attrs."""
    space = problem.parameters
    lower, upper = space.lower_scaled, space.upper_scaled
    near = _ON_BOUND * (upper - lower)
    at_bound = np.where(
        theta <= lower + near,
        BoundSide.LOWER_BOUND,
        np.where(theta >= upper - near, BoundSide.UPPER_BOUND, BoundSide.INSIDE),
    )
    assert ev.fim is not None
    assert ev.prior_fim is not None
    assert ev.hessian is not None
    # without states nothing is integrated, and the information is exact to rounding
    tolerance = max(attrs["rtol"], 1e-14) if problem.model.states else 1e-14
    inside = at_bound == BoundSide.INSIDE
    slope = np.abs(space.slope(theta))

    def errors(information: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            error = np.sqrt(np.diag(covariance(information, inside, tolerance)))
        return np.stack([error, error * slope])

    expected = errors(ev.fim + ev.prior_fim)
    measured = np.isfinite(ev.residual)
    n, k = int(measured.sum()), len(space)
    n_all = len(ev.residual)
    noise = len(noise_parameters(problem))
    attrs["aic"] = 2 * ev.nllh + 2 * k
    attrs["aicc"] = attrs["aic"] + 2 * k * (k + 1) / (n_all - k - 1) if n_all > k + 1 else math.nan
    attrs["bic"] = 2 * ev.nllh + k * math.log(n_all)
    dof = n - (k - noise)
    attrs["n_noise_parameters"] = noise
    if dof > 0:
        # maximum likelihood estimates of sigma are too small by this factor when parameters are fitted with
        # them
        attrs["sigma_correction"] = math.sqrt(n / dof) if noise else 1.0
        attrs["delta_nllh_chi2_95"] = float(stats.chi2.ppf(0.95, 1)) / 2
        attrs["delta_nllh_f_95"] = 0.5 * n * math.log1p(float(stats.f.ppf(0.95, 1, dof)) / dof)
    return {
        # differences blur the Hessian: what the Fisher information does not determine has no error at all
        "standard_error": errors(ev.hessian) + 0.0 * expected,
        "standard_error_expected": expected,
        "standard_error_unbiased": expected * attrs.get("sigma_correction", math.nan),
        "at_bound": at_bound.astype(np.int8),
        "fim": ev.fim,
        "hessian": ev.hessian,
        "chi2": ev.chi2,
        "n_data": n_all,
        "dof": dof,
    }


def noise_parameters(problem: Problem) -> np.ndarray:
    """Positions of the estimated parameters that are themselves the noise of their measurements."""
    return layout.integers(problem.plan.ints, layout.NOISE_THETA)
