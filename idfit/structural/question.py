"""What is asked of the equations: which unknowns do outputs of these experiments determine?

A `Question` is exact: formulas are sympy expressions over names, numbers are rationals. Every experiment has
its own states; what experiments share are the unknowns. A start that nobody knows is an unknown of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import sympy

from idfit.expressions import names_in

Kind = Literal["parameter", "initial", "state", "function"]


class NotRationalError(Exception):
    """A formula is no quotient of polynomials, which global verdicts need."""


@dataclass(frozen=True)
class Experiment:
    """x' = odes(x, p, u), x(t0) = start(p), y = outputs(x, p, u), with p the unknowns and known names.

    `start` speaks of unknowns and known names only, where the name of a state means its unknown start.
    inputs : known functions of time, as rich as need be. start_outputs : those that are measured at the start
    and never again. noise : formulas of noise levels, which the scatter of repeated measurements tells.
    follows : the experiment of which this is the continuation after a known time, at which the states become
    `jump`, formulas of the states just before, of unknowns and known names; `start` is then that for a time
    that has passed in no time. later : what else happens, in words, which the analysis does not see.
    """

    name: str
    states: tuple[str, ...]
    odes: tuple[sympy.Expr, ...]
    start: tuple[sympy.Expr, ...]
    outputs: tuple[tuple[str, sympy.Expr], ...]
    inputs: tuple[str, ...] = ()
    start_outputs: tuple[tuple[str, sympy.Expr], ...] = ()
    noise: tuple[tuple[str, sympy.Expr], ...] = ()
    follows: int | None = None
    jump: tuple[sympy.Expr, ...] = ()
    later: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quantity:
    """Something to decide about: a formula of unknowns and known names, or the whole course of a state.

    For `kind` "state", `formula` is the symbol of the state and `experiment` says where.
    """

    name: str
    kind: Kind
    formula: sympy.Expr
    experiment: int = 0


@dataclass(frozen=True)
class Question:
    """unknowns : the columns of every matrix, parameters first; known : names whose values are known, yet
    nothing special; implicit : starts that nobody gives, but `constraints`, formulas of all names that are
    zero (steady states); left_out : what is not seen of the experiments, in words;
    orders : no more orders of the power series than these (unknown inputs are known to such an order);
    assumptions : what was asked, in sentences."""

    unknowns: tuple[str, ...]
    known: tuple[str, ...]
    experiments: tuple[Experiment, ...]
    quantities: tuple[Quantity, ...]
    implicit: tuple[str, ...] = ()
    constraints: tuple[sympy.Expr, ...] = ()
    left_out: tuple[str, ...] = ()
    orders: int | None = None
    assumptions: tuple[str, ...] = ()

    @cached_property
    def generic(self) -> bool:
        """Whether every start is a name of its own: a rank that stops growing has then stopped for good."""
        starts = [start for e in self.experiments for start in e.start]
        elsewhere = {
            name
            for e in self.experiments
            for formula in (*e.odes, *(f for _, f in (*e.outputs, *e.start_outputs)))
            for name in names_in(formula) - set(e.states)
        }
        return (
            not self.constraints
            and all(isinstance(start, sympy.Symbol) for start in starts)
            and len(set(starts)) == len(starts)
            and not elsewhere & {str(start) for start in starts}
        )
