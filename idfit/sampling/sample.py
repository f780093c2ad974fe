"""The posterior of a problem as draws, with what they are worth."""

from __future__ import annotations

import functools
import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from idfit.errors import InputError
from idfit.problem import Objective, Problem
from idfit.results import Limit, Status, dataset
from idfit.results.sampling import draws_dataset, fates
from idfit.sampling.bridge import bridge_evidence
from idfit.sampling.density import Density
from idfit.sampling.evidence import nested_runs
from idfit.sampling.kernels import kernel_of
from idfit.sampling.modes import Modes, log_masses, missed, modes_of
from idfit.sampling.options import SampleOptions
from idfit.sampling.positions import anchors, prior_quantiles, prior_variance
from idfit.sampling.rounds import STAGE, Drawn, until_converged
from idfit.sampling.summary import contraction, data_share, limited_by, moments, seen_by_profiles
from idfit.tasks import Runner, Task, seed_sequence

# draws at which the likelihood of each measurement, and at which the information of the data is taken
_LOOKED_AT, _INFORMED = 1000, 40
_CHUNK = 250
# of the quantiles of priors that are kept, to draw them beside the posterior
_PRIOR_LEVELS = np.linspace(0.0025, 0.9975, 200)


def sample(
    problem: Problem,
    fit: xr.Dataset | np.ndarray | None = None,
    *,
    seed: int | None = None,
    sampler: str | None = None,
    profiles: xr.Dataset | None = None,
    ci_prob: float | Sequence[float] = (0.68, 0.95),
    options: SampleOptions | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    runner: Runner | None = None,
    told: Callable[[str], None] | None = None,
) -> xr.DataTree:
    """Draw from the posterior until the draws count, or the budget ends.

        π(θ | data) ∝ exp(−nllh(θ)) · prior(θ) within the bounds, θ on the estimation scale

    where a parameter without a prior is uniform in θ within its bounds (`Density`). fit : dataset of `fit`,
    or a point (parameter,) on the estimation scale, about which the chains begin (the nominal values if
    None); profiles : dataset of `profile`, whose paths spread them along the valleys; sampler : one of
    `SAMPLERS`, that of the options if None; ci_prob : levels of the credible intervals; rtol, atol, seed :
    the fit's if None; told : is called with a sentence after each round. Without measurements the prior is
    sampled.

    Returns a DataTree in ArviZ's schema, which `arviz_stats` reads as it is: ``posterior`` (one variable per
    parameter on its natural scale over chain and draw), ``sample_stats`` (lp, ln of the density on the
    estimation scale), ``log_likelihood`` and ``observed_data``. The group ``sampling`` says what the draws
    are worth. Unless its attribute `converged` is 1, it makes no claim: moments and intervals are NaN, and
    `reason` says what is missing. Its attributes `log_evidence` and `log_evidence_error` are ln of
    ∫ exp(−nllh)·prior dθ with the prior normalised within the bounds, and its standard error, by a bridge
    between the draws and a mixture fitted to them, or by ``dynesty`` as nested sampling has it. Chains of one
    superchain (walkers of an ensemble) depend on each other: effective sample sizes and R-hat are those of
    the group ``sampling``.

    The same seed gives the same bytes with any number of workers. Errors: `InputError` for options, and for a
    parameter with neither a prior nor finite bounds; `RunError` where no beginning of finite density is
    found; `Interrupted` if stopped.
    """
    runner, options = runner or Runner(), options or SampleOptions()
    options = options if sampler is None else replace(options, sampler=sampler)
    levels = np.unique(np.atleast_1d(np.asarray(ci_prob, dtype=float)))
    if not ((levels > 0) & (levels < 1)).all():
        raise InputError(f"ci_prob = {ci_prob} was given; levels lie between 0 and 1, 0.95 is usual")
    known = fit.attrs if isinstance(fit, xr.Dataset) else {}
    seed = int(known.get("seed", secrets.randbits(32))) if seed is None else seed
    objective = problem.objective(
        float(known.get("rtol", 1e-8)) if rtol is None else rtol,
        float(known.get("atol", 1e-12)) if atol is None else atol,
    )
    density = Density(objective, runner.stop)
    tell = told or (lambda sentence: None)
    evidence: dict[str, float] = {}
    if options.sampler == "dynesty":
        drawn, evidence = nested_runs(objective, options, seed, runner, tell)
    else:
        around = anchors(density, fit, profiles)
        modes = modes_of(density, fit) if isinstance(fit, xr.Dataset) else None
        missed = _missed(objective, modes, seed, runner)
        drawn = until_converged(
            objective, kernel_of(options, modes), around, options, seed, runner, tell, missed
        )
        if not drawn.diagnosis.reason:
            drawn, evidence = bridge_evidence(objective, drawn, seed, runner)
    back = _look_back(objective, drawn, seed, runner)
    attrs = {
        "sampler": options.sampler,
        "converged": int(not drawn.diagnosis.reason),
        "reason": drawn.diagnosis.reason,
        "n_draws": int(drawn.lp.size),
        "n_superchains": int(drawn.theta.shape[0]),
        "burn_in": drawn.burn_in,
        "thin": drawn.thin,
        "ess": options.ess,
        "rhat": options.rhat,
        "max_evaluations": options.max_evaluations,
        "n_data": int(objective.plan.n_rows),
        "seed": seed,
        "rtol": objective.rtol,
        "atol": objective.atol,
    } | evidence
    return xr.DataTree.from_dict(
        _draws(problem, drawn, back)
        | {"sampling": _sampling(problem, drawn, back["information"], density, profiles, levels, attrs)}
    )


