"""The parameter table of a PEtab problem: bounds, scales, values and priors as `ParameterSpec`s."""

from __future__ import annotations

import math
from dataclasses import dataclass

from idfit.errors import Severity
from idfit.expressions import ExpressionError
from idfit.formats.petab_tables import Table
from idfit.spec.findings import clipped, did_you_mean, listed
from idfit.spec.priors import PRIOR_ARGUMENTS, Prior, PriorKind, parse_prior
from idfit.spec.schema import ParameterSpec, Scale

PRIORS_1: dict[str, PriorKind] = {
    "uniform": "uniform",
    "normal": "normal",
    "laplace": "laplace",
    "logNormal": "log-normal",
    "logLaplace": "log-laplace",
    "parameterScaleUniform": "uniform",
    "parameterScaleNormal": "normal",
    "parameterScaleLaplace": "laplace",
}
PRIORS_2: dict[str, PriorKind] = {
    "chisquare": "chi-square",
    **{str(kind): kind for kind in PRIOR_ARGUMENTS if kind not in ("chi-square", "inverse-gamma")},
}
SCALES: tuple[Scale, ...] = ("lin", "log", "log10")

WIDE = 1000.0
"""Bounds of version 2, which has no scales, that are so far apart belong to a parameter of unknown size."""
BEYOND = 1e-16
"""Probability of a prior that lies beyond the finite bounds that stand for infinite ones."""


def read_parameters(table: Table, version: int) -> dict[str, ParameterSpec]:
    """The parameters by id, in the order of the table; what is wrong with them is reported."""
    rows = table.identifiers("parameterId", version)
    read = {name: _Row(table, n, name, version).read() for name, n in rows.items()}
    if version == 2 and any(p.prior is not None and not p.fixed for p in read.values()):
        read = {name: _with_uniform_prior(p) for name, p in read.items()}
    return read


def _with_uniform_prior(parameter: ParameterSpec) -> ParameterSpec:
    """In version 2 the parameters without prior are uniform if others have one."""
    low, high = parameter.min, parameter.max
    if parameter.fixed or parameter.prior is not None or low is None or high is None or not low < high:
        return parameter
    return parameter.model_copy(update={"prior": str(Prior("uniform", low, high))})


