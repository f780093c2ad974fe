"""Exact arithmetic modulo a prime: power series of straight-line programs with tangents, and row reduction.

A number with its tangent (its derivatives in the unknowns) is a row of residues: column 0 is the value.
Series are truncated in time, w(t) = Σ_k w_k t^k. Residues are kept as uint32, sums of products as uint64.
"""

from __future__ import annotations

import numpy as np

from idfit.numerics.compilation import kernel

#: p = 2r + 1 with r prime, the largest below 2^31: odd roots exist once, and -1 has no square root. There are
#: several, as the square root of a given number exists modulo half of them.
PRIMES = (
    2147483579,
    2147483123,
    2147482763,
    2147481563,
    2147481143,
    2147480927,
    2147480327,
    2147479823,
    2147479787,
    2147478899,
    2147478083,
    2147477807,
)

# what a node of a program is
LEAF, STATE, INPUT, SUM, PRODUCT, INVERSE, PRIMITIVE = range(7)
# kinds of a primitive, w' = h·g': its value is a fixed function of the residue of g, as random as can be
EXP, LOG, SIN, COS, ATAN, ASIN, ACOS, ASINH, ACOSH, ATANH, ERF = range(11)
ROOT = 32  # + q: the q-th root
_CIRCLE = 97  # sine and cosine of the same angle share the point on the circle


@kernel(inner=True)
def power(base, exponent, p):
    """base^exponent modulo p."""
    result, square = np.uint64(1), np.uint64(base)
    while exponent > 0:
        if exponent & 1:
            result = result * square % p
        square = square * square % p
        exponent >>= 1
    return result


@kernel(inner=True)
def inverse(a, p):
    return power(a, np.int64(p) - 2, p)


@kernel(inner=True)
def _scattered(kind, value, seed, p):
    """A residue other than 0 that looks random, the same for the same arguments (splitmix64)."""
    z = np.uint64(value) + np.uint64(kind) * np.uint64(0x632BE59BD9B4E019)
    z += np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))) % (p - np.uint64(1)) + np.uint64(1)


