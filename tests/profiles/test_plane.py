"""Two-dimensional profiles held against closed forms, brute force and the profiles of single parameters."""

from __future__ import annotations

from dataclasses import replace

import contourpy
import numpy as np
import pytest

import idfit
from idfit.errors import InputError
from idfit.model import Model
from idfit.optimize.local import LocalOptions, trust_region
from idfit.problem import Problem
from idfit.profiles import plane_cells
from idfit.profiles.plane import PlaneOptions, profile_2d
from idfit.results import Status
from idfit.tasks import Runner
from tests.problems import data_at, estimated, exponential_decay, linear_gaussian, product

NO_STOP = np.zeros(1, dtype=np.int64)


def regression(observables, values, sd, parameters) -> Problem:
    """Each observable measured once, with its value and standard deviation."""
    model = Model.from_equations({}, observables, list(parameters))
    data = {"observable": list(observables), "time": [0.0] * len(observables), "value": values}
    return Problem(model, data, parameters=parameters, noise=dict(zip(observables, sd, strict=True)))


def rosenbrock() -> Problem:
    """nllh = (1 - x)² + 100 (y - x²)² and a constant."""
    parameters = {"x": estimated(1.0, -20, 20), "y": estimated(1.0, -20, 20)}
    half = float(np.sqrt(0.5))
    return regression({"p": "1 - x", "q": "10*(y - x^2)"}, [0.0, 0.0], [half, half], parameters)


def delta(ds, pair=0):
    """Rise of the objective, (x, y), and the grid."""
    return (
        ds["objective"].values[pair] - ds.attrs["objective"],
        ds["x_value"].values[pair],
        ds["y_value"].values[pair],
    )


def contours(ds, rise):
    """The closed lines, (vertex, 2) each, of a contour."""
    f, x, y = delta(ds)
    lines = contourpy.contour_generator(x, y, np.ma.masked_invalid(f.T)).lines(rise)
    assert all((line[0] == line[-1]).all() for line in lines)
    return lines


def area(line):
    x, y = line.T
    return 0.5 * abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))


# closed forms -----------------------------------------------------------------------------------------------


def test_a_linear_model_has_elliptic_contours():
    oracle = linear_gaussian()
    fit = idfit.fit(oracle.problem, 3, seed=1)
    ds = profile_2d(oracle.problem, fit, [("a", "b")])
    f, x, y = delta(ds)
    d = np.stack(np.meshgrid(x, y, indexing="ij"), -1) - fit["optimum"].values[0]
    information = oracle.fim(fit["optimum"].values[0])
    filled = np.isfinite(f)
    np.testing.assert_allclose(
        f[filled], 0.5 * np.einsum("xyi,ij,xyj->xy", d, information, d)[filled], atol=1e-6
    )
    np.testing.assert_allclose(ds["contour_rise"], [0.4944, 1.9207, 1.1394, 2.9957], atol=1e-4)
    assert ds["contour_df"].values.tolist() == [1, 1, 2, 2]
    for rise in ds["contour_rise"].values:
        expected = 2 * np.pi * rise / np.sqrt(np.linalg.det(information))
        (line,) = contours(ds, rise)
        assert area(line) == pytest.approx(expected, rel=0.06 if rise < 1 else 0.03)
    assert ds["closed"].values.all()
    assert (ds.attrs["better_by"], ds.attrs["budget_used"], ds.attrs["unsettled"]) == (0.0, 0, 0)
    np.testing.assert_allclose(ds["estimate"][0], fit["optimum"].values[0], atol=1e-7)
    assert np.nanmin(f) == pytest.approx(0.0, abs=1e-9)  # the best fit is on the grid


