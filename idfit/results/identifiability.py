"""The groups that say what the data determine: Fisher information, profiles, and the opinions beside them."""

from __future__ import annotations

from collections.abc import Mapping

from idfit.results.codes import Agreement, SideStatus, Verdict
from idfit.results.fitting import FIT_GROUPS
from idfit.results.rows import Group, Variable, code, count, flag, number, status, text

_ESTIMATION = "scale(parameter)"  # on the estimation scale, which that coordinate names
_NATURAL = "unit(parameter)"

_SPACE = text("space", "coordinates", values=("estimation", "natural"))
BOUND = text("ci_bound", "side of an interval", values=("lower", "upper"))
LEVEL = number("ci_prob", "confidence level")
PARAMETER: Mapping[str, Variable] = {
    "parameter": text("parameter", "estimated parameter"),
    "unit": text("parameter", "unit on the natural scale", optional=True),
    "scale": text("parameter", "estimation scale"),
}


def _side_status(dims: str, long_name: str) -> Variable:
    return code(dims, long_name, SideStatus, int(SideStatus.NOT_REACHED))


_FISHER = Group(
    coords={
        **PARAMETER,
        "parameter_": text("parameter_", "estimated parameter"),
        "space": _SPACE,
        "mode": count("mode", "eigenvalue by size; 0 is the best determined direction"),
    },
    variables={
        "theta": number("parameter", "point of the information, estimation scale", _ESTIMATION),
        "fim": number(
            "space parameter parameter_", "expected (Fisher) information of the data, priors left out"
        ),
        "prior_information": number("space parameter parameter_", "curvature of the negative log-prior"),
        "hessian": number(
            "space parameter parameter_", "observed information: Hessian of the objective, priors included"
        ),
        "eigenvalue": number("space mode", "eigenvalue of the data's expected information"),
        "eigenvector": number("space parameter mode", "eigenvector of the data's expected information"),
        "null": flag("space mode", "whether the eigenvalue is zero to within the error of the integration"),
        "nullity": count("space", "directions that the data leave undetermined at this point"),
        "sloppiness": number(
            "space", "decades between the largest and the smallest eigenvalue that is not zero"
        ),
        "null_share": number(
            "parameter", "share of the undetermined directions in the parameter, 0 to 1, estimation scale"
        ),
        "covariance": number(
            "space parameter parameter_", "inverse of the expected information of data and priors"
        ),
        "correlation": number("space parameter parameter_", "correlation that belongs to the covariance"),
        "standard_error": number(
            "space parameter", "standard error from the expected information of data and priors"
        ),
        "standard_error_data": number(
            "space parameter", "standard error from the expected information of the data alone"
        ),
        "standard_error_observed": number("space parameter", "standard error from the observed information"),
        "slice_error": number(
            "space parameter", "standard error with all other parameters held, data and priors"
        ),
        "parameter_effects_curvature": number(
            "space", "root mean square parameter-effects curvature times √F (Bates & Watts)", optional=True
        ),
        "intrinsic_curvature": number(
            "space", "root mean square intrinsic curvature times √F (Bates & Watts)", optional=True
        ),
        "curvature_factor": number(
            "", "√F(0.95; p, n − p), with which the curvatures are given", optional=True
        ),
    },
)

_PROFILES = Group(
    coords={
        "profiled": text("profiled", "parameter, function or prediction that is profiled"),
        "kind": text("profiled", "what is profiled: parameter, function, prediction or validation"),
        "step": count("step", "point of a profile, in rising order of the profiled value"),
        "parameter": PARAMETER["parameter"],
        "scale": PARAMETER["scale"],
        "parameter_unit": text("parameter", "unit of the parameter on the natural scale", optional=True),
        "unit": text("profiled", "unit of the profiled quantity, natural scale", optional=True),
        "profiled_scale": text("profiled", "scale on which the quantity is profiled"),
        "space": _SPACE,
        "ci_prob": LEVEL,
        "ci_bound": BOUND,
        "rank": count("rank", "partner by how far its path moves; 0 moves most"),
        "region": count("region", "part of a confidence set that falls into pieces, in rising order"),
    },
    variables={
        "value": number("profiled step", "profiled value, on the scale of the profile"),
        "theta": number(
            "profiled step parameter", "refitted parameters along the profile, estimation scale", _ESTIMATION
        ),
        "objective": number("profiled step", "least objective with the profiled value held"),
        "nllh": number("profiled step", "part of the data in the objective"),
        "nlprior": number("profiled step", "part of the priors in the objective", optional=True),
        "status": status("profiled step", "fate of the refit"),
        "on_bound": flag("profiled step parameter", "whether a refitted parameter stands on its bound"),
        "jump": flag("profiled step", "whether the path jumps between this point and the one before"),
        "start_step": count("profiled", "step at which the profile begins: the best fit"),
        "estimate": number("space profiled", "value at the best fit"),
        "interval": number(
            "space profiled ci_prob ci_bound", "confidence limits; infinite where the profile stays open"
        ),
        "side_status": _side_status("profiled ci_prob ci_bound", "how this side of the profile ended"),
        "searched": number("space profiled ci_bound", "outermost value that the profile has reached"),
        "rise": number("profiled ci_bound", "largest rise of the objective seen on this side"),
        "n_regions": count("profiled ci_prob", "pieces that the confidence set falls into"),
        "region_interval": number(
            "space profiled ci_prob region ci_bound",
            "limits of each piece of the confidence set",
            optional=True,
        ),
        "slice_interval": number(
            "space profiled ci_prob ci_bound",
            "limits with all other parameters held: never a confidence interval",
            optional=True,
        ),
        "wald_interval": number(
            "space profiled ci_prob ci_bound", "limits from the curvature at the best fit", optional=True
        ),
        "threshold": number("ci_prob", "rise of the objective at the limits"),
        "verdict": code("profiled", "what the data determine", Verdict, int(Verdict.NOT_REACHED)),
        "reason": text("profiled", "why there is no verdict, or what limits it", optional=True),
        "rests_on": text(
            "profiled ci_bound",
            "other parameters that stand at a search bound where the limit lies",
            optional=True,
        ),
        "partner": text("profiled rank", "parameter whose path moves most along the profile"),
        "partner_shift": number(
            "profiled rank",
            "movement of the partner along the profile inside the interval, in units of the estimation scale",
        ),
        "valley": text("profiled", "direction of the valley in words", optional=True),
        "n_evaluations": count("profiled ci_bound", "evaluations of the objective"),
    },
)

