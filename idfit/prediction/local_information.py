"""What is known at the best fit, and what each candidate would add to it: the local part of a design."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from idfit.errors import RunError
from idfit.fisher.expansion import expand, root_at
from idfit.numerics.information import modes
from idfit.prediction.candidates import Wider
from idfit.prediction.criteria import (
    Criterion,
    Information,
    criterion_value,
    null_directions,
    remaining_null_space,
)
from idfit.prediction.exchange import Scores
from idfit.prediction.targets import Target
from idfit.prediction.valley import Truth
from idfit.problem import Evaluation, Objective, ParameterSpace, Problem
from idfit.profiles.start import Start, units
from idfit.results import Status

# a uniform density of width w has the standard deviation w/√12; what has no bounds is taken to lie within
# what profiles search: a factor 10^12 either way, or a million times its size
_UNIFORM = math.sqrt(12.0)
_DECADES, _SIZES = 12.0, 1e6
# a target depends on an undetermined direction if more than this share of its gradient lies along it
_DEPENDS = 1e-4
# targets whose errors differ by more than this are as good as dependent
_DEPENDENT = 1e-9


@dataclass(frozen=True)
class Local:
    """What is known at the best fit, in units of each parameter (`unit`); all of the wider problem.

    null_space : (parameter, direction) what data and priors leave undetermined; roots : of each candidate
    (row, parameter), replicates counted; beside : (row, parameter) root of priors and bounds, not in units.
    """

    wider: Wider
    objective: Objective
    evaluation: Evaluation
    theta: np.ndarray
    unit: np.ndarray
    information: Information
    null_space: np.ndarray
    roots: list[np.ndarray]
    beside: np.ndarray
    truth: Truth

    def gradient(self, target: Target, theta: np.ndarray) -> np.ndarray:
        """(parameter,) of the wider problem, not in units; theta : of the narrower problem."""
        own = target.gradient(theta)
        return np.where(self.wider.known >= 0, own[self.wider.known], 0.0)

    def scores(self, criterion: Criterion) -> Scores:
        info = self.information
        before = criterion_value(info.covariance(np.zeros_like(info.inverse)), criterion)

        def scores(chosen: list[int]) -> np.ndarray:
            added = info.set_of(chosen) + info.weights
            return before - criterion_value(info.covariance(added), criterion)

        return scores


def local_of(problem: Problem, wider: Wider, start: Start, targets: list[Target], replicates: int) -> Local:
    at = expand(problem, start.theta, start.rtol, start.atol)
    objective = wider.problem.objective(start.rtol, start.atol)
    theta, space = wider.theta(start.theta), wider.problem.parameters
    ev = objective(theta, 1)
    if ev.status is not Status.OK or ev.prior_fim is None:
        where = f" (simulation {ev.simulation}, time {ev.time:g})" if ev.simulation else ""
        raise RunError(f"the candidates cannot be predicted at the best fit: {ev.status.sentence}{where}")
    unit = units(space, theta)
    root, n = root_at(objective, ev), len(ev.sigma)
    data = slice(0, wider.rows[0].start)
    priors = np.diag(np.sqrt(np.diag(ev.prior_fim)))
    beside = np.concatenate([priors, np.diag(1.0 / _reach(space, unit))])
    own = np.concatenate([root[data], root[n:][data], beside]) * unit
    times = math.sqrt(replicates)
    roots = [times * np.concatenate([root[r], root[n:][r]]) * unit for r in wider.rows]
    lines = np.array([
        np.where(wider.known >= 0, t.gradient(start.theta)[wider.known], 0.0) * unit / t.own_unit(start.theta)
        for t in targets
    ])  # fmt: skip
    assert at.evaluation.prior_fim is not None
    prior_of_data = np.diag(np.sqrt(np.diag(at.evaluation.prior_fim)))
    known = modes(
        np.concatenate([at.root, prior_of_data]),
        np.concatenate([at.error, np.zeros_like(prior_of_data)]),
        at.floor,
    ).null_space
    info = Information.of(own, lines, roots)
    null_space = _widened_null_space(wider, known, priors) / unit[:, None]
    truth = Truth("the best fit", start.theta, 0.0)
    return Local(wider, objective, ev, theta, unit, info, null_space, roots, beside, truth)


def _reach(space: ParameterSpace, unit: np.ndarray) -> np.ndarray:
    """Standard deviation (parameter,) of what the bounds say."""
    width = space.upper_scaled - space.lower_scaled
    linear = np.array([s == "lin" for s in space.scale])
    unbounded = 2.0 * np.where(linear, _SIZES, _DECADES * math.log(10.0)) * unit
    return np.where(np.isfinite(width), width, unbounded) / _UNIFORM


def _widened_null_space(wider: Wider, known: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """Undetermined directions (parameter, direction): those of the data, and the candidates' parameters."""
    new = np.flatnonzero((wider.known < 0) & (np.diag(priors) == 0.0))
    result = np.zeros((len(wider.known), known.shape[1] + len(new)))
    result[:, : known.shape[1]] = np.where((wider.known >= 0)[:, None], known[wider.known], 0.0)
    result[new, known.shape[1] + np.arange(len(new))] = 1.0
    return result


def fisher_part(local: Local, targets: list[Target], criterion: Criterion) -> dict[str, np.ndarray]:
    info = local.information
    before = info.covariance(np.zeros_like(info.inverse))
    after = info.covariance(info.weights)
    lines = info.targets
    null = null_directions(lines, local.null_space, _DEPENDS)
    left = [remaining_null_space(root, local.null_space) for root in local.roots]
    still = np.array([np.any(null_directions(lines, space, _DEPENDS), axis=1) for space in left])
    along = np.array([np.sum((root @ null.T) ** 2, axis=0) for root in local.roots])
    return {
        "gain": local.scores(criterion)([]),
        "error_before": np.sqrt(np.diag(before)),
        "error_after": np.sqrt(np.diagonal(after, axis1=1, axis2=2)).T,
        "determined_before": ~np.any(null, axis=1),
        "determined_after": ~still.T,
        "null_information": along.T,
    }


def depend(info: Information) -> bool:
    """Whether a combination of the targets never changes."""
    values = np.linalg.svd(info.targets @ info.inverse, compute_uv=False)
    return len(values) < len(info.targets) or bool(values[-1] < _DEPENDENT * values[0])