def test_others_are_refitted():
    times = np.linspace(0, 3, 9)
    model = Model.from_equations({}, {"y": "a + b*t + c*t^2"}, ["a", "b", "c"])
    parameters = {name: estimated(0.5, -9, 9) for name in "abc"}
    problem = Problem(
        model, data_at(times, 0.3 - times + 0.4 * times**2), parameters=parameters, noise={"y": 0.1}
    )
    fit = idfit.fit(problem, 3, seed=1)
    ds = profile_2d(problem, fit, [("c", "a")])
    f, x, y = delta(ds)
    design = np.stack([times**0, times, times**2], 1)
    covariance = np.linalg.inv(design.T @ design / 0.01)[np.ix_([2, 0], [2, 0])]
    best = fit["optimum"].values[0]
    d = np.stack(np.meshgrid(x, y, indexing="ij"), -1) - best[[2, 0]]
    filled = np.isfinite(f)
    expected = 0.5 * np.einsum("xyi,ij,xyj->xy", d, np.linalg.inv(covariance), d)
    np.testing.assert_allclose(f[filled], expected[filled], atol=1e-6)
    # all cells below the 95 % contour were found, and b moved
    assert np.isfinite(f[expected < ds["contour_rise"].values[-1]]).all()
    assert np.ptp(ds["theta"].values[0][filled][:, 1]) > 0.1
    np.testing.assert_allclose(ds["theta"].values[0][filled][:, 2], (x[:, None] + 0 * y)[filled])


def test_the_banana_of_rosenbrock():
    ds = profile_2d(rosenbrock(), np.array([1.0, 1.0]), [("x", "y")], 1 - np.exp(-4.0))
    f, x, y = delta(ds)
    filled = np.isfinite(f)
    expected = (1 - x[:, None]) ** 2 + 100 * (y - x[:, None] ** 2) ** 2
    np.testing.assert_allclose(f[filled], expected[filled], atol=1e-6)
    assert filled[expected < 4.0].all()
    assert ds["contour_rise"].values[1] == pytest.approx(4.0)
    assert ds["closed"].values.all()
    lines = contours(ds, 4.0)
    low, high = np.concatenate(lines).min(axis=0), np.concatenate(lines).max(axis=0)
    np.testing.assert_allclose([low[0], high[0]], [-1, 3], atol=0.05)
    np.testing.assert_allclose([low[1], high[1]], [-0.17401, 9.00167], atol=0.25)
    # the section at x is 2·sqrt(4 - (1 - x)²)/10 long: π·2²/10 in all. The tips are thinner than a cell
    assert max(map(area, lines)) == pytest.approx(np.pi * 4 / 10, rel=0.08)


def test_a_grid_goes_as_far_as_the_profiles_of_its_parameters():
    ds = profile_2d(rosenbrock(), np.array([1.0, 1.0]), [("x", "y")], 1 - np.exp(-4.0 / 1.2))
    _, x, y = delta(ds)
    np.testing.assert_allclose([x[0], x[-1]], [-1, 3], atol=1e-4)
    np.testing.assert_allclose([y[0], y[-1]], [-0.17401, 9.00167], atol=1e-4)


def test_a_product_is_open_along_its_valley():
    oracle = product()
    ds = profile_2d(oracle.problem, idfit.fit(oracle.problem, 3, seed=1), [("a", "b")])
    f, x, y = delta(ds)
    assert not ds["closed"].values.any()
    a, b = np.meshgrid(10**x, 10**y, indexing="ij")
    best = float(ds["estimate"].values[0].sum())
    weight = np.sum(np.exp(-2 * np.linspace(0, 2, 5))) / 0.01
    filled = np.isfinite(f)
    np.testing.assert_allclose(
        f[filled], 0.5 * weight * (a * b - 10**best)[filled] ** 2, rtol=1e-5, atol=1e-6
    )
    # the valley is followed from bound to bound
    assert (x[-1], y[-1]) == pytest.approx((2.0, 2.0))
    assert filled.any(axis=1).all()
    assert filled.any(axis=0).all()


def test_a_region_ends_at_bounds():
    oracle = linear_gaussian()
    fit = idfit.fit(oracle.problem, 3, seed=1)
    a, b = fit["optimum"].values[0]
    error = float(fit["standard_error"].values[0, 1])
    bounded = oracle.problem.with_parameters({"b": {"min": b - 0.5 * error, "max": 5.0}})
    ds = profile_2d(bounded, np.array([a, b]), [("a", "b")])
    _, _, y = delta(ds)
    assert y[0] == pytest.approx(b - 0.5 * error, abs=1e-12)
    assert not ds["closed"].values.any()
    reached = ds["status"].values[0] == Status.CONVERGED
    assert reached[:, 0].any()
    assert np.nanmin(ds["theta"].values[0][..., 1]) >= b - 0.5 * error


# other branches, failures, budgets --------------------------------------------------------------------------


