"""lmfit's view of a problem, and a fit as lmfit's result."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import lmfit
import numpy as np
import pytest

import idfit
from idfit.optimize.lmfit_bridge import lmfit_names

ROOT = Path(__file__).resolve().parents[2]
X = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
Y = np.array([2.1, 3.9, 6.2, 7.8, 10.3])
NOISE = 0.3


@cache
def model(name: str) -> idfit.Problem:
    return idfit.load(ROOT / f"models/{name}.toml", ROOT / f"data/{name}.csv")


def line() -> idfit.Problem:
    """y = a + b t with known noise: least squares in closed form."""
    return idfit.Problem(
        idfit.Model.from_equations({}, {"y": "a + b*t"}, ["a", "b"]),
        {"time": X, "observable": ["y"] * 5, "value": Y},
        parameters={n: {"value": 1.0, "min": -50, "max": 50} for n in "ab"},
        noise={"y": NOISE},
    )


def closed_form() -> tuple[np.ndarray, np.ndarray]:
    design = np.column_stack([np.ones(5), X])
    covariance = NOISE**2 * np.linalg.inv(design.T @ design)
    return np.linalg.lstsq(design, Y, rcond=None)[0], covariance


def test_lmfit_is_imported_only_when_used():
    code = "import sys, idfit.optimize; idfit.optimize.to_lmfit; sys.exit('lmfit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_parameters_have_values_bounds_and_names():
    parameters, residual = idfit.to_lmfit(model("alpha_pinene"))
    space = model("alpha_pinene").parameters
    assert isinstance(parameters, lmfit.Parameters)
    assert list(parameters) == list(space.names) == list(residual.names)
    assert [p.value for p in parameters.values()] == pytest.approx(list(space.nominal))
    assert [p.min for p in parameters.values()] == pytest.approx(list(space.lower))
    assert [p.max for p in parameters.values()] == pytest.approx(list(space.upper))
    assert all(p.expr is None and p.vary for p in parameters.values())


def test_names_become_identifiers():
    parameters, residual = idfit.to_lmfit(model("falling_smartphone"))
    assert "vt_fall_01" in parameters
    names = model("falling_smartphone").parameters.names
    assert residual.names[names.index("vt[fall_01]")] == "vt_fall_01"
    given = ["a[1]", "a_1", "a(1)", "lambda", "1x", "[", "eval"]
    made = lmfit_names(given)
    assert len(set(made)) == len(given)
    assert all(lmfit.parameter.valid_symbol_name(name) for name in made)


@pytest.mark.parametrize("scale", ["natural", "estimation"])
@pytest.mark.parametrize("name", ["boehm", "lynx_hare", "abts_laccase"])
def test_residuals_give_the_objective(name, scale):
    problem = model(name)
    parameters, residual = idfit.to_lmfit(problem, scale)
    rows = residual(parameters)
    expected = problem.objective()(problem.parameters.nominal_scaled, 0).objective
    assert 0.5 * rows @ rows + residual.form.constant == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("scale", ["natural", "estimation"])
def test_jacobian_has_a_column_for_each_parameter_that_varies(scale):
    parameters, residual = idfit.to_lmfit(model("lynx_hare"), scale, rtol=1e-11)
    names = list(parameters)
    parameters[names[1]].vary = False
    jacobian = residual.jacobian(parameters)
    assert jacobian.shape == (residual.form.n_rows, len(names) - 1)
    for column, name in enumerate(n for n in names if n != names[1]):
        moved = [parameters.copy(), parameters.copy()]
        step = 1e-5 * abs(parameters[name].value)
        for copy, sign in zip(moved, (1, -1), strict=True):
            copy[name].value = parameters[name].value + sign * step
        difference = (residual(moved[0]) - residual(moved[1])) / (2 * step)
        size = np.abs(difference).max()
        assert jacobian[:, column] == pytest.approx(difference, abs=1e-5 * size)


@pytest.mark.parametrize("method", ["leastsq", "least_squares", "nelder"])
def test_minimizer_finds_the_closed_form(method):
    result = idfit.to_lmfit(line()).minimizer().minimize(method=method)
    best, covariance = closed_form()
    assert [p.value for p in result.params.values()] == pytest.approx(best, abs=1e-3)
    if method == "leastsq":
        # not scaled by the reduced chi square, as the noise is known
        assert result.covar == pytest.approx(covariance, rel=1e-5)


def test_minimizer_with_the_exact_jacobian():
    bridge = idfit.to_lmfit(model("alpha_pinene"), "estimation")
    result = bridge.minimizer().minimize(method="leastsq", Dfun=bridge.residual.jacobian, col_deriv=False)
    ours = idfit.fit(model("alpha_pinene"), n_starts=0, nominal=True, seed=1)
    assert [p.value for p in result.params.values()] == pytest.approx(ours["theta"].values[0], abs=1e-5)


def test_a_failing_model_gives_large_finite_residuals():
    problem = idfit.Problem(
        idfit.Model.from_equations({}, {"y": "a"}, ["a"]),
        {"time": [1.0], "observable": ["y"], "value": [0.5]},
        parameters={"a": {"value": 0.5, "min": -1, "max": 1}},
        noise={"y": {"noise": 0.1, "transform": "log"}},
    )
    parameters, residual = idfit.to_lmfit(problem)
    parameters["a"].value = -0.5
    assert (residual(parameters) == 1e50).all()
    assert (residual.jacobian(parameters) == 0.0).all()


def test_refusals():
    with pytest.raises(idfit.InputError, match="'log'"):
        idfit.to_lmfit(line(), "log")  # pyright: ignore[reportArgumentType]
    with pytest.raises(idfit.InputError, match="no measurements"):
        idfit.to_lmfit(idfit.load(ROOT / "models/boehm.toml"))
    laplace = idfit.Problem(
        idfit.Model.from_equations({}, {"y": "a"}, ["a"]),
        {"time": [1.0], "observable": ["y"], "value": [0.5]},
        parameters={"a": {"value": 0.5, "min": -1, "max": 1}},
        noise={"y": {"noise": 0.1, "distribution": "laplace"}},
    )
    with pytest.raises(idfit.InputError, match="observable y: laplace noise"):
        idfit.to_lmfit(laplace)
    assert idfit.fit(laplace, n_starts=1, seed=1)["estimate"].item() == pytest.approx(0.5, abs=1e-3)


def test_minimizer_result_of_a_fit():
    problem = line()
    fit = idfit.fit(problem, n_starts=3, seed=1)
    result = idfit.to_minimizer_result(problem, fit)
    best, covariance = closed_form()
    assert isinstance(result, lmfit.minimizer.MinimizerResult)
    assert [p.value for p in result.params.values()] == pytest.approx(best)
    assert result.covar == pytest.approx(covariance, rel=1e-6)
    assert result.params["a"].stderr == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-6)
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert result.params["a"].correl == pytest.approx({"b": correlation})
    residual = (best[0] + best[1] * X - Y) / NOISE
    assert result.residual == pytest.approx(residual)
    assert result.chisqr == pytest.approx(residual @ residual)
    assert (result.ndata, result.nvarys, result.nfree) == (5, 2, 3)
    assert result.redchi == pytest.approx(result.chisqr / 3)
    nllh = 0.5 * result.chisqr + 5 * np.log(NOISE * np.sqrt(2 * np.pi))
    assert result.aic == pytest.approx(2 * nllh + 4)
    assert result.bic == pytest.approx(2 * nllh + 2 * np.log(5))
    assert result.success
    assert result.nfev >= 2
    assert "[[Variables]]" in lmfit.fit_report(result)


def test_minimizer_result_of_an_optimum_on_a_bound():
    problem = model("methanol_to_hydrocarbons")
    result = idfit.to_minimizer_result(problem, idfit.fit(problem, n_starts=0, nominal=True, seed=1))
    assert result.params["p5"].value == 0.0
    assert result.params["p5"].stderr is None
    assert "p5" not in result.params["p1"].correl
    assert not result.errorbars
    assert np.isnan(result.covar[list(result.params).index("p5")]).all()
    assert "p5" in lmfit.fit_report(result)


def test_minimizer_result_of_another_problem_is_refused():
    fit = idfit.fit(line(), n_starts=1, seed=1)
    with pytest.raises(idfit.InputError, match="another problem"):
        idfit.to_minimizer_result(model("boehm"), fit)


@pytest.mark.parametrize("method", ["differential_evolution", "basinhopping", "dual_annealing"])
def test_methods_with_random_numbers_repeat(method):
    from idfit.optimize import LocalOptions

    first, again = (
        idfit.fit(line(), 1, seed=2, optimizer=f"lmfit:{method}", options=LocalOptions(max_iterations=40))
        for _ in range(2)
    )
    assert first["theta"].values.tobytes() == again["theta"].values.tobytes()
    assert first["estimate"].values == pytest.approx(closed_form()[0], abs=0.1)
