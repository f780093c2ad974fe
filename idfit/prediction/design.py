"""Which measurement to make next: candidates ranked by what they do to chosen uncertainties."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from idfit.errors import InputError, RunError
from idfit.fisher.expansion import expand, root_at
from idfit.numerics.information import modes
from idfit.prediction.candidates import Candidate, Wider, offered, spec_with, widened
from idfit.prediction.check_by_simulation import Setting, simulated
from idfit.prediction.criteria import (
    CRITERIA,
    Criterion,
    Information,
    criterion_value,
    null_directions,
    remaining_null_space,
)
from idfit.prediction.exchange import Scores, exchanged, greedy
from idfit.prediction.gain_refits import refitted
from idfit.prediction.targets import Given, Target, profiles_of, targets_of
from idfit.prediction.valley import (
    End,
    Telling,
    Truth,
    ends_of,
    telling,
    threshold_of,
    truths_of,
)
from idfit.problem import Evaluation, Objective, ParameterSpace, Problem
from idfit.problem.packing import transform_of
from idfit.profiles.start import Start, start_of, units
from idfit.results import SideStatus, Status, dataset
from idfit.tasks import Runner

Method = Literal["fisher", "valley", "both"]

# a uniform density of width w has the standard deviation w/√12; what has no bounds is taken to lie within
# what profiles search: a factor 10^12 either way, or a million times its size
_UNIFORM = math.sqrt(12.0)
_DECADES, _SIZES = 12.0, 1e6
# a target depends on an undetermined direction if more than this share of its gradient lies along it
_DEPENDS = 1e-4
# targets whose errors differ by more than this are as good as dependent
_DEPENDENT = 1e-9
# a truth that has moved nearer to an end needs less; never less than this share of the threshold
_LEAST_NEEDED = 0.1


def design(
    problem: Problem,
    fit: xr.Dataset | np.ndarray,
    *,
    candidates: Sequence[Candidate] | None = None,
    target: Given = None,
    criterion: Criterion = "D",
    n_new: int = 1,
    profiles: xr.Dataset | None = None,
    method: Method = "both",
    observables: Mapping[str, Any] | None = None,
    conditions: Mapping[str, Any] | None = None,
    times: Sequence[float] | None = None,
    replicates: int = 1,
    exchange: bool = True,
    check: bool = True,
    n_simulations: int = 20,
    ci_prob: float = 0.95,
    seed: int | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    runner: Runner | None = None,
) -> xr.Dataset:
    """Rank the measurements that could be made next by what they do to the uncertainty of targets.

        fisher:  gain = ln criterion(cov) − ln criterion(cov with the candidate),
                 cov = L (F + Σ (∇m∇mᵀ + 2∇σ∇σᵀ)/σ² + R)⁻¹ Lᵀ           at the best fit
        valley:  gain = ½ δᵀ(I + J C Jᵀ)⁻¹δ,  δ = (m(θ_t) − m(θ_e))/σ    at the open ends θ_e of profiles

    F is the information of data and priors, L the targets' gradients, and R says that each parameter lies
    within its bounds (standard deviation width/√12 on the estimation scale), so that what is not determined
    has a large but finite variance; which targets the information determines is said apart. The valley is
    what `profiles` have found: θ_t runs over the best fit and points within the confidence sets, as the
    truth is not known.

    candidates : if None every observable in every condition over a grid of times that goes beyond the data.
    observables, conditions : more to choose from, in the form of the model file; a state to measure is an
    observable with its formula and noise. times : the grid. target : names of parameters or formulas, or
    quantities by name; if None the parameters whose profiles are open, else all. criterion : ``D``, ``A``,
    ``E`` of the targets, each in its own unit (a factor e, or its size), or ``single`` (the first). n_new :
    size of the proposed set; replicates : how often each candidate is measured. method : ``valley`` ranks by
    the mean of gain/(gain + needed) over open sides and truths, ``both`` does so where the profiles are open,
    and else by the information. check : whether the proposal is tried on `n_simulations` simulated data
    sets for each truth.

    Returns a dataset of the group ``design``. Errors: `InputError` for names, times, noise and options;
    `RunError` if the best fit cannot be evaluated; `Interrupted` if stopped.

    Sources: Atkinson, Donev & Tobias (Oxford 2007); Raue et al. 2009, doi:10.1093/bioinformatics/btp358;
    Steiert et al. 2012, doi:10.1371/journal.pone.0040052.
    """
    _check_options(criterion, method, n_new, replicates, n_simulations, profiles)
    runner, start = runner or Runner(), start_of(problem, fit, rtol, atol, seed)
    start = _at_profiles(problem, start, profiles)
    targets = targets_of(problem, target, profiles, start.rtol, start.atol)
    if criterion == "single" and len(targets) > 1:
        targets = targets[:1]
    spec, grid = _spec_and_candidates(problem, candidates, observables, conditions, times)
    wider = widened(problem, spec, grid)
    local = _local(problem, wider, start, targets, replicates)
    if criterion == "D" and _depend(local.information):
        names = ", ".join(t.name for t in targets)
        raise InputError(
            f"the targets {names} depend on each other, so that their covariance has no determinant; leave "
            "one out, or use criterion A"
        )
    if profiles is None and (check or method == "valley"):
        profiles = profiles_of(
            problem, targets, start.theta, ci_prob, start.rtol, start.atol, start.seed, runner
        )
    valley = None if profiles is None or method == "fisher" else _valley(local, profiles, targets)
    if valley is not None:
        valley = replace(valley, tellings=refitted(
            problem, spec, wider.candidates, targets, valley.ends, valley.tellings, valley.aimed_at,
            valley.truths, replicates, start.rtol, start.atol, runner,
        ))  # fmt: skip
    by_valley = valley is not None and (method == "valley" or valley.any_open)
    scores = valley.scores(replicates) if valley is not None and by_valley else local.scores(criterion)
    chosen = greedy(scores, n_new)
    chosen = exchanged(scores, chosen) if exchange and n_new > 1 else chosen
    chosen = _by_worth(scores, chosen)
    truths = valley.truths if valley is not None else [local.truth]
    variables = _fisher_part(local, targets, criterion) | _ranking(scores, chosen) | _now(profiles, targets)
    variables |= _valley_part(valley, local, targets, replicates, truths)
    if check:
        again = widened(problem, spec, [grid[i] for i in chosen for _ in range(replicates)])
        ci = float(profiles["ci_prob"].values[-1]) if profiles is not None else ci_prob
        setting = Setting(again, targets, start.theta, ci, start.rtol, start.atol, start.seed)
        variables |= simulated(setting, truths, n_simulations, runner)
    return _dataset(problem, local, targets, truths, variables, {
        "criterion": criterion,
        "method": "valley" if by_valley else "fisher",
        "replicates": replicates,
        "n_simulations": n_simulations if check else 0,
        "ci_prob": ci_prob if profiles is None else float(profiles["ci_prob"].values[-1]),
        "seed": start.seed,
        "rtol": start.rtol,
        "atol": start.atol,
    })  # fmt: skip


def check_design(
    problem: Problem,
    target: Given,
    observables: Mapping[str, Any],
    conditions: Mapping[str, Any],
    times: Sequence[float] | None,
    rtol: float = 1e-8,
    atol: float = 1e-12,
) -> None:
    """Errors: the `InputError` that `design` gives for what is offered and aimed at; nothing is solved."""
    targets_of(problem, target, None, rtol, atol)
    widened(problem, *offered(problem, observables, conditions, times))


def _check_options(
    criterion: str, method: str, n_new: int, replicates: int, n: int, profiles: xr.Dataset | None
) -> None:
    if criterion not in CRITERIA:
        raise InputError(f"criterion = {criterion!r} was given; there are {', '.join(CRITERIA)}")
    if method not in ("fisher", "valley", "both"):
        raise InputError(f"method = {method!r} was given; there are fisher, valley and both")
    for name, value in (("n_new", n_new), ("replicates", replicates), ("n_simulations", n)):
        if not 1 <= value <= 10_000:
            raise InputError(f"{name} = {value} was given; it lies between 1 and 10000")
    if profiles is not None and profiles.attrs.get("method", "path") == "endpoints":
        raise InputError("these profiles have limits and no paths; profile with method = 'path'")


def _depend(info: Information) -> bool:
    """Whether a combination of the targets never changes."""
    values = np.linalg.svd(info.targets @ info.inverse, compute_uv=False)
    return len(values) < len(info.targets) or bool(values[-1] < _DEPENDENT * values[0])


def _at_profiles(problem: Problem, start: Start, profiles: xr.Dataset | None) -> Start:
    """The best fit is where the profiles begin: they may have found a better one."""
    if profiles is None:
        return start
    names = tuple(str(n) for n in profiles["parameter"].values)
    if names != problem.parameters.names:
        raise InputError(f"the profiles are those of {', '.join(names)}; profile this problem first")
    return replace(start, theta=profiles["theta"].values[0, int(profiles["start_step"].values[0])].copy())


def _spec_and_candidates(
    problem: Problem,
    candidates: Sequence[Candidate] | None,
    observables: Mapping[str, Any] | None,
    conditions: Mapping[str, Any] | None,
    times: Sequence[float] | None,
):
    if candidates is None:
        return offered(problem, observables, conditions, times)
    if times is not None:
        raise InputError("times were given beside candidates, which have times of their own; leave one out")
    return spec_with(problem.spec, observables or {}, conditions or {}), tuple(candidates)


@dataclass(frozen=True)
class _Local:
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


def _local(problem: Problem, wider: Wider, start: Start, targets: list[Target], replicates: int) -> _Local:
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
    return _Local(wider, objective, ev, theta, unit, info, null_space, roots, beside, truth)


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


@dataclass(frozen=True)
class _Valley:
    """Ends of the targets' profiles, points that may be true, and what candidates tell them apart by."""

    truths: list[Truth]
    ends: dict[tuple[int, int], End]
    tellings: dict[tuple[int, int], Telling]

    @property
    def any_open(self) -> bool:
        return any(end.is_open for end in self.ends.values())

    @property
    def aimed_at(self) -> list[tuple[int, int]]:
        """The open sides; all of them where none is open."""
        return [key for key, end in self.ends.items() if end.is_open or not self.any_open]

    def scores(self, replicates: int) -> Scores:
        """Mean over sides and truths of gain/(gain + needed): a half where the side just ends."""
        tellings = [self.tellings[key] for key in self.aimed_at]

        def scores(chosen: list[int]) -> np.ndarray:
            parts = []
            for t in tellings:
                if t.status is Status.OK:
                    gain = t.gains(chosen, replicates)
                    parts.append(gain / (gain + t.needed[:, None]))
            if not parts:
                raise RunError("the predictions cannot be evaluated at any end of the valley")
            share = np.concatenate(parts)
            return share[~np.isnan(share).all(axis=1)].mean(axis=0)

        return scores


