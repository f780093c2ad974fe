"""Posteriors with known moments, as problems without states; what their samplers must return."""

from __future__ import annotations

import numpy as np

from idfit.model import Model
from idfit.problem import Problem
from idfit.sampling.density import Density
from tests.problems import estimated


def static_problem(
    formulas: dict[str, str], values: list[float], sd: list[float], parameters: dict
) -> Problem:
    """Each observable, a formula of the parameters, measured once with normal noise."""
    model = Model.from_equations({}, formulas, list(parameters))
    data = {"observable": list(formulas), "time": [0.0] * len(values), "value": values}
    noise = dict(zip(formulas, sd, strict=True))
    return Problem(model, data, parameters=parameters, noise=noise)


def static_density(*given) -> Density:
    return Density(static_problem(*given).objective())


def banana() -> Density:
    return Density(banana_problem().objective())


def two_modes(n: int) -> Density:
    return Density(two_modes_problem(n).objective())


def banana_problem() -> Problem:
    """x1 ~ N(0, 100), x2 = z - 0.1 x1² + 10 with z ~ N(0, 1): E x2 = 0, Var x2 = 201 (Haario et al. 1999)."""
    parameters = {"x1": estimated(0.0, -100, 100), "x2": estimated(0.0, -1000, 60)}
    return static_problem({"y": "x1", "z": "x2 + 0.1*x1^2 - 10"}, [0.0, 0.0], [10, 1], parameters)


def two_modes_problem(n: int) -> Problem:
    """0.3 N(-m, 1) + 0.7 N(m, 1) in n dimensions, m = (4, …, 4): y = 0 ± 1 with y² = 8 - 2 ln(mixture)."""
    names = [f"x{i}" for i in range(n)]
    square, product = (
        " + ".join(f"{form}{x}{power}" for x in names) for form, power in (("", "^2"), ("4*", ""))
    )
    formula = f"sqrt(8 + {16 * n} + {square} - 2*log(0.3*exp(-({product})) + 0.7*exp({product})))"
    return static_problem({"y": formula}, [0.0], [1], {x: estimated(0.0, -12, 12) for x in names})


# what `cut_gaussian` measures: rows of the design, values, sd
DESIGN, MEASURED, SD = np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([1.0, 0.5]), np.array([0.2, 2.0])
CUT = (-0.3, 1.5)


def cut_gaussian() -> Density:
    """a + b = 1 ± 0.2, a - b = 0.5 ± 2, cut by a and b in [-0.3, 1.5]."""
    parameters = {name: estimated(0.5, *CUT) for name in ("a", "b")}
    return static_density({"y": "a + b", "z": "a - b"}, list(MEASURED), list(SD), parameters)


def cut_gaussian_moments() -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of `cut_gaussian` by quadrature on a fine grid."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    low, high = CUT
    axis = low + (nodes + 1) * (high - low) / 2
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    residual = (grid @ DESIGN.T - MEASURED) / SD
    density = np.exp(-0.5 * (residual**2).sum(1)) * np.outer(weights, weights).ravel()
    density /= density.sum()
    mean = density @ grid
    return mean, (density[:, None] * (grid - mean)).T @ (grid - mean)


def positive_product() -> tuple[Density, float, float]:
    """k = 0.8 ± 0.4 with the prior normal(1, 0.5) of the natural value, estimated as ln k; mean and sd of k.

    The posterior of k is the normal of the product, mean 0.878 and sd 0.312, but for what lies below 0.
    """
    from scipy.stats import truncnorm

    density = static_density(
        {"y": "k"}, [0.8], [0.4], {"k": estimated(0.8, 1e-4, 1e2, "log", prior="normal(1, 0.5)")}
    )
    precision = 1 / 0.4**2 + 1 / 0.5**2
    mean, sd = (0.8 / 0.4**2 + 1 / 0.5**2) / precision, precision**-0.5
    exact = truncnorm((1e-4 - mean) / sd, np.inf, mean, sd)
    return density, float(exact.mean()), float(exact.std())
