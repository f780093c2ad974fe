"""What a new measurement tells along a valley that profiles have found, where local information is blind.

A side of a profile that is open ends in a point θ_e that fits nearly as well as the best fit although it lies
far away. If θ_t is true, a new measurement m with noise σ tells the two apart by

    spread = ½ ((m(θ_t) − m(θ_e))/σ)²,
    gain   = ½ δᵀ (I + J C Jᵀ)⁻¹ δ,     δ = (m(θ_t) − m(θ_e))/σ,   J = ∇m(θ_e)/σ,

C the covariance of the other parameters at θ_e with the target held: gain is what is left of the spread when
the others have made up for the measurement as far as data, priors and bounds let them (to first order). The
side closes once the objective at θ_e lies above the least one by the threshold.

Sources: Raue et al. 2009, doi:10.1093/bioinformatics/btp358 (measure where the trajectories along a profile
differ); Steiert, Raue, Timmer & Kreutz 2012, doi:10.1371/journal.pone.0040052.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.fisher.expansion import root_at
from idfit.prediction.candidates import Wider
from idfit.prediction.criteria import inverse_root
from idfit.problem import Evaluation, Objective
from idfit.results import SideStatus, Status

#: where in a confidence set the truth may lie, beside the best fit: shares of the way from its lower end
WITHIN = (1 / 3, 2 / 3)
# a point that lies above the threshold by less than this share of it lies on it
_AT_THRESHOLD = 1e-5
# what rises beyond this share of the threshold on a side that is flat until a partner meets its bound is due
# to that bound, which new data do not bring
_FLAT_SHARE = 0.1


@dataclass(frozen=True)
class End:
    """The outermost point of one side of a target's profile that still fits.

    theta : (parameter,) of the narrower problem; rise : of the objective above the best fit; value : of the
    target, on the scale of its profile.
    """

    theta: np.ndarray
    rise: float
    value: float
    status: SideStatus

    @property
    def is_open(self) -> bool:
        return not self.status.finite


@dataclass(frozen=True)
class Truth:
    """A point that is taken to be true, and by how much the objective lies above the best fit there.

    target : whose profile it lies on; "" for the best fit. What other targets' ends differ by from it is not
    theirs alone, so it says nothing about them.
    """

    label: str
    theta: np.ndarray
    rise: float
    target: str = ""


def threshold_of(profiles: xr.Dataset) -> float:
    """The rise at the limits of the level that verdicts are of."""
    return float(profiles["threshold"].values[-1])


def path_inside(profiles: xr.Dataset, target: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (step,), parameters (step, parameter) and rises (step,) of the part of the path that fits.

    It is the piece around the best fit: further pieces of a confidence set are left out, and so is what only
    the bound of another parameter makes rise.
    """
    own = profiles.sel(profiled=target)
    start = int(own["start_step"])
    rise = own["objective"].values - float(own["objective"].values[start])
    rests = own["side_status"].values[-1] == int(SideStatus.PARTNER_BOUND)
    limit = threshold_of(profiles) * np.where(rests, _FLAT_SHARE, 1.0 + _AT_THRESHOLD)
    low = high = start
    while low > 0 and rise[low - 1] <= limit[0]:
        low -= 1
    while high + 1 < len(rise) and rise[high + 1] <= limit[1]:
        high += 1
    piece = slice(low, high + 1)
    return own["value"].values[piece], own["theta"].values[piece], rise[piece]


def ends_of(profiles: xr.Dataset, target: str) -> tuple[End, End]:
    """Both ends of a target's profile, the lower one first."""
    value, theta, rise = path_inside(profiles, target)
    status = profiles["side_status"].sel(profiled=target).values[-1]
    return (
        End(theta[0], float(rise[0]), float(value[0]), SideStatus(int(status[0]))),
        End(theta[-1], float(rise[-1]), float(value[-1]), SideStatus(int(status[1]))),
    )


def truths_of(profiles: xr.Dataset, targets: list[str]) -> list[Truth]:
    """Points within the confidence sets of the targets: the truth is not known, only that it fits."""
    found = []
    for target in targets:
        value, theta, rise = path_inside(profiles, target)
        for share in WITHIN:
            at = int(np.argmin(np.abs(value - (value[0] + share * (value[-1] - value[0])))))
            found.append(
                Truth(f"{target} at {share:.0%} of its interval", theta[at], float(rise[at]), target)
            )
    return found


