"""Bands from an ensemble of parameters: draws of a posterior, or points of profiles."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import stats

from idfit.errors import InputError
from idfit.prediction.cells import Cells, backward, forward
from idfit.problem import Problem
from idfit.results import Status
from idfit.results.sampling import variable_of
from idfit.tasks import Runner, Task

_PER_TASK = 50
# halvings of the interval that holds a quantile of a mixture
_HALVINGS = 60
#: of a draw beyond this many noise levels there is no more probability worth naming, on either side
_FAR = 60.0


def draws_of(problem: Problem, posterior: xr.DataTree | xr.Dataset, n_draws: int) -> np.ndarray:
    """At most `n_draws` draws (draw, parameter) on the estimation scale, evenly spaced over chains and steps.

    Errors: `InputError` for a posterior of other parameters.
    """
    draws = posterior["posterior"] if "posterior" in getattr(posterior, "children", {}) else posterior
    missing = [name for name in problem.parameters.names if variable_of(name) not in draws]
    if missing:
        raise InputError(f"the posterior has no draws of {', '.join(missing)}; sample this problem first")
    if n_draws < 1:
        raise InputError(f"n_draws = {n_draws} was given; at least 1 is needed")
    # all chains at one step, then the next step: a thinned set is spread over both
    pooled = np.stack(
        [draws[variable_of(n)].transpose("draw", "chain").values.ravel() for n in problem.parameters.names], 1
    )
    chosen = np.unique(np.linspace(0, len(pooled) - 1, min(n_draws, len(pooled))).round().astype(int))
    theta = problem.parameters.to_scaled(pooled[chosen])
    # a draw on a bound may come back from the natural scale a rounding beyond it
    return np.clip(theta, problem.parameters.lower_scaled, problem.parameters.upper_scaled)


def convergence(posterior: xr.DataTree | xr.Dataset) -> tuple[int, str]:
    """Whether the draws have converged (1, 0, or -1 where nothing is said of it), and why not."""
    sampling = posterior.children.get("sampling") if isinstance(posterior, xr.DataTree) else None
    if sampling is None:
        return -1, ""
    return int(sampling.attrs.get("converged", -1)), str(sampling.attrs.get("reason", ""))


def ensemble_values(
    cells: Cells, theta: np.ndarray, stage: str, runner: Runner
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and noise levels (draw, cell) at each theta; NaN where the evaluation failed."""

    def work(task: Task, stop: np.ndarray) -> dict:
        pairs = [cells.values(t) for t in np.asarray(task.inputs["theta"])]
        return {
            "value": np.array([v for v, _ in pairs]), "sigma": np.array([s for _, s in pairs]),
            "status": int(Status.INTERRUPTED if stop[0] else Status.OK),
        }  # fmt: skip

    parts = [theta[i : i + _PER_TASK] for i in range(0, len(theta), _PER_TASK)]
    tasks = [Task(f"{stage} {i}", (), {"theta": part}) for i, part in enumerate(parts)]
    results = runner.run(tasks, work)
    blank = [np.full((len(part), len(cells)), np.nan) for part in parts]
    joined = [
        np.concatenate([r.get(name, b) for r, b in zip(results, blank, strict=True)]).reshape(
            len(theta), len(cells)
        )
        for name in ("value", "sigma")
    ]
    return joined[0], joined[1]


def quantiles(values: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Quantiles (probability, cell) over the draws that have a value; NaN where none has."""
    out = np.full((len(probabilities), values.shape[1]), np.nan)
    for cell, column in enumerate(values.T):
        if np.isfinite(column).any():
            out[:, cell] = np.quantile(column[np.isfinite(column)], probabilities)
    return out


def mixture_quantiles(
    problem: Problem, cells: Cells, values: np.ndarray, sigma: np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    """Quantiles (probability, cell) of a new measurement: those of the mixture over draws of its noise,

        mean_draw F((z − m_draw)/sigma_draw) = probability   on the scale of the noise,

    without drawing noise. NaN for cells without noise.
    """
    out = np.full((len(probabilities), values.shape[1]), np.nan)
    for cell in range(values.shape[1]):
        curve = cells.curves[cells.curve[cell]]
        m, s = forward(curve.transform, values[:, cell]), sigma[:, cell]
        usable = np.isfinite(m) & np.isfinite(s) & (s > 0.0)
        if not usable.any():
            continue
        noise = noise_distribution(problem, curve.observable)
        for k, p in enumerate(probabilities):
            z = _mixture_quantile(noise, m[usable], s[usable], float(p))
            out[k, cell] = backward(curve.transform, np.array(z))
    return out


def noise_distribution(problem: Problem, observable: str):
    """The standardised noise of an observable, as scipy has it."""
    entry = problem.spec.observables[observable]
    name = entry.distribution.removeprefix("log-")
    if name == "laplace":
        return stats.laplace
    return stats.t(entry.dof) if name == "student-t" else stats.norm


def _mixture_quantile(noise, m: np.ndarray, s: np.ndarray, probability: float) -> float:
    far = float(abs(noise.ppf(min(probability, 1.0 - probability))))
    low, high = float((m - min(far, _FAR) * s).min()), float((m + min(far, _FAR) * s).max())
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if noise.cdf((middle - m) / s).mean() < probability:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
