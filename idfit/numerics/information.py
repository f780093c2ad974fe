"""The expected information as the square of a root, and what its singular values say.

A root W of an information matrix F, F = WᵀW, has one row for each thing that is measured. A singular value of
W is accurate to the error of W and its square, an eigenvalue of F, to the square of that error; from F itself
nothing below the error of F could be told from zero. With columns of unit length the singular values have no
units, and their squares are the eigenvalues of F scaled to a unit diagonal.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from idfit.numerics import plan as layout
from idfit.numerics.compilation import kernel
from idfit.numerics.covariance import covariance_of_modes
from idfit.numerics.likelihood import measurement_term
from idfit.numerics.plan import integers, reals
from idfit.numerics.scales import transformed

# a singular value is zero below this multiple of the measured error of its direction
_SAFETY = 10.0


@kernel
def information_root(ints, floats, y, sigma, dm, dsigma, root):
    """Fill root (2 rows, theta) so that rootᵀ root is the information of the data that `score` sums up.

    y, sigma : (row,) predictions (not transformed) and noise; dm, dsigma : (row, theta), as `predict` leaves
    them. The information of one measurement about (m, sigma) is a 2 x 2 matrix; its Cholesky factor weighs
    the two gradients. Row i of root belongs to the prediction of measurement i, row n + i to what its noise
    adds.
    """
    row_readout, row_index = integers(ints, layout.ROW_READOUT), integers(ints, layout.ROW_INDEX)
    censored = integers(ints, layout.ROW_CENSORED)
    distribution = integers(ints, layout.READOUT_DISTRIBUTION)
    transform = integers(ints, layout.READOUT_TRANSFORM)
    dof = reals(ints, floats, layout.READOUT_DOF)
    value = reals(ints, floats, layout.ROW_VALUE)
    n_rows, n_theta = dm.shape
    for row in range(n_rows):
        i, r = row_index[row], row_readout[row]
        m, _ = transformed(transform[r], y[i])
        _, _, _, i_mm, i_ms, i_ss, _ = measurement_term(
            distribution[r], dof[r], censored[row], m, value[i], sigma[i]
        )
        a = math.sqrt(i_mm)
        b = i_ms / a if a > 0.0 else 0.0
        c = math.sqrt(max(i_ss - b * b, 0.0))
        for k in range(n_theta):
            root[i, k] = a * dm[i, k] + b * dsigma[i, k]
            root[n_rows + i, k] = c * dsigma[i, k]


class Modes(NamedTuple):
    """Singular value decomposition of a root whose columns are scaled to unit length.

    values : (mode,), descending; vectors : (parameter, mode), in scaled coordinates; scale : (parameter,),
    length of each column: scaled coordinate = scale · parameter; error : (mode,), the measured error of each
    value; tolerance : (mode,), what counts as zero.
    """

    values: np.ndarray
    vectors: np.ndarray
    scale: np.ndarray
    error: np.ndarray
    tolerance: np.ndarray

    @property
    def null(self) -> np.ndarray:
        """(mode,) bool: whether the root sees nothing of this direction."""
        return self.values <= self.tolerance

    @property
    def null_space(self) -> np.ndarray:
        """Directions (parameter, direction) that the root does not see; not orthogonal."""
        directions = self.vectors[:, self.null] / self.scale[:, None]
        return directions / np.linalg.norm(directions, axis=0)


def modes(root: np.ndarray, error: np.ndarray, floor: float) -> Modes:
    """Singular values of the root with unit columns, and which of them are zero.

    root, error : (row, parameter), the root and its difference from a root of another accuracy. A direction
    v counts as null where ‖W v‖ ≤ max(floor, 10 ‖error v‖): a direction that the data determine, however
    sloppily, is the same at both accuracies; what is noise is as large as the change. The norm of the whole
    error would be too coarse: one badly integrated direction says nothing about the others.
    """
    k = root.shape[1]
    length = np.linalg.norm(root, axis=0)
    scale = np.where(length > 0, length, 1.0)
    # rows of zeros, so that there are as many modes as parameters
    padded = np.concatenate([root / scale, np.zeros((k, k))])
    _, values, rows = np.linalg.svd(padded, full_matrices=False)
    change = np.linalg.norm((error / scale) @ rows.T, axis=0)
    return Modes(values, rows.T, scale, change, np.maximum(floor, _SAFETY * change))


def spectrum(root: np.ndarray, null_space: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (mode,), descending, and eigenvectors (parameter, mode) of rootᵀ root.

    null_space : (parameter, direction), what counts as undetermined; its modes come last. Each eigenvector's
    largest component is positive.
    """
    n_null = null_space.shape[1]
    basis, _ = np.linalg.qr(null_space, mode="complete")
    values, vectors = [], []
    # apart from each other, or rounding in the large eigenvalues would mix the small ones into the null space
    for part in (basis[:, n_null:], basis[:, :n_null]):
        if part.shape[1]:
            padded = np.concatenate([root @ part, np.zeros((part.shape[1], part.shape[1]))])
            _, s, rows = np.linalg.svd(padded, full_matrices=False)
            values.append(s**2)
            vectors.append(part @ rows.T)
    joined = np.concatenate(vectors, axis=1)
    largest = joined[np.argmax(np.abs(joined), axis=0), np.arange(joined.shape[1])]
    return np.concatenate(values), joined * np.sign(largest)


def expected_covariance(found: Modes) -> np.ndarray:
    """Inverse (parameter, parameter) of rootᵀ root; NaN for parameters that take part in a null direction."""
    with np.errstate(divide="ignore"):
        inverse = np.where(found.null, 0.0, found.values**-2.0)
    return covariance_of_modes(inverse, found.vectors, found.null, 1.0 / found.scale)


def observed_covariance(found: Modes, hessian: np.ndarray, tolerance: float) -> np.ndarray:
    """Inverse of the Hessian (parameter, parameter) where the expected information determines anything.

    A Hessian by differences is too coarse to show a null direction; that is taken from the modes. Eigenvalues
    of the Hessian in scaled coordinates count as zero below `tolerance` (negative ones too: no minimum
    there).
    """
    seen = found.vectors[:, ~found.null]
    own = seen.T @ (hessian / np.outer(found.scale, found.scale)) @ seen
    if not np.isfinite(own).all():
        return np.full_like(hessian, np.nan)
    values, rotation = np.linalg.eigh(own)
    unknown = values <= tolerance
    vectors = np.concatenate([seen @ rotation, found.vectors[:, found.null]], axis=1)
    null = np.concatenate([unknown, np.ones(int(found.null.sum()), dtype=bool)])
    inverse = np.zeros(len(null))
    inverse[~null] = 1.0 / values[~unknown]
    return covariance_of_modes(inverse, vectors, null, 1.0 / found.scale)


def correlation(covariance: np.ndarray) -> np.ndarray:
    """Correlation (parameter, parameter) that belongs to a covariance; NaN where that is NaN."""
    error = np.sqrt(np.diag(covariance))
    return covariance / np.outer(error, error)
