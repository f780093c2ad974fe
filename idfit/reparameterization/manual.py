"""New parameters of the user's own, as formulas of the old ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import sympy

from idfit.errors import InputError
from idfit.expressions import names_in, parse, replaced, to_text
from idfit.model import Model
from idfit.problem import Problem
from idfit.reparameterization.elimination import shortest, solved
from idfit.reparameterization.gauges import Choice, copies_fit, gauge_of, stand_in
from idfit.reparameterization.maps import Gauge, Reparameterization
from idfit.reparameterization.proposal import tags_of, taken_names, with_starts
from idfit.reparameterization.unknowns import Unknown, base_name, unknowns_of
from idfit.spec.findings import did_you_mean, is_identifier, listed

#: choices of what to replace that are tried where the user does not say it
MOST_CHOICES = 60


def chosen(
    subject: Problem | Model,
    manual: Mapping[str, str],
    replacing: Sequence[str] | None = None,
    keep: Iterable[str] = (),
    normalise: Iterable[str] | Mapping[str, float] | None = None,
) -> Reparameterization:
    """The new parameters ``{"kd_over_kp": "kd/kp"}`` in the place of as many old ones.

    replacing : the old ones that disappear; by default one of each formula for which the formulas can be
    solved, never one in `keep`. normalise : old ones that are held besides, which leaves the model the same
    only if no data can tell their value. Errors: `InputError` if a name is unknown or taken, or if the
    formulas cannot be solved for what they replace.
    """
    unknown = {u.name: u for u in unknowns_of(subject, _names_of(subject, manual))}
    formulas = _read(subject, manual, unknown)
    given = dict(normalise) if isinstance(normalise, Mapping) else dict.fromkeys(normalise or ())
    for name in (*given, *(replacing or ())):
        _refuse_unknown(name, unknown)
    gauge = tuple(_held(unknown[name], value) for name, value in given.items())
    protected = {*map(base_name, keep), *given}
    back = _inverted(formulas, gauge, unknown, _candidates(formulas, replacing, protected))
    real = {str(stand_in(i)): sympy.Symbol(name) for i, name in enumerate(formulas)}
    back = {name: shortest(replaced(formula, real)) for name, formula in back.items()}
    forward, back = with_starts(formulas, back, unknown.values(), taken_names(subject) | set(formulas))
    copies = {name: tags_of(formula, unknown) for name, formula in forward.items()}
    return Reparameterization(
        tuple(unknown.values()),
        forward,
        back,
        gauge,
        {name: tags for name, tags in copies.items() if tags},
        tuple(g.name for g in gauge),
        tuple(
            f"{g.name} is held at {g.value:g} by choice: the model stays the same if no data tell its value."
            for g in gauge
        ),
    )


def _names_of(subject: Problem | Model, manual: Mapping[str, str]) -> Sequence[str]:
    """All unknowns; of a model also the states that the formulas name, which mean their starts."""
    if isinstance(subject, Problem):
        return subject.parameters.names
    used = {name for text in manual.values() for name in names_in(parse(text))}
    return (*subject.parameters, *(state for state in subject.states if state in used))


def _read(
    subject: Problem | Model, manual: Mapping[str, str], unknown: Mapping[str, Unknown]
) -> dict[str, sympy.Expr]:
    taken = taken_names(subject)
    formulas = {}
    for name, text in manual.items():
        if not is_identifier(name):
            raise InputError.of(repr(name), "is not a name for a parameter", "use letters, digits and _")
        if name in taken:
            raise InputError.of(
                f"new parameter {name!r}", "is a name that the model has already", "rename it"
            )
        formulas[name] = parse(text)
        for used in sorted(names_in(formulas[name])):
            _refuse_unknown(used, unknown, f"{name} = {text}: ")
    return formulas


def _refuse_unknown(name: str, unknown: Mapping[str, Unknown], where: str = "") -> None:
    if name not in unknown:
        raise InputError.of(
            f"{where}{name!r}", f"is not an unknown parameter; these are: {listed(unknown)}",
            did_you_mean(name, unknown, "use these only"),
        )  # fmt: skip


def _held(unknown: Unknown, value: float | None) -> Gauge:
    return gauge_of(unknown, (unknown.nominal or 1.0) if value is None else float(value))


def _candidates(
    formulas: Mapping[str, sympy.Expr], replacing: Sequence[str] | None, protected: set[str]
) -> Iterator[tuple[str, ...]]:
    if replacing is not None:
        names = tuple(dict.fromkeys(base_name(name) for name in replacing))
        if len(names) != len(formulas):
            raise InputError.of(
                f"replacing {', '.join(names)}",
                f"{len(formulas)} new parameter(s) take the place of {len(names)} old one(s)",
                "name as many old parameters as there are new ones",
            )
        yield names
        return
    free = [sorted(names_in(formula) - protected) for formula in formulas.values()]
    for names in itertools.islice(itertools.product(*free), MOST_CHOICES):
        if len(set(names)) == len(names):
            yield names


def _inverted(
    formulas: Mapping[str, sympy.Expr],
    gauge: tuple[Gauge, ...],
    unknown: Mapping[str, Unknown],
    candidates: Iterator[tuple[str, ...]],
) -> dict[str, sympy.Expr]:
    held = {g.name: g.expression for g in gauge}
    tried: list[str] = []
    for names in candidates:
        tried.append(", ".join(names))
        positive = [n for n in names if unknown[n].positive]
        equations = {str(stand_in(i)): replaced(f, held) for i, f in enumerate(formulas.values())}
        found = solved(equations, names, positive)
        if found is not None:
            back = {g.name: g.expression for g in gauge} | {name: found[name] for name in names}
            if copies_fit(Choice(tuple(formulas.values()), back, gauge), unknown):
                return back
    texts = "; ".join(f"{name} = {to_text(formula)}" for name, formula in formulas.items())
    raise InputError.of(
        texts,
        "cannot be solved for "
        + (" or for ".join(tried[:5]) or "any of the old parameters, as all are kept"),
        "name what they replace (replacing=[...]), or write formulas that can be undone",
    )
