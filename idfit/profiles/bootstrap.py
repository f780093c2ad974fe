"""Parametric bootstrap: how far the estimates of simulated data sets scatter around the best fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from idfit.errors import InputError, RunError
from idfit.optimize.local import LocalOptions, trust_region
from idfit.problem import Evaluation, Objective, Problem
from idfit.problem.simulation import draw_values
from idfit.profiles.start import start_of
from idfit.profiles.thresholds import rises
from idfit.results import Status, dataset
from idfit.tasks import Runner, Task, seed_sequence

#: stage of the random streams of replicates
STAGE = 30
# percentiles of fewer estimates say nothing
_FEWEST = 2


def bootstrap(
    problem: Problem,
    fit: xr.Dataset | np.ndarray,
    n: int = 200,
    ci_prob: float | Sequence[float] = (0.68, 0.95),
    *,
    seed: int | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    runner: Runner | None = None,
) -> xr.Dataset:
    """Simulate data from the noise model at the best fit, and estimate the parameters from each set anew.

        y*_i ~ p(y | m(θ̂), σ(θ̂)),   θ*_i = argmin objective(θ; y*_i),   i = 1 … n

    fit : dataset of `fit`, or a point (parameter,) on the estimation scale; n : number of replicates;
    ci_prob : levels of the percentile intervals; seed : of the draws (the fit's if None); rtol, atol : the
    fit's if None.

    Every replicate is one local fit that begins at the best fit: further optima are not looked for, so that
    the scatter is that around this optimum. A value that was censored is drawn too, and is censored only if
    its draw is beyond the limit. Priors stay as they are and are not drawn: the estimates of a problem with
    priors scatter less than its posterior.

    Returns a dataset of the group ``bootstrap``; means, standard deviations, biases (mean less best fit) and
    percentiles are each taken on both spaces. Replicates whose fit failed have NaN and their `status`, and
    are left out of the statistics. Errors: `InputError` for n and levels; `RunError` if the best fit cannot
    be evaluated, or if fewer than half of the replicates could be fitted, with their statuses;
    `Interrupted` if stopped.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap (Chapman & Hall 1993), chapters 6.5 and 13.
    """
    if n < _FEWEST:
        raise InputError(f"n = {n} replicates were asked for; at least {_FEWEST} are needed, 200 are usual")
    levels = np.unique(np.atleast_1d(np.asarray(ci_prob, dtype=float)))
    rises(levels, "chi2")  # refuses what is no confidence level
    start, runner = start_of(problem, fit, rtol, atol, seed), runner or Runner()
    objective = problem.objective(start.rtol, start.atol)
    at_best = objective(start.theta, 0, runner.stop)
    if at_best.status is not Status.OK:
        raise RunError(f"data cannot be drawn at the best fit: {at_best.status.sentence}")

    def work(task: Task, stop: np.ndarray) -> dict:
        rng = seed_sequence(start.seed, *task.seed_key)
        return _one_replicate(problem, objective, at_best, start.theta, rng, stop)

    tasks = [Task(f"bootstrap {i}", (STAGE, i)) for i in range(n)]
    results = runner.run(tasks, work)
    attrs = start.attrs | {"n": n, "seed": start.seed, "rtol": start.rtol, "atol": start.atol}
    return _collected(problem, start.theta, results, levels, attrs | {"objective": at_best.objective})


def _one_replicate(
    problem: Problem,
    objective: Objective,
    at_best: Evaluation,
    theta: np.ndarray,
    rng: np.random.Generator,
    stop: np.ndarray,
) -> dict:
    try:
        drawn = objective.with_values(*draw_values(problem, at_best.prediction, at_best.sigma, rng))
    except InputError:  # noise so large that a draw on the logarithmic scale is beyond any number
        return {"status": int(Status.OBSERVABLE_NOT_FINITE)}
    found = trust_region(drawn, theta, LocalOptions(), stop)
    return {
        "theta": found.theta,
        "objective": found.objective,
        "status": int(found.status),
        "n_evaluations": found.n_evaluations,
    }


def _collected(
    problem: Problem, best: np.ndarray, results: list[dict], levels: np.ndarray, attrs: dict
) -> xr.Dataset:
    status = np.array([r["status"] for r in results], dtype=np.int8)
    usable = np.array([Status(int(s)).usable for s in status])
    if 2 * usable.sum() < len(results) or usable.sum() < _FEWEST:
        raise RunError(_too_few(status, int(usable.sum())))
    space = problem.parameters
    nothing = np.full(len(space), np.nan)
    theta = np.array([r["theta"] if ok else nothing for r, ok in zip(results, usable, strict=True)])
    objective = np.array([r["objective"] if ok else np.nan for r, ok in zip(results, usable, strict=True)])
    estimates = theta[usable]
    both = np.stack([estimates, space.to_natural(estimates)])
    tails = np.stack([(1 - levels) / 2, (1 + levels) / 2], axis=1)
    variables = {
        "theta": theta,
        "objective": objective,
        "status": status,
        "mean": both.mean(axis=1),
        "standard_error": both.std(axis=1, ddof=1),
        "bias": both.mean(axis=1) - np.stack([best, space.to_natural(best)]),
        # (ci_prob, ci_bound, space, parameter) as numpy gives it
        "interval": np.moveaxis(np.quantile(both, tails, axis=1), (0, 1), (2, 3)),
        "on_bound": np.stack(
            [
                (estimates <= space.lower_scaled).mean(axis=0),
                (estimates >= space.upper_scaled).mean(axis=0),
            ],
            axis=1,
        ),
    }
    coords = {
        "parameter": list(space.names),
        "unit": list(space.unit),
        "scale": list(space.scale),
        "ci_prob": levels,
    }
    attrs |= {
        "n_usable": int(usable.sum()),
        "n_evaluations": sum(r.get("n_evaluations", 0) for r in results),
    }
    return dataset("bootstrap", variables, coords, attrs)


def _too_few(status: np.ndarray, n_usable: int) -> str:
    counts = {Status(int(s)): int(np.sum(status == s)) for s in dict.fromkeys(status.tolist())}
    fates = "; ".join(f"{c} x {s.label}: {s.sentence}" for s, c in counts.items() if not s.usable)
    return f"only {n_usable} of {len(status)} replicates could be fitted. {fates}"
