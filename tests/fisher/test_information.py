"""The information of a problem against closed forms, published figures, another library and differences."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import lmfit
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

import idfit
from idfit.errors import InputError, RunError
from idfit.fisher import fisher_information
from idfit.model import Model
from idfit.problem import Problem
from idfit.results import GROUPS
from tests.problems import ORACLES, Oracle, data_at, estimated, exponential_decay, linear_gaussian, product

ROOT = Path(__file__).resolve().parents[2]
LN10 = np.log(10)
KP, KD, S = 0.3, 0.7, 1.0


@cache
def oracle_of(name: str) -> Oracle:
    return ORACLES[name]()


def slope_of(problem: Problem, p: np.ndarray) -> np.ndarray:
    """dp/dtheta from the definitions of the scales."""
    factors = {"lin": np.ones_like(p), "log": p, "log10": p * LN10, "logit": p * (1 - p)}
    return np.array([factors[s][k] for k, s in enumerate(problem.parameters.scale)])


def phosphorylation(scale: str = "log", order=("kp", "kd", "s"), **more) -> Problem:
    """y = s P with sd 0.02 at t = 0.5, 1, …, 5: only s kp and kp + kd are determined."""
    model = Model.from_equations({"P": "kp*(1 - P) - kd*P"}, {"y": "s*P"}, list(order))
    times = np.arange(1, 11) / 2
    values = S * KP / (KP + KD) * (1 - np.exp(-(KP + KD) * times))
    nominal = {"kp": KP, "kd": KD, "s": S}
    parameters = {k: estimated(nominal[k], 1e-3, 1e3, scale) for k in order}
    return Problem(model, data_at(times, values), parameters=parameters, noise={"y": 0.02}, **more)


# closed forms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ORACLES)
def test_information_equals_the_closed_form_on_both_scales(name):
    oracle = oracle_of(name)
    problem = oracle.problem
    theta = problem.parameters.nominal_scaled + 0.05
    info = fisher_information(problem, theta, curvature=False)
    p = problem.parameters.to_natural(theta)
    natural, d = oracle.fim(p), slope_of(problem, p)
    size = np.sqrt(np.outer(np.diag(natural), np.diag(natural)))
    assert_allclose(info["fim"].sel(space="natural") / size, natural / size, atol=1e-6)
    weight = np.outer(d, d)
    assert_allclose(info["fim"].sel(space="estimation") / size / weight, natural / size, atol=1e-6)
    assert_allclose(info["theta"], theta)
    assert not info["prior_information"].any()


@pytest.mark.parametrize("name", ["linear-Gaussian", "exponential decay", "phosphorylation", "cubic input"])
def test_modes_are_eigenvectors_of_the_information_in_descending_order(name):
    info = fisher_information(oracle_of(name).problem, curvature=False)
    for space in ("estimation", "natural"):
        one = info.sel(space=space)
        f, vectors = one["fim"].values, one["eigenvector"].transpose("parameter", "mode").values
        assert (np.diff(one["eigenvalue"]) <= 0).all()
        assert_allclose(f @ vectors, vectors * one["eigenvalue"].values, atol=1e-9 * np.abs(f).max())
        assert_allclose(vectors.T @ vectors, np.eye(len(f)), atol=1e-12)
        assert (vectors[np.argmax(np.abs(vectors), axis=0), np.arange(len(f))] > 0).all()


def test_a_straight_line():
    """All is known in closed form, and all opinions agree: cov = σ² (XᵀX)⁻¹."""
    oracle = linear_gaussian()
    times = np.linspace(0, 3, 7)
    x = np.column_stack([np.ones(7), times])
    covariance = 0.1**2 * np.linalg.inv(x.T @ x)
    info = fisher_information(oracle.problem)
    for space in ("estimation", "natural"):
        one = info.sel(space=space)
        assert_allclose(one["covariance"], covariance, rtol=1e-12)
        for name in ("standard_error", "standard_error_data", "standard_error_observed"):
            assert_allclose(one[name], np.sqrt(np.diag(covariance)), rtol=1e-7)
        assert_allclose(
            one["correlation"][0, 1], covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        )
        assert one["correlation"][0, 1] < -0.8
        assert_allclose(one["slice_error"], 0.1 / np.sqrt([7, np.sum(times**2)]), rtol=1e-12)
        assert_allclose(one["sloppiness"], np.log10(np.divide(*np.linalg.eigvalsh(x.T @ x)[::-1])))
    assert info["nullity"].values.tolist() == [0, 0]
    assert not info["null_share"].any()


def test_order_of_the_parameters_is_that_of_the_problem():
    there, back = phosphorylation(), phosphorylation(order=("s", "kd", "kp"))
    one, two = fisher_information(there.fix(s=1)), fisher_information(back.fix(s=1))
    assert two["parameter"].values.tolist() == ["kd", "kp"]
    again = two.sel(parameter=["kp", "kd"], parameter_=["kp", "kd"])
    for name in ("fim", "covariance", "correlation", "hessian", "standard_error", "eigenvector"):
        assert_allclose(one[name], again[name], rtol=1e-6)
    assert abs(one["standard_error"][0, 0] / one["standard_error"][0, 1] - 1) > 0.1


# what the data leave open ----------------------------------------------------------------------------------


def test_phosphorylation_has_the_published_spectrum_and_null_vector():
    info = fisher_information(phosphorylation())
    assert info["eigenvalue"].values[0] == pytest.approx([3206, 28.4, 0], rel=2e-3, abs=1e-9)
    assert info["null"].values.tolist() == [[False, False, True]] * 2
    assert info["nullity"].values.tolist() == [1, 1]
    assert info["eigenvector"].values[0, :, 2] == pytest.approx([0.6767, -0.2900, -0.6767], abs=1e-4)
    exact = np.array([1 / KP, -1 / KD, -1 / KP])
    assert info["null_share"].values == pytest.approx(exact**2 / np.sum(exact**2), rel=1e-7)
    natural = np.array([1, -1, -S / KP])  # along kp of s kp and kp + kd held
    assert info["eigenvector"].values[1, :, 2] == pytest.approx(-natural / np.linalg.norm(natural), rel=1e-7)
    assert info["sloppiness"].values[0] == pytest.approx(np.log10(3206 / 28.4), abs=1e-3)
    for name in ("standard_error", "standard_error_data", "standard_error_observed", "covariance"):
        assert np.isnan(info[name]).all(), name
    assert np.isfinite(info["slice_error"]).all()


@pytest.mark.parametrize(("sd", "expected"), [(1, 1.007), (0.3, 0.322), (0.1, 0.154)])
def test_a_prior_of_the_scale_resolves_phosphorylation(sd, expected):
    problem = phosphorylation(priors={"s": f"normal(0, {sd}) on estimation"})
    info, bare = fisher_information(problem), fisher_information(phosphorylation())
    one = info.sel(space="estimation")
    assert one["standard_error"].sel(parameter="kp") == pytest.approx(expected, abs=6e-4)
    gradient = np.array([KP, KD, 0]) / (KP + KD)  # of ln(kp + kd)
    assert np.sqrt(gradient @ one["covariance"].values @ gradient) == pytest.approx(0.1409, abs=1e-4)
    # the prior stays out of what is said of the data
    for name in ("fim", "eigenvalue", "nullity", "null", "null_share"):
        assert_allclose(info[name], bare[name], rtol=1e-12)
    assert np.isnan(info["standard_error_data"]).all()
    assert_allclose(one["prior_information"], np.diag([0, 0, sd**-2]), rtol=1e-12)
    assert_allclose(info["prior_information"][1, 2, 2], sd**-2 / S**2, rtol=1e-12)
    assert_allclose(
        one["standard_error"] * [KP, KD, S], info["standard_error"].sel(space="natural"), rtol=1e-12
    )
    inverse = np.linalg.inv(one["fim"].values + one["prior_information"].values)
    assert_allclose(one["covariance"], inverse, rtol=1e-6)


def test_prior_and_slice_errors_on_the_natural_scale():
    info = fisher_information(phosphorylation("log10", priors={"kp": "normal(-0.5, 0.2) on estimation"}))
    slope = LN10 * KP
    assert_allclose(info["prior_information"].values[:, 0, 0], [0.2**-2, 0.2**-2 / slope**2], rtol=1e-12)
    total = info["fim"] + info["prior_information"]
    for space in (0, 1):
        assert_allclose(info["slice_error"][space], np.diag(total.values[space]) ** -0.5, rtol=1e-12)
        assert (info["slice_error"][space] <= info["standard_error"][space]).all()


def test_fixing_the_scale_resolves_phosphorylation():
    info = fisher_information(phosphorylation().fix(s=1))
    assert info["nullity"].values.tolist() == [0, 0]
    assert np.isfinite(info["standard_error"]).all()


def test_only_the_product_is_determined():
    info = fisher_information(product().problem)
    assert info["nullity"].values.tolist() == [1, 1]
    assert info["eigenvector"].values[0, 0, 1] == pytest.approx(
        -info["eigenvector"].values[0, 1, 1], rel=1e-9
    )
    assert info["eigenvector"].values[1, :, 1] == pytest.approx(
        np.array([2, -0.7]) / np.hypot(2, 0.7), rel=1e-9
    )
    assert info["null_share"].values == pytest.approx([0.5, 0.5])
    assert np.isnan(info["covariance"]).all()


@pytest.mark.parametrize("rtol", [1e-3, 1e-5, 1e-8, 1e-11, 1e-14])
def test_a_null_direction_that_the_integrator_does_not_keep_is_known_by_its_change(rtol):
    """z = P/(1 + P) of the phosphorylation: here the symmetry bends the states, and the numerical solution
    obeys it to within its error only."""
    model = Model.from_equations(
        {"z": "(1 - z)^2*(kp*(1 - z/(1 - z)) - kd*z/(1 - z))"}, {"y": "s*z/(1 - z)"}, ["kp", "kd", "s"]
    )
    parameters = {k: estimated(v, 1e-3, 1e3, "log") for k, v in {"kp": KP, "kd": KD, "s": S}.items()}
    data = data_at(np.arange(1, 11) / 2, np.zeros(10))
    problem = Problem(model, data, parameters=parameters, noise={"y": 0.02})
    info = fisher_information(problem, rtol=rtol, atol=1e-4 * rtol, curvature=False)
    assert info["nullity"].values.tolist() == [1, 1]
    assert np.isnan(info["standard_error"]).all()
    assert info.attrs["null_tolerance"] < 100 * max(rtol, 1e-12) ** 2


@pytest.mark.parametrize("rtol", [1e-4, 1e-8])
def test_an_error_that_does_not_change_is_not_taken_for_none(rtol):
    """x' = k takes the same steps at any accuracy; the accuracy that was asked for is the limit then."""
    model = Model.from_equations({"x": "k"}, {"y": "a*x"}, ["k", "a"])
    parameters = {"k": estimated(1.0, 0.1, 10, "log"), "a": estimated(1.0, 0.1, 10, "log")}
    problem = Problem(model, data_at([1.0, 2.0], np.zeros(2)), parameters=parameters, noise={"y": 0.1})
    info = fisher_information(problem, rtol=rtol)
    assert info.attrs["null_tolerance"] == pytest.approx(rtol**2)
    assert info["nullity"].values.tolist() == [1, 1]


