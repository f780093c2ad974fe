"""The groups of a fit: the problem that was asked, the starts, and the simulation of the best one."""

from __future__ import annotations

from collections.abc import Mapping

from idfit.results.codes import BoundSide
from idfit.results.rows import Group, code, count, flag, number, status, text

_ON_SCALE = "scale(parameter)"  # thetas are on the estimation scale, which that coordinate names
_IN_UNIT = "unit(parameter)"

FIT_GROUPS: Mapping[str, Group] = {
    "problem": Group(
        coords={
            "parameter_all": text("parameter_all", "parameter, estimated or not"),
            "measurement": count("measurement", "row of the data, from 0"),
        },
        variables={
            "lower": number(
                "parameter_all", "lower bound, natural scale", "unit(parameter_all)", optional=True
            ),
            "upper": number(
                "parameter_all", "upper bound, natural scale", "unit(parameter_all)", optional=True
            ),
            "nominal": number(
                "parameter_all", "value in the model file, natural scale", "unit(parameter_all)"
            ),
            "scale": text("parameter_all", "estimation scale"),
            "unit": text("parameter_all", "unit", optional=True),
            "estimated": flag("parameter_all", "whether the parameter is estimated"),
            "prior": text("parameter_all", "prior density", optional=True),
            "tie": text("parameter_all", "formula that the parameter is tied to", optional=True),
            "condition": text("measurement", "condition"),
            "observable": text("measurement", "observable"),
            "time": number("measurement", "time of the measurement", "time_unit"),
            "value": number("measurement", "measured value", "measurement_unit(measurement)"),
            "sd": number(
                "measurement",
                "standard deviation given with the data",
                "measurement_unit(measurement)",
                optional=True,
            ),
            "sigma_source": text("measurement", "where the noise level comes from", optional=True),
            "replicate": text("measurement", "replicate", optional=True),
            "censored": text("measurement", "censoring: left, right or none", optional=True),
            "measurement_unit": text("measurement", "unit of the measured value", optional=True),
        },
    ),
    "fit": Group(
        coords={
            "start": count("start", "number of the start; 0 is the nominal point where it was asked for"),
            "parameter": text("parameter", "estimated parameter"),
            "parameter_": text("parameter_", "estimated parameter"),
            "optimum_index": count("optimum_index", "cluster of equivalent optima; 0 is the best"),
            "space": text("space", "coordinates", values=("estimation", "natural")),
            "ci_bound": text("ci_bound", "side of an interval", values=("lower", "upper")),
            "unit": text("parameter", "unit on the natural scale", optional=True),
            "scale": text("parameter", "estimation scale"),
        },
        variables={
            "theta0": number("start parameter", "starting point, estimation scale", _ON_SCALE),
            "theta": number("start parameter", "end point, estimation scale", _ON_SCALE),
            "objective": number("start", "nllh + nlprior at the end point"),
            "nllh": number("start", "negative log-likelihood at the end point, all constants kept"),
            "nlprior": number("start", "negative log-prior at the end point", optional=True),
            "status": status("start", "fate of the start"),
            "cluster": count("start", "cluster of the end point; -1 where there is none"),
            "n_evaluations": count("start", "evaluations of the objective", optional=True),
            "n_iterations": count("start", "iterations", optional=True),
            "gradient_norm": number(
                "start", "norm of the projected gradient at the end point, estimation scale", optional=True
            ),
            "optimum": number(
                "optimum_index parameter", "best end point of the cluster, estimation scale", _ON_SCALE
            ),
            "optimum_nllh": number(
                "optimum_index", "negative log-likelihood of the best end point of the cluster"
            ),
            "hits": count("optimum_index", "starts that ended in the cluster"),
            "hit_rate": number("optimum_index", "share of the starts that ended in the cluster"),
            "hit_rate_interval": number(
                "optimum_index ci_bound", "95 % interval of the hit rate", optional=True
            ),
            "estimate": number("parameter", "best fit, natural scale", _IN_UNIT),
            "standard_error": number(
                "space parameter",
                "standard error from the observed information: the Hessian of the objective at the best fit",
                optional=True,
            ),
            "standard_error_expected": number(
                "space parameter",
                "standard error from the expected (Fisher) information at the best fit",
                optional=True,
            ),
            "standard_error_unbiased": number(
                "space parameter",
                "standard error with the noise level corrected for the number of fitted parameters",
                optional=True,
            ),
            "at_bound": code(
                "parameter", "whether the best fit stands at a bound", BoundSide, 0, optional=True
            ),
            "fim": number(
                "parameter parameter_", "Fisher information at the best fit, estimation scale", optional=True
            ),
            "hessian": number(
                "parameter parameter_",
                "Hessian of the objective at the best fit, estimation scale",
                optional=True,
            ),
            "chi2": number("", "sum of squared standardised residuals at the best fit", optional=True),
            "n_data": count("", "number of measurements", optional=True),
            "dof": count("", "measurements minus estimated parameters", optional=True),
        },
    ),
    "simulation": Group(
        coords={
            "measurement": count("measurement", "row of the data, from 0"),
            "condition": text("measurement", "condition"),
            "observable": text("measurement", "observable"),
            "time": number("measurement", "time of the measurement", "time_unit"),
            "replicate": text("measurement", "replicate", optional=True),
            "curve": text("measurement", "trajectory_condition it belongs to", optional=True),
            "parameter": text("parameter", "estimated parameter"),
            # `condition` is a coordinate of the measurements, so the curves' dims need names of their own.
            "trajectory_condition": text("trajectory_condition", "condition of a curve"),
            "trajectory_observable": text("trajectory_observable", "observable of a curve"),
            "observable_unit": text("trajectory_observable", "unit of the observable", optional=True),
            "observable_transform": text("trajectory_observable", "scale of the noise", optional=True),
            "observable_distribution": text("trajectory_observable", "noise distribution", optional=True),
            "state": text("state", "state"),
            "state_unit": text("state", "unit of the state", optional=True),
            "grid": count("grid", "point of a curve"),
        },
        variables={
            "prediction": number(
                "measurement",
                "prediction of the measurement",
                "observable_unit(trajectory_observable)",
                optional=True,
            ),
            "sigma": number("measurement", "noise level on the noise scale", optional=True),
            "residual": number(
                "measurement", "(measured - predicted)/sigma on the noise scale", optional=True
            ),
            "theta": number("parameter", "where it was simulated, estimation scale", optional=True),
            "nllh": number("", "negative log-likelihood", optional=True),
            "chi2": number("", "sum of squared standardised residuals", optional=True),
            "status": status("", "fate of the simulation", optional=True),
            "trajectory_time": number(
                "trajectory_condition grid", "time of the curve", "time_unit", optional=True
            ),
            "trajectory": number(
                "trajectory_condition trajectory_observable grid",
                "observable without noise",
                "observable_unit(trajectory_observable)",
                optional=True,
            ),
            "trajectory_sigma": number(
                "trajectory_condition trajectory_observable grid",
                "noise level along the curve, noise scale",
                optional=True,
            ),
            "state_trajectory": number(
                "trajectory_condition state grid", "state", "state_unit(state)", optional=True
            ),
        },
    ),
}
