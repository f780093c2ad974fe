"""Problems and models in parameters that the data can determine, or in the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from idfit.errors import InputError
from idfit.model import Model
from idfit.problem import Problem
from idfit.reparameterization.manual import chosen
from idfit.reparameterization.maps import Reparameterization
from idfit.reparameterization.proposal import proposed

if TYPE_CHECKING:
    import xarray as xr

Normalise = Iterable[str] | Mapping[str, float] | None


def reparameterize(
    subject: Problem | Model,
    combos: xr.Dataset | None = None,
    *,
    keep: Iterable[str] = (),
    normalise: Normalise = None,
    manual: Mapping[str, str] | None = None,
    replacing: Sequence[str] | None = None,
    priors: Literal["carry", "drop"] = "carry",
) -> Any:
    """The same problem, or model, in new parameters: what it predicts, and its likelihood, are unchanged.

    With `combos` (from `find_combinations`) the new parameters u = g(p) are what the data determine. Along
    each undetermined direction one old parameter is held, as all its values predict the same; the others
    become formulas of u, p = h(u), and the equations are f(x, h(u)). With `manual` the new parameters are the
    user's formulas, ``{"kd_over_kp": "kd/kp"}``.

    keep : parameters never to be held or, with `manual`, replaced. normalise : those to hold, by name, or
    with their values. Without it a parameter that scales others is held at its nominal value (1 in a
    `Model`), others at 0 where the rest keep their signs. replacing : with `manual`, the old parameters that
    disappear. priors : "carry" refuses priors that do not have an exact counterpart, "drop" leaves out those
    of replaced parameters.

    A `Problem` gets values, bounds, scales and units of the new parameters from those of the old; its
    description tells the maps. The `Reparameterization` itself comes from `reparameterization_of` with the
    same arguments.

    Errors: `InputError` with the reason where there is no such formula, or it would not mean the same.
    """
    maps = reparameterization_of(
        subject, combos, keep=keep, normalise=normalise, manual=manual, replacing=replacing
    )
    return maps.apply(subject, priors=priors) if maps else subject


def reparameterization_of(
    subject: Problem | Model,
    combos: xr.Dataset | None = None,
    *,
    keep: Iterable[str] = (),
    normalise: Normalise = None,
    manual: Mapping[str, str] | None = None,
    replacing: Sequence[str] | None = None,
) -> Reparameterization:
    """The maps of `reparameterize`; false if there is nothing to change."""
    if (combos is None) == (not manual):
        raise InputError.of(
            "combos and manual" if manual else "neither combos nor manual",
            "either combinations or new parameters of your own say what is wanted",
            "give one of the two",
        )
    if manual:
        return chosen(subject, manual, replacing, keep, normalise)
    if replacing is not None:
        raise InputError.of("replacing", "is for new parameters of your own (manual=...)", "use normalise")
    assert combos is not None
    return proposed(subject, combos, keep, normalise)
