"""The posterior of a study as plain arrays: draws, what was said of them, and how far they can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.reporting.reading.access import attribute, axis_names, group, numbers, scalar
from idfit.reporting.reading.identifiability import Axis, axes_of
from idfit.results import Limit
from idfit.results.sampling import variable_of

#: limits that no data have set
GIVEN = (Limit.BOUND, Limit.PRIOR, Limit.OTHER_BOUNDS)


@dataclass(frozen=True)
class Posterior:
    """Draws on the natural scale (parameter, chain, draw), and the group ``sampling`` about them."""

    parameters: list[Axis]
    draws: np.ndarray  # (parameter, chain, draw)
    superchain: np.ndarray  # (chain,), position among the superchains
    step: np.ndarray  # (draw,), of the sampler after the burn-in
    median: np.ndarray  # (parameter,), as the following
    mean: np.ndarray
    sd: np.ndarray
    rhat: np.ndarray
    ess_bulk: np.ndarray
    ess_tail: np.ndarray
    mcse_mean: np.ndarray
    autocorrelation_time: np.ndarray
    contraction: np.ndarray
    data_share: np.ndarray
    limited_by: np.ndarray  # (parameter, bound), codes
    probs: np.ndarray  # (ci_prob,)
    interval: np.ndarray  # (parameter, ci_prob, bound)
    level: int  # position in probs of the level that is reported
    acceptance: np.ndarray  # (superchain,), as the following
    n_stuck: np.ndarray
    n_evaluations: np.ndarray
    failures: dict[str, int]  # evaluations that failed, by reason
    prior_quantile: np.ndarray  # (parameter, prior_level), natural scale
    prior_level: np.ndarray
    converged: bool
    reason: str
    sampler: str
    burn_in: float
    thin: float
    log_evidence: float
    log_evidence_error: float

    @property
    def prob(self) -> float:
        return float(self.probs[self.level]) if len(self.probs) else float("nan")

    @property
    def superchains(self) -> list[int]:
        return np.unique(self.superchain).tolist()

    @property
    def n_draws(self) -> int:
        return int(np.prod(self.draws.shape[1:]))

    def drawn(self, i: int) -> np.ndarray:
        """Draws (chain, draw) of a parameter as an axis shows them: decades where it is logarithmic."""
        return shown(self.parameters[i], self.draws[i])

    def limits(self, i: int) -> tuple[float, float]:
        low, high = self.interval[i, self.level]
        return float(low), float(high)

    def limit(self, i: int, bound: int) -> Limit | None:
        """What ends the interval; None for a code of a later version."""
        try:
            return Limit(int(self.limited_by[i, bound]))
        except ValueError:
            return None

    def given(self, i: int) -> list[Limit]:
        """The limits of the interval, lower before upper, that no data have set."""
        ends = (self.limit(i, bound) for bound in (0, 1))
        return [end for end in ends if end is not None and end in GIVEN]

    @property
    def apart(self) -> list[int]:
        """Parameters whose superchains sit in different places, so that chains longer by far would not help.

        Some two superchains lie farther apart than three times the larger of their standard deviations.
        """
        means = np.array([self.drawn_in(k).mean(axis=1) for k in self.superchains])
        spreads = np.array([self.drawn_in(k).std(axis=1) for k in self.superchains])
        distance = np.abs(means[:, None] - means)
        wide = np.maximum(spreads[:, None], spreads)
        return np.flatnonzero((distance > _APART * wide).any(axis=(0, 1))).tolist()

    @property
    def walkers_apart(self) -> list[int]:
        """Parameters whose walkers do not visit the same values: √(1 + B/W) over the chains is above 1.1.

        Chains shorter than twenty autocorrelation times have had no time to.
        """
        slowest = np.nan_to_num(self.autocorrelation_time).max(initial=0.0)
        if self.step[-1] - self.step[0] < _TIMES * slowest:
            return []
        draws = np.array([self.drawn(i) for i in range(len(self.parameters))])
        between, within = draws.mean(axis=2).var(axis=1, ddof=1), draws.var(axis=2).mean(axis=1)
        return np.flatnonzero(between > (_WALKERS_AGREE**2 - 1.0) * within).tolist()

    def drawn_in(self, superchain: int) -> np.ndarray:
        """(parameter, draw of any chain) of one superchain, as axes show them."""
        inside = self.superchain == superchain
        return np.array(
            [
                shown(axis, self.draws[i, inside]).reshape(-1) if inside.any() else np.empty(0)
                for i, axis in enumerate(self.parameters)
            ]
        )


_APART = 3.0
_WALKERS_AGREE, _TIMES = 1.1, 20.0


def shown(axis: Axis, values: np.ndarray) -> np.ndarray:
    """Natural values as an axis shows them: decades where the parameter is logarithmic."""
    if not axis.is_logarithmic:
        return np.asarray(values, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(values)


def read_posterior(study: xr.DataTree | xr.Dataset) -> Posterior | None:
    """None without draws, or without what is to be known of them."""
    if isinstance(study, xr.Dataset):
        return None
    draws, ds = group(study, "posterior"), group(study, "sampling")
    if draws is None or ds is None or not draws.sizes.get("chain") or not draws.sizes.get("draw"):
        return None
    axes = axes_of(ds)
    if not axes or any(variable_of(axis.name) not in draws for axis in axes):
        return None
    probs = numbers(ds, "ci_prob", ("ci_prob",))
    return Posterior(
        parameters=axes,
        draws=np.array([numbers(draws, variable_of(axis.name), ("chain", "draw")) for axis in axes]),
        superchain=_superchain(draws),
        step=numbers(draws, "draw", ("draw",)),
        **{
            name: numbers(ds, name, ("parameter",))
            for name in (
                "median", "mean", "sd", "rhat", "ess_bulk", "ess_tail", "mcse_mean", "autocorrelation_time",
                "contraction", "data_share",
            )
        },
        limited_by=numbers(ds, "limited_by", ("parameter", "ci_bound"), int(Limit.UNDETERMINED)).astype(int),
        probs=probs,
        interval=numbers(ds, "interval", ("parameter", "ci_prob", "ci_bound")),
        level=int(np.argmin(np.abs(probs - 0.95))) if len(probs) else 0,
        acceptance=numbers(ds, "acceptance", ("superchain",)),
        n_stuck=numbers(ds, "n_stuck", ("superchain",), -1),
        n_evaluations=numbers(ds, "n_evaluations", ("superchain",), -1),
        failures=_failures(ds),
        prior_quantile=numbers(ds, "prior_quantile", ("parameter", "prior_level")),
        prior_level=numbers(ds, "prior_level", ("prior_level",)),
        converged=scalar(ds, "converged") == 1,
        reason=attribute(ds, "reason"),
        sampler=attribute(ds, "sampler"),
        burn_in=scalar(ds, "burn_in"),
        thin=scalar(ds, "thin"),
        log_evidence=scalar(ds, "log_evidence"),
        log_evidence_error=scalar(ds, "log_evidence_error"),
    )  # fmt: skip


def _superchain(draws: xr.Dataset) -> np.ndarray:
    """Each chain by itself where nothing is said of superchains."""
    if "superchain" in draws.variables:
        return numbers(draws, "superchain", ("chain",))
    return np.arange(draws.sizes["chain"])


def _failures(ds: xr.Dataset) -> dict[str, int]:
    counts = numbers(ds, "n_failures", ("fate",), 0)
    return {name: int(n) for name, n in zip(axis_names(ds, "fate"), counts, strict=True) if n > 0}
