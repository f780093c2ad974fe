"""Bands and checks from draws of a posterior that is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import idfit
from idfit.errors import InputError
from idfit.model import Model
from idfit.prediction import posterior_predictive, predict
from idfit.problem import Problem
from idfit.tasks import Runner
from tests.problems import data_at, estimated, linear_gaussian

Z = stats.norm.ppf(0.975)
TIMES = np.array([0.0, 1.5, 5.0])


def posterior_of(
    draws: np.ndarray, names: tuple[str, ...], converged: int = 1, n_chains: int = 4
) -> xr.DataTree:
    """Draws (draw, parameter), natural scale, as a tree of ArviZ's groups."""
    shaped = draws.reshape(n_chains, -1, len(names))
    group = xr.Dataset(
        {n: (("chain", "draw"), shaped[..., k]) for k, n in enumerate(names)},
        {"chain": np.arange(n_chains), "draw": np.arange(shaped.shape[1])},
    )
    reason = "" if converged else "R-hat is 1.4"
    return xr.DataTree.from_dict({
        "posterior": group, "sampling": xr.Dataset(attrs={"converged": converged, "reason": reason})
    })  # fmt: skip


def gaussian(n: int = 40_000, seed: int = 1) -> tuple[Problem, xr.DataTree, np.ndarray, np.ndarray]:
    """The line y = a + b t with independent draws of its exact posterior; values and errors at `TIMES`."""
    oracle = linear_gaussian()
    jacobian = oracle.jacobian(np.zeros(2))
    covariance = np.linalg.inv(jacobian.T @ jacobian / 0.01)
    best = np.linalg.lstsq(jacobian, oracle.values, rcond=None)[0]
    draws = np.random.default_rng(seed).multivariate_normal(best, covariance, n)
    slopes = np.stack([np.ones(3), TIMES], 1)
    error = np.sqrt(np.einsum("ij,jk,ik->i", slopes, covariance, slopes))
    return oracle.problem, posterior_of(draws, ("a", "b")), slopes @ best, error


def test_the_band_of_a_gaussian_posterior_is_that_of_linear_regression():
    problem, posterior, value, error = gaussian()
    fit = idfit.fit(problem, 0, 1, nominal=True)
    band = predict(
        problem, fit, method="posterior", posterior=posterior, times=TIMES, validation=True, n_draws=8000
    ).isel(condition=0, observable=0)
    # the standard error of a 97.5 % quantile of 8,000 normal draws is 0.03 standard deviations
    assert band["upper"].values == pytest.approx(value + Z * error, abs=0.12 * error.max())
    assert band["lower"].values == pytest.approx(value - Z * error, abs=0.12 * error.max())
    assert band["median"].values == pytest.approx(value, abs=0.06 * error.max())
    total = np.hypot(error, 0.1)
    assert band["validation_upper"].values == pytest.approx(value + Z * total, abs=0.03 * total.max())
    assert band["validation_lower"].values == pytest.approx(value - Z * total, abs=0.03 * total.max())
    assert band.attrs["kind"] == "posterior band"


@pytest.mark.slow
def test_the_band_of_sampled_draws_is_that_of_linear_regression_too():
    problem, _, value, error = gaussian()
    fit = idfit.fit(problem, 0, 1, nominal=True)
    posterior = idfit.sample(problem, fit, seed=2)
    band = predict(problem, fit, method="posterior", posterior=posterior, times=TIMES, n_draws=8000)
    assert band["upper"].values[0, 0] == pytest.approx(value + Z * error, abs=0.2 * error.max())
    assert band["lower"].values[0, 0] == pytest.approx(value - Z * error, abs=0.2 * error.max())


def test_draws_that_have_not_converged_make_no_claim():
    problem, posterior, _, _ = gaussian(400)
    posterior["sampling"] = (
        posterior["sampling"].to_dataset().assign_attrs(converged=0, reason="R-hat is 1.4")
    )
    fit = idfit.fit(problem, 0, 1, nominal=True)
    band = predict(problem, fit, method="posterior", posterior=posterior, times=TIMES, validation=True)
    for name in ("median", "upper", "validation_lower"):
        assert np.isnan(band[name]).all()
    assert (band["status_label"] == "unconverged").all()
    assert band.attrs["reason"] == "R-hat is 1.4"