def _valley(local: _Local, profiles: xr.Dataset, targets: list[Target]) -> _Valley:
    known = [str(n) for n in profiles["profiled"].values]
    if missing := [t.name for t in targets if t.name not in known]:
        raise InputError(f"the profiles are of {', '.join(known)}; profile {', '.join(missing)} too")
    ends = {(i, s): end for i, t in enumerate(targets) for s, end in enumerate(ends_of(profiles, t.name))}
    is_open = [t.name for i, t in enumerate(targets) if ends[i, 0].is_open or ends[i, 1].is_open]
    truths = [local.truth, *truths_of(profiles, is_open)]
    threshold = threshold_of(profiles)
    at_truths = [local.objective(local.wider.theta(t.theta), 0) for t in truths]
    fine = [k for k, ev in enumerate(at_truths) if ev.status is Status.OK]
    truths, at_truths = [truths[k] for k in fine], [at_truths[k] for k in fine]
    rises = np.array([t.rise for t in truths])
    tellings = {}
    for (i, s), end in ends.items():
        # a closed side has its threshold already; to move it in costs as much again
        missing_rise = threshold + rises - (end.rise if end.is_open else 0.0)
        needed = np.maximum(missing_rise, _LEAST_NEEDED * threshold)
        held = local.gradient(targets[i], end.theta)
        own = [
            ev if t.target in ("", targets[i].name) else None for t, ev in zip(truths, at_truths, strict=True)
        ]
        tellings[i, s] = telling(
            local.wider, local.objective, local.beside, local.evaluation.sigma, own, end, held, needed
        )
    return _Valley(truths, ends, tellings)


