"""What a run computes beside the fit: a table of the recipe for each analysis, and what is wrong in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from idfit.expressions import ExpressionError, parse
from idfit.sampling.options import LIMITS, SampleOptions, Sampler

_TABLE = ConfigDict(extra="forbid", frozen=True, strict=True)
LEVELS = (0.68, 0.95)
MAX_POINTS = 100_000
MAX_CELLS = 400
MAX_REPLICATES = 1_000_000
MAX_FUNCTIONS = 1000

#: path in the recipe, value, rule, remedy
Fault = tuple[tuple[str | int, ...], Any, str, str]


class StructureTable(BaseModel):
    """Structural identifiability: asked of the equations before every fit, unless it is switched off.

    global : whether to go on from local to global verdicts, which takes seconds, at most `time_limit`.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, serialize_by_alias=True, validate_by_name=True
    )

    enabled: bool = True
    global_: bool = Field(default=False, alias="global")
    time_limit: float = 10.0


class ReparameterizationTable(BaseModel):
    """The fit in other parameters: those that the equations determine, or `manual` ones, new name = formula.

    keep : parameters that stay; normalise : those that are held, at their values in the model file or at the
    given ones; replacing : those that `manual` replaces; priors : whether those without an exact counterpart
    are refused or left out.
    """

    model_config = _TABLE

    manual: dict[str, str] = {}
    keep: list[str] = []
    normalise: list[str] | dict[str, float] | None = None
    replacing: list[str] | None = None
    priors: Literal["carry", "drop"] = "carry"


class FisherTable(BaseModel):
    """Fisher information: computed in every run unless it is switched off, as it takes a few evaluations."""

    model_config = _TABLE

    enabled: bool = True
    curvature: bool = True


class ProfilesTable(BaseModel):
    """Profiles of parameters, of all if none is named. Functions and 2-D profiles use its levels too."""

    model_config = _TABLE

    parameters: list[str] | None = None
    ci_prob: list[float] = list(LEVELS)
    threshold: Literal["chi2", "F"] = "chi2"
    method: Literal["path", "endpoints", "integration"] = "path"
    max_points: int = 100


class OpinionsTable(BaseModel):
    """Other ways to the limits of the profiles, held against them by the agreement of the methods."""

    model_config = _TABLE

    methods: list[Literal["endpoints", "integration"]] = ["endpoints"]


class FunctionTable(BaseModel):
    """A quantity to profile: a formula of the parameters, or of states and observables too with a time."""

    model_config = _TABLE

    formula: str
    scale: Literal["lin", "log", "log10"] = "lin"
    unit: str = ""
    time: float | None = None
    condition: str | None = None
    tags: dict[str, str] = {}  # which copy of parameters, where there are copies
    validation: bool = False  # of a new measurement, with the noise sd or that of the observable
    sd: float | None = None


class PairsTable(BaseModel):
    """Profiles over two parameters at once; without pairs those are chosen that belong together."""

    model_config = _TABLE

    pairs: list[list[str]] | None = None
    cells: int = 24


class QuickTestTable(BaseModel):
    """The quick test of all parameters at once; radius in decades of logarithmic parameters."""

    model_config = _TABLE

    radius: float = 1.0


class BootstrapTable(BaseModel):
    """Parametric bootstrap with n simulated data sets."""

    model_config = _TABLE

    n: int = 200


_SAMPLE = SampleOptions()


class PosteriorTable(BaseModel):
    """The posterior, by `ensembles` independent superchains, until every parameter has the effective sample
    size `ess` and an R-hat of at most `rhat`, or `max_evaluations` are used up.

    walkers : of each ensemble of emcee; rungs : temperatures of a ladder (tempering); max_draws : kept.
    """

    model_config = _TABLE

    sampler: Sampler = _SAMPLE.sampler
    ensembles: int = _SAMPLE.ensembles
    walkers: int | None = _SAMPLE.walkers
    rungs: int = _SAMPLE.rungs
    ess: float = _SAMPLE.ess
    rhat: float = _SAMPLE.rhat
    max_evaluations: int = _SAMPLE.max_evaluations
    max_draws: int = _SAMPLE.max_draws


