"""Data, curves and starts: the groups `problem`, `simulation` and `fit` as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.reporting.reading.access import axis_names, group, numbers, texts
from idfit.results import Status


@dataclass(frozen=True)
class Measurements:
    """The data table with, where simulated, prediction and noise; every field has shape (measurement,).

    `curve` names the simulated curve: the condition, with the copies of parameters (gel, subject) if any.
    """

    condition: np.ndarray
    curve: np.ndarray
    observable: np.ndarray
    replicate: np.ndarray
    time: np.ndarray
    value: np.ndarray
    unit: np.ndarray
    censored: np.ndarray
    sigma_source: np.ndarray
    sigma: np.ndarray
    prediction: np.ndarray
    residual: np.ndarray

    def __len__(self) -> int:
        return len(self.value)

    def where(
        self, condition: str | None = None, observable: str | None = None, curve: str | None = None
    ) -> np.ndarray:
        """Boolean mask of the measurements of one condition, observable, curve, or what is given of these."""
        mask = np.ones(len(self), dtype=bool)
        if curve is not None:
            mask &= self.curve == curve
        if condition is not None:
            mask &= self.condition == condition
        if observable is not None:
            mask &= self.observable == observable
        return mask


@dataclass(frozen=True)
class Trajectories:
    """Simulated curves: time (curve, grid); value and sigma (curve, observable, grid)."""

    curves: list[str]
    observables: list[str]
    time: np.ndarray
    value: np.ndarray
    sigma: np.ndarray

    def find(self, curve: str, observable: str) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Time, value and sigma of one panel, or None where nothing was simulated."""
        if curve not in self.curves or observable not in self.observables:
            return None
        i, j = self.curves.index(curve), self.observables.index(observable)
        good = np.isfinite(self.time[i]) & np.isfinite(self.value[i, j])
        if not good.any():
            return None
        return self.time[i][good], self.value[i, j][good], self.sigma[i, j][good]


@dataclass(frozen=True)
class Starts:
    """Every start of the fit, in the order of their numbers, and the optima they ended in.

    theta, theta0 (start, parameter) and optimum (optimum, parameter) are on the estimation scale;
    cluster is -1 for starts without a value.
    """

    parameters: list[str]
    scale: list[str]
    unit: list[str]
    start: np.ndarray
    objective: np.ndarray
    status: np.ndarray
    cluster: np.ndarray
    theta0: np.ndarray
    theta: np.ndarray
    optimum: np.ndarray
    hits: np.ndarray
    hit_rate: np.ndarray
    hit_interval: np.ndarray
    n_evaluations: np.ndarray
    n_iterations: np.ndarray
    gradient_norm: np.ndarray

    def __len__(self) -> int:
        return len(self.objective)

    @property
    def finished(self) -> np.ndarray:
        """Mask of the starts that ended with a value: a usable fate and a finite objective."""
        usable = np.isin(self.status, [int(s) for s in Status if s.usable])
        return usable & np.isfinite(self.objective)

    @property
    def best(self) -> float:
        return float(self.objective[self.finished].min()) if self.finished.any() else float("nan")

    @property
    def ranked(self) -> np.ndarray:
        """Positions of the finished starts, best first; equal values in the order of their numbers."""
        order = np.argsort(np.where(self.finished, self.objective, np.inf), kind="stable")
        return order[: int(self.finished.sum())]


def read_measurements(study: xr.DataTree) -> Measurements | None:
    """The data table of `problem` joined with the predictions of `simulation`, row by row."""
    problem, simulation = group(study, "problem"), group(study, "simulation")
    source = next((g for g in (problem, simulation) if g is not None and g.sizes.get("measurement")), None)
    if source is None:
        return None
    n = source.sizes["measurement"]
    simulated = xr.Dataset() if simulation is None or simulation.sizes.get("measurement") != n else simulation

    def column(name: str) -> np.ndarray:
        return np.array(texts(source, name, "measurement"), dtype=object)

    def values(dataset: xr.Dataset, name: str) -> np.ndarray:
        out = numbers(dataset, name, ("measurement",)).astype(float)
        return out if len(out) == n else np.full(n, np.nan)

    condition = column("condition")
    curve = np.array(texts(simulated, "curve", "measurement") or [""] * n, dtype=object)
    sigma, censored = values(simulated, "sigma"), column("censored")
    return Measurements(
        condition=condition,
        curve=np.where(curve == "", condition, curve),
        observable=column("observable"),
        replicate=column("replicate"),
        time=values(source, "time"),
        value=values(source, "value"),
        unit=column("measurement_unit"),
        censored=np.where(np.isin(censored, ("left", "right")), censored, ""),
        sigma_source=column("sigma_source"),
        sigma=np.where(np.isfinite(sigma), sigma, values(source, "sd")),
        prediction=values(simulated, "prediction"),
        residual=values(simulated, "residual"),
    )


