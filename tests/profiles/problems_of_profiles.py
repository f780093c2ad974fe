"""Regressions whose profiles are known: every observable is a formula of parameters, measured once."""

from __future__ import annotations

from collections.abc import Mapping

from idfit.model import Model
from idfit.problem import Problem
from tests.problems import estimated


def regression(
    formulas: Mapping[str, str], parameters: Mapping[str, dict], values: Mapping[str, float] | None = None
) -> Problem:
    """nllh = ½ Σ (formula − value)² + constants: each is measured once with sd 1, as 0 if not said."""
    model = Model.from_equations({}, formulas, list(parameters))
    values = dict.fromkeys(formulas, 0.0) | dict(values or {})
    data = {
        "observable": list(formulas),
        "time": [0.0] * len(formulas),
        "value": [values[k] for k in formulas],
    }
    return Problem(model, data, parameters=parameters, noise=dict.fromkeys(formulas, 1))


def cusp(weight: float = 1.0) -> Problem:
    """For each a two valleys in b, near +1 and -1, of which one vanishes when a goes far: profiles jump.

    nllh = ½ (a/2)² + ½ 9 (b² − 1)² + ½ weight (2 b − 2 a)² + constants, symmetric in (a, b) → (−a, −b).
    """
    return regression(
        {"of_a": "a/2", "well": "3*(b^2 - 1)", "pull": f"{weight}*(2*b - 2*a)"},
        {"a": estimated(0.5, -20, 20), "b": estimated(1.0, -20, 20)},
    )


def saturation() -> Problem:
    """y = k/(1 + k) = 1 on a logarithmic scale: k has a lower limit and no upper one.

    nllh = ½ (5/(1 + k))² + constants; its infimum is at k = ∞.
    """
    return regression({"y": "5*k/(1 + k)"}, {"k": estimated(1.0, 1e-4, 1e4, "log10")}, {"y": 5.0})
