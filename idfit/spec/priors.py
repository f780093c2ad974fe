"""Prior densities as texts: ``normal(mean, sd)``; ``on estimation`` behind it means the scaled parameter."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from idfit.expressions import ExpressionError
from idfit.spec.findings import clipped, did_you_mean, is_plain_number

PriorKind = Literal[
    "normal",
    "log-normal",
    "uniform",
    "log-uniform",
    "laplace",
    "log-laplace",
    "gamma",
    "inverse-gamma",
    "cauchy",
    "chi-square",
    "exponential",
    "rayleigh",
]

PRIOR_ARGUMENTS: dict[PriorKind, tuple[str, ...]] = {
    "normal": ("mean", "sd"),
    "log-normal": ("mu", "sigma"),
    "uniform": ("lower", "upper"),
    "log-uniform": ("lower", "upper"),
    "laplace": ("location", "scale"),
    "log-laplace": ("mu", "scale"),
    "gamma": ("shape", "scale"),
    "inverse-gamma": ("shape", "scale"),
    "cauchy": ("location", "scale"),
    "chi-square": ("dof",),
    "exponential": ("scale",),
    "rayleigh": ("scale",),
}
"""Names of the arguments. All logarithms are natural: `mu` and `sigma` are of ln(p)."""

_FREE = {"mean", "mu", "location", "lower", "upper"}  # arguments that may have any sign
_ON_REAL_LINE = {"normal", "laplace", "cauchy"}
_PRIOR = re.compile(r"\s*([A-Za-z][A-Za-z-]*)\s*\(([^()]*)\)\s*(?:on\s+(\S+)\s*)?")


@dataclass(frozen=True)
class Prior:
    """A density of a parameter: `kind` with its arguments `a` and `b` (0 where there is only one).

    `on` says of what: the ``natural`` parameter, or its value on the ``estimation`` scale.
    """

    kind: PriorKind
    a: float
    b: float = 0.0
    on: Literal["natural", "estimation"] = "natural"

    @property
    def support(self) -> tuple[float, float]:
        """Where the density is positive, on the scale that `on` names."""
        if self.kind in ("uniform", "log-uniform"):
            return self.a, self.b
        return (-math.inf if self.kind in _ON_REAL_LINE else 0.0), math.inf

    def __str__(self) -> str:
        arguments = [self.a, self.b][: len(PRIOR_ARGUMENTS[self.kind])]
        density = f"{self.kind}({', '.join(f'{value:.17g}' for value in arguments)})"
        return density if self.on == "natural" else f"{density} on estimation"


def parse_prior(text: str) -> Prior:
    """Read the text of a prior; raises `ExpressionError` with the column of what is wrong."""
    match = _PRIOR.fullmatch(text) if len(text) <= 200 else None
    if not match:
        raise ExpressionError(
            1, clipped(text), "is not a prior", "write it as normal(0, 1) or log-normal(-2, 1)", "P14"
        )
    name, inside, on = match.groups()
    kind: PriorKind | None = next((k for k in PRIOR_ARGUMENTS if k == name), None)
    if kind is None:
        remedy = did_you_mean(name, PRIOR_ARGUMENTS, f"there are {', '.join(PRIOR_ARGUMENTS)}")
        raise ExpressionError(match.start(1) + 1, name, "is not a prior density", remedy, "P14")
    if on not in (None, "natural", "estimation"):
        raise ExpressionError(
            match.start(3) + 1, on, "is not a scale", "write 'on natural' or 'on estimation'", "P14"
        )
    values = _arguments(kind, inside, match.start(2) + 1)
    return Prior(kind, values[0], values[1] if len(values) > 1 else 0.0, on or "natural")


def _arguments(kind: PriorKind, inside: str, column: int) -> list[float]:
    names = PRIOR_ARGUMENTS[kind]
    texts = [part.strip() for part in inside.split(",")]
    form = f"{kind}({', '.join(names)})"
    if len(texts) != len(names):
        raise ExpressionError(
            column, f"{kind}({inside.strip()})", f"has {len(texts)} arguments", f"write {form}", "P14"
        )
    values = []
    for name, text in zip(names, texts, strict=True):
        value = float(text) if is_plain_number(text) else math.nan
        if not math.isfinite(value):
            raise ExpressionError(
                column, clipped(text), f"is not a finite number (the {name} of {form})", "", "P14"
            )
        if name not in _FREE and value <= 0:
            raise ExpressionError(column, text, f"the {name} of {form} must be positive", "", "P14")
        values.append(value)
    if kind in ("uniform", "log-uniform") and not values[0] < values[1]:
        raise ExpressionError(
            column, inside.strip(), f"the lower end of {form} must be below the upper", "", "P14"
        )
    if kind == "log-uniform" and values[0] <= 0:
        raise ExpressionError(column, texts[0], f"the lower end of {form} must be positive", "", "P14")
    return values