@pytest.mark.parametrize("gap", [1e-2, 1e-3])
def test_a_sloppy_direction_is_not_called_undetermined(gap):
    """Two exponentials with nearly the same rate: eigenvalues over many decades, none of them zero."""
    times, rates = np.linspace(0.2, 5, 25), np.array([1.0, 1.0 + gap])
    model = Model.from_equations(
        {"x": "-k1*x", "z": "-k2*z"}, {"y": "x + z"}, ["k1", "k2", "a1", "a2"], {"x": "a1", "z": "a2"}
    )
    nominal = {"k1": rates[0], "k2": rates[1], "a1": 1.0, "a2": 1.0}
    parameters = {k: estimated(v, 0.01, 10) for k, v in nominal.items()}
    data = data_at(times, np.zeros(25))
    info = fisher_information(Problem(model, data, parameters=parameters, noise={"y": 1e-3}), curvature=False)
    assert info["nullity"].values.tolist() == [0, 0]
    e = np.exp(-np.outer(times, rates))
    jacobian = np.hstack([-times[:, None] * e, e]) / 1e-3
    exact = np.linalg.svd(jacobian, compute_uv=False) ** 2
    # far beyond what the eigenvalues of the matrix itself would show
    assert exact[-1] / exact[0] < (1e-20 if gap < 1e-2 else 1e-14)
    assert_allclose(info["eigenvalue"].values[0], exact, rtol=1e-3)
    assert_allclose(info["sloppiness"].values[0], np.log10(exact[0] / exact[-1]), atol=1e-3)
    assert info.attrs["eigenvalue_error"] < 1e-2


