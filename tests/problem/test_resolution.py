"""Copies of parameters that reach the dynamics by a detour: a tie, a dose, an initial value."""

from __future__ import annotations

import numpy as np
import pytest

import idfit

TIMES = np.array([1.0, 2.0])
SUBJECTS = {"a": 0.5, "b": 0.1}
DATA = {
    "time": [*TIMES, *TIMES],
    "observable": ["y"] * 4,
    "value": [0.3, 0.1, 0.5, 0.2],
    "subject": ["a", "a", "b", "b"],
}
K = {"value": 0.5, "min": 0.01, "max": 10, "scale": "log10", "per": "subject"}
RATE = {"value": 1.0, "fixed": True}

# what k does, the parameters, the conditions, and the solution for a subject with that k
DETOURS = {
    "tie": ({"rate": {"tie": "2*k"}}, {}, lambda k: np.exp(-2 * k * TIMES)),
    "dose": (
        {"rate": RATE},
        {"default": {"dose": [{"time": 0, "add": {"A": "k"}}]}},
        lambda k: (1 + k) * np.exp(-TIMES),
    ),
    "initial value": (
        {"rate": RATE},
        {"default": {"set": {"A": "3*k"}}},
        lambda k: 3 * k * np.exp(-TIMES),
    ),
    "setting": ({"rate": RATE}, {"default": {"set": {"rate": "k"}}}, lambda k: np.exp(-k * TIMES)),
}


@pytest.mark.parametrize("detour", DETOURS)
def test_a_copy_acts_for_its_own_subject_only(detour):
    parameters, conditions, solution = DETOURS[detour]
    model = idfit.Model.from_equations({"A": "-rate*A"}, {"y": "A"}, ["rate", "k"], {"A": 1})
    problem = idfit.Problem(
        model, DATA, conditions=conditions, parameters={"k": K, **parameters}, noise={"y": 0.1}
    )
    assert problem.parameters.names == ("k[a]", "k[b]")
    theta = problem.parameters.to_scaled(list(SUBJECTS.values()))
    ev = problem.objective()(theta)
    np.testing.assert_allclose(
        ev.prediction, np.concatenate([solution(k) for k in SUBJECTS.values()]), rtol=1e-7
    )
    assert ev.prediction_jacobian is not None
    own = np.repeat(np.eye(2, dtype=bool), 2, axis=0)
    assert (ev.prediction_jacobian[own] != 0).all()
    assert (ev.prediction_jacobian[~own] == 0).all()
