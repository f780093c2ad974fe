"""The groups that say what the equations alone determine: structural verdicts, combinations, reparameterizations."""

from __future__ import annotations

from collections.abc import Mapping

from idfit.results.codes import StructuralVerdict
from idfit.results.rows import Group, code, count, flag, number, text

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

STRUCTURE_GROUPS: Mapping[str, Group] = {"structure": _STRUCTURE, "combinations": _COMBINATIONS}