@kernel(inner=True)
def _root(a, q, p):
    """The q-th root of a modulo a safe prime; p itself if there is none.

    Of two square roots it is the one that is a square, so that roots of products are products of roots.
    """
    while q % 2 == 0:
        candidate = power(a, (np.int64(p) + 1) // 4, p)
        if candidate * candidate % p != a:
            return p
        a, q = candidate, q // 2
    # the inverse of q modulo p - 1, by Euclid's algorithm
    old_r, r, old_s, s = np.int64(p) - 1, np.int64(q), np.int64(0), np.int64(1)
    while r > 0:
        quotient = old_r // r
        old_r, r = r, old_r - quotient * r
        old_s, s = s, old_s - quotient * s
    return power(a, old_s % (np.int64(p) - 1), p)


@kernel(inner=True)
def _primitive(kind, g, seed, p):
    """Value of a primitive where its argument is g; p where it has none."""
    one = np.uint64(1)
    if kind >= ROOT:
        return p if g == 0 else _root(g, kind - ROOT, p)
    if kind in (SIN, COS):
        if g == 0:
            return np.uint64(0) if kind == SIN else one
        t = _scattered(_CIRCLE, g, seed, p)
        square = t * t % p
        scale = inverse((one + square) % p, p)
        return (t + t) % p * scale % p if kind == SIN else (one + p - square) % p * scale % p
    if kind == LOG and (g == 0 or g == 1):
        return p if g == 0 else np.uint64(0)
    if g == 0 and kind not in (ACOS, ACOSH):
        return one if kind == EXP else np.uint64(0)
    return _scattered(kind, g, seed, p)


@kernel
def start(op, aux, pointer, argument, begin, seed, p, w):
    """Order 0 of every node, w (node, order, 1 + unknown); leaves are there already.

    Returns False if some value does not exist at this point (a division by zero, a root of a non-square).
    begin : (state,) node that gives the start of each state.
    """
    n_columns = w.shape[2]
    for i in range(op.shape[0]):
        first = pointer[i]
        if op[i] == STATE:
            w[i, 0, 0] = w[begin[aux[i]], 0, 0]
        elif op[i] == SUM:
            total = np.uint64(0)
            for a in range(first, pointer[i + 1]):
                total += w[argument[a], 0, 0]
            w[i, 0, 0] = total % p
        elif op[i] == PRODUCT:
            w[i, 0, 0] = np.uint64(w[argument[first], 0, 0]) * np.uint64(w[argument[first + 1], 0, 0]) % p
        elif op[i] == INVERSE:
            if w[argument[first], 0, 0] == 0:
                return False
            w[i, 0, 0] = inverse(np.uint64(w[argument[first], 0, 0]), p)
        elif op[i] == PRIMITIVE:
            value = _primitive(aux[i], np.uint64(w[argument[first], 0, 0]), seed, p)
            if value == p:
                return False
            w[i, 0, 0] = value
    for i in range(op.shape[0]):
        first = pointer[i]
        if op[i] == STATE:
            for c in range(1, n_columns):
                w[i, 0, c] = w[begin[aux[i]], 0, c]
        elif op[i] == SUM:
            for c in range(1, n_columns):
                total = np.uint64(0)
                for a in range(first, pointer[i + 1]):
                    total += w[argument[a], 0, c]
                w[i, 0, c] = total % p
        elif op[i] == PRODUCT:
            a, b = argument[first], argument[first + 1]
            x, y = np.uint64(w[a, 0, 0]), np.uint64(w[b, 0, 0])
            for c in range(1, n_columns):
                w[i, 0, c] = (x * np.uint64(w[b, 0, c]) % p + y * np.uint64(w[a, 0, c]) % p) % p
        elif op[i] == INVERSE:
            v = np.uint64(w[i, 0, 0])
            factor = p - v * v % p
            for c in range(1, n_columns):
                w[i, 0, c] = factor * np.uint64(w[argument[first], 0, c]) % p
        elif op[i] == PRIMITIVE:
            slope = np.uint64(w[argument[first + 1], 0, 0])
            for c in range(1, n_columns):
                w[i, 0, c] = slope * np.uint64(w[argument[first], 0, c]) % p
    return True


@kernel(inner=True)
def _gather(total, x, y, factor, p, limit):
    """total += factor·(x ⊗ y), the product of numbers with tangents; entries stay below limit = 2p²."""
    x0, y0 = np.uint64(x[0]) * factor % p, np.uint64(y[0]) * factor % p
    s = total[0] + x0 * np.uint64(y[0])
    total[0] = s - limit if s >= limit else s
    for c in range(1, total.shape[0]):
        s = total[c] + x0 * np.uint64(y[c])
        s = s - limit if s >= limit else s
        s += y0 * np.uint64(x[c])
        total[c] = s - limit if s >= limit else s


@kernel
def extend(k, op, aux, pointer, argument, constant, derivative, p, w):
    """Order k >= 1 of every node from the lower ones.

    constant : (node,) whether it does not change in time, so that only order 0 is not zero; derivative :
    (state,) node of its right-hand side.
    """
    one, limit = np.uint64(1), np.uint64(2) * p * p
    total = np.empty(w.shape[2], dtype=np.uint64)
    fraction = inverse(np.uint64(k), p)
    for i in range(op.shape[0]):
        if constant[i] or op[i] == LEAF or op[i] == INPUT:
            continue
        first = pointer[i]
        total[:] = 0
        if op[i] == STATE:
            slope = derivative[aux[i]]
            if k == 1 or not constant[slope]:
                for c in range(total.shape[0]):
                    w[i, k, c] = fraction * np.uint64(w[slope, k - 1, c]) % p
            continue
        if op[i] == SUM:
            for a in range(first, pointer[i + 1]):
                if not constant[argument[a]]:
                    for c in range(total.shape[0]):
                        total[c] += w[argument[a], k, c]
        elif op[i] == PRODUCT:
            a, b = argument[first], argument[first + 1]
            if constant[a]:
                _gather(total, w[a, 0], w[b, k], one, p, limit)
            elif constant[b]:
                _gather(total, w[b, 0], w[a, k], one, p, limit)
            else:
                for j in range(k + 1):
                    _gather(total, w[a, j], w[b, k - j], one, p, limit)
        elif op[i] == INVERSE:
            a = argument[first]
            for j in range(1, k + 1):
                _gather(total, w[a, j], w[i, k - j], one, p, limit)
            for c in range(total.shape[0]):
                w[i, k, c] = total[c] % p
            total[:] = 0
            _gather(total, w[i, 0], w[i, k], p - one, p, limit)
        elif op[i] == PRIMITIVE:
            g, h = argument[first], argument[first + 1]
            for j in range(1, k + 1):
                if k == j or not constant[h]:
                    _gather(total, w[g, j], w[h, k - j], np.uint64(j) * fraction % p, p, limit)
        for c in range(total.shape[0]):
            w[i, k, c] = total[c] % p


@kernel
def eliminate(rows, echelon, pivots, rank, p):
    """Add rows (row, column) to a reduced echelon form, in place; returns its new rank.

    echelon : (column, column), of which the first `rank` rows are used, each with 1 in its pivot column.
    """
    n = echelon.shape[1]
    row = np.empty(n, dtype=np.uint64)
    for i in range(rows.shape[0]):
        for c in range(n):
            row[c] = rows[i, c]
        for r in range(rank):
            factor = row[pivots[r]]
            if factor:
                for c in range(n):
                    row[c] = (row[c] + (p - factor) * np.uint64(echelon[r, c])) % p
        pivot = 0
        while pivot < n and row[pivot] == 0:
            pivot += 1
        if pivot == n:
            continue
        scale = inverse(row[pivot], p)
        for c in range(n):
            row[c] = row[c] * scale % p
        for r in range(rank):
            factor = np.uint64(echelon[r, pivot])
            if factor:
                for c in range(n):
                    echelon[r, c] = (echelon[r, c] + (p - factor) * row[c]) % p
        for c in range(n):
            echelon[rank, c] = row[c]
        pivots[rank] = pivot
        rank += 1
    return rank
