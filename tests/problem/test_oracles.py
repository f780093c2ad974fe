"""The objective and its derivatives against closed forms."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

from idfit.results import Status
from tests.problems import ORACLES, Oracle

RTOL = 1e-9


@cache
def oracle_of(name: str) -> Oracle:
    return ORACLES[name]()


def points(oracle: Oracle) -> list[np.ndarray]:
    """theta at the nominal values and beside them."""
    nominal = oracle.problem.parameters.nominal_scaled
    rng = np.random.default_rng(7)
    return [nominal, *(nominal + 0.1 * rng.uniform(-1, 1, len(nominal)) for _ in range(2))]


def slope(oracle: Oracle, theta: np.ndarray) -> np.ndarray:
    """dp/dtheta of every parameter, from the definitions of the scales."""
    p = oracle.problem.parameters.to_natural(theta)
    factors = {"lin": np.ones_like(p), "log": p, "log10": p * np.log(10), "logit": p * (1 - p)}
    return np.array([factors[s][k] for k, s in enumerate(oracle.problem.parameters.scale)])


@pytest.mark.parametrize("name", ORACLES)
def test_objective_equals_the_sum_of_log_densities(name):
    oracle = oracle_of(name)
    objective = oracle.problem.objective(RTOL)
    for theta in points(oracle):
        p = oracle.problem.parameters.to_natural(theta)
        sd = p[-1] if oracle.estimates_noise else 0.1
        ev = objective(theta, order=0)
        assert ev.status is Status.OK
        assert ev.gradient is None
        np.testing.assert_allclose(ev.prediction, oracle.solution(p), rtol=1e-7, atol=1e-8)
        expected = -stats.norm(oracle.solution(p), sd).logpdf(oracle.values).sum()
        assert ev.nllh == ev.objective == pytest.approx(expected, rel=1e-7)
        assert ev.nlprior == 0
        assert ev.chi2 == pytest.approx((((oracle.solution(p) - oracle.values) / sd) ** 2).sum(), rel=1e-7)


@pytest.mark.parametrize("name", ORACLES)
def test_derivatives_equal_those_of_the_closed_form(name):
    oracle = oracle_of(name)
    objective = oracle.problem.objective(RTOL)
    for theta in points(oracle):
        p, chain = oracle.problem.parameters.to_natural(theta), slope(oracle, theta)
        sd = p[-1] if oracle.estimates_noise else 0.1
        ev = objective(theta, order=1)
        residual = (oracle.solution(p) - oracle.values) / sd
        jacobian = oracle.jacobian(p) / sd
        if oracle.estimates_noise:
            jacobian[:, -1] -= residual / sd
        np.testing.assert_allclose(ev.residual, residual, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(ev.jacobian, jacobian * chain, rtol=1e-6, atol=1e-6)
        expected = oracle.gradient(p) * chain
        np.testing.assert_allclose(ev.gradient, expected, rtol=1e-6, atol=1e-6 * np.linalg.norm(expected))
        fim = oracle.fim(p) * np.outer(chain, chain)
        np.testing.assert_allclose(ev.fim, fim, rtol=1e-6, atol=1e-6 * np.abs(fim).max())


@pytest.mark.parametrize("name", ORACLES)
def test_hessian_equals_differences_of_the_closed_gradient(name):
    oracle = oracle_of(name)
    theta = points(oracle)[1]
    parameters = oracle.problem.parameters
    n = len(theta)

    def gradient(at):
        return oracle.gradient(parameters.to_natural(at)) * slope(oracle, at)

    steps = np.eye(n) * 1e-5
    expected = np.array([(gradient(theta + s) - gradient(theta - s)) / 2e-5 for s in steps])
    ev = oracle.problem.objective(1e-10)(theta, order=2)
    np.testing.assert_allclose(ev.hessian, expected, rtol=2e-4, atol=2e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(ev.hessian, ev.hessian.T)


def test_only_the_product_is_determined():
    oracle = oracle_of("product")
    fim = oracle.problem.objective(RTOL)(oracle.problem.parameters.nominal_scaled).fim
    values, vectors = np.linalg.eigh(fim)
    assert values[0] < 1e-8 * values[1]
    np.testing.assert_allclose(np.abs(vectors[:, 0]), np.sqrt(0.5), rtol=1e-6)
    assert vectors[0, 0] * vectors[1, 0] < 0


def test_phosphorylation_has_the_known_spectrum():
    """references: eigenvalues 3206, 28.4, 0 with sd 0.02; null vector (1/kp, -1/kd, -1/kp), normalised."""
    oracle = oracle_of("phosphorylation")
    fim = oracle.problem.objective(RTOL)(np.log([0.3, 0.7, 1.0])).fim * (0.1 / 0.02) ** 2
    values, vectors = np.linalg.eigh(fim)
    assert values[2] == pytest.approx(3206, abs=1)
    assert values[1] == pytest.approx(28.4, abs=0.05)
    assert abs(values[0]) < 1e-5
    null = vectors[:, 0] * np.sign(vectors[0, 0])
    np.testing.assert_allclose(null, [0.6767, -0.2900, -0.6767], atol=1e-4)
