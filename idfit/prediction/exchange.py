"""Which set of candidates to take: greedily one by one, then by exchange.

Source: Fedorov, Theory of Optimal Experiments (Academic Press 1972), chapter 3, in the form of exact designs:
Atkinson, Donev & Tobias (2007), section 12.6.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: scores (candidate,) of a set with each candidate added to it; more is better
Scores = Callable[[list[int]], np.ndarray]
# what counts as better than before, so that rounding does not exchange for ever
_BETTER = 1e-9
_MOST_SWEEPS = 50


def greedy(scores: Scores, n: int) -> list[int]:
    """n candidates, each the best beside those before it; a candidate may come again.

    Errors: none; NaN scores are never chosen.
    """
    chosen: list[int] = []
    for _ in range(n):
        chosen.append(_best(scores(chosen)))
    return chosen


def exchanged(scores: Scores, chosen: list[int]) -> list[int]:
    """The set after every exchange of one member for a candidate that makes it better.

    In each round the exchange that gains most is made; it ends where none gains, at the latest after fifty
    rounds. The result is never worse than `chosen`, and a local optimum of single exchanges.
    """
    chosen = list(chosen)
    for _ in range(_MOST_SWEEPS):
        now = _score_of(scores, chosen)
        options = [scores(chosen[:i] + chosen[i + 1 :]) for i in range(len(chosen))]
        bests = [_best(option) for option in options]
        gains = [option[b] - now for option, b in zip(options, bests, strict=True)]
        i = int(np.argmax(gains))
        if not gains[i] > _BETTER * max(1.0, abs(now)):
            break
        chosen[i] = bests[i]
    return chosen


def _score_of(scores: Scores, chosen: list[int]) -> float:
    return float(scores(chosen[:-1])[chosen[-1]])


def _best(values: np.ndarray) -> int:
    return int(np.argmax(np.where(np.isnan(values), -np.inf, values)))
