"""Made-up groups that say what the equations allow: a product is determined, its factors are not."""

from __future__ import annotations

import numpy as np
import xarray as xr

from idfit.results import StructuralVerdict, dataset
from tests.reporting.studies import PARAMETERS

PAIR = ("k_imp_homo", "k_phos")
QUANTITIES = (*PARAMETERS, "STAT5A", "ratio")
KINDS = ("parameter",) * len(PARAMETERS) + ("initial", "function")
GLOBAL, LOCAL = StructuralVerdict.GLOBAL, StructuralVerdict.LOCAL
AT_LEAST, OPEN = StructuralVerdict.AT_LEAST_LOCAL, StructuralVerdict.NONIDENTIFIABLE
VERDICTS = (
    AT_LEAST,
    LOCAL,
    GLOBAL,
    GLOBAL,
    OPEN,
    OPEN,
    GLOBAL,
    GLOBAL,
    GLOBAL,
    StructuralVerdict.UNDETERMINED,
    GLOBAL,
)


def structure(verdicts: tuple[StructuralVerdict, ...] = VERDICTS, **attrs: object) -> xr.Dataset:
    """One direction along which k_imp_homo and k_phos make up for each other."""
    involved = np.isin(QUANTITIES, PAIR)[None, :] & (OPEN in verdicts)
    how = {
        GLOBAL: "input-output equations",
        LOCAL: "two parameter values with the same outputs were found",
        AT_LEAST: "the time limit ended the search for other values",
        OPEN: "rank of the outputs' power series: a direction is left",
    }
    return dataset(
        "structure",
        {
            "formula": [*QUANTITIES[:-1], "k_exp_homo/k_exp_hetero"],
            "verdict": [int(v) for v in verdicts],
            "decided_by": [how.get(v, "the initial value stands in an event") for v in verdicts],
            "involved": involved if OPEN in verdicts else involved[:0],
            "rank": [3, 6, 8, 9, 9],
            "n_unknowns": 10,
            "nullity": int(OPEN in verdicts),
        },
        {"quantity": list(QUANTITIES), "kind": list(KINDS)},
        {
            "assumptions": "One experiment: Epo.\nThe input is known and arbitrary.",
            "time_limit": 30.0,
        }
        | attrs,
    )  # fmt: skip


def combinations() -> xr.Dataset:
    unknowns = [*PARAMETERS, "STAT5A"]
    formulas = ["k_exp_homo", "k_imp_homo*k_phos"]
    uses = np.array([[n == "k_exp_homo" for n in unknowns], [n in PAIR for n in unknowns]])
    return dataset(
        "combinations",
        {
            "formula": formulas,
            "kind": ["parameter", "monomial"],
            "uses": uses,
            "exponent": np.where(uses, 1.0, 0.0),
            "symmetry_formula": ["k_imp_homo → c·k_imp_homo, k_phos → k_phos/c"],
            "symmetry_kind": ["scaling"],
            "generator": [[{"k_imp_homo": "k_imp_homo", "k_phos": "-k_phos"}.get(n, "0") for n in unknowns]],
            "involved": [[n in PAIR for n in unknowns]],
            "nullity": 1,
            "complete": True,
        },
        {"unknown": unknowns},
    )
