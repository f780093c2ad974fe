"""Bands of predictions against closed forms and against profiles followed along their paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import idfit
from idfit.errors import InputError
from idfit.model import Model
from idfit.prediction import predict
from idfit.problem import Problem, Quantity
from idfit.profiles import profile, profile_functions
from idfit.tasks import Runner
from tests.problems import data_at, estimated, exponential_decay, linear_gaussian, product

Z = stats.norm.ppf(0.975)
TIMES = np.array([0.0, 1.5, 5.0])
ROOT = Path(__file__).resolve().parents[2]


def fitted(problem: Problem):
    return idfit.fit(problem, 3, 1, nominal=True)


def straight_line() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best values, standard errors and slopes of y = a + b t at `TIMES`, by linear regression."""
    oracle = linear_gaussian()
    jacobian = oracle.jacobian(np.zeros(2))
    best = np.linalg.lstsq(jacobian, oracle.values, rcond=None)[0]
    slopes = np.stack([np.ones(3), TIMES], 1)
    covariance = np.linalg.inv(jacobian.T @ jacobian / 0.01)
    return slopes @ best, np.sqrt(np.einsum("ij,jk,ik->i", slopes, covariance, slopes)), slopes


@pytest.mark.parametrize("method", ["profiles", "linear"])
def test_a_linear_model_has_the_intervals_of_linear_regression(method):
    problem = linear_gaussian().problem
    band = predict(problem, fitted(problem), method=method, times=TIMES, validation=True)
    value, error, _ = straight_line()
    at = band.isel(condition=0, observable=0)
    assert at["median"].values == pytest.approx(value, rel=1e-8)
    assert at["lower"].values == pytest.approx(value - Z * error, rel=1e-7)
    assert at["upper"].values == pytest.approx(value + Z * error, rel=1e-7)
    with_noise = np.hypot(error, 0.1)
    assert at["validation_lower"].values == pytest.approx(value - Z * with_noise, rel=1e-7)
    assert at["validation_upper"].values == pytest.approx(value + Z * with_noise, rel=1e-7)
    assert (at["status_label"] == "found").all()


def test_points_of_profiles_are_an_inner_approximation_and_say_so():
    problem = linear_gaussian().problem
    fit = fitted(problem)
    band = predict(problem, fit, method="profile_points", times=TIMES, validation=True).isel(
        condition=0, observable=0
    )
    value, error, _ = straight_line()
    # at t = 0 the prediction is a itself, whose profile is exact; elsewhere a + b t lies on no profile
    assert band["upper"].values[0] == pytest.approx(value[0] + Z * error[0], rel=1e-6)
    assert (band["upper"].values[1:] < (value + Z * error)[1:] - 1e-3).all()
    assert (band["lower"].values[1:] > (value - Z * error)[1:] + 1e-3).all()
    assert (band["validation_upper"].values < value + Z * np.hypot(error, 0.1)).all()
    assert (band["validation_upper"].values > value + Z * 0.1).all()
    assert band.attrs["inner"] == 1
    assert "inner approximation" in band.attrs["kind"]


def test_few_data_with_one_unknown_noise_level_have_the_intervals_of_student():
    times = np.linspace(0.0, 3.0, 7)
    model = Model.from_equations({}, {"y": "a + b*t"}, ["a", "b"])
    parameters = {
        "a": estimated(0.4, -5, 5), "b": estimated(-1.0, -5, 5), "sd": estimated(0.1, 1e-3, 10, "log"),
    }  # fmt: skip
    data = data_at(list(times), 0.5 - 1.2 * times)
    problem = Problem(model, data, parameters=parameters, noise={"y": "sd"})
    band = predict(problem, fitted(problem), times=TIMES, threshold="F", validation=True).isel(
        condition=0, observable=0
    )
    design = np.stack([np.ones(7), times], 1)
    best, rss = np.linalg.lstsq(design, data["value"], rcond=None)[:2]
    s, t = np.sqrt(rss[0] / 5), stats.t.ppf(0.975, 5)
    _, _, slopes = straight_line()
    h = np.einsum("ij,jk,ik->i", slopes, np.linalg.inv(design.T @ design), slopes)
    value = slopes @ best
    assert band["upper"].values == pytest.approx(value + t * s * np.sqrt(h), rel=1e-5)
    assert band["lower"].values == pytest.approx(value - t * s * np.sqrt(h), rel=1e-5)
    assert band["validation_upper"].values == pytest.approx(value + t * s * np.sqrt(1 + h), rel=1e-5)
    assert band["validation_lower"].values == pytest.approx(value - t * s * np.sqrt(1 + h), rel=1e-5)


