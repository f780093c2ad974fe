"""Posteriors of problems whose posterior is known, and what a run of the samplers must keep to."""

from __future__ import annotations

import arviz_stats
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

from idfit.errors import InputError, Interrupted
from idfit.model import Model
from idfit.problem import Problem
from idfit.problem.objective import Evaluation, Objective
from idfit.results import Limit, Status
from idfit.sampling import SampleOptions
from idfit.sampling.sample import sample
from idfit.tasks import Journal, Runner
from tests.problems import Oracle, estimated, exponential_decay, linear_gaussian, product

SMALL = SampleOptions(sampler="metropolis", ess=1000)
SAMPLERS = ("emcee", "metropolis", "tempering")


def posterior_of(problem: Problem, options: SampleOptions = SMALL, **more) -> xr.DataTree:
    return sample(problem, seed=1, options=options, **more)


def least_squares(oracle: Oracle) -> np.ndarray:
    """The estimate of a problem whose predictions are linear in its parameters, and known noise."""
    jacobian = oracle.jacobian(np.ones(2))
    return np.linalg.lstsq(jacobian, oracle.values, rcond=None)[0]


@pytest.fixture(scope="module")
def gaussian() -> xr.DataTree:
    return posterior_of(linear_gaussian().problem)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_linear_problem_has_its_normal_posterior(sampler):
    oracle = linear_gaussian()
    made = posterior_of(oracle.problem, SampleOptions(sampler=sampler, ess=2000, rungs=3))
    assert made["sampling"].attrs["converged"] == 1
    covariance = np.linalg.inv(oracle.fim(np.array([0.4, -1.0])))
    mean = least_squares(oracle)
    draws = np.array([made["posterior"][n].values.ravel() for n in ("a", "b")])
    worth = made["sampling"]
    for k in range(2):
        sd = np.sqrt(covariance[k, k])
        assert abs(float(worth["mean"][k]) - mean[k]) < 4 * float(worth["mcse_mean"][k])
        assert abs(float(worth["sd"][k]) - sd) < 4 * float(worth["mcse_sd"][k])
        # limits of a normal posterior are those of its Wald interval
        expected = mean[k] + 1.96 * sd * np.array([-1, 1])
        assert_allclose(worth["interval"].sel(ci_prob=0.95).values[k], expected, atol=0.2 * sd)
    assert_allclose(
        np.corrcoef(draws)[0, 1], covariance[0, 1] / np.sqrt(covariance.diagonal().prod()), atol=0.05
    )
    assert worth["limited_by_label"].values.tolist() == [["data", "data"]] * 2


def test_arviz_reads_it_as_it_is(gaussian):
    summary = arviz_stats.summary(gaussian)
    assert_allclose(summary.loc["a", "mean"], float(gaussian["sampling"]["mean"][0]), atol=0.01)
    # single chains: the effective sample size is ArviZ's too
    ours = float(gaussian["sampling"]["ess_bulk"][0])
    assert_allclose(float(arviz_stats.ess(gaussian)["a"]), ours, rtol=0.02)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")  # of few data, and no concern here
def test_leave_one_out_of_arviz_is_that_of_the_closed_form(gaussian):
    oracle = linear_gaussian()
    jacobian, y = oracle.jacobian(np.ones(2)), oracle.values
    hat = jacobian @ np.linalg.solve(jacobian.T @ jacobian, jacobian.T)
    left_out = (y - hat @ y) / (1 - hat.diagonal())
    spread = 0.1 / np.sqrt(1 - hat.diagonal())  # of the prediction of y_i from the others, and its noise
    assert_allclose(float(arviz_stats.loo(gaussian).elpd), norm(0, spread).logpdf(left_out).sum(), atol=0.1)


def test_the_log_likelihood_is_that_of_each_measurement(gaussian):
    oracle = linear_gaussian()
    rows = gaussian["log_likelihood"]["value"]
    chain, draw = 1, int(rows["draw"][3])
    p = np.array([float(gaussian["posterior"][n].sel(chain=chain, draw=draw)) for n in ("a", "b")])
    assert_allclose(rows.sel(chain=chain, draw=draw).sum(), -np.real(oracle.nllh(p)), rtol=1e-9)
    density = gaussian["sample_stats"]["lp"].sel(chain=chain, draw=draw)
    assert_allclose(density, -np.real(oracle.nllh(p)), rtol=1e-9)
    assert_array_equal(gaussian["observed_data"]["value"], oracle.values)


@pytest.mark.parametrize("sampler", ["emcee", "metropolis"])
def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(sampler):
    problem, options = (
        exponential_decay().problem,
        SampleOptions(sampler=sampler, ess=200, max_evaluations=6000),
    )
    one, three = (posterior_of(problem, options, runner=Runner(workers=n)) for n in (1, 3))
    for group in ("posterior", "sample_stats", "log_likelihood", "sampling"):
        xr.testing.assert_identical(one[group].to_dataset(), three[group].to_dataset())
    other = sample(problem, seed=2, options=options)
    assert not np.array_equal(one["posterior"]["k"].values[:, :5], other["posterior"]["k"].values[:, :5])


def test_an_interrupted_run_goes_on_from_its_last_block(tmp_path):
    problem = exponential_decay().problem
    whole = posterior_of(problem)
    with Journal(tmp_path / "j", {}) as journal:
        runner = Runner(journal=journal)

        def interrupt(done, total, result):
            if result is not None and len(journal.results) == 10:
                runner.stop[0] = 1

        stopping = Runner(journal=journal, progress=interrupt, stop=runner.stop)
        with pytest.raises(Interrupted):
            posterior_of(problem, runner=stopping)
    n_before = len(journal.results)
    with Journal(tmp_path / "j", {}) as journal:
        assert n_before == len(journal.results) > 0
        again = posterior_of(problem, runner=Runner(journal=journal))
    for group in ("posterior", "sampling"):
        xr.testing.assert_identical(whole[group].to_dataset(), again[group].to_dataset())