_PROFILES_2D = Group(
    coords={
        "pair": text("pair", "the two parameters, x and y"),
        "x": count("x", "column of the grid"),
        "y": count("y", "row of the grid"),
        "level": count("level", "contour"),
        "axis": text("axis", "axis of the grid", values=("x", "y")),
        "parameter": PARAMETER["parameter"],
        "scale": PARAMETER["scale"],
        "unit": PARAMETER["unit"],
    },
    variables={
        "first": text("pair", "parameter along x"),
        "second": text("pair", "parameter along y"),
        "x_value": number("pair x", "values of the first parameter, estimation scale"),
        "y_value": number("pair y", "values of the second parameter, estimation scale"),
        "objective": number("pair x y", "least objective with both parameters held; NaN beyond the region"),
        "nllh": number("pair x y", "part of the data in the objective"),
        "theta": number("pair x y parameter", "refitted parameters, estimation scale", _ESTIMATION),
        "status": status("pair x y", "fate of the refit; not reached beyond the region"),
        "contour_prob": number("level", "confidence level of a contour"),
        "contour_df": count("level", "degrees of freedom of a contour: 1 for its shadows, 2 for the region"),
        "contour_rise": number("level", "rise of the objective on a contour"),
        "closed": flag("pair level", "whether the contour closes within the bounds of both parameters"),
        "estimate": number("pair axis", "values at the best fit, estimation scale", optional=True),
        "n_cells": count("pair", "cells that were refitted", optional=True),
        "n_evaluations": count("pair", "evaluations of the objective", optional=True),
    },
)

_TEST = Group(
    coords={
        **PARAMETER,
        "start": count("start", "direction in which the refit set out"),
    },
    variables={
        "theta": number("start parameter", "end of the refit on the sphere, estimation scale", _ESTIMATION),
        "objective": number("start", "objective at the end of the refit"),
        "rise": number("start", "rise of the objective above the best fit"),
        "distance": number("start", "distance from the best fit, in units of the sphere's coordinates"),
        "status": status("start", "fate of the refit"),
        "direction": number("parameter", "direction of least rise, unit length in the sphere's coordinates"),
        "radius": number(
            "", "radius of the sphere: decades of a logarithmic parameter, sizes of a linear one"
        ),
        "least_rise": number("", "least rise found on the sphere"),
        "verdict": code(
            "", "what the test says of all parameters together", Verdict, int(Verdict.UNDETERMINED)
        ),
    },
)

_BOOTSTRAP = Group(
    coords={
        **PARAMETER,
        "replicate": count("replicate", "simulated data set"),
        "space": _SPACE,
        "ci_prob": LEVEL,
        "ci_bound": BOUND,
    },
    variables={
        "theta": number(
            "replicate parameter", "estimate from the simulated data, estimation scale", _ESTIMATION
        ),
        "objective": number("replicate", "objective of that estimate"),
        "status": status("replicate", "fate of the refit"),
        "mean": number("space parameter", "mean of the estimates"),
        "standard_error": number("space parameter", "standard deviation of the estimates"),
        "bias": number("space parameter", "mean of the estimates less the best fit"),
        "interval": number("space parameter ci_prob ci_bound", "percentile interval"),
        "on_bound": number("parameter ci_bound", "share of the estimates that stand on a bound"),
    },
)

_AGREEMENT = Group(
    coords={
        **PARAMETER,
        "source": text("source", "where the interval comes from"),
        "ci_bound": BOUND,
        "view": text("view", "equations, information at the best fit, or profile"),
    },
    variables={
        "interval": number(
            "source parameter ci_bound", "limits on the natural scale; NaN where there are none", _NATURAL
        ),
        "agreement": code(
            "parameter", "whether the intervals agree", Agreement, int(Agreement.NOT_COMPARABLE)
        ),
        "cause": text("parameter", "likely cause of a disagreement", optional=True),
        "open_by_view": count(
            "view parameter", "1 if this view leaves it open, 0 if not, -1 if it says nothing", optional=True
        ),
        "views": code(
            "parameter",
            "whether equations, information and profile agree on what is open",
            Agreement,
            int(Agreement.NOT_COMPARABLE),
            optional=True,
        ),
        "views_cause": text("parameter", "why not, or what the difference means", optional=True),
    },
)

IDENTIFIABILITY_GROUPS: Mapping[str, Group] = {
    "fisher": _FISHER,
    "profiles": _PROFILES,
    "profiles_endpoints": _PROFILES,  # second opinions on the limits
    "profiles_integration": _PROFILES,
    "fit_before": FIT_GROUPS["fit"],  # in the old parameters, where a study is in new ones
    "profiles_before": _PROFILES,
    "function_profiles": _PROFILES,  # of functions of parameters, predictions and new measurements
    "profiles_2d": _PROFILES_2D,
    "identifiability_test": _TEST,
    "bootstrap": _BOOTSTRAP,
    "agreement": _AGREEMENT,
}
