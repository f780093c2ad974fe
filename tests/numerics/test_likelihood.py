"""Densities, priors and scales against scipy.stats, derivatives against high-precision differences."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from scipy import stats

from idfit.numerics.covariance import covariance
from idfit.numerics.likelihood import DISTRIBUTIONS, log_normal_cdf, measurement_term
from idfit.numerics.priors import PRIORS, prior_term
from idfit.numerics.scales import SCALES, TRANSFORMS, natural, scaled, transformed

DOF = 4.5
FROZEN = {
    "normal": lambda m, s: stats.norm(m, s),
    "laplace": lambda m, s: stats.laplace(m, s),
    "student-t": lambda m, s: stats.t(DOF, m, s),
}
POINTS = [(0.3, 1.1, 0.4), (2.0, -1.0, 1.7), (-0.2, -0.19, 0.05), (5.0, 0.0, 1.0)]


def term(distribution: str, censored: int, m: float, value: float, sigma: float):
    return measurement_term(DISTRIBUTIONS.index(distribution), DOF, censored, m, value, sigma)


def differences(function, x: float, step: float = 1e-3) -> tuple[float, float]:
    """First and second derivative by sixth-order central differences."""
    h = step * max(abs(x), 0.1)
    f = [function(x + i * h) for i in range(-3, 4)]
    first = (f[6] - 9 * f[5] + 45 * f[4] - 45 * f[2] + 9 * f[1] - f[0]) / (60 * h)
    second = (2 * f[6] - 27 * f[5] + 270 * f[4] - 490 * f[3] + 270 * f[2] - 27 * f[1] + 2 * f[0]) / (
        180 * h * h
    )
    return first, second


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("point", POINTS)
def test_density_of_a_measurement(distribution, point):
    m, value, sigma = point
    nllh, d_m, d_s, _, _, _, residual = term(distribution, 0, *point)
    assert nllh == pytest.approx(-FROZEN[distribution](m, sigma).logpdf(value), rel=1e-12)
    assert d_m == pytest.approx(
        differences(lambda x: term(distribution, 0, x, value, sigma)[0], m)[0], rel=1e-7
    )
    assert d_s == pytest.approx(
        differences(lambda x: term(distribution, 0, m, value, x)[0], sigma)[0], rel=1e-7
    )
    assert residual == pytest.approx((m - value) / sigma)


@pytest.mark.parametrize("distribution", ["normal", "laplace"])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("point", POINTS)
def test_censored_measurement_is_a_tail_probability(distribution, side, point):
    """left (-1): only known to be below the value; right (1): above it."""
    m, value, sigma = point
    nllh, d_m, d_s, i_mm, i_ms, i_ss, residual = term(distribution, side, *point)
    frozen = FROZEN[distribution](m, sigma)
    assert nllh == pytest.approx(-(frozen.logcdf(value) if side < 0 else frozen.logsf(value)), rel=1e-9)
    first, second = differences(lambda x: term(distribution, side, x, value, sigma)[0], m)
    assert d_m == pytest.approx(first, rel=1e-6, abs=1e-9)
    assert i_mm == pytest.approx(second, rel=1e-4, abs=1e-6)
    assert d_s == pytest.approx(
        differences(lambda x: term(distribution, side, m, value, x)[0], sigma)[0], rel=1e-6, abs=1e-9
    )
    assert i_mm * i_ss - i_ms**2 >= -1e-9 * i_mm * i_ss
    assert math.isnan(residual)


@pytest.mark.parametrize(
    "z", [-200.0, -40.0, -36.0001, -35.9999, -20.0, -10.0001, -9.9999, -1.0, 0.0, 3.0, 9.0]
)
def test_log_of_the_normal_distribution_function(z):
    with mpmath.workdps(50):
        exact = float(mpmath.log(mpmath.ncdf(mpmath.mpf(z))))
    assert log_normal_cdf(z) == pytest.approx(exact, rel=1e-9, abs=1e-16)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_information_is_the_expected_square_of_the_score(distribution):
    m, sigma = 0.7, 1.3
    nodes, weights = np.polynomial.legendre.leggauss(300)
    # values from a probability grid, so that heavy tails are covered
    values = FROZEN[distribution](m, sigma).ppf(0.5 * (nodes + 1))
    scores = np.array([term(distribution, 0, m, v, sigma)[1:3] for v in values])
    expected = np.einsum("ij,ik,i->jk", scores, scores, weights / 2)
    i_mm, i_ms, i_ss = term(distribution, 0, m, 0.0, sigma)[3:6]
    np.testing.assert_allclose([[i_mm, i_ms], [i_ms, i_ss]], expected, rtol=2e-3, atol=1e-9)


PRIOR_CASES = {
    "normal": (0.4, 1.3, stats.norm(0.4, 1.3)),
    "log-normal": (-0.5, 0.8, stats.lognorm(0.8, scale=math.exp(-0.5))),
    "uniform": (0.1, 4.0, stats.uniform(0.1, 3.9)),
    "log-uniform": (0.1, 4.0, stats.loguniform(0.1, 4.0)),
    "laplace": (0.5, 0.7, stats.laplace(0.5, 0.7)),
    "log-laplace": (0.3, 0.6, stats.loglaplace(1 / 0.6, scale=math.exp(0.3))),
    "gamma": (2.3, 0.7, stats.gamma(2.3, scale=0.7)),
    "inverse-gamma": (2.3, 0.7, stats.invgamma(2.3, scale=0.7)),
    "cauchy": (0.5, 0.7, stats.cauchy(0.5, 0.7)),
    "chi-square": (3.4, 0.0, stats.chi2(3.4)),
    "exponential": (1.7, 0.0, stats.expon(scale=1.7)),
    "rayleigh": (1.7, 0.0, stats.rayleigh(scale=1.7)),
}


def test_every_prior_has_a_case():
    assert set(PRIOR_CASES) == set(PRIORS)


@pytest.mark.parametrize("kind", PRIORS)
@pytest.mark.parametrize("v", [0.15, 0.9, 3.1])
def test_prior_density_and_derivatives(kind, v):
    a, b, frozen = PRIOR_CASES[kind]
    value, first, second = prior_term(PRIORS.index(kind), a, b, v)
    assert value == pytest.approx(-frozen.logpdf(v), rel=1e-12, abs=1e-12)
    expected = differences(lambda x: prior_term(PRIORS.index(kind), a, b, x)[0], v)
    assert first == pytest.approx(expected[0], rel=1e-7, abs=1e-9)
    assert second == pytest.approx(expected[1], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("kind", PRIORS)
def test_prior_is_infinite_outside_its_support(kind):
    a, b, frozen = PRIOR_CASES[kind]
    for v in (-1.0, 5.0):
        assert (prior_term(PRIORS.index(kind), a, b, v)[0] == math.inf) is bool(frozen.pdf(v) == 0)


@pytest.mark.parametrize("scale", SCALES)
def test_scales_and_their_derivatives(scale):
    code = SCALES.index(scale)
    forward = {"lin": lambda p: p, "log": np.log, "log10": np.log10, "logit": lambda p: np.log(p / (1 - p))}[
        scale
    ]
    for p in (0.03, 0.5, 0.9):
        theta = scaled(code, p)
        assert theta == pytest.approx(forward(p), rel=1e-12, abs=1e-15)
        value, first, second = natural(code, theta)
        assert value == pytest.approx(p, rel=1e-12)
        expected = differences(lambda x: natural(code, x)[0], theta)
        assert first == pytest.approx(expected[0], rel=1e-8)
        assert second == pytest.approx(expected[1], rel=1e-5, abs=1e-7)
    assert scaled(code, 0.0) == (0.0 if scale == "lin" else -math.inf)
    assert scaled(code, -1.0) == -1.0 if scale == "lin" else math.isnan(scaled(code, -1.0))
    assert scaled(code, 1.0) == {"lin": 1.0, "log": 0.0, "log10": 0.0, "logit": math.inf}[scale]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transforms_and_their_derivatives(transform):
    code = TRANSFORMS.index(transform)
    forward = {"lin": lambda y: y, "log": np.log, "log10": np.log10, "log2": np.log2}[transform]
    for y in (0.03, 1.0, 700.0):
        value, slope = transformed(code, y)
        assert value == pytest.approx(forward(y), rel=1e-13, abs=1e-15)
        assert slope == pytest.approx(differences(lambda x: transformed(code, x)[0], y)[0], rel=1e-8)


def test_covariance_is_the_inverse_where_all_is_determined():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(6, 4)) * np.array([1, 1e-4, 1e5, 1])
    free = np.ones(4, dtype=bool)
    np.testing.assert_allclose(covariance(a.T @ a, free, 1e-12), np.linalg.inv(a.T @ a), rtol=1e-8)


def test_covariance_of_a_null_direction_is_not_a_number():
    """Only p0 + p1 is measured, p2 is; p3 is held at a bound, p4 has no information."""
    information = np.zeros((5, 5))
    information[:2, :2] = 4.0
    information[2, 2], information[3, 3] = 9.0, 1.0
    free = np.array([True, True, True, False, True])
    result = covariance(information, free, 1e-10)
    assert result[2, 2] == pytest.approx(1 / 9)
    result[2, 2] = np.nan
    assert np.isnan(result).all()
