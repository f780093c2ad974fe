"""Sides of profiles put together as one labelled dataset, with limits, verdicts, partners and words."""

from __future__ import annotations

import numpy as np
import xarray as xr

from idfit.numerics.scales import SCALES, natural
from idfit.problem import Problem
from idfit.profiles.path import PRESSES
from idfit.profiles.side_task import Profiled
from idfit.profiles.slices import slice_limit
from idfit.profiles.start import BestFit, singular_below
from idfit.profiles.verdicts import (
    FLAT,
    MOST_PARTNERS,
    SideOfProfile,
    due_to_bounds,
    partners,
    regions,
    resting_on,
    valley,
    verdict_of,
)
from idfit.results import Status, Verdict, dataset

# the error of the objective itself is about this share of rtol times its size
_ERROR = 1e-2
_JUMPED = "the other parameters jump on the way: there is more than one good fit"


def collected(
    group: str,
    problem: Problem,
    best: BestFit,
    profiled: list[Profiled],
    sides: list[dict],
    levels: np.ndarray,
    thresholds: np.ndarray,
    attrs: dict,
) -> xr.Dataset:
    """The dataset of the sides (lower and upper of each in turn)."""
    flat = flat_below(best)
    pairs = [(sides[2 * i], sides[2 * i + 1]) for i in range(len(profiled))]
    variables = _paths(pairs, problem)
    entries = [
        _entry(problem, best, p, pair, levels, thresholds, flat, bool(attrs["still_better"]))
        for p, pair in zip(profiled, pairs, strict=True)
    ]
    most = max(len(pieces) for e in entries for pieces in e["pieces"])
    shape = (2, len(profiled), len(levels), most, 2)
    pieces = np.full(shape, np.nan)
    for i, entry in enumerate(entries):
        for j, found in enumerate(entry["pieces"]):
            for k, piece in enumerate(found):
                pieces[0, i, j, k] = piece
        pieces[1, i] = to_natural(profiled[i].scale, pieces[0, i])
    variables |= {name: np.stack([e[name] for e in entries], 1) for name in (
        "estimate", "interval", "searched", "slice_interval", "wald_interval")}  # fmt: skip
    variables |= {name: np.array([e[name] for e in entries]) for name in (
        "side_status", "rise", "n_regions", "verdict", "reason", "rests_on", "partner", "partner_shift",
        "valley",
    )}  # fmt: skip
    variables |= {
        "region_interval": pieces,
        "threshold": thresholds,
        "n_evaluations": np.array([[s["n_evaluations"] for s in pair] for pair in pairs], dtype=np.int64),
    }
    space = problem.parameters
    coords = {
        "profiled": [p.name for p in profiled],
        "kind": [p.kind for p in profiled],
        "unit": [p.unit for p in profiled],
        "profiled_scale": [p.scale for p in profiled],
        "parameter": list(space.names),
        "scale": list(space.scale),
        "parameter_unit": list(space.unit),
        "ci_prob": levels,
        "rank": np.arange(MOST_PARTNERS),
    }
    return dataset(group, variables, coords, attrs | {"flat_below": flat})


def flat_below(best: BestFit) -> float:
    """A rise that counts as none: small beside what data can tell, large beside the objective's error."""
    return max(FLAT, 10 * _ERROR * best.objective.rtol * abs(best.point.objective))


def to_natural(scale: str, values: np.ndarray) -> np.ndarray:
    """Values on the natural scale; infinities, which mean that there is no limit, stay what they are."""
    values = np.asarray(values, dtype=float)
    code = SCALES.index(scale)
    out = [v if not np.isfinite(v) else natural(code, v)[0] for v in values.ravel()]
    return np.array(out).reshape(values.shape)


def _paths(pairs: list[tuple[dict, dict]], problem: Problem) -> dict:
    """Points of both sides in rising order of the value, filled up to the longest profile."""
    lengths = [len(low["value"]) + len(high["value"]) - 1 for low, high in pairs]
    n, m, k = len(pairs), max(lengths), len(problem.parameters)
    out = {name: np.full((n, m), np.nan) for name in ("value", "objective", "nllh", "nlprior")}
    theta, status = np.full((n, m, k), np.nan), np.full((n, m), int(Status.NOT_REACHED), dtype=np.int8)
    jump = np.zeros((n, m), dtype=bool)
    for i, ((low, high), length) in enumerate(zip(pairs, lengths, strict=True)):
        for name, array in out.items():
            array[i, :length] = _joined(low[name], high[name])
        theta[i, :length] = _joined(low["theta"], high["theta"])
        status[i, :length] = _joined(low["point_status"], high["point_status"])
        # a jump lies between a point and the one before it in rising order
        below = np.roll(low["jump"][::-1], 1)
        jump[i, :length] = np.concatenate([below, high["jump"][1:]])
    space = problem.parameters
    with np.errstate(invalid="ignore"):
        on_bound = (theta <= space.lower_scaled) | (theta >= space.upper_scaled)
    return out | {
        "theta": theta,
        "status": status,
        "jump": jump,
        "on_bound": on_bound,
        "start_step": np.array([len(low["value"]) - 1 for low, _ in pairs], dtype=np.int64),
    }


