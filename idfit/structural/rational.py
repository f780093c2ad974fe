"""Exact linear algebra over residues, and the way back to rational numbers and integer lattices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import flint
import numpy as np


def reciprocal(residues: np.ndarray, prime: int) -> np.ndarray:
    """1/a modulo the prime for every a (0 for 0), as a^(p - 2)."""
    result, square, exponent = np.ones_like(residues), residues % prime, prime - 2
    while exponent:
        if exponent & 1:
            result = result * square % prime
        square = square * square % prime
        exponent >>= 1
    return result


def product(left: np.ndarray, right: np.ndarray, prime: int) -> np.ndarray:
    """left @ right modulo the prime, in halves of 16 bits so that sums stay below 2^63."""
    left, right = left % prime, right % prime
    high, low = right >> 16, right & 0xFFFF
    return (((left @ high) % prime << 16) + left @ low) % prime


def row_echelon(rows: np.ndarray, prime: int) -> tuple[np.ndarray, list[int]]:
    """The rows (row, column) in reduced echelon form without zero rows, and the column of each pivot."""
    if 0 in rows.shape:
        return np.zeros((0, rows.shape[1]), dtype=np.int64), []
    n_rows, n_columns = rows.shape
    reduced, rank = flint.nmod_mat(n_rows, n_columns, (rows % prime).ravel().tolist(), prime).rref()
    entries = np.array([int(entry) for entry in reduced.entries()], dtype=np.int64).reshape(rows.shape)[:rank]
    return entries, [int(np.flatnonzero(row)[0]) for row in entries]


def null_space(rows: np.ndarray, prime: int) -> np.ndarray:
    """Vectors v : (vector, column) with rows @ v = 0, with 1 in one column without pivot, 0 in the others."""
    reduced, pivots = row_echelon(rows, prime)
    free = [column for column in range(rows.shape[1]) if column not in set(pivots)]
    vectors = np.zeros((len(free), rows.shape[1]), dtype=np.int64)
    vectors[np.arange(len(free)), free] = 1
    vectors[:, pivots] = -reduced[:, free].T % prime
    return vectors


def rank(rows: np.ndarray, prime: int) -> int:
    return len(row_echelon(rows, prime)[1])


def rational(residue: int, prime: int) -> Fraction | None:
    """The fraction a/b ≡ residue with |a|, b <= sqrt(p/2), which is unique, or None (Wang 1981)."""
    bound = math.isqrt(prime // 2)
    old, new, old_factor, factor = prime, int(residue) % prime, 0, 1
    while new > bound:
        quotient = old // new
        old, new = new, old - quotient * new
        old_factor, factor = factor, old_factor - quotient * factor
    return Fraction(new, factor) if 0 < abs(factor) <= bound else None


def whole_numbers(vector: np.ndarray, prime: int) -> list[int] | None:
    """The vector as coprime integers up to a common factor, or None where it has no short form."""
    fractions = [rational(entry, prime) for entry in vector.tolist()]
    if any(fraction is None for fraction in fractions):
        return None
    common = math.lcm(*(f.denominator for f in fractions if f is not None))
    numbers = [int(f * common) for f in fractions if f is not None]
    divisor = math.gcd(*numbers) or 1
    return [number // divisor for number in numbers]


def integer_lattice(vectors: Sequence[Sequence[int]]) -> list[list[int]]:
    """A reduced (LLL) basis of all integer vectors in the span of the given independent ones."""
    if not vectors:
        return []
    basis = flint.fmpz_mat([list(vector) for vector in vectors])
    n, k = basis.ncols(), basis.nrows()
    if k == n:
        return [[int(i == j) for j in range(n)] for i in range(n)]
    orthogonal, _ = basis.nullspace()
    normals = orthogonal.transpose().tolist()[: n - k]
    # rows of the Hermite form of (normalsᵀ | 1) that begin with zeros are all integer vectors normal to them
    columns = [[*(row[i] for row in normals), *(int(i == j) for j in range(n))] for i in range(n)]
    hermite = flint.fmpz_mat(columns).hnf().tolist()
    kernel = [row[n - k :] for row in hermite if not any(row[: n - k])]
    return [[int(entry) for entry in row] for row in flint.fmpz_mat(kernel).lll().tolist()]


def generates_all(vectors: Sequence[Sequence[int]]) -> bool:
    """Whether independent integer vectors generate every integer vector in their span."""
    form = flint.fmpz_mat([list(vector) for vector in vectors]).snf().tolist()
    return all(abs(int(row[i])) == 1 for i, row in enumerate(form))
