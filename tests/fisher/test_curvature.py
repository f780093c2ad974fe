"""Curvatures against published figures, a circle, and the average over all directions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import idfit
from idfit.fisher import fisher_information
from idfit.fisher.curvature import curvatures
from idfit.model import Model
from idfit.problem import Problem
from tests.fisher.problems_of_regression import puromycin
from tests.problems import estimated, linear_gaussian, phosphorylation


def test_puromycin_has_the_published_curvatures():
    info = fisher_information(puromycin(), idfit.fit(puromycin(), n_starts=3, seed=1))
    factor = float(info["curvature_factor"])
    assert factor == pytest.approx(np.sqrt(stats.f.ppf(0.95, 2, 10)), rel=1e-12)
    assert info["parameter_effects_curvature"].values == pytest.approx([0.2121, 0.2121], abs=6e-5)
    assert info["intrinsic_curvature"].values == pytest.approx([0.0920, 0.0920], abs=6e-5)
    assert info["parameter_effects_curvature"].values / factor == pytest.approx([0.1047, 0.1047], abs=6e-5)
    assert info["intrinsic_curvature"].values / factor == pytest.approx([0.0454, 0.0454], abs=6e-5)
    assert info.attrs["curvature_reason"] == ""


@pytest.mark.parametrize("scale", ["log", "log10"])
def test_logarithms_change_the_parameter_effects_alone(scale):
    problem = puromycin(scale)
    info = fisher_information(problem, idfit.fit(problem, n_starts=3, seed=1))
    assert info["parameter_effects_curvature"].values == pytest.approx([0.1473, 0.2121], abs=6e-5)
    assert info["intrinsic_curvature"].values == pytest.approx([0.0920, 0.0920], abs=6e-5)


def test_known_noise_is_not_estimated_again():
    """s = 1 in units of the noise, so the curvature is proportional to the noise given."""
    s = np.sqrt(1195.449 / 10)  # least squares sum over its degrees of freedom
    info = fisher_information(puromycin(noise=float(s)))
    assert info["intrinsic_curvature"].values == pytest.approx([0.0920, 0.0920], abs=6e-5)
    half = fisher_information(puromycin(noise=float(s) / 2))
    assert_allclose(half["intrinsic_curvature"] * 2, info["intrinsic_curvature"], rtol=1e-4)


@pytest.mark.parametrize("scale", ["lin", "log"])
def test_a_circle(scale):
    """(R cos a, R sin a) has the curvature 1/R everywhere, and steps of equal size: nothing is left to a.

    By ln a the steps grow: |tangential acceleration|/|velocity|² = a R/(a R)².
    """
    radius, sd, a = 5.0, 0.2, 0.8
    model = Model.from_equations({}, {"y": f"{radius}*cos(a - t)"}, ["a"])
    data = {"time": [0.0, np.pi / 2], "value": [3.0, 4.0]}
    problem = Problem(model, data, parameters={"a": estimated(a, 0.1, 3, scale)}, noise={"y": sd})
    info = fisher_information(problem)
    factor = np.sqrt(stats.f.ppf(0.95, 1, 1))
    assert_allclose(info["intrinsic_curvature"], 2 * [factor * sd / radius], rtol=1e-4)
    effects = factor * sd / (a * radius) if scale == "log" else 0.0
    assert_allclose(info["parameter_effects_curvature"], [effects, 0], rtol=1e-4, atol=1e-4 * factor)


def test_a_straight_line_has_none():
    info = fisher_information(linear_gaussian().problem)
    assert_allclose(info["parameter_effects_curvature"], 0, atol=1e-9)
    assert_allclose(info["intrinsic_curvature"], 0, atol=1e-9)


def test_root_mean_square_is_the_average_over_all_directions():
    """Of the curvature of each straight path, |acceleration|/|velocity|², in and out of the tangent plane."""
    rng = np.random.default_rng(3)
    jacobian, second = rng.normal(size=(6, 2)), rng.normal(size=(6, 2, 2))
    second = second + second.swapaxes(1, 2)
    q, r = np.linalg.qr(jacobian)
    angle = 2 * np.pi * np.arange(64) / 64
    # directions that are uniform on the unit circle of the tangent plane
    directions = np.linalg.solve(r, np.array([np.cos(angle), np.sin(angle)]))
    acceleration = np.einsum("nij,ia,ja->na", second, directions, directions)
    tangential = q @ (q.T @ acceleration)
    expected = [np.sqrt(np.mean(np.sum(v**2, axis=0))) for v in (tangential, acceleration - tangential)]
    assert_allclose(curvatures(jacobian, second, 1.0), expected, rtol=1e-12)
    assert_allclose(curvatures(jacobian, second, 3.0), 3 * np.array(expected), rtol=1e-12)


def line(noise, n=4, **columns) -> Problem:
    model = Model.from_equations({}, {"y": "exp(a*t)", "z": "b + a*t"}, ["a", "b"])
    data = {
        "time": np.arange(1.0, n + 1),
        "value": np.arange(1.0, n + 1),
        "observable": ["y", *["z"] * (n - 1)],
    }
    names = {"a": 0.3, "b": 0.5, "sd": 0.3, "other": 0.2}
    parameters = {k: estimated(v, 0.01, 10) for k, v in names.items() if k in "ab" or k in str(noise)}
    return Problem(model, data | columns, parameters=parameters, noise=noise)


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (lambda: line({"y": "sd", "z": "other"}), "one estimated factor"),
        (lambda: line({"y": "sd*y", "z": "sd"}), "one estimated factor"),
        (lambda: line({"y": "sd", "z": 0.3}), "one estimated factor"),
        (lambda: line({"y": 0.3, "z": {"noise": 0.3, "distribution": "laplace"}}), "normal noise"),
        (lambda: line({"y": 0.3, "z": 0.3}, censored=["", "", "left", ""]), "censored"),
        (lambda: line({"y": 0.3, "z": 0.3}, n=2), "2 free parameters of the predictions for 2 measurements"),
        (lambda: phosphorylation().problem, "undetermined"),
    ],
    ids=["two noises", "noise of the prediction", "part known", "laplace", "censored", "no freedom", "null"],
)
def test_where_there_is_no_such_curvature_the_reason_is_given(problem, reason):
    info = fisher_information(problem())
    assert reason in info.attrs["curvature_reason"]
    for name in ("parameter_effects_curvature", "intrinsic_curvature", "curvature_factor"):
        assert np.isnan(info[name]).all()


def test_a_common_noise_need_not_be_the_same_number_everywhere():
    info = fisher_information(line({"y": "2*sd", "z": "sd"}))
    assert info.attrs["curvature_reason"] == ""
    assert (info["intrinsic_curvature"] > 0).all()


def test_a_parameter_at_its_bound_is_no_direction():
    problem = line({"y": 0.3, "z": 0.3}).with_parameters({"b": {"value": 0.01}})
    info = fisher_information(problem)
    assert info.attrs["held_at_bound"] == "b"
    fixed = fisher_information(problem.fix(b=0.01))
    for name in ("parameter_effects_curvature", "intrinsic_curvature", "curvature_factor"):
        assert_allclose(info[name], fixed[name], rtol=1e-9)


def test_not_asked_for():
    info = fisher_information(puromycin(), curvature=False)
    assert np.isnan(info["intrinsic_curvature"]).all()
    assert info.attrs["curvature_reason"] == "not asked for"
