"""Criteria and likelihood ratios against closed forms of linear regression, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import idfit
from idfit.errors import InputError, RunError
from idfit.model import Model
from idfit.prediction import compare, likelihood_ratio
from idfit.problem import Problem
from tests.problems import estimated

TIMES = np.linspace(0.0, 4.0, 12)
VALUES = 0.4 + 0.9 * TIMES + 0.15 * np.sin(7.0 * np.arange(12))


def polynomial(
    noise: float | str = 0.2, c_bounds: tuple[float, float] = (-5.0, 5.0), **observable
) -> Problem:
    """y = a + b t + c t²."""
    model = Model.from_equations({}, {"y": "a + b*t + c*t^2"}, ["a", "b", "c"])
    parameters = {n: estimated(0.5, -5, 5) for n in "ab"} | {"c": estimated(sum(c_bounds) / 10, *c_bounds)}
    if noise == "sd":
        parameters["sd"] = estimated(0.2, 1e-3, 10, "log")
    data = {"time": list(TIMES), "value": list(VALUES)}
    return Problem(model, data, parameters=parameters, noise={"y": {"noise": noise, **observable}})


def fitted(problem: Problem):
    return problem, idfit.fit(problem, 4, 1)


def rss(degree: int) -> float:
    return float(np.sum((np.polyval(np.polyfit(TIMES, VALUES, degree), TIMES) - VALUES) ** 2))


def test_criteria_of_regressions_are_the_textbook_s():
    full = polynomial("sd")
    table = compare(
        {
            "line": fitted(full.fix(c=0.0)),
            "parabola": fitted(full),
            "constant": fitted(full.fix(b=0.0, c=0.0)),
        }
    )
    for name, degree in (("constant", 0), ("line", 1), ("parabola", 2)):
        n, k = 12, degree + 2
        nllh = 0.5 * n * (np.log(2 * np.pi * rss(degree) / n) + 1)
        at = table.sel(model=name)
        assert float(at["aic"]) == pytest.approx(2 * nllh + 2 * k, rel=1e-8)
        assert float(at["aicc"]) == pytest.approx(2 * nllh + 2 * k * n / (n - k - 1), rel=1e-8)
        assert float(at["bic"]) == pytest.approx(2 * nllh + k * np.log(n), rel=1e-8)
    assert (np.diff(table["aicc"]) > 0).all()
    assert table["model"].values[-1] == "constant"
    assert float(table["weight"].sum()) == pytest.approx(1.0)
    delta = table["delta"].values
    assert table["weight"].values == pytest.approx(table["weight"].values[0] * np.exp(-0.5 * delta))


def test_the_ratio_of_nested_regressions_is_the_difference_of_their_chi2():
    full = polynomial()
    test = likelihood_ratio(fitted(full.fix(b=0.0, c=0.0)), fitted(full))
    expected = (rss(0) - rss(2)) / 0.04
    assert float(test["statistic"]) == pytest.approx(expected, rel=1e-8)
    assert int(test["df"]) == 2
    assert float(test["p_value"]) == pytest.approx(stats.chi2.sf(expected, 2), rel=1e-6)
    assert str(test["nesting_label"].values) == "inside"


def test_a_value_on_a_bound_has_half_the_probability():
    free, below, above = (polynomial(c_bounds=bounds) for bounds in ((-5.0, 5.0), (0.0, 5.0), (-5.0, 0.0)))
    tests = [likelihood_ratio(fitted(p.fix(c=0.0)), fitted(p)) for p in (free, below, above)]
    # the best c is positive, so that a lower bound of 0 changes nothing and an upper one leaves no gain
    assert float(tests[1]["statistic"]) == pytest.approx(float(tests[0]["statistic"]), abs=1e-7)
    assert float(tests[1]["p_value"]) == pytest.approx(0.5 * float(tests[0]["p_value"]), rel=1e-6)
    assert float(tests[2]["statistic"]) == pytest.approx(0.0, abs=1e-7)
    assert float(tests[2]["p_value"]) > 0.49
    assert [str(t["nesting_label"].values) for t in tests] == ["inside", "on_bound", "on_bound"]
    assert tests[1]["distribution"].item() == "0.5 chi2(0) + 0.5 chi2(1)"


def test_the_ratio_has_the_distribution_that_is_claimed():
    """600 data sets of a line: inside the bounds χ²(1), on a bound its mixture with zero."""
    rng, design = np.random.default_rng(5), np.stack([np.ones(12), TIMES, TIMES**2], 1)
    inside, bounded = [], []
    for _ in range(600):
        y = 0.4 + 0.9 * TIMES + 0.2 * rng.standard_normal(12)
        full, line = (np.linalg.lstsq(design[:, :k], y, rcond=None) for k in (3, 2))
        ratio = (line[1][0] - full[1][0]) / 0.04
        inside.append(stats.chi2.sf(ratio, 1))
        bounded.append(0.5 * stats.chi2.sf(ratio, 1) if full[0][2] > 0 else 1.0)
    assert stats.kstest(inside, "uniform").pvalue > 1e-3
    # half of the data sets have p = 1, the others are uniform below one half
    low = np.array([p for p in bounded if p < 1.0])
    assert stats.kstest(2.0 * low, "uniform").pvalue > 1e-3


def test_models_of_other_data_are_refused_with_a_row_that_differs():
    problem = polynomial()
    table = problem.spec.measurements
    moved = table.model_copy(update={"value": (9.0, *table.value[1:])})
    other = Problem(problem.spec.model_copy(update={"measurements": moved}))
    with pytest.raises(InputError, match=r"value 9\.0|time 0\.0"):
        compare({"one": fitted(problem), "other": fitted(other)})
    with pytest.raises(InputError, match="same data"):
        likelihood_ratio(fitted(other.fix(c=0.0)), fitted(problem))


def test_models_with_other_noise_compare_because_densities_are_of_the_values_themselves():
    """Twelve log-normal values: the log-normal model has its advantage counted with the Jacobian."""
    rng = np.random.default_rng(2)
    model = Model.from_equations({}, {"y": "a"}, ["a"])
    values = np.exp(1.0 + 0.8 * rng.standard_normal(40))
    data = {"time": list(range(40)), "value": list(values)}
    parameters = {"a": estimated(3.0, 0.1, 100, "log"), "sd": estimated(1.0, 1e-2, 100, "log")}
    fits = {
        t: fitted(Problem(model, data, parameters=parameters, noise={"y": {"noise": "sd", "transform": t}}))
        for t in ("lin", "log", "log10")
    }
    table = compare(fits, "aic")
    own = (
        2 * -np.sum(stats.lognorm.logpdf(values, np.log(values).std(), scale=np.exp(np.log(values).mean())))
        + 4
    )
    assert float(table["aic"].sel(model="log")) == pytest.approx(own, rel=1e-8)
    assert float(table["aic"].sel(model="log10")) == pytest.approx(own, rel=1e-8)
    assert float(table["delta"].sel(model="lin")) > 5


def test_what_is_not_nested_or_not_fitted_is_refused():
    full = polynomial()
    with pytest.raises(InputError, match="no more parameters"):
        likelihood_ratio(fitted(full), fitted(full))
    with pytest.raises(InputError, match="is not estimated there"):
        likelihood_ratio(fitted(full.fix(b=0.0)), fitted(full.fix(a=0.0)))
    with pytest.raises(InputError, match="no special case"):
        likelihood_ratio(fitted(polynomial(0.3).fix(c=0.0)), fitted(full))
    problem, fit = fitted(full)
    worse = fit.copy(deep=True)
    worse["optimum_nllh"] = worse["optimum_nllh"] + 100.0
    with pytest.raises(RunError, match="more starts"):
        likelihood_ratio(fitted(full.fix(c=0.0)), (problem, worse))
    with pytest.raises(InputError, match="two models"):
        compare({"one": (problem, fit)})


def test_a_parameter_that_no_longer_matters_is_a_caution():
    model = Model.from_equations({}, {"y": "a + b*exp(-k*t)"}, ["a", "b", "k"])
    parameters = {
        "a": estimated(1.0, -5, 5),
        "b": estimated(0.5, -5, 5),
        "k": estimated(1.0, 0.01, 10, "log"),
    }
    data = {"time": list(TIMES), "value": list(VALUES)}
    full = Problem(model, data, parameters=parameters, noise={"y": 0.2})
    test = likelihood_ratio(fitted(full.fix(b=0.0)), fitted(full))
    assert "k" in test.attrs["caution"]
    assert likelihood_ratio(fitted(full.fix(k=1.0)), fitted(full)).attrs["caution"] == ""
