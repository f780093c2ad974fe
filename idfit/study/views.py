"""Whether equations, information and profiles agree on what is open; if not, what the difference means.

The three ask different questions: what ideal data determine, what these data determine close to the best fit,
and what they determine at a distance. So a difference is no fault, but it has a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from idfit.expressions import ExpressionError, evaluate, names_in, parse
from idfit.numerics.scales import SCALES, natural
from idfit.results import Agreement, StructuralVerdict, Verdict

OPEN, DETERMINED, SILENT = 1, 0, -1
VIEWS = ("structure", "fisher", "profile")
#: share of a parameter in the null space above which the information leaves it open
NULL_SHARE = 0.1
#: sine of the angle between a direction and the surface on which a combination is constant
SAME_DIRECTION = 0.05


@dataclass(frozen=True)
class Evidence:
    """What the analyses of a study found; those that were not done are None."""

    fit: xr.Dataset
    fisher: xr.Dataset | None = None
    profiles: xr.Dataset | None = None
    structure: xr.Dataset | None = None
    combinations: xr.Dataset | None = None

    @property
    def names(self) -> list[str]:
        return [str(n) for n in self.fit["parameter"].values]

    @property
    def held(self) -> list[str]:
        """Parameters that take no part in the information, as they stand at a bound."""
        said = "" if self.fisher is None else str(self.fisher.attrs.get("held_at_bound", ""))
        return [name.strip() for name in said.split(",") if name.strip()]

    def structural(self, name: str) -> int:
        if self.structure is None or name not in self.structure["quantity"].values:
            return SILENT
        at = self.structure["quantity"].values.tolist().index(name)
        code = StructuralVerdict(int(self.structure["verdict"].values[at]))
        return (
            OPEN
            if code is StructuralVerdict.NONIDENTIFIABLE
            else DETERMINED
            if code.is_identifiable
            else SILENT
        )

    def local(self, i: int) -> int:
        """By the information at the best fit."""
        if self.fisher is None or self.names[i] in self.held:
            return SILENT
        share = float(self.fisher["null_share"].values[i])
        return SILENT if np.isnan(share) else OPEN if share > NULL_SHARE else DETERMINED

    def profile(self, name: str) -> xr.Dataset | None:
        if self.profiles is None or name not in self.profiles["profiled"].values:
            return None
        return self.profiles.sel(profiled=name)

    def profiled(self, name: str) -> int:
        profile = self.profile(name)
        if profile is None:
            return SILENT
        verdict = Verdict(int(profile["verdict"]))
        return OPEN if verdict.is_open else DETERMINED if verdict.is_identifiable else SILENT

    def partners(self, name: str) -> list[str]:
        """Those that share a direction with the parameter, which no such data determine."""
        if self.structure is None or name not in self.structure["quantity"].values:
            return []
        names, kinds = (self.structure[v].values.tolist() for v in ("quantity", "kind"))
        rows = self.structure["involved"].values
        moving = np.flatnonzero(rows[rows[:, names.index(name)]].any(axis=0))
        return [names[j] for j in moving if kinds[j] == "parameter" and names[j] != name]

    def has_prior(self, names: list[str]) -> bool:
        if self.fisher is None:
            return False
        prior = np.diag(self.fisher["prior_information"].sel(space="estimation").values)
        return any(prior[self.names.index(name)] > 0.0 for name in names if name in self.names)


def views(found: Evidence) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Variables, coordinates and attributes that the group ``agreement`` has of them."""
    codes = np.array(
        [[found.structural(n), found.local(i), found.profiled(n)] for i, n in enumerate(found.names)]
    ).reshape(-1, len(VIEWS))
    judged = [_judged(found, name, *row) for name, row in zip(found.names, codes.tolist(), strict=True)]
    variables = {
        "open_by_view": codes.T,
        "views": [int(agreement) for agreement, _ in judged],
        "views_cause": [cause for _, cause in judged],
    }
    return variables, {"view": list(VIEWS)}, {"directions": directions(found)}


def _judged(
    found: Evidence, name: str, equations: int, information: int, profile: int
) -> tuple[Agreement, str]:
    known = {code for code in (equations, information, profile) if code != SILENT}
    if sum(code != SILENT for code in (equations, information, profile)) < 2:
        return Agreement.NOT_COMPARABLE, ""
    if len(known) == 1:
        return Agreement.AGREE, _other_partner(found, name) if equations == profile == OPEN else ""
    if equations == OPEN:
        cause = _bounded(found, name) if profile == DETERMINED else _held(found, name)
        return (
            Agreement.DISAGREE,
            cause or "unknown cause: the equations alone leave it open",
        )
    if profile == OPEN:
        if equations == SILENT:
            return Agreement.AGREE, "the data see it near the best fit, and not farther away"
        return (
            Agreement.AGREE,
            "practical: the equations would determine it, these data do not suffice",
        )
    if information == OPEN and profile == DETERMINED:
        return (
            Agreement.DISAGREE,
            "the information vanishes at the best fit only: farther away it rises",
        )
    return Agreement.AGREE, "the information leaves it open at the best fit; the equations would determine it"


