"""Boundaries of a model: the surface that its predictions sweep out, and the limits at which it ends.

A geodesic along the least determined direction (`idfit.reparameterization.geodesic`) arrives where parameters
go to 0 or ∞, alone or together with a combination of them fixed, or where two become equal. Here its last
direction is turned into such a statement, with the evidence for it. Transtrum & Qiu, Phys Rev Lett 113 (2014)
098701; PLoS Comput Biol 12 (2016) e1004915.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from idfit.errors import InputError, RunError
from idfit.problem import Evaluation, Objective, Problem
from idfit.problem.objective import NO_STOP
from idfit.reparameterization.geodesic import (
    End,
    Geodesic,
    GeodesicOptions,
    follow,
    sloppy_directions,
)
from idfit.results import Status

# factors e that a positive parameter may travel beyond its bounds, which are mere ends of a search
_REACH = 90.0
# a parameter this close to a bound (relative to the width) stands on it
_ON_BOUND = 1e-6
# components of the last direction: zero below the first (of the largest), an integer ratio within the second
_STANDS, _INTEGER = 0.08, 0.08
_LARGEST_EXPONENT = 3
# of several parameters on their way those at least this fast (of the fastest) are looked at one by one
_FAST = 0.3
# two parameters are equal where a fold is found to this accuracy of their logarithms
_EQUAL = 0.05
# going on by this many factors e in a limit must change no prediction by more than that many sd
_BEYOND, _CHANGE = 5.0, 0.1

Kind = Literal["zero", "infinite", "together", "equal", "bound", "shift", "undetermined"]


@dataclass(frozen=True)
class Surface:
    """Predictions of a problem in units of their noise at the start, as a function of free coordinates z.

    z is ln p of a parameter that cannot be negative, ln(p/(1 − p)) of one on the logit scale, and p/unit of
    any other. Parameters of the noise alone are held, and so are those in `standing`, which stand on a bound
    of their meaning: that of a parameter on the linear scale. Bounds on logarithmic scales are mere ends of a
    search and do not count. Priors count as measurements that are linear in z.

    problem, objective : the same with wide bounds and no priors, its theta being `full`, (parameter,);
    free : positions of the coordinates in it; lower, upper, start : (coordinate,).
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    start: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    standing: Mapping[str, float]
    problem: Problem = field(repr=False)
    objective: Objective = field(repr=False)
    full: np.ndarray = field(repr=False)
    free: np.ndarray = field(repr=False)
    unit: np.ndarray = field(repr=False)
    sigma: np.ndarray = field(repr=False)
    prior: np.ndarray = field(repr=False)
    stop: np.ndarray = field(repr=False, default_factory=lambda: NO_STOP)

    @classmethod
    def of(
        cls,
        problem: Problem,
        theta: np.ndarray,
        *,
        rtol: float = 1e-10,
        atol: float = 1e-14,
        stop: np.ndarray = NO_STOP,
    ) -> Surface:
        """The surface around theta : (parameter,), estimation scale.

        stop : a flag that is nonzero when evaluations are to end. Errors: `RunError` where the problem cannot
        be evaluated at theta.
        """
        space = problem.parameters
        value = space.to_natural(theta)
        kinds = [_kind(space.scale[k], space.lower[k], value[k]) for k in range(len(space))]
        wide = _wide(problem, value, kinds)
        objective = wide.objective(rtol, atol)
        full = objective.parameters.to_scaled(value)
        here = _evaluated(objective, full)
        own = problem.objective(rtol, atol)(theta, 1)
        standing = {
            k: float(value[k])
            for k in range(len(space))
            if space.scale[k] == "lin" and _stands(problem, theta, k)
        }
        assert here.prediction_jacobian is not None
        seen = np.any(here.prediction_jacobian != 0, axis=0)
        free = np.array([k for k in range(len(space)) if seen[k] and k not in standing], dtype=np.int64)
        unit = np.array([_unit(problem, k, kinds[k], float(value[k])) for k in free])
        # theta' of the problem by z, with which the information of its priors is one of z
        slope = objective.parameters.slope(full)[free] * unit / space.slope(theta)[free]
        prior = np.zeros(len(free)) if own.prior_fim is None else np.diag(own.prior_fim)[free] * slope**2
        ends = np.array([_ends(problem, k, kinds[k]) for k in free]).reshape(-1, 2) / unit[:, None]
        return cls(
            names=tuple(space.names[k] for k in free),
            kinds=tuple(kinds[k] for k in free),
            start=full[free] / unit,
            lower=ends[:, 0],
            upper=ends[:, 1],
            standing={space.names[k]: v for k, v in standing.items()},
            problem=wide,
            objective=objective,
            full=full,
            free=free,
            unit=unit,
            sigma=here.sigma,
            prior=np.diag(np.sqrt(np.maximum(prior, 0.0))),
            stop=stop,
        )

    def jacobian(self, z: np.ndarray) -> np.ndarray | None:
        """Derivatives of the predictions and of the priors, (row, coordinate); None where there are none."""
        ev = self.objective(self._theta(z), 1, self.stop)
        if ev.prediction_jacobian is None:
            return None
        rows = ev.prediction_jacobian[np.isfinite(ev.residual)][:, self.free] * self.unit
        return np.concatenate([rows / self.sigma[np.isfinite(ev.residual), None], self.prior])

    def evaluate(self, z: np.ndarray) -> Evaluation:
        """Predictions and their noise at z."""
        return self.objective(self._theta(z), 0, self.stop)

    def values(self, z: np.ndarray) -> dict[str, float]:
        """Natural values of all parameters of the problem at z."""
        space = self.objective.parameters
        natural = space.to_natural(self._theta(z)).tolist()
        return dict(zip(space.names, natural, strict=True))

    def moved(self, z: np.ndarray, other: np.ndarray) -> float:
        """The largest change of a prediction between two points, in units of its noise; inf where there is
        none."""
        here, there = self.evaluate(z), self.evaluate(other)
        if here.status is not Status.OK or there.status is not Status.OK:
            return math.inf
        change = here.residual * here.sigma - there.residual * there.sigma
        return float(np.nanmax(np.abs(change / self.sigma)))

    def _theta(self, z: np.ndarray) -> np.ndarray:
        theta = self.full.copy()
        theta[self.free] = z * self.unit
        return theta


