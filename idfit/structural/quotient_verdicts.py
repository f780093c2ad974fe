"""Unknowns that simple quotients of input-output coefficients determine uniquely.

A quotient N/D that is told has the same value N*/D* wherever the outputs are the same: N D* = N* D, and D is
not zero there, as almost all outputs miss what its zeros give. An unknown for which these equations have one
solution is unique. It is a number from then on, by which other quotients become simple, until all are unique
or no more is found. Equations that are missing, as not all quotients are simple, can hide that an unknown is
unique but not feign it: nothing is said of unknowns with several solutions.

What outputs leave free is fixed, as in `input_output_verdicts`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sympy

from idfit.expressions import names_in
from idfit.structural.coefficient_values import CoefficientValues
from idfit.structural.input_output import Dynamics, Ring, with_the_same
from idfit.structural.observed_point import ObservedPoint
from idfit.structural.question import Question
from idfit.structural.simple_quotients import Pairs, Polynomial, Quotient, Round, SpecialPointError
from idfit.structural.solutions import Solutions

_LIMIT = 10**7  # multiplications of one Gröbner basis


def unique_by_quotients(
    question: Question,
    formulas: Mapping[str, sympy.Expr],
    settled: Collection[str] = (),
    seed: int = 0,
    seconds: float = math.inf,
) -> tuple[list[str], list[str]]:
    """Which of the formulas, by name, and which unknowns have one value.

    formulas : of unknowns and known names, determined locally. settled : unknowns known to be unique. Nothing
    new is begun after so many seconds. Nothing is found of questions with specific starts.
    """
    if not question.generic:
        return [], []
    point = ObservedPoint.of(question, seed)
    dynamics = {i: Dynamics.of(e, question.unknowns) for i, e in enumerate(question.experiments)}
    spoken_of = {n for d in dynamics.values() for n in d.names}
    unknown = [n for n in question.unknowns if n in spoken_of - set(settled)]
    free = set(point.free(unknown))
    determined = {n for n in unknown if not point.null_space[:, question.unknowns.index(n)].any()}
    unknowns = set(question.unknowns)
    asked = {n for formula in formulas.values() for n in names_in(formula) & unknowns}
    search = _Search(point, dynamics, [n for n in unknown if n not in free], seconds)
    try:
        search.run(asked | determined)
    except SpecialPointError:
        return [], []
    unique = search.unique | set(settled)
    found = []
    for name, formula in formulas.items():
        names = names_in(formula) & unknowns - unique - free
        if not names or (names <= spoken_of and search.is_unique(formula)):
            found.append(name)
    return found, sorted(search.unique & determined)


class _Search:
    """unique : symbols found to be so, where what is free has the values of the point."""

    def __init__(
        self, point: ObservedPoint, dynamics: Mapping[int, Dynamics], symbols: Sequence[str], seconds: float
    ):
        self.point, self.dynamics, self.symbols = point, dynamics, tuple(symbols)
        self.end = time.monotonic() + seconds
        self.ring = Ring(self.symbols or ("1",), point.prime)
        self.at = [point.values[n] for n in self.symbols] or [0]
        self.equations: list[Any] = []
        self.nonzero: list[Any] = []
        self.unique: set[str] = set()

    def run(self, wanted: Collection[str]) -> None:
        """Until all symbols that are wanted are unique, nothing more is found or the time is over."""
        self.wanted = set(wanted) & set(self.symbols)
        if not self.wanted:
            return
        groups = with_the_same(self.dynamics)
        sources = [CoefficientValues(self.point, same, self.dynamics[same[0]]) for same in groups]
        pairs = Pairs(self.point, sources, self.symbols)
        while self._goes_on and self._found_more(pairs):
            pass

    @property
    def _goes_on(self) -> bool:
        return not self.wanted <= self.unique and time.monotonic() < self.end

    def _found_more(self, pairs: Pairs) -> bool:
        """One round, cheap levels first, until none is left or what was found makes others cheaper."""
        before = len(self.unique)
        this = Round(pairs, [n for n in self.symbols if n not in self.unique])
        for n_terms, n_symbols, height in this.levels():
            if not self._goes_on or (len(self.unique) > before and not this.has_values_for(n_terms)):
                break
            learned = [self._learn(quotient) for quotient in this.found(n_symbols, height)]
            if any(learned):
                self._settle()
        return len(self.unique) > before

    def _learn(self, quotient: Quotient) -> bool:
        """Whether it was not known before."""
        above, below = (self._polynomial(quotient.names, p) for p in (quotient.above, quotient.below))
        equation = above * int(below(*self.at)) - below * int(above(*self.at))
        if equation in self.equations:
            return False
        self.equations.append(equation)
        self.nonzero.append(below)
        return True

    def _polynomial(self, names: Sequence[str], terms: Polynomial) -> Any:
        places = [self.ring.index[n] for n in names]
        padded = {}
        for exponents, c in terms.items():
            e = [0] * len(self.ring.names)
            for place, exponent in zip(places, exponents, strict=True):
                e[place] = exponent
            padded[tuple(e)] = c
        return self.ring.context.from_dict(padded)

    def _settle(self) -> None:
        """Unknowns with one value become numbers."""
        solutions, one = self._solutions(), self.ring.constant(1)
        for name in set(self.symbols) - self.unique:
            generator = self.ring.generator[name]
            if solutions.n_values(generator, one, _LIMIT) == 1:
                self.unique.add(name)
                self.equations.append(generator - self.point.values[name])

    def _solutions(self) -> Solutions:
        return Solutions(self.ring, self.at, self.equations, self.nonzero)

    def is_unique(self, formula: sympy.Expr) -> bool:
        meanings = {**self.point.values, **{n: self.ring.generator[n] for n in self.symbols}}
        above, below = self.ring.fraction(formula, meanings)
        return self._solutions().n_values(above, below, _LIMIT) == 1