def test_boehm_is_sloppy_but_nothing_is_undetermined():
    problem = idfit.load(ROOT / "models/boehm.toml", ROOT / "data/boehm.csv")
    info = fisher_information(problem)
    assert info["nullity"].values.tolist() == [0, 0]
    assert info["sloppiness"].values[0] > 12
    assert "noise" in info.attrs["curvature_reason"]  # three of them
    assert np.isnan(info["curvature_factor"])


def test_a_parameter_without_influence_is_a_null_direction_of_its_own():
    model = Model.from_equations({"x": "-k*x"}, {"y": "x + max(b - 5, 0)"}, ["k", "b"], {"x": 1})
    parameters = {"k": estimated(1.0, 0.1, 10, "log"), "b": estimated(1.0, 0.1, 10)}
    problem = Problem(model, data_at([1.0, 2.0], np.zeros(2)), parameters=parameters, noise={"y": 0.1})
    info = fisher_information(problem)
    assert info["nullity"].values.tolist() == [1, 1]
    assert info["null_share"].values == pytest.approx([0, 1], abs=1e-12)
    assert np.isfinite(info["standard_error"].values).tolist() == [[True, False]] * 2
    assert info["slice_error"].values[0, 1] == np.inf


# priors, bounds, the Hessian -------------------------------------------------------------------------------


