"""The samplers as kernels with one face: begin a superchain, and carry it on by a block of steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from idfit.errors import InputError
from idfit.sampling.density import Density
from idfit.sampling.ensemble import advance_ensemble, n_walkers_of
from idfit.sampling.modes import Modes
from idfit.sampling.options import SampleOptions
from idfit.sampling.positions import spread_positions
from idfit.sampling.tempering import advance as advance_ladder
from idfit.sampling.tempering import begin as begin_ladder
from idfit.sampling.tempering import pooled as pooled_ladders

State = dict[str, np.ndarray]


class Kernel(Protocol):
    """How one superchain is carried on. A kernel holds settings only; what changes is the state.

    warm_up : steps of the first block that adapts the kernel, 0 if it needs none; rounds : blocks of warm-up
    at most, each twice as long as the one before.
    """

    @property
    def warm_up(self) -> int: ...

    @property
    def rounds(self) -> int: ...

    def begin(self, density: Density, around: np.ndarray, rng: np.random.Generator) -> State:
        """The state of a superchain that begins about the points around (anchor, parameter); a single chain,
        or the coldest of a ladder, about the first."""
        ...

    def advance(
        self, density: Density, state: State, n_steps: int, rng: np.random.Generator, adapting: bool
    ) -> dict[str, Any]:
        """Carry on by `n_steps`: theta (step, walker, parameter), lp (step, walker), `n_accepted` (walker,),
        `n_evaluations`, and the new state, its names behind ``state_``."""
        ...

    def pooled(self, states: list[State]) -> list[State]:
        """The states of all superchains between two blocks of warm-up, each with what it learns of others."""
        ...


@dataclass(frozen=True)
class EnsembleKernel:
    """Walkers of one ensemble; None: as many as suit the number of parameters."""

    walkers: int | None
    warm_up: int = 0
    rounds: int = 0

    def begin(self, density: Density, around: np.ndarray, rng: np.random.Generator) -> State:
        n_parameters = len(density.objective.parameters)
        n = self.walkers or n_walkers_of(n_parameters)
        if n < 2 * n_parameters or n % 2:
            raise InputError(
                f"walkers = {n} was given; an ensemble of {n_parameters} parameters needs an even number, at "
                f"least {2 * n_parameters}"
            )
        return {"theta": spread_positions(density, around, n, rng)}

    def advance(
        self, density: Density, state: State, n_steps: int, rng: np.random.Generator, adapting: bool
    ) -> dict[str, Any]:
        return advance_ensemble(density, state, n_steps, rng)

    def pooled(self, states: list[State]) -> list[State]:
        return states


@dataclass(frozen=True)
class LadderKernel:
    """Chains at `rungs` temperatures that exchange positions; one rung is adaptive Metropolis.

    modes : between which all chains can jump, if there are several.
    """

    rungs: int
    modes: Modes | None = None
    warm_up: int = 1000
    rounds: int = 6

    def begin(self, density: Density, around: np.ndarray, rng: np.random.Generator) -> State:
        coldest = spread_positions(density, around[:1], 1, rng)
        others = spread_positions(density, around, self.rungs - 1, rng)
        guides = self.modes.mixture if self.modes is not None and len(self.modes) > 1 else None
        return state_of(begin_ladder(density, np.concatenate([coldest, others]), guides=guides))

    def advance(
        self, density: Density, state: State, n_steps: int, rng: np.random.Generator, adapting: bool
    ) -> dict[str, Any]:
        made = advance_ladder(density, _stored(state), n_steps, rng, adapting)
        with np.errstate(invalid="ignore"):
            rate = made["swap_accepted"] / np.maximum(made["swap_proposed"], 1)
        return {name: value for name, value in made.items() if name.startswith("state_")} | {
            "theta": made["theta"][:, None],
            "lp": made["lp"][:, None],
            "n_accepted": np.array([made["n_accepted"]]),
            "n_evaluations": made["n_evaluations"],
            "beta": made["beta"],
            "swap_rate": np.append(rate, np.nan),
        }

    def pooled(self, states: list[State]) -> list[State]:
        return [state_of(s) for s in pooled_ladders([_stored(state) for state in states])]


@dataclass(frozen=True)
class NutsKernel:
    """One chain of the No-U-Turn sampler; its warm-up is one block."""

    warm_up: int = 500
    rounds: int = 1

    def begin(self, density: Density, around: np.ndarray, rng: np.random.Generator) -> State:
        return {"begin": spread_positions(density, around[:1], 1, rng)[0]}

    def advance(
        self, density: Density, state: State, n_steps: int, rng: np.random.Generator, adapting: bool
    ) -> dict[str, Any]:
        from idfit.sampling.nuts import run_chain

        seed = int(rng.integers(2**63))
        before = None if adapting else _stored(state) | {"step_size": state["step_size"]}
        n_warm_up, n_draws = (n_steps, 1) if adapting else (0, n_steps)
        made = run_chain(density, state["begin"], n_warm_up, n_draws, seed, before)
        return {name: value for name, value in made.items() if name.startswith("state_")} | {
            "state_begin": state["begin"],
            "state_step_size": np.asarray(made["step_size"]),
            "theta": np.asarray(made["theta"])[:, None],
            "lp": np.asarray(made["lp"])[:, None],
            "n_accepted": np.array([made["acceptance"] * n_steps]),
            "n_evaluations": made["n_evaluations"],
            "n_divergent": made["n_divergent"],
        }

    def pooled(self, states: list[State]) -> list[State]:
        return states


def kernel_of(options: SampleOptions, modes: Modes | None = None) -> Kernel:
    """The kernel of the sampler that the options name; modes : that are known before."""
    match options.sampler:
        case "emcee":
            return EnsembleKernel(options.walkers)
        case "metropolis":
            return LadderKernel(1, modes)
        case "tempering":
            return LadderKernel(options.rungs, modes)
        case "nuts":
            return NutsKernel()
    raise InputError(f"sampler {options.sampler!r} is not one that goes on step by step")


def state_of(values: Mapping[str, Any]) -> State:
    """What a block left behind, to go on from."""
    return {name[6:]: np.asarray(value) for name, value in values.items() if name.startswith("state_")}


def _stored(state: State) -> dict[str, Any]:
    return {f"state_{name}": value for name, value in state.items()}
