"""The quick test, the bootstrap and the agreement of methods, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.reporting.reading.access import attribute, axis_names, group, numbers, scalar, texts
from idfit.reporting.reading.identifiability import USABLE, Axis, axes_of
from idfit.results import Agreement, Verdict


@dataclass(frozen=True)
class QuickTest:
    """The quick test of all parameters at once: refits on a sphere around the best fit."""

    parameters: list[Axis]
    theta: np.ndarray  # (start, parameter)
    objective: np.ndarray
    rise: np.ndarray
    distance: np.ndarray
    status: np.ndarray
    direction: np.ndarray  # (parameter,)
    radius: float
    least_rise: float
    verdict: int

    @property
    def finished(self) -> np.ndarray:
        return np.isin(self.status, USABLE) & np.isfinite(self.rise)


def read_test(study: xr.DataTree | xr.Dataset) -> QuickTest | None:
    ds = group(study, "identifiability_test")
    if ds is None or not ds.sizes.get("parameter"):
        return None
    verdict = scalar(ds, "verdict")
    return QuickTest(
        parameters=axes_of(ds),
        theta=numbers(ds, "theta", ("start", "parameter")),
        objective=numbers(ds, "objective", ("start",)),
        rise=numbers(ds, "rise", ("start",)),
        distance=numbers(ds, "distance", ("start",)),
        status=numbers(ds, "status", ("start",), -1).astype(int),
        direction=numbers(ds, "direction", ("parameter",)),
        radius=scalar(ds, "radius"),
        least_rise=scalar(ds, "least_rise"),
        verdict=int(verdict) if np.isfinite(verdict) else int(Verdict.UNDETERMINED),
    )


@dataclass(frozen=True)
class Bootstrap:
    """Estimates from simulated data sets; theta on the estimation scale, the rest on the natural scale."""

    parameters: list[Axis]
    theta: np.ndarray  # (replicate, parameter)
    objective: np.ndarray
    status: np.ndarray
    mean: np.ndarray
    standard_error: np.ndarray
    bias: np.ndarray
    bias_scaled: np.ndarray
    error_scaled: np.ndarray
    probs: np.ndarray
    interval: np.ndarray  # (parameter, ci_prob, bound)
    on_bound: np.ndarray  # (parameter, bound)
    level: int

    @property
    def finished(self) -> np.ndarray:
        return np.isin(self.status, USABLE)


def read_bootstrap(study: xr.DataTree | xr.Dataset) -> Bootstrap | None:
    ds = group(study, "bootstrap")
    if ds is None or not ds.sizes.get("parameter"):
        return None
    names = axis_names(ds, "space")
    natural, scaled = (ds.isel(space=names.index(s)) if s in names else ds for s in ("natural", "estimation"))
    probs = numbers(ds, "ci_prob", ("ci_prob",))
    return Bootstrap(
        parameters=axes_of(ds),
        theta=numbers(ds, "theta", ("replicate", "parameter")),
        objective=numbers(ds, "objective", ("replicate",)),
        status=numbers(ds, "status", ("replicate",), -1).astype(int),
        mean=numbers(natural, "mean", ("parameter",)),
        standard_error=numbers(natural, "standard_error", ("parameter",)),
        bias=numbers(natural, "bias", ("parameter",)),
        bias_scaled=numbers(scaled, "bias", ("parameter",)),
        error_scaled=numbers(scaled, "standard_error", ("parameter",)),
        probs=probs,
        interval=numbers(natural, "interval", ("parameter", "ci_prob", "ci_bound")),
        on_bound=numbers(ds, "on_bound", ("parameter", "ci_bound")),
        level=int(np.argmin(np.abs(probs - 0.95))) if len(probs) else 0,
    )


VIEWS = ("structure", "fisher", "profile")


@dataclass(frozen=True)
class Opinions:
    """Intervals of each parameter by every method, natural scale; NaN where a method gives none."""

    parameters: list[Axis]
    methods: list[str]
    interval: np.ndarray  # (method, parameter, bound)
    agreement: np.ndarray  # (parameter,)
    cause: list[str]
    prob: float
    views: np.ndarray  # (parameter,), agreement on what is open; empty where it was not asked
    views_cause: list[str]
    open_by_view: np.ndarray  # (view, parameter): equations, information, profile
    directions: str
    left_out: str = ""  # why the posterior is not among them

    def disagree(self, i: int) -> bool:
        return int(self.agreement[i]) == Agreement.DISAGREE


def read_agreement(study: xr.DataTree | xr.Dataset) -> Opinions | None:
    ds = group(study, "agreement")
    if ds is None or not ds.sizes.get("parameter") or not ds.sizes.get("source"):
        return None
    prob = scalar(ds, "ci_prob")
    return Opinions(
        parameters=axes_of(ds),
        methods=axis_names(ds, "source"),
        interval=numbers(ds, "interval", ("source", "parameter", "ci_bound")),
        agreement=numbers(ds, "agreement", ("parameter",), int(Agreement.NOT_COMPARABLE)).astype(int),
        cause=texts(ds, "cause", "parameter"),
        prob=prob if np.isfinite(prob) else 0.95,
        views=numbers(ds, "views", ("parameter",), int(Agreement.NOT_COMPARABLE)).astype(int)
        if ds.sizes.get("view") == len(VIEWS)
        else np.empty(0, dtype=int),
        views_cause=texts(ds, "views_cause", "parameter"),
        open_by_view=numbers(ds, "open_by_view", ("view", "parameter"), -1),
        directions=attribute(ds, "directions"),
        left_out=attribute(ds, "posterior_left_out"),
    )
