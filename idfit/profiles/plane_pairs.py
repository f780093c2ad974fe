"""Which pairs of parameters a two-dimensional profile is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from idfit.errors import InputError
from idfit.problem import Problem
from idfit.profiles.start import BestFit

_MOST_PAIRS = 6
# the region of a less correlated pair is little more than the product of the two intervals
_WEAK = 0.2
# eigenvalues of the scaled information below this count as this: a correlation is all that is wanted of them
_LEAST = 1e-12


def named_pairs(problem: Problem, pairs: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
    """Positions of the named pairs. Errors: `InputError`."""
    found = []
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
            raise InputError(
                f"{pair!r} was given as a pair; a pair is (name, name) of two different parameters"
            )
        first, second = problem.parameters.position(pair)
        found.append((int(first), int(second)))
    if not found or len(set(found)) != len(found):
        raise InputError("at least one pair is needed, and each only once")
    return found


def strongest_pairs(best: BestFit) -> list[tuple[int, int]]:
    """Each parameter with the one it is most correlated with, the most correlated pairs first.

    Weakly correlated pairs are left out, unless all are. Parameters on their bounds have no correlation.
    Errors: `InputError` for fewer than two others.
    """
    space, theta = best.objective.parameters, best.point.theta
    inside = np.flatnonzero((theta > space.lower_scaled) & (theta < space.upper_scaled))
    if len(inside) < 2:
        raise InputError(
            "a pair needs two parameters that are not on their bounds; name the pairs to be profiled"
        )
    strength = np.abs(_correlation(best.fim[np.ix_(inside, inside)]))
    np.fill_diagonal(strength, -1.0)
    partner = strength.argmax(axis=1)
    found = {tuple(sorted((i, int(partner[i])))): float(strength[i, partner[i]]) for i in range(len(inside))}
    chosen = sorted(found, key=lambda pair: (-round(found[pair], 9), pair))[:_MOST_PAIRS]
    chosen = [pair for pair in chosen if found[pair] >= _WEAK] or chosen[:1]
    return [(int(inside[a]), int(inside[b])) for a, b in chosen]


def _correlation(information: np.ndarray) -> np.ndarray:
    """Correlation of the inverse; what the information does not determine counts as barely determined."""
    scale = np.sqrt(np.maximum(np.diag(information), 1e-300))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    inverse = (vectors / np.maximum(values, _LEAST)) @ vectors.T
    deviation = np.sqrt(np.diag(inverse))
    return inverse / np.outer(deviation, deviation)