def test_limits_without_a_path_are_those_of_the_path():
    problem = exponential_decay().problem.fix(sd=0.05)
    fit = fitted(problem)
    times = np.array([0.3, 1.0, 7.5, 20.0])
    asked = {f"at_{i}": Quantity("y", time=t) for i, t in enumerate(times)}
    asked |= {f"new_{i}": Quantity("y", time=t, new_measurement=True) for i, t in enumerate(times)}
    path = profile_functions(problem, fit, asked)["interval"].sel(space="natural").values[:, 0]
    band = predict(problem, fit, times=times, validation=True).isel(condition=0, observable=0)
    assert np.stack([band["lower"], band["upper"]], 1) == pytest.approx(path[:4], abs=2e-6)
    ends = np.stack([band["validation_lower"], band["validation_upper"]], 1)
    assert ends == pytest.approx(path[4:], abs=2e-6)
    # exp(-k t) is not linear in the parameters: the exact band far out is not symmetric
    assert path[3, 1] - float(band["median"][3]) > 1.5 * (float(band["median"][3]) - path[3, 0])


def test_what_the_data_leave_open_has_no_limit_and_what_they_determine_has():
    problem = product().problem
    fit = fitted(problem)
    band = predict(problem, fit, quantities={"seen": "a*b*x", "hidden": "a*x"}, times=[0.5, 1.0])
    linear = predict(
        problem, fit, method="linear", quantities={"seen": "a*b*x", "hidden": "a*x"}, times=[0.5]
    )
    x = np.exp(-np.linspace(0, 2, 5))
    values = np.array(problem.spec.measurements.value)
    half = Z * 0.1 / np.sqrt(x @ x) * np.exp(-0.5)
    best = x @ values / (x @ x) * np.exp(-0.5)
    seen, hidden = (band.sel(observable=n, time=0.5).isel(condition=0) for n in ("seen", "hidden"))
    assert [float(seen["lower"]), float(seen["upper"])] == pytest.approx([best - half, best + half], rel=1e-5)
    assert hidden["status_label"].values.tolist() == ["open", "open"]
    assert (float(hidden["lower"]), float(hidden["upper"])) == (-np.inf, np.inf)
    by_line = linear.isel(condition=0, time=0)
    assert float(by_line["upper"].sel(observable="seen")) == pytest.approx(best + half, rel=1e-4)
    assert by_line["status_label"].sel(observable="hidden").values.tolist() == ["not_determined"] * 2


def test_a_value_that_levels_off_ends_there_and_not_at_infinity():
    """Oxygen that is still used up on day 20: k(A − L) comes down to 0 as k rises, and never below."""
    problem = idfit.load(ROOT / "models/bod_marske.toml", ROOT / "data/bod_marske.csv")
    fit = idfit.fit(problem, 5, 1)
    band = predict(problem, fit, quantities={"uptake": "k*(A - L)"}, times=[3.0, 20.0], threshold="F")
    at = band.isel(condition=0, observable=0)
    assert at["status_label"].values.tolist() == [["found", "found"], ["levels_off", "found"]]
    assert float(at["lower"][1]) == pytest.approx(0.0, abs=1e-4 * float(at["upper"][1]))


def test_another_fit_as_good_is_inside_the_band():
    """y = a² t does not know the sign of a."""
    model = Model.from_equations({}, {"y": "a^2*t"}, ["a"])
    data = data_at([1.0, 2.0, 3.0], np.array([4.0, 8.0, 12.0]))
    problem = Problem(model, data, parameters={"a": estimated(2.0, -10, 10)}, noise={"y": 0.5})
    fit = idfit.fit(problem, 12, 3)
    assert set(np.sign(fit["theta"].values.ravel())) == {-1.0, 1.0}
    band = predict(problem, fit, quantities={"g": "a*t"}, times=[1.0]).isel(condition=0, observable=0, time=0)
    widest = profile(problem, fit)["interval"].sel(space="natural").values.ravel()
    assert [float(band["lower"]), float(band["upper"])] == pytest.approx(widest, rel=1e-4)
    assert float(band["lower"]) < -1.9
    assert float(band["upper"]) > 1.9


def two_conditions(**observable) -> Problem:
    """Decay from two beginnings, watched for different times."""
    model = Model.from_equations({"A": "-k*A"}, {"y": "A"}, ["k"], {"A": "A0"})
    data = {
        "condition": ["low"] * 3 + ["high"] * 4,
        "time": [0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 4.0],
        "value": [1.02, 0.59, 0.38, 1.95, 1.24, 0.71, 0.29],
        "sd": [0.1, 0.1, 0.05, 0.2, 0.2, 0.1, 0.05],
    }
    noise = {"y": {"noise": 0.1, **observable}} if observable else {"y": {"column": "sd"}}
    return Problem(
        model, data, {"low": {"set": {"A0": 1.0}}, "high": {"set": {"A0": 2.0}}},
        {"k": estimated(0.5, 1e-3, 10, "log10"), "A0": {"value": 1.0, "fixed": True}}, noise,
    )  # fmt: skip


