"""Profiles, Fisher information and their companions: what the data determine, as plain arrays.

Values of profiled quantities are on the natural scale unless a name says `scaled`; intervals keep infinity
for open sides, and `SideStatus` says why an end is where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from idfit.reporting.reading.access import attribute, axis_names, group, numbers, scalar, text_rows, texts
from idfit.reporting.scales import to_natural
from idfit.results import SideStatus, Status, Verdict

_BOUNDS = ("lower", "upper")
_FINITE = tuple(s for s in SideStatus if s.finite)
OPEN_SIDES = (SideStatus.SEARCH_BOUND, SideStatus.PARTNER_BOUND)
USABLE = tuple(int(s) for s in Status if s.usable)


@dataclass(frozen=True)
class Axis:
    """A quantity that an axis can show: its name, unit on the natural scale, and estimation scale."""

    name: str
    unit: str = ""
    scale: str = "lin"

    def natural(self, values: np.ndarray) -> np.ndarray:
        return np.array([to_natural(float(v), self.scale) for v in np.ravel(values)]).reshape(
            np.shape(values)
        )

    @property
    def is_logarithmic(self) -> bool:
        return self.scale in ("log", "log10")


@dataclass(frozen=True)
class Partner:
    """A parameter that moves along a profile by `shift`, in units of its estimation scale."""

    axis: Axis
    shift: float


@dataclass(frozen=True)
class Profile:
    """One profile: steps in rising order of the value, and what they say at each confidence level."""

    axis: Axis
    kind: str
    parameters: list[Axis]
    scaled: np.ndarray  # (step,), scale of the profile
    theta: np.ndarray  # (step, parameter), estimation scale
    objective: np.ndarray
    nllh: np.ndarray
    nlprior: np.ndarray
    status: np.ndarray
    on_bound: np.ndarray  # (step, parameter)
    jump: np.ndarray
    start: int
    estimate: float
    estimate_scaled: float
    probs: np.ndarray  # (ci_prob,), as the following
    threshold: np.ndarray
    interval: np.ndarray  # (ci_prob, bound)
    interval_scaled: np.ndarray
    side_status: np.ndarray
    slice_interval: np.ndarray
    wald_interval: np.ndarray
    wald_scaled: np.ndarray
    n_regions: np.ndarray
    regions: np.ndarray  # (ci_prob, region, bound)
    searched: np.ndarray  # (bound,)
    rise: np.ndarray  # (bound,)
    n_evaluations: np.ndarray  # (bound,)
    verdict: int
    reason: str
    rests_on: list[str]  # others at whose search bound a limit lies
    valley: str
    partners: list[Partner]
    level: int  # position in probs of the level of the verdict

    @property
    def name(self) -> str:
        return self.axis.name

    @property
    def value(self) -> np.ndarray:
        return self.axis.natural(self.scaled)

    @property
    def best(self) -> float:
        """Objective at the best fit, where the profile begins."""
        if 0 <= self.start < len(self.objective) and np.isfinite(self.objective[self.start]):
            return float(self.objective[self.start])
        good = self.good
        return float(self.objective[good].min()) if good.any() else float("nan")

    @property
    def reached(self) -> np.ndarray:
        """Mask of the steps that were tried at all: the others only fill the array."""
        return np.isfinite(self.scaled) & (self.status != int(Status.NOT_REACHED))

    @property
    def good(self) -> np.ndarray:
        return self.reached & np.isin(self.status, USABLE) & np.isfinite(self.objective)

    @property
    def delta(self) -> np.ndarray:
        """Rise of −2 log L above the best fit at each step."""
        return 2 * (self.objective - self.best)

    @property
    def prob(self) -> float:
        return float(self.probs[self.level])

    @property
    def code(self) -> Verdict | None:
        """None for a verdict of a later version."""
        try:
            return Verdict(self.verdict)
        except ValueError:
            return None

    def side(self, level: int, bound: int) -> SideStatus | None:
        """How a side ended; None for a code of a later version."""
        try:
            return SideStatus(int(self.side_status[level, bound]))
        except ValueError:
            return None

    def limits(self, level: int) -> tuple[float, float]:
        """The interval with infinity where a side has no end: an open side is never a finite number."""
        ends = [float(e) for e in self.interval[level]]
        for k in (0, 1):
            side = self.side(level, k)
            if side is None or not side.finite:
                ends[k] = np.inf if k else -np.inf
        return ends[0], ends[1]

    def known_limits(self, level: int) -> tuple[float, float]:
        """The interval with NaN where a side ended without an answer, and infinity only where it is open."""
        ends = list(self.limits(level))
        for k in (0, 1):
            if self.side(level, k) not in (*_FINITE, *OPEN_SIDES):
                ends[k] = np.nan
        return ends[0], ends[1]

    @property
    def prior_moves(self) -> bool:
        """Whether the priors have a part in the rise."""
        prior = self.nlprior[self.good]
        return bool(len(prior) and np.isfinite(prior).all() and np.ptp(prior) > 1e-6)


@dataclass(frozen=True)
class Profiles:
    """The profiles of one group, with what was said about how they were computed."""

    profiles: list[Profile]
    attrs: dict[str, object] = field(default_factory=dict)

    def of(self, name: str) -> Profile | None:
        return next((p for p in self.profiles if p.name == name), None)

    @property
    def method(self) -> str:
        return str(self.attrs.get("method") or "path")

    @property
    def threshold_kind(self) -> str:
        return str(self.attrs.get("threshold_kind") or "chi2")

    def number(self, name: str) -> float:
        try:
            return float(self.attrs[name])  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError):
            return float("nan")


def read_profiles(study: xr.DataTree | xr.Dataset, name: str = "profiles") -> Profiles | None:
    """The group `profiles` or `function_profiles`; None when there is none."""
    ds = group(study, name)
    if ds is None or not ds.sizes.get("profiled") or not ds.sizes.get("ci_prob"):
        return None
    attrs = {str(k): v for k, v in ds.attrs.items()}
    level = _level(numbers(ds, "ci_prob", ("ci_prob",)), attrs.get("ci_prob"))
    columns = _Columns(ds)
    return Profiles([_profile(columns, i, level) for i in range(ds.sizes["profiled"])], attrs)


def read_bounds(study: xr.DataTree | xr.Dataset) -> dict[str, tuple[float, float]]:
    """Bounds of every parameter on the natural scale; empty without the group `problem`."""
    problem = group(study, "problem") if isinstance(study, xr.DataTree) else None
    if problem is None:
        return {}
    lower, upper = (numbers(problem, name, ("parameter_all",)) for name in ("lower", "upper"))
    names = axis_names(problem, "parameter_all")
    return {n: (float(a), float(b)) for n, a, b in zip(names, lower, upper, strict=True)}


def _level(probs: np.ndarray, stated: object) -> int:
    """Position of the level of the verdicts: the one that is stated, else the largest."""
    try:
        return int(np.argmin(np.abs(probs - float(stated))))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return int(np.argmax(probs))


class _Columns:
    """The variables of a group of profiles as whole arrays, each read once and then sliced by profile."""

    def __init__(self, ds: xr.Dataset):
        self.ds = ds
        self.names = axis_names(ds, "profiled")
        self.parameters = axes_of(ds, unit="parameter_unit")
        self.partners = text_rows(ds, "partner", ("profiled", "rank"))
        self.rests_on = text_rows(ds, "rests_on", ("profiled", "ci_bound"))
        self._numbers: dict[str, np.ndarray] = {}
        self._texts: dict[str, list[str]] = {}

    def of(self, name: str, dims: tuple[str, ...], fill: float = np.nan) -> np.ndarray:
        if name not in self._numbers:
            self._numbers[name] = numbers(self.ds, name, dims, fill)
        return self._numbers[name]

    def words(self, name: str) -> list[str]:
        if name not in self._texts:
            self._texts[name] = texts(self.ds, name, "profiled")
        return self._texts[name]


def _profile(columns: _Columns, i: int, level: int) -> Profile:
    natural, scaled = spaces_of(columns.ds)

    def of(name: str, *dims: str, fill: float = np.nan) -> np.ndarray:
        return columns.of(name, ("profiled", *dims), fill)[i]

    def in_space(name: str, space: int, *dims: str) -> np.ndarray:
        return columns.of(name, ("space", "profiled", *dims))[space, i]

    def word(name: str) -> str:
        return columns.words(name)[i]

    interval = ("ci_prob", "ci_bound")
    return Profile(
        axis=Axis(columns.names[i], word("unit"), word("profiled_scale") or "lin"),
        kind=word("kind") or "parameter",
        parameters=columns.parameters,
        scaled=of("value", "step"),
        theta=of("theta", "step", "parameter"),
        objective=of("objective", "step"),
        nllh=of("nllh", "step"),
        nlprior=of("nlprior", "step"),
        status=of("status", "step", fill=int(Status.NOT_REACHED)).astype(int),
        on_bound=of("on_bound", "step", "parameter", fill=0).astype(bool),
        jump=of("jump", "step", fill=0).astype(bool),
        start=int(of("start_step", fill=-1)),
        estimate=float(in_space("estimate", natural)),
        estimate_scaled=float(in_space("estimate", scaled)),
        probs=columns.of("ci_prob", ("ci_prob",)),
        threshold=columns.of("threshold", ("ci_prob",)),
        interval=in_space("interval", natural, *interval),
        interval_scaled=in_space("interval", scaled, *interval),
        side_status=of("side_status", *interval, fill=int(SideStatus.NOT_REACHED)).astype(int),
        slice_interval=in_space("slice_interval", natural, *interval),
        wald_interval=in_space("wald_interval", natural, *interval),
        wald_scaled=in_space("wald_interval", scaled, *interval),
        n_regions=of("n_regions", "ci_prob", fill=-1).astype(int),
        regions=in_space("region_interval", natural, "ci_prob", "region", "ci_bound"),
        searched=in_space("searched", natural, "ci_bound"),
        rise=of("rise", "ci_bound"),
        n_evaluations=of("n_evaluations", "ci_bound", fill=-1),
        verdict=int(of("verdict", fill=int(Verdict.NOT_REACHED))),
        reason=word("reason"),
        rests_on=list(dict.fromkeys(name for name in columns.rests_on[i] if name)),
        valley=word("valley"),
        partners=_partners(columns.partners[i], of("partner_shift", "rank"), columns.parameters),
        level=level,
    )


def spaces_of(ds: xr.Dataset) -> tuple[int, int]:
    """Positions of the natural and of the estimation scale along `space`."""
    names = axis_names(ds, "space")
    return (
        names.index("natural") if "natural" in names else 0,
        names.index("estimation") if "estimation" in names else 0,
    )


def axes_of(ds: xr.Dataset, dim: str = "parameter", unit: str = "unit") -> list[Axis]:
    """The parameters of a group with unit and scale."""
    columns = zip(axis_names(ds, dim), texts(ds, unit, dim), texts(ds, "scale", dim), strict=True)
    return [Axis(name, unit, scale or "lin") for name, unit, scale in columns]


def _partners(names: list[str], shifts: np.ndarray, parameters: list[Axis]) -> list[Partner]:
    known = {p.name: p for p in parameters}
    return [
        Partner(known.get(name, Axis(name)), float(shift))
        for name, shift in zip(names, shifts, strict=True)
        if name and np.isfinite(shift)
    ]


@dataclass(frozen=True)
class Fisher:
    """Information at the best fit; everything on the estimation scale, curvatures also on the natural."""

    parameters: list[Axis]
    eigenvalue: np.ndarray  # (mode,), the largest first
    eigenvector: np.ndarray  # (parameter, mode)
    null: np.ndarray  # (mode,)
    nullity: int
    sloppiness: float
    null_share: np.ndarray
    correlation: np.ndarray
    errors: dict[str, np.ndarray]  # estimation scale: expected, data, observed, slice
    natural_errors: dict[str, np.ndarray]
    parameter_effects: dict[str, float]  # by space, times √F
    intrinsic: dict[str, float]
    factor: float
    null_rule: str
    held_at_bound: str
    no_curvature: str


ERRORS = {
    "expected": "standard_error",
    "data": "standard_error_data",
    "observed": "standard_error_observed",
    "slice": "slice_error",
}


def read_fisher(study: xr.DataTree | xr.Dataset) -> Fisher | None:
    ds = group(study, "fisher")
    if ds is None or not ds.sizes.get("parameter"):
        return None
    spaces = dict(zip(("natural", "estimation"), spaces_of(ds), strict=True))
    by_space = {name: ds.isel(space=k) if "space" in ds.dims else ds for name, k in spaces.items()}
    here = by_space["estimation"]
    nullity = scalar(here, "nullity")
    return Fisher(
        parameters=axes_of(ds),
        eigenvalue=numbers(here, "eigenvalue", ("mode",)),
        eigenvector=numbers(here, "eigenvector", ("parameter", "mode")),
        null=numbers(here, "null", ("mode",), 0).astype(bool),
        nullity=int(nullity) if np.isfinite(nullity) and nullity >= 0 else 0,
        sloppiness=scalar(here, "sloppiness"),
        null_share=numbers(ds, "null_share", ("parameter",)),
        correlation=numbers(here, "correlation", ("parameter", "parameter_")),
        errors={key: numbers(here, name, ("parameter",)) for key, name in ERRORS.items()},
        natural_errors={
            key: numbers(by_space["natural"], name, ("parameter",)) for key, name in ERRORS.items()
        },
        parameter_effects={s: scalar(d, "parameter_effects_curvature") for s, d in by_space.items()},
        intrinsic={s: scalar(d, "intrinsic_curvature") for s, d in by_space.items()},
        factor=scalar(ds, "curvature_factor"),
        null_rule=attribute(ds, "null_rule"),
        held_at_bound=attribute(ds, "held_at_bound"),
        no_curvature=attribute(ds, "curvature_reason"),
    )


@dataclass(frozen=True)
class Contour:
    prob: float
    df: int
    rise: float
    closed: bool


@dataclass(frozen=True)
class Pair:
    """A two-parameter profile; x and y on the estimation scale, arrays (x, y)."""

    first: Axis
    second: Axis
    x: np.ndarray
    y: np.ndarray
    objective: np.ndarray
    nllh: np.ndarray
    theta: np.ndarray  # (x, y, parameter)
    parameters: list[Axis]
    status: np.ndarray
    contours: list[Contour]
    estimate: np.ndarray  # (2,), estimation scale; NaN where it is not kept
    best: float  # objective at the best fit; NaN where it is not kept

    @property
    def tried(self) -> np.ndarray:
        return self.status != int(Status.NOT_REACHED)

    @property
    def failed(self) -> np.ndarray:
        return self.tried & (~np.isin(self.status, USABLE) | ~np.isfinite(self.objective))


def read_pairs(study: xr.DataTree | xr.Dataset) -> list[Pair]:
    ds = group(study, "profiles_2d")
    if ds is None:
        return []
    parameters = axes_of(ds)
    known = {p.name: p for p in parameters}
    pairs = []
    for i in range(ds.sizes.get("pair", 0)):
        row = ds.isel(pair=i)
        first, second = (texts(ds, name, "pair")[i] for name in ("first", "second"))
        estimate = numbers(row, "estimate", ("axis",))
        probs, dfs, rises = (
            numbers(ds, name, ("level",)) for name in ("contour_prob", "contour_df", "contour_rise")
        )
        closed = numbers(row, "closed", ("level",), 0).astype(bool)
        pairs.append(
            Pair(
                first=known.get(first, Axis(first)),
                second=known.get(second, Axis(second)),
                x=numbers(row, "x_value", ("x",)),
                y=numbers(row, "y_value", ("y",)),
                objective=numbers(row, "objective", ("x", "y")),
                nllh=numbers(row, "nllh", ("x", "y")),
                theta=numbers(row, "theta", ("x", "y", "parameter")),
                parameters=parameters,
                estimate=estimate if len(estimate) == 2 else np.full(2, np.nan),
                best=scalar(ds, "objective"),
                status=numbers(row, "status", ("x", "y"), int(Status.NOT_REACHED)).astype(int),
                contours=[
                    Contour(float(p), int(d), float(r), bool(c))
                    for p, d, r, c in zip(probs, dfs, rises, closed, strict=True)
                ],
            )
        )
    return pairs
