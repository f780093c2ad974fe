"""Which unknowns to hold, and at what value, so that the determined functions give all others.

Along an undetermined direction every point is as good as any other. Holding one unknown per direction picks
one point of each; the rest then are formulas of the functions that the data determine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy

from idfit.errors import InputError
from idfit.expressions import evaluate, names_in, replaced, to_text
from idfit.reparameterization.elimination import exponents, solved
from idfit.reparameterization.invariants import Component
from idfit.reparameterization.maps import Gauge
from idfit.reparameterization.unknowns import Unknown

#: choices of what to hold that are looked at before the best of them is taken
MOST_CHOICES = 480
_ENOUGH = 40  # of those that can be solved, among which the best is looked for
_MOST_WITH_ROOTS = 30  # whose elimination with roots takes longer
_POINTS = 24


@dataclass(frozen=True)
class Choice:
    """A way to write the unknowns of a component. `forward` : formulas of new parameters, which `back` names
    ``new_0``, ``new_1`` and so on; share : of the old range, where all unknowns come back with a possible
    sign."""

    forward: tuple[sympy.Expr, ...]
    back: Mapping[str, sympy.Expr]
    gauge: tuple[Gauge, ...]
    share: float = 1.0


def stand_in(n: int) -> sympy.Symbol:
    """What `back` calls the n-th new parameter until it has a name."""
    return sympy.Symbol(f"new_parameter_{n}")


def best_choice(
    component: Component,
    unknown: Mapping[str, Unknown],
    keep: Collection[str],
    normalise: Mapping[str, float | None],
) -> Choice:
    """The best way to hold as many unknowns as there are directions.

    Those in `normalise` are held (at their value, if one is given), those in `keep` never. Then what counts
    is: no roots, possible signs over all of the range, a nominal value of 1, that no start is held, values of
    0, short formulas, and then the order of declaration.

    Errors: `InputError` with the reason if there is none.
    """
    gauges = _gauges(component, unknown, keep, normalise)
    choices: list[Choice] = []
    for roots, tried in ((False, gauges), (True, gauges[:_MOST_WITH_ROOTS])):
        found = _choices(component, tried, unknown, roots)
        choices = choices or list(itertools.islice(found, _ENOUGH))
    ranked = [(_rank(component, choice, unknown), i) for i, choice in enumerate(choices)]
    if not ranked:
        functions = ", ".join(to_text(f) for f in component.invariants) or "nothing"
        raise InputError.of(
            f"{', '.join(component.unknowns)}, of which only {functions} can be determined",
            "no choice of a parameter to hold lets these formulas be solved for the others",
            "give new parameters of your own (manual=...), or protect fewer names (keep=...)",
        )
    return choices[min(ranked)[1]]


def _held(
    component: Component, keep: Collection[str], normalise: Mapping[str, float | None]
) -> Iterator[tuple[str, ...]]:
    wanted = [name for name in component.unknowns if name in normalise]
    if len(wanted) > component.nullity:
        raise InputError.of(
            f"normalise {', '.join(wanted)}",
            f"{', '.join(component.unknowns)} have {component.nullity} undetermined direction(s) in common, "
            "and each allows one parameter to be held",
            "normalise fewer of them",
        )
    if both := [name for name in wanted if name in keep]:
        raise InputError.of(
            ", ".join(both), "cannot be kept and held at once", "name it in one of the two only"
        )
    others = [name for name in component.unknowns if name not in keep and name not in wanted]
    for more in itertools.combinations(others, component.nullity - len(wanted)):
        yield tuple(name for name in component.unknowns if name in (*wanted, *more))


def _gauges(
    component: Component,
    unknown: Mapping[str, Unknown],
    keep: Collection[str],
    normalise: Mapping[str, float | None],
) -> list[tuple[Gauge, ...]]:
    """What may be held and where, at most `MOST_CHOICES`.

    Every choice of names is first tried with all its first values (0, say), then with all its last (a generic
    point, where the others can be told), and then with mixtures.
    """
    held = itertools.islice(_held(component, keep, normalise), MOST_CHOICES // 4)
    columns = [
        [
            [gauge_of(unknown[n], v) for v in _values(unknown[n], normalise.get(n), component.is_monomial)]
            for n in names
        ]
        for names in held
    ]
    rounds = itertools.zip_longest(*map(_ends_first, columns))
    every = (gauge for one in rounds for gauge in one if gauge is not None)
    return list(itertools.islice(every, MOST_CHOICES))


def _ends_first(column: list[list[Gauge]]) -> Iterator[tuple[Gauge, ...]]:
    first, last = (tuple(gauges[i] for gauges in column) for i in (0, -1))
    yield from dict.fromkeys((first, last))
    yield from (gauge for gauge in itertools.product(*column) if gauge not in (first, last))


def _choices(
    component: Component,
    gauges: Iterable[tuple[Gauge, ...]],
    unknown: Mapping[str, Unknown],
    roots: bool,
) -> Iterator[Choice]:
    for gauge in gauges:
        if component.is_monomial:
            choice = _of_monomials(component, gauge)
        else:
            choice = _of_others(component, gauge, unknown, roots)
        if choice is not None and copies_fit(choice, unknown):
            yield choice


def _values(unknown: Unknown, given: float | None, is_scaling: bool) -> list[float]:
    """Where to hold it. A scaling needs a value other than 0, and the nominal one keeps magnitudes."""
    nominal = unknown.nominal or 1.0
    if given is not None:
        return [float(given)]
    return [nominal] if is_scaling else [0.0, nominal]


def gauge_of(unknown: Unknown, value: float) -> Gauge:
    """Formulas need not name a 0, nor a 1 without a unit; and they cannot name a start."""
    plain = value == 0 or (value == 1 and unknown.unit in (None, "dimensionless"))
    return Gauge(unknown.name, value, not (plain or unknown.start))


def _of_monomials(component: Component, gauge: tuple[Gauge, ...]) -> Choice | None:
    """Each other unknown times powers of the held ones: the exponents solve a linear system.

    With u = Π z^E, split into held (g) and other (r) columns, ln z_r = E_r⁻¹(ln u - E_g ln g). So the
    products z_r g^K with K = E_r⁻¹ E_g are functions of u, and give z_r at once.
    """
    held = [g.name for g in gauge]
    others = [name for name in component.unknowns if name not in held]
    powers = [exponents(formula) or {} for formula in component.invariants]
    matrix = {
        names: sympy.Matrix(len(powers), len(names), [_rational(row.get(n)) for row in powers for n in names])
        for names in (tuple(others), tuple(held))
    }
    if any(g.value == 0 for g in gauge) or (others and matrix[tuple(others)].det() == 0):
        return None
    k = (
        matrix[tuple(others)].LUsolve(matrix[tuple(held)])
        if others and held
        else sympy.zeros(len(others), len(held))
    )
    forward, back = [], {g.name: g.expression for g in gauge}
    for i, name in enumerate(others):
        factor = sympy.Mul(*(sympy.Symbol(g) ** k[i, j] for j, g in enumerate(held)))
        at_value = sympy.Mul(*(g.expression ** k[i, j] for j, g in enumerate(gauge)))
        forward.append(sympy.Symbol(name) * factor)
        back[name] = stand_in(i) / at_value
    return Choice(tuple(forward), {n: back[n] for n in component.unknowns}, gauge)


def _rational(value: Fraction | None) -> sympy.Expr:
    return sympy.S.Zero if value is None else sympy.Rational(value.numerator, value.denominator)


def _of_others(
    component: Component, gauge: tuple[Gauge, ...], unknown: Mapping[str, Unknown], roots: bool
) -> Choice | None:
    """The invariants themselves are the new parameters, and elimination gives the unknowns.

    That the invariants of a point and of the point found are the same makes both predict the same: near the
    held values both lie on one direction, and from there predictions continue analytically wherever the
    formulas do. With a root, as far as the unknowns stay positive.
    """
    known = {g.name: g.expression for g in gauge}
    others = [name for name in component.unknowns if name not in known]
    equations = {str(stand_in(i)): replaced(f, known) for i, f in enumerate(component.invariants)}
    if any(f.has(sympy.zoo, sympy.nan, sympy.oo) or f.is_number for f in equations.values()):
        return None
    positive = [n for n in others if unknown[n].positive or not unknown[n].bounded]
    found = solved(equations, others, positive, roots=roots)
    if found is None:
        return None
    back = {g.name: g.expression for g in gauge} | found
    choice = Choice(component.invariants, {n: back[n] for n in component.unknowns}, gauge)
    share = _share(choice, unknown)
    return None if share == 0 else Choice(choice.forward, choice.back, gauge, share)


def _share(choice: Choice, unknown: Mapping[str, Unknown]) -> float:
    """Share of points of the old range from which all unknowns come back with a possible sign and the same
    invariants; 0 if the nominal point does not."""
    rng = np.random.default_rng(0)
    names = sorted({n for f in (*choice.forward, *choice.back.values()) for n in names_in(f)})
    known = {n: unknown.get(n, Unknown(n)) for n in names if not n.startswith("new_parameter_")}
    drawn = {n: u.draw(rng, _POINTS) for n, u in known.items()}
    good = [_comes_back(choice, {n: float(v[i]) for n, v in drawn.items()}, unknown) for i in range(_POINTS)]
    if all(u.nominal is not None for u in known.values()):
        nominal = {n: float(u.nominal or 0.0) for n, u in known.items()}
        if not _comes_back(choice, nominal, unknown):
            return 0.0
    return sum(good) / _POINTS


def _comes_back(choice: Choice, point: Mapping[str, float], unknown: Mapping[str, Unknown]) -> bool:
    new = [evaluate(f, point) for f in choice.forward]
    values = dict(point) | {g.name: g.value for g in choice.gauge}
    values |= {str(stand_in(i)): value for i, value in enumerate(new)}
    old = {n: evaluate(f, values) for n, f in choice.back.items()}
    if not all(math.isfinite(v) and (v >= 0 or not unknown[n].positive) for n, v in old.items()):
        return False
    again = [evaluate(f, {**point, **old}) for f in choice.forward]
    return all(
        math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9 * (1 + abs(a))) for a, b in zip(new, again, strict=True)
    )


def copies_fit(choice: Choice, unknown: Mapping[str, Unknown]) -> bool:
    """Whether no unknown without copies (or with those of another column) would come to depend on a copy."""
    columns = {str(stand_in(i)): columns_of(f, unknown) for i, f in enumerate(choice.forward)}
    columns |= {name: {u.per} - {""} for name, u in unknown.items()}
    return all(
        columns.get(used, set()) <= {unknown[name].per}
        for name, formula in choice.back.items()
        for used in names_in(formula)
    )


def columns_of(formula: sympy.Expr, unknown: Mapping[str, Unknown]) -> set[str]:
    """The data columns for whose values the names of a formula have copies."""
    return {unknown[n].per for n in names_in(formula) if n in unknown} - {""}


def _rank(component: Component, choice: Choice, unknown: Mapping[str, Unknown]) -> tuple:
    held = [g.name for g in choice.gauge]
    roots = sum(not p.exp.is_Integer for f in choice.back.values() for p in f.atoms(sympy.Pow))
    length = sum(int(f.count_ops()) for f in (*choice.forward, *choice.back.values()))
    uses = sum(name in names_in(f) for name in held for f in component.invariants)
    return (
        roots,
        -round(choice.share, 1),
        -sum(unknown[name].nominal == 1 for name in held),
        sum(unknown[name].start for name in held),
        0 if component.is_monomial else sum(g.value != 0 for g in choice.gauge),
        length,
        -uses,
        [-component.unknowns.index(name) for name in held],
    )