def read_trajectories(study: xr.DataTree) -> Trajectories | None:
    """The simulated curves of `simulation`, None when none were kept."""
    simulation = group(study, "simulation")
    if simulation is None or not simulation.sizes.get("grid"):
        return None
    dims = ("trajectory_condition", "trajectory_observable", "grid")
    value = numbers(simulation, "trajectory", dims)
    if not np.isfinite(value).any():
        return None
    return Trajectories(
        curves=axis_names(simulation, dims[0]),
        observables=axis_names(simulation, dims[1]),
        time=numbers(simulation, "trajectory_time", (dims[0], "grid")),
        value=value,
        sigma=numbers(simulation, "trajectory_sigma", dims),
    )


def read_observables(study: xr.DataTree, what: str) -> dict[str, str]:
    """`what` (``unit``, ``transform`` or ``distribution``) of each simulated observable."""
    simulation = group(study, "simulation")
    if simulation is None:
        return {}
    dim = "trajectory_observable"
    return dict(zip(axis_names(simulation, dim), texts(simulation, f"observable_{what}", dim), strict=True))


def simulated_at(study: xr.DataTree) -> str:
    """Where the curves were simulated, in words: only a fit that arrived is called one."""
    starts = read_starts(study)
    return (
        "at the best fit" if starts is not None and starts.finished.any() else "at the given parameter values"
    )


def is_gaussian(study: xr.DataTree) -> bool:
    """Whether all noise is normal or log-normal, so that standardised residuals should be standard normal."""
    return set(read_observables(study, "distribution").values()) <= {"", "normal", "log-normal"}


def noise_was_estimated(study: xr.DataTree) -> bool:
    """Whether some sigma of the data depends on an estimated parameter."""
    data = read_measurements(study)
    return data is not None and any(source.startswith("estimated") for source in data.sigma_source)


def noise_is_stated(study: xr.DataTree) -> bool:
    """Whether every sigma is known from elsewhere, so that chi2 says something about the model."""
    data = read_measurements(study)
    return data is not None and all(data.sigma_source) and not noise_was_estimated(study)


def read_starts(study: xr.DataTree | xr.Dataset) -> Starts | None:
    """The group `fit`, None when there is none or it has no starts."""
    fit = group(study, "fit")
    if fit is None or not fit.sizes.get("start"):
        return None
    n_optima = fit.sizes.get("optimum_index", 0)
    objective = numbers(fit, "objective", ("start",))
    if not np.isfinite(objective).any():
        objective = numbers(fit, "nllh", ("start",))
    return Starts(
        parameters=axis_names(fit, "parameter"),
        scale=texts(fit, "scale", "parameter"),
        unit=texts(fit, "unit", "parameter"),
        start=np.asarray([int(s) for s in axis_names(fit, "start")]),
        objective=objective,
        status=numbers(fit, "status", ("start",), fill=-1).astype(int),
        cluster=numbers(fit, "cluster", ("start",), fill=-1).astype(int),
        theta0=numbers(fit, "theta0", ("start", "parameter")),
        theta=numbers(fit, "theta", ("start", "parameter")),
        optimum=numbers(fit, "optimum", ("optimum_index", "parameter")),
        hits=numbers(fit, "hits", ("optimum_index",), fill=0).astype(int),
        hit_rate=numbers(fit, "hit_rate", ("optimum_index",)),
        hit_interval=numbers(fit, "hit_rate_interval", ("optimum_index", "ci_bound"))
        if "hit_rate_interval" in fit
        else np.full((n_optima, 2), np.nan),
        n_evaluations=numbers(fit, "n_evaluations", ("start",)),
        n_iterations=numbers(fit, "n_iterations", ("start",)),
        gradient_norm=numbers(fit, "gradient_norm", ("start",)),
    )
