"""Diagnostics of superchains: against ArviZ where chains are independent, closed forms where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base.array import array_stats
from numpy.testing import assert_allclose

from idfit.sampling import diagnostics


def autoregressive(shape: tuple[int, ...], rho: float, rng: np.random.Generator) -> np.ndarray:
    """Stationary chains x_t = rho·x_(t-1) + noise of variance 1; time is the last axis."""
    noise = rng.standard_normal(shape)
    draws = np.empty(shape)
    draws[..., 0] = noise[..., 0]
    for t in range(1, shape[-1]):
        draws[..., t] = rho * draws[..., t - 1] + np.sqrt(1 - rho**2) * noise[..., t]
    return draws


def test_single_chains_are_judged_as_arviz_judges_them():
    draws = autoregressive((4, 1, 2000), 0.7, np.random.default_rng(1))
    chains = draws[:, 0]
    assert_allclose(diagnostics.ess_bulk(draws), array_stats.ess(chains, method="bulk"), rtol=1e-3)
    assert_allclose(diagnostics.ess_tail(draws), array_stats.ess(chains, method="tail", prob=0.95), rtol=0.01)
    assert_allclose(diagnostics.mcse_mean(draws), array_stats.mcse(chains, method="mean"), rtol=1e-3)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_independent_walkers_of_known_autocorrelation(rho):
    draws = autoregressive((16, 10, 3000), rho, np.random.default_rng(2))
    expected = draws.size * (1 - rho) / (1 + rho)
    assert_allclose(diagnostics.ess_mean(draws), expected, rtol=0.15)
    assert_allclose(diagnostics.autocorrelation_time(draws), (1 + rho) / (1 - rho), rtol=0.15)


def test_walkers_that_move_together_count_less_than_as_many_chains():
    # f = common + own of equal variance: the mean over 16 walkers has variance (1 + 1/16)/2 of f's
    rng = np.random.default_rng(3)
    common = np.repeat(rng.standard_normal((4, 1, 4000)), 16, axis=1)
    draws = common + rng.standard_normal((4, 16, 4000))
    expected = 4 * 4000 * 2 / (1 + 1 / 16)
    assert_allclose(diagnostics.ess_mean(draws), expected, rtol=0.1)
    taken_for_independent = array_stats.ess(draws.reshape(64, 4000), method="mean")
    assert taken_for_independent > 5 * expected


def test_mcse_is_the_scatter_of_repeated_runs():
    rng = np.random.default_rng(4)
    runs = autoregressive((200, 4, 5, 400), 0.6, rng)
    means, sds = runs.mean(axis=(1, 2, 3)), runs.std(axis=(1, 2, 3))
    told = [(diagnostics.mcse_mean(run), diagnostics.mcse_sd(run)) for run in runs[:40]]
    assert_allclose(np.mean(told, axis=0), [means.std(), sds.std()], rtol=0.2)


def test_rhat_is_one_for_equal_superchains_and_follows_its_formula_for_others():
    rng = np.random.default_rng(5)
    draws = rng.standard_normal((4, 10, 1000))
    assert diagnostics.rhat(draws) < 1.001
    apart = draws + np.array([-0.5, 0.0, 0.0, 0.5])[:, None, None]
    within = np.mean([np.var(c, axis=-1, ddof=1).mean() for c in apart])
    expected = np.sqrt(1 + np.var(apart.mean(axis=(1, 2)), ddof=1) / within)
    assert_allclose(diagnostics.rhat(apart), expected, rtol=0.02)


def test_rhat_sees_superchains_that_differ_in_width_only():
    rng = np.random.default_rng(6)
    draws = rng.standard_normal((4, 10, 1000))
    draws[0] *= 3.0
    assert diagnostics.rhat(draws) > 1.1


def test_what_does_not_vary_has_no_diagnostics():
    still = np.ones((4, 2, 100))
    assert np.isnan(diagnostics.rhat(still))
    assert np.isnan(diagnostics.ess_bulk(still))
    assert np.isnan(diagnostics.rhat(np.random.default_rng(0).random((1, 2, 100))))


def test_stuck_walkers():
    moved = np.full((2, 10), 0.3)
    moved[1, :2] = 0.01
    assert diagnostics.stuck_walkers(moved).tolist() == [0, 2]
