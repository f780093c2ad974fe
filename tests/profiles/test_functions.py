"""Profiles of functions, predictions and new measurements against closed forms and profiles of parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import idfit
from idfit.errors import InputError
from idfit.problem import Quantity
from idfit.profiles import ProfileOptions, profile, profile_functions
from tests.problems import bolus, linear_gaussian, phosphorylation, product

ROOT = Path(__file__).resolve().parents[2]
Z = stats.norm.ppf(0.975)


def limits(profiles, name: str, space: str = "natural") -> np.ndarray:
    return profiles["interval"].sel(profiled=name, space=space).values[0]


def fitted(problem):
    return idfit.fit(problem, 3, 1, nominal=True)


def test_functions_and_predictions_of_a_linear_model_have_their_wald_intervals():
    oracle = linear_gaussian()
    asked = {
        "sum_ab": "a + b",
        "at_five": Quantity("y", time=5.0),
        "again": Quantity("y", time=5.0, new_measurement=True),
        "noisier": Quantity("y", time=5.0, new_measurement=True, sd=0.5),
    }
    profiles = profile_functions(oracle.problem, fitted(oracle.problem), asked)
    jacobian = oracle.jacobian(np.zeros(2))
    covariance = np.linalg.inv(jacobian.T @ jacobian / 0.01)
    best = np.linalg.lstsq(jacobian, oracle.values, rcond=None)[0]
    noise = {"again": 0.1, "noisier": 0.5}
    for name, slope in (("sum_ab", [1, 1]), ("at_five", [1, 5]), ("again", [1, 5]), ("noisier", [1, 5])):
        g = np.array(slope)
        error = np.sqrt(g @ covariance @ g + noise.get(name, 0.0) ** 2)
        expected = g @ best + np.array([-Z, Z]) * error
        assert limits(profiles, name) == pytest.approx(expected, rel=1e-6)
        assert profiles["wald_interval"].sel(profiled=name, space="natural").values[0] == pytest.approx(
            expected, rel=1e-5
        )
    assert profiles["kind"].values.tolist() == ["function", "prediction", "validation", "validation"]
    assert (profiles["verdict_label"] == "identifiable").all()


def test_a_parameter_as_a_function_has_the_parameters_profile():
    problem = idfit.load(ROOT / "models/boehm.toml", ROOT / "data/boehm.csv")
    fit = idfit.fit(problem, 0, 1, nominal=True)
    names = ["k_phos", "Epo_degradation_BaF3", "k_imp_homo"]
    asked = {f"copy_of_{n}": Quantity(n, scale="log10") for n in names}
    functions, parameters = profile_functions(problem, fit, asked), profile(problem, fit, names)
    for name in names:
        assert limits(functions, f"copy_of_{name}", "estimation") == pytest.approx(
            parameters["interval"].sel(profiled=name, space="estimation").values[0], abs=1e-6
        )
    assert str(functions["verdict_label"].sel(profiled="copy_of_k_imp_homo").values) == "open_above"


def test_what_a_flat_model_determines_is_found_and_what_not_is_flat():
    problem = product().problem
    asked = {"both": Quantity("a*b", scale="log10"), "ratio": Quantity("a/b", scale="log10")}
    profiles = profile_functions(problem, fitted(problem), asked)
    # y = (a b) x is linear in the product
    x = np.exp(-np.linspace(0, 2, 5))
    values = np.array(problem.spec.measurements.value)
    best, error = x @ values / (x @ x), 0.1 / np.sqrt(x @ x)
    assert limits(profiles, "both") == pytest.approx(best + np.array([-Z, Z]) * error, rel=1e-5)
    assert str(profiles["verdict_label"].sel(profiled="ratio").values) == "flat"
    assert np.isinf(limits(profiles, "ratio")).all()
    assert np.isnan(profiles["wald_interval"].sel(profiled="ratio")).all()


def test_every_point_lies_on_the_profile_of_its_own_value():
    """y = s P determines kp + kd: with it held, the objective is that of a straight line in s kp."""
    oracle = phosphorylation()
    problem = oracle.problem
    times = np.arange(1, 11) / 2
    profiles = profile_functions(problem, fitted(problem), {"speed": "kp + kd"})
    at = profiles.isel(profiled=0)
    inside = (at["objective"].values - profiles.attrs["objective"]) < 1.9
    for speed, objective in zip(at["value"].values[inside], at["objective"].values[inside], strict=True):
        x = (1 - np.exp(-speed * times)) / speed
        residual = oracle.values - x * (x @ oracle.values) / (x @ x)
        expected = residual @ residual / 0.02 + 10 * (np.log(0.1) + 0.5 * np.log(2 * np.pi))
        assert objective == pytest.approx(expected, abs=1e-5)


def test_a_prediction_is_read_in_its_condition_and_copy():
    problem = bolus().problem
    profiles = profile_functions(
        problem, fitted(problem), {"peak": Quantity("y", time=12.0), "dose_gone": Quantity("A", time=40.0)}
    )
    simulated = idfit.simulate(problem, fitted(problem)["optimum"].values[0], times=np.array([12.0, 40.0]))
    assert float(profiles["estimate"].sel(profiled="peak", space="natural")) == pytest.approx(
        float(simulated["trajectory"].values[0, 0, 0]), rel=1e-6
    )
    assert float(profiles["estimate"].sel(profiled="dose_gone", space="natural")) == pytest.approx(
        float(simulated["state_trajectory"].values[0, 0, 1]), rel=1e-6
    )
    assert str(profiles["verdict_label"].sel(profiled="peak").values) == "identifiable"


def test_copies_are_named_by_tags():
    problem = idfit.load(ROOT / "models/indomethacin.toml", ROOT / "data/indomethacin.csv")
    name = problem.parameters.names[0]
    parameter, subject = name.rstrip("]").split("[")
    condition = next(c for c in problem.spec.conditions or {"default": None})
    column = problem.spec.parameters[parameter].per
    assert column is not None
    best = problem.parameters.nominal_scaled
    quantity = Quantity(parameter, tags={column: subject}, scale="log10", condition=None)
    if column == "condition":
        quantity = Quantity(parameter, condition=subject, scale="log10")
    functions = profile_functions(problem, best, {"mine": quantity}, options=ProfileOptions(max_rounds=1))
    parameters = profile(problem, best, [name], options=ProfileOptions(max_rounds=1))
    assert condition
    assert limits(functions, "mine", "estimation") == pytest.approx(
        parameters["interval"].sel(space="estimation").values[0, 0], abs=1e-5
    )


@pytest.mark.parametrize(
    ("name", "quantity", "words"),
    [
        ("a", "a + b", "is a name of the model"),
        ("two words", "a + b", "no name for a quantity"),
        ("q", "a + c", "c"),
        ("q", "y", "give the time"),
        ("q", "a + t", "give the time"),
        ("q", Quantity("y", time=1.0, condition="nowhere"), "no condition 'nowhere'"),
        ("q", Quantity("2*y", time=1.0, new_measurement=True), "needs its noise"),
        ("q", Quantity("y", time=1.0, new_measurement=True, sd=-1.0), "positive"),
    ],
)
def test_what_is_no_quantity_is_refused_in_words(name, quantity, words):
    problem = linear_gaussian().problem
    with pytest.raises(InputError, match=words):
        profile_functions(problem, np.array([0.5, -1.2]), {name: quantity})


def test_no_quantity_at_all_is_refused():
    with pytest.raises(InputError, match="no quantity"):
        profile_functions(linear_gaussian().problem, np.zeros(2), {})
    with pytest.raises(InputError, match="for parameters"):
        profile_functions(
            linear_gaussian().problem, np.zeros(2), {"q": "a"}, options=ProfileOptions(method="endpoints")
        )
