"""Intervals of the old parameters from those of the new ones, where they follow exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sympy

from idfit.expressions import evaluate, names_in, to_text
from idfit.reparameterization.bounds import has_one_sign
from idfit.reparameterization.maps import Reparameterization
from idfit.results import dataset

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class OldInterval:
    """limits : ci_prob -> confidence limits on the natural scale, (-inf, inf) where the data leave the
    parameter open and NaN where they do not follow; says : why, in a sentence."""

    limits: Mapping[float, tuple[float, float]]
    says: str


def old_intervals(maps: Reparameterization, profiles: xr.Dataset) -> dict[str, OldInterval]:
    """Interval of each old parameter, copies counted one by one, from profiles of the new problem.

    Those of parameters that stay are the same; a formula of one new parameter that rises or falls throughout
    maps its limits. What no data determine is open, whatever the value at which it is held.
    """
    natural = profiles["interval"].sel(space="natural")
    limits = {
        str(name): {
            float(p): _pair(natural.sel(profiled=name, ci_prob=p)) for p in profiles["ci_prob"].values
        }
        for name in profiles["profiled"].values
    }
    levels = [float(p) for p in profiles["ci_prob"].values]
    result = {}
    for u in maps.unknowns:
        for tag, copy in zip(u.tags or ("",), u.copies, strict=True):
            result[copy] = _interval(maps, u.name, tag, copy, limits, levels)
    return result


def _pair(limits: xr.DataArray) -> tuple[float, float]:
    return float(limits.sel(ci_bound="lower")), float(limits.sel(ci_bound="upper"))


def _interval(
    maps: Reparameterization,
    name: str,
    tag: str,
    copy: str,
    limits: Mapping[str, Mapping[float, tuple[float, float]]],
    levels: list[float],
) -> OldInterval:
    if name in maps.moving:
        acting = [new for new, formula in maps.forward.items() if name in names_in(formula)]
        through = f"it acts through {', '.join(acting)} only" if acting else "nothing measured depends on it"
        return OldInterval(dict.fromkeys(levels, (-math.inf, math.inf)), f"open: {through}")
    formula = maps.back.get(name, sympy.Symbol(copy))
    nothing = dict.fromkeys(levels, (math.nan, math.nan))
    used = sorted(names_in(formula))
    if len(used) != 1:
        text = (
            f"{name} = {to_text(formula)} depends on several new parameters: profile it as a function of them"
        )
        return OldInterval(nothing, text)
    new = f"{used[0]}[{tag}]" if used[0] in maps.copies else used[0]
    if new not in limits:
        return OldInterval(nothing, f"{new} has not been profiled")
    if name not in maps.back:
        return OldInterval(limits[new], "unchanged: the parameter stayed as it was")
    mapped = {p: _mapped(formula, used[0], ends) for p, ends in limits[new].items()}
    if any(m is None for m in mapped.values()):
        return OldInterval(
            nothing, f"{to_text(formula)} neither rises nor falls throughout the interval of {new}"
        )
    return OldInterval(
        {p: m for p, m in mapped.items() if m}, f"from the limits of {new} by {to_text(formula)}"
    )


def _mapped(formula: sympy.Expr, name: str, ends: tuple[float, float]) -> tuple[float, float] | None:
    """Limits of a formula of one parameter between the parameter's limits, if it is monotone there."""
    if math.isnan(ends[0]) or math.isnan(ends[1]):
        return ends
    finite = (max(ends[0], -1e100), min(ends[1], 1e100))
    if not has_one_sign(formula.diff(sympy.Symbol(name)), {name: finite}):
        return None
    values = [evaluate(formula, {name: end}) for end in ends]
    return min(values), max(values)


def with_profiles(
    proof: xr.Dataset, maps: Reparameterization, after: xr.Dataset, before: xr.Dataset | None = None
) -> xr.Dataset:
    """The proof with what profiles show: how far the objective rises along them before and after, and what
    those of the new parameters say of the old ones. Of copies the least rise counts."""
    mapped = maps.map_back(after)
    levels = [float(p) for p in after["ci_prob"].values]
    old = [maps.unknown[str(name)] for name in proof["old"].values]
    intervals = np.array([[mapped[u.copies[0]].limits[p] for p in levels] for u in old]).reshape(
        len(old), -1, 2
    )
    variables = {str(n): v.values for n, v in proof.data_vars.items() if not str(n).endswith("_label")}
    variables |= {
        "rise_after": _rises(after, [str(n) for n in proof["new"].values]),
        "old_says": [mapped[u.copies[0]].says for u in old],
        "old_interval": intervals,
    }
    if before is not None:
        variables["rise_before"] = _rises(before, [u.name for u in old])
    coords = {"new": proof["new"].values, "old": proof["old"].values, "ci_prob": levels}
    return dataset("reparameterization", variables, coords, proof.attrs)


def _rises(profiles: xr.Dataset, names: list[str]) -> np.ndarray:
    """How far the objective rises along the profile of each parameter, on the side where it rises more."""
    rise = dict(
        zip(
            (str(n) for n in profiles["profiled"].values),
            profiles["rise"].max("ci_bound").values,
            strict=True,
        )
    )
    own = [[r for k, r in rise.items() if k == name or k.startswith(f"{name}[")] for name in names]
    return np.array([min(rises, default=math.nan) for rises in own])
