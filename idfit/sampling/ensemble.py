"""Affine-invariant ensembles of walkers (emcee) with mixed moves.

Most steps are stretch and differential-evolution moves; snooker moves and jumps by a whole difference of two
walkers carry walkers between separate modes that both hold some. Sources: Goodman & Weare 2010,
doi:10.2140/camcos.2010.5.65; Foreman-Mackey et al. 2013, doi:10.1086/670067; ter Braak & Vrugt 2008,
doi:10.1007/s11222-008-9104-9; Nelson, Ford & Payne 2014, doi:10.1088/0067-0049/210/1/11.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from idfit.errors import Interrupted
from idfit.sampling.density import Density

#: walkers per parameter, and the fewest of an ensemble
WALKERS_PER_PARAMETER, FEWEST_WALKERS = 4, 16


def n_walkers_of(n_parameters: int) -> int:
    """Walkers of one ensemble: an even number, as they move in two halves."""
    return max(FEWEST_WALKERS, WALKERS_PER_PARAMETER * n_parameters)


def advance_ensemble(
    density: Density, state: Mapping[str, np.ndarray], n_steps: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Move an ensemble by `n_steps` steps, in each of which every walker has one proposal.

    state : theta (walker, parameter) and, but for the first time, lp (walker,). Returns the state after it
    (`state_theta`, `state_lp`), the draws theta (step, walker, parameter) and lp (step, walker),
    `n_accepted` (walker,) and `n_evaluations`. Raises `Interrupted` if stopped.
    """
    import emcee

    evaluate = _Evaluate(density)
    n_walkers, n_parameters = state["theta"].shape
    sampler = emcee.EnsembleSampler(n_walkers, n_parameters, evaluate, moves=_moves(emcee), vectorize=True)
    random = np.random.RandomState(np.random.MT19937(int(rng.integers(2**63)))).get_state()
    begin = emcee.State(state["theta"], log_prob=state.get("lp"), random_state=random)
    with warnings.catch_warnings():
        # a proposal far outside the bounds may overflow; it has no density and is not taken
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"emcee(\..*)?")
        for _ in sampler.sample(begin, iterations=n_steps, skip_initial_state_check=True):
            if evaluate.interrupted:
                raise Interrupted("interrupted while sampling")
    last = sampler.get_last_sample()
    return {
        "theta": sampler.get_chain(),
        "lp": sampler.get_log_prob(),
        "n_accepted": np.asarray(sampler.backend.accepted, dtype=np.int64),
        "n_evaluations": evaluate.n,
        "state_theta": last.coords,
        "state_lp": last.log_prob,
    }


def _moves(emcee: Any) -> list[tuple[Any, float]]:
    """Each with its share."""
    return [
        (emcee.moves.StretchMove(), 0.25),
        (emcee.moves.DEMove(), 0.55),
        (emcee.moves.DEMove(gamma0=1.0), 0.1),
        (emcee.moves.DESnookerMove(), 0.1),
    ]


class _Evaluate:
    """The density of several points. emcee prints whatever is raised in here, so an interrupt is kept."""

    def __init__(self, density: Density):
        self.density, self.n, self.interrupted = density, 0, False

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        self.n += len(theta)
        try:
            return np.array([self.density(point) for point in theta])
        except Interrupted:
            self.interrupted = True
            return np.full(len(theta), -np.inf)