@dataclass(frozen=True)
class Telling:
    """What candidates tell one end of a valley from each truth.

    blocks : (candidate, row, direction + truth), triangular factors of [G δ] with G = J S, C = S Sᵀ; the rows
    of several are the set of them. needed : (truth,) gain from which on the side ends; asked : (truth,) which
    truths it is about; single : (truth, candidate) gains of one candidate by refits, NaN without. An end that
    cannot be evaluated has no blocks, and its fate is `status`.
    """

    blocks: np.ndarray
    needed: np.ndarray
    asked: np.ndarray
    single: np.ndarray
    status: Status

    def spread(self) -> np.ndarray:
        """(truth, candidate)"""
        return self._of_asked(0.5 * np.sum(self.blocks[:, :, -len(self.asked) :] ** 2, axis=1))

    def gains(self, chosen: list[int], replicates: int) -> np.ndarray:
        """Gain (truth, candidate) of the set with each candidate added; not below that of any one of them.

        The least of ½‖δ − G x‖² + ½‖x‖² over x, by least squares: products GᵀG would lose what is small
        beside the directions that an end far away is sensitive to.
        """
        n, _, width = self.blocks.shape
        q = width - len(self.asked)
        fixed = np.concatenate([np.eye(q, width), *(math.sqrt(replicates) * self.blocks[i] for i in chosen)])
        fixed = np.asarray(np.linalg.qr(fixed, mode="r"))
        stacked = np.concatenate(
            [np.broadcast_to(fixed, (n, *fixed.shape)), math.sqrt(replicates) * self.blocks], axis=1
        )
        left = np.asarray(np.linalg.qr(stacked, mode="r"))[:, q:, q:]
        linear = self._of_asked(0.5 * np.sum(left**2, axis=1))
        members = np.fmax.reduce(self.single[:, chosen], axis=1, initial=0.0)[:, None]
        # one measurement alone: the refit knows better than the line, in either direction
        alone = linear if chosen else np.where(np.isnan(self.single), linear, self.single)
        return np.fmax(np.fmax(alone, members), self.single) + 0.0 * linear

    def _of_asked(self, values: np.ndarray) -> np.ndarray:
        return np.where(self.asked[:, None], values.T, math.nan)


def telling(
    wider: Wider,
    objective: Objective,
    prior_root: np.ndarray,
    sigma: np.ndarray,
    at_truths: list[Evaluation | None],
    end: End,
    held: np.ndarray,
    needed: np.ndarray,
) -> Telling:
    """What each candidate tells the end from the truths; NaN for those that are None.

    objective : of the wider problem; prior_root : (row, parameter) what is known beside its data; sigma :
    (row,) noise; held : (parameter,) gradient of the target at the end, all of the wider problem.
    """
    at_end = objective(wider.theta(end.theta), 1)
    asked = np.array([ev is not None for ev in at_truths])
    n, width = len(wider.candidates), len(held) - 1 + len(asked)
    unknown = np.full((len(asked), n), math.nan)
    if at_end.status is not Status.OK or at_end.prediction_jacobian is None:
        return Telling(np.full((n, 1, width), math.nan), needed, asked, unknown, at_end.status)
    free = np.linalg.qr(held[:, None], mode="complete")[0][:, 1:]
    n_rows, n_data = len(sigma), wider.rows[0].start
    root = root_at(objective, at_end)
    known = np.concatenate([root[:n_data], root[n_rows : n_rows + n_data], prior_root])
    seen = (at_end.prediction_jacobian / sigma[:, None]) @ free @ inverse_root(known @ free)
    moved = [np.zeros(n_rows) if ev is None else difference(ev, at_end) / sigma for ev in at_truths]
    both = np.concatenate([seen, np.transpose(moved)], axis=1)
    blocks = np.zeros((n, width, width))
    for i, rows in enumerate(wider.rows):
        block = np.linalg.qr(both[rows], mode="r")
        blocks[i, : len(block)] = block
    return Telling(blocks, needed, asked, unknown, Status.OK)


def difference(a: Evaluation, b: Evaluation) -> np.ndarray:
    """Difference (row,) of two predictions on the noise scale: what was measured cancels out."""
    return a.residual * a.sigma - b.residual * b.sigma
