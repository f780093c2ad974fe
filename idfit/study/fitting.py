"""The fit that a recipe asks for."""

from __future__ import annotations

import xarray as xr

from idfit.optimize.fit import fit
from idfit.optimize.local import DEFAULT_OPTIMIZER, LocalOptions
from idfit.problem import Problem
from idfit.study.recipe import Recipe
from idfit.tasks import Runner


def fitted(problem: Problem, recipe: Recipe, runner: Runner) -> xr.Dataset:
    """A multistart fit of the problem. Errors: those of `fit`."""
    asked, limit = recipe.fit, recipe.fit.max_iterations
    return fit(
        problem,
        n_starts=asked.starts,
        seed=recipe.seed,
        sampling=asked.sampling,
        optimizer=asked.optimizer or DEFAULT_OPTIMIZER,
        options=None if limit is None else LocalOptions(max_iterations=limit),
        rtol=recipe.solver.rtol,
        atol=recipe.solver.atol,
        runner=runner,
    )
