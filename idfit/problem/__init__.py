"""Problems: a model with data, experiments, noise and parameter spaces, ready to be evaluated."""

from idfit.problem.objective import Evaluation, Objective
from idfit.problem.parameters import ParameterSpace
from idfit.problem.problem import Problem, build
from idfit.problem.quantities import Quantity
from idfit.problem.simulation import simulate, simulate_data

__all__ = [
    "Evaluation",
    "Objective",
    "ParameterSpace",
    "Problem",
    "Quantity",
    "build",
    "simulate",
    "simulate_data",
]
