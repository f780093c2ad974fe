"""The sum-of-squares form: its value and gradient are the objective's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import idfit
from idfit.optimize.residual_form import residual_form

ROOT = Path(__file__).resolve().parents[2]
DECAY = idfit.Model.from_equations(
    odes={"A": "-k*A"},
    observables={"y": "A", "z": "s*A"},
    parameters=["k", "s", "a", "b"],
    initial={"A": "A0"},
)
TIMES = [0.5, 1.0, 2.0, 4.0]
DATA = {
    "time": [*TIMES, *TIMES],
    "observable": ["y"] * 4 + ["z"] * 4,
    "value": [7.4, 5.9, 3.8, 1.2, 1.55, 1.1, 0.8, 0.31],
}
PARAMETERS = {
    "k": {"value": 0.4, "min": 1e-3, "max": 1e2, "scale": "log10"},
    "s": {"value": 0.2, "min": 1e-3, "max": 10, "scale": "log"},
    "A0": {"value": 9.0, "min": 0, "max": 100},
    "a": {"value": 0.1, "min": 1e-3, "max": 10, "scale": "log10"},
    "b": {"value": 0.1, "min": 1e-3, "max": 10, "scale": "log10"},
}


def problem(noise=None, priors=None, data=None) -> idfit.Problem:
    noise = noise or {"y": "a + b*y", "z": {"noise": "a", "transform": "log"}}
    return idfit.Problem(DECAY, data or DATA, parameters=PARAMETERS, noise=noise, priors=priors or {})


PROBLEMS = {
    "noise formulas, a transform": problem(),
    "one estimated sd": problem({"y": "a", "z": "a*b"}),
    "given noise": problem({"y": 0.2, "z": {"column": "sd", "kind": "sd"}}, data=DATA | {"sd": [0.1] * 8}),
    "priors": problem(
        priors={
            "k": "normal(0.5, 0.1)",
            "s": "normal(-1, 0.5) on estimation",
            "A0": "uniform(0, 100)",
            "a": "normal(-1, 0.2) on estimation",
        }
    ),
}
FORMS = pytest.mark.parametrize("name", PROBLEMS)


def points(own: idfit.Problem, n: int = 5) -> np.ndarray:
    rng = np.random.default_rng(1)
    return own.parameters.nominal_scaled + 0.2 * rng.standard_normal((n, len(own.parameters)))


@FORMS
def test_value_and_gradient_are_those_of_the_objective(name):
    own = PROBLEMS[name]
    objective = own.objective()
    form = residual_form(objective, own.parameters.nominal_scaled)
    for theta in points(own):
        squares, evaluation = form(theta), objective(theta)
        assert squares.jacobian is not None
        value = 0.5 * squares.residual @ squares.residual + form.constant
        assert value == pytest.approx(evaluation.objective, rel=1e-12, abs=1e-10)
        gradient = squares.jacobian.T @ squares.residual
        assert gradient == pytest.approx(evaluation.gradient, rel=1e-9, abs=1e-9)
        data = squares.residual[: form.n_data]
        assert data @ data == pytest.approx(evaluation.chi2, rel=1e-12)


@FORMS
def test_jacobian_against_central_differences(name):
    own = PROBLEMS[name]
    form = residual_form(own.objective(1e-11, 1e-14), own.parameters.nominal_scaled)
    theta = points(own, 1)[0]
    jacobian = form(theta).jacobian
    assert jacobian is not None
    for k in range(len(theta)):
        step = 1e-4 * np.eye(len(theta))[k]
        column = (form(theta + step, 0).residual - form(theta - step, 0).residual) / 2e-4
        assert jacobian[:, k] == pytest.approx(column, rel=1e-5, abs=1e-6)


def test_rows_of_estimated_noise():
    own = PROBLEMS["one estimated sd"]
    objective = own.objective()
    form = residual_form(objective, own.parameters.nominal_scaled)
    theta = points(own, 1)[0]
    squares, sigma = form(theta), objective(theta).sigma
    assert list(form.noise_rows) == list(range(8))
    assert squares.residual[8:] == pytest.approx(np.sqrt(2 * np.log(sigma) + form.c), rel=1e-13)
    # nllh = ½‖r‖² + N (ln 2π - c)/2 when every sigma is estimated and nothing is transformed
    assert form.constant == pytest.approx(8 * (np.log(2 * np.pi) - form.c) / 2, rel=1e-13)


def test_noise_rows_stay_real_down_to_the_lower_bound():
    own = idfit.load(ROOT / "models/boehm.toml", ROOT / "data/boehm.csv")
    form = residual_form(own.objective(), own.parameters.nominal_scaled)
    theta = own.parameters.nominal_scaled.copy()
    theta[6:] = own.parameters.lower_scaled[6:]
    assert form(theta, 0).status is idfit.Status.OK


def test_below_what_was_foreseen_the_evaluation_fails():
    own = PROBLEMS["noise formulas, a transform"]
    theta = own.parameters.nominal_scaled
    form = residual_form(own.objective(), theta)
    low = np.where([n in ("a", "b") for n in own.parameters.names], theta - 10.0, theta)
    assert form(low, 1).status is idfit.Status.NOISE_NONPOSITIVE
    assert np.isnan(form(low, 1).residual).all()


@pytest.mark.parametrize(
    ("noise", "priors", "data", "words"),
    [
        ({"y": {"noise": "a", "distribution": "laplace"}, "z": "a"}, {}, {}, ["observable y", "laplace"]),
        (
            {"y": "a", "z": {"noise": "a", "distribution": "student-t", "dof": 3}},
            {},
            {},
            ["observable z", "student-t"],
        ),
        ({"y": "a", "z": "a"}, {}, {"censored": ["left", *[""] * 7]}, ["observable y", "censored"]),
        ({"y": "a", "z": "a"}, {"k": "laplace(0.5, 0.1)"}, {}, ["parameter k", "laplace"]),
        ({"y": "a", "z": "a"}, {"s": "log-normal(0, 1)"}, {}, ["parameter s", "log-normal"]),
    ],
)
def test_what_is_no_sum_of_squares_is_refused_by_name(noise, priors, data, words):
    own = problem(noise, priors, DATA | data)
    with pytest.raises(idfit.InputError, match="no sum of squares") as refusal:
        residual_form(own.objective(), own.parameters.nominal_scaled)
    assert all(word in str(refusal.value) for word in words)
    with pytest.raises(idfit.InputError, match="no sum of squares"):
        idfit.fit(own, n_starts=1, seed=1, optimizer="scipy:trf")


def test_refuses_a_reference_point_without_values():
    model = idfit.Model.from_equations({}, {"y": "k - 1"}, ["k"])
    own = idfit.Problem(
        model,
        {"time": [1.0], "observable": ["y"], "value": [1.0]},
        parameters={"k": {"value": 0.5, "min": 0, "max": 2}},
        noise={"y": {"noise": 0.1, "transform": "log"}},
    )
    with pytest.raises(idfit.InputError, match=r"starting point.*not positive"):
        residual_form(own.objective(), np.array([0.5]))
