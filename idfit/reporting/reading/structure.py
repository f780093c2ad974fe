"""What the equations allow: structural verdicts, combinations and symmetries, as plain lists and texts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from idfit.reporting.reading.access import axis_names, group, numbers, scalar, texts
from idfit.results import StructuralVerdict


@dataclass(frozen=True)
class Quantity:
    """Something that was decided about; `formula` is what it stands for."""

    name: str
    kind: str
    formula: str
    verdict: int
    decided_by: str

    @property
    def code(self) -> StructuralVerdict | None:
        """None for a verdict of a later version."""
        try:
            return StructuralVerdict(self.verdict)
        except ValueError:
            return None

    @property
    def is_unknown(self) -> bool:
        """Whether it is a parameter, or an initial value that is none of a formula."""
        return self.kind == "parameter" or (self.kind == "initial" and self.formula == self.name)


@dataclass(frozen=True)
class Structure:
    """Verdicts on all quantities. `directions` names the quantities that change along each direction that no
    such data determine; `rank` (order,) counts what the outputs determine up to each order."""

    quantities: list[Quantity]
    directions: list[list[str]]
    rank: list[int]
    n_unknowns: int
    nullity: int
    attrs: dict[str, object] = field(default_factory=dict)

    @property
    def unknowns(self) -> list[Quantity]:
        return [q for q in self.quantities if q.is_unknown]

    @property
    def lost(self) -> list[str]:
        """The unknowns that no such data can determine."""
        return [q.name for q in self.unknowns if q.code is StructuralVerdict.NONIDENTIFIABLE]

    def of(self, name: str) -> Quantity | None:
        return next((q for q in self.quantities if q.name == name), None)

    @property
    def assumptions(self) -> list[str]:
        """What was asked, in sentences."""
        return [line for line in str(self.attrs.get("assumptions", "")).split("\n") if line]


@dataclass(frozen=True)
class Combination:
    """A function of the unknowns that such data determine, and the unknowns in it."""

    formula: str
    kind: str
    uses: list[str]

    @property
    def is_plain(self) -> bool:
        """Whether it is an unknown by itself."""
        return self.kind == "parameter"


@dataclass(frozen=True)
class Symmetry:
    """A transformation of the unknowns that no such data notice."""

    formula: str
    kind: str


@dataclass(frozen=True)
class Combinations:
    combinations: list[Combination]
    symmetries: list[Symmetry]
    complete: bool
    nullity: int
    attrs: dict[str, object] = field(default_factory=dict)

    @property
    def proper(self) -> list[Combination]:
        """Those that combine several unknowns."""
        return [c for c in self.combinations if not c.is_plain]

    @property
    def missing(self) -> str:
        """That there are more than were found, and why; "" if there are not."""
        why = str(self.attrs.get("incomplete", ""))
        return "" if self.complete else "there are more combinations than were found" + (why and f": {why}")


def read_structure(study: xr.DataTree | xr.Dataset) -> Structure | None:
    ds = group(study, "structure")
    if ds is None or not ds.sizes.get("quantity"):
        return None
    names = axis_names(ds, "quantity")
    columns = [texts(ds, name, "quantity") for name in ("kind", "formula", "decided_by")]
    verdict = numbers(ds, "verdict", ("quantity",), int(StructuralVerdict.NOT_REACHED)).astype(int)
    involved = numbers(ds, "involved", ("direction", "quantity"), 0).astype(bool)
    return Structure(
        quantities=[
            Quantity(name, kind, formula, int(code), how)
            for name, kind, formula, how, code in zip(names, *columns, verdict, strict=True)
        ],
        directions=[[n for n, moves in zip(names, row, strict=True) if moves] for row in involved],
        rank=[int(r) for r in numbers(ds, "rank", ("order",)) if np.isfinite(r)],
        n_unknowns=_count(ds, "n_unknowns"),
        nullity=_count(ds, "nullity"),
        attrs={str(key): value for key, value in ds.attrs.items()},
    )


def read_combinations(study: xr.DataTree | xr.Dataset) -> Combinations | None:
    ds = group(study, "combinations")
    if ds is None:
        return None
    unknowns = axis_names(ds, "unknown")
    uses = numbers(ds, "uses", ("combination", "unknown"), 0).astype(bool)
    formulas, kinds = (texts(ds, name, "combination") for name in ("formula", "kind"))
    said, kinds_of_symmetry = (texts(ds, f"symmetry_{name}", "symmetry") for name in ("formula", "kind"))
    return Combinations(
        combinations=[
            Combination(formula, kind, [n for n, used in zip(unknowns, row, strict=True) if used])
            for formula, kind, row in zip(formulas, kinds, uses, strict=True)
        ],
        symmetries=[Symmetry(*both) for both in zip(said, kinds_of_symmetry, strict=True)],
        complete=bool(scalar(ds, "complete") == 1),
        nullity=_count(ds, "nullity"),
        attrs={str(key): value for key, value in ds.attrs.items()},
    )


def _count(ds: xr.Dataset, name: str) -> int:
    value = scalar(ds, name)
    return int(value) if np.isfinite(value) and value >= 0 else 0