def decay_at_bound(scale: str = "log10") -> tuple[Problem, Oracle]:
    """The best rate, about 0.6, lies beyond the upper bound."""
    problem = exponential_decay().problem
    return problem.with_parameters({"k": {"max": 0.4, "value": 0.3, "scale": scale}}), exponential_decay()


@pytest.mark.parametrize("scale", ["lin", "log", "log10", "logit"])
def test_hessian_at_a_bound_is_that_of_each_scale(scale):
    """The gradient of k is not zero there, so the Hessians differ by more than the slopes."""
    problem, oracle = decay_at_bound(scale)
    fit = idfit.fit(problem, n_starts=3, seed=1)
    assert fit["at_bound"].values.tolist() == [1, 0, 0]
    info = fisher_information(problem, fit)
    p = problem.parameters.to_natural(info["theta"].values)
    steps = np.diag(1e-5 * p)
    exact = np.array(
        [(oracle.gradient(p + h) - oracle.gradient(p - h)) / (2 * h.sum()) for h in steps]
    )  # on the natural scale, from the closed form
    size = np.sqrt(np.abs(np.outer(np.diag(exact), np.diag(exact))))
    assert_allclose(info["hessian"].values[1] / size, exact / size, atol=2e-4)
    d = slope_of(problem, p)
    naive = info["hessian"].values[0] / np.outer(d, d)
    assert (abs(naive[0, 0] / exact[0, 0] - 1) > 0.05) == (scale != "lin")


