"""A study in other parameters: maps and proof; and limits of the model that were taken."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from idfit.reporting.reading.access import attribute, axis_names, group, numbers, scalar, texts
from idfit.results import Status


@dataclass(frozen=True)
class OldParameter:
    """An old parameter: what it is in the new ones, and what their profiles say of it.

    rise : largest rise of the objective along its old profile, NaN without one; intervals : (ci_prob, bound).
    """

    name: str
    back: str
    held_at: float
    moving: bool
    rise: float
    intervals: np.ndarray
    says: str

    @property
    def is_changed(self) -> bool:
        return self.back != self.name or np.isfinite(self.held_at)


@dataclass(frozen=True)
class NewParameter:
    """A parameter of the new problem as a formula of the old ones."""

    name: str
    forward: str
    rise: float

    @property
    def is_changed(self) -> bool:
        return self.forward != self.name


@dataclass(frozen=True)
class Change:
    """Old and new parameters with the proof. Differences are those of the points that could be simulated."""

    old: list[OldParameter]
    new: list[NewParameter]
    rank: int
    n_unknowns: int
    full_rank: bool
    same_predictions: bool
    same_nllh: bool
    prediction_difference: np.ndarray
    nllh_difference: np.ndarray
    probs: np.ndarray
    attrs: dict[str, object] = field(default_factory=dict)

    @property
    def sentences(self) -> list[str]:
        return [line for line in str(self.attrs.get("sentences", "")).split("\n") if line]


def read_change(study: xr.DataTree | xr.Dataset) -> Change | None:
    ds = group(study, "reparameterization")
    if ds is None or not ds.sizes.get("old"):
        return None
    good = numbers(ds, "status", ("point",), int(Status.OK)) == int(Status.OK)
    differences = [numbers(ds, f"{what}_difference", ("point",))[good] for what in ("prediction", "nllh")]
    rank, n = (scalar(ds, name) for name in ("rank", "n_unknowns"))
    return Change(
        old=_old(ds),
        new=_new(ds),
        rank=int(np.nan_to_num(rank, nan=-1)),
        n_unknowns=int(np.nan_to_num(n)),
        full_rank=scalar(ds, "full_rank") == 1,
        same_predictions=scalar(ds, "same_predictions") == 1,
        same_nllh=scalar(ds, "same_nllh") == 1,
        prediction_difference=differences[0][np.isfinite(differences[0])],
        nllh_difference=differences[1][np.isfinite(differences[1])],
        probs=numbers(ds, "ci_prob", ("ci_prob",)),
        attrs={str(key): value for key, value in ds.attrs.items()},
    )


def _old(ds: xr.Dataset) -> list[OldParameter]:
    names = axis_names(ds, "old")
    back, says = texts(ds, "back", "old"), texts(ds, "old_says", "old")
    held, rise = numbers(ds, "held_at", ("old",)), numbers(ds, "rise_before", ("old",))
    moving = numbers(ds, "moving", ("old",), 0).astype(bool)
    intervals = numbers(ds, "old_interval", ("old", "ci_prob", "ci_bound"))
    return [
        OldParameter(name, back[i], float(held[i]), bool(moving[i]), float(rise[i]), intervals[i], says[i])
        for i, name in enumerate(names)
    ]


def _new(ds: xr.Dataset) -> list[NewParameter]:
    columns = axis_names(ds, "new"), texts(ds, "forward", "new"), numbers(ds, "rise_after", ("new",)).tolist()
    return [NewParameter(name, forward, rise) for name, forward, rise in zip(*columns, strict=True)]


@dataclass(frozen=True)
class ReductionStep:
    """One limit of the model: what it is, how it was made, and the fit of what it leaves."""

    limit: str
    evidence: str
    how: str
    exact: bool
    accepted: bool
    n_parameters: int
    nllh: float
    rise: float
    threshold: float
    aic: float
    model: str


@dataclass(frozen=True)
class ReductionSteps:
    """The given model first; the last step may be one that was not accepted."""

    steps: list[ReductionStep]
    ended: str

    @property
    def smallest(self) -> ReductionStep:
        return [step for step in self.steps if step.accepted][-1]


def read_reduction(study: xr.DataTree | xr.Dataset) -> ReductionSteps | None:
    ds = group(study, "reduction")
    if ds is None or not ds.sizes.get("step"):
        return None
    limit, evidence, how, model = (texts(ds, name, "step") for name in ("limit", "evidence", "how", "model"))
    nllh, rise, threshold, aic = (
        numbers(ds, name, ("step",)).tolist() for name in ("nllh", "rise", "threshold", "aic")
    )
    exact, accepted = (numbers(ds, name, ("step",), 1).tolist() for name in ("exact", "accepted"))
    n = numbers(ds, "n_parameters", ("step",), -1).astype(int).tolist()
    columns = (limit, evidence, how, exact, accepted, n, nllh, rise, threshold, aic, model)
    return ReductionSteps([ReductionStep(*row) for row in zip(*columns, strict=True)], attribute(ds, "ended"))
