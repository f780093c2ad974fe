"""Factorisation of W = I/(h·gamma) - J on a fixed sparsity pattern.

The pattern is analysed once per model (fill-reducing order, symbolic elimination). The numerical
factorisation keeps that order and does not pivot, in the tradition of the chemical-kinetics codes; a small
pivot is detected, and the step is then done by a dense factorisation with partial pivoting.
"""

from __future__ import annotations

import numpy as np
from numba import carray, types  # pyright: ignore

from idfit.numerics import plan as layout
from idfit.numerics.blocks import combine
from idfit.numerics.calls import invoke
from idfit.numerics.compilation import entry, kernel
from idfit.numerics.plan import integers, size_of

SMALLEST_PIVOT = 1e-9  # relative to the largest entry of its row


def minimum_degree_order(pattern: np.ndarray) -> np.ndarray:
    """Order of the rows of a square boolean pattern that keeps the fill small (minimum degree on A + Aᵀ)."""
    n = len(pattern)
    neighbours = [set(np.flatnonzero(row).tolist()) - {i} for i, row in enumerate(pattern | pattern.T)]
    order, left = [], set(range(n))
    while left:
        pivot = min(left, key=lambda i: (len(neighbours[i]), i))
        order.append(pivot)
        left.remove(pivot)
        around = neighbours[pivot]
        for i in around:
            neighbours[i] = (neighbours[i] | around) - {i, pivot}
    return np.array(order, dtype=np.int64)


def eliminated_pattern(pattern: np.ndarray) -> np.ndarray:
    """Pattern of L + U, fill included, of a square boolean pattern with full diagonal, without pivoting."""
    filled = pattern.copy()
    np.fill_diagonal(filled, True)
    for k in range(len(filled)):
        below = k + 1 + np.flatnonzero(filled[k + 1 :, k])
        filled[below, k + 1 :] |= filled[k, k + 1 :]
    return filled


@kernel(inner=True)
def scatter(row_ptr, column, column_of_formal, width):
    """Where the entries of a sparse d/dp go in rows of sensitivities: (entry, target) of those that vary
    here."""
    source, target = np.empty(column.shape[0], np.int64), np.empty(column.shape[0], np.int64)
    count = 0
    for i in range(row_ptr.shape[0] - 1):
        for e in range(row_ptr[i], row_ptr[i + 1]):
            c = column_of_formal[column[e]]
            if c >= 0:
                source[count], target[count] = e, i * width + c
                count += 1
    return source[:count], target[:count]


@kernel(inner=True)
def _factorise(lu, row_ptr, column, diagonal):
    """Overwrite W (in `lu`, on the filled pattern) by L and U with inverse pivots.

    lu : (filled entries + 1,), the last one says whether no pivot was small.
    """
    n = row_ptr.shape[0] - 1
    work = np.empty(n)
    good = True
    for i in range(n):
        start, middle, end = row_ptr[i], diagonal[i], row_ptr[i + 1]
        for e in range(start, end):
            work[column[e]] = lu[e]
        for e in range(start, middle):
            k = column[e]
            factor = work[k] * lu[diagonal[k]]
            work[k] = factor
            if factor != 0.0:
                for g in range(diagonal[k] + 1, row_ptr[k + 1]):
                    work[column[g]] -= factor * lu[g]
        largest = 0.0
        for e in range(start, end):
            lu[e] = work[column[e]]
            if e >= middle:
                largest = max(largest, abs(lu[e]))
        good = good and abs(lu[middle]) > SMALLEST_PIVOT * largest
        lu[middle] = 1.0 / lu[middle]
    lu[row_ptr[n]] = 1.0 if good else 0.0


@kernel(inner=True)
def _solve(lu, row_ptr, column, diagonal, b):
    """Solve L U x = b in place; b : (n,)."""
    n = row_ptr.shape[0] - 1
    for i in range(n):
        value = b[i]
        for e in range(row_ptr[i], diagonal[i]):
            value -= lu[e] * b[column[e]]
        b[i] = value
    for i in range(n - 1, -1, -1):
        value = b[i]
        for e in range(diagonal[i] + 1, row_ptr[i + 1]):
            value -= lu[e] * b[column[e]]
        b[i] = value * lu[diagonal[i]]


@kernel(inner=True)
def _solve_columns(lu, row_ptr, column, diagonal, b, width):
    """Solve L U X = B in place; b : (n·width,), rows of sensitivities padded to `width`."""
    n = row_ptr.shape[0] - 1
    for i in range(n):
        combine(b, i * width, width, lu, column, row_ptr[i], diagonal[i], b, width, -1.0, 1.0)
    for i in range(n - 1, -1, -1):
        combine(
            b, i * width, width, lu, column, diagonal[i] + 1, row_ptr[i + 1], b, width, -1.0, lu[diagonal[i]]
        )