def test_a_lower_branch_spreads_to_all_cells_where_it_is_lower():
    """c has two branches, c ≈ 1 and c ≈ -1, of which the second is lower for a < 0."""
    observables = {"p": "a", "q": "b", "r": "c^2", "s": "c - a"}
    parameters = {"a": estimated(1.0, -9, 9), "b": estimated(0.0, -9, 9), "c": estimated(1.0, -9, 9)}
    problem = regression(observables, [0.5, 0.0, 1.0, 0.0], [1.0, 1.0, 0.7, 1.0], parameters)
    ds = profile_2d(problem, np.array([0.7, 0.0, 1.0]), [("a", "b")])
    f, x, y = delta(ds)
    c = np.linspace(-3, 3, 60001)[:, None]
    of_c = np.min(0.5 * ((c**2 - 1) / 0.7) ** 2 + 0.5 * (c - x) ** 2, axis=0)
    expected = (0.5 * (x - 0.5) ** 2 + of_c)[:, None] + 0.5 * y**2
    expected = expected - expected.min()
    filled = np.isfinite(f)
    np.testing.assert_allclose(f[filled] - f[filled].min(), expected[filled], atol=2e-3)
    assert (x < -0.5).any()  # beyond the switch of branches


def test_a_better_optimum_is_reported():
    observables = {"p": "a^2", "q": "a", "r": "b"}
    parameters = {"a": estimated(1.0, -9, 9), "b": estimated(0.0, -9, 9)}
    problem = regression(observables, [1.0, -0.4, 0.0], [0.6, 1.0, 1.0], parameters)
    ds = profile_2d(problem, np.array([0.9, 0.0]), [("a", "b")])
    f, x, _ = delta(ds)
    assert ds.attrs["better_by"] > 0.3
    assert ds.attrs["better_by"] == pytest.approx(-np.nanmin(f), abs=0.05)
    assert x[np.unravel_index(np.nanargmin(f), f.shape)[0]] < 0


def test_cells_that_fail_are_left_out_and_do_not_stop_the_others():
    """x' = k x² blows up where k x0 ≥ 1 before the last measurement."""
    model = Model.from_equations({"x": "k*x^2"}, {"y": "1/x"}, ["k"], {"x": "x0"})
    problem = Problem(
        model,
        {"time": [0.0, 0.5, 1.0], "value": [1.0, 0.65, 0.3]},
        parameters={"k": estimated(0.7, 0.05, 3), "x0": estimated(1.0, 0.3, 3)},
        noise={"y": 0.4},
    )
    ds = profile_2d(problem, np.array([0.7, 1.0]), [("k", "x0")])
    f, k, x0 = delta(ds)
    status = ds["status"].values[0]
    blown_up = k[:, None] * x0 > 1.0
    failed = status == Status.STEP_TOO_SMALL
    assert failed.any()
    assert blown_up[failed].all()
    assert np.isnan(f[failed]).all()
    assert np.isnan(ds["theta"].values[0][failed]).all()
    t = np.array([0.0, 0.5, 1.0])
    y = 1 / x0[None, :, None] - k[:, None, None] * t
    expected = np.sum(0.5 * ((y - [1.0, 0.65, 0.3]) / 0.4) ** 2, axis=-1)
    expected -= 0.5 * np.sum(((np.array([1 - 0.7 * s for s in t]) - [1.0, 0.65, 0.3]) / 0.4) ** 2)
    below = (expected < ds["contour_rise"].values[-1]) & (k[:, None] * x0 < 0.99)
    np.testing.assert_allclose(f[below], expected[below], atol=1e-5)


def test_a_refit_that_has_not_arrived_is_no_cell(monkeypatch):
    """As along a profile of one parameter: what is shown lies on the profile, the rest has its status."""
    few = replace(plane_cells.ON_THE_WAY, max_iterations=2)
    monkeypatch.setattr(plane_cells, "ON_THE_WAY", few)
    observables = {"p": "a", "q": "b", "r": "3*(c^2 - 1)", "s": "2*(c - a)"}
    parameters = {"a": estimated(1.0, -9, 9), "b": estimated(0.0, -9, 9), "c": estimated(1.0, -9, 9)}
    problem = regression(observables, [1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], parameters)
    ds = profile_2d(problem, np.array([1.0, 0.0, 1.0]), [("a", "b")])
    f, x, y = delta(ds)
    c = np.linspace(-3, 3, 60001)[:, None]
    of_c = np.min(4.5 * (c**2 - 1) ** 2 + 2 * (c - x) ** 2, axis=0)
    expected = (0.5 * (x - 1) ** 2 + of_c)[:, None] + 0.5 * y**2
    stopped = ds["status"].values[0] == Status.MAX_ITERATIONS
    assert stopped.any()
    assert np.isnan(f[stopped]).all()
    shown = np.isfinite(f) & (x > 0)[:, None]  # beyond is the other branch
    assert shown.any()
    np.testing.assert_allclose(f[shown], expected[shown], atol=1e-4)


