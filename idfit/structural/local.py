"""Local verdicts: which quantities are left no freedom, at one point modulo each of two primes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from idfit.numerics.modular import PRIMES
from idfit.structural.observation import Observation, Observer
from idfit.structural.question import Question


@dataclass(frozen=True)
class LocalResult:
    """determined, by_noise : (quantity,); involved : (direction, quantity); ranks : of the outputs;
    lasting : whether the open directions are known to stay open in what follows the beginnings."""

    determined: np.ndarray
    by_noise: np.ndarray
    involved: np.ndarray
    ranks: tuple[int, ...]
    primes: tuple[int, ...]
    lasting: bool

    @property
    def nullity(self) -> int:
        return len(self.involved)


def assess_locally(question: Question, seed: int = 0) -> LocalResult:
    """Ranks at random points, the highest of which counts: a special point can only lose rank.

    Errors: `CannotDecideError` if the equations are not covered or not regular at the start.
    """
    observer = Observer(question)
    seen = [observer.observe(1, seed, prime) for prime in PRIMES[:2]]
    least = min(_nullity(o) for o in seen)
    best = [o for o in seen if _nullity(o) == least]
    determined = np.logical_or.reduce([o.determined for o in best])
    return LocalResult(
        determined=determined,
        by_noise=best[0].by_noise & determined,
        involved=best[0].involved & ~determined,
        ranks=best[0].ranks,
        primes=tuple(o.prime for o in seen),
        lasting=all(o.lasting for o in best),
    )


def _nullity(observation: Observation) -> int:
    return observation.null_space.shape[1]
