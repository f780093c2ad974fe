"""Tables of the next measurement: the candidates by rank, and the simulated intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.reporting.reading.design import read_design


@dataclass(frozen=True)
class CandidateRow:
    """A measurement that could be made; telling : the most that it tells an open side, in units of what is
    needed there; closes : for how many of the sides and points that may be true that is enough."""

    rank: int
    observable: str
    condition: str
    time: float
    last_time: float
    n_readings: int
    sigma: float
    unit: str
    offered: bool
    score: float
    gain: float
    telling: float
    closes: int
    asked: int
    chosen: int


@dataclass(frozen=True)
class SimulatedRow:
    """The limits of a target with one set of simulated new data."""

    truth: str
    true_value: float
    simulation: int
    target: str
    lower: float
    upper: float
    lower_closed: bool
    upper_closed: bool
    usable: bool


def candidate_table(study: xr.DataTree) -> list[CandidateRow]:
    """By rank."""
    design = read_design(study)
    if design is None:
        return []
    n = len(design.offers)
    ratios = np.concatenate([np.empty((0, n)), *(side.ratio() for side in design.sides)])
    known = np.isfinite(ratios)
    most = np.max(np.where(known, ratios, -np.inf), axis=0, initial=-np.inf)
    return [
        CandidateRow(
            rank=offer.rank + 1,
            observable=offer.observable,
            condition=offer.condition,
            time=offer.time,
            last_time=offer.last_time,
            n_readings=offer.n_readings,
            sigma=offer.sigma,
            unit=offer.unit,
            offered=offer.offered,
            score=offer.score,
            gain=offer.gain,
            telling=float(most[offer.number]) if np.isfinite(most[offer.number]) else float("nan"),
            closes=int((known[:, offer.number] & (ratios[:, offer.number] >= 1.0)).sum()),
            asked=int(known[:, offer.number].sum()),
            chosen=design.chosen.count(offer.number),
        )
        for offer in sorted(design.offers, key=lambda o: o.rank)
    ]


def simulated_table(study: xr.DataTree) -> list[SimulatedRow]:
    design = read_design(study)
    if design is None or not design.has_check:
        return []
    return [
        SimulatedRow(
            truth,
            float(design.true_value[t, i]),
            k,
            target.name,
            lower=float(design.simulated[t, k, i, 0]),
            upper=float(design.simulated[t, k, i, 1]),
            lower_closed=bool(design.closed[t, k, i, 0]),
            upper_closed=bool(design.closed[t, k, i, 1]),
            usable=bool(design.usable[t, k]),
        )
        for t, truth in enumerate(design.truths)
        for k in range(design.simulated.shape[1])
        for i, target in enumerate(design.targets)
    ]
