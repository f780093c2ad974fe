"""Row echelon form of sparse matrices modulo a prime, and the search for divisors among monomials.

The kernels call nothing outside this file, so numba's own check of the file's date keeps their machine code
up to date.
"""

from __future__ import annotations

import numpy as np

from idfit.numerics.compilation import kernel


@kernel
def first_divisor(monomials, leads, masks, chosen):
    """Into `chosen`: for each monomial the first of the leads that divides it, or -1.

    monomials : (monomial, variable) uint8; leads : (lead, variable) uint8; masks : (lead,), see `mask`.
    """
    n_variables = monomials.shape[1]
    for m in range(monomials.shape[0]):
        have = np.uint64(0)
        for v in range(n_variables):
            if monomials[m, v]:
                have |= np.uint64(1) << np.uint64(v % 64)
        chosen[m] = -1
        for k in range(leads.shape[0]):
            if masks[k] & ~have:
                continue
            divides = True
            for v in range(n_variables):
                if leads[k, v] > monomials[m, v]:
                    divides = False
                    break
            if divides:
                chosen[m] = k
                break


def mask(exponents: np.ndarray) -> np.ndarray:
    """(monomial,) uint64 : bit v % 64 is set where variable v occurs."""
    bits = np.uint64(1) << (np.arange(exponents.shape[1], dtype=np.uint64) % np.uint64(64))
    return np.bitwise_or.reduce(np.where(exponents > 0, bits, np.uint64(0)), axis=1, initial=np.uint64(0))


@kernel
def _inverse(value, prime):
    result, base, exponent = np.int64(1), np.int64(value), np.int64(prime - 2)
    while exponent:
        if exponent & 1:
            result = result * base % prime
        base = base * base % prime
        exponent >>= 1
    return result


@kernel
def echelon(start, column, value, n_pivots, n_columns, prime, limit):
    """Reduce the rows after the first `n_pivots` by those and by each other; returns (start, column, value,
    work).

    start : (row + 1,); column, value : (entry,), columns ascending in each row. The first `n_pivots` rows are
    monic with leading columns of their own. The rows that come back are monic, have leading columns that no
    pivot has, and zeros at every other leading column. Work counts multiplications; at `limit` it stops, with
    what it then has.
    """
    square = prime * prime  # products of two residues stay below 2^62
    owner = np.full(n_columns, -1, dtype=np.int64)  # row whose leading column this is
    for row in range(n_pivots):
        owner[column[start[row]]] = row
    found = np.full(n_columns, -1, dtype=np.int64)
    dense = np.zeros(n_columns, dtype=np.int64)
    n_rows = start.shape[0] - 1 - n_pivots
    at = np.zeros(n_rows + 1, dtype=np.int64)
    columns = np.empty(1024, dtype=np.int64)
    values = np.empty(1024, dtype=np.int64)
    n_found, used, work = 0, 0, 0
    for row in range(n_pivots, start.shape[0] - 1):
        if work > limit:
            break
        for e in range(start[row], start[row + 1]):
            dense[column[e]] = value[e]
        lead = -1
        for c in range(column[start[row]], n_columns):
            factor = dense[c] % prime
            dense[c] = factor
            if factor == 0:
                continue
            if owner[c] >= 0:
                k = owner[c]
                work += start[k + 1] - start[k]
                for e in range(start[k], start[k + 1]):
                    rest = dense[column[e]] - factor * value[e]
                    dense[column[e]] = rest + ((rest >> 63) & square)
                dense[c] = 0
            elif found[c] >= 0:
                k = found[c]
                work += at[k + 1] - at[k]
                for e in range(at[k], at[k + 1]):
                    rest = dense[columns[e]] - factor * values[e]
                    dense[columns[e]] = rest + ((rest >> 63) & square)
                dense[c] = 0
            elif lead < 0:
                lead = c
        if lead < 0:
            continue
        if used + n_columns - lead > columns.shape[0]:
            room = 2 * columns.shape[0] + n_columns
            more_columns, more_values = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
            more_columns[:used] = columns[:used]
            more_values[:used] = values[:used]
            columns, values = more_columns, more_values
        scale = _inverse(dense[lead], prime)
        for c in range(lead, n_columns):
            if dense[c]:
                columns[used] = c
                values[used] = dense[c] * scale % prime
                used += 1
                dense[c] = 0
        found[lead] = n_found
        n_found += 1
        at[n_found] = used

    # from the last leading column to the first, so that each row is reduced by reduced rows
    out = np.empty(n_found + 1, dtype=np.int64)
    out[0] = 0
    room = used + 1024
    out_columns, out_values = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    reduced, filled = 0, 0
    for lead in range(n_columns - 1, -1, -1):
        row = found[lead]
        if row < 0:
            continue
        for e in range(at[row], at[row + 1]):
            dense[columns[e]] = values[e]
        for c in range(lead + 1, n_columns):
            factor = dense[c] % prime
            dense[c] = factor
            if factor and found[c] >= 0:
                k = found[c]  # by now the number of its reduced row
                work += out[k + 1] - out[k]
                for e in range(out[k], out[k + 1]):
                    rest = dense[out_columns[e]] - factor * out_values[e]
                    dense[out_columns[e]] = rest + ((rest >> 63) & square)
                dense[c] = 0
        if filled + n_columns - lead > out_columns.shape[0]:
            room = 2 * out_columns.shape[0] + n_columns
            more_columns, more_values = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
            more_columns[:filled] = out_columns[:filled]
            more_values[:filled] = out_values[:filled]
            out_columns, out_values = more_columns, more_values
        for c in range(lead, n_columns):
            if dense[c]:
                out_columns[filled] = c
                out_values[filled] = dense[c]
                filled += 1
                dense[c] = 0
        found[lead] = reduced
        reduced += 1
        out[reduced] = filled
    return out, out_columns[:filled], out_values[:filled], work


@kernel
def old_pairs(pairs, lcm, leads, lead, keep):
    """Into `keep`: False for the pairs that a new element with this leading monomial makes superfluous.

    pairs : (pair, 2) rows of `leads`; lcm : (pair, variable). A pair goes if the new monomial divides its
    least common multiple, and that differs from those of the new element with either of the two.
    """
    n_variables = lead.shape[0]
    for k in range(pairs.shape[0]):
        divides, left_differs, right_differs = True, False, False
        for v in range(n_variables):
            if lead[v] > lcm[k, v]:
                divides = False
                break
            left_differs |= max(leads[pairs[k, 0], v], lead[v]) != lcm[k, v]
            right_differs |= max(leads[pairs[k, 1], v], lead[v]) != lcm[k, v]
        keep[k] = not (divides and left_differs and right_differs)


@kernel
def minimal(monomials, order, keep):
    """Into `keep`: whether no monomial that comes earlier in `order` divides it."""
    found = np.empty(order.shape[0], dtype=np.int64)
    n_found = 0
    for i in order:
        keep[i] = True
        for f in range(n_found):
            divides = True
            for v in range(monomials.shape[1]):
                if monomials[found[f], v] > monomials[i, v]:
                    divides = False
                    break
            if divides:
                keep[i] = False
                break
        if keep[i]:
            found[n_found] = i
            n_found += 1
