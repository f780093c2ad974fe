"""Which measurement to make next: candidates ranked by what they do to chosen uncertainties."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from idfit.errors import InputError
from idfit.prediction.candidates import Candidate, Wider, offered, spec_with, widened
from idfit.prediction.check_by_simulation import Setting, simulated
from idfit.prediction.criteria import (
    CRITERIA,
    Criterion,
)
from idfit.prediction.exchange import Scores, exchanged, greedy
from idfit.prediction.gain_refits import refitted
from idfit.prediction.local_information import Local, depend, fisher_part, local_of
from idfit.prediction.targets import Given, Target, profiles_of, targets_of
from idfit.prediction.valley import (
    Truth,
)
from idfit.prediction.valleys import Valley, valley_of
from idfit.problem import Problem
from idfit.problem.packing import transform_of
from idfit.profiles.start import Start, start_of
from idfit.results import SideStatus, Status, dataset
from idfit.tasks import Runner

Method = Literal["fisher", "valley", "both"]


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

    candidates : if None every observable in every condition over a grid of times that goes beyond the data
    where the model does.
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
    if candidates is None and times is None and not _predictable(wider, start):
        # what was measured may end where the model does, as a crack that has grown through
        spec, grid = offered(problem, observables, conditions, reach=1.0)
        wider = widened(problem, spec, grid)
    local = local_of(problem, wider, start, targets, replicates)
    if criterion == "D" and depend(local.information):
        names = ", ".join(t.name for t in targets)
        raise InputError(
            f"the targets {names} depend on each other, so that their covariance has no determinant; leave "
            "one out, or use criterion A"
        )
    if profiles is None and (check or method == "valley"):
        profiles = profiles_of(
            problem, targets, start.theta, ci_prob, start.rtol, start.atol, start.seed, runner
        )
    valley = None if profiles is None or method == "fisher" else valley_of(local, profiles, targets)
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
    variables = fisher_part(local, targets, criterion) | _ranking(scores, chosen) | _now(profiles, targets)
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


def _predictable(wider: Wider, start: Start) -> bool:
    return wider.problem.objective(start.rtol, start.atol)(wider.theta(start.theta), 0).status is Status.OK


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


def _by_worth(scores: Scores, chosen: list[int]) -> list[int]:
    """The set in the order in which its members matter: each the best of those that are left."""
    left, ordered = list(chosen), []
    while left:
        own = scores(ordered)
        ordered.append(left.pop(int(np.argmax(own[left]))))
    return ordered


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
    valley: Valley | None, local: Local, targets: list[Target], replicates: int, truths: list[Truth]
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
    local: Local,
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
