"""Coordinates in which the information is the identity: what to give an optimiser or a sampler."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import solve_triangular

from idfit.errors import InputError

if TYPE_CHECKING:
    from idfit.problem import Evaluation, ParameterSpace

# the variance of a uniform distribution is its squared width over this number
_UNIFORM = 12.0


@dataclass(frozen=True)
class Whitening:
    """φ = Lᵀ(θ − θ*), with the information near θ* split as F = L Lᵀ.

    In φ the information is L⁻¹ F L⁻ᵀ = 1, so that the quadratic picture of the objective is ½|φ|²: a sloppy
    valley becomes round, and a step of length 1 changes the objective by about ½ in every direction. The map
    is linear: it straightens no bent valley, and a box of bounds in θ is none in φ.

    centre : θ*, (parameter,); root : L, (parameter, parameter), lower triangular; both on the estimation
    scale.

    >>> whitening = Whitening.of(np.diag([1e4, 1e-4]), np.zeros(2))
    >>> whitening.phi(np.array([0.01, 100.0]))
    array([1., 1.])
    """

    centre: np.ndarray
    root: np.ndarray

    @classmethod
    def of(
        cls,
        fim: np.ndarray,
        theta: np.ndarray,
        *,
        prior_fim: np.ndarray | None = None,
        lower: np.ndarray | None = None,
        upper: np.ndarray | None = None,
    ) -> Whitening:
        """The coordinates around theta : (parameter,) with fim : (parameter, parameter) there.

        prior_fim : what priors add; lower, upper : (parameter,) bounds, which stand for the information
        12/width² of a uniform distribution over them. Without either, directions that the data leave open
        have no scale of their own. All on the estimation scale.

        Errors: `InputError` for shapes that do not belong together, and for an information that is singular
        or not finite.
        """
        theta, information = np.array(theta, dtype=float), np.array(fim, dtype=float)
        k = theta.size
        if theta.shape != (k,) or information.shape != (k, k):
            raise InputError.of(
                f"theta of shape {theta.shape} and an information of shape {information.shape}",
                "belong to one list of parameters",
                "give shapes (k,) and (k, k)",
            )
        if prior_fim is not None:
            information = information + prior_fim
        if lower is not None and upper is not None:
            width = np.broadcast_to(np.subtract(upper, lower), (k,))
            with np.errstate(divide="ignore"):
                information = information + np.diag(np.where(width > 0, _UNIFORM / width**2, 0.0))
        return cls(theta, _root(information))

    @classmethod
    def at(cls, evaluation: Evaluation, theta: np.ndarray, space: ParameterSpace) -> Whitening:
        """The coordinates around theta from an evaluation there (order 1), its priors and the bounds."""
        if evaluation.fim is None:
            raise InputError.of(
                f"an evaluation without derivatives ({evaluation.status.sentence})",
                "whitening takes the information",
                "evaluate with order=1 where the model can be solved",
            )
        return cls.of(
            evaluation.fim,
            theta,
            prior_fim=evaluation.prior_fim,
            lower=space.lower_scaled,
            upper=space.upper_scaled,
        )

    @property
    def log_volume(self) -> float:
        """ln |dφ/dθ|: a density of φ is that of θ divided by its exponential."""
        return float(np.sum(np.log(np.diag(self.root))))

    def phi(self, theta: np.ndarray) -> np.ndarray:
        """φ of θ, vectors (…, parameter)."""
        return (np.asarray(theta, dtype=float) - self.centre) @ self.root

    def theta(self, phi: np.ndarray) -> np.ndarray:
        """θ of φ, vectors (…, parameter)."""
        phi = np.asarray(phi, dtype=float)
        moved = solve_triangular(self.root, phi.reshape(-1, phi.shape[-1]).T, lower=True, trans=1)
        return self.centre + moved.T.reshape(phi.shape)

    def gradient(self, gradient: np.ndarray) -> np.ndarray:
        """∂/∂φ = L⁻¹ ∂/∂θ of a function with that gradient, (parameter,)."""
        return solve_triangular(self.root, np.asarray(gradient, dtype=float), lower=True)

    def information(self, fim: np.ndarray) -> np.ndarray:
        """An information (or Hessian) by φ: L⁻¹ F L⁻ᵀ, (parameter, parameter)."""
        half = solve_triangular(self.root, np.asarray(fim, dtype=float), lower=True)
        return solve_triangular(self.root, half.T, lower=True)


def _root(information: np.ndarray) -> np.ndarray:
    """The Cholesky factor, found with a unit diagonal: units of parameters cost no digits then."""
    diagonal = np.diag(information)
    if np.isfinite(information).all() and (diagonal > 0).all():
        scale = np.sqrt(diagonal)
        try:
            factor = np.linalg.cholesky(information / np.outer(scale, scale))
        except np.linalg.LinAlgError:
            factor = np.zeros_like(information)
        if np.diag(factor).min() ** 2 > len(scale) * math.ulp(1.0):
            return scale[:, None] * factor
    raise InputError.of(
        "an information that is singular or not finite",
        "has no coordinates that make it the identity",
        "give bounds (lower, upper) or prior_fim, which hold what the data leave open",
    )
