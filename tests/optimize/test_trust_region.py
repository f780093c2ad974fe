"""The parts of the trust region against their defining conditions, and the whole on hard shapes."""

from __future__ import annotations

import numpy as np
import pytest

import idfit
from idfit.numerics.trust_region import bounded_step, expected_decrease, step_in_ball, update_curvature
from idfit.optimize.local import LocalOptions, trust_region

RUN = np.zeros(1, dtype=np.int64)
RNG = np.random.default_rng(0)


def symmetric(rng: np.random.Generator, eigenvalues: np.ndarray) -> np.ndarray:
    basis, _ = np.linalg.qr(rng.standard_normal((len(eigenvalues), len(eigenvalues))))
    return (basis * eigenvalues) @ basis.T


@pytest.mark.parametrize("lowest", [1.0, 1e-8, 0.0, -0.5, -30.0])
@pytest.mark.parametrize("radius", [1e-3, 1.0, 50.0])
def test_step_in_ball_meets_the_conditions_of_a_minimum(lowest, radius):
    """(B + λ)s = -g with λ ≥ 0, B + λ positive semidefinite, and λ > 0 only on the sphere (Moré &
    Sorensen)."""
    rng = np.random.default_rng(int(radius * 1000))
    for _ in range(20):
        b = symmetric(rng, np.append(lowest, rng.uniform(1, 10, 4)))
        g = rng.standard_normal(5)
        s = step_in_ball(g, b, radius)
        assert np.linalg.norm(s) <= radius * (1 + 1e-5)
        multiplier = -(s @ (b @ s + g)) / (s @ s)
        assert b @ s + multiplier * s == pytest.approx(-g, rel=1e-4, abs=1e-4)
        assert multiplier >= -1e-5
        assert multiplier >= -np.linalg.eigvalsh(b)[0] - 1e-4
        if np.linalg.norm(s) < 0.999 * radius:
            assert multiplier == pytest.approx(0.0, abs=1e-4)


def test_step_in_ball_leaves_a_saddle_where_the_gradient_does_not_point():
    """The hard case: no part of the gradient lies along the negative curvature."""
    s = step_in_ball(np.array([0.0, 1.0]), np.diag([-1.0, 2.0]), 3.0)
    assert np.linalg.norm(s) == pytest.approx(3.0)
    assert s[1] == pytest.approx(-1 / 3)


def test_curvature_is_learned_so_that_the_secant_holds():
    a, s, change = np.zeros((3, 3)), np.array([1.0, -2.0, 0.5]), np.array([0.3, 0.1, 0.2])
    update_curvature(a, s, change)
    assert a @ s == pytest.approx(change)
    assert a == pytest.approx(a.T)
    # a second direction keeps what the first one taught of a fixed matrix
    hessian = symmetric(np.random.default_rng(3), np.array([1.0, 2.0, -1.0]))
    a = np.zeros((3, 3))
    for step in np.random.default_rng(4).standard_normal((3, 3)):
        update_curvature(a, step, hessian @ step)
        assert a @ step == pytest.approx(hessian @ step, rel=1e-9)


def test_bounded_step_stays_inside_and_descends():
    rng = np.random.default_rng(5)
    for _ in range(50):
        b = symmetric(rng, rng.uniform(0.1, 10, 4))
        g, theta = rng.standard_normal(4), rng.uniform(-1, 1, 4)
        lower, upper = theta - rng.uniform(0, 0.3, 4), theta + rng.uniform(0, 0.3, 4)
        free = np.array([True, True, True, False])
        s = np.empty(4)
        decrease = bounded_step(theta, g, b, np.ones(4), lower, upper, free, 1.0, s)
        assert ((theta + s >= lower - 1e-15) & (theta + s <= upper + 1e-15)).all()
        assert s[3] == 0.0
        assert decrease == pytest.approx(expected_decrease(g, b, s))
        assert decrease > 0.0


def regression(formula: str, parameters: dict, x, y, noise="sd") -> idfit.Problem:
    model = idfit.Model.from_equations({}, {"y": formula}, [n for n in parameters if n != "sd"])
    data = {"time": x, "observable": ["y"] * len(x), "value": y}
    return idfit.Problem(model, data, parameters=parameters, noise={"y": noise})


SD = {"value": 1.0, "min": 1e-8, "max": 1e4, "scale": "log10"}


def start(problem: idfit.Problem, theta0, **options):
    return trust_region(problem.objective(), np.array(theta0, float), LocalOptions(**options), RUN, RNG)


def test_noise_parameter_ends_at_its_closed_form_optimum():
    x, y = [1.0, 2.0, 3.0, 4.0], [2.1, 3.9, 6.2, 7.8]
    problem = regression("a + b*t", {"a": {"min": -9, "max": 9}, "b": {"min": -9, "max": 9}, "sd": SD}, x, y)
    slope, intercept = np.polyfit(x, y, 1)
    rms = np.sqrt(np.mean((intercept + slope * np.array(x) - y) ** 2))
    found = start(problem, [0.0, 0.0, 2.0])
    assert problem.parameters.to_natural(found.theta) == pytest.approx([intercept, slope, rms], rel=1e-10)
    assert found.status is idfit.Status.CONVERGED


