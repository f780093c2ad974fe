"""Inputs that are samples, as formulas of the time: formats without samples can hold these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from idfit.errors import InputError
from idfit.formats.ids import Ids
from idfit.spec.schema import InputSpec, Series

MOST_PIECES = 2000
"""More would make formulas that no reader evaluates in reasonable time."""

_AT_ONCE = 40  # pieces in one formula, so that none becomes too long


def as_formulas(name: str, given: InputSpec, series: Series, time: str, ids: Ids) -> dict[str, str]:
    """The formula of an input under its name, and those of its parts under further names that `ids` gives.

    time : how the formulas name the time. Errors: `InputError` for too many samples.
    """
    if len(series.times) > MOST_PIECES:
        rule = f"{len(series.times)} samples are more than the {MOST_PIECES} that are written as a formula"
        remedy = "thin the samples out, or write the input as a formula of time"
        raise InputError.of(f"input {name}", rule, remedy)
    pieces = list(_pieces(given, series, time))
    formulas: dict[str, str] = {}
    parts: list[tuple[float, str]] = []
    for n in range(0, len(pieces), _AT_ONCE):
        group = pieces[n : n + _AT_ONCE]
        part = ids.new(f"{name}_part{len(parts) + 1}") if len(pieces) > _AT_ONCE else name
        formulas[part] = _choice(group, time)
        parts.append((group[-1][0], part))
    return formulas if len(parts) == 1 else formulas | {name: _choice(parts, time)}


def by_number(names: Sequence[str], chosen: str) -> str:
    """The formula that is the first of the names where `chosen` is 1, the second where it is 2, and so on."""
    texts = [f"{name}, {chosen} < {n}.5" for n, name in enumerate(names[:-1], start=1)]
    return f"piecewise({', '.join(texts)}, {names[-1]})"


def _choice(pieces: list[tuple[float, str]], time: str) -> str:
    """What holds before each end; the last one holds from there on too."""
    if len(pieces) == 1:
        return pieces[0][1]
    texts = [f"{formula}, {time} < {end!r}" for end, formula in pieces[:-1]]
    return f"piecewise({', '.join(texts)}, {pieces[-1][1]})"


def _pieces(given: InputSpec, series: Series, time: str) -> Iterator[tuple[float, str]]:
    """Until when each formula holds; the last one is that of the last sample, for ever."""
    t, u = np.array(series.times), np.array(series.values)
    coefficients = np.zeros((len(t), 4))
    coefficients[:, 0] = u
    if given.interpolation == "linear":
        coefficients[:-1, 1] = np.diff(u) / np.diff(t)
    elif given.interpolation == "cubic":
        from scipy.interpolate import CubicSpline  # slow to load, and splines are rare

        coefficients[:-1] = CubicSpline(t, u, bc_type="natural").c[::-1].T
    for n, end in enumerate([*t[1:].tolist(), float("inf")]):
        yield end, _polynomial(coefficients[n].tolist(), t[n].item(), time)


def _polynomial(coefficients: list[float], start: float, time: str) -> str:
    since = time if start == 0 else f"({time} - {start!r})" if start > 0 else f"({time} + {-start!r})"
    text = repr(coefficients[0])
    for power, c in enumerate(coefficients[1:], start=1):
        if c:
            factor = since if power == 1 else f"{since}^{power}"
            text += f" {'-' if c < 0 else '+'} {abs(c)!r}*{factor}"
    return text