def _joined(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.concatenate([low[::-1], high[1:]])


def _entry(
    problem: Problem,
    best: BestFit,
    p: Profiled,
    pair: tuple[dict, dict],
    levels: np.ndarray,
    thresholds: np.ndarray,
    flat: float,
    still_better: bool,
) -> dict:
    """All that is said about one profiled quantity."""
    lowest, names = p.start.objective, problem.parameters.names
    sides = (
        SideOfProfile(pair[0], -1, lowest, p.at_domain[0], _relief(pair[0], p.own), flat),
        SideOfProfile(pair[1], 1, lowest, p.at_domain[1], _relief(pair[1], p.own), flat),
    )
    limits = [
        (sides[0].limits(j, threshold), sides[1].limits(j, threshold))
        for j, threshold in enumerate(thresholds)
    ]
    verdict, reason = verdict_of(sides, limits[-1])
    jumped = any(side["jump"].any() for side in pair)
    resting = resting_on(sides, limits[-1], float(thresholds[-1]), names)
    texts = (reason, *due_to_bounds(limits[-1], resting), _JUMPED if jumped else "")
    reason = "; ".join(text for text in texts if text)
    if still_better:
        verdict = Verdict.UNDETERMINED
        reason = "better optima kept being found along the profiles; fit from more starts"
    theta, value = _joined(pair[0]["theta"], pair[1]["theta"]), _joined(pair[0]["value"], pair[1]["value"])
    objective = _joined(pair[0]["objective"], pair[1]["objective"])
    inside = objective - lowest <= thresholds[-1] * (1 + 1e-6)
    moving = partners(theta, inside, best.fim, p.own, singular_below(problem, best.objective.rtol))
    moving_names, shifts = [names[i] for i, _ in moving], [shift for _, shift in moving]
    interval = np.array([[side.limit for side in pair] for pair in limits])
    spread = np.sqrt(2.0 * thresholds)
    wald = p.start.value + np.outer(spread, [-1.0, 1.0]) * p.error
    natural_path = problem.parameters.to_natural(theta[inside])

    def both(array: np.ndarray) -> np.ndarray:
        return np.stack([array, to_natural(p.scale, array)])

    return {
        "estimate": both(np.array(p.start.value)),
        "interval": both(interval),
        "searched": both(np.array([pair[0]["value"][-1], pair[1]["value"][-1]])),
        "slice_interval": both(_slices(best, p, thresholds)),
        "wald_interval": both(wald),
        "side_status": np.array([[int(s.status) for s in pair] for pair in limits], dtype=np.int8),
        "rise": np.array([max(0.0, float(side.rises.max())) for side in sides]),
        "pieces": [regions(*pair) for pair in limits],
        "n_regions": np.array([len(regions(*pair)) for pair in limits], dtype=np.int64),
        "verdict": np.int8(verdict),
        "reason": reason,
        "rests_on": np.array(resting),
        "partner": np.array([*moving_names, *[""] * (MOST_PARTNERS - len(moving))]),
        "partner_shift": np.array([*shifts, *[np.nan] * (MOST_PARTNERS - len(moving))]),
        "valley": valley(
            p.name,
            to_natural(p.scale, value[inside]),
            natural_path,
            problem.parameters.names,
            moving,
            verdict.is_open,
        ),
    }


def _relief(side: dict, own: int) -> np.ndarray:
    """What the objective would gain without the search bounds that have come to press on the way from the
    best fit, (step, parameter)."""
    relief = np.where(side["relief"][0] > PRESSES, 0.0, side["relief"])
    if own >= 0:
        relief[:, own] = 0.0
    return relief


def _slices(best: BestFit, p: Profiled, thresholds: np.ndarray) -> np.ndarray:
    """Limits (level, side) with all others held."""
    if p.own < 0:
        return np.full((len(thresholds), 2), np.nan)
    return np.array([
        [
            slice_limit(
                best.objective, p.start.theta, p.own, d, p.limits[s], p.first, rise, p.at_domain[s]
            )
            for s, d in enumerate((-1, 1))
        ]
        for rise in thresholds
    ])  # fmt: skip
