"""Whether residuals look like the noise that the model claims: tests per observable, and outliers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import stats

from idfit.errors import RunError
from idfit.numerics import plan as layout
from idfit.prediction import residual_tests
from idfit.prediction.ensemble import noise_distribution
from idfit.problem import Evaluation, Problem
from idfit.problem.simulation import curve_label
from idfit.profiles.start import start_of
from idfit.results import Status, dataset
from idfit.results.prediction import CheckVerdict
from idfit.tasks import seed_sequence

#: stage of the random streams of permutations
STAGE = 80
LEVEL = 0.05
TESTS = ("normality", "runs", "autocorrelation", "chi2", "outlier")
ALL = "all"
# singular values of the scaled Jacobian that are smaller, relative to the largest, carry no information
_RANK = 1e-9
_FEW = "{n} values; at least {least} are needed"
_ESTIMATED = (
    "the noise level is estimated from the same data, so that χ² is near its degrees of freedom anyway"
)


def residual_diagnostics(
    problem: Problem, fit: xr.Dataset | np.ndarray, *, seed: int | None = None
) -> xr.Dataset:
    """Test the residuals of the best fit: normality, runs, autocorrelation, goodness of fit, outliers.

        residual_i = (measured − predicted)/σ,   leverage h_i = [J (JᵀJ)⁺ Jᵀ]_ii
        studentised_i = residual_i/√(1 − h_i);  with an estimated σ externally: e √((d − 1)/(d − e²)),
        e = studentised √(d/n), d = n − Σh, n and d of the measurements with that σ

    Noise that is not normal is compared through its distribution function, z = Φ⁻¹(F(residual)). Measurements
    of one curve at one time count as one in tests of order. seed : of the permutations (the fit's if None).

    Returns a dataset of the group ``diagnostics`` for each observable and for all together;
    `adjusted_p_value` (Holm) accounts for the number of tests, and `verdict` goes by it at attrs ``level``.
    Too few values make it undetermined, with the `reason`. Errors: `RunError` if the best fit cannot be
    evaluated.

    Source: Cook & Weisberg, Residuals and Influence in Regression (Chapman & Hall 1982), chapter 2.
    """
    start = start_of(problem, fit, None, None, seed)
    ev = problem.objective(start.rtol, start.atol)(start.theta, 1)
    if ev.status is not Status.OK:
        raise RunError(f"residuals cannot be tested at this point: {ev.status.sentence}")
    rows = _rows(problem, ev)
    observables = [o for o in problem.spec.observables if (rows.observable == o).any()]
    subjects = [ALL] if len(observables) == 1 else [ALL, *observables]
    shape = (len(subjects), len(TESTS))
    statistic, p_value = np.full((2, *shape), np.nan)
    reason = np.full(shape, "", dtype=object)
    n = np.zeros(len(subjects), dtype=np.int64)
    for i, subject in enumerate(subjects):
        chosen = rows.usable & ((rows.observable == subject) | (subject == ALL))
        n[i] = chosen.sum()
        rng = seed_sequence(start.seed, STAGE, i)
        for j, test in enumerate(TESTS):
            statistic[i, j], p_value[i, j], reason[i, j] = _tested(test, rows, np.flatnonzero(chosen), rng)
    adjusted = residual_tests.holm(p_value.ravel()).reshape(shape)
    verdict = np.where(
        np.isnan(p_value), int(CheckVerdict.UNDETERMINED),
        np.where(adjusted < LEVEL, int(CheckVerdict.AGAINST), int(CheckVerdict.NO_SIGN)),
    ).astype(np.int8)  # fmt: skip
    variables = {
        "statistic": statistic,
        "p_value": p_value,
        "adjusted_p_value": adjusted,
        "verdict": verdict,
        "reason": reason,
        "n": n,
        "residual": rows.residual,
        "leverage": rows.leverage,
        "studentised": rows.studentised,
        "outlier": rows.outlier,
    }
    attrs = {"level": LEVEL, "n_tests": int(np.isfinite(p_value).sum()), "seed": start.seed}
    return dataset("diagnostics", variables, {"subject": subjects, "test": list(TESTS)}, attrs)


@dataclass(frozen=True)
class _Rows:
    """Residuals of all measurements (row,); NaN where censored. p : of each studentised residual alone."""

    observable: np.ndarray
    curve: np.ndarray
    time: np.ndarray
    usable: np.ndarray
    residual: np.ndarray
    score: np.ndarray
    leverage: np.ndarray
    studentised: np.ndarray
    p: np.ndarray
    outlier: np.ndarray
    estimated: np.ndarray


def _rows(problem: Problem, ev: Evaluation) -> _Rows:
    table = problem.spec.measurements
    residual = -ev.residual  # measured less predicted
    usable = np.isfinite(residual)
    observable = np.array(table.observable)
    leverage = np.where(usable, leverages(ev), np.nan)
    assert ev.sigma_jacobian is not None
    estimated = (ev.sigma_jacobian != 0.0).any(axis=1)
    studentised, p = _studentised(problem, residual, leverage, estimated, usable)
    score = np.full(len(residual), np.nan)
    for name in dict.fromkeys(table.observable):
        own = usable & (observable == name)
        noise = noise_distribution(problem, name)
        # the tail on the nearer side keeps its digits
        low, high = noise.logcdf(residual[own]), noise.logsf(residual[own])
        score[own] = np.where(low < high, stats.norm.ppf(np.exp(low)), stats.norm.isf(np.exp(high)))
    worst = np.where(usable, p, 1.0) * max(int(usable.sum()), 1) < LEVEL
    curve = np.array([f"{curve_label(problem, r)}\0{name}" for r, name in enumerate(table.observable)])
    return _Rows(
        observable, curve, np.array(table.time, dtype=float), usable, residual, score, leverage, studentised,
        p, worst & usable, estimated,
    )  # fmt: skip


def leverages(ev: Evaluation) -> np.ndarray:
    """Diagonal of the hat matrix (row,) of the predictions, each in units of its noise; 0 where censored."""
    assert ev.prediction_jacobian is not None
    jacobian = ev.prediction_jacobian / ev.sigma[:, None]
    jacobian = np.where(np.isfinite(ev.residual)[:, None], jacobian, 0.0)
    length = np.linalg.norm(jacobian, axis=0)
    u, s, _ = np.linalg.svd(jacobian[:, length > 0.0] / length[length > 0.0], full_matrices=False)
    kept = u[:, s > _RANK * s.max(initial=0.0)]
    return np.minimum(np.sum(kept**2, axis=1), 1.0)


def _studentised(
    problem: Problem, residual: np.ndarray, leverage: np.ndarray, estimated: np.ndarray, usable: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Studentised residuals and their two-sided p-values (row,)."""
    spread = np.sqrt(np.maximum(1.0 - leverage, 1e-12))
    studentised = residual / spread
    # a measurement that decides its own prediction has no residual to speak of
    studentised[leverage > 1.0 - 1e-9] = np.nan
    p = np.full(len(residual), np.nan)
    for name in dict.fromkeys(problem.spec.measurements.observable):
        own = np.array([o == name for o in problem.spec.measurements.observable]) & np.isfinite(studentised)
        noise = noise_distribution(problem, name)
        p[own] = 2.0 * noise.sf(np.abs(studentised[own]))
    normal = np.array([
        problem.spec.observables[o].distribution.removeprefix("log-") == "normal"
        for o in problem.spec.measurements.observable
    ])  # fmt: skip
    for rows in _noise_groups(problem, estimated & usable & normal):
        n, dof = len(rows), len(rows) - float(np.nansum(leverage[rows]))
        if dof <= 1.0:
            p[rows] = studentised[rows] = np.nan
            continue
        e2 = np.minimum(studentised[rows] ** 2 * dof / n, dof * (1.0 - 1e-12))
        studentised[rows] = np.sign(residual[rows]) * np.sqrt(e2 * (dof - 1.0) / (dof - e2))
        p[rows] = 2.0 * stats.t.sf(np.abs(studentised[rows]), dof - 1.0)
    p[usable & np.isnan(p)] = 1.0
    return studentised, p


def _noise_groups(problem: Problem, estimated: np.ndarray) -> list[np.ndarray]:
    """Rows that share an estimated noise level; those whose noise is a formula of several count together."""
    ints = problem.plan.ints
    pointer, rows = (layout.integers(ints, s) for s in (layout.NOISE_ROW_PTR, layout.NOISE_ROW))
    index = layout.integers(ints, layout.ROW_INDEX)
    groups = [index[rows[a:b]] for a, b in itertools.pairwise(pointer)]
    taken = np.concatenate([*groups, np.empty(0, dtype=np.int64)]).astype(np.int64)
    rest = np.setdiff1d(np.flatnonzero(estimated), taken)
    groups = [g[estimated[g]] for g in groups] + [rest]
    return [g for g in groups if len(g)]


def _tested(test: str, rows: _Rows, chosen: np.ndarray, rng: np.random.Generator) -> tuple[float, float, str]:
    """Statistic, p-value, and why there is none."""
    few = _FEW.format(n=len(chosen), least=residual_tests.FEWEST[test])
    if test == "normality":
        result = residual_tests.normality(rows.score[chosen])
    elif test in ("runs", "autocorrelation"):
        series = _series(rows, chosen)
        few = f"{sum(map(len, series))} different times; too few in a row"
        if test == "runs":
            result = residual_tests.runs(series)
        else:
            result = residual_tests.autocorrelation(series, rng)
    elif test == "chi2":
        if rows.estimated[chosen].any():
            return np.nan, np.nan, _ESTIMATED
        dof = len(chosen) - float(rows.leverage[chosen].sum())
        result, few = residual_tests.goodness_of_fit(rows.residual[chosen], dof), "no degrees of freedom left"
    else:
        known = chosen[np.isfinite(rows.studentised[chosen])]
        result = residual_tests.outlier(rows.p[known], rows.studentised[known])
    return (*result, "" if np.isfinite(result[1]) else few)


def _series(rows: _Rows, chosen: np.ndarray) -> Sequence[np.ndarray]:
    """Residuals along each curve in the order of time, those at one time as one: Σz/√m."""
    series = []
    for curve in dict.fromkeys(rows.curve[chosen].tolist()):
        own = chosen[rows.curve[chosen] == curve]
        times, place, m = np.unique(rows.time[own], return_inverse=True, return_counts=True)
        series.append(np.bincount(place, rows.score[own], len(times)) / np.sqrt(m))
    return series
