"""Estimates of simulated data sets held against the distributions that they have in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import idfit
from idfit.errors import InputError, RunError
from idfit.model import Model
from idfit.problem import Problem
from idfit.problem.simulation import draw_values
from idfit.profiles.bootstrap import bootstrap
from idfit.results import Status
from idfit.tasks import Runner
from tests.problems import estimated, exponential_decay, linear_gaussian


def location(noise, value=2.0, n=4, bounds=(0.1, 9.0), prior=None, **columns) -> Problem:
    """y = a, measured n times."""
    model = Model.from_equations({}, {"y": "a + 0*t"}, ["a"])
    parameter = estimated(2.0, *bounds) | ({"prior": prior} if prior else {})
    data = {"time": np.arange(n), "value": np.full(n, value), **columns}
    return Problem(model, data, noise={"y": noise}, parameters={"a": parameter})


def band(n, sd):
    """What the standard deviation of n normal draws is within in all but one case in ten thousand."""
    return sd * np.sqrt(stats.chi2.ppf([5e-5, 1 - 5e-5], n - 1) / (n - 1))


def test_estimates_of_a_linear_model_scatter_by_their_standard_errors():
    oracle, n = linear_gaussian(), 600
    fit = idfit.fit(oracle.problem, 3, seed=1)
    ds = bootstrap(oracle.problem, fit, n, seed=4)
    error = np.sqrt(np.diag(np.linalg.inv(oracle.fim(fit["optimum"].values[0]))))
    for found, expected in zip(ds["standard_error"].values[0], error, strict=True):
        low, high = band(n, expected)
        assert low < found < high
    assert (np.abs(ds["bias"].values[0]) < 4 * error / np.sqrt(n)).all()
    # percentiles of a normal distribution, each with the standard error of a sample quantile
    best = fit["optimum"].values[0]
    for k, prob in enumerate((0.68, 0.95)):
        z, tail = stats.norm.ppf((1 + prob) / 2), (1 - prob) / 2
        blur = 4 * error * np.sqrt(tail * (1 - tail) / n) / stats.norm.pdf(z)
        for side, sign in enumerate((-1, 1)):
            expected = best + sign * z * error
            assert (np.abs(ds["interval"].values[0, :, k, side] - expected) < blur).all()
    # chi2 of each fit is that of its 5 degrees of freedom
    theta = ds["theta"].values
    assert np.corrcoef(theta.T)[0, 1] == pytest.approx(
        np.linalg.inv(oracle.fim(best))[0, 1] / error.prod(), abs=0.05
    )
    chi2 = 2 * (ds["objective"].values - oracle.nllh(best).real) + 2 * 0.5 * np.sum(
        ((oracle.solution(best) - oracle.values) / 0.1) ** 2
    )
    assert stats.kstest(chi2, stats.chi2(5).cdf).pvalue > 1e-3
    assert (ds.attrs["n"], ds.attrs["n_usable"], ds.attrs["seed"]) == (n, n, 4)


def test_each_replicate_is_the_fit_of_its_own_data():
    oracle = exponential_decay()
    fit = idfit.fit(oracle.problem, 3, seed=1)
    ds = bootstrap(oracle.problem, fit, 8, seed=2)
    best = fit["optimum"].values[0]
    for i in (0, 7):
        ev = oracle.problem.objective()(best, 0)
        rng = np.random.default_rng(np.random.SeedSequence(2, spawn_key=(30, i)))
        values, _ = draw_values(oracle.problem, ev.prediction, ev.sigma, rng)
        table = oracle.problem.spec.measurements.model_copy(update={"value": tuple(values.tolist())})
        again = Problem(oracle.problem.spec.model_copy(update={"measurements": table}))
        refitted = idfit.fit(again, 0, starts=best[None], seed=0)
        np.testing.assert_allclose(ds["theta"].values[i], refitted["optimum"].values[0], atol=1e-6)
        assert ds["objective"].values[i] == pytest.approx(float(refitted["objective"].values[0]), abs=1e-8)
    natural = oracle.problem.parameters.to_natural(ds["theta"].values)
    np.testing.assert_allclose(ds["mean"].values[1], natural.mean(axis=0))
    np.testing.assert_allclose(ds["standard_error"].values[1], natural.std(axis=0, ddof=1))
    np.testing.assert_allclose(ds["bias"].values[1], natural.mean(axis=0) - fit["estimate"].values)


def test_the_noise_of_few_data_is_estimated_too_small():
    """sigma² of n measurements and one mean has the expectation sigma² (n - 1)/n."""
    model = Model.from_equations({}, {"y": "a + 0*t"}, ["a"])
    parameters = {"a": estimated(2.0, -9, 9), "sd": estimated(1.0, 1e-3, 1e3, "log")}
    problem = Problem(
        model,
        {"time": np.arange(5), "value": [1.0, 3.0, 2.0, 1.5, 2.5]},
        noise={"y": "sd"},
        parameters=parameters,
    )
    best = idfit.fit(problem, 3, seed=0)["optimum"].values[0]
    ds = bootstrap(problem, best, 800, seed=1)
    ratio = np.exp(2 * (ds["theta"].values[:, 1] - best[1]))
    assert stats.kstest(5 * ratio, stats.chi2(4).cdf).pvalue > 1e-3


def test_log_normal_noise_makes_the_mean_of_logarithms_normal():
    n = 800
    problem = location({"noise": 0.3, "distribution": "log-normal"})
    ds = bootstrap(problem, np.array([2.0]), n, seed=1)
    logs = np.log(ds["theta"].values[:, 0])
    assert stats.kstest(logs, stats.norm(np.log(2.0), 0.15).cdf).pvalue > 1e-3
    assert (logs > np.log(2.0)).mean() == pytest.approx(0.5, abs=0.07)


def test_censored_rows_are_drawn_too():
    """Ten values of which those below the limit 2 are only known to be: at a = 2 about half of the draws."""
    n = 400
    problem = location({"noise": 0.5}, n=10, censored=["left"] * 10)
    ds = bootstrap(problem, np.array([2.0]), n, seed=3)
    # information of one row about a: that of a tobit model at its limit, (Φ + φ²/Φ - 0·φ)/sd² with Φ = ½
    phi = stats.norm.pdf(0.0)
    information = 10 * (0.5 + phi**2 / 0.5) / 0.25
    estimates = ds["theta"].values[:, 0]
    assert np.median(estimates) == pytest.approx(2.0, abs=4 * 1.25 / np.sqrt(information * n))
    assert np.percentile(estimates, 84) - np.percentile(estimates, 16) == pytest.approx(
        2 / np.sqrt(information), rel=0.2
    )


def test_estimates_on_bounds_are_counted():
    ds = bootstrap(location({"noise": 0.5}, bounds=(2.0, 9.0)), np.array([2.0]), 400, seed=1)
    low, high = ds["on_bound"].values[0]
    assert low == pytest.approx(0.5, abs=0.1)
    assert high == 0.0


def test_priors_stay_as_they_are():
    """With a prior as strong as the data the estimates move half as far, and so scatter half as much."""
    free, held = (
        bootstrap(location({"noise": 0.4}, prior=prior), np.array([2.0]), 300, seed=1)
        for prior in (None, "normal(2, 0.2)")
    )
    np.testing.assert_allclose(
        held["theta"].values[:, 0] - 2, (free["theta"].values[:, 0] - 2) / 2, atol=1e-6
    )


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers():
    oracle = exponential_decay()
    fit = idfit.fit(oracle.problem, 3, seed=1)
    one, two = (bootstrap(oracle.problem, fit, 20, seed=9, runner=Runner(workers=n)) for n in (1, 2))
    assert one.identical(two)
    for name in one.variables:
        assert one[name].values.tobytes() == two[name].values.tobytes()
    other = bootstrap(oracle.problem, fit, 20, seed=10)
    assert not np.array_equal(one["theta"], other["theta"])


# failures ---------------------------------------------------------------------------------------------------


def failing(share_that_fails):
    """log-normal noise so large that some draws on the logarithmic scale are beyond any number."""
    sd = 709.0 / stats.norm.ppf(1 - share_that_fails / 2)
    return location({"noise": sd, "distribution": "log-normal"}, n=1, bounds=(1e-300, 1e300), value=1.0)


@pytest.mark.filterwarnings("ignore:overflow")
def test_failed_replicates_are_left_out():
    ds = bootstrap(failing(0.2), np.array([1.0]), 60, seed=1)
    failed = ds["status"].values == Status.OBSERVABLE_NOT_FINITE
    assert 0 < failed.sum() < 30
    assert ds.attrs["n_usable"] == 60 - failed.sum()
    assert np.isnan(ds["theta"].values[failed]).all()
    assert np.isfinite(ds["theta"].values[~failed]).all()
    assert np.isfinite(ds["interval"].values).all()


@pytest.mark.filterwarnings("ignore:overflow")
def test_too_many_failures_are_an_error_with_counts():
    with pytest.raises(RunError, match=r"of 40 replicates could be fitted\. \d+ x observable_not_finite"):
        bootstrap(failing(0.8), np.array([1.0]), 40, seed=1)


def test_a_best_fit_without_a_value_is_refused():
    model = Model.from_equations({"x": "k*x^2"}, {"y": "x"}, ["k"], {"x": 1})
    problem = Problem(
        model, {"time": [2.0], "value": [1.0]}, noise={"y": 1}, parameters={"k": estimated(0.1, 0, 2)}
    )
    with pytest.raises(RunError, match="cannot be drawn"):
        bootstrap(problem, np.array([1.0]), 10)


def test_bad_requests_are_refused():
    problem, theta = linear_gaussian().problem, np.array([0.5, -1.2])
    with pytest.raises(InputError, match="n = 1 "):
        bootstrap(problem, theta, 1)
    with pytest.raises(InputError, match="ci_prob"):
        bootstrap(problem, theta, 10, ci_prob=(0.5, 1.0))
    with pytest.raises(InputError, match="2 parameters"):
        bootstrap(problem, np.array([0.5]), 10)


# other values in a built objective --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "noise",
    [
        {"noise": 0.3},
        {"noise": 0.3, "distribution": "laplace"},
        {"noise": 0.3, "distribution": "log-normal"},
        {"noise": 0.3, "transform": "log10"},
        {"noise": 0.3, "transform": "log2"},
    ],
)
def test_other_values_are_as_good_as_a_new_problem(noise):
    """Two observables whose rows alternate, so that a confusion of orders would show."""
    model = Model.from_equations({"A": "-k*A"}, {"y": "A", "z": "2 + A"}, ["k"], {"A": 3})
    data = {
        "observable": ["z", "y"] * 4,
        "time": [3.0, 2.0, 1.0, 0.5, 0.0, 0.0, 2.0, 1.0],
        "value": np.linspace(1, 3, 8),
        "censored": ["", "left", "right", "", "", "", "", "left"],
    }
    problem = Problem(
        model, data, parameters={"k": estimated(0.5, 0.01, 9, "log")}, noise={"y": noise, "z": 0.2}
    )
    values, censored = np.linspace(2.5, 0.7, 8), ["", "left", "", "", "", "", "", "left"]
    table = problem.spec.measurements.model_copy(
        update={"value": tuple(values.tolist()), "censored": tuple(censored)}
    )
    again = Problem(problem.spec.model_copy(update={"measurements": table}))
    theta = np.array([-0.4])
    replaced = problem.objective().with_values(values, censored)(theta, 1)
    expected = again.objective()(theta, 1)
    assert replaced.nllh == expected.nllh
    assert replaced.nllh != problem.objective()(theta, 1).nllh
    np.testing.assert_array_equal(replaced.residual, expected.residual)
    np.testing.assert_array_equal(replaced.gradient, expected.gradient)


def test_the_objective_itself_keeps_its_values():
    problem = linear_gaussian().problem
    objective, theta = problem.objective(), np.array([0.5, -1.2])
    before = objective(theta, 0).nllh
    objective.with_values(np.zeros(7))
    assert objective(theta, 0).nllh == before


@pytest.mark.parametrize(
    ("values", "censored", "words"),
    [
        ([1.0, 1.0], None, "2 values|shape"),
        ([1.0, -1.0, 1.0, 1.0], None, "measurement 1"),
        ([1.0, np.nan, 1.0, 1.0], None, "measurement 1"),
        ([1.0] * 4, ["left", "", "", ""], "censored in the data"),
    ],
)
def test_values_that_do_not_fit_are_refused(values, censored, words):
    objective = location({"noise": 0.3, "distribution": "log-normal"}).objective()
    with pytest.raises(InputError, match=words):
        objective.with_values(np.array(values), censored)
