"""A reparameterization from the combinations that the data determine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import sympy

from idfit.errors import InputError
from idfit.expressions import names_in, replaced, to_text
from idfit.model import Model
from idfit.problem import Problem
from idfit.reparameterization.elimination import shortest
from idfit.reparameterization.gauges import Choice, best_choice, columns_of, stand_in
from idfit.reparameterization.invariants import Combinations, Component, rank
from idfit.reparameterization.maps import Reparameterization
from idfit.reparameterization.naming import name_of, unused
from idfit.reparameterization.unknowns import Unknown, base_name, unknowns_of
from idfit.spec.check_names import declared

if TYPE_CHECKING:
    import xarray as xr


def proposed(
    subject: Problem | Model,
    combos: xr.Dataset,
    keep: Iterable[str] = (),
    normalise: Iterable[str] | Mapping[str, float] | None = None,
) -> Reparameterization:
    """New parameters that are functions of the combinations, as many as the data determine.

    Parameters that are determined by themselves keep their names. Errors: `InputError` if the combinations
    are incomplete, belong to another subject, or no choice of what to hold gives formulas for the rest.
    """
    found = Combinations.of(combos)
    unknowns = unknowns_of(subject, found.unknowns)
    unknown = {u.name: u for u in unknowns}
    given = dict(normalise) if isinstance(normalise, Mapping) else dict.fromkeys(normalise or ())
    protected = {base_name(name) for name in keep}
    components = found.components()
    _refuse_needless(given, unknown, components)
    _refuse_names((*protected, *given), unknown)
    taken = taken_names(subject)
    forward: dict[str, sympy.Expr] = {}
    back: dict[str, sympy.Expr] = {}
    gauge, reasons = [], []
    for component in components:
        choice = best_choice(component, unknown, protected, given)
        names = _names(choice, unknown, taken)
        forward |= dict(zip(names, choice.forward, strict=True))
        real = {str(stand_in(i)): sympy.Symbol(name) for i, name in enumerate(names)}
        back |= {name: shortest(replaced(formula, real)) for name, formula in choice.back.items()}
        gauge += choice.gauge
        reasons += _reasons(component, choice)
    if back:
        forward, back = with_starts(forward, back, unknowns, taken)
    copies = {name: tags_of(formula, unknown) for name, formula in forward.items()}
    result = Reparameterization(
        unknowns,
        forward,
        back,
        tuple(gauge),
        {name: tags for name, tags in copies.items() if tags},
        tuple(name for component in components for name in component.unknowns),
        tuple(reasons),
    )
    _refuse_too_little(found, result)
    return result


def taken_names(subject: Problem | Model) -> set[str]:
    """Every name that formulas of the subject can use."""
    if isinstance(subject, Problem):
        return {*declared(subject.spec), *subject.spec.parameters}
    named = (name for name, _ in (*subject.assignments, *subject.observables))
    return {*subject.states, *subject.parameters, *subject.inputs, *subject.unknown_inputs, *named}


def with_starts(
    forward: Mapping[str, sympy.Expr],
    back: Mapping[str, sympy.Expr],
    unknowns: Iterable[Unknown],
    taken: set[str],
) -> tuple[dict[str, sympy.Expr], dict[str, sympy.Expr]]:
    """The maps with a parameter ``x_0`` for each start that stays: formulas of a model can name no start."""
    own = {u.name: unused(f"{u.name}_0", taken) for u in unknowns if u.start and u.name not in back}
    taken |= set(own.values())
    renamed = {old: sympy.Symbol(new) for old, new in own.items()}
    new = {name: sympy.Symbol(old) for old, name in own.items()}
    return {**forward, **new}, {**{n: replaced(f, renamed) for n, f in back.items()}, **renamed}


def _names(choice: Choice, unknown: Mapping[str, Unknown], taken: set[str]) -> list[str]:
    labels = {name: f"{name}_0" for name, u in unknown.items() if u.start}
    last = {*labels, *(g.name for g in choice.gauge)}
    names: list[str] = []
    for formula in choice.forward:
        names.append(name_of(formula, taken, labels, last))
        taken.add(names[-1])
    return names


def tags_of(formula: sympy.Expr, unknown: Mapping[str, Unknown]) -> tuple[str, ...]:
    """The copies that a new parameter has: those of the parameters in its formula."""
    columns = columns_of(formula, unknown)
    if len(columns) > 1:
        raise InputError.of(
            to_text(formula),
            f"has copies for {' and for '.join(sorted(columns))}, and a parameter has one kind",
            "give new parameters of your own (manual=...)",
        )  # fmt: skip
    tags = [unknown[n].tags for n in names_in(formula) if n in unknown and unknown[n].tags]
    return max(tags, key=len, default=())


def _reasons(component: Component, choice: Choice) -> list[str]:
    held = [g.name for g in choice.gauge]
    others = [name for name in component.unknowns if name not in held]
    if not others:
        return [f"{', '.join(held)}: nothing that is measured depends on it."]
    acting = ", ".join(to_text(f) for f in component.invariants)
    sentences = [f"Of {', '.join(component.unknowns)} the equations see {acting} only."]
    if any(
        p.exp.is_Rational and not p.exp.is_Integer for f in choice.back.values() for p in f.atoms(sympy.Pow)
    ):
        sentences.append(
            f"Roots are the positive ones, which is right where {', '.join(others)} are positive."
        )
    if choice.share < 1:
        sentences.append(
            f"From {100 * (1 - choice.share):.0f} % of the old range some of {', '.join(others)} come back "
            "with an impossible sign; what is measured is the same nevertheless."
        )
    return sentences


def _refuse_needless(
    normalise: Mapping[str, float | None], unknown: Mapping[str, Unknown], components: Iterable[Component]
) -> None:
    moving = {name for c in components for name in c.unknowns}
    if needless := [name for name in normalise if name in unknown and name not in moving]:
        raise InputError.of(
            f"normalise {', '.join(needless)}",
            "is determined by the data, so that holding it would change the model",
            f"normalise one of {', '.join(sorted(moving)) or 'none: there is nothing to hold'}",
        )


def _refuse_names(names: Collection[str], unknown: Mapping[str, Unknown]) -> None:
    for name in names:
        if name not in unknown:
            raise InputError.of(
                repr(name), f"is not among the unknowns: {', '.join(unknown)}", "name one of these"
            )


def _refuse_too_little(found: Combinations, proposal: Reparameterization) -> None:
    """The new parameters, copies and all, must be as many functions of the combinations as there are."""
    if not proposal:
        return
    new = [n for n, f in proposal.forward.items() if names_in(f) & set(proposal.moving)]
    every = [f for name in new for f in expanded(proposal, name)]
    n_known = rank(found.formulas_of_moving, found.moving)
    n_new = rank(every, found.moving)
    together = rank([*found.formulas_of_moving, *every], found.moving)
    if not n_known == n_new == together == len(every):
        raise InputError.of(
            f"{', '.join(new)}",
            "would not account for all copies of parameters, which do not all behave alike",
            "give new parameters of your own (manual=...), or fix copies that are known",
        )


def expanded(proposal: Reparameterization, name: str) -> list[sympy.Expr]:
    """The formula of a new parameter, for each of its copies."""
    formula = proposal.forward[name]
    return [
        replaced(formula, {
            n: sympy.Symbol(f"{n}[{tag}]")
            for n in names_in(formula)
            if n in proposal.unknown and tag in proposal.unknown[n].tags
        })
        for tag in proposal.copies.get(name, ("",))
    ]  # fmt: skip
