"""Parameters, starts, optima, statistics and data as rows of plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.reporting import reading
from idfit.reporting.scales import to_natural
from idfit.results import Status

_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class ParameterRow:
    """One parameter, estimated, fixed or tied; numbers on the natural scale unless the name says otherwise.

    The interval is Wald's at 95 %: taken on the estimation scale, where it is symmetric, and turned back. It
    and the standard errors are NaN at a bound, where the curvature says nothing about them.
    """

    name: str
    unit: str
    scale: str
    role: str
    estimate: float
    standard_error: float
    interval_lower: float
    interval_upper: float
    standard_error_estimation: float
    standard_error_expected: float  # from the Fisher information, estimation scale
    lower: float
    upper: float
    nominal: float
    at_bound: int
    prior: str
    tie: str


@dataclass(frozen=True)
class StartRow:
    """One start of the multistart; `rank` and `optimum` are 0, values NaN, if it ended without one."""

    start: int
    rank: int
    objective: float
    above_best: float
    optimum: int
    status: int
    status_label: str
    n_evaluations: float
    n_iterations: float
    gradient_norm: float


@dataclass(frozen=True)
class OptimumRow:
    """One optimum: how often it was found, and where it differs most from the best (natural scale)."""

    optimum: int
    objective: float
    above_best: float
    hits: int
    converged: int
    rate: float
    rate_lower: float
    rate_upper: float
    differences: tuple[tuple[str, float, float, str], ...]


@dataclass(frozen=True)
class FateRow:
    """How many starts ended in one way, and what that means."""

    status: int
    label: str
    n: int
    finished: bool
    meaning: str


@dataclass(frozen=True)
class StatisticRow:
    name: str
    value: float
    meaning: str


@dataclass(frozen=True)
class DataRow:
    """The measurements of one observable in one condition."""

    condition: str
    observable: str
    unit: str
    n: int
    n_replicates: int
    n_censored: int
    first_time: float
    last_time: float
    smallest: float
    largest: float
    noise: str


def parameter_table(study: xr.DataTree) -> list[ParameterRow]:
    """All parameters of the problem in its order; without the group `problem`, those of the fit."""
    problem, fit = reading.group(study, "problem"), reading.group(study, "fit")
    fitted = _fitted(fit)
    if problem is None or not problem.sizes.get("parameter_all"):
        return [
            ParameterRow(**row, lower=math.nan, upper=math.nan, nominal=math.nan) for row in fitted.values()
        ]
    dim = "parameter_all"
    names = reading.axis_names(problem, dim)
    scale, prior, tie = (reading.texts(problem, v, dim) for v in ("scale", "prior", "tie"))
    unit = reading.texts(problem, "unit", dim)
    lower, upper, nominal = (reading.numbers(problem, v, (dim,)) for v in ("lower", "upper", "nominal"))
    estimated = reading.numbers(problem, "estimated", (dim,), fill=0).astype(bool)
    rows = []
    for i, name in enumerate(names):
        role = "estimated" if estimated[i] else "tied" if tie[i] else "fixed"
        row = fitted.get(name) or _unfitted(name, role, float(nominal[i]) if role == "fixed" else math.nan)
        row |= {"unit": unit[i] or row["unit"], "scale": scale[i] or row["scale"], "role": role}
        row |= {"prior": prior[i], "tie": tie[i]}
        rows.append(
            ParameterRow(**row, lower=float(lower[i]), upper=float(upper[i]), nominal=float(nominal[i]))  # type: ignore[arg-type]
        )
    return rows


def _unfitted(name: str, role: str, value: float) -> dict:
    nothing = dict.fromkeys(
        (
            "standard_error",
            "interval_lower",
            "interval_upper",
            "standard_error_estimation",
            "standard_error_expected",
        ),
        math.nan,
    )
    return (
        {"name": name, "unit": "", "scale": "", "role": role, "estimate": value, "at_bound": 0}
        | nothing
        | {
            "prior": "",
            "tie": "",
        }
    )


def _fitted(fit: xr.Dataset | None) -> dict[str, dict]:
    """What the fit says about each estimated parameter."""
    if fit is None:
        return {}
    names = reading.axis_names(fit, "parameter")
    scale, unit = reading.texts(fit, "scale", "parameter"), reading.texts(fit, "unit", "parameter")
    estimate = reading.numbers(fit, "estimate", ("parameter",))
    at_bound = reading.numbers(fit, "at_bound", ("parameter",), fill=0)
    errors = {space: np.full(len(names), np.nan) for space in ("estimation", "natural")}
    if "standard_error" in fit and "space" in fit.coords:
        errors = {space: np.asarray(fit["standard_error"].sel(space=space).values) for space in errors}
    expected = np.full(len(names), np.nan)
    if "standard_error_expected" in fit and "space" in fit.coords:
        expected = np.asarray(fit["standard_error_expected"].sel(space="estimation").values)
    theta = _best_theta(fit, len(names))
    out = {}
    for i, name in enumerate(names):
        error, natural_error = (math.nan if at_bound[i] else float(e[i]) for e in errors.values())
        ends = [to_natural(float(theta[i]) + sign * _NORMAL_95 * error, scale[i]) for sign in (-1, 1)]
        if not math.isfinite(error):
            ends = [math.nan, math.nan]
        out[name] = _unfitted(name, "estimated", float(estimate[i])) | {
            "unit": unit[i],
            "scale": scale[i],
            "standard_error": natural_error,
            "standard_error_estimation": error,
            "standard_error_expected": math.nan if at_bound[i] else float(expected[i]),
            "interval_lower": ends[0],
            "interval_upper": ends[1],
            "at_bound": int(at_bound[i]) if math.isfinite(float(at_bound[i])) else 0,
        }
    return out


def _best_theta(fit: xr.Dataset, n: int) -> np.ndarray:
    starts = reading.read_starts(fit)
    if starts is None or not starts.finished.any():
        return np.full(n, np.nan)
    return starts.theta[starts.ranked[0]]


def start_table(study: xr.DataTree) -> list[StartRow]:
    """Every start in the order of its number; `rank` is 0 for those without a value."""
    starts = reading.read_starts(study)
    if starts is None:
        return []
    rank = np.zeros(len(starts), dtype=int)
    rank[starts.ranked] = np.arange(1, len(starts.ranked) + 1)
    return [
        StartRow(
            start=int(starts.start[i]),
            rank=int(rank[i]),
            objective=float(starts.objective[i]) if rank[i] else math.nan,
            above_best=float(starts.objective[i] - starts.best) if rank[i] else math.nan,
            optimum=int(starts.cluster[i]) + 1 if starts.cluster[i] >= 0 else 0,
            status=int(starts.status[i]),
            status_label=status_words(int(starts.status[i]))[0],
            n_evaluations=float(starts.n_evaluations[i]),
            n_iterations=float(starts.n_iterations[i]),
            gradient_norm=float(starts.gradient_norm[i]),
        )
        for i in range(len(starts))
    ]


def optimum_table(study: xr.DataTree, most: int = 4) -> list[OptimumRow]:
    """One row per optimum, the best first; `differences` holds name, value, value at the best and unit."""
    fit, starts = reading.group(study, "fit"), reading.read_starts(study)
    if fit is None or starts is None:
        return []
    nllh = reading.numbers(fit, "optimum_nllh", ("optimum_index",))
    rows = []
    for k in range(len(starts.optimum)):
        members = starts.objective[(starts.cluster == k) & starts.finished]
        objective = float(members.min()) if len(members) else float(nllh[k])
        rows.append(
            OptimumRow(
                optimum=k + 1,
                objective=objective,
                above_best=objective - starts.best,
                hits=int(starts.hits[k]),
                converged=int(((starts.cluster == k) & (starts.status == Status.CONVERGED)).sum()),
                rate=float(starts.hit_rate[k]),
                rate_lower=float(starts.hit_interval[k, 0]),
                rate_upper=float(starts.hit_interval[k, 1]),
                differences=_differences(study, starts, k, most) if k else (),
            )
        )
    return rows


def _differences(
    study: xr.DataTree, starts: reading.Starts, k: int, most: int
) -> tuple[tuple[str, float, float, str], ...]:
    """Parameters in which optimum k lies furthest from the best: by more than 2 % of the range that the
    finished starts cover on the estimation scale."""
    finished = starts.theta[starts.finished]
    width = np.ptp(finished, axis=0) if len(finished) else np.zeros(len(starts.parameters))
    shift = np.abs(starts.optimum[k] - starts.optimum[0])
    relative = np.where(width > 0, shift / np.where(width > 0, width, 1.0), 0.0)
    chosen = [i for i in np.argsort(-relative, kind="stable")[:most] if relative[i] > 0.02]
    return tuple(
        (
            starts.parameters[i],
            to_natural(float(starts.optimum[k, i]), starts.scale[i]),
            to_natural(float(starts.optimum[0, i]), starts.scale[i]),
            starts.unit[i],
        )
        for i in chosen
    )


def fate_table(study: xr.DataTree) -> list[FateRow]:
    """Counts of the starts by status, most frequent first among those with and those without a value."""
    starts = reading.read_starts(study)
    if starts is None:
        return []
    rows = []
    for status in np.unique(starts.status):
        mine = starts.status == status
        label, meaning = status_words(int(status))
        rows.append(FateRow(int(status), label, int(mine.sum()), bool(starts.finished[mine].any()), meaning))
    return sorted(rows, key=lambda r: (not r.finished, -r.n, r.status))


def status_words(code: int) -> tuple[str, str]:
    """Name of a status in words and the sentence that explains it."""
    try:
        status = Status(code)
    except ValueError:
        return f"status {code}", "This version of idfit does not know this status."
    return status.label.replace("_", " "), status.sentence


def statistics_table(study: xr.DataTree) -> list[StatisticRow]:
    """The numbers that describe the fit as a whole; what was not computed is left out."""
    fit, starts = reading.group(study, "fit"), reading.read_starts(study)
    if fit is None or starts is None or not starts.finished.any():
        return []
    best = int(starts.ranked[0])
    nllh, prior = (float(reading.numbers(fit, name, ("start",))[best]) for name in ("nllh", "nlprior"))
    has_prior = math.isfinite(prior) and prior != 0
    n_data, dof = (reading.count_of(fit, name) for name in ("n_data", "dof"))
    chi2 = reading.scalar(fit, "chi2")
    noise = reading.scalar(fit, "n_noise_parameters")
    besides = f", without the {noise:.0f} of the noise" if noise > 0 else ""
    values = {
        "objective": (
            starts.best,
            "negative log likelihood, all constants kept" + ", plus negative log prior" * has_prior,
        ),
        "nllh": (nllh if has_prior else math.nan, "negative log likelihood"),
        "nlprior": (prior if has_prior else math.nan, "negative log prior density"),
        "n_data": (n_data, "measurements in the likelihood"),
        "n_parameters": (len(starts.parameters), "estimated parameters"),
        "chi2": (chi2, "sum of squared standardised residuals"),
        "dof": (dof, f"degrees of freedom: measurements less estimated parameters{besides}"),
        "chi2_dof": (
            chi2 / dof if dof and dof > 0 else None,
            "near 1 when model and stated noise explain the data",
        ),
        "aic": (reading.scalar(fit, "aic"), "Akaike's information criterion, 2 nllh + 2 k"),
        "aicc": (reading.scalar(fit, "aicc"), "the same, corrected for few data"),
        "bic": (reading.scalar(fit, "bic"), "Bayesian information criterion, 2 nllh + k ln n"),
        "sigma_correction": (
            reading.scalar(fit, "sigma_correction") if noise > 0 else None,
            "maximum likelihood underestimates σ, and with it standard errors, by this factor, √(n/dof)",
        ),
        "delta_nllh_chi2_95": (
            reading.scalar(fit, "delta_nllh_chi2_95"),
            "rise of the objective at the ends of a 95 % interval of one parameter, many data (χ²)",
        ),
        "delta_nllh_f_95": (
            reading.scalar(fit, "delta_nllh_f_95") if noise > 0 else None,
            "the same for this number of data, where σ is estimated (F)",
        ),
    }
    return [
        StatisticRow(name, float(value), meaning)
        for name, (value, meaning) in values.items()
        if value is not None and math.isfinite(value)
    ]


def data_table(study: xr.DataTree) -> list[DataRow]:
    """The measurements counted by condition and observable."""
    data = reading.read_measurements(study)
    if data is None or not np.isfinite(data.value).any():
        return []
    rows = []
    for condition in dict.fromkeys(data.condition):
        for observable in dict.fromkeys(data.observable):
            mine = data.where(condition, observable)
            if mine.any():
                rows.append(_data_row(data, mine, condition, observable))
    return rows


def _data_row(data: reading.Measurements, mine: np.ndarray, condition: str, observable: str) -> DataRow:
    value = data.value[mine & np.isfinite(data.value)]
    return DataRow(
        condition=condition,
        observable=observable,
        unit=next((u for u in data.unit[mine] if u), ""),
        n=int(mine.sum()),
        n_replicates=len({r for r in data.replicate[mine] if r}),
        n_censored=sum(bool(c) for c in data.censored[mine]),
        first_time=float(data.time[mine].min()),
        last_time=float(data.time[mine].max()),
        smallest=float(value.min()) if len(value) else math.nan,
        largest=float(value.max()) if len(value) else math.nan,
        noise=", ".join(dict.fromkeys(s for s in data.sigma_source[mine] if s)),
    )