class ReductionTable(BaseModel):
    """Limits of the model that are taken while the fit stays as good: at most `steps`, each along one of the
    least determined `directions`, refitted from `starts` random points beside those that are near."""

    model_config = _TABLE

    steps: int | None = None
    ci_prob: float = 0.95
    directions: int = 3
    starts: int = 0


class DesignTable(BaseModel):
    """The next measurement: candidates ranked by what they do to `target`, and the proposal tried on
    simulated data.

    observables, conditions : offered beside those of the model, written as in a model file; times : where to
    look; n_new : size of the proposed set, each measured `replicates` times; simulations : data sets for each
    point that may be true.
    """

    model_config = _TABLE

    target: list[str] | None = None
    criterion: Literal["D", "A", "E", "single"] = "D"
    method: Literal["fisher", "valley", "both"] = "both"
    n_new: int = 1
    replicates: int = 1
    observables: dict[str, dict[str, Any]] = {}
    conditions: dict[str, dict[str, Any]] = {}
    times: list[float] | None = None
    exchange: bool = True
    check: bool = True
    simulations: int = 20


class DiagnosticsTable(BaseModel):
    """Tests of the residuals: done in every run unless they are switched off, as they take one evaluation.

    draws : of the posterior, if there is one, from which data are drawn and compared with the measured ones.
    """

    model_config = _TABLE

    enabled: bool = True
    draws: int = 1000


class PredictionTable(BaseModel):
    """Bands of predictions: of the named observables and of formulas by name, of all observables if neither
    is given; at `times`, or up to the last measurement of each condition.

    validation : also of new measurements; draws : of the posterior, at most.
    """

    model_config = _TABLE

    method: Literal["profiles", "profile_points", "posterior", "linear"] = "profiles"
    observables: list[str] | None = None
    formulas: dict[str, str] = {}
    times: list[float] | None = None
    ci_prob: float = 0.95
    threshold: Literal["chi2", "F"] = "chi2"
    validation: bool = True
    draws: int = 1000


def _as_table(value: Any) -> Any:
    """``name = "formula"`` is short for a table with that formula."""
    return {"formula": value} if isinstance(value, str) else value


Function = Annotated[FunctionTable, BeforeValidator(_as_table)]

#: tables of a recipe by key; that of `functions` has one below for each name
TABLES: dict[str, type[BaseModel]] = {
    "structure": StructureTable,
    "reparameterization": ReparameterizationTable,
    "fisher": FisherTable,
    "profiles": ProfilesTable,
    "second_opinions": OpinionsTable,
    "functions": FunctionTable,
    "profiles_2d": PairsTable,
    "identifiability_test": QuickTestTable,
    "bootstrap": BootstrapTable,
    "reduction": ReductionTable,
    "design": DesignTable,
    "posterior": PosteriorTable,
    "diagnostics": DiagnosticsTable,
    "prediction": PredictionTable,
}


def decisive(name: str, table: Any) -> dict[str, str]:
    """What a table says, each option by its full name, so that a difference can be named."""
    if isinstance(table, dict):
        return {
            key: text
            for entry, inner in table.items()
            for key, text in decisive(f"{name}.{entry}", inner).items()
        }
    return {f"{name}.{key}": str(value) for key, value in table.model_dump().items()}


