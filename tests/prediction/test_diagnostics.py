"""Tests of residuals against closed forms and other libraries, on sound and on wrong models."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import idfit
from idfit.model import Model
from idfit.prediction import residual_diagnostics, residual_tests
from idfit.problem import Problem, simulate_data
from tests.fisher.problems_of_regression import puromycin
from tests.problems import estimated


def fitted(problem: Problem):
    return idfit.fit(problem, 0, 1, nominal=True)


def line(values, times=None, noise: float | str = 0.2, **more) -> Problem:
    times = np.linspace(0.0, 3.0, len(values)) if times is None else times
    model = Model.from_equations({}, {"y": "a + b*t"}, ["a", "b"])
    parameters = {"a": estimated(0.5, -50, 50), "b": estimated(0.5, -50, 50)}
    if noise == "sd":
        parameters["sd"] = estimated(0.2, 1e-3, 100, "log")
    data = {"time": list(times), "value": list(values), **more}
    return Problem(model, data, parameters=parameters, noise={"y": noise})


def test_runs_of_signs_have_the_moments_of_all_orders():
    """The exact distribution over all 252 orders of five pluses and five minuses."""
    from itertools import combinations

    z = []
    for chosen in combinations(range(10), 5):
        signs = -np.ones(10)
        signs[list(chosen)] = 1.0
        z.append(residual_tests.runs([signs])[0])
    assert len(z) == 252
    assert np.mean(z) == pytest.approx(0.0, abs=1e-12)
    assert np.var(z) == pytest.approx(1.0, rel=1e-12)


def test_p_values_of_noise_are_uniform():
    rng, p = np.random.default_rng(1), []
    for _ in range(300):
        z = rng.standard_normal(30)
        p.append([
            residual_tests.normality(z)[1],
            residual_tests.autocorrelation([z[:10], z[10:]], rng)[1],
            residual_tests.goodness_of_fit(z, 30.0)[1],
        ])  # fmt: skip
    for column in np.array(p).T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3


def test_holm_adjusts_as_the_definition_says():
    p = np.array([0.04, 0.001, 0.03, np.nan, 0.6])
    assert residual_tests.holm(p) == pytest.approx([0.09, 0.004, 0.09, np.nan, 0.6], nan_ok=True)


def test_studentised_residuals_are_those_of_the_regression():
    """External studentisation is what a measurement's own offset, fitted with the others, has as its t."""
    rng = np.random.default_rng(3)
    times = np.sort(rng.uniform(0.0, 3.0, 11))
    values = 0.3 + 1.1 * times + 0.2 * rng.standard_normal(11)
    values[4] += 1.0
    problem = line(values, times, "sd")
    found = residual_diagnostics(problem, fitted(problem))
    design = np.stack([np.ones(11), times], 1)
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    assert found["leverage"].values == pytest.approx(np.diag(hat), rel=1e-6)
    expected = []
    for i in range(11):
        own = np.column_stack([design, np.eye(11)[i]])
        beta, rss = np.linalg.lstsq(own, values, rcond=None)[:2]
        expected.append(beta[2] / np.sqrt(rss[0] / 8 * np.linalg.inv(own.T @ own)[2, 2]))
    assert found["studentised"].values == pytest.approx(expected, rel=1e-4)
    assert found["outlier"].values.tolist() == [i == 4 for i in range(11)]
    p = min(1.0, 11 * 2 * stats.t.sf(np.abs(expected).max(), 8))
    assert float(found["p_value"].sel(subject="all", test="outlier")) == pytest.approx(p, rel=1e-3)


def test_goodness_of_fit_counts_what_was_fitted():
    rng = np.random.default_rng(4)
    times = np.linspace(0.0, 3.0, 15)
    problem = line(0.3 + 1.1 * times + 0.2 * rng.standard_normal(15), times)
    fit = fitted(problem)
    found = residual_diagnostics(problem, fit).sel(subject="all", test="chi2")
    assert float(found["statistic"]) == pytest.approx(float(fit["chi2"]), rel=1e-9)
    assert float(found["p_value"]) == pytest.approx(stats.chi2.sf(float(fit["chi2"]), 13), rel=1e-6)
    unknown = residual_diagnostics(puromycin(), fitted(puromycin())).sel(subject="all", test="chi2")
    assert str(unknown["verdict_label"].values) == "undetermined"
    assert "estimated from the same data" in str(unknown["reason"].values)


def test_a_wrong_model_is_told_by_the_order_of_its_residuals_and_a_right_one_is_not():
    rng = np.random.default_rng(6)
    times = np.sort(rng.uniform(0.0, 3.0, 40))
    right = 0.3 + 1.1 * times + 0.2 * rng.standard_normal(40)
    bent = right + 0.5 * (times - 1.5) ** 2
    sound, wrong = (
        residual_diagnostics(p, fitted(p)).sel(subject="all") for p in (line(right, times), line(bent, times))
    )
    assert (sound["verdict_label"] != "against").all()
    for test in ("runs", "autocorrelation", "chi2"):
        assert str(wrong["verdict_label"].sel(test=test).values) == "against", test
    assert float(wrong["statistic"].sel(test="autocorrelation")) > 0.3
    assert float(wrong["statistic"].sel(test="runs")) < 0


def test_replicates_at_one_time_are_no_neighbours_in_time():
    """The same disturbance in five replicates would be a run of five if they counted as five times."""
    rng = np.random.default_rng(7)
    times = np.repeat(np.arange(10.0), 5)
    values = 1.0 + 0.5 * times + np.repeat(rng.standard_normal(10), 5) + 1e-3 * rng.standard_normal(50)
    problem = line(values, times, "sd", replicate=[f"r{i}" for i in range(5)] * 10)
    found = residual_diagnostics(problem, fitted(problem)).sel(subject="all", test="autocorrelation")
    assert float(found["p_value"]) > 0.01


def test_noise_that_is_not_normal_is_judged_by_its_own_distribution():
    rng = np.random.default_rng(8)
    values = 2.0 + 0.2 * rng.laplace(size=400)
    model = Model.from_equations({}, {"y": "a"}, ["a"])
    data = {"time": list(range(400)), "value": list(values)}

    def tested(distribution: str) -> float:
        sd = 0.2 if distribution == "laplace" else 0.2 * np.sqrt(2)
        problem = Problem(
            model, data, parameters={"a": estimated(2.0, 0, 10)},
            noise={"y": {"noise": sd, "distribution": distribution}},
        )  # fmt: skip
        found = residual_diagnostics(problem, fitted(problem))
        return float(found["p_value"].sel(subject="all", test="normality"))

    assert tested("laplace") > 0.05
    assert tested("normal") < 1e-4


def test_too_few_values_say_so():
    problem = line([0.1, 0.6, 1.2, 1.4])
    found = residual_diagnostics(problem, fitted(problem)).sel(subject="all")
    for test in ("normality", "runs", "autocorrelation", "outlier"):
        assert str(found["verdict_label"].sel(test=test).values) == "undetermined"
        assert str(found["reason"].sel(test=test).values)
    assert str(found["verdict_label"].sel(test="chi2").values) == "no_sign"


def test_true_models_are_seldom_accused():
    """200 data sets: the family-wise error of all tests together is about the level."""
    truth = line(np.ones(25))
    accused = 0
    for seed in range(200):
        drawn = simulate_data(truth, np.array([0.4, 1.0]), seed=seed)
        accused += bool((residual_diagnostics(drawn, fitted(drawn))["verdict_label"] == "against").any())
    assert stats.binom.sf(accused - 1, 200, 0.05) > 1e-3
    assert accused > 0