def _by_worth(scores: Scores, chosen: list[int]) -> list[int]:
    """The set in the order in which its members matter: each the best of those that are left."""
    left, ordered = list(chosen), []
    while left:
        own = scores(ordered)
        ordered.append(left.pop(int(np.argmax(own[left]))))
    return ordered


def _fisher_part(local: _Local, targets: list[Target], criterion: Criterion) -> dict[str, np.ndarray]:
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


def _ranking(scores: Scores, chosen: list[int]) -> dict[str, np.ndarray]:
    score = scores([])
    order = np.argsort(np.where(np.isnan(score), np.inf, -score), kind="stable")
    rank = np.empty(len(score), dtype=np.int64)
    rank[order] = np.arange(len(score))
    best = int(order[0])
    return {
        "score": score,
        "rank": rank,
        "chosen_candidate": np.array(chosen, dtype=np.int64),
        "chosen_score": np.array([scores(chosen[:i])[c] for i, c in enumerate(chosen)]),
        "repeated_score": np.array([scores([best] * i)[best] for i in range(len(chosen))]),
    }


def _now(profiles: xr.Dataset | None, targets: list[Target]) -> dict[str, np.ndarray]:
    """Intervals and sides as they are before anything new is measured."""
    if profiles is None:
        unknown = np.full((len(targets), 2), int(SideStatus.NOT_REACHED), dtype=np.int8)
        return {"side_status": unknown, "interval": np.full((len(targets), 2), math.nan)}
    own = profiles.sel(profiled=[t.name for t in targets])
    return {
        "side_status": own["side_status"].values[:, -1],
        "interval": own["interval"].sel(space="natural").values[:, -1],
    }