def _missed(
    objective: Objective, modes: Modes | None, seed: int, runner: Runner
) -> Callable[[np.ndarray, float], str]:
    """What known mode draws (draw, parameter) of an effective sample size should be in and are not."""

    def work(task: Task, stop: np.ndarray) -> dict:
        assert modes is not None
        rng = seed_sequence(seed, *task.seed_key)
        return {"log_mass": log_masses(Density(objective, stop), modes, rng)}

    @functools.cache
    def log_mass() -> np.ndarray:
        (result,) = runner.run([Task("posterior modes", (STAGE + 2, 0))], work)
        return np.asarray(result["log_mass"])

    def found(draws: np.ndarray, ess: float) -> str:
        share = np.ones(0) if modes is None or len(modes) < 2 else modes.shares(draws)
        return "" if share.all() else missed(share, log_mass(), ess)

    return found


def _look_back(objective: Objective, drawn: Drawn, seed: int, runner: Runner) -> dict[str, Any]:
    """At a part of the draws, the same steps of every chain: the log-likelihood of each measurement, (chain,
    draw, row), with their positions among the draws; and the mean information of the data."""
    n_superchains, n_walkers, n_draws, n_parameters = drawn.theta.shape
    n_chains = n_superchains * n_walkers
    every = max(1, math.ceil(drawn.lp.size / _LOOKED_AT))
    chosen = np.arange(n_draws)[:: min(every, max(1, n_draws // 2))]
    theta = drawn.theta[:, :, chosen].reshape(-1, n_parameters)
    informed = seed_sequence(seed, STAGE + 1, 0).choice(len(theta), min(_INFORMED, len(theta)), replace=False)
    order = np.isin(np.arange(len(theta)), informed)

    def work(task: Task, stop: np.ndarray) -> dict:
        first = task.inputs["first"]
        return _looked_at(objective, theta[first : first + _CHUNK], order[first : first + _CHUNK], stop)

    starts = range(0, len(theta), _CHUNK)
    results = runner.run([Task(f"posterior look {i}", inputs={"first": i}) for i in starts], work)
    found: list[dict[str, Any]] = [dict(r) for r in results if "information" in r]
    rows = np.concatenate([r["log_likelihood"] for r in found])
    information = np.sum([r["information"] for r in found], axis=0)
    return {
        "log_likelihood": rows.reshape(n_chains, len(chosen), -1) if len(found) == len(results) else None,
        "step": drawn.step[chosen],
        "information": information / max(1, sum(r["n_informed"] for r in found)),
    }


def _looked_at(objective: Objective, theta: np.ndarray, informed: np.ndarray, stop: np.ndarray) -> dict:
    n_parameters = theta.shape[1]
    rows = np.full((len(theta), objective.plan.n_rows), np.nan)
    information, n = np.zeros((n_parameters, n_parameters)), 0
    for i, point in enumerate(theta):
        evaluation = objective(point, int(informed[i]), stop)
        if evaluation.status is Status.INTERRUPTED:
            return {"status": int(Status.INTERRUPTED)}
        if evaluation.status is Status.OK:
            rows[i] = -objective.measurement_nllh(evaluation)
            if evaluation.fim is not None:
                information, n = information + evaluation.fim, n + 1
    return {"log_likelihood": rows, "information": information, "n_informed": n}


def _draws(problem: Problem, drawn: Drawn, back: dict[str, Any]) -> dict[str, xr.Dataset]:
    """The groups of ArviZ's schema."""
    space, data = problem.parameters, problem.spec.measurements
    n_superchains, n_walkers, n_draws, n_parameters = drawn.theta.shape
    superchain = np.repeat(np.arange(n_superchains), n_walkers)
    natural = space.to_natural(drawn.theta.reshape(-1, n_draws, n_parameters))
    about = {
        name: {"long_name": name, "scale": scale} | ({"units": unit} if unit else {})
        for name, unit, scale in zip(space.names, space.unit, space.scale, strict=True)
    }
    library = {"inference_library": "idfit"}
    values = {name: natural[..., k] for k, name in enumerate(space.names)}
    density = "ln of the posterior density on the estimation scale, up to a constant"
    groups = {
        "posterior": draws_dataset(values, superchain, drawn.step, about, library),
        "sample_stats": draws_dataset(
            {"lp": drawn.lp.reshape(-1, n_draws)},
            superchain,
            drawn.step,
            {"lp": {"long_name": density}},
            library,
        ),
    }
    if len(data):
        groups["observed_data"] = _observed(problem)
        if back["log_likelihood"] is not None:
            likelihood = draws_dataset(
                {"value": back["log_likelihood"]},
                superchain,
                back["step"],
                {"value": {"long_name": "log-likelihood of each measurement"}},
                library,
            ).rename(value_dim="measurement")
            groups["log_likelihood"] = likelihood
    return groups


def _observed(problem: Problem) -> xr.Dataset:
    data = problem.spec.measurements
    coords = {
        name: ("measurement", np.array(getattr(data, name))) for name in ("observable", "condition", "time")
    }
    value = ("measurement", np.array(data.value, dtype=float), {"long_name": "measured value"})
    return xr.Dataset({"value": value}, coords)


def _sampling(
    problem: Problem,
    drawn: Drawn,
    information: np.ndarray,
    density: Density,
    profiles: xr.Dataset | None,
    levels: np.ndarray,
    attrs: dict[str, Any],
) -> xr.Dataset:
    space = problem.parameters
    theta = drawn.theta.reshape(-1, len(space))
    found = moments(space.to_natural(drawn.theta), levels)
    share = data_share(theta, information)
    found |= {"contraction": contraction(theta, prior_variance(density)), "data_share": share}
    limits = limited_by(theta, space, share, information)
    limits = limits if profiles is None else seen_by_profiles(limits, space, profiles)
    if drawn.diagnosis.reason:  # what has not converged makes no claim
        found = {name: np.full_like(values, np.nan) for name, values in found.items()}
        limits = np.full_like(limits, Limit.UNDETERMINED)
    labels, counts = fates(drawn.failures)
    ladder = {
        name: np.array([r[name] for r in drawn.last])
        for name in ("beta", "swap_rate")
        if name in drawn.last[0]
    }
    return dataset(
        "sampling",
        found
        | ladder
        | {
            "rhat": drawn.diagnosis.rhat,
            "ess_bulk": drawn.diagnosis.ess_bulk,
            "ess_tail": drawn.diagnosis.ess_tail,
            "autocorrelation_time": drawn.autocorrelation_time,
            "limited_by": limits,
            "prior_quantile": space.to_natural(prior_quantiles(density, _PRIOR_LEVELS).T).T,
            "acceptance": drawn.accepted,
            "n_stuck": drawn.diagnosis.n_stuck,
            "n_divergent": drawn.n_divergent,
            "n_evaluations": drawn.n_evaluations,
            "n_failures": np.array(counts, dtype=np.int64),
        },
        {
            "parameter": list(space.names),
            "unit": list(space.unit),
            "scale": list(space.scale),
            "ci_prob": levels,
            "prior_level": _PRIOR_LEVELS,
            "fate": np.array(labels, dtype=np.str_),
        },
        attrs,
    )
