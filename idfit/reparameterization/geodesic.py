"""Geodesics of the model manifold: the straightest way to where a parameter combination stops to matter.

Predictions in units of their noise, as a function of the parameters, sweep out a surface in the space of the
data, with the Fisher information as its metric. A geodesic that starts in the direction the data determine
least ends on the boundary of that surface, and its direction there names a limit of the parameters.
Transtrum, Machta & Sethna, Phys Rev E 83 (2011) 036701; Transtrum & Qiu, Phys Rev Lett 113 (2014) 098701.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import RK45

from idfit.results.codes import Code

#: (coordinates) -> (row, coordinate) derivatives of the predictions, or None where there are none
Jacobian = Callable[[np.ndarray], np.ndarray | None]


class End(Code):
    """Why a geodesic was not followed further."""

    LIMIT = 1, "The direction has settled and the predictions no longer change: the boundary is a limit."
    FOLD = 2, "The predictions turn back: the boundary is a fold at finite parameters."
    BOUND = 3, "A parameter reached a bound that belongs to its meaning."
    LENGTH = 4, "No boundary was reached within the length searched."
    BUDGET = 5, "The budget of evaluations was used up before a boundary was reached."
    FAILED = 6, "The model could not be evaluated further along."


@dataclass(frozen=True)
class GeodesicOptions:
    """How far and how exactly a geodesic is followed.

    length : most of it, in units of the coordinates (a factor e of a positive parameter); max_step : of one
    step; budget : of evaluations of the Jacobian; accuracy : of a step; difference : step of the second
    derivatives; floor : singular values below this share of the largest are damped; negligible : how far, in
    standard deviations of the data, predictions move per unit of a coordinate when they count as still.
    """

    length: float = 60.0
    max_step: float = 1.0
    budget: int = 4000
    accuracy: float = 1e-3
    difference: float = 1e-2
    floor: float = 1e-7
    negligible: float = 1e-2


@dataclass(frozen=True)
class Geodesic:
    """A geodesic by its length s in the coordinates, one row per step.

    points, directions : (step, coordinate), the directions of unit length; speed : (step,), how far the
    predictions move (in units of their noise) per unit of s; distance : (step,), how far they have moved;
    smallest : (step,), the least singular value of the Jacobian as a share of the largest.
    """

    end: End
    length: np.ndarray
    points: np.ndarray
    directions: np.ndarray
    speed: np.ndarray
    distance: np.ndarray
    smallest: np.ndarray
    n_evaluations: int

    @property
    def growth(self) -> float:
        """How many times faster the coordinates move at the end, per unit of distance in the data."""
        return float(self.speed[0] / self.speed[-1]) if self.speed[-1] > 0 else math.inf


def sloppy_directions(jacobian: np.ndarray, count: int, floor: float = 1e-7) -> np.ndarray:
    """The directions of unit length that the data determine least, (direction, coordinate), least first.

    Directions that are not seen at all are given as a reduced basis: any mixture of them would do, and one of
    few coordinates is the one that can be named.
    """
    rows = max(jacobian.shape[1] - jacobian.shape[0], 0)
    padded = np.concatenate([jacobian, np.zeros((rows, jacobian.shape[1]))])
    _, values, vectors = np.linalg.svd(padded, full_matrices=False)
    unseen = values <= floor * max(values[0], 1e-300)
    basis = _reduced(vectors[unseen])
    directions = np.concatenate([basis, vectors[~unseen][::-1]])[:count]
    return directions / np.linalg.norm(directions, axis=1)[:, None]


def _reduced(basis: np.ndarray) -> np.ndarray:
    """Row echelon form with the largest pivots, (direction, coordinate)."""
    basis, taken = basis.copy(), []
    for row in range(len(basis)):
        size = np.abs(basis[row])
        size[taken] = 0.0
        pivot = int(np.argmax(size))
        taken.append(pivot)
        basis[row] /= basis[row, pivot]
        others = np.arange(len(basis)) != row
        basis[others] -= np.outer(basis[others, pivot], basis[row])
    return basis


def follow(
    jacobian: Jacobian,
    start: np.ndarray,
    direction: np.ndarray,
    options: GeodesicOptions | None = None,
    lower: np.ndarray | None = None,
    upper: np.ndarray | None = None,
) -> Geodesic:
    """The geodesic from `start` into `direction`, both (coordinate,).

    d²z/dτ² = −J⁺ A(v, v), with v = dz/dτ and A(v, v) = d²r/dτ² of the predictions r along v (Transtrum et al.
    2011), but by its length s in the coordinates instead of τ:

        dz/ds = u,   du/ds = (1 − u uᵀ) a,   a = −J⁺ A(u, u),   |u| = 1.

    It is the same curve, and it does not end within finite time where v diverges. `lower` and `upper` are
    bounds at which it ends. Nothing is raised: `end` says what became of it.
    """
    return _Path(jacobian, options or GeodesicOptions(), lower, upper).follow(start, direction)


class _NoDerivatives(Exception):
    """The Jacobian is not available at a point."""


class _OutOfBudget(Exception):
    pass


@dataclass
class _Path:
    """One geodesic while it is followed; counts evaluations."""

    jacobian: Jacobian
    options: GeodesicOptions
    lower: np.ndarray | None
    upper: np.ndarray | None
    n_evaluations: int = 0

    def follow(self, start: np.ndarray, direction: np.ndarray) -> Geodesic:
        z = np.array(start, dtype=float)
        u = np.asarray(direction, dtype=float) / np.linalg.norm(direction)
        rows: list[_Row] = []
        try:
            rows.append(self._row(0.0, z, u))
            solver = RK45(
                self._derivative,
                0.0,
                np.concatenate([z, u]),
                self.options.length,
                max_step=self.options.max_step,
                rtol=self.options.accuracy,
                atol=self.options.accuracy,
            )
            end = None
            while end is None:
                end = self._advance(solver, rows)
        except _NoDerivatives:
            end = End.FAILED
        except _OutOfBudget:
            end = End.BUDGET
        return self._geodesic(end, rows, z, u)

    def _advance(self, solver: RK45, rows: list[_Row]) -> End | None:
        """One step further, or why there is none."""
        solver.step()
        if solver.status == "failed":
            return End.FAILED
        before = rows[-1]
        z, u = np.split(solver.y, 2)
        u = u / np.linalg.norm(u)
        if (share := self._crossed(before.z, z)) is not None:
            s, z = before.s + share * (solver.t - before.s), before.z + share * (z - before.z)
            rows.append(self._row(s, z, u, before))
            return End.BOUND
        row = self._row(solver.t, z, u, before)
        if self._turns_back(before, row):
            rows.append(self._fold(solver, before))
            return End.FOLD
        rows.append(row)
        if self._settled(rows):
            return End.LIMIT
        return End.LENGTH if solver.status == "finished" else None

    def _derivative(self, s: float, y: np.ndarray) -> np.ndarray:
        z, u = np.split(y, 2)
        u = u / np.linalg.norm(u)
        acceleration = self._acceleration(z, u)
        return np.concatenate([u, acceleration - u * (u @ acceleration)])

    def _acceleration(self, z: np.ndarray, u: np.ndarray) -> np.ndarray:
        """−J⁺ A(u, u), with small singular values damped: −Σ σ/(σ² + λ²) v (wᵀ A)."""
        h = self.options.difference
        here, ahead, behind = self._at(z), self._at(z + h * u), self._at(z - h * u)
        bend = (ahead - behind) @ u / (2.0 * h)
        left, values, right = np.linalg.svd(here, full_matrices=False)
        damping = (self.options.floor * values[0]) ** 2
        if values[0] == 0.0:
            return np.zeros_like(u)
        return -right.T @ (values / (values**2 + damping) * (left.T @ bend))

    def _at(self, z: np.ndarray) -> np.ndarray:
        self.n_evaluations += 1
        if self.n_evaluations > self.options.budget:
            raise _OutOfBudget
        jacobian = self.jacobian(z)
        if jacobian is None or not np.isfinite(jacobian).all():
            raise _NoDerivatives
        return jacobian

    def _row(self, s: float, z: np.ndarray, u: np.ndarray, before: _Row | None = None) -> _Row:
        jacobian = self._at(z)
        left, values, right = np.linalg.svd(jacobian, full_matrices=False)
        share = right @ u
        speed = float(np.linalg.norm(values * share))
        # small errors of the direction times large singular values are no motion of the predictions
        velocity = left @ np.where(share**2 > _CLEAR, values * share, 0.0)
        distance = 0.0
        if before is not None:
            distance = before.distance + 0.5 * (s - before.s) * (speed + before.speed)
        seen = share[values > self.options.negligible]
        return _Row(
            s=s,
            z=z.copy(),
            u=u.copy(),
            velocity=velocity,
            speed=speed,
            distance=distance,
            smallest=_share(values, len(z)),
            noise=self.options.floor * float(values[0]),
            seen=float(seen @ seen),
        )

    def _crossed(self, before: np.ndarray, z: np.ndarray) -> float | None:
        """The share of a step after which a bound is met."""
        shares = []
        for bound, sign in ((self.lower, -1.0), (self.upper, 1.0)):
            if bound is not None:
                over = sign * (z - bound) > 0
                shares += list((bound[over] - before[over]) / (z[over] - before[over]))
        return max(min(shares), 0.0) if shares else None

    def _turns_back(self, before: _Row, row: _Row) -> bool:
        """Whether the predictions go the other way: on a geodesic their direction is continuous, but at a
        fold."""
        sizes = np.linalg.norm(before.velocity), np.linalg.norm(row.velocity)
        is_clear = min(sizes) > 10.0 * max(before.noise, row.noise)
        return bool(is_clear and before.velocity @ row.velocity < -0.5 * sizes[0] * sizes[1])

    def _fold(self, solver: RK45, before: _Row) -> _Row:
        """The point of the last step at which the predictions turn, by bisection."""
        path, low, high, row = solver.dense_output(), before.s, solver.t, before
        for _ in range(20):
            middle = 0.5 * (low + high)
            z, u = np.split(path(middle), 2)
            row = self._row(middle, z, u / np.linalg.norm(u), before)
            low, high = (middle, high) if before.velocity @ row.velocity > 0 else (low, middle)
        return row

    def _settled(self, rows: list[_Row]) -> bool:
        """Whether the rest of the way changes neither the direction nor the predictions.

        The speed itself would not do: it has the error of the direction times the largest singular value.
        """
        now = rows[-1]
        back = next((r for r in reversed(rows) if now.s - r.s >= _WINDOW), None)
        if back is None or now.speed > max(1.1 * back.speed, 10.0 * now.noise):
            return False  # a plateau that is being left is no boundary
        return now.seen < _UNSEEN and bool(np.linalg.norm(now.u - back.u) < _TURN)

    def _geodesic(self, end: End, rows: list[_Row], z: np.ndarray, u: np.ndarray) -> Geodesic:
        rows = rows or [_Row(0.0, z, u, np.zeros(0), math.nan, 0.0, math.nan, math.nan, math.nan)]
        return Geodesic(
            end=end,
            length=np.array([r.s for r in rows]),
            points=np.array([r.z for r in rows]),
            directions=np.array([r.u for r in rows]),
            speed=np.array([r.speed for r in rows]),
            distance=np.array([r.distance for r in rows]),
            smallest=np.array([r.smallest for r in rows]),
            n_evaluations=self.n_evaluations,
        )


@dataclass(frozen=True)
class _Row:
    """One step. velocity : of the predictions, by the singular directions in which the path clearly goes;
    noise : what the accuracy of the derivatives leaves of one that is not seen; seen : the share of the
    squared direction along which predictions still change."""

    s: float
    z: np.ndarray
    u: np.ndarray
    velocity: np.ndarray
    speed: float
    distance: float
    smallest: float
    noise: float
    seen: float


# the direction has settled when it turns less than this (length of the difference) over that much of the way
_TURN, _WINDOW = 0.01, 3.0
# ... and leads nowhere when no more than this share of its square changes predictions
_UNSEEN = 1e-4
# least share of the squared direction that a singular direction has in which the path clearly goes
_CLEAR = 1e-2


def _share(values: np.ndarray, k: int) -> float:
    smallest = values[-1] if len(values) == k else 0.0
    return float(smallest / values[0]) if values[0] > 0 else 0.0
