"""Posterior predictive checks: data drawn from the posterior beside the data that were measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.errors import InputError, RunError
from idfit.prediction.cells import backward, forward
from idfit.prediction.ensemble import convergence, draws_of, noise_distribution
from idfit.problem import Objective, Problem
from idfit.problem.packing import transform_of
from idfit.problem.simulation import curve_label
from idfit.results import Status, dataset
from idfit.results.sampling import draws_dataset
from idfit.tasks import Runner, Task, seed_sequence

#: stage of the random streams of drawn data
STAGE = 82
QUANTITIES = ("chi2", "largest", "autocorrelation")
ALL = "all"
_PER_TASK = 50


def posterior_predictive(
    problem: Problem,
    posterior: xr.DataTree,
    *,
    n_draws: int = 1000,
    seed: int = 0,
    rtol: float = 1e-8,
    atol: float = 1e-12,
    runner: Runner | None = None,
) -> xr.DataTree:
    """Draw the measurements anew from the posterior, and compare them with the data.

        y_rep ~ p(y | theta_draw),   p = Pr[ T(y_rep, theta) ≥ T(y, theta) ] over the draws

    with the test quantities T of the residuals r = (y − prediction)/σ: chi2 Σ r², largest max |r|, and
    autocorrelation Σ r_i r_{i+1}/Σ r² of neighbours in time along each curve; for each observable and for
    all. A p near 0 or 1 says that the model does not make data such as these. n_draws : at most, the same
    steps of every chain; seed : of the noise.

    Returns a DataTree with ArviZ's group ``posterior_predictive``, `value(chain, draw, measurement)` on the
    natural scale, and ``predictive_checks`` with the p-values, whose attrs repeat whether the draws have
    converged. Censored measurements are drawn, and left out of T. Errors: `InputError` for a posterior of
    other parameters; `RunError` if no draw can be evaluated; `Interrupted`.

    Source: Gelman, Meng & Stern 1996, Statistica Sinica 6, 733.
    """
    runner = runner or Runner()
    thinned = thin(posterior, n_draws)
    theta = draws_of(problem, thinned, thinned.sizes["chain"] * thinned.sizes["draw"])
    objective, noise = problem.objective(rtol, atol), _noise(problem)

    def work(task: Task, stop: np.ndarray) -> dict:
        rng = seed_sequence(seed, *task.seed_key)
        first = int(task.inputs["first"])
        pairs = [_drawn(objective, noise, t, rng) for t in theta[first : first + _PER_TASK]]
        return {
            "value": np.array([p.value for p in pairs]),
            "measured": np.array([p.measured for p in pairs]),
            "drawn": np.array([p.drawn for p in pairs]),
            "status": int(Status.INTERRUPTED if stop[0] else Status.OK),
        }

    tasks = [
        Task(f"posterior predictive {i}", (STAGE, i), {"first": i}) for i in range(0, len(theta), _PER_TASK)
    ]
    results = [r for r in runner.run(tasks, work) if "value" in r]
    value, measured, drawn = (
        np.concatenate([r[name] for r in results]) for name in ("value", "measured", "drawn")
    )
    if len(value) != len(theta) or not np.isfinite(measured).any():
        raise RunError("no data could be drawn from this posterior; look at the failures of its draws")
    return xr.DataTree.from_dict(
        {
            "posterior_predictive": _group(problem, thinned, value),
            "predictive_checks": _checks(problem, measured, drawn, posterior, seed),
        }
    )


def thin(posterior: xr.DataTree, n_draws: int) -> xr.Dataset:
    """The same steps of every chain, at most `n_draws` draws but one of each chain at least."""
    draws = posterior["posterior"].to_dataset()
    if n_draws < 1:
        raise InputError(f"n_draws = {n_draws} was given; at least 1 is needed")
    n_steps = max(1, min(n_draws // draws.sizes["chain"], draws.sizes["draw"]))
    return draws.isel(draw=np.unique(np.linspace(0, draws.sizes["draw"] - 1, n_steps).round().astype(int)))


@dataclass(frozen=True)
class _Noise:
    """How measurements are drawn: (distribution, transform, rows) of each observable; (row,) positions."""

    kinds: list[tuple]
    measured: np.ndarray
    usable: np.ndarray
    series: list[np.ndarray]


@dataclass(frozen=True)
class _Drawn:
    value: np.ndarray
    measured: np.ndarray
    drawn: np.ndarray


def _noise(problem: Problem) -> _Noise:
    table = problem.spec.measurements
    observable, time = np.array(table.observable), np.array(table.time, dtype=float)
    usable = np.array([not c for c in table.censored or ("",) * len(table)])
    kinds = [
        (noise_distribution(problem, name), transform_of(problem.spec.observables[name]),
         np.flatnonzero(observable == name))
        for name in dict.fromkeys(table.observable)
    ]  # fmt: skip
    curve = np.array([f"{curve_label(problem, r)}\0{o}" for r, o in enumerate(table.observable)])
    series = []
    for name in dict.fromkeys(curve.tolist()):
        own = np.flatnonzero((curve == name) & usable)
        series.append(own[np.argsort(time[own], kind="stable")])
    measured = np.empty(len(table))
    for _, transform, rows in kinds:
        measured[rows] = forward(transform, np.array(table.value, dtype=float)[rows])
    return _Noise(kinds, measured, usable, series)


def _drawn(objective: Objective, noise: _Noise, theta: np.ndarray, rng: np.random.Generator) -> _Drawn:
    """Data drawn at theta (row,), and the test quantities (observable, quantity) of both kinds of data."""
    ev = objective(theta, 0)
    residual, value = np.empty(len(noise.measured)), np.full(len(noise.measured), np.nan)
    uniform = rng.random(len(residual))
    shape = (len(noise.kinds) + 1, len(QUANTITIES))
    if ev.status is not Status.OK:
        return _Drawn(value, np.full(shape, math.nan), np.full(shape, math.nan))
    own = np.empty(len(residual))
    for distribution, transform, rows in noise.kinds:
        residual[rows] = distribution.ppf(uniform[rows])
        centre = forward(transform, ev.prediction[rows])
        own[rows] = (noise.measured[rows] - centre) / ev.sigma[rows]
        value[rows] = backward(transform, centre + ev.sigma[rows] * residual[rows])
    return _Drawn(value, _quantities(own, noise), _quantities(residual, noise))


def _quantities(residual: np.ndarray, noise: _Noise) -> np.ndarray:
    """The test quantities of all residuals and of those of each observable."""
    everything = np.arange(len(residual))
    return np.array([
        _quantities_of(residual, np.intersect1d(rows, np.flatnonzero(noise.usable)), noise.series)
        for rows in (everything, *(rows for _, _, rows in noise.kinds))
    ])  # fmt: skip


def _quantities_of(residual: np.ndarray, rows: np.ndarray, series: list[np.ndarray]) -> list[float]:
    r = residual[rows]
    if not len(r):
        return [math.nan] * len(QUANTITIES)
    chosen = np.isin(np.arange(len(residual)), rows)
    along = [residual[s[chosen[s]]] for s in series]
    products = sum(float(z[:-1] @ z[1:]) for z in along)
    neighbours = any(len(z) > 1 for z in along)
    chi2 = float(r @ r)
    return [chi2, float(np.abs(r).max()), products / chi2 if neighbours and chi2 > 0 else math.nan]


def _group(problem: Problem, thinned: xr.Dataset, value: np.ndarray) -> xr.Dataset:
    n_chains, n_steps = thinned.sizes["chain"], thinned.sizes["draw"]
    # draws were pooled step by step
    ordered = np.moveaxis(value.reshape(n_steps, n_chains, -1), 0, 1)
    superchain = thinned["superchain"].values if "superchain" in thinned.coords else np.arange(n_chains)
    table = problem.spec.measurements
    group = draws_dataset(
        {"value": ordered}, superchain, thinned["draw"].values,
        {"value": {"long_name": "measurement drawn from the model"}}, {"inference_library": "idfit"},
    ).rename(value_dim="measurement")  # fmt: skip
    return group.assign_coords(
        {
            name: ("measurement", np.array(getattr(table, name)))
            for name in ("observable", "condition", "time")
        }
    )


def _checks(
    problem: Problem, measured: np.ndarray, drawn: np.ndarray, posterior: xr.DataTree, seed: int
) -> xr.Dataset:
    table = problem.spec.measurements
    names = list(dict.fromkeys(table.observable))
    kept = slice(0, 1) if len(names) == 1 else slice(None)
    known = np.isfinite(measured) & np.isfinite(drawn)
    above = np.where(known, (drawn >= measured) + 0.0, np.nan)
    usable = [not c for c in table.censored or ("",) * len(table)]
    n = [sum(u and name in (o, ALL) for u, o in zip(usable, table.observable, strict=True)) for name in names]
    converged, reason = convergence(posterior)

    def mean(values: np.ndarray) -> np.ndarray:
        counts = known.sum(axis=0)
        total = np.where(known, values, 0.0).sum(axis=0)
        return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)[kept]

    return dataset(
        "predictive_checks",
        {
            "measured": mean(measured),
            "drawn": mean(drawn),
            "p_value": mean(above),
            "n": np.array([sum(usable), *n][kept], dtype=np.int64),
        },
        {"subject": [ALL, *names][kept], "quantity": list(QUANTITIES)},
        {
            "n_draws": int(known[:, 0, 0].sum()), "n_failed": int((~known[:, 0, 0]).sum()), "seed": seed,
            "converged": converged, "reason": reason,
        },
    )  # fmt: skip
