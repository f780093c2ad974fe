"""Gröbner bases modulo a prime against sympy's and against published sizes."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from idfit.structural.groebner import Basis, WorkLimit, groebner

PRIME = 2**31 - 1


def katsura(n: int) -> list[dict[tuple[int, ...], int]]:
    """n + 1 equations of magnetism in u_0..u_n; 2^n solutions."""
    polys = []
    for m in range(n):
        poly: dict[tuple[int, ...], int] = {}
        for i in range(-n, n + 1):
            if abs(m - i) <= n:
                key = _power(n + 1, abs(i), abs(m - i))
                poly[key] = poly.get(key, 0) + 1
        poly[_power(n + 1, m)] = poly.get(_power(n + 1, m), 0) - 1
        polys.append(poly)
    total = {_power(n + 1, i): 2 if i else 1 for i in range(n + 1)}
    return [*polys, total | {_power(n + 1): -1}]


def cyclic(n: int) -> list[dict[tuple[int, ...], int]]:
    """The cyclic n-roots."""
    sums = [{_power(n, *((i + j) % n for j in range(k))): 1 for i in range(n)} for k in range(1, n)]
    return [*sums, {_power(n, *range(n)): 1, _power(n): -1}]


def eco(n: int) -> list[dict[tuple[int, ...], int]]:
    """An economic equilibrium in n variables; 2^(n-2) solutions."""
    polys = []
    for k in range(n - 1):
        poly = {_power(n, k, n - 1): 1, _power(n): -(k + 1)}
        poly |= {_power(n, i, i + k + 1, n - 1): 1 for i in range(n - 2 - k)}
        polys.append(poly)
    return [*polys, {_power(n, i): 1 for i in range(n - 1)} | {_power(n): 1}]


def _power(n: int, *variables: int) -> tuple[int, ...]:
    return tuple(variables.count(v) for v in range(n))


def random_system(seed: int, n: int, degree: int, terms: int) -> list[dict[tuple[int, ...], int]]:
    rng = np.random.default_rng(seed)
    polys = []
    for _ in range(n):
        exponents = [_power(n, *rng.integers(0, n, rng.integers(0, degree + 1))) for _ in range(terms)]
        polys.append({e: int(rng.integers(1, 1000)) for e in exponents})
    return polys


def by_sympy(polys: list[dict[tuple[int, ...], int]], n: int, prime: int) -> set[frozenset]:
    names = sympy.symbols(f"x:{n}")
    basis = sympy.groebner(
        [sympy.Poly(dict(poly), names, modulus=prime) for poly in polys],
        *names,
        order="grevlex",
        modulus=prime,
    )
    return {frozenset((e, int(c) % prime) for e, c in poly.terms()) for poly in basis.polys}


def as_set(basis: Basis) -> set[frozenset]:
    return {frozenset(poly.items()) for poly in basis.polys()}


@pytest.mark.parametrize(
    ("polys", "n"),
    [
        (katsura(3), 4),
        (cyclic(4), 4),
        (eco(4), 4),
        *((random_system(seed, 3, 2, 4), 3) for seed in range(6)),
        *((random_system(seed, 4, 2, 3), 4) for seed in range(6)),
        *((random_system(seed, 3, 3, 3), 3) for seed in range(4)),
    ],
)
@pytest.mark.parametrize("prime", [PRIME, 32003])
def test_the_reduced_basis_is_the_one_that_sympy_finds(polys, n, prime):
    assert as_set(groebner(polys, n, prime)) == by_sympy(polys, n, prime)


def standard_monomials(basis: Basis) -> int:
    """The number of solutions, with multiplicity, by counting what no leading monomial divides."""
    n = basis.n_vars
    leads = basis.lead[basis.active]
    seen, edge = {(0,) * n}, [(0,) * n]
    while edge:
        monomial = edge.pop()
        for v in range(n):
            after = tuple(e + (i == v) for i, e in enumerate(monomial))
            if after not in seen and not (leads <= np.array(after)).all(axis=1).any():
                seen.add(after)
                edge.append(after)
    return len(seen)


@pytest.mark.parametrize(
    ("polys", "size", "solutions"),
    [
        (katsura(5), 22, 32),
        (katsura(6), 41, 64),
        (katsura(7), 74, 128),
        (cyclic(5), 20, 70),
        (cyclic(6), 45, 156),
    ],
)
def test_published_sizes_and_numbers_of_solutions(polys, size, solutions):
    basis = groebner(polys, len(next(iter(polys[0]))), PRIME)
    assert len(basis.polys()) == size
    assert standard_monomials(basis) == solutions


def test_weights_count_in_the_degree_and_give_the_same_ideal():
    polys = cyclic(5)
    plain = groebner(polys, 5, PRIME)
    weighted = groebner(polys, 5, PRIME, weights=[1, 2, 3, 1, 2])
    assert all(plain.reduce(poly) == {} for poly in weighted.polys())
    assert all(weighted.reduce(poly) == {} for poly in plain.polys())
    assert as_set(plain) != as_set(weighted)


def test_the_normal_form_is_linear_and_keeps_the_scale():
    basis = groebner(katsura(4), 5, PRIME)
    rng = np.random.default_rng(0)
    poly = {_power(5, *rng.integers(0, 5, 3)): int(rng.integers(1, 50)) for _ in range(6)}
    once = basis.reduce(poly)
    assert once
    assert basis.reduce(once) == once
    assert basis.reduce({e: 7 * c for e, c in poly.items()}) == {e: 7 * c % PRIME for e, c in once.items()}
    assert basis.reduce({**poly, **{e: poly.get(e, 0) - c for e, c in once.items()}}) == {}


def test_given_polynomials_may_share_their_leading_monomials():
    polys = [{(2, 0): 1, (0, 1): 1}, {(2, 0): 1, (1, 0): 1, (0, 0): 3}, {(2, 0): 2, (0, 2): 1}]
    assert as_set(groebner(polys, 2, PRIME)) == by_sympy(polys, 2, PRIME)
    doubled = [*katsura(3), *katsura(3)]
    assert as_set(groebner(doubled, 4, PRIME)) == by_sympy(katsura(3), 4, PRIME)


def test_an_inconsistent_system_has_the_basis_one():
    polys = [{(1, 1): 1, (0, 0): -1}, {(1, 0): 1}]
    assert groebner(polys, 2, PRIME).polys() == [{(0, 0): 1}]


def test_saturation_by_another_variable_removes_what_lies_where_it_vanishes():
    # x (x - 1) = 0 and x != 0, by w x - 1
    polys = [{(2, 0): 1, (1, 0): -1}, {(1, 1): 1, (0, 0): -1}]
    assert groebner(polys, 2, PRIME).reduce({(1, 0): 1}) == {(0, 0): 1}


def test_counted_work_has_a_limit():
    with pytest.raises(WorkLimit):
        groebner(katsura(6), 7, PRIME, limit=10**5)


def test_it_can_stop_when_enough_is_known():
    asked = []
    groebner(katsura(5), 6, PRIME, stop=lambda basis: asked.append(len(basis.active)) or len(asked) == 2)
    assert len(asked) == 2
