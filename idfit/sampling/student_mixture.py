"""Mixtures of multivariate t densities: what an independence kernel proposes from.

q(θ) = Σ_k w_k t_ν(θ; m_k, S_k) with ν = 5 fixed. Tails heavier than a Gaussian's keep π/q bounded where the
draws that q was fitted to have not been, which is what an independence chain needs in order not to stick
(Mengersen & Tweedie 1996, doi:10.1214/aos/1033066201). The fit is expectation maximisation for t components
(Peel & McLachlan 2000, doi:10.1023/A:1008981510081).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

#: degrees of freedom of every component
DOF = 5.0
_ITERATIONS = 25
# by so much more components have to predict better, in units of ln q: less is chance
_GAIN = 0.02
# share of a component around all draws, and its width in their standard deviations
_WIDE, _REACH = 0.1, 1.7


@dataclass(frozen=True)
class StudentMixture:
    """weight (component,), mean (component, parameter) and root, the lower Cholesky factors of the scale
    matrices (component, parameter, parameter)."""

    weight: np.ndarray
    mean: np.ndarray
    root: np.ndarray

    def beside(self, other: StudentMixture, weight: float) -> StudentMixture:
        """This one, and another that is drawn from with probability `weight`."""
        return StudentMixture(
            np.concatenate([(1 - weight) * self.weight, weight * other.weight]),
            np.concatenate([self.mean, other.mean]),
            np.concatenate([self.root, other.root]),
        )

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """One θ (parameter,)."""
        k = int(np.searchsorted(self._cumulative, rng.random(), side="right"))
        z = rng.standard_normal(self.mean.shape[1])
        return self.mean[k] + self.root[k] @ (z * np.sqrt(DOF / rng.chisquare(DOF)))

    def log_density(self, theta: np.ndarray) -> float:
        """ln q at theta (parameter,), up to a constant."""
        z = np.matmul(self._inverse_root, (theta - self.mean)[:, :, None])[:, :, 0]
        terms = self._log_factor - 0.5 * (DOF + len(theta)) * np.log1p((z * z).sum(1) / DOF)
        largest = terms.max()
        return float(largest + np.log(np.exp(terms - largest).sum()))

    @cached_property
    def _cumulative(self) -> np.ndarray:
        cumulative = np.cumsum(self.weight)
        cumulative[-1] = 1.0
        return cumulative

    @cached_property
    def _inverse_root(self) -> np.ndarray:
        return np.linalg.inv(self.root)

    @cached_property
    def _log_factor(self) -> np.ndarray:
        return np.log(self.weight) - np.log(np.diagonal(self.root, axis1=1, axis2=2)).sum(1)


def fit_mixture(draws: np.ndarray, root: np.ndarray, rng: np.random.Generator) -> StudentMixture:
    """The mixture of 1, 2, 4, … components that predicts the second half of the draws best from the first.

    draws : (draw, parameter) in the order of the chain; root : (parameter, parameter), lower Cholesky factor
    of their covariance. More components are tried until twice the mean of ln q over the second half has not
    grown, that is, the Kullback-Leibler divergence of q from what is sampled has not fallen; the best number
    is then fitted to all. A wide component around all of them bounds π/q where few draws have been.
    """
    white = np.linalg.solve(root, (draws - draws.mean(0)).T).T
    half, p = len(white) // 2, white.shape[1]
    best, score, failed = 1, -np.inf, 0
    for n in (1, 2, 4, 8, 16):
        # two components say nothing of four modes at the corners of a square, so one failure is no end
        if failed == 2 or (n > 1 and half < 3 * n * (p + 1)):
            break
        found = _maximised(white[:half], n, rng)
        reached = float(np.mean(_log_sum(_log_terms(white[half:], *found)[0])))
        if reached > score + _GAIN:
            best, score, failed = n, reached, 0
        else:
            failed += 1
    weight, mean, scale = _maximised(white, best, rng)
    # one wide component around all
    weight = np.append((1 - _WIDE) * weight, _WIDE)
    mean = np.append(mean, np.zeros((1, p)), axis=0)
    scale = np.append(scale, _REACH**2 * np.eye(p)[None], axis=0)
    return StudentMixture(weight, draws.mean(0) + mean @ root.T, np.matmul(root, np.linalg.cholesky(scale)))


def _maximised(x: np.ndarray, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, means and scale matrices by expectation maximisation, x (draw, parameter) about white."""
    p = x.shape[1]
    weight, mean = np.full(n, 1 / n), _spread_out(x, n, rng)
    scale = np.repeat(np.eye(p)[None] * n ** (-2 / p), n, 0)
    # as many draws' worth of a round component: a scale matrix of few draws would collapse
    prior, worth = scale[0] * 0.5, p + 2.0
    for _ in range(_ITERATIONS):
        terms, distance = _log_terms(x, weight, mean, scale)
        share = np.exp(terms - _log_sum(terms)[:, None])
        pull = share * (DOF + p) / (DOF + distance)
        counts = share.sum(0)
        weight = (counts + 1.0) / (counts.sum() + n)
        mean = (pull.T @ x) / np.maximum(pull.sum(0), 1e-300)[:, None]
        away = x[None] - mean[:, None]
        scatter = np.matmul((away * pull.T[:, :, None]).transpose(0, 2, 1), away)
        scale = (scatter + worth * prior) / (counts + worth)[:, None, None]
    return weight, mean, scale


def _spread_out(x: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """n of the rows of x, each new one likely far from those before (Arthur & Vassilvitskii 2007)."""
    chosen = [x[rng.integers(len(x))] if n > 1 else x.mean(0)]
    nearest = np.full(len(x), np.inf)
    for _ in range(n - 1):
        nearest = np.minimum(nearest, ((x - chosen[-1]) ** 2).sum(1))
        cumulative = np.cumsum(nearest)
        chosen.append(x[min(np.searchsorted(cumulative, rng.random() * cumulative[-1]), len(x) - 1)])
    return np.array(chosen)


def _log_terms(
    x: np.ndarray, weight: np.ndarray, mean: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """ln(w_k t_k(x)) up to a constant, and the squared distance from each component, (draw, component)."""
    root = np.linalg.cholesky(scale)
    z = np.matmul(np.linalg.inv(root), (x[None] - mean[:, None]).transpose(0, 2, 1))
    distance = (z * z).sum(1).T
    factor = np.log(weight) - np.log(np.diagonal(root, axis1=1, axis2=2)).sum(1)
    return factor - 0.5 * (DOF + x.shape[1]) * np.log1p(distance / DOF), distance


def _log_sum(terms: np.ndarray) -> np.ndarray:
    largest = terms.max(1)
    return largest + np.log(np.exp(terms - largest[:, None]).sum(1))
