"""A reparameterization: the new parameters as formulas of the old ones and back, and what it holds fixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import sympy

from idfit.errors import InputError
from idfit.expressions import evaluate, names_in, parse, to_text
from idfit.model import Model
from idfit.problem import Problem
from idfit.reparameterization.unknowns import Unknown

if TYPE_CHECKING:
    import xarray as xr

    from idfit.reparameterization.intervals import OldInterval


@dataclass(frozen=True)
class Gauge:
    """An old parameter that is held: of all values that no data can tell apart, those with this one stand for
    the others.

    in_formulas : whether formulas go on naming it, as they do where its unit or its value matters.
    """

    name: str
    value: float
    in_formulas: bool = False

    @property
    def expression(self) -> sympy.Expr:
        """What stands for it in formulas."""
        return sympy.Symbol(self.name) if self.in_formulas else parse(self.value)


@dataclass(frozen=True)
class Reparameterization:
    """new = forward(old), and old = back(new, gauge), where `old` satisfies the gauge.

    unknowns : the old ones, in order, those that stay as they are included; forward : new name -> formula of
    old names; back : old name -> formula of new names, of names in the gauge and of names that stay, for all
    that are replaced or held; copies : new names that have a copy for each tag, like the old ones; moving :
    old names that no such data determine. Formulas name parameters without their copies. reasons : what was
    chosen, and why, in sentences.
    """

    unknowns: tuple[Unknown, ...]
    forward: Mapping[str, sympy.Expr] = field(default_factory=dict)
    back: Mapping[str, sympy.Expr] = field(default_factory=dict)
    gauge: tuple[Gauge, ...] = ()
    copies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    moving: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @cached_property
    def unknown(self) -> Mapping[str, Unknown]:
        return {u.name: u for u in self.unknowns}

    @property
    def old_names(self) -> tuple[str, ...]:
        """All old unknowns, copies counted one by one."""
        return tuple(copy for u in self.unknowns for copy in u.copies)

    @property
    def kept(self) -> tuple[str, ...]:
        """Old parameters (without copies) that stay as they are."""
        return tuple(u.name for u in self.unknowns if u.name not in self.back)

    @property
    def new_names(self) -> tuple[str, ...]:
        """All new parameters, copies counted one by one: those that stay, and those that are new."""
        new = (f"{n}[{tag}]" if tag else n for n in self.forward for tag in self.copies.get(n, ("",)))
        return (*(copy for name in self.kept for copy in self.unknown[name].copies), *new)

    def __bool__(self) -> bool:
        return bool(self.back)

    def to_new(self, values: Mapping[str, float]) -> dict[str, float]:
        """The new parameters at values of all old ones (natural scale)."""
        self._all_named(values, self.old_names)
        result = {copy: float(values[copy]) for name in self.kept for copy in self.unknown[name].copies}
        for name, formula in self.forward.items():
            for tag in self.copies.get(name, ("",)):
                result[f"{name}[{tag}]" if tag else name] = self._evaluated(formula, values, tag)
        return result

    def to_old(
        self, values: Mapping[str, float], gauge: Mapping[str, float] | None = None
    ) -> dict[str, float]:
        """The old parameters at values of all new ones (natural scale), for the values of the gauge.

        gauge : other values at which to hold the old parameters of the gauge that formulas still name.
        """
        self._all_named(values, self.new_names)
        held = {g.name: g.value for g in self.gauge}
        for name, value in (gauge or {}).items():
            if not any(g.name == name and g.in_formulas for g in self.gauge):
                free = [g.name for g in self.gauge if g.in_formulas]
                raise InputError.of(
                    f"gauge {name!r}", f"is not held at a value that may be another ({', '.join(free)} are)",
                    "leave it out, or normalise that parameter",
                )  # fmt: skip
            held[name] = float(value)
        result = {}
        for u in self.unknowns:
            for tag, copy in zip(u.tags or ("",), u.copies, strict=True):
                if u.name not in self.back:
                    result[copy] = float(values[copy])
                elif u.name in held:
                    result[copy] = held[u.name]
                else:
                    result[copy] = self._evaluated(self.back[u.name], {**values, **held}, tag)
        return result

    def _evaluated(self, formula: sympy.Expr, values: Mapping[str, float], tag: str) -> float:
        """Value of a formula where a name means its copy for the tag, if it has copies."""
        own = {n: f"{n}[{tag}]" if f"{n}[{tag}]" in values else n for n in names_in(formula)}
        return evaluate(formula, {name: values[key] for name, key in own.items()})

    def _all_named(self, values: Mapping[str, float], names: Iterable[str]) -> None:
        missing = [n for n in names if n not in values]
        if missing:
            raise InputError.of(
                f"values without {', '.join(missing)}", "every parameter needs a value", "add it"
            )

    def apply(self, subject: Problem | Model, *, priors: str = "carry") -> Problem | Model:
        """The same problem, or model, in the new parameters; see `reparameterize`."""
        from idfit.reparameterization.models import rewritten_model
        from idfit.reparameterization.problems import rewritten_problem

        if isinstance(subject, Model):
            return rewritten_model(subject, self)
        return rewritten_problem(subject, self, priors=priors)

    def sentences(self) -> tuple[str, ...]:
        """The maps in words, one sentence each, for people."""
        new = [f"{name} = {to_text(formula)}" for name, formula in self.forward.items()]
        held = [f"{g.name} = {g.value:.6g}" for g in self.gauge]
        back = [
            f"{name} = {to_text(formula)}" for name, formula in self.back.items()
            if name not in {g.name for g in self.gauge}
        ]  # fmt: skip
        return (
            *((f"New parameters: {', '.join(new)}.",) if new else ()),
            *((f"Held: {', '.join(held)}.",) if held else ()),
            *((f"Back: {', '.join(back)}.",) if back else ()),
            *self.reasons,
        )

    def map_back(self, profiles: xr.Dataset) -> dict[str, OldInterval]:
        """What profiles of the new parameters say of each old one; see `old_intervals`."""
        from idfit.reparameterization.intervals import old_intervals

        return old_intervals(self, profiles)
