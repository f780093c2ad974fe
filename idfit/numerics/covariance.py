"""Covariance from a Fisher information matrix that may be singular."""

from __future__ import annotations

import numpy as np

# a parameter with more than this share of a null direction has no standard error
_SHARE = 1e-3


def covariance(information: np.ndarray, free: np.ndarray, tolerance: float) -> np.ndarray:
    """Inverse of the information of the free parameters, NaN for those that it does not determine.

    information : (k, k); free : (k,) bool, False for parameters held at a bound. Eigenvalues of the
    information scaled to a unit diagonal count as zero below `tolerance`; parameters that take part in such
    a direction get NaN, as does one with no information at all.
    """
    k = len(free)
    result = np.full((k, k), np.nan)
    diagonal = np.diag(information)
    kept = np.flatnonzero(free & (diagonal > 0) & np.isfinite(diagonal))
    if not len(kept):
        return result
    scale = 1.0 / np.sqrt(diagonal[kept])
    values, vectors = np.linalg.eigh(information[np.ix_(kept, kept)] * np.outer(scale, scale))
    null = values <= tolerance
    inverse = 1.0 / np.where(null, np.inf, values)
    result[np.ix_(kept, kept)] = covariance_of_modes(inverse, vectors, null, scale)
    return result


def covariance_of_modes(
    inverse: np.ndarray, vectors: np.ndarray, null: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Covariance (k, k) from inverse eigenvalues (mode,) and eigenvectors (k, mode) of a scaled information.

    scale : (k,), parameter = scale · scaled coordinate. Parameters that take part in a null mode get NaN.
    """
    result = (vectors * inverse) @ vectors.T * np.outer(scale, scale)
    undetermined = np.any(np.abs(vectors[:, null]) > _SHARE, axis=1)
    result[undetermined] = np.nan
    result[:, undetermined] = np.nan
    return result
