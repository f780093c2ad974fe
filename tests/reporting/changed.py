"""A made-up study in other parameters: a product in place of its factors, with profiles from before."""

from __future__ import annotations

import numpy as np
import xarray as xr

from idfit.results import Status, Verdict, dataset
from tests.reporting import allowed, determined, studies
from tests.reporting.studies import PARAMETERS

PRODUCT = "k_imp_times_phos"


def proof(**variables: object) -> xr.Dataset:
    """k_imp_homo and k_phos made way for their product; k_phos is held at 1."""
    old = list(PARAMETERS)
    new = [n for n in PARAMETERS if n not in allowed.PAIR] + [PRODUCT]
    is_new, moving = np.array([n == PRODUCT for n in new]), np.isin(old, allowed.PAIR)
    back = {"k_imp_homo": PRODUCT, "k_phos": "1"}
    n_points = 3
    limits = np.full((len(old), 1, 2), np.nan)
    limits[moving] = [-np.inf, np.inf]
    return dataset(
        "reparameterization",
        {
            "forward": ["k_imp_homo*k_phos" if n == PRODUCT else n for n in new],
            "back": [back.get(n, n) for n in old],
            "held_at": [1.0 if n == "k_phos" else np.nan for n in old],
            "moving": moving,
            "rank": 8,
            "n_unknowns": 8,
            "prediction_difference": [1e-13, 2e-12, np.nan],
            "nllh_old": [138.222, 900.0, np.nan],
            "nllh_new": [138.222, 900.0, np.nan],
            "nllh_difference": [0.0, 3e-14, np.nan],
            "status": [int(Status.OK)] * (n_points - 1) + [int(Status.STEP_TOO_SMALL)],
            "full_rank": True,
            "same_predictions": True,
            "same_nllh": True,
            "rise_before": np.where(moving, 2e-4, np.nan),
            "rise_after": np.where(is_new, 2.5, np.nan),
            "old_interval": limits,
            "old_says": [f"open: it acts through {PRODUCT} only" if m else "unchanged" for m in moving],
        }
        | variables,
        {"new": new, "old": old, "ci_prob": [0.95]},
        {"sentences": f"New parameters: {PRODUCT} = k_imp_homo*k_phos.", "model_toml_before": "# old"},
    )


def study() -> xr.DataTree:
    made = studies.boehm_like()
    made["structure"], made["combinations"] = allowed.structure(), allowed.combinations()
    before = determined.profiles(only=(4, 5))
    before["verdict"][:] = int(Verdict.STRUCTURAL)
    after = determined.profiles(only=(2,))
    made["profiles_before"] = before
    made["profiles"] = after.assign_coords(profiled=[PRODUCT])
    made["reparameterization"] = proof()
    return made


def reduction(n_accepted: int = 1) -> xr.Dataset:
    """Two limits, of which the first `n_accepted` were taken."""
    return dataset(
        "reduction",
        {
            "limit": ["", "k_imp_homo -> infinity", "k_phos -> 0"],
            "kind": ["", "infinite", "zero"],
            "evidence": ["", "its logarithm grows alone", "it falls"],
            "how": ["", "the state empties at once", "set to 0"],
            "exact": [True, True, False],
            "accepted": [True, n_accepted > 0, n_accepted > 1],
            "distance": [0.0, 0.1, 9.0],
            "n_parameters": [9, 8, 7],
            "nllh": [138.222, 138.221, 157.92],
            "rise": [0.0, -0.001, 19.7],
            "rise_in_all": [0.0, -0.001, 19.7],
            "threshold": [np.nan, 1.92, 1.92],
            "threshold_in_all": [np.nan, 1.92, 3.0],
            "aic": [294.4, 292.4, 330.0],
            "bic": [311.0, 307.0, 343.0],
            "theta": np.ones((3, 1)),
            "model": ["# given", "# smaller", "# too small"],
        },
        {"parameter": ["k_phos"]},
        {"ended": "the best of the limits found next fits worse"},
    )
