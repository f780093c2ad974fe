"""What is predicted: observables and formulas, each in its conditions, at chosen times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from idfit.errors import InputError
from idfit.expressions import names_in, parse
from idfit.problem import Problem, Quantity
from idfit.problem.packing import distribution_of, transform_of
from idfit.problem.simulation import curve_label
from idfit.spec.schema import NoiseColumn

#: times of each condition if none are given, at most and at least
MOST_TIMES, _FEWEST_TIMES = 33, 9
# share of the range of a curve by which a straight line between two times may miss it
_BENT = 0.01


@dataclass(frozen=True)
class Curve:
    """One observable or formula in one condition.

    condition : its label, with the copies of parameters that are read; observable : its name; where : the
    condition itself; tags : which copies; transform, distribution : of the noise; noise : a number or a
    formula, None where there is none; sd : (times, standard deviations) of its measurements where the noise
    is a column of the data.
    """

    condition: str
    observable: str
    formula: str
    where: str
    unit: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    transform: str = "lin"
    distribution: str = "normal"
    noise: float | str | None = None
    sd: tuple[np.ndarray, np.ndarray] | None = None

    def quantity(self, time: float, scale: str = "lin") -> Quantity:
        return Quantity(self.formula, time, self.where, scale, self.unit, self.tags)  # type: ignore[arg-type]

    def sd_at(self, time: float) -> float:
        """Where the noise is a column of the data, that of the measurement nearest in time; NaN elsewhere."""
        if self.sd is None:
            return math.nan
        times, sd = self.sd
        return float(sd[np.argmin(np.abs(times - time))])

    @property
    def scale(self) -> str:
        """The scale of its noise as that of a profile; factors between logarithms do not matter to it."""
        return "log" if self.transform == "log2" else self.transform


def curves_of(problem: Problem, quantities: Sequence[str] | Mapping[str, str] | None) -> list[Curve]:
    """The curves of all observables, of the named ones, or of formulas by name, in every condition. An
    observable that is named as its own formula is read with its noise.

    Errors: `InputError` for a name that is no observable.
    """
    known = list(problem.spec.observables)
    if quantities is None:
        quantities = known
    if not isinstance(quantities, Mapping):
        for name in quantities:
            if name not in known:
                raise InputError(
                    f"{name!r} was asked for; there are the observables {', '.join(known)}. A formula of "
                    "states and observables needs a name, as {'ratio': 'pSTAT/STAT'}"
                )
        wanted = set(quantities)
        return [curve for curve in _observed(problem) if curve.observable in wanted]
    named = {name for name, formula in quantities.items() if name == formula and name in known}
    formulas = {name: formula for name, formula in quantities.items() if name not in named}
    observed = [curve for curve in _observed(problem) if curve.observable in named]
    return observed + [c for name, f in formulas.items() for c in _formula_curves(problem, name, f)]


def _observed(problem: Problem) -> list[Curve]:
    """Curves that the data lie on, and those of observables that could be measured beside them."""
    spec, table, resolution = problem.spec, problem.spec.measurements, problem.resolution
    found: dict[tuple[str, str], Curve] = {}
    for row, name in enumerate(table.observable):
        if resolution.simulations[resolution.row_simulation[row]].steady:
            continue
        label = curve_label(problem, row)
        if (label, name) not in found:
            found[label, name] = _curve(problem, name, label, table.condition[row], _tags(problem, row))
    for simulation, name in resolution.observable_map:
        at = resolution.simulations[simulation]
        if (at.label, name) not in found and not at.steady:
            found[at.label, name] = _curve(problem, name, at.label, at.condition, dict(at.copies))
    labels = list(dict.fromkeys(label for label, _ in found))
    return [found[label, name] for label in labels for name in spec.observables if (label, name) in found]


def _tags(problem: Problem, row: int) -> dict[str, str]:
    table = problem.spec.measurements
    tags = {column: values[row] for column, values in table.columns.items()}
    return tags | ({"replicate": table.replicate[row]} if table.replicate else {})


def _curve(problem: Problem, name: str, label: str, condition: str, tags: Mapping[str, str]) -> Curve:
    observable = problem.spec.observables[name]
    noise, sd = observable.noise, None
    if isinstance(noise, NoiseColumn):
        noise, sd = None, _measured_sd(problem, name, label)
    return Curve(
        label, name, name, condition, observable.unit or "", tags, transform_of(observable),
        distribution_of(observable), noise, sd,
    )  # fmt: skip


def _measured_sd(problem: Problem, name: str, label: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Times and standard deviations of the curve's measurements; of all of the observable if it has none."""
    table, given = problem.spec.measurements, problem.resolution.row_sd
    rows = [r for r, n in enumerate(table.observable) if n == name and np.isfinite(given[r])]
    own = [r for r in rows if curve_label(problem, r) == label] or rows
    return (np.array(table.time)[own], np.array(given)[own]) if own else None


