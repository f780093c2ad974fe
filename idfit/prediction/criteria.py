"""Criteria of designs from the Fisher information, in coordinates in which all updates are well scaled.

With F the information of data and priors, completed by R (what the bounds say, so that F is never singular),
and S a square root of its inverse, F⁻¹ = S Sᵀ, a set of new measurements with information Σ wᵀw gives

    cov(targets) = X (I + M)⁻¹ Xᵀ,   X = L S,   M = Sᵀ (Σ wᵀw) S,

L the targets' gradients. I + M has no eigenvalue below one whatever F is.

Sources: Atkinson, Donev & Tobias, Optimum Experimental Designs, with SAS (Oxford 2007), chapters 10 and 11;
for subsets of parameters (D_s) section 10.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Criterion = Literal["D", "A", "E", "single"]
CRITERIA: tuple[Criterion, ...] = ("D", "A", "E", "single")

# a reading sees nothing of a direction below this share of all that it sees: a hundred times the
# integration's usual tolerance
_UNSEEN = 1e-6


def inverse_root(root: np.ndarray) -> np.ndarray:
    """S (parameter, parameter) with (rootᵀ root)⁻¹ = S Sᵀ for a root (row, parameter) of full rank."""
    scale = np.linalg.norm(root, axis=0)
    _, values, rows = np.linalg.svd(root / scale, full_matrices=False)
    return rows.T / values / scale[:, None]


@dataclass(frozen=True)
class Information:
    """What is known, and what each candidate would add.

    inverse : (parameter, parameter) S; targets : (target, parameter) gradients, each in the target's unit;
    weights : (candidate, parameter, parameter) information of each candidate, SᵀwᵀwS.
    """

    inverse: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, root: np.ndarray, targets: np.ndarray, candidates: list[np.ndarray]) -> Information:
        """root : (row, parameter) of data, priors and bounds; candidates : their roots (row, parameter)."""
        inverse = inverse_root(root)
        seen = [c @ inverse for c in candidates]
        k = inverse.shape[1]
        return cls(inverse, targets, np.array([s.T @ s for s in seen]).reshape(-1, k, k))

    def covariance(self, added: np.ndarray) -> np.ndarray:
        """Covariance of the targets (…, target, target) with added information (…, parameter, parameter)."""
        x = self.targets @ self.inverse
        identity = np.eye(x.shape[1])
        solved = np.linalg.solve(identity + added, np.broadcast_to(x.T, (*added.shape[:-2], *x.T.shape)))
        return x @ solved

    def set_of(self, chosen: list[int] | np.ndarray) -> np.ndarray:
        """Information of a set of candidates; one may be in it more than once."""
        return self.weights[np.asarray(chosen, dtype=np.int64)].sum(axis=0)


def criterion_value(covariance: np.ndarray, criterion: Criterion) -> np.ndarray:
    """ln of the criterion (…,), less is better, of a covariance of the targets (…, target, target).

    D : ln det / number of targets; A : ln of the trace; E : ln of the largest eigenvalue (the smallest of the
    information); single : ln of the variance of the first target.

    >>> float(criterion_value(np.diag([1.0, np.e**2]), "D")), float(criterion_value(np.diag([1.0, 1.0]), "E"))
    (1.0, 0.0)
    """
    if criterion == "D":
        return np.linalg.slogdet(covariance)[1] / covariance.shape[-1]
    if criterion == "A":
        return np.log(np.trace(covariance, axis1=-2, axis2=-1))
    if criterion == "E":
        return np.log(np.linalg.eigvalsh(covariance)[..., -1])
    return np.log(covariance[..., 0, 0])


def null_directions(targets: np.ndarray, null_space: np.ndarray, tolerance: float) -> np.ndarray:
    """For each target the undetermined direction that it depends on (target, parameter), unit length.

    targets : (target, parameter); null_space : (parameter, direction). Zeros for a target that changes along
    none, to within `tolerance` of its gradient.
    """
    basis = np.linalg.qr(null_space)[0] if null_space.shape[1] else null_space
    part = (targets @ basis) @ basis.T
    length = np.linalg.norm(part, axis=1, keepdims=True)
    whole = np.linalg.norm(targets, axis=1, keepdims=True)
    return np.where(length > tolerance * whole, part / np.where(length > 0, length, 1.0), 0.0)


def remaining_null_space(candidate: np.ndarray, null_space: np.ndarray) -> np.ndarray:
    """The directions (parameter, direction) that stay undetermined with a candidate (row, parameter)."""
    if not null_space.shape[1]:
        return null_space
    basis = np.linalg.qr(null_space)[0]
    _, values, rows = np.linalg.svd(candidate @ basis, full_matrices=True)
    unseen = _UNSEEN * np.linalg.norm(candidate)
    rank = int(np.sum(values > unseen)) if unseen > 0 else 0
    return basis @ rows[rank:].T