def out_of_range(recipe: Any) -> Iterator[Fault]:
    """What is wrong in the tables of a recipe whatever the model."""
    limit = recipe.structure.time_limit
    if not (math.isfinite(limit) and limit > 0.0):
        remedy = "10 is enough for most models; global = false leaves out what takes long"
        yield ("structure", "time_limit"), limit, "must be a positive number of seconds", remedy
    if recipe.profiles is not None:
        yield from _in_profiles(recipe.profiles)
    if len(recipe.functions) > MAX_FUNCTIONS:
        yield (
            ("functions",),
            len(recipe.functions),
            f"may hold at most {MAX_FUNCTIONS} entries",
            "split the recipe",
        )
    for name, function in recipe.functions.items():
        yield from _in_function(name, function)
    if recipe.profiles_2d is not None:
        yield from _in_pairs(recipe.profiles_2d)
    if recipe.second_opinions is not None:
        yield from _distinct(("second_opinions", "methods"), list(recipe.second_opinions.methods))
    if recipe.reparameterization is not None:
        for name, formula in recipe.reparameterization.manual.items():
            yield from _unreadable(("reparameterization", "manual", name), formula)
    test, bootstrap = recipe.identifiability_test, recipe.bootstrap
    if test is not None and not (math.isfinite(test.radius) and test.radius > 0.0):
        yield ("identifiability_test", "radius"), test.radius, "must be a positive number", "1 is a decade"
    if recipe.reduction is not None:
        yield from _in_reduction(recipe.reduction)
    if recipe.posterior is not None:
        yield from _in_posterior(recipe.posterior)
    if recipe.design is not None:
        yield from _in_design(recipe.design)
    yield from _in_draws("diagnostics", recipe.diagnostics.draws)
    if recipe.prediction is not None:
        yield from _in_prediction(recipe.prediction)
    if bootstrap is not None and not 2 <= bootstrap.n <= MAX_REPLICATES:
        rule = f"must be from 2 to {MAX_REPLICATES:,}"
        yield ("bootstrap", "n"), bootstrap.n, rule, "200 is a good beginning"


def _in_profiles(table: ProfilesTable) -> Iterator[Fault]:
    if table.parameters is not None:
        yield from _distinct(("profiles", "parameters"), table.parameters)
    if not table.ci_prob:
        yield ("profiles", "ci_prob"), table.ci_prob, "must name a level", "write ci_prob = [0.68, 0.95]"
    for n, level in enumerate(table.ci_prob):
        if not 0.0 < level < 1.0:
            remedy = f"{level / 100:g}?" if 1.0 < level < 100.0 else "0.95 is usual"
            yield ("profiles", "ci_prob", n), level, "must lie between 0 and 1", remedy
    if not 3 <= table.max_points <= MAX_POINTS:
        rule = f"must be from 3 to {MAX_POINTS:,}"
        yield ("profiles", "max_points"), table.max_points, rule, "100 is enough for most profiles"


def _in_function(name: str, table: FunctionTable) -> Iterator[Fault]:
    path = ("functions", name)
    yield from _unreadable((*path, "formula"), table.formula)
    if table.time is not None and not math.isfinite(table.time):
        yield (*path, "time"), table.time, "must be a finite number", "a prediction belongs to a time"
    if table.time is None and (table.condition is not None or table.validation):
        key = "condition" if table.condition is not None else "validation"
        yield (*path, key), getattr(table, key), "belongs to a prediction, which has a time", "give time too"
    if table.sd is not None and not (math.isfinite(table.sd) and table.sd > 0.0):
        yield (*path, "sd"), table.sd, "must be a positive number", "it is that of the new measurement"
    if table.sd is not None and not table.validation:
        yield (*path, "sd"), table.sd, "is that of a new measurement", "write validation = true, or delete it"


def _in_reduction(table: ReductionTable) -> Iterator[Fault]:
    if not 0.0 < table.ci_prob < 1.0:
        yield ("reduction", "ci_prob"), table.ci_prob, "must lie between 0 and 1", "0.95 is usual"
    for key, least in (("steps", 1), ("directions", 1), ("starts", 0)):
        value = getattr(table, key)
        if value is not None and value < least:
            yield ("reduction", key), value, f"must be {least} or more", "leave it out for the default"


def _in_posterior(table: PosteriorTable) -> Iterator[Fault]:
    for key, (low, high) in LIMITS.items():
        value = getattr(table, key)
        if value is not None and not low <= value <= high:
            rule = f"must be from {low:,g} to {high:,g}"
            yield ("posterior", key), value, rule, "leave it out for the default"


