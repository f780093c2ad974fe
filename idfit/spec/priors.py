"""Prior densities as texts: ``normal(mean, sd)``. ``on estimation`` behind it means the scaled parameter,
``within bounds`` the density that is left, and normalised again, between the parameter's bounds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

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
_PRIOR = re.compile(r"\s*([A-Za-z][A-Za-z-]*)\s*\(([^()]*)\)\s*(?:on\s+(\S+)\s*)?(within\s+bounds\s*)?")


@dataclass(frozen=True)
class Prior:
    """A density of a parameter: `kind` with its arguments `a` and `b` (0 where there is only one).

    `on` says of what: the ``natural`` parameter, or its value on the ``estimation`` scale. With
    `within_bounds` the density is divided by its probability between the bounds of the parameter, which lie
    on the scale that `on` names.
    """

    kind: PriorKind
    a: float
    b: float = 0.0
    on: Literal["natural", "estimation"] = "natural"
    within_bounds: bool = False

    @property
    def support(self) -> tuple[float, float]:
        """Where the density is positive, on the scale that `on` names."""
        if self.kind in ("uniform", "log-uniform"):
            return self.a, self.b
        return (-math.inf if self.kind in _ON_REAL_LINE else 0.0), math.inf

    def __str__(self) -> str:
        arguments = [self.a, self.b][: len(PRIOR_ARGUMENTS[self.kind])]
        density = f"{self.kind}({', '.join(f'{value:.17g}' for value in arguments)})"
        density += " on estimation" if self.on == "estimation" else ""
        return density + (" within bounds" if self.within_bounds else "")

    def log_probability(self, low: float, high: float) -> float:
        """ln of the probability between two values; -inf where there is none, or less than doubles hold."""
        distribution, logarithmic = _distribution(self)
        if logarithmic:
            low, high = (math.log(v) if v > 0 else -math.inf for v in (low, high))
        if low > distribution.median():  # differences of the small numbers, not of those near 1
            inside = distribution.sf(low) - distribution.sf(high)
        else:
            inside = distribution.cdf(high) - distribution.cdf(low)
        return math.log(inside) if inside > 0 else -math.inf

    def quantile(self, u: np.ndarray, low: float = -math.inf, high: float = math.inf) -> np.ndarray:
        """Values with the fraction `u` of the probability below them; of that between `low` and `high`, and
        moved between these, if the prior is one within bounds."""
        return self.quantile_function(low, high)(u)

    def quantile_function(self, low: float = -math.inf, high: float = math.inf) -> Callable[[Any], Any]:
        """`quantile` as a function of u alone, quicker where it is asked many times."""
        distribution, logarithmic = _distribution(self)
        first, last = (
            (math.log(v) if v > 0 else -math.inf for v in (low, high)) if logarithmic else (low, high)
        )
        from_above = self.within_bounds and first > distribution.median()
        probability = distribution.sf if from_above else distribution.cdf
        inverse = distribution.isf if from_above else distribution.ppf
        at, span = 0.0, 1.0
        if self.within_bounds:
            at, span = probability(first), probability(last) - probability(first)

        def quantile(u: Any) -> Any:
            values = inverse(at + u * span)
            with np.errstate(over="ignore"):
                values = np.exp(values) if logarithmic else values
            return np.clip(values, low, high) if self.within_bounds else values

        return quantile

    def tail(self, probability: float, *, upper: bool = False) -> float:
        """The value with the given probability below it, or above it."""
        distribution, logarithmic = _distribution(self)
        value = float(distribution.isf(probability) if upper else distribution.ppf(probability))
        return math.exp(value) if logarithmic and value < 700 else value if not logarithmic else math.inf


def _distribution(prior: Prior) -> tuple[Any, bool]:
    """The prior as a distribution of scipy (which takes long to load, and few priors need it), and whether
    it is that of the logarithm."""
    from scipy import stats

    a, b = prior.a, prior.b
    match prior.kind:
        case "normal" | "log-normal":
            return stats.norm(a, b), prior.kind == "log-normal"
        case "laplace" | "log-laplace":
            return stats.laplace(a, b), prior.kind == "log-laplace"
        case "uniform":
            return stats.uniform(a, b - a), False
        case "log-uniform":
            return stats.uniform(math.log(a), math.log(b) - math.log(a)), True
        case "gamma":
            return stats.gamma(a, scale=b), False
        case "inverse-gamma":
            return stats.invgamma(a, scale=b), False
        case "cauchy":
            return stats.cauchy(a, b), False
        case "chi-square":
            return stats.chi2(a), False
        case "exponential":
            return stats.expon(scale=a), False
        case "rayleigh":
            return stats.rayleigh(scale=a), False


def parse_prior(text: str) -> Prior:
    """Read the text of a prior; raises `ExpressionError` with the column of what is wrong."""
    match = _PRIOR.fullmatch(text) if len(text) <= 200 else None
    if not match:
        raise ExpressionError(
            1, clipped(text), "is not a prior", "write it as normal(0, 1) or log-normal(-2, 1)", "P14"
        )
    name, inside, on, within = match.groups()
    kind: PriorKind | None = next((k for k in PRIOR_ARGUMENTS if k == name), None)
    if kind is None:
        remedy = did_you_mean(name, PRIOR_ARGUMENTS, f"there are {', '.join(PRIOR_ARGUMENTS)}")
        raise ExpressionError(match.start(1) + 1, name, "is not a prior density", remedy, "P14")
    if on not in (None, "natural", "estimation"):
        raise ExpressionError(
            match.start(3) + 1, on, "is not a scale", "write 'on natural' or 'on estimation'", "P14"
        )
    values = _arguments(kind, inside, match.start(2) + 1)
    b = values[1] if len(values) > 1 else 0.0
    return Prior(kind, values[0], b, on or "natural", within_bounds=within is not None)


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
