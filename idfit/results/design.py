"""The group of a design: what each measurement that could be made next would do to chosen uncertainties."""

from __future__ import annotations

from collections.abc import Mapping

from idfit.results.codes import SideStatus
from idfit.results.rows import Group, code, count, flag, number, status, text

_OF_TARGET = "unit(target)"
_BOUND = text("ci_bound", "side of an interval", values=("lower", "upper"))
_AT_CANDIDATE = "observable_unit(candidate)"

DESIGN_GROUPS: Mapping[str, Group] = {
    "design": Group(
        coords={
            "candidate": count("candidate", "measurement that could be made"),
            "observable": text("candidate", "observable"),
            "condition": text("candidate", "condition"),
            "time": number("candidate", "time of the measurement, the first of a course", "time_unit"),
            "last_time": number("candidate", "time of the last reading", "time_unit"),
            "n_readings": count("candidate", "readings, with their replicates"),
            "label": text("candidate", "the candidate in words"),
            "observable_unit": text("candidate", "unit of the observable", optional=True),
            "observable_transform": text("candidate", "scale of the noise", optional=True),
            "offered": flag(
                "candidate",
                "whether it takes an observable or a condition that was offered",
                optional=True,
            ),
            "target": text("target", "parameter or function whose uncertainty matters"),
            "unit": text("target", "unit of the target, natural scale", optional=True),
            "target_scale": text("target", "scale on which the target is profiled", optional=True),
            "truth": text("truth", "point that is taken to be true"),
            "truth_of": text("truth", "target on whose profile it lies", optional=True),
            "parameter": text("parameter", "estimated parameter"),
            "scale": text("parameter", "estimation scale"),
            "ci_bound": _BOUND,
            "chosen": count("chosen", "member of the proposed set"),
            "simulation": count("simulation", "set of simulated new measurements"),
        },
        variables={
            "sigma": number("candidate", "noise of the first reading at the best fit, on the noise scale"),
            "predicted": number("candidate", "value of the first reading at the best fit", _AT_CANDIDATE),
            "gain": number(
                "candidate",
                "how far ln of the criterion falls with the candidate, from the information at the best fit",
            ),
            "error_before": number(
                "target", "standard error now, in the target's own unit; not above what the bounds say"
            ),
            "error_after": number("target candidate", "standard error with the candidate"),
            "determined_before": flag("target", "whether the information determines the target now"),
            "determined_after": flag("target candidate", "whether it does with the candidate"),
            "null_information": number(
                "target candidate",
                "information of the candidate along the undetermined direction that the target depends on",
            ),
            "theta_truth": number(
                "truth parameter", "points that are taken to be true, estimation scale", "scale(parameter)"
            ),
            "rise_truth": number("truth", "objective there above the best fit", optional=True),
            "side_status": code(
                "target ci_bound",
                "how this side of the profile ends now",
                SideStatus,
                int(SideStatus.NOT_REACHED),
            ),
            "interval": number("target ci_bound", "confidence limits now, natural scale", _OF_TARGET),
            "aimed_at": flag("target ci_bound", "whether the design is to limit this side", optional=True),
            "theta_end": number(
                "target ci_bound parameter",
                "outermost point of the valley on this side, estimation scale",
                "scale(parameter)",
                optional=True,
            ),
            "end_value": number(
                "target ci_bound", "value of the target there, natural scale", _OF_TARGET, optional=True
            ),
            "end_status": status("target ci_bound", "fate of the evaluation there", optional=True),
            "valley_spread": number(
                "target ci_bound truth candidate",
                "½ of the squared difference of the predictions at the two points, in units of the noise",
                optional=True,
            ),
            "valley_gain": number(
                "target ci_bound truth candidate",
                "what is left of it once the other parameters have made up for the candidate as far as the "
                "data let them",
                optional=True,
            ),
            "gain_refitted": flag(
                "target ci_bound candidate",
                "whether the gain comes from refits, as line and spread do not agree whether it is enough",
                optional=True,
            ),
            "valley_needed": number(
                "target ci_bound truth", "valley_gain from which on this side ends there", optional=True
            ),
            "score": number("candidate", "what the ranking is by; more is better"),
            "rank": count("candidate", "0 is the best"),
            "chosen_candidate": count("chosen", "candidate"),
            "chosen_score": number("chosen", "score of the set up to this member"),
            "repeated_score": number("chosen", "score if the best one were measured as often instead"),
            "simulated_status": status("truth simulation", "fate of the refit", optional=True),
            "simulated_interval": number(
                "truth simulation target ci_bound",
                "limits with the simulated data",
                _OF_TARGET,
                optional=True,
            ),
            "simulated_side_status": code(
                "truth simulation target ci_bound",
                "how the side ends with the simulated data",
                SideStatus,
                int(SideStatus.NOT_REACHED),
                optional=True,
            ),
            "simulated_estimate": number(
                "truth simulation target", "estimate from the simulated data", _OF_TARGET, optional=True
            ),
            "share_closed": number(
                "truth target ci_bound",
                "share of the simulations in which this side has a limit",
                optional=True,
            ),
            "median_interval": number(
                "truth target ci_bound",
                "median of the limits over the simulations",
                _OF_TARGET,
                optional=True,
            ),
            "true_value": number(
                "truth target", "value of the target at the truth", _OF_TARGET, optional=True
            ),
        },
    )
}
