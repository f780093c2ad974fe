"""Priors of new parameters, where they follow exactly from those of the old ones."""

from __future__ import annotations

import math
from collections.abc import Mapping

import sympy

from idfit.expressions import names_in
from idfit.reparameterization.elimination import exponents
from idfit.reparameterization.maps import Reparameterization
from idfit.spec.priors import Prior, parse_prior
from idfit.spec.schema import ParameterSpec

_LOGARITHM = {"log": 1.0, "log10": math.log(10)}  # ln of the parameter per unit of the estimation scale


def prior_of(formula: sympy.Expr, parameters: Mapping[str, ParameterSpec]) -> tuple[Prior | None, str]:
    """The prior of a product of powers of independent parameters, and why there is none where there is none.

    ln Π z^e of independent normal ln z is normal with mean Σ e μ and variance Σ e² σ². A prior on the
    estimation scale stays one on the estimation scale, which is taken to be log10.
    """
    names = sorted(names_in(formula))
    priors = {n: parse_prior(text) for n in names if (text := parameters[n].prior) is not None}
    if not priors:
        return None, ""
    powers = exponents(formula)
    lacking = [n for n in names if n not in priors]
    if powers is None:
        return None, "it is no product of powers"
    if lacking:
        return None, f"{', '.join(lacking)} has no prior"
    moments = {n: _of_logarithm(priors[n], parameters[n].scale) for n in names}
    if other := [n for n, found in moments.items() if found is None]:
        return None, f"the prior of {', '.join(other)} is not that of a normal logarithm"
    if len(on := {p.on for p in priors.values()}) > 1:
        return None, "some priors are of parameters and others of their logarithms"
    coefficient = float(sympy.Mul(*(f for f in sympy.Mul.make_args(formula) if f.is_Number)))
    if coefficient <= 0:
        return None, "it is not positive"
    known = {n: found for n, found in moments.items() if found is not None}
    mean = math.log(coefficient) + sum(float(powers[n]) * m for n, (m, _) in known.items())
    sd = math.sqrt(sum((float(powers[n]) * s) ** 2 for n, (_, s) in known.items()))
    if on == {"natural"}:
        return Prior("log-normal", mean, sd), ""
    return Prior("normal", mean / _LOGARITHM["log10"], sd / _LOGARITHM["log10"], "estimation"), ""


def _of_logarithm(prior: Prior, scale: str) -> tuple[float, float] | None:
    """Mean and sd of ln of the parameter, if that is normal."""
    if prior.within_bounds:
        return None
    if prior.kind == "log-normal" and prior.on == "natural":
        return prior.a, prior.b
    if prior.kind == "normal" and prior.on == "estimation" and scale in _LOGARITHM:
        return prior.a * _LOGARITHM[scale], prior.b * _LOGARITHM[scale]
    return None


def priors_lost(maps: Reparameterization, parameters: Mapping[str, ParameterSpec]) -> list[str]:
    """Why priors of replaced parameters do not carry over, in sentences; empty if all do.

    The priors of several new parameters are independent only if no old one stands in two of them, and none
    that stays in any.
    """
    sentences = []
    for name in (n for n in maps.back if parameters[n].prior is not None):
        inside = [new for new, formula in maps.forward.items() if name in names_in(formula)]
        if len(inside) != 1:
            where = " and ".join(inside) or "no new parameter"
            sentences.append(f"the prior of {name} would bear on {where}")
            continue
        formula = maps.forward[inside[0]]
        if staying := sorted(names_in(formula) & set(maps.kept)):
            sentences.append(f"the prior of {name} would tie {inside[0]} to {', '.join(staying)}")
        elif not isinstance(formula, sympy.Symbol) and (reason := prior_of(formula, parameters)[1]):
            sentences.append(f"the prior of {inside[0]} has no simple form, as {reason}")
    return list(dict.fromkeys(sentences))
