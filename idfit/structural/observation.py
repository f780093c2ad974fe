"""What the outputs say of the unknowns: power series at random points modulo a prime, and their rank.

At a random point (unknowns and starts) the outputs are y(t) = Σ_k y_k t^k, and the matrix of ∂y_k/∂(unknowns)
over all orders has as its rank the number of unknowns that ideal data determine (Sedoglavic 2002, J. Symb.
Comput. 33:735-755). The directions of its null space change no output. Modulo a prime all of it is exact;
that a random point is a special one has a probability of about (number of unknowns)·(degree)/2^31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from idfit.expressions import names_in
from idfit.numerics import modular
from idfit.numerics.modular import PRIMES
from idfit.structural.continuation import directions_last
from idfit.structural.program import CannotDecideError, compiled
from idfit.structural.question import Question
from idfit.structural.rational import row_echelon
from idfit.structural.series import Series
from idfit.structural.steady import ConstrainedPoints

#: orders beyond which nothing is looked for where no theorem says that a rank that stands still has ended
MOST_ORDERS = 160
_TRIES = 60
_PATIENCE = 8  # orders
_IRREGULAR = "the equations are not regular at the start: a division by zero, or a root or logarithm of zero"


@dataclass(frozen=True)
class Observation:
    """Outputs at random points of one prime.

    values : (point, unknown) and known_values (point, known) residues; ranks : of the outputs up to each
    order; null_space : (point, direction, unknown), what neither outputs nor noise levels determine, reduced,
    with 1 in the columns `free`; determined : (quantity,) whether it is determined locally; by_noise :
    (quantity,) whether that is due to the noise levels alone; involved : (direction, quantity) whether it
    changes along a direction; lasting : whether the directions are proven to last through what follows the
    beginnings of experiments.
    """

    prime: int
    values: np.ndarray
    known_values: np.ndarray
    ranks: tuple[int, ...]
    null_space: np.ndarray
    free: tuple[int, ...]
    determined: np.ndarray
    by_noise: np.ndarray
    involved: np.ndarray
    lasting: bool


class _Echelon:
    """Rows over the unknowns, reduced as they come."""

    def __init__(self, n: int, prime: int):
        self.matrix, self.pivots = np.zeros((n, n), dtype=np.uint32), np.zeros(n, dtype=np.int64)
        self.rank, self.prime = 0, np.uint64(prime)

    def add(self, rows: np.ndarray) -> int:
        if rows.size:
            rows = np.ascontiguousarray(rows, dtype=np.uint32)
            self.rank = modular.eliminate(rows, self.matrix, self.pivots, self.rank, self.prime)
        return self.rank

    def copy(self) -> _Echelon:
        twin = _Echelon(0, int(self.prime))
        twin.matrix, twin.pivots, twin.rank = self.matrix.copy(), self.pivots.copy(), self.rank
        return twin

    @property
    def free(self) -> tuple[int, ...]:
        taken = set(self.pivots[: self.rank].tolist())
        return tuple(c for c in range(self.matrix.shape[1]) if c not in taken)

    def null_space(self) -> np.ndarray:
        """(direction, column), 1 in the free columns."""
        result = np.zeros((len(self.free), self.matrix.shape[1]), dtype=np.int64)
        for k, c in enumerate(self.free):
            result[k, c] = 1
            for r in range(self.rank):
                result[k, self.pivots[r]] = -int(self.matrix[r, c]) % int(self.prime)
        return result


@dataclass(frozen=True)
class _Point:
    values: dict[str, int]
    ranks: tuple[int, ...]
    echelon: _Echelon
    with_noise: _Echelon
    series: list[Series]
    functions: np.ndarray


class Observer:
    """The programs of a question, compiled once and evaluated at as many points as are wanted."""

    def __init__(self, question: Question):
        self.question = question
        # A start that is known, yet nothing special, is as good as another output that tells it: with a
        # column of its own the rank ends where that of unknown starts does.
        starts = {str(s) for e in question.experiments for s in e.start}
        self.known_starts = [name for name in question.known if name in starts]
        self.n_unknowns = len(question.unknowns)
        self.n_varying = self.n_unknowns + len(question.implicit)
        varying = [*question.unknowns, *question.implicit, *self.known_starts]
        self.columns = {name: i for i, name in enumerate(varying)}
        # what shows in noise levels alone is nothing that outputs can determine
        self.n_telling = self.n_varying - len(_only_in_noise(question))
        names = (*question.unknowns, *question.implicit, *question.known)
        self.functions = [q.formula for q in question.quantities if q.kind != "state"]
        given = [*self.functions, *question.constraints]
        self.constrained = None
        if question.constraints:
            preferred = (*question.unknowns, *question.implicit)
            self.constrained = ConstrainedPoints(question.constraints, names, preferred)
        self.programs = [
            compiled(e, names, given if i == 0 else ()) for i, e in enumerate(question.experiments)
        ]

    def observe(self, n_points: int = 2, seed: int = 0, prime: int = PRIMES[0]) -> Observation:
        """At points modulo `prime`, or another where the equations need roots that do not exist there.

        Errors: `CannotDecideError` if no regular point is found.
        """
        first, prime = self._first_point(seed, prime)
        points = [first, *(self._regular_point(seed, i, prime) for i in range(1, n_points))]
        best = max(points, key=lambda point: point.with_noise.rank)
        open_at = [(point, *self._open(point)) for point in points]
        free = self._open(best)[1]
        open_at = [(point, null) for point, null, own in open_at if own == free]
        question = self.question
        determined, by_noise, involved = self._about_quantities(best)
        null = np.array([null for _, null in open_at], dtype=np.int64)
        points = [point for point, _ in open_at]
        return Observation(
            prime=prime,
            values=np.array([[p.values[n] for n in question.unknowns] for p in points], dtype=np.int64),
            known_values=np.array([[p.values[n] for n in question.known] for p in points], dtype=np.int64),
            ranks=best.ranks,
            null_space=null.reshape(len(points), -1, self.n_unknowns),
            free=free,
            determined=determined,
            by_noise=by_noise,
            involved=involved,
            lasting=self._lasting(best, prime),
        )

    def taylor(
        self, experiment: int, n_orders: int, seed: int = 0, prime: int = PRIMES[0]
    ) -> dict[str, np.ndarray]:
        """Taylor coefficients (order,) of states, outputs and inputs at a random point, by name.

        Under "" stand the values of unknowns and known names in the order of the question, under "prime" the
        prime that was taken.
        """
        point, prime = self._first_point(seed, prime, n_orders)
        order = (*self.question.unknowns, *self.question.known)
        return self._by_name(experiment, point.series[experiment], n_orders) | {
            "": np.array([point.values[n] for n in order], dtype=np.int64),
            "prime": np.array(prime),
        }

    def taylor_at(
        self, experiment: int, n_orders: int, values: Mapping[str, int], seed: int, prime: int
    ) -> dict[str, np.ndarray]:
        """Taylor coefficients (order,) of states, outputs and inputs, by name, where unknowns and known names
        have these values.

        Errors: `CannotDecideError` if the equations are not regular there.
        """
        rng = np.random.default_rng([seed, prime])
        series = Series(self.programs[experiment], values, {}, 0, rng, int(rng.integers(1, 2**31)), prime)
        for _ in range(n_orders):
            if not series.extend():
                raise CannotDecideError(_IRREGULAR)
        return self._by_name(experiment, series, n_orders)

    def _by_name(self, experiment: int, series: Series, n_orders: int) -> dict[str, np.ndarray]:
        e = self.question.experiments[experiment]
        names = (*e.states, *(name for name, _ in e.outputs), *e.inputs)
        nodes = (*series.program.states, *series.program.outputs, *series.program.inputs)
        return {
            name: series.w[node, :n_orders, 0].astype(np.int64)
            for name, node in zip(names, nodes, strict=True)
        }

    def _first_point(self, seed: int, prime: int, n_orders: int | None = None) -> tuple[_Point, int]:
        for candidate in (prime, *(p for p in PRIMES if p != prime)):
            with suppress(CannotDecideError):
                return self._regular_point(seed, 0, candidate, n_orders), candidate
        raise CannotDecideError(_IRREGULAR)

    def _regular_point(self, seed: int, i: int, prime: int, n_orders: int | None = None) -> _Point:
        for attempt in range(_TRIES):
            point = self._point(np.random.default_rng([seed, i, attempt, prime]), prime, n_orders)
            if point is not None:
                return point
        raise CannotDecideError(_IRREGULAR)

    def _point(self, rng, prime: int, n_orders: int | None) -> _Point | None:
        question = self.question
        names = (*question.unknowns, *question.implicit, *question.known)
        values = dict(zip(names, rng.integers(1, prime, len(names)).tolist(), strict=True))
        if self.constrained is not None:
            values = self.constrained.solve(values, rng, prime)
            if values is None:
                return None
        seed = int(rng.integers(1, 2**31))
        n = len(self.columns)
        tangents = {name: np.eye(n, dtype=np.uint32)[i] for name, i in self.columns.items()}
        series = [Series(p, values, tangents, n, rng, seed, prime) for p in self.programs]
        everything, echelon, ranks = _Echelon(len(self.columns), prime), _Echelon(self.n_varying, prime), []
        noise_rows: list[np.ndarray] = []
        growing: list[int] = []
        awake: list[int] = []
        given = 0
        for order in range(self._most_orders if n_orders is None else n_orders):
            for one in series:
                if not one.extend():
                    return None
                if order == 0 and one is series[0] and question.constraints:
                    nodes = one.program.functions[-len(question.constraints) :]
                    given = echelon.add(one.rows(nodes)[:, : self.n_varying])
                told = one.program.outputs if order else (*one.program.outputs, *one.program.start_outputs)
                rows = one.rows(told)
                echelon.add(rows[:, : self.n_varying])
                if self.known_starts:
                    everything.add(rows)
                noise_rows.append(one.rows(one.program.noise)[:, : self.n_varying])
            ranks.append(echelon.rank - given)
            growing.append(everything.rank if self.known_starts else echelon.rank)
            awake.append(sum(one.awake() for one in series))
            if n_orders is None and self._has_ended(echelon.rank, growing, awake):
                break
        functions = (
            series[0].w[list(series[0].program.functions), 0] if series else np.zeros((0, 1), np.uint32)
        )
        with_noise = echelon.copy()
        for rows in noise_rows:
            with_noise.add(rows)
        return _Point(values, tuple(ranks), echelon, with_noise, series, functions)

    @property
    def _most_orders(self) -> int:
        n_states = max((len(e.states) for e in self.question.experiments), default=0)
        wanted = min(len(self.columns) + n_states + 2, MOST_ORDERS)
        return wanted if self.question.orders is None else min(wanted, self.question.orders)

    def _has_ended(self, rank: int, growing: Sequence[int], awake: Sequence[int]) -> bool:
        """Whether no further order adds to the rank.

        With starts that are names of their own a rank that stands still once does so for good. At specific
        starts it may grow again, as when the states of a chain, zero at first, awake one after the other; it
        is taken to have ended when nothing has changed for longer than all that took.
        """
        if rank == self.n_telling:
            return True
        if self.question.generic:
            return len(growing) > 1 and growing[-1] == growing[-2]
        still = 2 * awake.index(awake[-1]) + _PATIENCE
        return len(growing) > still and growing[-1] == growing[-1 - still]

    def _open(self, point: _Point) -> tuple[np.ndarray, tuple[int, ...]]:
        """Directions of the unknowns, reduced, and the columns in which they have their 1."""
        null = point.with_noise.null_space()
        if not self.question.implicit:
            return null, point.with_noise.free
        reduced, pivots = row_echelon(null[:, : self.n_unknowns], int(point.with_noise.prime))
        return reduced, tuple(pivots)

    def _lasting(self, point: _Point, prime: int) -> bool:
        null = point.with_noise.null_space()
        if not len(null) or not any(e.follows is not None for e in self.question.experiments):
            return True
        return directions_last(self.question, self.columns, point.values, point.series, null, prime)

    def _about_quantities(self, point: _Point) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Whether each quantity is determined, whether by noise levels alone, and (direction, quantity)
        whether it changes along a direction."""
        null, with_noise = point.echelon.null_space(), point.with_noise.null_space()
        prime = int(point.echelon.prime)
        determined, by_noise, involved = [], [], []
        at = 0
        for quantity in self.question.quantities:
            if quantity.kind == "state":
                one = point.series[quantity.experiment]
                e = self.question.experiments[quantity.experiment]
                node = one.program.states[e.states.index(str(quantity.formula))]
                gradients = one.w[node, : one.order + 1, 1 : 1 + self.n_varying].astype(object)
            else:
                gradients = point.functions[at : at + 1, 1 : 1 + self.n_varying].astype(object)
                at += 1
            without = (null.astype(object) @ gradients.T) % prime != 0
            changes = (with_noise.astype(object) @ gradients.T) % prime != 0
            involved.append(changes.any(axis=1))
            determined.append(not changes.any())
            by_noise.append(bool(without.any() and not changes.any()))
        shape = (len(with_noise), len(self.question.quantities))
        return (
            np.array(determined, dtype=bool),
            np.array(by_noise, dtype=bool),
            np.array(involved, dtype=bool).reshape(shape[::-1]).T,
        )


def _only_in_noise(question: Question) -> set[str]:
    elsewhere = {
        name
        for e in question.experiments
        for formula in (*e.odes, *e.start, *(f for _, f in (*e.outputs, *e.start_outputs)))
        for name in names_in(formula)
    }
    noisy = {name for e in question.experiments for _, f in e.noise for name in names_in(f)}
    constrained = {name for formula in question.constraints for name in names_in(formula)}
    return (noisy - elsewhere - constrained) & set(question.unknowns)


def observe(question: Question, n_points: int = 2, seed: int = 0, prime: int = PRIMES[0]) -> Observation:
    """Outputs of a question at random points; `Observer` for more than one look at it."""
    return Observer(question).observe(n_points, seed, prime)