def test_quantiles_of_a_new_measurement_follow_the_noise_distribution():
    """With one draw of the parameters the mixture is the noise itself."""
    model = Model.from_equations({}, {"y": "a"}, ["a"])
    data = {"time": [0.0, 1.0], "value": [2.0, 2.1]}
    for entry, law in (
        ({"noise": 0.3, "distribution": "laplace"}, stats.laplace(2.0, 0.3)),
        ({"noise": 0.3, "distribution": "student-t", "dof": 4}, stats.t(4, 2.0, 0.3)),
        ({"noise": 0.3, "transform": "log10"}, stats.lognorm(0.3 * np.log(10), scale=2.0)),
        ({"noise": 0.3, "distribution": "log-normal"}, stats.lognorm(0.3, scale=2.0)),
    ):
        problem = Problem(model, data, parameters={"a": estimated(2.0, 0.1, 10)}, noise={"y": entry})
        draws = posterior_of(np.full((8, 1), 2.0), ("a",))
        band = predict(
            problem, np.array([2.0]), method="posterior", posterior=draws, times=[0.5], validation=True
        )
        ends = [float(band[f"validation_{side}"].squeeze()) for side in ("lower", "upper")]
        assert ends == pytest.approx(law.ppf([0.025, 0.975]), rel=1e-9)


def test_drawn_data_have_the_posterior_predictive_distribution():
    problem, posterior, _, _ = gaussian()
    made = posterior_predictive(problem, posterior, n_draws=8000, seed=3)
    drawn = made["posterior_predictive"].to_dataset()["value"]
    assert drawn.dims == ("chain", "draw", "measurement")
    oracle = linear_gaussian()
    jacobian = oracle.jacobian(np.zeros(2))
    hat = jacobian @ np.linalg.inv(jacobian.T @ jacobian) @ jacobian.T
    pooled = drawn.values.reshape(-1, 7)
    assert pooled.mean(axis=0) == pytest.approx(hat @ oracle.values, abs=0.006)
    assert np.cov(pooled.T) == pytest.approx(0.01 * (hat + np.eye(7)), abs=1e-3)


def test_p_values_are_those_of_the_closed_form():
    """Σr² of the data is χ² of the fit plus χ²(2) over the posterior, that of drawn data χ²(7)."""
    problem, posterior, _, _ = gaussian()
    checks = posterior_predictive(problem, posterior, n_draws=8000, seed=4)["predictive_checks"].to_dataset()
    chi2 = float(idfit.fit(problem, 0, 1, nominal=True)["chi2"])
    rng = np.random.default_rng(9)
    own, drawn = chi2 + rng.chisquare(2, 10**6), rng.chisquare(7, 10**6)
    found = checks["p_value"].sel(subject="all", quantity="chi2")
    assert float(found) == pytest.approx(np.mean(drawn >= own), abs=0.02)
    assert float(checks["measured"].sel(subject="all", quantity="chi2")) == pytest.approx(chi2 + 2, abs=0.1)


def test_a_wrong_model_makes_no_such_data():
    times = np.linspace(0.0, 3.0, 20)
    model = Model.from_equations({}, {"y": "a + b*t"}, ["a", "b"])
    values = 0.5 + 0.3 * times + 0.5 * np.sin(2 * times)
    problem = Problem(
        model,
        data_at(list(times), values),
        parameters={n: estimated(0.5, -5, 5) for n in "ab"},
        noise={"y": 0.1},
    )
    design = np.stack([np.ones(20), times], 1)
    best = np.linalg.lstsq(design, values, rcond=None)[0]
    draws = np.random.default_rng(1).multivariate_normal(best, 0.01 * np.linalg.inv(design.T @ design), 400)
    made = posterior_predictive(problem, posterior_of(draws, ("a", "b")), n_draws=400, seed=1)
    p = made["predictive_checks"].to_dataset()["p_value"].sel(subject="all")
    assert float(p.sel(quantity="chi2")) == 0.0
    assert float(p.sel(quantity="autocorrelation")) < 0.01


def test_draws_do_not_depend_on_workers_and_other_parameters_are_refused():
    problem, posterior, _, _ = gaussian(2000)
    one, three = (
        posterior_predictive(problem, posterior, n_draws=400, seed=5, runner=Runner(workers=n))
        for n in (1, 3)
    )
    assert one.identical(three)
    with pytest.raises(InputError, match="no draws of b"):
        posterior_predictive(problem, posterior_of(np.zeros((8, 1)), ("a",)))


def test_arviz_reads_it_as_it_is():
    arviz_stats = pytest.importorskip("arviz_stats")
    problem, posterior, _, _ = gaussian(2000)
    made = posterior_predictive(problem, posterior, n_draws=400, seed=5)
    summary = arviz_stats.summary(made, group="posterior_predictive", kind="stats", round_to="none")
    assert summary["mean"].to_numpy(dtype=float) == pytest.approx(
        made["posterior_predictive"].to_dataset()["value"].mean(("chain", "draw")).values, rel=1e-6
    )
