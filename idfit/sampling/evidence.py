"""Independent runs of nested sampling: draws of the posterior, and the evidence with its scatter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import logsumexp

from idfit.errors import RunError
from idfit.problem import Objective
from idfit.sampling.density import Density, failure_arrays, failures_of
from idfit.sampling.options import SampleOptions
from idfit.sampling.rounds import STAGE, Drawn, diagnose
from idfit.tasks import Runner, Task, seed_sequence

# what the rest of the prior may still add to ln Z at the end of a run
_REST = 0.01


def nested_runs(
    objective: Objective, options: SampleOptions, seed: int, runner: Runner, told: Callable[[str], None]
) -> tuple[Drawn, dict[str, float]]:
    """The draws of `options.ensembles` runs, each a task and a superchain of its own, and their evidence.

    The runs are independent, so that ln of the mean of their Z is the estimate, and its standard error comes
    from their scatter or from what each says of its own error, whichever is larger.
    """
    from idfit.sampling.nested import run_nested

    n = options.ensembles

    def work(task: Task, stop: np.ndarray) -> dict:
        density = Density(objective, stop)
        run_seed = int(seed_sequence(seed, *task.seed_key).integers(2**63))
        made = run_nested(density, run_seed, _REST, options.max_evaluations // n)
        return made | failure_arrays(density)

    results = [
        dict(r) for r in runner.run([Task(f"posterior dynesty {m}", (STAGE, m)) for m in range(n)], work)
    ]
    for m, result in enumerate(results):
        if "theta" not in result:
            raise RunError(f"run {m} of nested sampling was lost: {result.get('reason', '')}")
    drawn = _drawn(results, options)
    evidence = _evidence(results)
    told(f"ln Z = {evidence['log_evidence']:.3f} ± {evidence['log_evidence_error']:.3f}")
    return drawn, evidence


def _drawn(results: list[dict], options: SampleOptions) -> Drawn:
    n_each = min(options.max_draws // len(results), *(len(r["theta"]) for r in results))
    theta = np.array([r["theta"][:n_each] for r in results])[:, None]
    diagnosis = diagnose(theta, np.zeros(len(results), dtype=np.int64), options)
    if max(r["dlogz"] for r in results) > _REST:
        reason = "the budget ended before the prior was used up"
        diagnosis = replace(diagnosis, reason="; ".join(filter(None, (reason, diagnosis.reason))))
    return Drawn(
        theta=theta,
        lp=np.array([r["lp"][:n_each] for r in results])[:, None],
        step=np.arange(n_each),
        burn_in=0,
        thin=1,
        autocorrelation_time=np.ones(theta.shape[-1]),
        diagnosis=diagnosis,
        accepted=np.array([len(r["theta"]) / r["n_evaluations"] for r in results]),
        n_divergent=np.zeros(len(results), dtype=np.int64),
        n_evaluations=np.array([r["n_evaluations"] for r in results]),
        failures=failures_of(results),
        last=results,
    )


def _evidence(results: list[dict]) -> dict[str, float]:
    each = np.array([r["log_evidence"] for r in results])
    own = np.array([r["log_evidence_error"] for r in results])
    n = len(each)
    error = max(float(each.std(ddof=1)), float(np.sqrt(np.mean(own**2)))) / np.sqrt(n)
    return {"log_evidence": float(logsumexp(each) - np.log(n)), "log_evidence_error": float(error)}