@dataclass
class _Row:
    """One row; the bounds are narrowed to where the prior is positive, and their finite stand-ins."""

    table: Table
    n: int
    name: str
    version: int
    low: float | None = None
    high: float | None = None

    def say(
        self, given: str, rule: str, remedy: str = "", code: str = "", severity: Severity = "error"
    ) -> None:
        self.table.say(self.n, f"{self.name}: {given}", rule, remedy, code, severity)

    def read(self) -> ParameterSpec:
        estimated, scale = self.estimated(), self.scale()
        nominal = self.optional("nominalValue")
        if not estimated:
            if nominal is None and not self.table.word("nominalValue", self.n):
                rule = "is not estimated and has no nominalValue"
                self.say("estimate", rule, "give it one", "P09")
            return ParameterSpec(value=1.0 if nominal is None else nominal, fixed=True)
        self.low, self.high = self.bound("lowerBound"), self.bound("upperBound")
        if self.low is not None and self.high is not None and self.low > self.high:
            given = f"lowerBound = {self.low:g}, upperBound = {self.high:g}"
            self.say(given, "the lower bound is above the upper", "exchange them", "P03")
            self.low = self.high = None
        self.check_scale(scale, nominal)
        prior, start = self.priors(scale)
        self.take_in(nominal, prior)
        if self.low is None or self.high is None:  # which has been said
            return ParameterSpec(value=1.0 if nominal is None else nominal, fixed=True)
        if self.version == 2 and self.low > 0 and self.high >= WIDE * self.low:
            scale = "log10"
        return ParameterSpec(
            value=nominal, min=self.low, max=self.high, scale=scale, prior=_text(prior), start=_text(start)
        )

    def estimated(self) -> bool:
        cell = self.table.text("estimate", self.n)
        words = {"1": True, "0": False} if self.version == 1 else {"true": True, "false": False}
        if cell not in words:
            remedy = did_you_mean(cell, words, f"write {' or '.join(words)}")
            self.say(f"estimate = '{clipped(cell)}'", f"must be {' or '.join(words)}", remedy, "M29")
        return words.get(cell, True)

    def scale(self) -> Scale:
        return "lin" if self.version == 2 else self.table.choice("parameterScale", self.n, SCALES)

    def optional(self, column: str) -> float | None:
        return self.table.number(column, self.n) if self.table.word(column, self.n) else None

    def bound(self, column: str) -> float | None:
        if not self.table.word(column, self.n):
            remedy = "give it one, or do not estimate the parameter"
            self.say(column, "an estimated parameter needs bounds", remedy, "P04")
            return None
        return self.table.number(column, self.n, infinite=True)

    def check_scale(self, scale: Scale, nominal: float | None) -> None:
        """Logarithms need positive values."""
        if scale == "lin":
            return
        for column, value in (("lowerBound", self.low), ("upperBound", self.high), ("nominalValue", nominal)):
            if value is None or value > 0:
                continue
            rule, remedy, code = f"must be positive on the scale {scale}", "correct it, or write lin", "P05"
            if value < 0 and column != "nominalValue":
                meant = _natural(value, scale)
                remedy = f"bounds are of the parameter, not of its logarithm: {column} = {meant:.4g}?"
                code = "P06"
            self.say(f"{column} = {value:g}", rule, remedy, code)
            self.low = self.high = None

    # priors -----------------------------------------------------------------------------------------------

    def priors(self, scale: Scale) -> tuple[Prior | None, Prior | None]:
        """The prior of the objective and the density of starts; bounds move with them."""
        if self.version == 2:
            prior = self.density("priorDistribution", "priorParameters", PRIORS_2, scale)
            wide = self.low is not None and self.high is not None and not math.isfinite(self.high - self.low)
            prior = self.within_bounds(prior)
            self.make_finite(prior)
            return prior, prior if wide else None
        prior = self.density("objectivePriorType", "objectivePriorParameters", PRIORS_1, scale)
        start = self.density("initializationPriorType", "initializationPriorParameters", PRIORS_1, scale)
        if prior is not None:
            self.narrow(prior, scale)
        self.make_finite(prior)
        flat = self.table.word("objectivePriorType", self.n) == "parameterScaleUniform"
        return None if flat else prior, None if self.fills_bounds(start, scale) else start

    def density(self, kinds: str, arguments: str, names: dict[str, PriorKind], scale: Scale) -> Prior | None:
        word = self.table.word(kinds, self.n)
        if not word:
            if self.table.word(arguments, self.n):
                self.say(arguments, f"are given without a {kinds}", "name the density", "P14")
            return None
        kind = names.get(word)
        if kind is None:
            remedy = did_you_mean(word, names, f"there are {listed(names, 20)}")
            self.say(f"{kinds} = '{clipped(word)}'", "is not a prior of PEtab", remedy, "P14")
            return None
        on_scale = word.startswith("parameterScale")
        values = self.arguments(arguments, kind, on_scale, scale)
        if values is None:
            return None
        text = f"{kind}({', '.join(f'{value:.17g}' for value in values)})"
        try:
            return parse_prior(text + (" on estimation" if on_scale else ""))
        except ExpressionError as error:
            given = f"{arguments} = '{clipped(self.table.text(arguments, self.n))}'"
            self.say(given, error.rule, error.remedy, "P14")
            return None

    def arguments(self, column: str, kind: PriorKind, on_scale: bool, scale: Scale) -> list[float] | None:
        """The arguments of a density; for a uniform one without any the bounds."""
        names = PRIOR_ARGUMENTS[kind]
        if self.table.word(column, self.n):
            values = self.table.numbers(column, self.n)
            if values is not None and len(values) != len(names):
                given = f"{column} = '{clipped(self.table.text(column, self.n))}'"
                self.say(given, f"must hold {';'.join(names)}", "give as many numbers", "P14")
                return None
            return values
        if kind == "uniform" and self.version == 1:
            bounds = [self.low, self.high]
            scaled = [_scaled(b, scale if on_scale else "lin") for b in bounds if b is not None]
            return scaled if len(scaled) == 2 and all(map(math.isfinite, scaled)) else None
        self.say(column, f"must hold {';'.join(names)}", "give the numbers", "P14")
        return None

    def within_bounds(self, prior: Prior | None) -> Prior | None:
        """Version 2: a prior is that between the bounds. Where these leave all of it, it stays as it is."""
        if prior is None or self.low is None or self.high is None:
            return prior
        all_of_it = self.low <= prior.support[0] and prior.support[1] <= self.high
        self.narrow(prior, "lin")
        if all_of_it or prior.kind == "uniform":
            return Prior("uniform", self.low, self.high) if prior.kind == "uniform" else prior
        return Prior(prior.kind, prior.a, prior.b, within_bounds=True)

    def narrow(self, prior: Prior, scale: Scale) -> None:
        """Move the bounds to where the prior is positive: beyond, the objective would be infinite."""
        if self.low is None or self.high is None:
            return
        least, most = prior.support
        if prior.on == "estimation":
            least, most = _natural(least, scale), _natural(most, scale)
        low, high = max(self.low, least), min(self.high, most)
        if low >= high:
            rule = f"the prior is positive on [{least:g}, {most:g}], where the bounds allow nothing"
            self.say(f"bounds [{self.low:g}, {self.high:g}]", rule, "correct one of them", "P14")
        elif (low, high) != (self.low, self.high):
            if math.isfinite(self.low) and math.isfinite(self.high):
                rule = f"the prior is positive on [{low:g}, {high:g}] only, and so are the bounds now"
                self.say(f"bounds [{self.low:g}, {self.high:g}]", rule, "", "P14", "notice")
            self.low, self.high = low, high

    def make_finite(self, prior: Prior | None) -> None:
        """Infinite bounds are those between which all but a billionth of a millionth of the prior lies."""
        if self.low is None or self.high is None or (math.isfinite(self.low) and math.isfinite(self.high)):
            return
        given = f"bounds [{self.low:g}, {self.high:g}]"
        if prior is None or prior.on == "estimation":
            rule = "an estimated parameter without prior needs finite bounds"
            self.say(given, rule, "give it finite bounds", "P04")
            self.low = self.high = None
            return
        self.low = prior.tail(BEYOND) if self.low == -math.inf else self.low
        self.high = prior.tail(BEYOND, upper=True) if self.high == math.inf else self.high
        if not (self.low < self.high and math.isfinite(self.high - self.low)):
            self.say(given, f"the prior {prior} has no probability there", "correct one of them", "P14")
            self.low = self.high = None
            return
        rule = f"were made finite: all but {BEYOND:g} of the prior lies in [{self.low:g}, {self.high:g}]"
        self.say(given, rule, "", "P04", "notice")

    def fills_bounds(self, start: Prior | None, scale: Scale) -> bool:
        """Whether a density of starts is the one that starts have without any."""
        if start is None or start.kind != "uniform" or self.low is None or self.high is None:
            return start is None
        if start.on == "natural" and scale != "lin":
            return False
        bounds = (_scaled(self.low, scale), _scaled(self.high, scale))
        return all(
            math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12)
            for a, b in zip(bounds, (start.a, start.b), strict=True)
        )

    def take_in(self, nominal: float | None, prior: Prior | None) -> None:
        """A nominal value beyond the bounds moves these, so that the problem can be evaluated there."""
        if nominal is None or self.low is None or self.high is None or self.low <= nominal <= self.high:
            return
        given = f"nominalValue = {nominal:g}"
        rule = f"lies outside the bounds [{self.low:g}, {self.high:g}]"
        inside = prior is None or prior.on == "estimation" or prior.support[0] <= nominal <= prior.support[1]
        if prior is not None and (self.version == 2 or not inside):
            self.say(given, f"{rule}, where the prior is not positive", "correct one of them", "P07")
            return
        self.low, self.high = min(self.low, nominal), max(self.high, nominal)
        self.say(given, f"{rule}, which were moved to hold it", "correct one of them", "P07", "warning")


def _text(prior: Prior | None) -> str | None:
    return None if prior is None else str(prior)


def _scaled(value: float, scale: Scale) -> float:
    if scale == "lin":
        return value
    if value <= 0:
        return math.nan
    return math.log(value) if scale == "log" else math.log10(value)


def _natural(value: float, scale: Scale) -> float:
    if scale == "lin":
        return value
    exponent = value if scale == "log" else value * math.log(10)
    return math.exp(exponent) if exponent < 700 else math.inf