def test_each_condition_is_predicted_as_far_as_it_was_measured():
    problem = two_conditions()
    band = predict(problem, fitted(problem), validation=True)
    low, high = (band.sel(condition=c).isel(observable=0) for c in ("low", "high"))
    late = band["time"].values > 2.0
    assert np.isnan(low["median"].values[late]).all()
    assert (low["status_label"].values[late] == "not_reached").all()
    # straight lines between the times follow the curve to a hundredth of its range
    predicted = high["median"].dropna("time")
    k, fine = -np.log(float(predicted[-1]) / 2.0) / 4.0, np.linspace(0.0, 4.0, 200)
    drawn = np.interp(fine, predicted["time"], predicted)
    assert_allclose(drawn, 2.0 * np.exp(-k * fine), atol=0.01 * float(predicted[0] - predicted[-1]))
    # what is known at the start has no width, and a new measurement there has the noise of the nearest one
    assert float(low["lower"][0]) == float(low["upper"][0]) == 1.0
    assert float(high["validation_upper"][0]) == pytest.approx(2.0 + Z * 0.2, rel=1e-6)
    later = predict(problem, fitted(problem), times=[10.0])
    assert np.isfinite(later["upper"]).all()


def test_noise_on_a_logarithmic_scale_keeps_the_band_positive():
    problem = two_conditions(transform="log2")
    band = predict(problem, fitted(problem), times=[4.0], validation=True)
    linear = predict(problem, fitted(problem), method="linear", times=[4.0], validation=True)
    for name in ("lower", "upper"):
        # ln y is linear in k, and k is determined by the data to a few percent
        assert band[name].values == pytest.approx(linear[name].values, rel=2e-2)
        assert band[f"validation_{name}"].values == pytest.approx(
            linear[f"validation_{name}"].values, rel=2e-2
        )
    centre, top = float(band["median"][0, 0, 0]), float(band["validation_upper"][0, 0, 0])
    width = np.log(float(band["upper"][0, 0, 0]) / centre) / Z
    assert np.log2(top / centre) == pytest.approx(Z * np.hypot(width / np.log(2), 0.1), rel=2e-2)


def test_an_observable_without_a_logarithm_at_the_start_is_predicted_there_without_noise():
    model = Model.from_equations({"P": "k*(1 - P)"}, {"y": "P"}, ["k"])
    data = {"time": [1.0, 2.0, 3.0], "value": [0.41, 0.62, 0.8]}
    problem = Problem(
        model, data, parameters={"k": estimated(0.5, 1e-3, 10, "log10")},
        noise={"y": {"noise": 0.05, "transform": "log10"}},
    )  # fmt: skip
    band = predict(problem, fitted(problem), times=[0.0, 1.0], validation=True).isel(
        condition=0, observable=0
    )
    assert (float(band["lower"][0]), float(band["upper"][0])) == (0.0, 0.0)
    assert band["validation_status_label"].values.tolist() == [["no_noise"] * 2, ["found"] * 2]


def test_heavy_tailed_noise_has_no_interval_from_a_threshold():
    problem = two_conditions(distribution="laplace")
    band = predict(problem, fitted(problem), times=[1.0], validation=True)
    assert np.isfinite(band["upper"]).all()
    assert np.isnan(band["validation_upper"]).all()
    assert (band["validation_status_label"] == "no_noise").all()


def test_the_numbers_do_not_depend_on_the_number_of_workers():
    problem = exponential_decay().problem
    fit = fitted(problem)
    one, three = (
        predict(problem, fit, times=[0.5, 3.0], validation=True, runner=Runner(workers=n)) for n in (1, 3)
    )
    assert one.identical(three)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"method": "guess"}, "profile_points"),
        ({"method": "posterior"}, "idfit.sample"),
        ({"quantities": ["z"]}, "there are the observables y"),
        ({"quantities": {"z": "a*nothing"}}, "nothing"),
        ({"times": [-1.0]}, "starts at 0"),
        ({"times": [np.nan]}, "finite"),
        ({"threshold": "F"}, "chi2"),
        ({"ci_prob": 95.0}, "between 0 and 1"),
    ],
)
def test_what_cannot_be_predicted_is_refused_by_name(options, word):
    problem = linear_gaussian().problem
    with pytest.raises(InputError, match=word):
        predict(problem, fitted(problem), **options)
