"""How far draws can be trusted: nested R-hat, effective sample sizes, Monte Carlo errors, stuck walkers.

Draws of one quantity stand in an array (superchain, walker, step). Superchains are independent of each other;
the walkers of one are not, as each moves with the help of the others, so that the usual estimates, which take
every chain for independent, are wrong for them. All effective sample sizes here follow from the means over
the walkers of each superchain, f̄(superchain, step), which are ordinary independent chains:

    Var(mean of all draws) = Var(f̄) / ESS(f̄),     ESS = ESS(f̄) · Var(f) / Var(f̄).

With one walker this is the usual estimate. Sources: Goodman & Weare 2010, doi:10.2140/camcos.2010.5.65
(section 3); Vehtari et al. 2021, doi:10.1214/20-BA1221; Margossian et al. 2024, doi:10.1214/24-BA1453.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: probabilities of the quantiles whose effective sample size is that of the tails
TAILS = (0.05, 0.95)
# a walker that moves this much less often than half of the others do is stuck
_STUCK = 0.1
_FEWEST_STEPS = 8


def rhat(draws: np.ndarray) -> float:
    """Nested R-hat over superchains, on ranks and on folded ranks, of draws (superchain, walker, step).

    √(1 + B/W), with the variance B of the superchains' means and W within them. NaN for one superchain, or
    for draws that do not vary.
    """
    n_superchains, n_walkers, n_steps = draws.shape
    if n_superchains < 2 or n_steps < _FEWEST_STEPS or np.ptp(draws) == 0.0:
        return float("nan")
    belongs = np.repeat(np.arange(n_superchains), n_walkers)
    return float(_statistics().rhat_nested(draws.reshape(-1, n_steps), belongs, method="rank"))


def ess_bulk(draws: np.ndarray) -> float:
    """Effective sample size of the mean of the rank-normalised draws (superchain, walker, step)."""
    from scipy import special, stats

    ranks = stats.rankdata(draws, axis=None).reshape(draws.shape)
    return ess_mean(special.ndtri((ranks - 0.375) / (draws.size + 0.25)))


def ess_tail(draws: np.ndarray) -> float:
    """The smaller of the effective sample sizes of the 5 % and the 95 % quantile."""
    return min(ess_mean((draws <= q).astype(float)) for q in np.quantile(draws, TAILS))


def ess_mean(draws: np.ndarray) -> float:
    """Effective sample size of the mean of draws (superchain, walker, step); NaN where nothing varies."""
    means = draws.mean(axis=1)
    if draws.shape[-1] < _FEWEST_STEPS or np.ptp(means) == 0.0:
        return float("nan")
    return float(_statistics().ess(means, method="mean")) * float(draws.var() / means.var())


def mcse_mean(draws: np.ndarray) -> float:
    """Monte Carlo standard error of the mean: sd/√ESS."""
    return float(draws.std() / np.sqrt(ess_mean(draws)))


def mcse_sd(draws: np.ndarray) -> float:
    """Monte Carlo standard error of the standard deviation: that of the variance, by the delta method."""
    squares = (draws - draws.mean()) ** 2
    variance = squares.mean()
    return float(np.sqrt(squares.var() / ess_mean(squares) / variance) / 2)


def autocorrelation_time(draws: np.ndarray) -> float:
    """Draws per independent draw, the integrated autocorrelation time of the mean."""
    return draws.size / ess_mean(draws)


def stuck_walkers(moved: np.ndarray) -> np.ndarray:
    """Walkers of each superchain that hardly move; moved : (superchain, walker) share of steps moved."""
    return np.sum(moved < _STUCK * np.median(moved), axis=1)


def _statistics() -> Any:
    from arviz_stats.base.array import array_stats

    return array_stats
