"""The valleys of all targets: where they end, what may be true, and what sets of candidates tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.errors import InputError, RunError
from idfit.prediction.exchange import Scores
from idfit.prediction.local_information import Local
from idfit.prediction.targets import Target
from idfit.prediction.valley import End, Telling, Truth, ends_of, telling, threshold_of, truths_of
from idfit.results import Status

# a truth that has moved nearer to an end needs less; never less than this share of the threshold
_LEAST_NEEDED = 0.1


@dataclass(frozen=True)
class Valley:
    """Ends of the targets' profiles, points that may be true, and what candidates tell them apart by."""

    truths: list[Truth]
    ends: dict[tuple[int, int], End]
    tellings: dict[tuple[int, int], Telling]

    @property
    def any_open(self) -> bool:
        return any(end.is_open for end in self.ends.values())

    @property
    def aimed_at(self) -> list[tuple[int, int]]:
        """The open sides; all of them where none is open."""
        return [key for key, end in self.ends.items() if end.is_open or not self.any_open]

    def scores(self, replicates: int) -> Scores:
        """Mean over sides and truths of gain/(gain + needed): a half where the side just ends."""
        tellings = [self.tellings[key] for key in self.aimed_at]

        def scores(chosen: list[int]) -> np.ndarray:
            parts = []
            for t in tellings:
                if t.status is Status.OK:
                    gain = t.gains(chosen, replicates)
                    parts.append(gain / (gain + t.needed[:, None]))
            if not parts:
                raise RunError("the predictions cannot be evaluated at any end of the valley")
            share = np.concatenate(parts)
            return share[~np.isnan(share).all(axis=1)].mean(axis=0)

        return scores


def valley_of(local: Local, profiles: xr.Dataset, targets: list[Target]) -> Valley:
    known = [str(n) for n in profiles["profiled"].values]
    if missing := [t.name for t in targets if t.name not in known]:
        raise InputError(f"the profiles are of {', '.join(known)}; profile {', '.join(missing)} too")
    ends = {(i, s): end for i, t in enumerate(targets) for s, end in enumerate(ends_of(profiles, t.name))}
    is_open = [t.name for i, t in enumerate(targets) if ends[i, 0].is_open or ends[i, 1].is_open]
    truths = [local.truth, *truths_of(profiles, is_open)]
    threshold = threshold_of(profiles)
    at_truths = [local.objective(local.wider.theta(t.theta), 0) for t in truths]
    fine = [k for k, ev in enumerate(at_truths) if ev.status is Status.OK]
    truths, at_truths = [truths[k] for k in fine], [at_truths[k] for k in fine]
    rises = np.array([t.rise for t in truths])
    tellings = {}
    for (i, s), end in ends.items():
        # a closed side has its threshold already; to move it in costs as much again
        missing_rise = threshold + rises - (end.rise if end.is_open else 0.0)
        needed = np.maximum(missing_rise, _LEAST_NEEDED * threshold)
        held = local.gradient(targets[i], end.theta)
        own = [
            ev if t.target in ("", targets[i].name) else None for t, ev in zip(truths, at_truths, strict=True)
        ]
        tellings[i, s] = telling(
            local.wider, local.objective, local.beside, local.evaluation.sigma, own, end, held, needed
        )
    return Valley(truths, ends, tellings)
