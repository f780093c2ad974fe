"""Between bounds and the whole line: the way against differences, its Jacobian against integrals."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import expon, uniform

from idfit.sampling.density import Density
from idfit.sampling.unbounded import UnboundedDensity, Unbounding
from tests.problems import bolus, exponential_decay

LINE = Unbounding(np.array([-1.0, 2.0, -np.inf, -np.inf]), np.array([3.0, np.inf, 0.5, np.inf]))
POINTS = np.array([[0.3, -1.1, 0.7, 4.0], [-6.0, 3.0, -2.0, -8.0], [5.0, 0.0, 1.5, 0.0]])
STEP = 1e-5


@pytest.mark.parametrize("u", POINTS)
def test_the_way_back_ends_at_the_start(u):
    theta = LINE.bounded(u)
    assert np.all((theta > LINE.lower) & (theta < LINE.upper))
    assert_allclose(LINE.unbounded(theta), u, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("u", POINTS)
def test_derivatives_are_those_of_differences(u):
    steps = np.eye(len(u)) * STEP
    rise = np.array([LINE.bounded(u + s) - LINE.bounded(u - s) for s in steps]) / (2 * STEP)
    assert_allclose(rise, np.diag(LINE.slope(u)), rtol=1e-6, atol=1e-9)
    assert_allclose(LINE.log_jacobian(u), np.log(np.abs(LINE.slope(u))).sum(), rtol=1e-12)
    rise = np.array([LINE.log_jacobian(u + s) - LINE.log_jacobian(u - s) for s in steps]) / (2 * STEP)
    assert_allclose(LINE.log_jacobian_gradient(u), rise, atol=1e-8)


@pytest.mark.parametrize(
    ("lower", "upper", "density"),
    [(-1.0, 3.0, uniform(-1, 4)), (2.0, np.inf, expon(2)), (-np.inf, 0.5, expon(-0.5))],
)
def test_a_density_keeps_its_integral(lower, upper, density):
    line = Unbounding(np.array([lower]), np.array([upper]))
    sign = -1 if np.isinf(lower) else 1

    def of_u(u: float) -> float:
        u = np.array([u])
        return float(density.pdf(sign * line.bounded(u)[0]) * np.exp(line.log_jacobian(u)))

    assert_allclose(quad(of_u, -40, 40, limit=200)[0], 1, rtol=1e-8)


def test_far_out_nothing_overflows_or_leaves_the_box():
    for u in (-800.0, 800.0):
        line = Unbounding(np.array([0.1]), np.array([0.3]))
        assert 0.1 <= line.bounded(np.array([u]))[0] <= 0.3
        assert_allclose(line.log_jacobian(np.array([u])), np.log(0.2) - 800)


@pytest.mark.parametrize("oracle", [exponential_decay, bolus])
def test_the_gradient_of_the_density_is_that_of_its_value(oracle):
    problem = oracle().problem
    target = UnboundedDensity.of(Density(problem.objective(1e-10)))
    u = target.line.unbounded(problem.parameters.nominal_scaled) + 0.05
    value, gradient = target.with_gradient(u)
    theta = target.line.bounded(u)
    slopes = np.log(np.abs(target.line.slope(u))).sum()
    assert_allclose(value, target.density(theta) + slopes, rtol=1e-7)
    steps = np.eye(len(u)) * 1e-4
    rise = [target.with_gradient(u + s)[0] - target.with_gradient(u - s)[0] for s in steps]
    assert_allclose(gradient, np.array(rise) / 2e-4, rtol=1e-5, atol=1e-4)


def test_where_theta_is_infinite_there_is_no_density():
    problem = exponential_decay().problem
    density = Density(problem.objective())
    above = Unbounding(problem.parameters.lower_scaled, np.full(3, np.inf))
    value, gradient = UnboundedDensity(density, above).with_gradient(np.full(3, 800.0))
    assert value == -np.inf
    assert np.isnan(gradient).all()
