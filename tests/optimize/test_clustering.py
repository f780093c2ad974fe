"""Clusters of optima and intervals of hit rates."""

from __future__ import annotations

import numpy as np
import pytest

from idfit.optimize.clustering import cluster_optima, hit_rates


def test_clusters_are_numbered_from_the_best():
    values = np.array([7.0, 5.0, 5.001, np.inf, 7.004, 5.0])
    predictions = np.array([[1.0, 1], [2, 2], [2, 2.01], [np.nan, np.nan], [1, 1], [2, 2]])
    assert cluster_optima(values, predictions).tolist() == [1, 0, 0, -1, 1, 0]


def test_equal_values_with_different_predictions_are_two_optima():
    predictions = np.array([[0.0, 0.0], [3.0, 3.0], [0.0, 0.01]])
    assert cluster_optima(np.array([5.0, 5.001, 5.002]), predictions).tolist() == [0, 1, 0]


def test_a_cluster_does_not_creep_away_from_its_best_member():
    """Each is near its neighbour, the last is not near the first."""
    values = 5.0 + 0.008 * np.arange(4)
    assert cluster_optima(values, np.zeros((4, 1))).tolist() == [0, 0, 1, 1]


def test_nothing_finite_gives_no_cluster():
    cluster = cluster_optima(np.array([np.inf, np.inf]), np.full((2, 3), np.nan))
    assert cluster.tolist() == [-1, -1]
    hits, rates, intervals = hit_rates(cluster)
    assert (len(hits), len(rates), intervals.shape) == (0, 0, (0, 2))


def test_hit_rate_intervals():
    """Clopper & Pearson: 3 of 50 is 1.25 % to 16.5 %; for all of n the lower end is (0.025)^(1/n)."""
    hits, rates, intervals = hit_rates(np.array([0] * 3 + [1] * 40 + [-1] * 7))
    assert hits.tolist() == [3, 40]
    assert rates == pytest.approx([0.06, 0.8])
    assert intervals[0] == pytest.approx([0.0125, 0.1655], abs=5e-5)
    _, _, all_of_ten = hit_rates(np.zeros(10, dtype=np.int64))
    assert all_of_ten[0] == pytest.approx([0.025 ** (1 / 10), 1.0])