def _valley_part(
    valley: _Valley | None, local: _Local, targets: list[Target], replicates: int, truths: list[Truth]
) -> dict[str, np.ndarray]:
    found = {
        "theta_truth": np.array([t.theta for t in truths]),
        "rise_truth": np.array([t.rise for t in truths]),
        "true_value": np.array([[g.natural(t.theta) for g in targets] for t in truths]),
    }
    if valley is None:
        return found
    n_targets, n_truths, n = len(targets), len(truths), len(local.wider.candidates)
    spread = np.full((n_targets, 2, n_truths, n), math.nan)
    gain, needed = spread.copy(), np.full((n_targets, 2, n_truths), math.nan)
    theta_end = np.full((n_targets, 2, len(truths[0].theta)), math.nan)
    value, status = np.full((n_targets, 2), math.nan), np.zeros((n_targets, 2), dtype=np.int8)
    aimed, by_refit = np.zeros((n_targets, 2), dtype=bool), np.zeros((n_targets, 2, n), dtype=bool)
    for key, t in valley.tellings.items():
        spread[key], gain[key], needed[key] = replicates * t.spread(), t.gains([], replicates), t.needed
        end = valley.ends[key]
        theta_end[key], status[key] = end.theta, int(t.status)
        value[key] = targets[key[0]].natural(end.theta)
        aimed[key] = key in valley.aimed_at
        by_refit[key] = np.isfinite(t.single).any(axis=0)
    return found | {
        "valley_spread": spread, "valley_gain": gain, "valley_needed": needed, "theta_end": theta_end,
        "end_value": value, "end_status": status, "aimed_at": aimed, "gain_refitted": by_refit,
    }  # fmt: skip


def _dataset(
    problem: Problem,
    local: _Local,
    targets: list[Target],
    truths: list[Truth],
    variables: dict[str, np.ndarray],
    attrs: dict[str, Any],
) -> xr.Dataset:
    wider, candidates = local.wider, local.wider.candidates
    first = np.array([rows.start for rows in wider.rows])
    entries = [wider.problem.spec.observables[c.observable] for c in candidates]
    measured = {*problem.spec.conditions, *problem.spec.measurements.condition}
    coords = {
        "observable": [c.observable for c in candidates],
        "condition": [c.where for c in candidates],
        "time": [c.times[0] for c in candidates],
        "last_time": [c.times[-1] for c in candidates],
        "n_readings": [attrs["replicates"] * len(c.times) for c in candidates],
        "label": [c.label for c in candidates],
        "observable_unit": [o.unit or "" for o in entries],
        "observable_transform": [transform_of(o) for o in entries],
        "offered": [
            c.observable not in problem.spec.observables or c.where not in measured for c in candidates
        ],
        "target": [t.name for t in targets],
        "unit": [t.unit for t in targets],
        "target_scale": [t.scale for t in targets],
        "truth": [t.label for t in truths],
        "truth_of": [t.target for t in truths],
        "parameter": list(problem.parameters.names),
        "scale": list(problem.parameters.scale),
    }
    variables |= {
        "sigma": local.evaluation.sigma[first],
        "predicted": local.evaluation.prediction[first],
    }
    return dataset("design", variables, coords, attrs)
