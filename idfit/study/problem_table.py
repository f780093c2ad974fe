"""The group ``problem`` of a study: what was asked, so that a report needs no model file."""

from __future__ import annotations

import numpy as np
import sympy
import xarray as xr

from idfit.expressions import names_in
from idfit.problem import Problem
from idfit.results import dataset
from idfit.spec.check_parameters import is_estimated
from idfit.spec.schema import NoiseColumn, ParameterSpec


def problem_dataset(problem: Problem) -> xr.Dataset:
    """Parameters (the estimated ones first, in their order) and measurements, in the order of the file."""
    names, entries = _parameters(problem)
    table = problem.spec.measurements
    observables = problem.spec.observables
    n = len(table)
    return dataset(
        "problem",
        {
            "lower": [np.nan if p.min is None else p.min for p in entries],
            "upper": [np.nan if p.max is None else p.max for p in entries],
            "nominal": [np.nan if p.value is None else p.value for p in entries],
            "scale": [p.scale for p in entries],
            "unit": [p.unit or "" for p in entries],
            "estimated": [name in problem.parameters.names for name in names],
            "prior": [p.prior or "" for p in entries],
            "tie": [p.tie or "" for p in entries],
            "condition": list(table.condition),
            "observable": list(table.observable),
            "time": np.array(table.time, dtype=float),
            "value": np.array(table.value, dtype=float),
            "sd": np.array(table.sd or [np.nan] * n, dtype=float),
            "sigma_source": _sigma_sources(problem),
            "replicate": list(table.replicate or [""] * n),
            "censored": list(table.censored or [""] * n),
            "measurement_unit": [observables[name].unit or "" for name in table.observable],
        },
        {"parameter_all": names},
    )


def _parameters(problem: Problem) -> tuple[list[str], list[ParameterSpec]]:
    """Estimated parameters with their copies, then what is fixed or tied."""
    estimated = problem.resolution.estimated
    others = {
        name: p
        for name, p in problem.spec.parameters.items()
        if name not in estimated and not is_estimated(p)
    }
    return [*estimated, *others], [*estimated.values(), *others.values()]


def _sigma_sources(problem: Problem) -> list[str]:
    """Where the noise level of each measurement comes from: estimated, the data, or the model file."""
    spec, resolution = problem.spec, problem.resolution
    sources = []
    for row, name in enumerate(spec.measurements.observable):
        noise = spec.observables[name].noise
        if isinstance(noise, NoiseColumn):
            sources.append(f"column {noise.column!r} of the data")
            continue
        readout = next(r for r in resolution.readouts if r.name == name)
        stands_for = dict(zip(resolution.formal, resolution.maps[resolution.row_map[row]], strict=True))
        estimated: set[str] = set()
        for used in _names_behind(problem, readout.noise):
            if used in stands_for:
                estimated |= {str(symbol) for symbol in resolution.outer[stands_for[used]].free_symbols}
        sources.append(f"estimated ({', '.join(sorted(estimated))})" if estimated else "stated in the model")
    return sources


def _names_behind(problem: Problem, expression: sympy.Expr | None) -> frozenset[str]:
    """The names that a noise formula uses itself or through assignments. What it uses through an observable
    is the prediction, whose parameters are not parameters of the noise."""
    assignments = dict(problem.model.assignments)
    seen: set[str] = set()
    waiting = [] if expression is None else list(names_in(expression))
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += names_in(assignments[name]) if name in assignments else ()
    return frozenset(seen)