@kernel(inner=True)
def add_product(target, coefficient, row_ptr, column, source, width):
    """target += A·source for a sparse A; target, source : (n·width,), rows of sensitivities."""
    for i in range(row_ptr.shape[0] - 1):
        combine(
            target, i * width, width, coefficient, column, row_ptr[i], row_ptr[i + 1], source, width, 1.0, 1.0
        )


@kernel(inner=True)
def by_pattern(ints, scalars, which, a, b, c, width):
    """What generated code does for smaller models: which is the scalar that would name it (F_FACTORISE, …).

    a : is changed (W, right-hand sides, a sum); b : factors or entries of a matrix; c : factor of a product.
    """
    invoke(scalars[layout.F_SPARSE], (np.int64(which), ints, a, b, c, np.int64(width)))


_INTEGERS, _REALS = types.CPointer(types.int64), types.CPointer(types.float64)


@entry(types.void(types.int64, _INTEGERS, _REALS, _REALS, _REALS, types.int64))
def run_sparse(which, ints_at, a_at, b_at, c_at, width):
    """`by_pattern`, by its address."""
    ints = carray(ints_at, (size_of(ints_at),))
    lu_ptr, lu_col = integers(ints, layout.LU_PTR), integers(ints, layout.LU_COL)
    diagonal = integers(ints, layout.LU_DIAGONAL)
    n, n_lu = diagonal.shape[0], lu_col.shape[0] + 1
    if which == layout.F_FACTORISE:
        _factorise(carray(a_at, (n_lu,)), lu_ptr, lu_col, diagonal)
    elif which == layout.F_SOLVE:
        _solve(carray(b_at, (n_lu,)), lu_ptr, lu_col, diagonal, carray(a_at, (n,)))
    elif which == layout.F_SOLVE_COLUMNS:
        _solve_columns(carray(b_at, (n_lu,)), lu_ptr, lu_col, diagonal, carray(a_at, (n * width,)), width)
    else:
        of_jacobian = which == layout.F_JACOBIAN_PRODUCT
        row_ptr = integers(ints, layout.J_PTR if of_jacobian else layout.M_PTR)
        column = integers(ints, layout.J_COL if of_jacobian else layout.M_COL)
        a, c = carray(a_at, (n * width,)), carray(c_at, (n * width,))
        add_product(a, carray(b_at, (column.shape[0],)), row_ptr, column, c, width)


@kernel(inline=True)
def dense_factorise(w, pivots):
    """LU with partial pivoting in place; w : (n, n), pivots : (n,). Returns False if singular."""
    n = w.shape[0]
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if abs(w[i, k]) > abs(w[best, k]):
                best = i
        pivots[k] = best
        if not abs(w[best, k]) > 0.0:
            return False
        if best != k:
            for j in range(n):
                w[k, j], w[best, j] = w[best, j], w[k, j]
        for i in range(k + 1, n):
            if w[i, k] != 0.0:
                factor = w[i, k] / w[k, k]
                w[i, k] = factor
                for j in range(k + 1, n):
                    w[i, j] -= factor * w[k, j]
    return True


@kernel(inline=True)
def dense_solve_columns(w, pivots, b):
    """Solve with the factors of `dense_factorise` in place; b : (n, columns)."""
    n, m = b.shape
    for k in range(n):
        if pivots[k] != k:
            for j in range(m):
                b[k, j], b[pivots[k], j] = b[pivots[k], j], b[k, j]
    for k in range(n):
        for i in range(k + 1, n):
            factor = w[i, k]
            if factor != 0.0:
                for j in range(m):
                    b[i, j] -= factor * b[k, j]
    for k in range(n - 1, -1, -1):
        for i in range(k + 1, n):
            factor = w[k, i]
            if factor != 0.0:
                for j in range(m):
                    b[k, j] -= factor * b[i, j]
        for j in range(m):
            b[k, j] /= w[k, k]


@entry(types.void(_REALS, _INTEGERS, types.int64, _INTEGERS))
def run_dense_factorise(w_at, pivots_at, n, good_at):
    """`dense_factorise`, by its address; good : (1,) whether it is regular."""
    carray(good_at, (1,))[0] = dense_factorise(carray(w_at, (n, n)), carray(pivots_at, (n,)))


@entry(types.void(_REALS, _INTEGERS, types.int64, _REALS, types.int64))
def run_dense_solve(w_at, pivots_at, n, b_at, columns):
    """`dense_solve_columns`, by its address."""
    dense_solve_columns(carray(w_at, (n, n)), carray(pivots_at, (n,)), carray(b_at, (n, columns)))
