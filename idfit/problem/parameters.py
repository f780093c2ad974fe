"""Estimated parameters: names, bounds, scales, and the way between natural and estimation scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from idfit.errors import InputError
from idfit.numerics.scales import SCALES, natural, scaled
from idfit.spec.priors import Prior


@dataclass(frozen=True)
class ParameterSpace:
    """The estimated parameters in order. `lower`, `upper`, `nominal` are on the natural scale.

    `nominal` holds NaN where no value was given. `prior` is None for a parameter that is uniform on its
    estimation scale within its bounds, `start` for one whose starts fill the bounds.
    """

    names: tuple[str, ...]
    lower: np.ndarray
    upper: np.ndarray
    scale: tuple[str, ...]
    nominal: np.ndarray
    unit: tuple[str, ...]
    prior: tuple[Prior | None, ...]
    start: tuple[Prior | None, ...]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def lower_scaled(self) -> np.ndarray:
        """Lower bounds on the estimation scale; -inf where a logarithmic parameter has the lower bound 0."""
        return _read_only(self.to_scaled(self.lower))

    @cached_property
    def upper_scaled(self) -> np.ndarray:
        return _read_only(self.to_scaled(self.upper))

    @cached_property
    def at_domain(self) -> np.ndarray:
        """Whether a bound is a natural limit and no mere end of the search, (side, parameter).

        A lower bound of 0 on the linear scale is one (a rate or an amount cannot be negative), as are 0 and
        1 on the logit scale. What lies beyond other bounds is possible and has only not been searched.
        """
        lin, logit = (np.array([s == name for s in self.scale], dtype=bool) for name in ("lin", "logit"))
        lower = (lin | logit) & (self.lower == 0.0)
        return _read_only(np.array([lower, logit & (self.upper == 1.0)]))

    @property
    def nominal_scaled(self) -> np.ndarray:
        """The nominal values on the estimation scale, the middle of the bounds where none was given."""
        middle = 0.5 * (self.lower_scaled + self.upper_scaled)
        return np.where(np.isnan(self.nominal), middle, self.to_scaled(self.nominal))

    @cached_property
    def prior_constant(self) -> np.ndarray:
        """What each prior adds to nlprior because it is normalised within the bounds: ln of its probability
        there, (parameter,); 0 for all others."""
        constants = [
            prior.log_probability(*self.bounds_on(k, prior)) if prior and prior.within_bounds else 0.0
            for k, prior in enumerate(self.prior)
        ]
        return _read_only(np.array(constants, dtype=float))

    def bounds_on(self, k: int, density: Prior) -> tuple[float, float]:
        """The bounds of parameter k on the scale that the density is of."""
        if density.on == "estimation":
            return float(self.lower_scaled[k]), float(self.upper_scaled[k])
        return float(self.lower[k]), float(self.upper[k])

    def to_scaled(self, values: Mapping[str, float] | Sequence[float] | np.ndarray) -> np.ndarray:
        """theta from natural values: a vector (…, parameter) in order, or a mapping that names every
        parameter."""
        return self._map(values, scaled)

    def to_natural(self, theta: Sequence[float] | np.ndarray) -> np.ndarray:
        """Natural values from theta, a vector (…, parameter)."""
        return self._map(theta, lambda code, v: natural(code, v)[0])

    def slope(self, theta: Sequence[float] | np.ndarray) -> np.ndarray:
        """dp/dtheta of each parameter at theta, a vector (…, parameter)."""
        return self._map(theta, lambda code, v: natural(code, v)[1])

    def _map(self, values, function) -> np.ndarray:
        if isinstance(values, Mapping):
            missing = [n for n in self.names if n not in values]
            unknown = [n for n in values if n not in self.names]
            if missing or unknown:
                raise InputError(
                    f"values are missing for: {', '.join(missing) or 'none'}; "
                    f"not estimated are: {', '.join(unknown) or 'none'}"
                )
            values = [values[n] for n in self.names]
        given = np.asarray(values, dtype=float)
        if given.shape[-1:] != (len(self.names),):
            raise InputError(
                f"a vector of shape {given.shape} was given for {len(self.names)} estimated parameters"
            )
        result = np.empty_like(given)
        for k, scale in enumerate(self.scale):
            convert = np.vectorize(partial(function, SCALES.index(scale)), otypes=[float])
            result[..., k] = convert(given[..., k])
        return result

    def position(self, names: Iterable[str]) -> np.ndarray:
        """Positions of the named parameters. Errors: `InputError` names one that is not estimated."""
        names = list(names)
        for name in names:
            if name not in self.names:
                raise InputError(
                    f"{name!r} is not an estimated parameter; these are: {', '.join(self.names)}"
                )
        return np.array([self.names.index(n) for n in names], dtype=np.int64)


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