def _in_draws(table: str, draws: int) -> Iterator[Fault]:
    if not 10 <= draws <= MAX_REPLICATES:
        yield (table, "draws"), draws, f"must be from 10 to {MAX_REPLICATES:,}", "1000 is a good beginning"


def _in_prediction(table: PredictionTable) -> Iterator[Fault]:
    yield from _in_draws("prediction", table.draws)
    if table.observables is not None:
        yield from _distinct(("prediction", "observables"), table.observables)
    for name, formula in table.formulas.items():
        yield from _unreadable(("prediction", "formulas", name), formula)
    if table.times is not None and not table.times:
        yield ("prediction", "times"), table.times, "must name a time", "leave it out to have times chosen"
    for n, time in enumerate(table.times or ()):
        if not math.isfinite(time):
            yield ("prediction", "times", n), time, "must be a finite number", "a prediction has a time"
    if not 0.0 < table.ci_prob < 1.0:
        remedy = f"{table.ci_prob / 100:g}?" if 1.0 < table.ci_prob < 100.0 else "0.95 is usual"
        yield ("prediction", "ci_prob"), table.ci_prob, "must lie between 0 and 1", remedy


def _in_design(table: DesignTable) -> Iterator[Fault]:
    for key, high in (("n_new", 1000), ("replicates", 1000), ("simulations", 10_000)):
        value = getattr(table, key)
        if not 1 <= value <= high:
            yield ("design", key), value, f"must be from 1 to {high:,}", "leave it out for the default"
    for n, time in enumerate(table.times or ()):
        if not math.isfinite(time):
            yield ("design", "times", n), time, "must be a finite number", "a measurement belongs to a time"
    if table.times is not None and not table.times:
        yield ("design", "times"), table.times, "must name a time", "leave it out to have times chosen"
    if table.target is not None:
        yield from _distinct(("design", "target"), table.target)


def _unreadable(path: tuple[str | int, ...], formula: str) -> Iterator[Fault]:
    try:
        parse(formula)
    except ExpressionError as error:
        yield path, formula, f"{error.given}: {error.rule}", error.remedy


def _in_pairs(table: PairsTable) -> Iterator[Fault]:
    for n, pair in enumerate(table.pairs or ()):
        if len(pair) != 2 or len(set(pair)) != 2:
            rule = "must be two different parameters"
            yield ("profiles_2d", "pairs", n), ", ".join(pair), rule, 'write ["k1", "k2"]'
    if table.pairs is not None:
        if not table.pairs:
            yield (
                ("profiles_2d", "pairs"),
                table.pairs,
                "must name a pair",
                "leave it out to have pairs chosen",
            )
        unordered = ["\0".join(sorted(pair)) for pair in table.pairs]
        yield from _distinct(("profiles_2d", "pairs"), unordered, shown=[", ".join(p) for p in table.pairs])
    if not 4 <= table.cells <= MAX_CELLS:
        rule = f"must be from 4 to {MAX_CELLS}"
        yield ("profiles_2d", "cells"), table.cells, rule, "24 cells each way show the shape"


def _distinct(path: tuple[str, ...], names: list[str], shown: list[str] | None = None) -> Iterator[Fault]:
    if not names:
        yield path, names, "must name at least one", "leave it out to have all"
    for n, name in enumerate(names):
        if name in names[:n]:
            yield (*path, n), (shown or names)[n], "is named twice", "delete one"


def unknown_names(recipe: Any, known: Callable[[str], str | None]) -> Iterator[Fault]:
    """Names that the model does not estimate; `known` says what is wrong with a name, None if nothing."""
    named: list[tuple[tuple[str | int, ...], str]] = []
    if recipe.profiles is not None:
        named += [(("profiles", "parameters", n), p) for n, p in enumerate(recipe.profiles.parameters or ())]
    if recipe.profiles_2d is not None:
        named += [
            (("profiles_2d", "pairs", n, m), p)
            for n, pair in enumerate(recipe.profiles_2d.pairs or ())
            for m, p in enumerate(pair)
        ]
    for path, name in named:
        if remedy := known(name):
            yield path, name, "is not an estimated parameter", remedy