def test_a_budget_of_cells_is_kept_and_said():
    ds = profile_2d(
        linear_gaussian().problem, np.array([0.5, -1.2]), [("a", "b")], options=PlaneOptions(max_cells=60)
    )
    assert ds.attrs["budget_used"] == 1
    assert ds["n_cells"].values.tolist() == [60]


# real data, workers, names ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bod():
    problem = idfit.load("models/bod_marske.toml", "data/bod_marske.csv")
    return problem, idfit.fit(problem, 1, seed=1, nominal=True)


def test_the_shadow_of_a_plane_is_the_profile(bod):
    """The least objective of each column is that of the profile of the first parameter."""
    problem, fit = bod
    ds = profile_2d(problem, fit, [("A", "k")], cells=30)
    f, x, y = delta(ds)
    objective, free = problem.objective(), np.array([False, True, True])
    checked = 0
    for i in range(2, len(x), 4):
        j = int(np.nanargmin(f[i]))
        if not 0 < j < len(y) - 1 or not np.isfinite(f[i, j - 1 : j + 2]).all():
            continue
        lowest = np.polynomial.Polynomial.fit(y[j - 1 : j + 2], f[i, j - 1 : j + 2], 2)
        theta = ds["theta"].values[0][i, j]
        exact = trust_region(objective, theta, LocalOptions(), NO_STOP, free=free)
        rise = exact.objective - ds.attrs["objective"]
        assert f[i, j] >= rise - 1e-6
        assert lowest(lowest.deriv().roots()[0]) == pytest.approx(rise, abs=0.03)
        checked += 1
    assert checked > 5


def test_any_number_of_workers_gives_the_same_bytes(bod):
    problem, fit = bod
    one, two = (
        profile_2d(problem, fit, [("A", "k"), ("k", "sd")], cells=8, runner=Runner(workers=n)) for n in (1, 2)
    )
    assert one.identical(two)
    for name in one.variables:
        assert one[name].values.tobytes() == two[name].values.tobytes()


def test_grids_of_different_size_go_on_unreached(bod):
    problem, fit = bod
    ds = profile_2d(problem, fit, [("A", "k"), ("k", "sd")], cells=8)
    for axis in ("x_value", "y_value"):
        assert (np.diff(ds[axis].values, axis=1) > 0).all()
    assert ds["status"].dtype == np.int8
    assert np.isnan(ds["objective"].values[ds["status"].values == Status.NOT_REACHED]).all()


def test_without_names_the_strongest_partners_are_taken():
    oracle = exponential_decay()
    ds = profile_2d(oracle.problem, idfit.fit(oracle.problem, 3, seed=1), cells=6)
    assert ds["pair"].values.tolist() == ["k, A0"]  # the noise is correlated with neither
    assert (ds["first"].values[0], ds["second"].values[0]) == ("k", "A0")


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("a", "nobody")], "'nobody' is not an estimated parameter"),
        ([("a", "a")], "two different"),
        (("a", "b"), "a pair is"),
        ([("a", "b"), ("a", "b")], "only once"),
        ([], "at least one"),
    ],
)
def test_pairs_that_are_none_are_refused(pairs, words):
    with pytest.raises(InputError, match=words):
        profile_2d(linear_gaussian().problem, np.array([0.5, -1.2]), pairs)


def test_other_options_are_refused():
    problem, theta = linear_gaussian().problem, np.array([0.5, -1.2])
    with pytest.raises(InputError, match="cells = 2"):
        profile_2d(problem, theta, cells=2)
    with pytest.raises(InputError, match="ci_prob"):
        profile_2d(problem, theta, ci_prob=95)
    with pytest.raises(InputError, match=r"ceiling = 1\.0"):
        PlaneOptions(ceiling=1.0)
