"""The next measurement: what was offered, what it would tell, and what simulations made of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.reporting.reading.access import attribute, axis_names, group, numbers, texts
from idfit.reporting.reading.identifiability import Axis
from idfit.results import SideStatus, Status

_FINITE = tuple(int(s) for s in SideStatus if s.finite)


@dataclass(frozen=True)
class Offer:
    """A measurement that could be made; `offered` says that its observable or condition is a new one."""

    number: int
    observable: str
    condition: str
    time: float
    last_time: float
    n_readings: int
    sigma: float
    unit: str
    transform: str
    offered: bool
    gain: float
    score: float
    rank: int

    @property
    def is_course(self) -> bool:
        return self.last_time > self.time


@dataclass(frozen=True)
class TargetSide:
    """One side of a target's interval that the design is to limit.

    truths : positions of the points that may be true; telling, needed : (truth, candidate) and (truth,), what
    each candidate tells there and what it takes.
    """

    target: int
    side: int
    truths: list[int]
    telling: np.ndarray
    needed: np.ndarray

    @property
    def word(self) -> str:
        return ("lower", "upper")[self.side]

    def ratio(self) -> np.ndarray:
        """(truth, candidate): 1 where the side just gets a limit."""
        return self.telling / self.needed[:, None]


@dataclass(frozen=True)
class Design:
    """All that is known of the next measurement.

    interval : (target, bound) now; side_status : how it ends; true_value, share_closed, median : by truth;
    simulated, closed : (truth, simulation, target, bound); status : (truth, simulation).
    """

    method: str
    criterion: str
    replicates: int
    n_simulations: int
    prob: float
    offers: list[Offer]
    targets: list[Axis]
    truths: list[str]
    truth_of: list[str]
    chosen: list[int]
    chosen_score: np.ndarray
    repeated_score: np.ndarray
    interval: np.ndarray
    side_status: np.ndarray
    sides: list[TargetSide]
    error_before: np.ndarray
    error_after: np.ndarray
    determined_before: np.ndarray
    determined_after: np.ndarray
    true_value: np.ndarray
    share_closed: np.ndarray
    median: np.ndarray
    simulated: np.ndarray
    closed: np.ndarray
    status: np.ndarray

    @property
    def has_check(self) -> bool:
        return bool(np.isfinite(self.share_closed).any())

    @property
    def usable(self) -> np.ndarray:
        """(truth, simulation) refits that succeeded."""
        return np.isin(self.status, [int(s) for s in Status if s.usable])

    def truths_for(self, target: int) -> list[int]:
        """The best fit, and what lies on the target's own profile."""
        own = ("", self.targets[target].name)
        return [i for i, of in enumerate(self.truth_of) if of in own]


def read_design(study: xr.DataTree | xr.Dataset) -> Design | None:
    ds = group(study, "design")
    if ds is None or not ds.sizes.get("candidate"):
        return None
    status = numbers(ds, "simulated_status", ("truth", "simulation"), Status.NOT_REACHED)
    sides = numbers(
        ds, "simulated_side_status", ("truth", "simulation", "target", "ci_bound"), SideStatus.NOT_REACHED
    )
    targets = [
        Axis(*row)
        for row in zip(
            axis_names(ds, "target"),
            texts(ds, "unit", "target"),
            texts(ds, "target_scale", "target"),
            strict=True,
        )
    ]
    truth_of = texts(ds, "truth_of", "truth")
    return Design(
        method=attribute(ds, "method"),
        criterion=attribute(ds, "criterion"),
        replicates=int(ds.attrs.get("replicates", 1)),
        n_simulations=int(ds.attrs.get("n_simulations", 0)),
        prob=float(ds.attrs.get("ci_prob", np.nan)),
        offers=_offers(ds),
        targets=targets,
        truths=axis_names(ds, "truth"),
        truth_of=truth_of,
        chosen=[int(c) for c in numbers(ds, "chosen_candidate", ("chosen",))],
        chosen_score=numbers(ds, "chosen_score", ("chosen",)),
        repeated_score=numbers(ds, "repeated_score", ("chosen",)),
        interval=numbers(ds, "interval", ("target", "ci_bound")),
        side_status=numbers(ds, "side_status", ("target", "ci_bound"), SideStatus.NOT_REACHED),
        # by information no side was aimed at in particular
        sides=_sides(ds, targets, truth_of) if attribute(ds, "method") == "valley" else [],
        error_before=numbers(ds, "error_before", ("target",)),
        error_after=numbers(ds, "error_after", ("target", "candidate")),
        determined_before=numbers(ds, "determined_before", ("target",), 0).astype(bool),
        determined_after=numbers(ds, "determined_after", ("target", "candidate"), 0).astype(bool),
        true_value=numbers(ds, "true_value", ("truth", "target")),
        share_closed=numbers(ds, "share_closed", ("truth", "target", "ci_bound")),
        median=numbers(ds, "median_interval", ("truth", "target", "ci_bound")),
        simulated=numbers(ds, "simulated_interval", ("truth", "simulation", "target", "ci_bound")),
        closed=np.isin(sides, _FINITE),
        status=status,
    )


def _offers(ds: xr.Dataset) -> list[Offer]:
    c = ("candidate",)
    columns = [
        texts(ds, "observable", "candidate"), texts(ds, "condition", "candidate"),
        *(numbers(ds, name, c).tolist() for name in ("time", "last_time", "n_readings", "sigma")),
        texts(ds, "observable_unit", "candidate"), texts(ds, "observable_transform", "candidate"),
        *(numbers(ds, name, c, 0).tolist() for name in ("offered", "gain", "score", "rank")),
    ]  # fmt: skip
    return [
        Offer(i, o, where, t, last, int(n), sd, unit, transform, bool(new), gain, score, int(rank))
        for i, (o, where, t, last, n, sd, unit, transform, new, gain, score, rank) in enumerate(
            zip(*columns, strict=True)
        )
    ]


def _sides(ds: xr.Dataset, targets: list[Axis], truth_of: list[str]) -> list[TargetSide]:
    gains = numbers(ds, "valley_gain", ("target", "ci_bound", "truth", "candidate"))
    needed = numbers(ds, "valley_needed", ("target", "ci_bound", "truth"))
    aimed = numbers(ds, "aimed_at", ("target", "ci_bound"), 0).astype(bool)
    found = []
    for i, s in np.argwhere(aimed):
        own = [k for k, of in enumerate(truth_of) if of in ("", targets[i].name)]
        found.append(TargetSide(int(i), int(s), own, gains[i, s, own], needed[i, s, own]))
    return found
