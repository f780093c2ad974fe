"""Which starts ended in the same optimum: equal in value and in what they predict."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

# differences of the log-likelihood, and of predictions in units of the noise, that no data could tell apart
SAME_VALUE = 1e-2
SAME_PREDICTION = 5e-2


def cluster_optima(objective: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Cluster of each start, 0 the best; -1 where the objective is not finite.

    objective : (start,); predictions : (start, measurement) divided by the noise. Starts are gone through
    from the best; each joins the first cluster whose best member is within `SAME_VALUE` of it and whose
    predictions differ by less than `SAME_PREDICTION` (root mean square). Two optima of equal value that
    predict different things stay two.
    """
    cluster = np.full(len(objective), -1, dtype=np.int64)
    best: list[int] = []
    for start in np.argsort(objective, kind="stable"):
        if not np.isfinite(objective[start]):
            continue
        for number, leader in enumerate(best):
            difference = predictions[start] - predictions[leader]
            distance = np.sqrt(np.mean(difference**2)) if difference.size else 0.0
            if objective[start] - objective[leader] <= SAME_VALUE and distance <= SAME_PREDICTION:
                cluster[start] = number
                break
        else:
            cluster[start] = len(best)
            best.append(int(start))
    return cluster


def hit_rates(cluster: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hits of each cluster, their share of all starts, and its 95 % Clopper–Pearson interval (cluster, 2)."""
    n_clusters = int(cluster.max(initial=-1)) + 1
    hits = np.array([int(np.sum(cluster == c)) for c in range(n_clusters)], dtype=np.int64)
    intervals = [binomtest(int(h), len(cluster)).proportion_ci(0.95, method="exact") for h in hits]
    return hits, hits / max(len(cluster), 1), np.array([[i.low, i.high] for i in intervals]).reshape(-1, 2)
