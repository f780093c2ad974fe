"""What ideal data tell of the coefficients of input-output equations.

An equation F = Σ_i c_i(p) f_i(jets) holds on the trajectory of the true values. Whoever knows the outputs of
one experiment knows the series f_i(t), and with them the space of all c with Σ c_i f_i(t) = 0: the
coefficients up to a common factor, if the Wronskian of the f_i has rank n - 1. If it has not, one experiment
tells less about them than many would (A. Ovchinnikov, A. Pillay, G. Pogudin, T. Scanlon, Computing all
identifiable functions of parameters for ODE models, Systems & Control Letters 157 (2021) 105030).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np

from idfit.structural.input_output import Ring

MOST_COEFFICIENTS = 500
_EXTRA_ORDERS = 3

Jets = dict[tuple[int, ...], int]


@dataclass(frozen=True)
class Coefficients:
    """F = Σ_i c_i f_i : `of_parameters` the c_i, simplest last, `of_jets` the f_i as {exponents: residue}."""

    of_parameters: tuple[Any, ...]
    of_jets: tuple[Jets, ...]

    def __len__(self) -> int:
        return len(self.of_jets)


def coefficients_of(poly: Any, ring: Ring, parameters: Ring) -> Coefficients:
    """Of an input-output equation: one c_i for all jets whose coefficients are multiples of each other, and
    none that is a combination of others unless they are very many."""
    n_jets = len(ring.names) - len(parameters.names)  # parameters are the last names of the ring
    by_jets: dict[tuple[int, ...], dict[tuple[int, ...], int]] = {}
    for exponents, c in poly.to_dict().items():
        by_jets.setdefault(exponents[:n_jets], {})[exponents[n_jets:]] = int(c)
    prime = ring.prime
    alike: dict[tuple, Jets] = {}
    for jets, terms in by_jets.items():
        scale = terms[max(terms)]
        inverse = pow(scale, -1, prime)
        monic = tuple(sorted((e, c * inverse % prime) for e, c in terms.items()))
        alike.setdefault(monic, {})[jets] = scale
    order = sorted(alike, key=lambda terms: (_degree(terms), len(terms), terms), reverse=True)
    polys, jets = [dict(terms) for terms in order], [alike[terms] for terms in order]
    if len(polys) <= MOST_COEFFICIENTS:
        polys, jets = _independent(polys, jets, prime)
    return Coefficients(tuple(parameters.context.from_dict(p) for p in polys), tuple(jets))


def _degree(terms) -> int:
    return max(sum(exponents) for exponents, _ in terms)


def _independent(polys: list, jets: list[Jets], prime: int) -> tuple[list, list[Jets]]:
    """The simplest independent ones among the coefficients, the others written in them."""
    monomials = {e: i for i, e in enumerate({e for p in polys for e in p})}
    columns = flint.nmod_mat(len(monomials), len(polys), prime)
    n = len(polys)
    for j, poly in enumerate(polys):
        for e, c in poly.items():
            columns[monomials[e], n - 1 - j] = c  # the simplest first, so that they become the pivots
    reduced, rank = columns.rref()
    rows = [[int(reduced[i, n - 1 - j]) for j in range(n)] for i in range(rank)]
    pivots = [max(j for j in range(n) if row[j]) for row in rows]
    combined: list[Jets] = []
    for row in rows:
        total: Jets = {}
        for j in range(n):
            for e, c in jets[j].items() if row[j] else ():
                total[e] = (total.get(e, 0) + row[j] * c) % prime
        combined.append({e: c for e, c in total.items() if c})
    descending = sorted(range(rank), key=lambda i: pivots[i])
    return [polys[pivots[i]] for i in descending], [combined[i] for i in descending]


def wronskian(
    functions: Sequence[Jets], series: Mapping[int, Any], n_orders: int, prime: int
) -> flint.nmod_mat:
    """Taylor coefficients (order, i) of functions f_i of jets; `series` : of each jet, by its place among the
    names."""
    known: dict[tuple[tuple[int, int], ...], Any] = {(): flint.nmod_poly([1], prime)}

    def of_monomial(factors: tuple[tuple[int, int], ...]) -> Any:
        if factors not in known:
            place, exponent = factors[-1]
            before = factors[:-1] + (((place, exponent - 1),) if exponent > 1 else ())
            known[factors] = of_monomial(before).mul_low(series[place], n_orders)
        return known[factors]

    entries: list[int] = []
    for jets in functions:
        total = flint.nmod_poly([0], prime)
        for exponents, c in jets.items():
            total += of_monomial(tuple((k, e) for k, e in enumerate(exponents) if e)) * c
        entries += [int(c) for c in total.coeffs()] + [0] * (n_orders - len(total))
    return flint.nmod_mat(len(functions), n_orders, entries, prime).transpose()


def n_orders_of(n_coefficients: int) -> int:
    return min(n_coefficients, MOST_COEFFICIENTS) + _EXTRA_ORDERS


def told_by(
    wronskians: Sequence[flint.nmod_mat], coefficients: Coefficients, prime: int
) -> tuple[list[Any], bool]:
    """Polynomials in the parameters that vanish where the same outputs are possible, and whether they say
    that all coefficients are the same up to a common factor."""
    rows = [row for matrix in wronskians for row in matrix.tolist()]
    reduced, rank = flint.nmod_mat([[int(c) for c in row] for row in rows], prime).rref()
    equations = []
    for i in range(rank):
        terms = [(int(reduced[i, j]), c) for j, c in enumerate(coefficients.of_parameters)]
        equations.append(sum((c * a for a, c in terms if a), coefficients.of_parameters[0] * 0))
    return equations, rank == len(coefficients) - 1


def all_the_same(coefficients: Coefficients, point: Sequence[int]) -> tuple[list[Any], Any]:
    """Polynomials that vanish where all coefficients are those at the point, up to a common factor, and the
    coefficient that may not vanish there."""
    polys = coefficients.of_parameters
    values = [int(c(*point)) for c in polys]
    base = max(i for i, value in enumerate(values) if value)
    pairs = [(c, v) for i, (c, v) in enumerate(zip(polys, values, strict=True)) if i != base]
    return [c * values[base] - polys[base] * v for c, v in pairs], polys[base]


def jet_series(derivatives: np.ndarray, order: int, n_orders: int, prime: int) -> Any:
    """The series of the derivative of that order, from Taylor coefficients."""
    series = flint.nmod_poly(derivatives.tolist(), prime)
    for _ in range(order):
        series = series.derivative()
    return series.truncate(n_orders)
