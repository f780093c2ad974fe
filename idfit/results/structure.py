"""The groups that say what equations alone determine: verdicts, combinations, reparameterizations."""

from __future__ import annotations

from collections.abc import Mapping

from idfit.results.codes import StructuralVerdict
from idfit.results.rows import Group, code, count, flag, number, status, text

_STRUCTURE = Group(
    coords={
        "quantity": text("quantity", "parameter, initial value, state or function that is decided about"),
        "kind": text("quantity", "what it is: parameter, initial, state or function"),
        "direction": count("direction", "direction that no such data determine"),
        "order": count("order", "order of the power series of the outputs"),
    },
    variables={
        "formula": text("quantity", "the quantity as a formula"),
        "verdict": code(
            "quantity",
            "what the equations allow of it",
            StructuralVerdict,
            int(StructuralVerdict.NOT_REACHED),
        ),
        "decided_by": text("quantity", "how that was decided, in words"),
        "involved": flag(
            "direction quantity", "whether the quantity changes along the direction (reduced basis)"
        ),
        "rank": count("order", "unknowns determined by the outputs up to this order"),
        "n_unknowns": count("", "unknown parameters and initial values together"),
        "nullity": count("", "directions that no such data determine"),
    },
)

_COMBINATIONS = Group(
    coords={
        "combination": count("combination", "function of the unknowns that such data determine"),
        "unknown": text("unknown", "unknown parameter or initial value"),
        "direction": count("direction", "direction that no such data determine"),
        "symmetry": count("symmetry", "transformation of the unknowns that no such data notice"),
    },
    variables={
        "formula": text("combination", "the combination as a formula of the unknowns"),
        "kind": text("combination", "parameter, monomial, polynomial or rational"),
        "uses": flag("combination unknown", "whether the combination contains the unknown"),
        "exponent": number("combination unknown", "exponent of the unknown in a monomial, NaN in others"),
        "symmetry_formula": text("symmetry", "what the transformation does, in words and formulas"),
        "symmetry_kind": text("symmetry", "scaling, translation, affine or quadratic"),
        "generator": text("symmetry unknown", "rate of change of the unknown along the transformation"),
        "involved": flag(
            "direction unknown", "whether the unknown changes along the direction (reduced basis)"
        ),
        "nullity": count("", "directions that no such data determine"),
        "complete": flag("", "whether the combinations account for every direction"),
    },
)

_REPARAMETERIZATION = Group(
    coords={
        "new": text("new", "parameter of the new problem, or of the new model"),
        "old": text("old", "parameter, or start, of the old one"),
        "point": count("point", "random point within the bounds of the old one; 0 is the nominal point"),
        "ci_prob": number("ci_prob", "confidence level"),
        "ci_bound": text("ci_bound", "side of an interval", values=("lower", "upper")),
    },
    variables={
        "forward": text("new", "the new parameter as a formula of the old ones"),
        "back": text("old", "the old parameter as a formula of the new ones and of those that are held"),
        "held_at": number("old", "value at which the old parameter is held, NaN for others"),
        "moving": flag("old", "whether no data of this kind determine the old parameter by itself"),
        "rank": count("", "new unknowns determined by the outputs, -1 where the analysis cannot tell"),
        "n_unknowns": count("", "new unknown parameters and initial values together"),
        "prediction_difference": number(
            "point", "largest difference of predictions, as a share of the observable"
        ),
        "nllh_old": number("point", "nllh of the old problem", optional=True),
        "nllh_new": number("point", "nllh of the new problem at the mapped point", optional=True),
        "nllh_difference": number("point", "difference of the two, relative to 1 + |nllh|", optional=True),
        "status": status("point", "fate of the two simulations"),
        "full_rank": flag("", "whether the outputs determine every new unknown locally"),
        "same_predictions": flag("", "whether predictions agree to solver tolerance at all points"),
        "same_nllh": flag("", "whether nllh agrees to 1e-8 at all points; True without data"),
        "rise_before": number(
            "old", "largest rise of the objective along the profile of the old parameter", optional=True
        ),
        "rise_after": number(
            "new", "largest rise of the objective along the profile of the new parameter", optional=True
        ),
        "old_interval": number(
            "old ci_prob ci_bound", "limits of the old parameter from those of the new", optional=True
        ),
        "old_says": text("old", "how its interval follows, or why it is open", optional=True),
    },
)

STRUCTURE_GROUPS: Mapping[str, Group] = {
    "structure": _STRUCTURE,
    "combinations": _COMBINATIONS,
    "reparameterization": _REPARAMETERIZATION,
}
