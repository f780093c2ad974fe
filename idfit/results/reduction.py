"""The group that says how a model was reduced: limit by limit, with the fit of each smaller model."""

from __future__ import annotations

from collections.abc import Mapping

from idfit.results.rows import Group, count, flag, number, text

REDUCTION_GROUPS: Mapping[str, Group] = {
    "reduction": Group(
        coords={
            "step": count("step", "0 is the given model, each further step takes one limit more"),
            "parameter": text("parameter", "estimated parameter of one of the models"),
        },
        variables={
            "limit": text("step", "the limit that was taken, in words"),
            "kind": text("step", "zero, infinite, together, equal, bound or shift"),
            "evidence": text("step", "why it is believed to be the limit"),
            "how": text("step", "how the model of the limit was made"),
            "exact": flag("step", "whether it is the limit itself and no parameter held far out"),
            "accepted": flag("step", "whether the fit is not worse by more than the threshold"),
            "distance": number("step", "how far predictions move towards the limit, in sd"),
            "n_parameters": count("step", "estimated parameters"),
            "nllh": number("step", "negative log-likelihood of the best fit"),
            "rise": number("step", "rise of nllh over the step before"),
            "rise_in_all": number("step", "rise of nllh over the given model"),
            "threshold": number("step", "rise over the step before that is still accepted"),
            "threshold_in_all": number("step", "rise over the given model that is still accepted"),
            "aic": number("step", "Akaike's information criterion"),
            "bic": number("step", "Bayesian information criterion"),
            "theta": number("step parameter", "estimate on the natural scale, NaN where there is none"),
            "model": text("step", "the model file (TOML) with its estimates"),
        },
    )
}