def test_what_has_not_converged_makes_no_claim():
    made = posterior_of(
        exponential_decay().problem, SampleOptions(sampler="metropolis", ess=100_000, max_evaluations=8000)
    )
    worth = made["sampling"]
    assert worth.attrs["converged"] == 0
    assert "too few independent draws" in worth.attrs["reason"]
    for name in ("mean", "sd", "interval", "mcse_mean", "data_share"):
        assert np.isnan(worth[name]).all()
    assert set(worth["limited_by"].values.ravel()) == {Limit.UNDETERMINED}
    assert np.isfinite(worth["ess_bulk"]).all()
    assert int(worth["n_evaluations"].sum()) <= 8500


def test_bounds_end_the_intervals_of_what_the_data_leave_open():
    # only the product is determined: ln a is uniform over what the bounds of both leave
    made = posterior_of(product().problem)
    worth = made["sampling"]
    assert worth.attrs["converged"] == 1
    assert (worth["data_share"] < 0.01).all()
    assert not (worth["limited_by"] == Limit.DATA).any()
    a = np.log10(made["posterior"]["a"].values).ravel()
    # a b = 1.4 with both in [0.01, 100]: log10 a from log10(0.014) to 2
    low, high = np.log10(0.014), 2.0
    assert_allclose([a.mean(), a.std()], [(low + high) / 2, (high - low) / np.sqrt(12)], atol=0.12)


def test_a_prior_on_its_partner_ends_the_interval_of_a_parameter_without_one():
    problem = product().problem.with_parameters({"b": {"prior": "log-normal(0, 0.2)"}})
    worth = posterior_of(problem)["sampling"]
    assert set(worth["limited_by"].values.ravel()) == {Limit.PRIOR}
    assert (worth["data_share"] < 0.5).all()
    # ln a = ln 1.4 - ln b
    assert_allclose(float(worth["median"].sel(parameter="a")), 1.4, rtol=0.05)


def test_without_measurements_it_is_the_prior():
    oracle = linear_gaussian().problem
    problem = Problem(
        oracle.model,
        parameters={"a": estimated(0, -5, 5, prior="normal(1, 0.5)"), "b": estimated(0, -5, 5)},
        noise={"y": 0.1},
    )
    worth = posterior_of(problem)["sampling"]
    assert worth.attrs["n_data"] == 0
    assert_allclose(worth["sd"], [0.5, 10 / np.sqrt(12)], rtol=0.1)
    assert_allclose(worth["mean"], [1.0, 0.0], atol=0.4)


@pytest.mark.slow
def test_nested_runs_give_the_evidence_of_the_closed_form():
    oracle = linear_gaussian()
    options = SampleOptions(sampler="dynesty", ess=1000, max_evaluations=200_000)
    made = posterior_of(oracle.problem, options)["sampling"]
    mean = least_squares(oracle)
    volume = 2 * np.pi / np.sqrt(np.linalg.det(oracle.fim(mean)))
    exact = -np.real(oracle.nllh(mean)) + np.log(volume / 100)  # the prior is 1/100 over [-5, 5]²
    assert made.attrs["converged"] == 1
    assert abs(made.attrs["log_evidence"] - exact) < 4 * made.attrs["log_evidence_error"]
    assert made.attrs["log_evidence_error"] < 0.2
    assert_allclose(made["mean"], mean, atol=0.02)


def test_options_are_checked():
    with pytest.raises(InputError, match="sampler 'gibbs' is not known; there are metropolis, tempering"):
        SampleOptions(sampler="gibbs")
    with pytest.raises(InputError, match="ensembles = 1 was given; it lies between 4"):
        SampleOptions(ensembles=1)
    with pytest.raises(InputError, match="walkers = 5 was given; an ensemble of 2 parameters needs an even"):
        posterior_of(linear_gaussian().problem, SampleOptions(sampler="emcee", walkers=5))
    with pytest.raises(InputError, match="levels lie between 0 and 1"):
        posterior_of(linear_gaussian().problem, ci_prob=95)


def test_evaluations_that_fail_are_counted_by_reason(monkeypatch):
    """x' = a x², x(0) = 1 has no solution at t = 1 beyond a = 1, where half of the bounds' width lies."""
    model = Model.from_equations({"x": "a*x**2"}, {"y": "x"}, ["a"], {"x": 1})
    data = {"time": [0.1, 1.0], "value": [1.05, 1.05], "observable": ["y", "y"]}
    problem = Problem(model, data, parameters={"a": estimated(0.5, -1, 3)}, noise={"y": 1e3})
    failed = []

    def counted(self: Objective, theta: np.ndarray, *more, evaluate=Objective.__call__) -> Evaluation:
        found = evaluate(self, theta, *more)
        failed.extend(theta[:1] if found.status is Status.STEP_TOO_SMALL else [])
        return found

    monkeypatch.setattr(Objective, "__call__", counted)
    worth = posterior_of(problem)["sampling"]
    assert min(failed) > 0.99
    assert dict(zip(worth["fate"].values, worth["n_failures"].values, strict=True)) == {
        "step_too_small": len(failed)
    }
    # the posterior is uniform over what can be computed
    assert_allclose(worth["interval"].sel(ci_prob=0.95).values[0], [-0.95, 0.95], atol=0.05)