def test_a_parameter_at_its_bound_takes_no_part_in_the_errors():
    problem, oracle = decay_at_bound()
    fit = idfit.fit(problem, n_starts=3, seed=1)
    info = fisher_information(problem, fit)
    assert info.attrs["held_at_bound"] == "k"
    p = problem.parameters.to_natural(info["theta"].values)
    assert_allclose(info["fim"].values[1], oracle.fim(p), rtol=1e-5, atol=1e-4)
    assert info["eigenvalue"].shape == (2, 3)
    inside = np.linalg.inv(oracle.fim(p)[1:, 1:])
    assert_allclose(info["covariance"].values[1, 1:, 1:], inside, rtol=1e-6, atol=1e-12)
    for name in ("standard_error", "standard_error_data", "standard_error_observed", "slice_error"):
        assert np.isnan(info[name].sel(parameter="k")).all(), name
        assert np.isfinite(info[name].sel(parameter=["A0", "sd"])).all(), name
    assert np.isnan(info["covariance"].values[:, 0]).all()
    assert np.isnan(info["covariance"].values[:, :, 0]).all()
    assert_allclose(info["standard_error"].values[0], fit["standard_error_expected"].values[0], rtol=1e-9)


def test_errors_equal_those_of_the_fit():
    problem = exponential_decay().problem
    fit = idfit.fit(problem, n_starts=3, seed=1)
    info = fisher_information(problem, fit)
    assert info.attrs["point"] == "best fit"
    assert_allclose(info["fim"].values[0], fit["fim"], rtol=1e-12)
    assert_allclose(info["hessian"].values[0], fit["hessian"], rtol=1e-12)
    assert_allclose(info["standard_error"], fit["standard_error_expected"], rtol=1e-9)
    assert_allclose(info["standard_error_observed"], fit["standard_error"], rtol=1e-4)


def test_hessian_off_the_optimum_equals_second_differences_of_the_objective():
    problem = exponential_decay().problem
    theta = problem.parameters.nominal_scaled + np.array([0.1, -0.3, 0.4])
    info = fisher_information(problem, theta, rtol=1e-11)
    objective = problem.objective(1e-11)

    def value(p):
        return objective(problem.parameters.to_scaled(p), 0).objective

    p = problem.parameters.to_natural(theta)
    steps = np.diag(1e-3 * p)
    second = np.array(
        [
            [
                (value(p + a + b) - value(p + a - b) - value(p - a + b) + value(p - a - b))
                / (4 * a.sum() * b.sum())
                for b in steps
            ]
            for a in steps
        ]
    )
    size = np.sqrt(np.abs(np.outer(np.diag(second), np.diag(second))))
    assert_allclose(info["hessian"].values[1] / size, second / size, atol=1e-4)


def test_observed_errors_are_nan_where_the_curvature_is_negative():
    """y = a^3 b at a point far above the data, where the objective is concave along a."""
    model = Model.from_equations({}, {"y": "a^3*t"}, ["a"])
    data = {"time": [1.0, 2.0], "value": [100.0, 200.0]}
    problem = Problem(model, data, parameters={"a": estimated(1.0, 0.1, 10)}, noise={"y": 1})
    info = fisher_information(problem)
    assert (info["hessian"] < 0).all()
    assert np.isnan(info["standard_error_observed"]).all()
    assert info["standard_error"].values[0] == pytest.approx(1 / np.sqrt(9 * 5))


# other opinions --------------------------------------------------------------------------------------------


def test_covariance_equals_that_of_lmfit():
    oracle = exponential_decay()
    problem = oracle.problem.fix(sd=0.1)
    fit = idfit.fit(problem, n_starts=3, seed=1)
    info = fisher_information(problem, fit)
    parameters = lmfit.Parameters()
    parameters.add("k", 0.5)
    parameters.add("A0", 2.0)

    def residual(given):
        return (oracle.solution(np.array([given["k"].value, given["A0"].value])) - oracle.values) / 0.1

    theirs = lmfit.minimize(residual, parameters, scale_covar=False)
    assert_allclose(info["covariance"].values[1], theirs.covar, rtol=1e-4)
    assert info["correlation"].values[1, 0, 1] == pytest.approx(theirs.params["k"].correl["A0"], rel=1e-4)


