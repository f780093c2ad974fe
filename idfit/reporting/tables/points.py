"""Every point that was computed, as cells of CSV files: profiles, pairs, spectrum, replicates."""

from __future__ import annotations

import numpy as np
import xarray as xr

from idfit.reporting import reading
from idfit.reporting.tables.fit import status_words

Cells = list[list[object]]


def profile_cells(study: xr.DataTree, group: str = "profiles") -> Cells:
    """One row per step of every profile, with the refitted parameters on the estimation scale."""
    found = reading.read_profiles(study, group)
    if found is None:
        return []
    names = [p.name for p in found.profiles[0].parameters]
    cells: Cells = [
        [
            "profiled", "kind", "step", "value", "value_scaled", "scale", "unit", "objective", "rise", "nllh",
            "nlprior", "status", "jump", "on_bound", *(f"theta:{n}" for n in names),
        ]
    ]  # fmt: skip
    for p in found.profiles:
        value = p.value
        for k in np.flatnonzero(np.isfinite(p.scaled)):
            bound = "; ".join(n for n, b in zip(names, p.on_bound[k], strict=True) if b)
            cells.append(
                [
                    p.name, p.kind, int(k), float(value[k]), float(p.scaled[k]), p.axis.scale, p.axis.unit,
                    float(p.objective[k]), float(p.objective[k] - p.best), float(p.nllh[k]),
                    float(p.nlprior[k]), status_words(int(p.status[k]))[0], int(p.jump[k]), bound,
                    *(float(t) for t in p.theta[k]),
                ]
            )  # fmt: skip
    return cells


def eigen_cells(study: xr.DataTree) -> Cells:
    """One row per direction: eigenvalue, whether it is zero, and its components."""
    fisher = reading.read_fisher(study)
    if fisher is None or not len(fisher.eigenvalue):
        return []
    cells: Cells = [["direction", "eigenvalue", "null", *(f"component:{p.name}" for p in fisher.parameters)]]
    for k, value in enumerate(fisher.eigenvalue):
        vector = [float(c) for c in fisher.eigenvector[:, k]]
        cells.append([k + 1, float(value), int(fisher.null[k]), *vector])
    return cells


def correlation_cells(study: xr.DataTree) -> Cells:
    fisher = reading.read_fisher(study)
    if fisher is None or not np.isfinite(fisher.correlation).any():
        return []
    names = [p.name for p in fisher.parameters]
    head: list[object] = ["parameter", *names]
    return [head, *([n, *(float(c) for c in row)] for n, row in zip(names, fisher.correlation, strict=True))]


def curvature_cells(study: xr.DataTree) -> Cells:
    fisher = reading.read_fisher(study)
    if fisher is None or not np.isfinite([*fisher.parameter_effects.values()]).any():
        return []
    cells: Cells = [["space", "parameter_effects_times_root_f", "intrinsic_times_root_f", "root_f"]]
    for space in ("estimation", "natural"):
        effects, intrinsic = fisher.parameter_effects[space], fisher.intrinsic[space]
        cells.append([space, effects, intrinsic, fisher.factor])
    return cells


def pair_cells(study: xr.DataTree) -> Cells:
    """One row per point of every two-parameter profile that was tried; x and y on the natural scale."""
    pairs = reading.read_pairs(study)
    if not pairs:
        return []
    names = [p.name for p in pairs[0].parameters]
    cells: Cells = [
        ["first", "second", "x", "y", "objective", "nllh", "status", *(f"theta:{n}" for n in names)]
    ]
    for pair in pairs:
        x, y = pair.first.natural(pair.x), pair.second.natural(pair.y)
        for i, j in np.argwhere(pair.tried):
            cells.append(
                [
                    pair.first.name, pair.second.name, float(x[i]), float(y[j]), float(pair.objective[i, j]),
                    float(pair.nllh[i, j]), status_words(int(pair.status[i, j]))[0],
                    *(float(t) for t in pair.theta[i, j]),
                ]
            )  # fmt: skip
    return cells


def test_cells(study: xr.DataTree) -> Cells:
    """One row per refit of the quick test."""
    test = reading.read_test(study)
    if test is None or not len(test.rise):
        return []
    cells: Cells = [
        ["start", "objective", "rise", "distance", "status", *(f"theta:{p.name}" for p in test.parameters)]
    ]
    for i, rise in enumerate(test.rise):
        fate = status_words(int(test.status[i]))[0]
        row = [i, float(test.objective[i]), float(rise), float(test.distance[i]), fate]
        cells.append([*row, *(float(t) for t in test.theta[i])])
    return cells


def replicate_cells(study: xr.DataTree) -> Cells:
    """One row per simulated data set of the bootstrap."""
    found = reading.read_bootstrap(study)
    if found is None or not len(found.status):
        return []
    cells: Cells = [["replicate", "objective", "status", *(f"theta:{p.name}" for p in found.parameters)]]
    for i, status in enumerate(found.status):
        row = [i, float(found.objective[i]), status_words(int(status))[0]]
        cells.append([*row, *(float(t) for t in found.theta[i])])
    return cells
