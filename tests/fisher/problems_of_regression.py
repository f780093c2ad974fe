"""Regressions of the literature with published curvatures, as problems without states."""

from __future__ import annotations

import numpy as np

from idfit.model import Model
from idfit.problem import Problem

#: velocity of an enzyme treated with Puromycin; Bates & Watts, Nonlinear Regression Analysis (Wiley 1988)
CONCENTRATION = np.array([0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.10, 1.10])
VELOCITY = np.array([76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200], dtype=float)


def puromycin(scale: str = "lin", noise: float | str = "sd") -> Problem:
    """y = Vm x/(K + x); the time column holds the concentration x.

    noise : "sd" is estimated, a number is known. The nominal values are the least-squares estimates to seven
    digits.
    """
    model = Model.from_equations({}, {"rate": "Vm*t/(K + t)"}, ["Vm", "K"])
    parameters = {
        "Vm": {"value": 212.683743, "min": 10, "max": 1e4, "scale": scale},
        "K": {"value": 0.06412128, "min": 1e-4, "max": 10, "scale": scale},
    }
    if noise == "sd":
        parameters["sd"] = {"value": 9.98, "min": 0.1, "max": 1e3, "scale": "log"}
    data = {"time": list(CONCENTRATION), "value": list(VELOCITY)}
    return Problem(model, data, parameters=parameters, noise={"rate": noise})
