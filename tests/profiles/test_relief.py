"""What the objective would gain without the search bound of another parameter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import lsq_linear

import idfit
from idfit.profiles import profile
from idfit.profiles.refit import relief
from tests.problems import estimated
from tests.profiles.problems_of_profiles import regression

ROOT = Path(__file__).resolve().parents[2]


def space(lower: list[float], upper: list[float]):
    """Parameters a, b, c with these bounds, linear."""
    parameters = {n: estimated((lo + hi) / 2, lo, hi) for n, lo, hi in zip("abc", lower, upper, strict=True)}
    return regression({"y": "a + b + c"}, parameters).parameters


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_fall_of_a_quadratic_objective_when_the_bound_is_moved(seed):
    """½ ‖J θ − y‖² with b bounded from above, against bounded least squares without that bound."""
    rng = np.random.default_rng(seed)
    jacobian, y = rng.standard_normal((6, 3)), 3 * rng.standard_normal(6)
    unbounded = np.linalg.lstsq(jacobian, y, rcond=None)[0]
    upper = np.array([90.0, unbounded[1] - 0.5, 90.0])
    bounded = lsq_linear(jacobian, y, (-95.0, upper), tol=1e-14, method="bvls")
    gain = bounded.cost - 0.5 * np.sum((jacobian @ unbounded - y) ** 2)
    gradient, hessian = jacobian.T @ (jacobian @ bounded.x - y), jacobian.T @ jacobian
    found = relief(space([-95.0] * 3, upper.tolist()), bounded.x, gradient, hessian)
    assert found == pytest.approx([0.0, gain, 0.0], rel=1e-8)


def test_where_the_data_do_not_determine_the_direction_a_bound_costs_nothing():
    """a and b act as a + b: at b's bound a makes up for it, whatever is left of the gradient there."""
    jacobian = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    theta, left = np.array([1.0, 2.0, 0.0]), np.array([1e-4, 1e-4, 0.0])
    bounds = space([-5.0] * 3, [5.0, 2.0, 5.0])
    assert relief(bounds, theta, -left, jacobian.T @ jacobian)[1] < 1e-12
    # with a held, b is determined, and its bound presses
    assert relief(bounds, theta, -1000 * left, jacobian.T @ jacobian, own=0)[1] == pytest.approx(0.005)


def test_only_search_bounds_that_press_count():
    bounds, hessian = space([0.0, -1.0, -5.0], [5.0, 5.0, 5.0]), np.eye(3)
    theta = np.array([0.0, -1.0, 1.0])
    outward = np.array(
        [0.1, 0.1, 0.1]
    )  # the objective falls below 0 of a, a natural limit, and below b's bound
    assert relief(bounds, theta, outward, hessian) == pytest.approx([0.0, 0.005, 0.0])
    assert relief(bounds, theta, -outward, hessian).tolist() == [0.0, 0.0, 0.0]


def test_a_partner_that_drifts_onto_its_bound_leaves_the_limits_as_they_are():
    """The share F of a dose is structurally open and drifts; concentrations determine ka all the same.

    The limits are those of the model with F = 1, which predicts the same.
    """
    data = ROOT / "data/warfarin.csv"
    twin = idfit.load(ROOT / "models/warfarin.toml", data)
    wide = idfit.load(ROOT / "models/warfarin_bioavailability.toml", data)
    names = ["ka", "kout", "sd_activity"]
    expected = profile(twin, idfit.fit(twin, 0, 1, nominal=True), names)
    start = wide.parameters.nominal.copy()
    scale = {"F": 0.5, "V": 0.5, "CL": 0.5}  # the same concentrations with F off its bound
    start *= [scale.get(n, 1.0) for n in wide.parameters.names]
    found = profile(wide, wide.parameters.to_scaled(start), names)
    assert found["verdict_label"].values.tolist() == expected["verdict_label"].values.tolist()
    assert found["side_status_label"].values.tolist() == expected["side_status_label"].values.tolist()
    assert found["interval"].values == pytest.approx(expected["interval"].values, rel=1e-4)
    assert found["interval"].sel(profiled="ka", space="natural").values[0, 1] == pytest.approx(
        0.2608, abs=1e-4
    )
    assert set(found["rests_on"].values.ravel()) == {""}
