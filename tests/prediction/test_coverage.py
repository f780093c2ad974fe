"""Intervals cover what they claim to: the noise-free trajectory, and new data."""

from __future__ import annotations

import pytest
from scipy import stats

from benchmarks.coverage_prediction import KINDS, LEVEL, band_of, covered, decay, growth

DATA_SETS = 100


@pytest.mark.slow
@pytest.mark.parametrize("model", [decay, growth], ids=["known noise", "estimated noise"])
def test_bands_cover_the_truth_and_new_data(model):
    problem, threshold, times = model()
    counts = covered(problem, threshold, times, DATA_SETS)
    low, high = band_of(DATA_SETS)
    for kind, own in zip(KINDS[:2], counts, strict=False):
        assert (own >= low).all(), (kind, own)
        assert (own <= high).all(), (kind, own)
    # the union of profiles leaves out parameters that fit as well; over all times it falls short
    assert stats.binom.cdf(counts[2].min(), DATA_SETS, LEVEL) < 1e-2