@dataclass(frozen=True)
class Limit:
    """What a boundary says: `names` go as ε^(−exponent) for ε → 0, so that positive exponents mean ∞.

    values : natural values of all parameters where it was found; sentence : it in words; evidence : why that
    is believed, or why nothing is; distance : in standard deviations of the data, from the start to there.
    """

    kind: Kind
    sentence: str
    evidence: str
    values: Mapping[str, float] = field(repr=False)
    names: tuple[str, ...] = ()
    exponents: tuple[int, ...] = ()
    distance: float = math.nan
    n_evaluations: int = 0


def find_limits(surface: Surface, number: int = 0, options: GeodesicOptions | None = None) -> list[Limit]:
    """The boundaries in both senses of one direction; 0 is the direction that the data determine least.

    A geodesic that says nothing gives a limit of the kind "undetermined", which says why.
    """
    jacobian = surface.jacobian(surface.start)
    if jacobian is None or number >= len(surface.names):
        return []
    direction = sloppy_directions(jacobian, number + 1)[number]
    return [
        recognise(
            surface,
            follow(surface.jacobian, surface.start, sense * direction, options, surface.lower, surface.upper),
        )
        for sense in (1.0, -1.0)
    ]


def recognise(surface: Surface, path: Geodesic) -> Limit:
    """The limit that a geodesic has arrived at."""
    values = surface.values(path.points[-1])
    common: dict[str, Any] = {
        "values": values,
        "distance": float(path.distance[-1]),
        "n_evaluations": path.n_evaluations,
    }
    if path.end is End.FOLD:
        return _fold(surface, path, common)
    if path.end is End.BOUND:
        return _at_bound(surface, path, common)
    exponents = snapped(path.directions[-1])
    found = None if exponents is None else _limit(surface, path, exponents, dict(common))
    if found is None or found.kind == "undetermined":
        return _single(surface, path, dict(common)) or found or _unnamed(surface, path, common)
    return found


def _unnamed(surface: Surface, path: Geodesic, common: dict[str, Any]) -> Limit:
    evidence = f"{path.end.sentence} {_components(surface, path.directions[-1])}"
    return Limit("undetermined", "no limit", evidence, **common)


