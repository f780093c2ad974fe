"""Tests of standardised residuals: arrays in, (statistic, p-value) out, NaN where there are too few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

#: the least number of values for each test
FEWEST = {"normality": 8, "runs": 10, "autocorrelation": 8, "outlier": 5, "chi2": 1}
_PERMUTATIONS = 4999
# Shapiro and Wilk's p-value is tabulated up to here
_MOST = 5000
_NOTHING = (np.nan, np.nan)

Result = tuple[float, float]


def normality(z: np.ndarray) -> Result:
    """Shapiro and Wilk's W of values that should be standard normal; of evenly spaced ones beyond 5,000.

    Source: Royston 1995, doi:10.2307/2986146.
    """
    if len(z) < FEWEST["normality"] or np.ptp(z) == 0.0:
        return _NOTHING
    found = stats.shapiro(z[np.linspace(0, len(z) - 1, min(len(z), _MOST)).astype(int)])
    return float(found.statistic), float(found.pvalue)


def runs(series: Sequence[np.ndarray]) -> Result:
    """Wald and Wolfowitz' test of the signs along several series together: too few runs, or too many.

        E = 1 + 2 n₊n₋/n,   Var = (E − 1)(E − 2)/(n − 1) for each series,   z = Σ(runs − E)/√ΣVar

    The order in time is all that counts. The statistic is z; its p-value is two-sided, with a correction for
    continuity. Source: Wald & Wolfowitz 1940, doi:10.1214/aoms/1177731909.

    >>> z, p = runs([np.array([1.0] * 10 + [-1.0] * 10)])
    >>> round(z, 2), p < 0.001
    (-4.13, True)
    """
    excess, variance, n_all = 0.0, 0.0, 0
    for values in series:
        positive = values > 0.0
        n, n_plus = len(values), int(positive.sum())
        if n < 2 or n_plus in (0, n):
            continue
        expected = 1.0 + 2.0 * n_plus * (n - n_plus) / n
        excess += 1 + int((positive[1:] != positive[:-1]).sum()) - expected
        variance += (expected - 1.0) * (expected - 2.0) / (n - 1)
        n_all += n
    if n_all < FEWEST["runs"] or variance <= 0.0:
        return _NOTHING
    z = excess / np.sqrt(variance)
    corrected = max(abs(excess) - 0.5, 0.0) / np.sqrt(variance)
    return float(z), float(min(1.0, 2.0 * stats.norm.sf(corrected)))


def autocorrelation(series: Sequence[np.ndarray], rng: np.random.Generator) -> Result:
    """Correlation of neighbours in time, with the p-value of permutations within each series.

        r = Σ z_i z_{i+1} / Σ z_i²

    Neighbours are taken whatever the time between them, so that irregular times cost power and no validity:
    under the null all orders are as likely. Two-sided. Durbin and Watson's statistic is about 2 (1 − r).
    """
    series = [z for z in series if len(z) > 1]
    squares = sum(float(z @ z) for z in series)
    if sum(len(z) for z in series) < FEWEST["autocorrelation"] or squares == 0.0:
        return _NOTHING
    observed = sum(float(z[:-1] @ z[1:]) for z in series) / squares
    drawn = np.zeros(_PERMUTATIONS)
    for z in series:
        shuffled = rng.permuted(np.broadcast_to(z, (_PERMUTATIONS, len(z))), axis=1)
        drawn += np.einsum("ij,ij->i", shuffled[:, :-1], shuffled[:, 1:]) / squares
    centre = drawn.mean()
    extreme = np.abs(drawn - centre) >= abs(observed - centre) - 1e-12
    return observed, float((1 + extreme.sum()) / (1 + _PERMUTATIONS))


def goodness_of_fit(residual: np.ndarray, dof: float) -> Result:
    """χ² = Σ residual² of known noise and the probability that it is as large or larger."""
    if dof < FEWEST["chi2"]:
        return _NOTHING
    chi2 = float(residual @ residual)
    return chi2, float(stats.chi2.sf(chi2, dof))


def outlier(p_values: np.ndarray, studentised: np.ndarray) -> Result:
    """The largest studentised residual, with its p-value corrected for their number (Bonferroni)."""
    if len(p_values) < FEWEST["outlier"]:
        return _NOTHING
    at = int(np.argmin(p_values))
    return float(studentised[at]), float(min(1.0, len(p_values) * p_values[at]))


def holm(p_values: np.ndarray) -> np.ndarray:
    """P-values adjusted for their number (Holm 1979); NaN stays NaN and does not count.

    >>> holm(np.array([0.01, np.nan, 0.04, 0.03])).round(3)
    array([0.03,  nan, 0.06, 0.06])
    """
    out = np.full(p_values.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factor = np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(factor * p_values[order]), 1.0)
    return out