def _formula_curves(problem: Problem, name: str, formula: str) -> list[Curve]:
    """A formula in every condition; where copies of parameters split a condition, in each of them."""
    spec = problem.spec
    known = {
        *spec.states, *spec.parameters, *spec.constants, *spec.assignments, *spec.inputs, *spec.observables,
        "t", "time",
    }  # fmt: skip
    if unknown := sorted(names_in(parse(formula)) - known):
        raise InputError(
            f"{name} = {formula} uses {', '.join(unknown)}, which the model does not have; it has the states "
            f"{', '.join(spec.states) or 'none'} and the observables {', '.join(spec.observables)}"
        )
    simulations = [s for s in problem.resolution.simulations if not s.steady]
    return [Curve(s.label, name, formula, s.condition, tags=dict(s.copies)) for s in simulations]


def given_times(problem: Problem, curves: Sequence[Curve], times: Sequence[float] | np.ndarray) -> np.ndarray:
    """The times, in order. Errors: `InputError` for times that are none or lie before a start."""
    start = {s.condition: s.t0 for s in problem.resolution.simulations if not s.steady}
    given = np.unique(np.asarray(times, dtype=float))
    if not len(given) or not np.isfinite(given).all():
        raise InputError("times of predictions are finite numbers, and at least one")
    if (late := max((start[c.where] for c in curves), default=given[0])) > given[0]:
        raise InputError(f"time {given[0]:g} was asked for; a condition starts at {late:g}")
    return given


def telling_times(times: np.ndarray, courses: Sequence[np.ndarray]) -> np.ndarray:
    """Of a fine grid (time,) those between which straight lines follow all courses (time,): to a hundredth of
    the range of each, unless this takes more than `MOST_TIMES`. Where a course is not finite it says nothing.

    >>> t = np.linspace(0.0, 1.0, 101)
    >>> len(telling_times(t, [t])), len(telling_times(t, [np.sin(12 * t)]))
    (9, 31)
    >>> gap = np.where(t > 0.5, np.nan, t)
    >>> len(telling_times(t, [gap, np.sin(12 * t)])), len(telling_times(t, [np.full(101, np.nan)]))
    (31, 9)
    """
    chosen = np.unique(np.linspace(0, len(times) - 1, _FEWEST_TIMES).round().astype(int))
    ranges = [_range(course) for course in courses]
    scaled = [course / r for course, r in zip(courses, ranges, strict=True) if r > 0.0]
    while len(chosen) < min(MOST_TIMES, len(times)):
        away = [np.abs(c - np.interp(times, times[chosen], c[chosen])) for c in scaled]
        worst = np.fmax.reduce(away, axis=0, initial=0.0)
        if worst.max() <= _BENT:
            break
        chosen = np.sort(np.append(chosen, np.argmax(worst)))
    return np.unique(times[chosen])


def _range(course: np.ndarray) -> float:
    finite = course[np.isfinite(course)]
    return float(np.ptp(finite)) if len(finite) else 0.0
