"""Whitened coordinates: the information is the identity there, and a narrow valley is round."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from idfit.errors import InputError
from idfit.reparameterization.coordinates import Whitening
from tests.problems import exponential_decay


def valley(decades: float, seed: int = 0) -> np.ndarray:
    """An information with that many decades between its eigenvalues, in no special direction."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))
    return q * np.logspace(0, -decades, 4) @ q.T


def test_the_condition_number_becomes_one():
    fim = valley(10)
    whitening = Whitening.of(fim, np.ones(4))
    assert np.linalg.cond(fim) > 1e9
    assert np.linalg.cond(whitening.information(fim)) == pytest.approx(1, abs=1e-4)


def test_there_and_back_for_many_vectors():
    whitening = Whitening.of(valley(6), np.arange(4.0))
    theta = np.random.default_rng(1).normal(size=(2, 3, 4))
    assert_allclose(whitening.theta(whitening.phi(theta)), theta, atol=1e-9)
    assert whitening.phi(np.arange(4.0)) == pytest.approx(np.zeros(4))
    assert_allclose(whitening.theta(whitening.phi(theta[0, 0])), theta[0, 0], atol=1e-9)


def test_the_quadratic_picture_is_half_the_squared_length():
    fim, centre = valley(6), np.array([1.0, -2, 0, 3])
    whitening = Whitening.of(fim, centre)
    theta = centre + np.array([0.3, -0.1, 2, 1])
    step = theta - centre
    assert np.sum(whitening.phi(theta) ** 2) == pytest.approx(step @ fim @ step, rel=1e-9)


def test_gradients_follow_the_chain_rule():
    fim, centre = valley(4), np.zeros(4)
    whitening = Whitening.of(fim, centre)
    theta, phi_step = np.array([0.5, 1, -1, 2]), 1e-6 * np.eye(4)

    def f(theta):
        return np.sin(theta[0]) + theta[1] * theta[2] + theta[3] ** 2

    gradient = np.array([np.cos(0.5), theta[2], theta[1], 2 * theta[3]])
    phi = whitening.phi(theta)
    numeric = [(f(whitening.theta(phi + step)) - f(whitening.theta(phi - step))) / 2e-6 for step in phi_step]
    assert_allclose(whitening.gradient(gradient), numeric, rtol=1e-5)
    assert whitening.log_volume == pytest.approx(0.5 * np.linalg.slogdet(fim)[1])


def test_bounds_and_priors_hold_what_the_data_leave_open():
    fim = np.diag([4.0, 0.0])
    with pytest.raises(InputError, match="give bounds"):
        Whitening.of(fim, np.zeros(2))
    # a uniform density over a width of 6 has the variance 3
    bounded = Whitening.of(fim, np.zeros(2), lower=np.array([-np.inf, -3]), upper=np.array([np.inf, 3]))
    assert bounded.phi(np.array([1.0, np.sqrt(3)])) == pytest.approx([2, 1])
    prior = Whitening.of(fim, np.zeros(2), prior_fim=np.diag([0, 1 / 9]))
    assert prior.phi(np.array([0.0, 3])) == pytest.approx([0, 1])


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(InputError, match=r"\(3,\).*\(2, 2\)"):
        Whitening.of(np.eye(2), np.zeros(3))


def test_an_optimiser_without_curvature_needs_a_few_steps_only():
    fim = valley(6)
    whitening = Whitening.of(fim, np.zeros(4))
    start = np.ones(4)
    plain = minimize(lambda x: 0.5 * x @ fim @ x, start, jac=lambda x: fim @ x, method="CG")
    white = minimize(
        lambda p: 0.5 * whitening.theta(p) @ fim @ whitening.theta(p),
        whitening.phi(start),
        jac=lambda p: whitening.gradient(fim @ whitening.theta(p)),
        method="CG",
    )
    assert white.nit <= 3 < plain.nit


def test_at_an_evaluation_with_its_bounds():
    problem = exponential_decay().problem
    theta = problem.parameters.nominal_scaled
    ev = problem.objective()(theta, 1)
    whitening = Whitening.at(ev, theta, problem.parameters)
    assert ev.fim is not None
    eigenvalues = np.linalg.eigvalsh(whitening.information(ev.fim))
    assert (eigenvalues > 0.9).all()  # the data say more than the bounds
    assert (eigenvalues < 1).all()
    with pytest.raises(InputError, match="order=1"):
        Whitening.at(problem.objective()(theta, 0), theta, problem.parameters)
