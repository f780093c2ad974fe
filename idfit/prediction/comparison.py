"""Several models of the same data: information criteria, and the likelihood ratio of nested ones."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import xarray as xr
from scipy import stats

from idfit.errors import InputError, RunError
from idfit.problem import Problem
from idfit.results import dataset
from idfit.results.prediction import Nesting

Criterion = Literal["aic", "aicc", "bic"]
# nllh of one point by two problems that are said to be nested, and of two fits
_SAME, _WORSE = 1e-5, 1e-3
# a fixed value this close to a bound, relative to it, stands on it
_ON_BOUND = 1e-9
# an eigenvalue of the scaled information below this belongs to a parameter that the data no longer see
_BLIND = 1e-10


def compare(fits: Mapping[str, tuple[Problem, xr.Dataset]], criterion: Criterion = "aicc") -> xr.Dataset:
    """Rank models of the same data by an information criterion.

        AIC = 2 nllh + 2k,   AICc = AIC + 2k(k + 1)/(n − k − 1),   BIC = 2 nllh + k ln n
        delta = criterion − least criterion,   weight = exp(−delta/2)/Σ exp(−delta/2)

    fits : for each name the problem and its fit; k estimated parameters, noise levels included, n
    measurements. All constants of the likelihood are kept and densities are those of the measured values
    themselves, so that models with other noise or other transforms compare too.

    Returns a dataset of the group ``comparison``, the best model first. Errors: `InputError` for fewer than
    two models, for a criterion that cannot be computed, and for models of other measurements.

    Source: Burnham & Anderson, Model Selection and Multimodel Inference (Springer 2002), chapter 2.
    """
    if criterion not in get_args(Criterion):
        raise InputError(f"criterion {criterion!r} is not known; there are {', '.join(get_args(Criterion))}")
    if len(fits) < 2:
        raise InputError("a comparison needs two models or more, as {'full': (problem, fit), ...}")
    names = list(fits)
    for name in names[1:]:
        _refuse_other_data(names[0], fits[names[0]][0], name, fits[name][0])
    value = np.array([float(fits[n][1].attrs[criterion]) for n in names])
    if not np.isfinite(value).all():
        bad = names[int(np.flatnonzero(~np.isfinite(value))[0])]
        raise InputError(
            f"{criterion} of {bad!r} cannot be computed: it has as many parameters as measurements nearly. "
            "Use criterion='aic', or a smaller model"
        )
    order = np.argsort(value, kind="stable")
    delta = value[order] - value.min()
    weight = np.exp(-0.5 * delta)
    ranked = [fits[names[i]] for i in order]
    return dataset(
        "comparison",
        {
            "n_parameters": np.array([len(p.parameters) for p, _ in ranked], dtype=np.int64),
            "n_data": np.array([int(f["n_data"]) for _, f in ranked], dtype=np.int64),
            "nllh": np.array([float(f["optimum_nllh"][0]) for _, f in ranked]),
            **{c: np.array([float(f.attrs[c]) for _, f in ranked]) for c in get_args(Criterion)},
            "delta": delta,
            "weight": weight / weight.sum(),
        },
        {"model": [names[i] for i in order]},
        {"criterion": criterion, "data": data_hash(ranked[0][0]), "priors": _priors(ranked)},
    )


def _priors(ranked: list[tuple[Problem, xr.Dataset]]) -> str:
    """What is to be said where a fit is not one of maximum likelihood."""
    with_priors = any(prior is not None for p, _ in ranked for prior in p.parameters.prior)
    return "the fits have priors, so that nllh is not at its least value" if with_priors else ""


def data_hash(problem: Problem) -> str:
    """SHA-256 of what was measured: condition, observable, time, value, censoring; in any order."""
    return hashlib.sha256("\n".join(_measured(problem)).encode()).hexdigest()


def _measured(problem: Problem) -> list[str]:
    table = problem.spec.measurements
    censored = table.censored or ("",) * len(table)
    rows = zip(table.condition, table.observable, table.time, table.value, censored, strict=True)
    return sorted(f"{c}, {o}, time {t!r}, value {v!r} {limit}".strip() for c, o, t, v, limit in rows)


def _refuse_other_data(first: str, a: Problem, second: str, b: Problem) -> None:
    ours, theirs = _measured(a), _measured(b)
    if ours == theirs:
        return
    different = sorted(set(ours) ^ set(theirs))
    example = different[0] if different else "a repeated measurement"
    owner = first if example in ours else second
    raise InputError(
        f"{first!r} was fitted to {len(ours)} measurements and {second!r} to {len(theirs)}, and they differ: "
        f"only {owner!r} has {example}. Criteria and likelihood ratios compare models of the same data; fit "
        "both to the same"
    )


def likelihood_ratio(smaller: tuple[Problem, xr.Dataset], larger: tuple[Problem, xr.Dataset]) -> xr.Dataset:
    """Test a model against a larger one that it is a special case of.

        LR = 2 (nllh(smaller) − nllh(larger)) ~ χ²(df),   df = parameters that the smaller one has fixed

    That it is a special case is checked: the larger problem with these parameters fixed at the smaller one's
    values has the same nllh at its optimum. If one of the values stands on a bound, the distribution is the
    mixture ½ χ²(df − 1) + ½ χ²(df); if several do it is not known, and χ²(df) gives an upper limit of p.

    Returns a dataset of the group ``likelihood_ratio``; attrs ``caution`` names what the χ² distribution
    needs and does not have. Errors: `InputError` for other data, priors, and models that are not nested;
    `RunError` if the larger model fits worse, as it then was not fitted to its optimum.

    Sources: Wilks 1938, doi:10.1214/aoms/1177732360; Self & Liang 1987, doi:10.2307/2289471.
    """
    (small, small_fit), (large, large_fit) = smaller, larger
    _refuse_other_data("the smaller model", small, "the larger model", large)
    if any(prior is not None for p in (small, large) for prior in p.parameters.prior):
        raise InputError(
            "likelihood ratios belong to fits without priors; fit problem.without_priors() of both"
        )
    values = _fixed_values(small, large, small_fit)
    nllh = float(small_fit["optimum_nllh"][0]), float(large_fit["optimum_nllh"][0])
    if nllh[1] > nllh[0] + _WORSE:
        raise RunError(
            f"the larger model fits worse (nllh {nllh[1]:.6g}) than the smaller one inside it "
            f"({nllh[0]:.6g}): its fit has not found the optimum. Fit it from more starts"
        )
    ratio, df = max(2.0 * (nllh[0] - nllh[1]), 0.0), len(values)
    on_bound = _on_bound(large, values)
    nesting = (Nesting.INSIDE, Nesting.ON_BOUND)[on_bound] if on_bound < 2 else Nesting.SEVERAL_ON_BOUND
    p = float(stats.chi2.sf(ratio, df))
    law = f"chi2({df})"
    if nesting is Nesting.ON_BOUND:
        below = float(stats.chi2.sf(ratio, df - 1)) if df > 1 else float(ratio <= 0.0)
        p, law = 0.5 * below + 0.5 * p, f"0.5 chi2({df - 1}) + 0.5 chi2({df})"
    elif nesting is Nesting.SEVERAL_ON_BOUND:
        law = f"at most chi2({df})"
    variables = {
        "statistic": ratio,
        "df": df,
        "p_value": p,
        "nesting": np.int8(nesting),
        "fixed": ", ".join(f"{k} = {v:g}" for k, v in values.items()),
        "distribution": law,
    }
    return dataset("likelihood_ratio", variables, {}, {"caution": _caution(small, small_fit)})


def _fixed_values(small: Problem, large: Problem, small_fit: xr.Dataset) -> dict[str, float]:
    """Natural values of what only the larger model estimates. Errors: `InputError` if it is not larger, or
    becomes another model with these values."""
    names = small.parameters.names
    extra = [n for n in large.parameters.names if n not in names]
    foreign = [n for n in names if n not in large.parameters.names]
    if foreign or not extra:
        why = f"{', '.join(foreign)} is not estimated there" if foreign else "it estimates no more parameters"
        raise InputError(f"the larger model does not contain the smaller one: {why}")
    values = {}
    for name in extra:
        entry = small.spec.parameters.get(name)
        if entry is None or entry.value is None:
            raise InputError(
                f"the smaller model has no parameter {name!r} with a value; make it by "
                f"problem.fix({name}=...)"
            )
        values[name] = float(entry.value)
    held = large.fix(**values)
    theta = dict(zip(names, small_fit["optimum"].values[0], strict=True))
    at = np.array([theta[n] for n in held.parameters.names])
    rtol, atol = (float(small_fit.attrs[k]) for k in ("rtol", "atol"))
    same = held.parameters.scale == tuple(
        small.parameters.scale[names.index(n)] for n in held.parameters.names
    )
    if not same:
        at = held.parameters.to_scaled(
            dict(zip(names, small.parameters.to_natural(small_fit["optimum"].values[0]), strict=True))
        )
    there, here = held.objective(rtol, atol)(at, 0).nllh, float(small_fit["optimum_nllh"][0])
    if not abs(there - here) <= _SAME * max(1.0, abs(here)):
        raise InputError(
            f"with {', '.join(f'{k} = {v:g}' for k, v in values.items())} the larger model has nllh "
            f"{there:.8g} where the smaller one has {here:.8g}: the smaller one is no special case of it"
        )
    return values


def _on_bound(large: Problem, values: Mapping[str, float]) -> int:
    """How many of the fixed values stand on a bound of the larger model, or beyond it."""
    space, count = large.parameters, 0
    for name, value in values.items():
        i = space.names.index(name)
        near = _ON_BOUND * max(
            abs(value), abs(space.lower[i]) if math.isfinite(space.lower[i]) else 0.0, 1e-300
        )
        count += int(value <= space.lower[i] + near or value >= space.upper[i] - near)
    return count


def _caution(small: Problem, small_fit: xr.Dataset) -> str:
    """Whether a parameter of the smaller model no longer matters, where the χ² distribution fails."""
    fim = small_fit["fim"].values
    size = np.sqrt(np.maximum(np.diag(fim), 0.0))
    blind = [n for n, s in zip(small.parameters.names, size, strict=True) if s == 0.0]
    if not blind and np.linalg.eigvalsh(fim / np.outer(size, size))[0] < _BLIND:
        blind = ["a combination of its parameters"]
    if not blind:
        return ""
    return (
        f"the data do not determine {', '.join(blind)} in the smaller model, so that the distribution of the "
        "ratio is not the stated one; simulate it"
    )
