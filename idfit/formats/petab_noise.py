"""Noise parameters that PEtab lets vanish: lower bounds above 0, so that the likelihood stays bounded."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from idfit.expressions import names_in, parse
from idfit.spec.check_parameters import is_estimated
from idfit.spec.schema import MeasurementTable, NoiseColumn, ObservableSpec, ParameterSpec

SHARE = 1e-3
"""Of the largest measurement: the least noise that data are taken to have."""


def with_positive_noise(
    parameters: Mapping[str, ParameterSpec],
    observables: Mapping[str, ObservableSpec],
    data: MeasurementTable,
) -> dict[str, float]:
    """Positive lower bounds for the estimated parameters whose 0 makes the noise of an observable 0."""
    floors: dict[str, float] = {}
    for name, observable in observables.items():
        for parameter in _vanishing(name, observable, parameters, data):
            own = parameters[parameter]
            assert own.max is not None
            alone = observable.transform == "lin" and not observable.distribution.startswith("log-")
            alone = alone and _is_alone(parameter, observable)
            floor = SHARE * min(_largest(name, data) if alone else 1.0, own.max)
            if own.value is not None and own.value > 0:
                floor = min(floor, own.value)
            floors[parameter] = min(floor, floors.get(parameter, floor))
    return floors


def _vanishing(
    name: str, observable: ObservableSpec, parameters: Mapping[str, ParameterSpec], data: MeasurementTable
) -> set[str]:
    """Parameters that can be 0 together with the noise, also by way of a placeholder."""
    if isinstance(observable.noise, NoiseColumn):
        return set()
    noise = parse(observable.noise)
    stands_for = {n: {n} for n in names_in(noise)}
    for placeholder, column in observable.columns.items():
        cells = zip(data.observable, data.columns[column], strict=True)
        stands_for[placeholder] = {cell for which, cell in cells if which == name}
    can_vanish = {
        n: {
            p
            for p in given
            if (own := parameters.get(p)) and is_estimated(own) and own.min is not None and own.min <= 0
        }
        for n, given in stands_for.items()
    }
    zeros = {sympy.Symbol(n): sympy.Integer(0) for n, given in can_vanish.items() if given}
    if not zeros or noise.xreplace(zeros) != 0:
        return set()
    return set().union(*can_vanish.values())


def _is_alone(parameter: str, observable: ObservableSpec) -> bool:
    """Whether the parameter is the noise itself, and no share of something."""
    return observable.noise in (parameter, *observable.columns)


def _largest(name: str, data: MeasurementTable) -> float:
    values = (abs(v) for v, which in zip(data.value, data.observable, strict=True) if which == name)
    return max(values, default=0.0) or 1.0
