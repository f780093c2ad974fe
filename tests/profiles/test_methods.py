"""Three ways to a limit: refits along the path, both conditions solved at once, and integration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import idfit
from idfit.profiles import profile
from tests.problems import exponential_decay, linear_gaussian, product
from tests.profiles.problems_of_profiles import cusp, saturation

ROOT = Path(__file__).resolve().parents[2]


def limits(profiles) -> np.ndarray:
    return profiles["interval"].sel(space="estimation").isel(ci_prob=-1).values


@pytest.mark.parametrize(
    "name",
    ["boehm", "alpha_pinene", "methanol_to_hydrocarbons", "lynx_hare", "lynx_hare_bayes", "bod_marske"],
)
def test_endpoints_are_those_of_the_path(name):
    data = "lynx_hare" if name == "lynx_hare_bayes" else name
    problem = idfit.load(ROOT / f"models/{name}.toml", ROOT / f"data/{data}.csv")
    fit = idfit.fit(problem, 0, 1, nominal=True)
    path, ends = (profile(problem, fit, ci_prob=(0.68, 0.95), method=m) for m in ("path", "endpoints"))
    for level in range(2):
        a, b = (p["interval"].sel(space="estimation").isel(ci_prob=level).values for p in (path, ends))
        assert b == pytest.approx(a, abs=1e-5 * max(1.0, np.abs(a[np.isfinite(a)]).max()))
    assert ends["verdict_label"].values.tolist() == path["verdict_label"].values.tolist()
    assert ends["side_status"].values.tolist() == path["side_status"].values.tolist()


def test_endpoints_cost_less_than_the_path():
    problem = idfit.load(ROOT / "models/lynx_hare.toml", ROOT / "data/lynx_hare.csv")
    fit = idfit.fit(problem, 0, 1, nominal=True)
    path, ends = (profile(problem, fit, method=m) for m in ("path", "endpoints"))
    assert ends.attrs["n_evaluations"] < 0.6 * path.attrs["n_evaluations"]


@pytest.mark.parametrize("method", ["endpoints", "integration"])
def test_the_linear_model_has_its_wald_interval(method):
    oracle = linear_gaussian()
    profiles = profile(oracle.problem, idfit.fit(oracle.problem, 3, 1), method=method)
    jacobian = oracle.jacobian(np.zeros(2))
    best = np.linalg.lstsq(jacobian, oracle.values, rcond=None)[0]
    error = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian / 0.01)))
    z = stats.norm.ppf(0.975)
    expected = best[:, None] + error[:, None] * np.array([-z, z])
    assert limits(profiles) == pytest.approx(expected, rel=1e-6 if method == "endpoints" else 1e-5)


@pytest.mark.parametrize("name", ["alpha_pinene", "lynx_hare", "bod_marske"])
def test_integration_agrees_with_refits(name):
    problem = idfit.load(ROOT / f"models/{name}.toml", ROOT / f"data/{name}.csv")
    fit = idfit.fit(problem, 0, 1, nominal=True)
    path, integrated = (profile(problem, fit, method=m) for m in ("path", "integration"))
    width = np.diff(limits(path), axis=-1)
    assert (np.abs(limits(integrated) - limits(path)) < 2e-3 * width).all()


@pytest.mark.parametrize("method", ["endpoints", "integration"])
def test_open_and_flat_sides_stay_open(method):
    problem = saturation()
    profiles = profile(problem, idfit.fit(problem, 3, 1), method=method)
    assert limits(profiles)[0, 1] == np.inf
    assert str(profiles["verdict_label"].values[0]) == "open_above"
    problem = product().problem
    profiles = profile(problem, idfit.fit(problem, 3, 1), method=method)
    assert (profiles["verdict_label"] == "flat").all()
    assert np.isinf(limits(profiles)).all()


def test_endpoints_of_a_skewed_likelihood():
    """sd of n residuals, all else free: nllh rises by n (ln(sd/best) + ½ (best/sd)² − ½), in closed form."""
    oracle = exponential_decay()
    fit = idfit.fit(oracle.problem, 3, 1, nominal=True)
    profiles = profile(oracle.problem, fit, ["sd"], method="endpoints")
    ratio = np.exp(limits(profiles)[0] - float(profiles["estimate"].sel(space="estimation").values[0]))
    rise = 6 * (np.log(ratio) + 0.5 / ratio**2 - 0.5)
    assert rise == pytest.approx(stats.chi2.ppf(0.95, 1) / 2, rel=1e-5)


def test_another_good_fit_sends_the_endpoints_back_to_the_path():
    """Two valleys of equal depth: from one point the endpoints know only theirs, from a multistart both."""
    problem = cusp()
    fit = idfit.fit(problem, 10, 1)
    path, ends = (profile(problem, fit, ["a"], ci_prob=0.9999, method=m) for m in ("path", "endpoints"))
    assert limits(ends) == pytest.approx(limits(path), abs=1e-4)
    assert limits(ends)[0] == pytest.approx(-limits(ends)[0, ::-1], abs=1e-4)
    alone = profile(problem, fit["optimum"].values[0], ["a"], ci_prob=0.9999, method="endpoints")
    assert np.diff(limits(alone)[0]) < 0.8 * np.diff(limits(path)[0])
