"""Everything a problem file can say, as plain validated data.

A `ProblemSpec` is the one form in which a problem travels: every file format produces it, workers receive it,
hashes are taken of it, and it is written as TOML. It holds texts and numbers only; formulas are parsed, and
names resolved, by `idfit.spec.check` and `idfit.problem.build`.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictBool


def _number(value: Any) -> float:
    """Numbers only: neither ``true`` nor ``"0.5"`` is one, and no text or flag is turned into one."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError("must be a number")
    if not math.isfinite(number := float(value)):
        raise ValueError("must be a finite number")
    return number + 0.0  # so that -0.0 and 0.0 are written, and hashed, alike


def _prior_text(value: Any) -> Any:
    """A prior may be written ``{ density = "normal(0, 1)", on = "estimation" }``; it is kept as text."""
    if isinstance(value, dict) and set(value) <= {"density", "on"} and isinstance(value.get("density"), str):
        if value.get("on", "natural") not in ("natural", "estimation"):
            raise ValueError("on must be natural or estimation")
        return value["density"] + (" on estimation" if value.get("on") == "estimation" else "")
    return value


Number = Annotated[float, BeforeValidator(_number)]
Formula = Number | str
Scale = Literal["lin", "log", "log10", "logit"]
Transform = Literal["lin", "log", "log10", "log2"]
Distribution = Literal["normal", "log-normal", "laplace", "log-laplace", "student-t"]
Interpolation = Literal["linear", "step", "cubic"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StateSpec(_Entry):
    """`init` is a number or a formula, in which other states and assignments mean their values at the start;
    `volume` makes rates of reactions amounts per time."""

    init: Formula = 0.0
    unit: str | None = None
    volume: Formula | None = None


class ReactionSpec(_Entry):
    """`eq` as in ``2 A + B <-> C``; `rate` is the net rate from left to right."""

    eq: str
    rate: Formula


class ParameterSpec(_Entry):
    """A parameter on the natural scale. `tie` is a formula of other parameters. `prior` is a text that
    `idfit.spec.priors.parse_prior` reads: ``normal(0, 1)`` or ``log-normal(-4.6, 1) on estimation``.

    `per` names the data column (or ``condition``) for each value of which there is a copy of its own. An
    entry named ``k[gel1]`` says what is different for the copy of `k` that belongs to ``gel1``: any of value,
    min, max, scale, fixed and prior.

    `start` is a density, written like a prior, from which starts of a fit are drawn; without it they fill the
    bounds.
    """

    value: Number | None = None
    min: Number | None = None
    max: Number | None = None
    scale: Scale = "lin"
    unit: str | None = None
    fixed: StrictBool = False
    tie: str | None = None
    per: str | None = None
    prior: Annotated[str | None, BeforeValidator(_prior_text)] = None
    start: Annotated[str | None, BeforeValidator(_prior_text)] = None


class NoiseColumn(_Entry):
    """Noise given with the data: the column, and whether it holds standard deviations or standard errors."""

    column: str
    kind: Literal["sd", "sem"] | None = None


class ObservableSpec(_Entry):
    """`noise` (sd; scale for Laplace and Student-t) is on the transformed scale.

    `per` gives parameters of this observable a copy for each value of a data column: ``{scale = "gel"}``.
    `columns` names what each measurement gives itself: ``{dilution = "dilution"}`` makes ``dilution`` in the
    formulas the number, or formula of parameters, in that column of the data.
    """

    formula: Formula
    noise: Formula | NoiseColumn
    transform: Transform = "lin"
    distribution: Distribution = "normal"
    dof: Number | None = None
    unit: str | None = None
    per: dict[str, str] = {}
    columns: dict[str, str] = {}


class DoseSpec(_Entry):
    """At each `time`: states gain `add`, then states and parameters take the values `set`.

    Formulas may speak of states and mean their values just before; all changes of one dose happen at once. A
    parameter, constant or constant input keeps the new value until it is set again.
    """

    time: Number | tuple[Number, ...]
    add: dict[str, Formula] = {}
    set: dict[str, Formula] = {}


class ConditionSpec(_Entry):
    """One experiment. `set` gives parameters, constants, constant inputs or initial values of states.

    With `preequilibrate` it starts from the steady state of that condition. Its own settings of parameters
    hold from `t0` on, and the states in `reinit` start anew from its own initial values.
    """

    set: dict[str, Formula] = {}
    dose: tuple[DoseSpec, ...] = ()
    preequilibrate: str | None = None
    reinit: tuple[str, ...] = ()
    t0: Number = 0.0


class Series(_Entry):
    """Samples of an input in one condition (``""``: in every condition that has none of its own)."""

    times: tuple[Number, ...]
    values: tuple[Number, ...]


class InputSpec(_Entry):
    """A known input: exactly one of a constant or formula of time (`formula`) and samples (`series`).

    In a file the samples may also be named as ``file`` and ``column``; reading turns them into `series`.
    """

    formula: Formula | None = None
    series: dict[str, Series] = {}
    interpolation: Interpolation = "linear"
    unit: str | None = None


class EventSpec(_Entry):
    """When the condition `when` turns true, states take the values `set`, `delay` later.

    initial : what `when` is taken to have been before the start; with False it can turn true at the start.
    values : whether the formulas are evaluated when `when` turns true or when they are carried out.
    persistent : False drops a delayed event if `when` turns false before it is carried out.
    priority : of events that are carried out at the same time the larger goes first.
    """

    when: str
    set: dict[str, Formula] = {}
    delay: Formula = 0.0
    priority: Formula | None = None
    persistent: StrictBool = True
    initial: StrictBool = True
    values: Literal["trigger", "execution"] = "trigger"


class MeasurementTable(_Entry):
    """Tidy measurements, one entry per row of the data file, in its order.

    `sd` is NaN where no column gives it, `censored` is ``""``, ``"left"`` or ``"right"``; `columns` holds the
    further columns (gel, batch, subject) as text; `line` is the line in `file`, for messages.
    """

    condition: tuple[str, ...] = ()
    time: tuple[float, ...] = ()
    observable: tuple[str, ...] = ()
    value: tuple[float, ...] = ()
    sd: tuple[float, ...] = ()
    replicate: tuple[str, ...] = ()
    censored: tuple[str, ...] = ()
    columns: dict[str, tuple[str, ...]] = {}
    line: tuple[int, ...] = ()
    file: str = ""
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.value)


class ProblemSpec(_Entry):
    """A whole problem: equations, parameters, experiments, and the measurements."""

    idfit: Literal[1] = 1
    name: str = ""
    description: str = ""
    time: str | None = None
    states: dict[str, StateSpec] = {}
    odes: dict[str, Formula] = {}
    reactions: dict[str, ReactionSpec] = {}
    parameters: dict[str, ParameterSpec] = {}
    constants: dict[str, Number] = {}
    assignments: dict[str, Formula] = {}
    inputs: dict[str, InputSpec] = {}
    events: dict[str, EventSpec] = {}
    observables: dict[str, ObservableSpec] = {}
    conditions: dict[str, ConditionSpec] = {}
    measurements: MeasurementTable = MeasurementTable()