def _bounded(found: Evidence, name: str) -> str:
    """Why a profile has limits although no data determine the parameter."""
    partners = found.partners(name)
    profile = found.profile(name)
    assert profile is not None
    if found.has_prior([name, *partners]):
        return "a prior gives it limits: the data alone would not"
    resting = [str(on) for on in profile["rests_on"].values.ravel() if on] if "rests_on" in profile else []
    if resting:
        return f"its limits rest on the search bounds of {', '.join(dict.fromkeys(resting))}"
    if Verdict(int(profile["verdict"])) is Verdict.AT_DOMAIN_BOUND:
        return "natural limits of it and of its partners give it an interval: the data alone would not"
    return ""


def _held(found: Evidence, name: str) -> str:
    """Why the information sees a parameter that no data determine."""
    held = [p for p in found.partners(name) if p in found.held]
    return f"{', '.join(held)} stands at a bound and cannot make up for it there" if held else ""


def _other_partner(found: Evidence, name: str) -> str:
    """A profile that follows another valley than that of the equations."""
    profile, own = found.profile(name), found.partners(name)
    first = "" if profile is None or not profile.sizes["rank"] else str(profile["partner"].values[0])
    if not own or not first or first in own:
        return ""
    return f"it moves most with {first}, along a practical valley beside that of the equations"


def directions(found: Evidence) -> str:
    """The null space of the information beside that of the equations, in a sentence; "" without both.

    Along a direction v that the information leaves open at the best fit, each combination c that the
    equations determine must stay constant: |∇c·v|/(|∇c||v|) on the estimation scale is below a twentieth.
    """
    if found.structure is None or found.fisher is None or int(found.structure["nullity"]) < 0:
        return ""
    equations = int(found.structure["nullity"])
    at = found.fisher.sel(space="estimation")
    vectors = at["eigenvector"].values[:, at["null"].values.astype(bool)]
    n = vectors.shape[1]
    if n == 0 and equations == 0:
        return "Neither the equations nor the information at the best fit leave a direction open."
    if n > equations:
        return (
            f"The information at the best fit leaves {n} directions open, the equations {equations}: the "
            "others are open for these data, or at this point, and not for all data of this kind."
        )
    if n < equations:
        why = f" ({', '.join(found.held)} held at a bound)" if found.held else ""
        return f"The equations leave {equations} directions open, the information at the best fit {n}{why}."
    change = _largest_change(found, vectors)
    if change is None:
        return f"The equations and the information at the best fit both leave {n} open."
    if change > SAME_DIRECTION:
        return (
            f"The equations and the information both leave {n} open, yet along those of the information a "
            f"combination that the equations determine changes (sine {change:.2g})."
        )
    return (
        f"The equations and the information at the best fit leave the same directions open ({n}): along them "
        "every combination that the equations determine stays as it is."
    )


def _largest_change(found: Evidence, vectors: np.ndarray) -> float | None:
    """Over the combinations, the largest sine between a direction and the surface of constant value."""
    if found.combinations is None or found.fisher is None:
        return None
    scale = [SCALES.index(str(s)) for s in found.fisher["scale"].values]
    point = [natural(code, float(t)) for code, t in zip(scale, found.fisher["theta"].values, strict=True)]
    values = {name: p[0] for name, p in zip(found.names, point, strict=True)}
    slopes = np.array([p[1] for p in point])
    largest: float | None = None
    for text in found.combinations["formula"].values.tolist():
        gradient = _gradient(text, values, found.names)
        if gradient is None or not (norm := float(np.linalg.norm(gradient * slopes))) > 0.0:
            continue
        sine = float(np.max(np.abs((gradient * slopes) @ vectors) / norm))
        largest = sine if largest is None else max(largest, sine)
    return largest


def _gradient(text: str, values: Mapping[str, float], names: list[str]) -> np.ndarray | None:
    """None for formulas of names that are not estimated, or without a value there."""
    try:
        formula = parse(text)
        if not names_in(formula) <= set(values):
            return None
        symbols = {str(s): s for s in formula.free_symbols}
        parts = [evaluate(formula.diff(symbols[n]), values) if n in symbols else 0.0 for n in names]
    except (ExpressionError, ZeroDivisionError, OverflowError, ValueError):
        return None
    gradient = np.array(parts, dtype=float)
    return gradient if np.isfinite(gradient).all() else None