def _single(surface: Surface, path: Geodesic, common: dict[str, Any]) -> Limit | None:
    """The fastest of several parameters on their way, if it alone has arrived: going on with it changes
    nothing."""
    u = path.directions[-1]
    for i in np.argsort(-np.abs(u), kind="stable"):
        if abs(u[i]) < _FAST * np.abs(u).max():
            return None
        exponents = np.zeros(len(u), dtype=int)
        exponents[i] = int(np.sign(u[i]))
        if surface.kinds[i] == "log" and not np.isfinite(surface.lower[i] if u[i] < 0 else surface.upper[i]):
            found = _limit(surface, path, exponents, dict(common))
            if found.kind != "undetermined":
                return found
    return None


def snapped(direction: np.ndarray) -> np.ndarray | None:
    """The smallest integers in the ratio of the components, (coordinate,), 0 for those that stand; or None.

    >>> snapped(np.array([0.5, -0.5, 0.001, 0.25])).tolist()
    [2, -2, 0, 1]
    """
    relative = direction / np.abs(direction).max()
    for scale in range(1, _LARGEST_EXPONENT + 1):
        found = np.rint(scale * relative)
        small = np.abs(relative) < _STANDS
        if np.all(np.abs(scale * relative - found)[~small] < _INTEGER) and np.all(found[~small] != 0):
            return np.where(small, 0, found).astype(int)
    return None


def _limit(surface: Surface, path: Geodesic, exponents: np.ndarray, common: dict[str, Any]) -> Limit:
    """A limit of coordinates that go to infinity in the ratio of `exponents`, checked by going on."""
    going = np.flatnonzero(exponents)
    names = tuple(surface.names[i] for i in going)
    step = _BEYOND * exponents / np.abs(exponents).max()
    change = surface.moved(path.points[-1], path.points[-1] + step)
    evidence = (
        f"{_components(surface, path.directions[-1])}; on the way predictions move by "
        f"{path.distance[-1]:.3g} sd, and by {change:.1g} sd at most over five more factors e"
    )
    ratio = tuple(int(e) for e in exponents[going])
    kinds = {surface.kinds[i] for i in going}
    if change > _CHANGE:
        return Limit("undetermined", "no limit", f"{path.end.sentence} {evidence}", **common)
    if kinds == {"log"}:
        kind: Kind = "together" if len(going) > 1 else ("infinite" if ratio[0] > 0 else "zero")
        return Limit(kind, sentence_of(names, ratio), evidence, names=names, exponents=ratio, **common)
    if kinds == {"logit"} and len(going) == 1:
        end = 1.0 if ratio[0] > 0 else 0.0
        common["values"] = {**common["values"], names[0]: end}
        return Limit("bound", f"{names[0]} -> {end:g}", evidence, names=names, **common)
    sentence = f"{', '.join(names)} shift together without end"
    return Limit("shift", sentence, evidence, names=names, exponents=ratio, **common)


def sentence_of(names: tuple[str, ...], exponents: tuple[int, ...]) -> str:
    """The limit in words.

    >>> sentence_of(("Vmax", "Km"), (1, 1))
    'Vmax -> infinity, Km -> infinity with Vmax/Km fixed'
    """
    where = ", ".join(f"{n} -> {'infinity' if e > 0 else '0'}" for n, e in zip(names, exponents, strict=True))
    if len(names) == 1:
        return where
    fixed = [fixed_text(n, e, names[-1], exponents[-1]) for n, e in zip(names, exponents, strict=True)][:-1]
    return f"{where} with {', '.join(fixed)} fixed"


def fixed_text(name: str, exponent: int, pivot: str, by: int) -> str:
    """The monomial of two parameters that stays finite while they go as ε^−exponent and ε^−by."""
    common = math.gcd(exponent, by)
    own, other = abs(by) // common, abs(exponent) // common
    raised = [n if p == 1 else f"{n}^{p}" for n, p in ((name, own), (pivot, other))]
    return ("/" if exponent * by > 0 else "*").join(raised)


