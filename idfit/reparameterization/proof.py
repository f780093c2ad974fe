"""Proof that a reparameterized problem is the same problem, and that nothing is undetermined any more.

Three checks, none of which uses how the new parameters were found: the local rank of the new equations (power
series modulo a prime), predictions of both problems at random points, and both likelihoods there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from idfit.errors import InputError
from idfit.expressions import to_text
from idfit.model import Model
from idfit.problem import Problem, simulate
from idfit.reparameterization.maps import Reparameterization
from idfit.reparameterization.trial import ATOL, RTOL, compared_models, difference, outcome
from idfit.results import Status, dataset
from idfit.structural.from_model import question_of_model
from idfit.structural.from_problem import question_of_problem
from idfit.structural.local import assess_locally
from idfit.structural.program import CannotDecideError

if TYPE_CHECKING:
    import xarray as xr

#: predictions agree where they differ by less than this share of the observable's largest value
SAME_PREDICTION = 1e-6
SAME_NLLH = 1e-8
_TRIES = 12  # points drawn for each that is wanted, as equations need not be solvable everywhere
_DECADES = 6  # below the upper bound, where a logarithmic parameter has the lower bound 0
_NEAR = 0.5  # random points lie so far from the nominal ones, as a share of the search range


def prove(
    old: Problem | Model,
    new: Problem | Model,
    maps: Reparameterization,
    *,
    known: Iterable[str] = (),
    n_points: int = 5,
    seed: int = 0,
) -> xr.Dataset:
    """Whether `new` is `old` in other parameters, and determines them: a dataset "reparameterization".

    `rank` of `n_unknowns` new unknowns are determined by the equations (-1 where the analysis cannot tell).
    At the nominal and at random points within the old bounds, ``prediction_difference`` compares the
    predictions (relative to the largest of the observable), ``nllh_difference`` the likelihoods (relative to
    1 + |nllh|). Models are simulated with random inputs and starts over a unit of time; `known` are names
    with known values, as for `find_combinations`.
    """
    if isinstance(old, Model) != isinstance(new, Model):
        raise InputError.of("a Model and a Problem", "cannot be compared", "give two of a kind")
    rank, n_unknowns = _rank(new, maps, known)
    if isinstance(old, Model) and isinstance(new, Model):
        points = compared_models(old, new, maps, n_points, seed)
    else:
        assert isinstance(old, Problem)
        assert isinstance(new, Problem)
        points = _compared_problems(old, new, maps, n_points, seed)
    columns = {key: [point[key] for point in points] for key in points[0]}
    same_nllh = [d for d in columns["nllh_difference"] if not np.isnan(d)]
    has_data = isinstance(old, Problem) and len(old.spec.measurements) > 0
    held = {g.name: g.value for g in maps.gauge}
    usable = [p for p in points if p["status"] == Status.OK]
    return dataset(
        "reparameterization",
        columns
        | {
            "forward": [to_text(maps.forward[n]) if n in maps.forward else n for n in _new_names(maps)],
            "back": [to_text(maps.back.get(u.name, sympy.Symbol(u.name))) for u in maps.unknowns],
            "held_at": [held.get(u.name, np.nan) for u in maps.unknowns],
            "moving": [u.name in maps.moving for u in maps.unknowns],
            "rank": rank,
            "n_unknowns": n_unknowns,
            "full_rank": rank == n_unknowns,
            "same_predictions": bool(usable)
            and all(p["prediction_difference"] < SAME_PREDICTION for p in usable),
            "same_nllh": not has_data or (bool(same_nllh) and max(same_nllh) < SAME_NLLH),
        },
        {"new": _new_names(maps), "old": [u.name for u in maps.unknowns]},
        {"seed": seed, "rtol": RTOL, "atol": ATOL},
    )


def _new_names(maps: Reparameterization) -> list[str]:
    return [*maps.kept, *maps.forward]


def _rank(new: Problem | Model, maps: Reparameterization, known: Iterable[str]) -> tuple[int, int]:
    """Rank of the new question and the number of its unknowns."""
    if isinstance(new, Model):
        held = [g.name for g in maps.gauge if g.name in new.parameters]
        still = [name for name in known if name in (*new.parameters, *new.states)]
        question = question_of_model(new, known=(*still, *held))
    else:
        question = question_of_problem(new)
    n = len(question.unknowns)
    try:
        return n - assess_locally(question).nullity, n
    except CannotDecideError:
        return -1, n


def _compared_problems(
    old: Problem, new: Problem, maps: Reparameterization, n_points: int, seed: int
) -> list[dict[str, Any]]:
    """The nominal point, then random ones; of those that cannot be simulated the last stands for itself."""
    space = old.parameters
    lowest = np.where(np.isfinite(space.lower_scaled), space.lower_scaled, space.upper_scaled - _DECADES)
    points = [_compared(old, new, maps, space.nominal_scaled)]
    for i in range(n_points - 1):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,)))
        found = points[0]
        for _ in range(_TRIES):
            drawn = rng.uniform(lowest, space.upper_scaled)
            found = _compared(old, new, maps, space.nominal_scaled + _NEAR * (drawn - space.nominal_scaled))
            if found["status"] == Status.OK:
                break
        points.append(found)
    return points


def _compared(old: Problem, new: Problem, maps: Reparameterization, theta: np.ndarray) -> dict[str, Any]:
    """Both problems at one point, theta on the old estimation scale."""
    space = old.parameters
    values = dict(zip(space.names, space.to_natural(theta), strict=True))
    mapped = maps.to_new(values)
    theta_new = new.parameters.to_scaled({name: mapped[name] for name in new.parameters.names})
    theta_new = np.clip(theta_new, new.parameters.lower_scaled, new.parameters.upper_scaled)
    if not len(old.spec.measurements):
        times = np.linspace(0.0, 1.0, 21) + max(s.t0 for s in old.resolution.simulations)
        curves = [
            simulate(p, t, rtol=RTOL, atol=ATOL, times=times) for p, t in ((old, theta), (new, theta_new))
        ]
        pair = [c["trajectory"].values.reshape(-1, len(times)) for c in curves]
        return outcome(difference(*pair), Status.OK)
    a, b = (p.objective(RTOL, ATOL)(t, 0) for p, t in ((old, theta), (new, theta_new)))
    if Status.OK not in (a.status, b.status) or a.status != b.status:
        return outcome(np.nan if a.status == b.status else np.inf, a.status or b.status)
    rows = {
        o: [i for i, n in enumerate(old.spec.measurements.observable) if n == o] for o in old.spec.observables
    }
    parts = [difference(a.prediction[i][None], b.prediction[i][None]) for i in rows.values() if i]
    return outcome(max(parts), Status.OK, a.nllh, b.nllh)
