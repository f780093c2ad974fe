"""What is reparameterized: unknown parameters and starts, with what is known of the range of their values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import sympy

from idfit.errors import InputError
from idfit.expressions import names_in, parse, replaced
from idfit.model import Model
from idfit.numerics.scales import SCALES, natural, scaled
from idfit.problem import Problem
from idfit.spec.check_names import copy_of

_COPY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\[[^\]]*\]")


@dataclass(frozen=True)
class Unknown:
    """An unknown number. `lower`, `upper` and `nominal` (None if none is known) are on the natural scale.

    tags : values of the data column `per`, if there is a copy of it for each; its copies are named
    ``k[gel1]``. start : whether it is the start of the state of that name, in a `Model`; bounded : whether
    the bounds are anybody's, and not just where to try formulas.
    """

    name: str
    lower: float = 0.1
    upper: float = 10.0
    scale: str = "log10"
    nominal: float | None = None
    unit: str | None = None
    per: str = ""
    tags: tuple[str, ...] = ()
    start: bool = False
    bounded: bool = False

    @property
    def copies(self) -> tuple[str, ...]:
        """Names of all its copies; its own name if it has none."""
        return tuple(f"{self.name}[{tag}]" for tag in self.tags) or (self.name,)

    @property
    def positive(self) -> bool:
        """Whether it cannot be negative (0 as its least value is a natural limit)."""
        return self.bounded and self.lower >= 0

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Values within the bounds, uniform on the scale."""
        code = SCALES.index(self.scale)
        low, high = (scaled(code, bound) for bound in (self.lower, self.upper))
        low = high - 6 if low == -math.inf else low
        return np.array([natural(code, v)[0] for v in rng.uniform(low, high, size)])


def unknowns_of(subject: Problem | Model, names: Sequence[str]) -> tuple[Unknown, ...]:
    """The unknowns that `names` (copies included) speak of, in order.

    Errors: `InputError` for a name that the subject does not have as an unknown.
    """
    if isinstance(subject, Model):
        _refuse_others(names, (*subject.parameters, *subject.states), "a parameter or state of the model")
        return tuple(Unknown(name, start=name in subject.states) for name in names)
    _refuse_others(names, subject.parameters.names, "an estimated parameter of the problem")
    bases = dict.fromkeys(base_name(name) for name in subject.parameters.names)
    wanted = {base_name(name) for name in names}
    return tuple(_of_problem(subject, base) for base in bases if base in wanted)


def _refuse_others(names: Iterable[str], known: Sequence[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise InputError.of(
                repr(name), f"is not {what}; these are: {', '.join(known)}",
                "give the combinations of this problem, as find_combinations makes them",
            )  # fmt: skip


def base_name(name: str) -> str:
    """The parameter that a name, perhaps of a copy, belongs to."""
    copy = copy_of(name)
    return copy[0] if copy else name


def _of_problem(problem: Problem, base: str) -> Unknown:
    space = problem.parameters
    own = [k for k, name in enumerate(space.names) if base_name(name) == base]
    copies = [copy_of(space.names[k]) for k in own]
    columns = {o.per[base] for o in problem.spec.observables.values() if base in o.per}
    declared = problem.spec.parameters[base]
    columns |= {declared.per} if declared.per else set()
    nominal = space.nominal[own[0]]
    return Unknown(
        base,
        lower=float(min(space.lower[k] for k in own)),
        upper=float(max(space.upper[k] for k in own)),
        scale=space.scale[own[0]],
        nominal=None if math.isnan(nominal) else float(nominal),
        unit=declared.unit,
        per=" and ".join(sorted(columns)),
        tags=tuple(copy[1] for copy in copies if copy),
        bounded=True,
    )


def read_formula(text: str) -> sympy.Expr:
    """The formula of a text in which copies are named as ``k[gel1]``.

    >>> read_formula("x0*scale[gel 1]")
    scale[gel 1]*x0
    """
    copies = list(dict.fromkeys(_COPY.findall(text)))
    stand_ins = {name: f"copy_of_a_parameter_{n}" for n, name in enumerate(copies)}
    formula = parse(_COPY.sub(lambda match: stand_ins[match.group()], text))
    return replaced(formula, {v: sympy.Symbol(k) for k, v in stand_ins.items()})


def without_copies(formula: sympy.Expr) -> sympy.Expr:
    """The formula with the parameter for each of its copies."""
    return replaced(formula, {n: sympy.Symbol(base_name(n)) for n in names_in(formula)})
