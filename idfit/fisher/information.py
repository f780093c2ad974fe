"""Fisher information of a problem at a point: what the data determine there, to first order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from idfit.fisher.curvature import Curvature, model_curvature
from idfit.fisher.expansion import ROUNDING, Expansion, expand
from idfit.numerics.information import (
    Modes,
    correlation,
    expected_covariance,
    modes,
    observed_covariance,
    spectrum,
)
from idfit.problem import Problem
from idfit.results import dataset

_NULL_RULE = (
    "A direction counts as undetermined where its singular value, relative to parameters that each have the "
    "information 1, is at most ten times the change that a tenfold accuracy of the integration makes to it, "
    f"or at most {ROUNDING:g} (rtol, where the steps of the integration did not change). "
    "null_tolerance is the square of that limit for the least determined direction."
)


def fisher_information(
    problem: Problem,
    fit_or_theta: xr.Dataset | Sequence[float] | np.ndarray | None = None,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    curvature: bool = True,
) -> xr.Dataset:
    """What the data determine near a point: information, spectrum, null space, errors, curvatures.

    F = Σ (∇m ∇mᵀ + 2 ∇σ ∇σᵀ)/σ² for normal noise, the expected information for the others. On the natural
    scale F becomes D⁻¹ F D⁻¹ with D = dp/dtheta, and the Hessian H of the objective, whose gradient is g,
    D⁻¹ (H − diag(g p″/p′)) D⁻¹.

    fit_or_theta : the dataset of a fit (its best optimum is taken), a vector theta : (parameter,) on the
    estimation scale, or None for the nominal values. rtol, atol : of the integration; if not given those of
    the fit, else 1e-8 and 1e-12. curvature : whether to compute the curvatures of Bates & Watts, which take
    two evaluations for each parameter (the Hessian takes as many).

    Returns a dataset of the group ``fisher``. `fim`, the spectrum and the null space are of the data alone,
    with all parameters; covariances and standard errors leave out parameters that stand on a bound (attrs
    ``held_at_bound``), and are NaN for these and for what is not determined. What counts as undetermined is
    stated in attrs ``null_rule``, with the limit in ``null_tolerance``; ``eigenvalue_error`` is the largest
    relative error of the other eigenvalues due to the integration. ``curvature_reason`` says why there is no
    curvature.

    Errors: `InputError` for a problem without measurements or estimated parameters and for a point that does
    not belong to it; `RunError` with the reason if the point cannot be evaluated.

    Source: Seber & Wild, Nonlinear Regression (Wiley 1989), chapters 2 to 4; for curvatures
    see `idfit.fisher.curvature`.

    >>> from idfit.model import Model
    >>> model = Model.from_equations({}, {"y": "a*b*t"}, ["a", "b"])
    >>> data = {"time": [1.0, 2.0], "value": [2.1, 3.9]}
    >>> bounds = {name: {"value": 1.0, "min": 0.1, "max": 10.0} for name in ("a", "b")}
    >>> info = fisher_information(Problem(model, data, parameters=bounds, noise={"y": 0.1}))
    >>> info["eigenvalue"].sel(space="estimation").values.round(6), int(info["nullity"][0])
    (array([1000., 0.]), 1)
    """
    at = expand(problem, fit_or_theta, rtol, atol)
    bent = model_curvature(at) if curvature else Curvature(reason="not asked for")
    variables = {"theta": at.theta} | _matrices(at) | _spectra(at) | _errors(at, _tolerance(problem, at))
    variables |= {
        "parameter_effects_curvature": bent.parameter_effects,
        "intrinsic_curvature": bent.intrinsic,
        "curvature_factor": bent.factor,
    }
    space = problem.parameters
    coords = {"parameter": list(space.names), "unit": list(space.unit), "scale": list(space.scale)}
    return dataset("fisher", variables, coords, _attrs(at, bent))


def _attrs(at: Expansion, bent: Curvature) -> dict[str, Any]:
    held = [n for n, free in zip(at.objective.parameters.names, at.free, strict=True) if not free]
    return {
        "point": at.point,
        "rtol": at.objective.rtol,
        "atol": at.objective.atol,
        "objective": at.evaluation.objective,
        "nllh": at.evaluation.nllh,
        "n_data": at.n_rows,
        "held_at_bound": ", ".join(held),
        "null_rule": _NULL_RULE,
        "null_tolerance": float(at.modes.tolerance[-1] ** 2),
        "eigenvalue_error": _eigenvalue_error(at.modes),
        "curvature_reason": bent.reason,
    }


def _eigenvalue_error(found: Modes) -> float:
    seen = ~found.null
    return 2.0 * float(np.max(found.error[seen] / found.values[seen])) if seen.any() else math.nan


def _matrices(at: Expansion) -> dict[str, np.ndarray]:
    """Information of data and priors and the Hessian on both scales."""
    ev, weight = at.evaluation, np.outer(at.slope, at.slope)
    assert ev.fim is not None
    assert ev.prior_fim is not None
    estimation, natural = _hessians(at)
    return {
        "fim": np.stack([ev.fim, ev.fim / weight]),
        "prior_information": np.stack([ev.prior_fim, ev.prior_fim / weight]),
        "hessian": np.stack([estimation, natural / weight]),
    }


def _hessians(at: Expansion) -> tuple[np.ndarray, np.ndarray]:
    """Hessians by the parameters of each scale, both in units of theta.

    ∂²/∂p² = θ′² ∂²/∂θ² + θ″ ∂/∂θ with θ″ = −p″/p′³: the two differ where the gradient is not zero, as at a
    bound.
    """
    ev = at.evaluation
    assert ev.hessian is not None
    assert ev.gradient is not None
    return ev.hessian, ev.hessian - np.diag(ev.gradient * at.bend)


def _spectra(at: Expansion) -> dict[str, np.ndarray]:
    """Spectra on both scales. The null space is found once: it is the same set of directions on each."""
    null_space = at.modes.null_space
    values, vectors = spectrum(at.root, null_space)
    natural_values, natural_vectors = spectrum(at.root / at.slope, null_space * at.slope[:, None])
    k, n_null = null_space.shape
    n_seen = k - n_null
    both = np.stack([values, natural_values])
    decades = np.log10(both[:, 0] / both[:, n_seen - 1]) if n_seen else np.full(2, np.nan)
    return {
        "eigenvalue": both,
        "eigenvector": np.stack([vectors, natural_vectors]),
        "null": np.tile(np.arange(k) >= n_seen, (2, 1)),
        "nullity": np.full(2, n_null),
        "sloppiness": decades,
        "null_share": np.sum(vectors[:, n_seen:] ** 2, axis=1),
    }


def _errors(at: Expansion, hessian_tolerance: float) -> dict[str, np.ndarray]:
    """Covariances and standard errors of the free parameters, on the natural scale by its slope."""
    ev, free, slope = at.evaluation, at.free, at.slope
    assert ev.fim is not None
    assert ev.prior_fim is not None
    prior = np.diag(np.sqrt(np.diag(ev.prior_fim)))
    # rows of the priors say what the data do not, and are exact
    root, error = np.concatenate([at.root, prior]), np.concatenate([at.error, np.zeros_like(prior)])
    both = modes(root[:, free], error[:, free], at.floor)
    data = modes(at.root[:, free], at.error[:, free], at.floor)
    covariance = _filled(expected_covariance(both), free)
    observed = [
        _filled(observed_covariance(both, hessian[np.ix_(free, free)], hessian_tolerance), free)
        for hessian in _hessians(at)
    ]
    with np.errstate(divide="ignore"):
        slices = np.where(free, 1.0 / np.sqrt(np.diag(ev.fim + ev.prior_fim)), np.nan)
    expected, alone = _deviations(covariance), _deviations(_filled(expected_covariance(data), free))
    return {
        "covariance": np.stack([covariance, covariance * np.outer(slope, slope)]),
        "correlation": np.stack([correlation(covariance)] * 2),
        "standard_error": np.stack([expected, expected * slope]),
        "standard_error_data": np.stack([alone, alone * slope]),
        "standard_error_observed": np.stack([_deviations(observed[0]), _deviations(observed[1]) * slope]),
        "slice_error": np.stack([slices, slices * slope]),
    }


def _deviations(covariance: np.ndarray) -> np.ndarray:
    return np.sqrt(np.diag(covariance))


def _filled(block: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The matrix (parameter, parameter) with the block of the free parameters, NaN elsewhere."""
    result = np.full((len(free), len(free)), np.nan)
    result[np.ix_(free, free)] = block
    return result


def _tolerance(problem: Problem, at: Expansion) -> float:
    """Relative eigenvalue below which a Hessian by differences says nothing; the same as in a fit."""
    return max(at.objective.rtol, 1e-14) if problem.model.states else 1e-14
