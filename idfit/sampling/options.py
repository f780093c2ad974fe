"""How a posterior is sampled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from idfit.errors import InputError

Sampler = Literal["metropolis", "tempering", "emcee", "nuts", "dynesty"]
#: samplers by name, and what each is
SAMPLERS: dict[Sampler, str] = {
    "metropolis": "adaptive Metropolis with proposals from the Fisher information",
    "tempering": "the same in a ladder of temperatures, for several modes",
    "emcee": "ensembles of walkers",
    "nuts": "No-U-Turn sampler",
    "dynesty": "nested sampling, which also gives the evidence",
}


#: least and largest value of each number
LIMITS: dict[str, tuple[float, float]] = {
    "ensembles": (4, 1000),
    "walkers": (4, 10_000),
    "rungs": (2, 100),
    "ess": (1.0, 1e7),
    "rhat": (1.0, 2.0),
    "max_evaluations": (1000, 10**12),
    "max_draws": (100, 10**7),
}


@dataclass(frozen=True)
class SampleOptions:
    """How long and how widely a posterior is sampled.

    sampler : one of `SAMPLERS`; ensembles : independent superchains, at least 4; walkers : of each ensemble
    (emcee; 4 per parameter if None); rungs : temperatures of a ladder (tempering); ess : effective sample
    size asked of every parameter, in the bulk, and a quarter of it in the tails; rhat : largest nested R-hat;
    max_evaluations : budget over all superchains, after which an unconverged chain is left as it is;
    max_draws : draws kept, by thinning.
    """

    sampler: Sampler = "metropolis"
    ensembles: int = 4
    walkers: int | None = None
    rungs: int = 8
    ess: float = 4400.0
    rhat: float = 1.01
    max_evaluations: int = 1_000_000
    max_draws: int = 40_000

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise InputError(f"sampler {self.sampler!r} is not known; there are {', '.join(SAMPLERS)}")
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise InputError(f"{name} = {value} was given; it lies between {low:,g} and {high:,g}")
