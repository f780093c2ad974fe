"""Entries of new parameters in a problem: value, bounds, scale, unit, prior, and those of their copies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import sympy

from idfit.expressions import evaluate, names_in
from idfit.problem import Problem
from idfit.reparameterization.bounds import range_of
from idfit.reparameterization.maps import Reparameterization
from idfit.reparameterization.priors import prior_of
from idfit.reparameterization.unit_texts import unit_text
from idfit.reparameterization.unknowns import Unknown
from idfit.spec.schema import ParameterSpec


def new_entries(
    problem: Problem, maps: Reparameterization, with_priors: bool
) -> tuple[dict[str, ParameterSpec], list[str]]:
    """Entry of each new parameter, with one more for each copy that differs; and what to say about them."""
    entries: dict[str, ParameterSpec] = {}
    remarks: list[str] = []
    for name, formula in maps.forward.items():
        per_tag = {}
        for tag in maps.copies.get(name, ("",)):
            old = _old_entries(problem, maps, formula, tag)
            per_tag[tag], remark = _entry(formula, old, maps.unknown, with_priors)
            if remark:
                remarks.append(f"Bounds of {name} come from points drawn within those of the old parameters.")
        first = next(iter(per_tag.values()))
        entries[name] = first
        for tag, entry in per_tag.items():
            if tag and entry != first:
                own = entry.model_dump(exclude_none=True, include={"value", "min", "max", "prior"})
                entries[f"{name}[{tag}]"] = ParameterSpec.model_validate(own)
    return entries, list(dict.fromkeys(remarks))


def _old_entries(
    problem: Problem, maps: Reparameterization, formula: sympy.Expr, tag: str
) -> dict[str, ParameterSpec]:
    """The entries that hold for the names of a formula, those of the copies for a tag."""
    estimated = problem.resolution.estimated
    return {
        n: estimated[f"{n}[{tag}]" if tag in maps.unknown[n].tags else n] for n in sorted(names_in(formula))
    }


def _entry(
    formula: sympy.Expr, old: Mapping[str, ParameterSpec], unknown: Mapping[str, Unknown], with_priors: bool
) -> tuple[ParameterSpec, bool]:
    """The entry of one parameter, and whether its bounds are those of sampled points only."""
    if isinstance(formula, sympy.Symbol):  # another name for the same
        same = old[formula.name].model_copy(update={"per": None})
        return (same if with_priors else same.model_copy(update={"prior": None})), False
    box = {n: replace(unknown[n], lower=e.min, upper=e.max, scale=e.scale) for n, e in old.items()}
    low, high, exact = range_of(formula, box)
    value = None
    if all(e.value is not None for e in old.values()):
        value = evaluate(formula, {n: float(e.value or 0.0) for n, e in old.items()})
        value = value if math.isfinite(value) else None
    if value is not None:  # rounding must not put the value beyond its own bounds
        low, high = min(low, value), max(high, value)
    prior = prior_of(formula, old)[0] if with_priors else None
    entry = {
        "value": value,
        "min": low,
        "max": high,
        "scale": "log10" if low > 0 else "lin",
        "unit": unit_text(formula, {n: e.unit for n, e in old.items()}),
        "prior": None if prior is None else str(prior),
    }
    return ParameterSpec.model_validate({k: v for k, v in entry.items() if v is not None}), not exact
