"""The equations of a problem file when parameters go to 0 or ∞: formula by formula, or with fast states.

Parameters are p_i = c_i ε^(−e_i), where c_i is what stays fixed and ε → 0. Where every formula has a finite
limit, the file keeps its form. Where rates become infinite, its states are brought together in odes, and
those that are always at rest are eliminated (`idfit.reparameterization.fast_states`). States that vanish or
grow as ε^a are measured in units of ε^a.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy

from idfit.expressions import names_in, parse, to_text
from idfit.model.model import TIME_NAMES
from idfit.problem.resolution import model_of
from idfit.reparameterization.elimination import shortest
from idfit.reparameterization.fast_states import NoLimit, SlowSet
from idfit.reparameterization.leading_terms import laurent, limit
from idfit.spec.check_formulas import formula_texts
from idfit.spec.schema import ConditionSpec, Formula, ProblemSpec, StateSpec

Path = tuple[Any, ...]


@dataclass(frozen=True)
class Going:
    """How names go with ε: `parameters` to c ε^(−exponent), states to ε^power of themselves.

    positive : names that are known to be.
    """

    parameters: Mapping[str, sympy.Expr]
    exponents: Mapping[str, int]
    powers: Mapping[str, int] = field(default_factory=dict)
    positive: frozenset[str] = frozenset()
    eps: sympy.Symbol = field(default_factory=lambda: sympy.Dummy("eps", positive=True))

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.parameters) | {s for s, a in self.powers.items() if a}

    def put(self, formula: Any) -> Any:
        """The formula with ε in it."""
        values = {sympy.Symbol(p): c * self.eps ** -self.exponents[p] for p, c in self.parameters.items()}
        values |= {sympy.Symbol(s): sympy.Symbol(s) * self.eps**a for s, a in self.powers.items() if a}
        return formula.xreplace(values)

    def limit(self, formula: Any, power: int = 0) -> Any:
        """The finite limit of a formula in units of ε^power, None where it has none."""
        known = {sympy.Symbol(n): sympy.Symbol(n, positive=True) for n in self.positive}
        found: Any = limit((self.put(formula) * self.eps**-power).xreplace(known), self.eps)
        return None if found is None else shortest(found.xreplace({v: k for k, v in known.items()}))


def limiting_equations(spec: ProblemSpec, going: Going) -> ProblemSpec:
    """The spec in the limit; its parameters are still those of before. Errors: `NoLimit`."""
    if not going.powers and (direct := _formula_by_formula(spec, going)) is not None:
        return direct
    return _Limiting(spec, going).spec()


def with_formulas(spec: ProblemSpec, formulas: Mapping[Path, Formula]) -> ProblemSpec:
    """The spec with other formulas at those paths."""
    raw = spec.model_dump(exclude={"measurements"}, exclude_unset=True)
    for path, formula in formulas.items():
        place: Any = raw
        for key in path[:-1]:
            if isinstance(place, tuple | list):
                place = place[key]
                continue
            if isinstance(place[key], tuple):  # the doses of a condition
                place[key] = list(place[key])
            place = place[key]
        place[path[-1]] = formula
    return ProblemSpec.model_validate(raw).model_copy(update={"measurements": spec.measurements})


def as_text(formula: sympy.Expr) -> Formula:
    return float(formula) if formula.is_number else to_text(formula)


def _formula_by_formula(spec: ProblemSpec, going: Going) -> ProblemSpec | None:
    """Each formula at its limit; None where one has none."""
    formulas: dict[Path, Formula] = {}
    for path, text in formula_texts(spec):
        before = parse(text)
        if not names_in(before) & going.names:
            continue
        after = going.limit(before)
        if after is None:
            return None
        formulas[path] = as_text(after)
    changed = with_formulas(spec, formulas)
    idle = {path[1] for path, formula in formulas.items() if path[0] == "reactions" and formula == 0}
    return changed.model_copy(
        update={"reactions": {k: r for k, r in changed.reactions.items() if k not in idle}}
    )


class _Limiting:
    """The limit of a spec with its reactions summed into odes."""

    def __init__(self, spec: ProblemSpec, going: Going):
        self.old, self.going = spec, going
        model = model_of(spec)
        self.model = model
        definitions = {k: parse(f) for k, f in spec.assignments.items()}
        self.definitions = definitions
        clock = {*spec.inputs, *TIME_NAMES} - {*spec.parameters, *spec.constants, *spec.assignments}
        self.touched = _reaching(definitions, going.names)
        inside = self.touched | _reaching(definitions, spec.states)
        self.inline = _closed({k: definitions[k] for k in inside})
        self.moving = clock | _reaching(definitions, clock) - inside
        self.powers = {s: going.powers.get(s, 0) for s in spec.states}

    def spec(self) -> ProblemSpec:
        orders = {s: self._orders(s, f) for s, f in zip(self.model.states, self.model.odes, strict=True)}
        found = self._slow_set(orders)
        self._refuse_changes(found)
        slow = {s: given.get(0, sympy.S.Zero) for s, given in orders.items()}
        odes = found.odes(slow, frozenset(self.moving))
        starts = {s: self._start(s) for s in self.old.states}
        zero = {sympy.Symbol(s): f for s, f in found.gone.items() if f == 0}
        observables = {
            name: entry.model_copy(
                update={
                    "formula": self._reading(entry.formula, zero),
                    "noise": self._reading(entry.noise, zero)
                    if isinstance(entry.noise, str)
                    else entry.noise,
                }
            )
            for name, entry in self.old.observables.items()
        }
        assignments = {
            name: self._reading(formula, zero)
            for name, formula in self.old.assignments.items()
            if name not in self.touched
        } | {s: as_text(f) for s, f in found.gone.items() if f != 0 and not self.powers[s]}
        changed = self.old.model_copy(
            update={
                "states": {s: self._state(s, f) for s, f in self._moved(found, starts).items()},
                "odes": {s: as_text(f) for s, f in odes.items()},
                "reactions": {},
                "assignments": assignments,
                "observables": observables,
                "conditions": {
                    name: self._condition(condition, found, starts)
                    for name, condition in self.old.conditions.items()
                },
            }
        )
        used = _used(changed)
        kept = {k: f for k, f in assignments.items() if k in used}
        return changed.model_copy(update={"assignments": kept})

    def _slow_set(self, orders: Mapping[str, Mapping[int, sympy.Expr]]) -> SlowSet:
        negative = sorted({n for found in orders.values() for n in found if n < 0})
        if not negative:
            return SlowSet(tuple(sympy.Symbol(s) for s in orders))
        if len(negative) > 1:
            raise NoLimit("processes become fast at different rates")
        fast = {s: found[negative[0]] for s, found in orders.items() if negative[0] in found}
        return SlowSet.of(fast, list(orders))

    def _moved(self, found: SlowSet, starts: Mapping[str, Any]) -> dict[str, sympy.Expr]:
        """Starts on the slow set; one may speak of other starts, which move as well."""
        if not found.rest:
            return dict(starts)
        known = _closed(starts)
        return found.starts({s: f.xreplace(known) for s, f in starts.items()})

    def _condition(
        self, condition: ConditionSpec, found: SlowSet, starts: Mapping[str, Any]
    ) -> ConditionSpec:
        """The condition with starts and doses of states as they are on the slow set."""
        own = {s: parse(f) for s, f in condition.set.items() if s in found.holding}
        settings = dict(condition.set)
        if own:
            general = self._moved(found, starts)
            every = {s: parse(f) for s, f in condition.set.items() if s in starts}
            special = self._moved(found, {**starts, **every})
            changed = {s: as_text(f) for s, f in special.items() if s in every or f != general[s]}
            settings = {s: f for s, f in settings.items() if s not in starts} | changed
        doses = []
        for dose in condition.dose:
            added = {s: parse(f) for s, f in dose.add.items()}
            if found.holding & added.keys():
                gains = {s: as_text(f) for s, f in found.after_adding(added).items()}
                dose = dose.model_copy(update={"add": gains})
            doses.append(dose)
        return condition.model_copy(update={"set": settings, "dose": tuple(doses)})

    def _orders(self, state: str, ode: sympy.Expr) -> dict[int, sympy.Expr]:
        inside = self.going.put(ode.xreplace(self.inline)) * self.going.eps ** -self.powers[state]
        found = laurent(inside, self.going.eps)
        if found is None:
            raise NoLimit(f"the equation of {state} cannot be expanded")
        return found

    def _start(self, state: str) -> Any:
        found = self.going.limit(parse(self.old.states[state].init).xreplace(self.inline), self.powers[state])
        if found is None:
            raise NoLimit(f"the start of {state} has no limit")
        return found

    def _state(self, state: str, start: sympy.Expr) -> StateSpec:
        unit = None if self.powers[state] else self.old.states[state].unit
        return StateSpec(init=as_text(start), unit=unit)

    def _reading(self, text: Formula, zero: Mapping[sympy.Symbol, sympy.Expr]) -> Formula:
        """An observable, noise or assignment in the limit."""
        before: Any = parse(text)
        others = {k: parse(o.formula) for k, o in self.old.observables.items()}
        reached = _closed(others | self.definitions)
        whole = before.xreplace(reached)
        if not names_in(whole) & self.going.names:
            after = before.xreplace(zero)
            return text if after == before else as_text(shortest(after))
        after = self.going.limit(whole.xreplace(zero))
        if after is None:
            raise NoLimit(f"{to_text(before)} has no limit")
        return as_text(after)

    def _refuse_changes(self, found: SlowSet) -> None:
        """Events, resets and formulas that speak of states that the limit holds or measures otherwise."""
        scaled = {s for s, a in self.powers.items() if a}
        jumps = {s for e in self.old.events.values() for s in e.set}
        settings: set[str] = set()
        for condition in self.old.conditions.values():
            jumps |= {*condition.reinit, *(s for dose in condition.dose for s in dose.set)}
            settings |= {*condition.set, *(s for dose in condition.dose for s in dose.add)}
        if both := ((found.holding | scaled) & jumps) | (scaled & settings):
            raise NoLimit(f"{', '.join(sorted(both))} is set, and becomes fast or goes to a limit")
        away = found.holding | scaled | self.touched | self.going.names
        for path, text in formula_texts(self.old):
            if path[0] in ("events", "conditions", "inputs", "parameters") and names_in(parse(text)) & away:
                raise NoLimit(f"{'.'.join(map(str, path))} uses what becomes fast")


def _closed(definitions: Mapping[str, Any]) -> dict[Any, Any]:
    """Definitions with all that they use of each other put in."""
    known: dict[Any, Any] = {sympy.Symbol(k): f for k, f in definitions.items()}
    for _ in definitions:
        following = {k: f.xreplace(known) for k, f in known.items()}
        if following == known:
            break
        known = following
    return dict(known)


def _reaching(definitions: Mapping[str, sympy.Expr], ends: Iterable[str]) -> frozenset[str]:
    """The definitions that use one of the names, through others or at once."""
    closed, ends = _closed(definitions), set(ends)
    return frozenset(str(k) for k, f in closed.items() if names_in(f) & ends)


def _used(spec: ProblemSpec) -> set[str]:
    """Names that formulas other than assignments use, and what these use."""
    texts = [(path, parse(text)) for path, text in formula_texts(spec)]
    used = {name for path, formula in texts if path[0] != "assignments" for name in names_in(formula)}
    definitions = {path[1]: formula for path, formula in texts if path[0] == "assignments"}
    for _ in definitions:
        used |= {n for name in used & definitions.keys() for n in names_in(definitions[name])}
    return used
