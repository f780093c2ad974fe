"""The problem at a limit of its parameters: exact where the limit can be taken, practical where it cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy

from idfit.errors import InputError
from idfit.problem import ParameterSpace, Problem, build
from idfit.reparameterization.boundary import Limit
from idfit.reparameterization.fast_states import NoLimit
from idfit.reparameterization.limiting_equations import Going, limiting_equations, with_formulas
from idfit.reparameterization.naming import name_of
from idfit.reparameterization.substitution import Substitution
from idfit.reparameterization.surface import Surface
from idfit.reparameterization.unit_texts import unit_text
from idfit.results import Status
from idfit.spec.check_formulas import formula_texts
from idfit.spec.check_names import copy_of, declared
from idfit.spec.schema import ParameterSpec, ProblemSpec

# the limit is right when predictions of the full model differ from it by at most this many sd ...
_AGREES = 0.02
# ... at one of these distances further along, in factors e
_FURTHER = (5.0, 10.0, 15.0)
# a state goes as ε^a where the slope is that close to a half-integer
_POWER = 0.05
# range of a new parameter where the old ones have no bounds, to either side of its value
_RANGE = 1e6


@dataclass(frozen=True)
class Limiting:
    """The reduced problem, its parameters (natural values) at the limit, and how it was made.

    exact : whether it is the limit itself; otherwise a parameter is held where the limit was found.
    """

    problem: Problem
    values: Mapping[str, float]
    exact: bool
    how: str


def limiting(problem: Problem, surface: Surface, limit: Limit) -> Limiting:
    """The problem at a limit. A limit that cannot be taken exactly leaves a parameter fixed, and says why.

    Errors: `InputError` for a limit of the kind "undetermined", and for parameters that have become equal and
    cannot be replaced by one.
    """
    if limit.kind == "undetermined":
        raise InputError.of(limit.sentence, limit.evidence, "look for the boundary in another direction")
    if limit.kind == "bound":
        return _held(problem, limit, limit.names[0], True, "held at its bound")
    if limit.kind == "shift":
        return _held(problem, limit, limit.names[-1], False, "held, since the others can make up for it")
    try:
        if limit.kind == "equal":
            return _equal(problem, limit)
        return _exact(problem, surface, limit)
    except NoLimit as reason:
        if limit.kind == "equal":
            raise InputError.of(
                limit.sentence, f"cannot be written, as {reason}", "tie them by hand"
            ) from None
        if limit.kind == "zero" and (at_zero := _at_zero(problem, surface, limit)) is not None:
            return at_zero
        return _held(problem, limit, limit.names[-1], False, f"held where the limit was found, as {reason}")


def _held(problem: Problem, limit: Limit, name: str, exact: bool, how: str) -> Limiting:
    """The parameter fixed at its value of the limit; the others may go to theirs."""
    space = problem.parameters
    value = limit.values[name]
    changes: dict[str, dict[str, Any]] = {
        name: {"value": value, "fixed": True, "scale": "lin"}
        | dict.fromkeys(("min", "max", "prior", "start"))
    }
    for other in limit.names:
        if other != name:
            k = space.names.index(other)
            at = limit.values[other]
            changes[other] = {"min": min(float(space.lower[k]), at), "max": max(float(space.upper[k]), at)}
    rest = {k: v for k, v in limit.values.items() if k != name}
    return Limiting(problem.with_parameters(changes), rest, exact, f"{name} is {how}: {value:.4g}")


def _at_zero(problem: Problem, surface: Surface, limit: Limit) -> Limiting | None:
    """The parameter, perhaps one of several copies, fixed at 0; None where that is not the limit."""
    (name,) = limit.names
    at_zero = replace(limit, values={**limit.values, name: 0.0})
    found = _held(problem, at_zero, name, True, "held")
    difference = _difference(surface, limit, found.problem, found.values)
    if difference >= _AGREES:
        return None
    return replace(found, how=f"{name} = 0; {_agreement(difference)}")


def _agreement(difference: float) -> str:
    return f"exact: far out the full model differs from it by {difference:.1g} sd at most"


def _equal(problem: Problem, limit: Limit) -> Limiting:
    """Two parameters that have become one."""
    kept, dropped = limit.names
    _check_plain(problem.spec, limit.names)
    put = Substitution({dropped: sympy.Symbol(kept)})
    formulas = {path: put.text(text) for path, text in formula_texts(problem.spec)}
    spec = with_formulas(problem.spec, formulas)
    changed = _described(spec, {k: p for k, p in spec.parameters.items() if k != dropped}, limit)
    values = {k: v for k, v in limit.values.items() if k != dropped}
    return Limiting(build(changed), values, True, f"{dropped} is {kept}")


def _exact(problem: Problem, surface: Surface, limit: Limit) -> Limiting:
    """The limit taken in the formulas, and compared with the full problem far out."""
    _check_plain(problem.spec, limit.names)
    new, entries, values = _new_parameters(problem, limit)
    rest = {k: v for k, v in limit.values.items() if k not in limit.names} | values
    space = problem.parameters
    positive = frozenset(n for n, low in zip(space.names, space.lower, strict=True) if low >= 0)
    positive |= entries.keys()
    reasons = []
    for powers in ({}, _powers_of_states(problem, surface, limit)):
        if powers is None:
            continue
        going = _going(limit, new, powers, positive)
        try:
            spec = limiting_equations(problem.spec, going)
        except NoLimit as reason:
            reasons.append(str(reason))
            continue
        reduced = build(_described(spec, _replaced(spec, limit.names, entries), limit))
        difference = _difference(surface, limit, reduced, rest)
        if difference < _AGREES:
            own = {k: rest[k] for k in reduced.parameters.names}
            return Limiting(reduced, own, True, _agreement(difference))
        reasons.append(
            f"the equations taken to the limit differ from the model far out by {difference:.2g} sd"
        )
    raise NoLimit("; ".join(dict.fromkeys(reasons)))


def _going(
    limit: Limit, new: Mapping[str, sympy.Expr], powers: Mapping[str, float], positive: frozenset[str]
) -> Going:
    """Integer exponents for all; half powers of ε are avoided by a smaller ε."""
    halves = any(a != round(a) for a in powers.values())
    factor = 2 if halves else 1
    return Going(
        new,
        {n: factor * e for n, e in zip(limit.names, limit.exponents, strict=True)},
        {s: round(factor * a) for s, a in powers.items()},
        positive,
    )


def _new_parameters(
    problem: Problem, limit: Limit
) -> tuple[dict[str, sympy.Expr], dict[str, ParameterSpec], dict[str, float]]:
    """For each parameter that goes what stays of it, and new entries and values.

    The last one, p_r, is given up: c_r = 1, and c_i = p_i p_r^(−e_i/e_r) for the others.
    """
    *others, pivot = limit.names
    by = dict(zip(limit.names, limit.exponents, strict=True))
    space, taken = problem.parameters, set(declared(problem.spec))
    new: dict[str, sympy.Expr] = {pivot: sympy.S.One}
    entries: dict[str, ParameterSpec] = {}
    values: dict[str, float] = {}
    for name in others:
        power = -sympy.Rational(by[name], by[pivot])
        formula = sympy.Symbol(name) * sympy.Symbol(pivot) ** power
        label = name_of(formula, taken)
        taken.add(label)
        new[name] = sympy.Symbol(label)
        values[label] = limit.values[name] * limit.values[pivot] ** float(power)
        low, high = _range(values[label], space, {name: 1.0, pivot: float(power)})
        entries[label] = ParameterSpec(
            value=values[label],
            scale="log10",
            unit=unit_text(formula, {n: problem.spec.parameters[n].unit for n in (name, pivot)}),
            min=low,
            max=high,
        )
    return new, entries, values


def _range(value: float, space: ParameterSpace, powers: Mapping[str, float]) -> tuple[float, float]:
    """The range of a product of powers of parameters with bounds, widened to hold the value."""
    low, high = 1.0, 1.0
    for name, power in powers.items():
        k = space.names.index(name)
        lower, upper = float(space.lower[k]), float(space.upper[k])
        if lower <= 0 or not math.isfinite(upper):
            return value / _RANGE, value * _RANGE
        ends = sorted((lower**power, upper**power))
        low, high = low * ends[0], high * ends[1]
    return min(low, value), max(high, value)


def _replaced(
    spec: ProblemSpec, names: tuple[str, ...], entries: Mapping[str, ParameterSpec]
) -> dict[str, ParameterSpec]:
    """The parameters with the new ones in the place of the first that goes."""
    result: dict[str, ParameterSpec] = {}
    for name, entry in spec.parameters.items():
        if name not in names:
            result[name] = entry
        elif entries.keys() - result.keys():
            result |= entries
    return result


def _described(spec: ProblemSpec, parameters: Mapping[str, ParameterSpec], limit: Limit) -> ProblemSpec:
    description = f"{spec.description} [{limit.sentence}]".strip()
    return spec.model_copy(update={"parameters": dict(parameters), "description": description})


def _check_plain(spec: ProblemSpec, names: tuple[str, ...]) -> None:
    """Parameters with copies, or that experiments or data set, are not replaced."""
    settings = {k for c in spec.conditions.values() for k in c.set}
    settings |= {k for c in spec.conditions.values() for d in c.dose for k in d.set}
    in_data = {cell for column in spec.measurements.columns.values() for cell in set(column)}
    for name in names:
        copies = any(copy is not None and copy[0] == name for copy in map(copy_of, spec.parameters))
        per = copy_of(name) or copies or any(name in o.per for o in spec.observables.values())
        if per or (name in spec.parameters and spec.parameters[name].per):
            raise NoLimit(f"{name} has copies")
        if name in settings or name in in_data:
            raise NoLimit(f"{name} is set by experiments or data")


def _at(surface: Surface, limit: Limit, further: float) -> np.ndarray:
    """The point of the surface that many factors e beyond the limit, with what is fixed in it kept."""
    space = surface.objective.parameters
    natural = np.array([limit.values[n] for n in space.names])
    z = (space.to_scaled(natural) / _whole(surface))[surface.free]
    largest = max(abs(e) for e in limit.exponents)
    for name, e in zip(limit.names, limit.exponents, strict=True):
        z[surface.names.index(name)] += further * e / largest
    return z


def _whole(surface: Surface) -> np.ndarray:
    unit = np.ones(len(surface.full))
    unit[surface.free] = surface.unit
    return unit


def _difference(surface: Surface, limit: Limit, reduced: Problem, values: Mapping[str, float]) -> float:
    """The largest difference of a prediction from the full problem, in sd, at the best distance."""
    space = reduced.parameters
    ends = zip(space.names, space.lower.tolist(), space.upper.tolist(), strict=True)
    wide = reduced.without_priors().with_parameters(
        {n: {"value": values[n], "min": min(a, values[n]), "max": max(b, values[n])} for n, a, b in ends}
    )
    objective = wide.objective(surface.objective.rtol, surface.objective.atol)
    own = objective(wide.parameters.nominal_scaled, 0)
    if own.status is not Status.OK:
        return math.inf
    best = math.inf
    for further in _FURTHER:
        full = surface.evaluate(_at(surface, limit, further))
        if full.status is Status.OK:
            change = own.residual * own.sigma - full.residual * full.sigma
            best = min(best, float(np.nanmax(np.abs(change / surface.sigma))))
    return best


def _powers_of_states(problem: Problem, surface: Surface, limit: Limit) -> dict[str, float] | None:
    """The powers a of states that go as ε^a, from their sizes at two distances; None where there are none."""
    states = problem.model.states
    sizes = []
    for further in _FURTHER[:2]:
        values = surface.values(_at(surface, limit, further))
        sizes.append(surface.problem.with_parameters(values).state_scale)
    if not all(np.isfinite(s).all() and (s > 0).all() for s in sizes):
        return None
    largest = max(abs(e) for e in limit.exponents)
    slope = -np.log(sizes[1] / sizes[0]) / (_FURTHER[1] - _FURTHER[0]) * largest
    halves = np.rint(2.0 * slope) / 2.0
    if np.any(np.abs(slope - halves) > _POWER) or not halves.any():
        return None
    return dict(zip(states, halves.tolist(), strict=True))
