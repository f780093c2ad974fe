"""Curvature of a regression: how far the linear picture behind standard errors can be trusted.

Over all parameters the predictions sweep out a surface in the space of the data. Where it bends (intrinsic
curvature) no choice of parameters helps; where only the grid on it is bent or uneven (parameter-effects
curvature), other parameters do. Both are relative to the radius of the confidence region: values well below 1
mean that the linear picture holds. Bates & Watts, J R Stat Soc B 42 (1980) 1-25; Bates & Watts, Nonlinear
Regression Analysis and Its Applications (Wiley 1988), chapter 7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from idfit.fisher.expansion import Expansion
from idfit.numerics import plan as layout
from idfit.numerics.information import modes
from idfit.results import Status

# step of the differences of the exact Jacobian, in standard errors or relative to the parameter
_STEP = 1e-2
# a noise that is common to all measurements up to rounding
_COMMON = 1e-9


@dataclass(frozen=True)
class Curvature:
    """Root mean square curvatures times `factor` = √F(0.95; p, n − p).

    Each on the estimation and on the natural scale; `reason` says why they are NaN.
    """

    parameter_effects: tuple[float, float] = (math.nan, math.nan)
    intrinsic: tuple[float, float] = (math.nan, math.nan)
    factor: float = math.nan
    reason: str = ""


def model_curvature(at: Expansion) -> Curvature:
    """Curvatures of the predictions of the parameters that do not stand on a bound.

    The predictions are measured in units of their noise, and the radius is s √p: s = 1 for known noise, and
    s² = Σ residual²/(n − p) for a common estimated one, whose own parameter is left out of p.
    """
    ev = at.evaluation
    assert ev.prediction_jacobian is not None
    assert ev.sigma_jacobian is not None
    noise = np.any(ev.sigma_jacobian != 0, axis=0)
    mean = np.flatnonzero(at.free & ~noise)
    n, p = at.n_rows, len(mean)
    if reason := _obstacle(at, noise, p):
        return Curvature(reason=reason)
    if modes(at.root[:n, mean], at.error[:n, mean], at.floor).null.any():
        return Curvature(reason="the data leave a direction of the parameters undetermined")
    acceleration = _acceleration(at, mean)
    if acceleration is None:
        return Curvature(reason="the model could not be evaluated beside this point")
    s = math.sqrt(ev.chi2 / (n - p)) if noise.any() else 1.0
    factor = math.sqrt(float(stats.f.ppf(0.95, p, n - p)))
    radius = factor * s * math.sqrt(p)
    jacobian = (ev.prediction_jacobian / ev.sigma[:, None])[:, mean]
    estimation = curvatures(jacobian, acceleration, radius)
    natural = curvatures(*_on_natural_scale(jacobian, acceleration, at.slope[mean], at.bend[mean]), radius)
    return Curvature((estimation[0], natural[0]), (estimation[1], natural[1]), factor)


def curvatures(jacobian: np.ndarray, acceleration: np.ndarray, radius: float) -> tuple[float, float]:
    """Root mean square parameter-effects and intrinsic curvature times the radius.

    With J = QR, the accelerations R⁻ᵀ (∂²η_n/∂θ∂θᵀ) R⁻¹ are rotated by Qᵀ into the tangent plane and its
    complement; there γ² = Σ_n (2 Σ_ij a_nij² + (Σ_i a_nii)²)/(p (p + 2)) is the mean square of the curvature
    over all directions. jacobian : (row, parameter), of full rank; acceleration : (row, parameter,
    parameter). Bates & Watts (1980; 1988, chapter 7).
    """
    p = jacobian.shape[1]
    q, r = np.linalg.qr(jacobian)
    inverse = np.linalg.inv(r)
    relative = np.einsum("nij,ia,jb->nab", acceleration, inverse, inverse, optimize=True)
    tangential = np.einsum("nt,nab->tab", q, relative)
    # the sum over rows does not depend on the basis of the complement, so none is chosen
    normal = relative - np.einsum("nt,tab->nab", q, tangential)

    def size(a: np.ndarray) -> float:
        trace = np.trace(a, axis1=1, axis2=2)
        return radius * math.sqrt((2.0 * np.sum(a**2) + np.sum(trace**2)) / (p * (p + 2)))

    return size(tangential), size(normal)


def _obstacle(at: Expansion, noise: np.ndarray, p: int) -> str:
    """Why there is no such curvature, or an empty text."""
    ev, ints = at.evaluation, at.objective.plan.ints
    readout = layout.integers(ints, layout.ROW_READOUT)
    assert ev.prediction_jacobian is not None
    assert ev.sigma_jacobian is not None
    if layout.integers(ints, layout.READOUT_DISTRIBUTION)[readout].any():
        return "only measurements with normal noise span a surface with such curvature"
    if layout.integers(ints, layout.ROW_CENSORED).any():
        return "there are censored measurements"
    if noise.any():
        relative = ev.sigma_jacobian[:, noise] / ev.sigma[:, None]
        one = noise.sum() == 1 and np.ptp(relative) <= _COMMON * np.abs(relative).max()
        if not one or np.any(ev.prediction_jacobian[:, noise] != 0):
            return "the noise is neither known nor one estimated factor common to all measurements"
    if not 0 < p < at.n_rows:
        return f"{p} free parameters of the predictions for {at.n_rows} measurements leave nothing to compare"
    return ""


def _acceleration(at: Expansion, mean: np.ndarray) -> np.ndarray | None:
    """Second derivatives of the predictions in units of their noise, (row, parameter, parameter).

    Central differences of the exact Jacobian; None where a neighbour could not be evaluated.
    """
    result = np.empty((at.n_rows, len(mean), len(mean)))
    for a, (k, step) in enumerate(zip(mean, _steps(at)[mean], strict=True)):
        ends = []
        for sign in (1.0, -1.0):
            moved = at.theta.copy()
            moved[k] += sign * step
            beside = at.objective(moved, 1)
            if beside.status is not Status.OK:
                return None
            assert beside.prediction_jacobian is not None
            ends.append((moved[k], beside.prediction_jacobian[:, mean]))
        result[:, a] = (ends[0][1] - ends[1][1]) / (ends[0][0] - ends[1][0])
    return 0.5 * (result + result.swapaxes(1, 2)) / at.evaluation.sigma[:, None, None]


def _steps(at: Expansion) -> np.ndarray:
    """A hundredth of the slice error, or of the parameter (of a unit, if logarithmic); (parameter,)."""
    own = np.where([s == "lin" for s in at.objective.parameters.scale], np.abs(at.theta), 1.0)
    with np.errstate(divide="ignore"):
        error = 1.0 / np.linalg.norm(at.root, axis=0)
    return _STEP * np.where(own > 0, np.minimum(error, own), np.where(np.isfinite(error), error, 1.0))


def _on_natural_scale(
    jacobian: np.ndarray, acceleration: np.ndarray, slope: np.ndarray, bend: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both derivatives by p instead of theta: ∂²η/∂p² = D⁻¹ (∂²η/∂θ² − diag(bend · ∂η/∂θ)) D⁻¹."""
    bent = acceleration.copy()
    index = np.arange(len(slope))
    bent[:, index, index] -= jacobian * bend
    return jacobian / slope, bent / np.outer(slope, slope)
