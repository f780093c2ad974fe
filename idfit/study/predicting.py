"""Predictions, residual diagnostics and predictive checks of a study."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from idfit.errors import InputError
from idfit.problem import Problem
from idfit.results.prediction import LimitStatus
from idfit.study.analyses import PredictionTable
from idfit.study.recipe import Recipe
from idfit.tasks import Runner

Groups = Mapping[str, xr.Dataset]
# statuses of limits that are missing without the model's fault
_MISSING = (LimitStatus.FAILED, LimitStatus.UNCONVERGED)


def quantities_of(table: PredictionTable) -> list[str] | dict[str, str] | None:
    """What is predicted: the named observables and the formulas, all observables if neither is given."""
    if not table.formulas:
        return table.observables
    return {name: name for name in table.observables or ()} | table.formulas


def predictions(
    problem: Problem, best: xr.Dataset, groups: Groups, recipe: Recipe, runner: Runner
) -> xr.Dataset:
    from idfit.prediction import predict

    asked = recipe.prediction
    assert asked is not None
    if asked.method == "posterior" and "posterior" not in groups:
        raise InputError("bands of the posterior need draws; add the table [posterior]")
    return predict(
        problem,
        best,
        method=asked.method,
        posterior=_drawn(groups) if asked.method == "posterior" else None,
        profiles=groups.get("profiles"),
        quantities=quantities_of(asked),
        times=asked.times,
        ci_prob=asked.ci_prob,
        threshold=asked.threshold,
        validation=asked.validation,
        n_draws=asked.draws,
        seed=recipe.seed,
        runner=runner,
    )


def _drawn(groups: Groups) -> xr.DataTree:
    return xr.DataTree.from_dict({name: groups[name] for name in ("posterior", "sampling") if name in groups})


def where_bands_begin(groups: Groups, best: np.ndarray) -> np.ndarray:
    """The best fit with what else decides the bands: points of profiles and draws of the posterior."""
    parts = [best]
    if "profiles" in groups:
        theta = groups["profiles"]["theta"].values
        parts.append(theta[np.isfinite(theta)])
    if "posterior" in groups:
        parts += [np.ravel(draws.values) for draws in groups["posterior"].data_vars.values()]
    return np.concatenate([np.ravel(part) for part in parts])


def missing_limits(prediction: xr.Dataset) -> list[str]:
    """Limits that could not be computed, by reason."""
    codes = np.concatenate([prediction[n].values.ravel() for n in ("status", "validation_status")])
    return [
        f"{int((codes == int(status)).sum())} limits of predictions: {status.sentence}"
        for status in _MISSING
        if (codes == int(status)).any()
    ]


def diagnostics(problem: Problem, best: xr.Dataset, recipe: Recipe) -> xr.Dataset:
    from idfit.prediction import residual_diagnostics

    return residual_diagnostics(problem, best, seed=recipe.seed)


def predictive_checks(problem: Problem, groups: Groups, recipe: Recipe) -> dict[str, xr.Dataset]:
    """Data drawn from the posterior, and how they compare with those measured."""
    from idfit.prediction import posterior_predictive

    made = posterior_predictive(
        problem,
        _drawn(groups),
        n_draws=recipe.diagnostics.draws,
        seed=recipe.seed or 0,
        rtol=recipe.solver.rtol,
        atol=recipe.solver.atol,
    )
    return {name: node.to_dataset() for name, node in made.children.items()}
