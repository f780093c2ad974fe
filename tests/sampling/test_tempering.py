"""Ladders: several modes, temperatures, one fixed kernel after adaptation, same bytes from the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from idfit.errors import Interrupted
from idfit.sampling.density import Density
from idfit.sampling.tempering import advance, begin, first_ladder, pooled
from idfit.tasks import Journal
from tests.problems import exponential_decay, linear_gaussian
from tests.sampling.targets import banana, cut_gaussian, two_modes


def ladder(density, starts, n, seed=1, n_adapting=3000):
    rng = np.random.default_rng(seed)
    state = advance(density, begin(density, np.asarray(starts, dtype=float)), n_adapting, rng, True)
    return state, advance(density, state, n, rng, False)


def test_modes_far_apart_get_their_weight_from_a_ladder_where_one_rung_may_miss_one():
    _, found = ladder(two_modes(4), np.full((5, 4), -4.0), 6000, seed=2)
    x = found["theta"]
    right = x[:, 0] > 0
    assert abs(right.mean() - 0.7) < 0.03
    assert_allclose([x[right].mean(0), x[~right].mean(0)], [[4] * 4, [-4] * 4], atol=0.15)
    assert_allclose([x[right].std(0), x[~right].std(0)], 1, atol=0.1)
    _, alone = ladder(two_modes(4), [[-4.0] * 4], 6000, seed=2, n_adapting=2000)
    assert (alone["theta"].mean(1) < 0).all()


def test_the_banana_has_its_moments():
    _, found = ladder(banana(), np.tile([0.0, 10.0], (5, 1)), 12000, n_adapting=4000)
    assert_allclose(found["theta"].mean(0), [0, 0], atol=1.5)
    assert_allclose(found["theta"].var(0), [100, 201], rtol=0.25)


def test_the_coldest_rung_is_the_posterior_and_the_hottest_the_prior():
    """A linear model: normal with the covariance (XᵀX)⁻¹ sd², and uniform in the box [-5, 5]²."""
    oracle = linear_gaussian()
    design = oracle.jacobian(np.zeros(2))
    covariance = 0.1**2 * np.linalg.inv(design.T @ design)
    mean = covariance @ design.T @ oracle.values / 0.1**2
    density = Density(oracle.problem.objective())
    rng = np.random.default_rng(4)
    state = advance(density, begin(density, np.zeros((4, 2))), 2000, rng, True)
    hottest = []
    for _ in range(300):
        state = advance(density, state, 10, rng, False)
        hottest.append(state["state_theta"][-1])
    found = advance(density, state, 5000, rng, False)
    assert_allclose(found["theta"].mean(0), mean, atol=0.06 * np.sqrt(np.diag(covariance)).min())
    assert_allclose(np.cov(found["theta"].T), covariance, rtol=0.12)
    assert_allclose(np.mean(hottest, 0), 0, atol=0.6)
    assert_allclose(np.var(hottest, 0), 100 / 12, rtol=0.2)


def test_temperatures_adapt_until_all_neighbours_exchange_equally():
    state, found = ladder(two_modes(1), np.full((5, 1), -4.0), 4000, n_adapting=4000)
    rate = found["swap_accepted"] / found["swap_proposed"]
    before = first_ladder(5, 1)
    assert (np.diff(state["beta"]) < 0).all()
    assert_array_equal(state["beta"][[0, -1]], [1, 0])
    assert rate.max() - rate.min() < 0.12 < rate.min()
    assert np.abs(state["beta"] - before).max() > 0.02


def test_lp_is_the_density_at_the_draws():
    density = Density(exponential_decay().problem.objective())
    _, found = ladder(
        density, np.tile(density.objective.parameters.nominal_scaled, (3, 1)), 50, n_adapting=50
    )
    # values with and without sensitivities take other steps of the integrator
    assert_allclose(found["lp"], [density(theta) for theta in found["theta"]], rtol=1e-6)


def test_after_adaptation_only_positions_change():
    state, found = ladder(banana(), np.tile([0.0, 10.0], (3, 1)), 300, n_adapting=700)
    changed = {
        name for name in found if name.startswith("state_") and not np.array_equal(state[name], found[name])
    }
    assert changed == {"state_theta", "state_n_steps"}


def test_the_same_state_and_seed_give_the_same_bytes_also_through_a_journal(tmp_path):
    density = cut_gaussian()
    state, found = ladder(density, np.full((3, 2), 0.5), 200, seed=7, n_adapting=400)
    _, again = ladder(density, np.full((3, 2), 0.5), 200, seed=7, n_adapting=400)
    assert_array_equal(found["theta"], again["theta"])
    _, other = ladder(density, np.full((3, 2), 0.5), 200, seed=8, n_adapting=400)
    assert not np.array_equal(found["theta"], other["theta"])
    blocks = []
    for start in (state, through_a_journal(state, tmp_path / "journal")):
        for adapting in (True, False):
            start = advance(density, start, 300, np.random.default_rng(5), adapting)
        blocks.append(start)
    for name in blocks[0]:
        assert_array_equal(blocks[0][name], blocks[1][name], err_msg=name)


def through_a_journal(state, path):
    with Journal(path, {}) as journal:
        journal.append("block", state)
    with Journal(path, {}) as journal:
        return journal.results["block"]


def test_a_start_of_density_zero_is_refused():
    with pytest.raises(ValueError, match="positive"):
        begin(cut_gaussian(), np.full((2, 2), 7.0))


def test_a_stop_flag_interrupts_a_block():
    density = Density(exponential_decay().problem.objective(), stop=np.zeros(1, dtype=np.int64))
    state = begin(density, density.objective.parameters.nominal_scaled[None])
    density.stop[0] = 1
    with pytest.raises(Interrupted):
        advance(density, state, 10, np.random.default_rng(1), True)


def test_pooled_ladders_learn_from_each_other_and_keep_their_positions():
    density, starts = two_modes(4), (-4.0, 4.0)
    rngs = [np.random.default_rng(i) for i in range(2)]
    apart = [
        advance(density, begin(density, np.full((1, 4), x)), 600, rng, True)
        for x, rng in zip(starts, rngs, strict=True)
    ]
    together = pooled(apart)
    assert_array_equal(together[0]["state_peers"], apart[1]["state_archive"])
    for before, after, start in zip(apart, together, starts, strict=True):
        assert_array_equal(before["state_theta"], after["state_theta"])
        assert (before["theta"].mean(1) * start > 0).all()
    found = advance(density, together[0], 2000, rngs[0], True)["theta"].mean(1)
    assert found.min() < -2 < 2 < found.max()