@pytest.mark.parametrize(
    ("noise", "column"),
    [
        ({"noise": "sd"}, {}),
        ({"noise": "sd*y", "distribution": "laplace"}, {}),
        ({"noise": "sd", "distribution": "student-t", "dof": 4}, {}),
        ({"noise": "sd", "transform": "log"}, {}),
        ({"noise": "sd"}, {"censored": ["", "left", "right", ""]}),
    ],
    ids=["normal", "laplace", "student-t", "log", "censored"],
)
def test_the_spectrum_belongs_to_the_information_for_every_noise(noise, column):
    """The root of the information is summed up apart from the information itself."""
    model = Model.from_equations({"x": "-k*x"}, {"y": "x"}, ["k"], {"x": 1})
    data = {"time": [0.5, 1.0, 2.0, 3.0], "value": [0.7, 0.3, 0.2, 0.1], **column}
    parameters = {"k": estimated(0.8, 0.01, 10, "log10"), "sd": estimated(0.2, 0.01, 1, "log")}
    info = fisher_information(
        Problem(model, data, parameters=parameters, noise={"y": noise}), curvature=False
    )
    for space in (0, 1):
        assert_allclose(
            info["eigenvalue"].values[space], np.linalg.eigvalsh(info["fim"].values[space])[::-1], rtol=1e-10
        )


# what goes in and out --------------------------------------------------------------------------------------


def test_the_point_and_the_accuracy_come_from_the_fit_unless_given():
    problem = exponential_decay().problem
    fit = idfit.fit(problem, n_starts=2, seed=1, rtol=1e-6, atol=1e-9)
    info = fisher_information(problem, fit, curvature=False)
    assert (info.attrs["rtol"], info.attrs["atol"]) == (1e-6, 1e-9)
    assert_allclose(info["theta"], fit["optimum"].values[0])
    assert fisher_information(problem, fit, rtol=1e-10, curvature=False).attrs["rtol"] == 1e-10
    nominal = fisher_information(problem)
    assert (nominal.attrs["point"], nominal.attrs["rtol"], nominal.attrs["atol"]) == (
        "nominal values",
        1e-8,
        1e-12,
    )
    given = fisher_information(problem, list(problem.parameters.nominal_scaled))
    assert given.attrs["point"] == "given point"
    assert_allclose(given["fim"], nominal["fim"], rtol=1e-14)
    assert nominal.attrs["held_at_bound"] == ""


def test_the_dataset_has_all_of_its_group_and_survives_a_file(tmp_path):
    info = fisher_information(exponential_decay().problem)
    assert set(GROUPS["fisher"].variables) == set(info.data_vars)
    info.to_netcdf(tmp_path / "fisher.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "fisher.nc", engine="h5netcdf") as back:
        xr.testing.assert_equal(info, back.load())
        assert back.attrs["null_rule"] == info.attrs["null_rule"]
        assert back.attrs["held_at_bound"] == ""


def test_a_point_that_cannot_be_evaluated_says_why():
    model = Model.from_equations({"x": "a*x^2"}, {"y": "x"}, ["a"], {"x": 1})
    problem = Problem(
        model, data_at([1.0, 2.0], np.zeros(2)), parameters={"a": estimated(0.1, 0, 10)}, noise={"y": 1}
    )
    with pytest.raises(RunError, match=r"given point \[5.0\] .*step size vanished"):
        fisher_information(problem, [5.0])


def test_what_does_not_belong_to_the_problem_is_refused():
    problem = exponential_decay().problem
    fit = idfit.fit(problem, n_starts=2, seed=1)
    with pytest.raises(InputError, match="fit has the parameters k, A0, sd, the problem A0, sd"):
        fisher_information(problem.fix(k=0.5), fit)
    with pytest.raises(InputError, match="fit has the scales log10, lin, log"):
        fisher_information(problem.with_parameters({"k": {"scale": "lin"}}), fit)
    with pytest.raises(InputError, match="no 'optimum'"):
        fisher_information(problem, fit.drop_vars("optimum"))
    with pytest.raises(InputError, match=r"shape \(2,\)"):
        fisher_information(problem, [0.0, 1.0])
    with pytest.raises(InputError, match="no parameter is estimated"):
        fisher_information(problem.fix(k=0.5, A0=2, sd=0.1))
    model = Model.from_equations({}, {"y": "a"}, ["a"])
    with pytest.raises(InputError, match="no measurements"):
        fisher_information(Problem(model, parameters={"a": estimated(1.0, 0, 2)}, noise={"y": 0.1}))
