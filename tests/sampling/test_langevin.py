"""Each kernel alone keeps its target: moments known in closed form, bounds and curved metrics included."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from idfit.sampling.density import Density
from idfit.sampling.diagnostics import mcse_mean
from idfit.sampling.langevin import KERNELS, LANGEVIN, TARGET_ACCEPTANCE, fisher_metric
from idfit.sampling.student_mixture import DOF, StudentMixture, fit_mixture
from idfit.sampling.tempering import advance, begin
from tests.problems import estimated, exponential_decay, linear_gaussian
from tests.sampling.targets import cut_gaussian, cut_gaussian_moments, positive_product, static_density


def draws(density, start, n, seed=1, n_adapting=2000, kernels=KERNELS):
    rng = np.random.default_rng(seed)
    state = advance(density, begin(density, np.atleast_2d(start), kernels), n_adapting, rng, True)
    return advance(density, state, n, rng, False)


@pytest.mark.parametrize("kernel", KERNELS)
def test_each_kernel_alone_keeps_a_gaussian_that_the_bounds_cut(kernel):
    mean, covariance = cut_gaussian_moments()
    found = draws(cut_gaussian(), [0.5, 0.5], 10000, kernels=(kernel,))
    assert_allclose(found["theta"].mean(0), mean, atol=0.06 * np.sqrt(np.diag(covariance)).min())
    assert_allclose(np.cov(found["theta"].T), covariance, atol=0.08 * np.diag(covariance).min())
    assert found["kernel_proposed"].sum() == found["kernel_proposed"][0, KERNELS.index(kernel)] == 10000


@pytest.mark.parametrize("kernel", ["langevin", "independence"])
def test_proposals_that_change_with_the_place_are_corrected_for(kernel):
    """exp(u) = 1 ± 0.5, with the information growing as exp(2u): both q(θ'|θ) and q(θ|θ') matter."""
    density = static_density({"y": "exp(u)"}, [1.0], [0.5], {"u": estimated(0.0, -2, 2)})
    nodes, weights = np.polynomial.legendre.leggauss(200)
    weights = weights * np.exp(-2 * (np.exp(2 * nodes) - 1) ** 2)
    mean = weights @ (2 * nodes) / weights.sum()
    sd = np.sqrt(weights @ (2 * nodes - mean) ** 2 / weights.sum())
    found = draws(density, [0.0], 12000, kernels=(kernel,))["theta"]
    assert_allclose([found.mean(), found.std()], [mean, sd], atol=0.06 * sd)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_prior_of_the_natural_value_carries_its_jacobian_into_the_draws(kernel):
    density, mean, sd = positive_product()
    found = np.exp(draws(density, np.log([0.8]), 20000, kernels=(kernel,))["theta"][:, 0])
    # without the Jacobian the mean would lie lower by a third of the sd
    error = 4 * mcse_mean(found.reshape(4, 1, -1))
    assert error < 0.25 * sd
    assert_allclose([found.mean(), found.std()], [mean, sd], atol=error)


def test_the_metric_is_information_of_data_and_priors_and_of_the_box():
    oracle = exponential_decay()
    density = Density(oracle.problem.objective())
    space = oracle.problem.parameters
    theta = space.nominal_scaled
    width = space.upper_scaled - space.lower_scaled
    slope = space.slope(theta)
    information = slope[:, None] * oracle.fim(space.to_natural(theta)) * slope
    for beta in (0.0, 0.25, 1.0):
        found = fisher_metric(density.at(theta, 1), beta, density)
        assert found is not None
        assert_allclose(found, beta * information + np.diag(12 / width**2), rtol=1e-5)


@pytest.mark.parametrize("kernel", TARGET_ACCEPTANCE)
def test_step_sizes_reach_their_acceptance(kernel):
    found = draws(cut_gaussian(), [0.5, 0.5], 4000, kernels=(KERNELS[kernel],))
    # proposals of other lengths and the bounds move it from the target by a little
    assert_allclose(found["n_accepted"] / 4000, TARGET_ACCEPTANCE[kernel], atol=0.08)


def test_the_drift_climbs():
    """On a normal density the steps of langevin are longer than one standard error, ε > 1; with the drift
    turned round they are kept, but half as long."""
    density = Density(linear_gaussian().problem.objective())
    found = advance(
        density, begin(density, np.array([[0.5, -1.2]]), ("langevin",)), 2000, np.random.default_rng(1), True
    )
    assert np.exp(found["state_log_scale"][0, LANGEVIN]) > 1.2


def test_the_density_of_the_mixture_is_that_of_its_draws():
    from scipy.stats import multivariate_t

    weight, mean = np.array([0.3, 0.7]), np.array([[-1.0, 2.0], [3.0, 0.0]])
    root = np.array([[[1.0, 0.0], [0.5, 0.8]], [[0.4, 0.0], [-0.2, 2.0]]])
    mixture = StudentMixture(weight, mean, root)
    parts = [multivariate_t(m, r @ r.T, int(DOF)) for m, r in zip(mean, root, strict=True)]

    def exact(x):
        return np.log(sum(w * part.pdf(x) for w, part in zip(weight, parts, strict=True)))

    points = np.array([[0.0, 0.0], [3.0, -2.0], [-8.0, 5.0]])
    ours = [mixture.log_density(x) for x in points]
    assert_allclose(np.diff(ours), np.diff([exact(x) for x in points]), rtol=1e-10)
    rng = np.random.default_rng(3)
    sample = np.array([mixture.draw(rng) for _ in range(20000)])
    assert_allclose(sample.mean(0), weight @ mean, atol=0.06)
    spread = np.matmul(root, root.transpose(0, 2, 1)) * DOF / (DOF - 2)
    second = np.tensordot(weight, spread + mean[:, :, None] * mean[:, None], 1)
    assert_allclose(sample.T @ sample / 20000, second, atol=0.25)


def test_a_mixture_has_as_many_components_as_predict():
    rng = np.random.default_rng(2)
    one = rng.standard_normal((600, 3)) @ np.diag([1, 10, 0.1])
    two = np.where(rng.random((600, 1)) < 0.3, -6, 6) + rng.standard_normal((600, 3))
    assert len(fit_mixture(one, np.linalg.cholesky(np.cov(one.T)), rng).weight) == 2
    found = fit_mixture(two, np.linalg.cholesky(np.cov(two.T)), np.random.default_rng(3))
    fitted, mean = found.weight[:-1], found.mean[:-1, 0]
    assert len(fitted) == 2
    # the last is the wide component around all
    assert_allclose(fitted[mean < -5].sum() / fitted.sum(), 0.3, atol=0.06)
    assert_allclose(fitted[mean > 5].sum() / fitted.sum(), 0.7, atol=0.06)