def _fold(surface: Surface, path: Geodesic, common: dict[str, Any]) -> Limit:
    """A fold at which two positive parameters are equal and move against each other."""
    z, u = path.points[-1], path.directions[-1]
    exponents = snapped(u)
    text = f"{_components(surface, u)}; predictions turn back after {path.distance[-1]:.3g} sd"
    if exponents is not None and sorted(exponents[exponents != 0]) == [-1, 1]:
        i, j = np.flatnonzero(exponents)
        if surface.kinds[i] == surface.kinds[j] == "log" and abs(z[i] - z[j]) < _EQUAL:
            names = (surface.names[i], surface.names[j])
            return Limit("equal", f"{names[0]} = {names[1]}", text, names=names, **common)
    return Limit("undetermined", "a fold", f"{path.end.sentence} {text}", **common)


def _at_bound(surface: Surface, path: Geodesic, common: dict[str, Any]) -> Limit:
    z = path.points[-1]
    gap = np.minimum(z - surface.lower, surface.upper - z)
    i = int(np.argmin(gap))
    bound = float(
        surface.lower[i] if z[i] - surface.lower[i] <= surface.upper[i] - z[i] else surface.upper[i]
    )
    value = math.exp(bound) if surface.kinds[i] == "log" else bound * float(surface.unit[i])
    common["values"] = {**common["values"], surface.names[i]: value}
    return Limit(
        "bound",
        f"{surface.names[i]} = {value:g}, its bound",
        f"reached after predictions have moved by {path.distance[-1]:.3g} sd",
        names=(surface.names[i],),
        **common,
    )


def limits_where_it_stands(surface: Surface) -> list[Limit]:
    """Parameters that the fit has left on a bound of their meaning: holding them there costs nothing."""
    values = surface.values(surface.start)
    return [
        Limit(
            "bound", f"{name} = {value:g}, its bound", "the fit stands there", values, (name,), distance=0.0
        )
        for name, value in surface.standing.items()
    ]


def _components(surface: Surface, u: np.ndarray) -> str:
    """The last direction by its largest components."""
    order = [i for i in np.argsort(-np.abs(u), kind="stable") if abs(u[i]) > 0.02][:6]
    return "direction " + ", ".join(f"{surface.names[i]} {u[i]:+.3f}" for i in order)


def _evaluated(objective: Objective, theta: np.ndarray) -> Evaluation:
    ev = objective(theta, 1)
    if ev.status is not Status.OK:
        raise RunError(
            f"the model cannot be reduced from a point where it has no value: {ev.status.sentence}"
        )
    return ev


def _kind(scale: str, lower: float, value: float) -> str:
    if scale in ("log", "log10") or (scale == "lin" and lower >= 0.0 and value > 0.0):
        return "log"
    return scale


def _stands(problem: Problem, theta: np.ndarray, k: int) -> bool:
    space = problem.parameters
    lower, upper = space.lower_scaled[k], space.upper_scaled[k]
    near = _ON_BOUND * (upper - lower) if np.isfinite(upper - lower) else 0.0
    return bool(theta[k] <= lower + near or theta[k] >= upper - near)


def _ends(problem: Problem, k: int, kind: str) -> tuple[float, float]:
    """The bounds of a parameter that belong to its meaning, by ln p where it is positive."""
    space = problem.parameters
    if space.scale[k] != "lin":
        return -math.inf, math.inf
    lower, upper = float(space.lower[k]), float(space.upper[k])
    if kind == "lin":
        return lower, upper
    return (math.log(lower) if lower > 0 else -math.inf), math.log(upper)


def _unit(problem: Problem, k: int, kind: str, value: float) -> float:
    """What a coordinate counts in: a tenth of the width of finite bounds, else the size of the value."""
    if kind != "lin":
        return 1.0
    width = float(problem.parameters.upper[k] - problem.parameters.lower[k])
    return width / 10.0 if math.isfinite(width) else max(abs(value), 1.0)


def _wide(problem: Problem, value: np.ndarray, kinds: list[str]) -> Problem:
    """The problem without priors, positive parameters on the scale ln p and far beyond their bounds."""
    if not len(problem.spec.measurements):
        raise InputError.of("a problem without measurements", "has no limits to find", "give a data file")
    changes = {}
    for name, p, kind in zip(problem.parameters.names, value.tolist(), kinds, strict=True):
        changes[name] = {"value": p, "prior": None, "start": None}
        if kind == "log":
            changes[name] |= {
                "scale": "log",
                "min": max(p * math.exp(-_REACH), 1e-290),
                "max": min(p * math.exp(_REACH), 1e290),
            }
    return problem.with_parameters(changes)
