"""Datasets of combinations, as an analysis of equations would make them, from formulas written by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from idfit.results import dataset


def combinations(
    unknowns: Sequence[str],
    formulas: Sequence[str],
    moving: Sequence[str],
    nullity: int = 1,
    *,
    complete: bool = True,
) -> xr.Dataset:
    """`moving` : unknowns that change along the `nullity` undetermined directions."""
    n, m = len(formulas), len(unknowns)
    return dataset(
        "combinations",
        {
            "formula": list(formulas),
            "kind": ["rational"] * n,
            "uses": np.zeros((n, m), dtype=bool),
            "exponent": np.full((n, m), np.nan),
            "symmetry_formula": [],
            "symmetry_kind": [],
            "generator": np.empty((0, m), dtype=np.str_),
            "involved": np.tile([name in moving for name in unknowns], (nullity, 1)),
            "nullity": nullity,
            "complete": complete,
        },
        {"unknown": list(unknowns)},
    )