def test_noise_parameter_stops_at_its_bound():
    parameters = {"a": {"min": -9, "max": 9}, "sd": SD | {"min": 0.5}}
    problem = regression("a", parameters, [1.0, 2.0], [2.0, 2.2])
    found = start(problem, [0.0, 1.0])
    assert problem.parameters.to_natural(found.theta) == pytest.approx([2.1, 0.5])
    assert found.status is idfit.Status.CONVERGED


@pytest.mark.parametrize("fixed", ["a", "sd"])
def test_fixed_variables_stay(fixed):
    problem = regression("a + t", {"a": {"min": -9, "max": 9}, "sd": SD}, [1.0, 2.0], [4.0, 5.2])
    theta0 = np.array([1.0, 0.3])
    free = np.array([name != fixed for name in problem.parameters.names])
    found = trust_region(problem.objective(), theta0, LocalOptions(), RUN, RNG, free)
    assert found.theta[~free] == theta0[~free]
    other = 3.1 if fixed == "sd" else np.log10(np.sqrt((2.0**2 + 2.2**2) / 2))
    assert found.theta[free] == pytest.approx(other, rel=1e-8)


def test_exact_data_are_fitted_to_rounding():
    x = np.arange(1.0, 9.0)
    parameters = {"a": {"min": 0, "max": 9}, "k": {"min": 0, "max": 9}, "sd": SD | {"min": 1e-300}}
    problem = regression("a*exp(-k*t)", parameters, x, 2.0 * np.exp(-0.3 * x))
    found = start(problem, [1.0, 1.0, 0.0])
    assert found.theta[:2] == pytest.approx([2.0, 0.3], rel=1e-13)
    assert found.status.usable  # at rounding nothing can tell whether it is the minimum


def test_optimum_on_a_bound():
    problem = regression(
        "a*t + c", {"a": {"min": 0, "max": 1}, "c": {"min": 0, "max": 9}}, [1.0, 2.0], [5.0, 3.0], 1.0
    )
    found = start(problem, [0.5, 1.0])
    assert found.theta == pytest.approx([0.0, 4.0], abs=1e-12)
    assert found.status is idfit.Status.CONVERGED
    assert found.gradient_norm < 1e-8


def test_large_residuals_do_not_make_it_crawl():
    """Brown & Dennis, whose residuals at the minimum are large: Gauss-Newton zigzags there (Moré et al.
    1981, 16)."""
    t = np.arange(1, 21) / 5
    problem = regression(
        "(x1 + t*x2 - exp(t))^2 + (x3 + x4*sin(t) - cos(t))^2",
        {f"x{i}": {"min": -100, "max": 100} for i in range(1, 5)}, t, np.zeros(20), 1.0,
    )  # fmt: skip
    found = start(problem, [25.0, 5.0, -5.0, -1.0])
    assert found.chi2 == pytest.approx(85822.2016, rel=1e-8)
    assert found.status is idfit.Status.CONVERGED
    assert found.n_iterations < 40


def test_curved_valley():
    """Rosenbrock's function as two residuals, one condition each."""
    model = idfit.Model.from_equations({}, {"u": "10*(b - a^2)", "v": "1 - a"}, ["a", "b"])
    data = {"time": [0.0, 0.0], "observable": ["u", "v"], "value": [0.0, 0.0]}
    bounds = {n: {"min": -5, "max": 5} for n in "ab"}
    problem = idfit.Problem(model, data, parameters=bounds, noise={"u": 1.0, "v": 1.0})
    found = start(problem, [-1.2, 1.0])
    assert found.theta == pytest.approx([1.0, 1.0], abs=1e-10)
    assert found.n_evaluations < 60


def test_iteration_limit_is_told():
    problem = regression(
        "a*exp(-k*t)", {"a": {"min": 0, "max": 99}, "k": {"min": 0, "max": 9}}, [1.0, 2.0], [9.0, 1.0], 1.0
    )
    assert start(problem, [1.0, 1.0], max_iterations=2).status is idfit.Status.MAX_ITERATIONS


def test_failed_start_gives_its_reason():
    problem = regression(
        "a - 3", {"a": {"min": 0, "max": 9}}, [1.0], [1.0], {"noise": 0.1, "transform": "log"}
    )
    found = start(problem, [1.0])
    assert found.status is idfit.Status.LOG_NONPOSITIVE
    assert found.objective == np.inf


def test_steps_into_infeasible_ground_are_shortened():
    problem = regression(
        "a - 3", {"a": {"min": 0, "max": 9}}, [1.0], [1e-3], {"noise": 0.1, "transform": "log"}
    )
    found = start(problem, [8.0])
    assert found.theta == pytest.approx([3.001], rel=1e-9)


def test_stop_flag_is_seen():
    states = idfit.Model.from_equations({"A": "-a*A"}, {"y": "A"}, ["a"], {"A": 1})
    problem = idfit.Problem(
        states, {"time": [1.0], "observable": ["y"], "value": [1.0]}, parameters={"a": {"min": 0, "max":
        9}}, noise={"y": 1.0}
    )  # fmt: skip
    found = trust_region(
        problem.objective(), np.array([1.0]), LocalOptions(), np.ones(1, dtype=np.int64), RNG
    )
    assert found.status is idfit.Status.INTERRUPTED
