"""The groups that say what a model predicts, whether it fits, and which of several models does better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from idfit.results.codes import Code
from idfit.results.rows import Group, Variable, code, count, flag, number, text


class LimitStatus(Code):
    """What became of one limit of a prediction.

    >>> LimitStatus.OPEN.label, LimitStatus.FOUND.finite
    ('open', True)
    """

    FOUND = 1, "The limit was found."
    OPEN = 2, "The threshold was not crossed within the bounds of the parameters: this side is open."
    FAILED = 3, "The limit could not be computed: refits on the way failed or used up their budget."
    NO_VALUE = 4, "The quantity has no value there at the best fit; look at its formula at that time."
    NO_NOISE = 5, "No normal noise of a new measurement is known there; name an sd, or ask the posterior."
    NOT_DETERMINED = (
        6,
        "There is no error to first order: the data do not determine it, or a parameter stands at its bound.",
    )
    UNCONVERGED = 7, "The draws have not converged and make no claim; sample on."
    LEVELS_OFF = 8, "The threshold is not crossed, but the value levels off: it comes no further than this."
    NOT_REACHED = 30, "Not asked for, or not computed."

    @property
    def finite(self) -> bool:
        return self in (LimitStatus.FOUND, LimitStatus.LEVELS_OFF)


@dataclass(frozen=True)
class Kind:
    """What a band is: a label for figures, a sentence, and whether it can be too narrow by its making."""

    label: str
    sentence: str
    inner: bool = False


#: what the bands of each method are
KINDS: Mapping[str, Kind] = {
    "profiles": Kind(
        "profile-wise band",
        "Limits of the prediction profile at each time: all parameters that fit within the threshold are "
        "searched for the smallest and the largest value.",
    ),
    "profile_points": Kind(
        "inner approximation from the points of profiles",
        "The range over the points of one-dimensional profiles that lie below the threshold. It is an inner "
        "approximation: parameters that fit as well and lie on no profile are left out, so that the exact "
        "band is as wide or wider.",
        True,
    ),
    "posterior": Kind(
        "posterior band",
        "Quantiles of the prediction over draws of the posterior: a credible band, which the priors shape "
        "too.",
    ),
    "linear": Kind(
        "linear approximation",
        "First-order propagation of the information at the best fit (delta method): a symmetric band on the "
        "scale of the noise, which is right only as far as the model is linear within it.",
    ),
}


class CheckVerdict(Code):
    """What a test says of residuals, at the level that is given with it."""

    NO_SIGN = 1, "no sign against it"
    AGAINST = 2, "a sign against it"
    UNDETERMINED = 3, "undetermined: too few values"


class Nesting(Code):
    """How the smaller of two models stands in the larger one."""

    INSIDE = 1, "nested: its fixed values lie inside the bounds of the larger model"
    ON_BOUND = 2, "nested on a bound: one fixed value stands on a bound of the larger model"
    SEVERAL_ON_BOUND = 3, "nested on several bounds at once: the distribution is not known"


_CELL = "condition observable time"
_BOUND = text("ci_bound", "side of an interval", values=("lower", "upper"))
_UNIT = "observable_unit(observable)"


def _limit_status(long_name: str) -> Variable:
    return code(f"{_CELL} ci_bound", long_name, LimitStatus, int(LimitStatus.NOT_REACHED), optional=True)


PREDICTION_GROUPS: Mapping[str, Group] = {
    "prediction": Group(
        coords={
            "condition": text("condition", "condition, with the copies of parameters that are read"),
            "observable": text("observable", "observable or formula"),
            "observable_unit": text("observable", "unit of the observable", optional=True),
            "observable_transform": text("observable", "scale of the noise", optional=True),
            "formula": text("observable", "what is predicted", optional=True),
            "time": number("time", "time", "time_unit"),
            "ci_bound": _BOUND,
        },
        variables={
            "median": number(_CELL, "best fit; of an ensemble its median", _UNIT),
            "lower": number(_CELL, "lower limit of the value without noise", _UNIT),
            "upper": number(_CELL, "upper limit of the value without noise", _UNIT),
            "status": _limit_status("what became of the limits of the value without noise"),
            "validation_lower": number(_CELL, "lower limit of a new measurement", _UNIT, optional=True),
            "validation_upper": number(_CELL, "upper limit of a new measurement", _UNIT, optional=True),
            "validation_status": _limit_status("what became of the limits of a new measurement"),
            "sigma": number(_CELL, "noise level of a new measurement at the best fit", optional=True),
            "rests_on": text(
                f"{_CELL} ci_bound",
                "parameters that stand at a search bound where the limit lies",
                optional=True,
            ),
            "n_evaluations": count(_CELL, "evaluations of the objective", optional=True),
        },
    ),
    "predictive_checks": Group(
        coords={
            "subject": text("subject", "observable, or all of them"),
            "quantity": text("quantity", "test quantity"),
        },
        variables={
            "measured": number("subject quantity", "mean of the test quantity of the data over the draws"),
            "drawn": number("subject quantity", "mean of the test quantity of data drawn from the model"),
            "p_value": number("subject quantity", "share of draws whose drawn data exceed the data"),
            "n": count("subject", "measurements"),
        },
    ),
    "diagnostics": Group(
        coords={
            "subject": text("subject", "observable, or all of them"),
            "test": text("test", "what is tested"),
            "measurement": count("measurement", "row of the data, from 0"),
        },
        variables={
            "statistic": number("subject test", "test statistic"),
            "p_value": number("subject test", "probability of a statistic as extreme, were nothing wrong"),
            "adjusted_p_value": number("subject test", "the same, as the smallest of so many (Holm)"),
            "verdict": code("subject test", "what it says", CheckVerdict, int(CheckVerdict.UNDETERMINED)),
            "reason": text("subject test", "why nothing can be said, or how it was done", optional=True),
            "n": count("subject", "measurements that are not censored"),
            "residual": number("measurement", "(measured - predicted)/sigma on the noise scale"),
            "leverage": number("measurement", "share of the fit that the measurement itself decides"),
            "studentised": number("measurement", "residual over its own standard deviation"),
            "outlier": flag("measurement", "whether it is one, after correction for their number"),
        },
    ),
    "comparison": Group(
        coords={"model": text("model", "model by its name, the best one first by the criterion")},
        variables={
            "n_parameters": count("model", "estimated parameters"),
            "n_data": count("model", "measurements"),
            "nllh": number("model", "negative log-likelihood of the best fit, priors left out"),
            "aic": number("model", "Akaike's information criterion"),
            "aicc": number("model", "the same, corrected for few data"),
            "bic": number("model", "Bayesian information criterion"),
            "delta": number("model", "criterion less that of the best model"),
            "weight": number("model", "Akaike weight: exp(-delta/2), all together 1"),
        },
    ),
    "likelihood_ratio": Group(
        coords={},
        variables={
            "statistic": number("", "2 (nllh of the smaller model - nllh of the larger)"),
            "df": count("", "parameters that the smaller model has fixed"),
            "p_value": number("", "probability of so large a statistic if the smaller model holds"),
            "nesting": code("", "how the smaller model stands in the larger", Nesting, int(Nesting.INSIDE)),
            "fixed": text("", "what is fixed"),
            "distribution": text("", "distribution of the statistic if the smaller model holds"),
        },
    ),
}
