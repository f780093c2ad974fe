"""Simulation-based calibration: the band, and a small run of the benchmark of the same name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.calibration import ERROR, N_DRAWS, calibrate, decay, probability

DATA_SETS = 60


def test_uniform_ranks_stay_inside_the_band_as_often_as_it_says():
    rng = np.random.default_rng(1)
    found = np.array([probability(rng.integers(0, N_DRAWS + 1, 80), N_DRAWS) for _ in range(100)])
    # probabilities of a true hypothesis are uniform, at most; 4 standard errors of a share
    for level in (0.05, 0.2, 0.5):
        assert np.mean(found <= level) < level + 4 * np.sqrt(level * (1 - level) / len(found))
    assert np.mean(found) < 0.75


@pytest.mark.parametrize("mistake", ["too narrow", "too wide", "shifted"])
def test_ranks_of_wrong_draws_leave_it(mistake):
    rng = np.random.default_rng(2)
    factor, shift = {"too narrow": (0.6, 0), "too wide": (1.6, 0), "shifted": (1, 0.5)}[mistake]
    truth, draws = rng.standard_normal(150), rng.standard_normal((150, N_DRAWS)) * factor + shift
    assert probability(np.sum(draws < truth[:, None], axis=1), N_DRAWS) < 1e-3


@pytest.mark.slow
def test_posteriors_of_a_decay_with_noise_are_calibrated():
    """Parameters and ln π at the truth, at 99 % together; draws drawn together by a third are found out."""
    found = calibrate(decay(), DATA_SETS, 1)
    n = len(found.quantities)
    assert found.converged.mean() > 0.95
    assert min(probability(found.ranks[:, k], N_DRAWS) for k in range(n)) >= ERROR / n
    centre = found.draws.mean(axis=1, keepdims=True)
    narrow = replace(found, draws=centre + (found.draws - centre) * 0.6)
    assert min(probability(narrow.ranks[:, k], N_DRAWS) for k in range(n)) < ERROR / n
