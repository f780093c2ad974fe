"""Sums of states that the dynamics conserve, Σ_i c_i x_i(t) = const, found from the equations in use."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import qr

from idfit.model import CompiledModel
from idfit.numerics.arguments import Z_SEGMENT, Z_STATES
from idfit.problem.resolution import Resolution, Simulation

# singular values below this fraction of the largest count as 0
_RANK_TOLERANCE = 1e-9
_SEED = 20231


@dataclass(frozen=True)
class Laws:
    """sums : (law, state); states : the positions whose equations they stand for (all of them internal)."""

    sums: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    states: tuple[int, ...] = ()


NO_LAWS = Laws()


def conservation(compiled: CompiledModel, resolution: Resolution, simulation: Simulation) -> Laws:
    """The conserved sums of one simulation: the left null space of f(x, p) over random states and parameters.

    Numbers that the condition gives stay what they are, as a rate that is switched off there conserves more.
    Events are not regarded, as their jumps need not conserve anything; with them there are no laws.
    """
    n = len(compiled.states)
    if n == 0 or resolution.model.events:
        return NO_LAWS
    rng = np.random.default_rng(_SEED)
    rates = _random_rates(compiled, resolution, simulation, rng, 2 * n + 8)
    if len(rates) < n + 2:
        return NO_LAWS
    size = np.abs(rates).max(axis=0)
    scale = np.where(size > 0, size, 1.0)
    _, singular, right = np.linalg.svd(rates / scale)
    rank = int((singular > _RANK_TOLERANCE * singular[0]).sum()) if singular[0] > 0 else 0
    sums = right[rank:] / scale
    if not len(sums):
        return NO_LAWS
    # reduced to as few states as elimination gives: a law then stands for the state in its pivot column
    pivots = np.asarray(qr(sums, pivoting=True, mode="r")[-1])[: len(sums)]
    sums = np.linalg.solve(sums[:, pivots], sums)
    sums[np.abs(sums) < _RANK_TOLERANCE] = 0.0
    return Laws(sums, tuple(int(i) for i in pivots))


def _random_rates(
    compiled: CompiledModel,
    resolution: Resolution,
    simulation: Simulation,
    rng: np.random.Generator,
    count: int,
) -> np.ndarray:
    """f (point, state) at random points, those with a finite value."""
    n, n_formal = len(compiled.states), len(compiled.formal)
    size = Z_STATES + 2 * n + n_formal + 2 * len(compiled.inputs) + len(compiled.switch_jacobian.pointer) - 1
    outer = [resolution.outer[o] for o in resolution.maps[simulation.maps[-1]]]
    z = np.zeros((count, size))
    z[:, Z_SEGMENT] = -1e300 if simulation.steady else 1e300
    z[:, Z_STATES : Z_STATES + n] = rng.uniform(0.5, 2.0, (count, n))
    for j, value in enumerate(outer):
        z[:, Z_STATES + n + j] = float(value) if value.is_number else rng.uniform(0.5, 2.0, count)
    n_switches = len(compiled.switch_jacobian.pointer) - 1
    if n_switches:
        z[:, size - n_switches :] = rng.choice([-1.0, 1.0], (count, n_switches))
    rates = compiled.evaluate("rhs", z, n)
    return rates[np.isfinite(rates).all(axis=1)]
