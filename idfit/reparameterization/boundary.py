"""Boundaries of a model: the limits at which the surface of its predictions ends.

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

from idfit.reparameterization.geodesic import (
    End,
    Geodesic,
    GeodesicOptions,
    follow,
    sloppy_directions,
)
from idfit.reparameterization.surface import Surface

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
