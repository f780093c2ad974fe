"""The worked studies of docs/reparameterization.md, on the data that they are about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import idfit
from idfit.reparameterization import prove, reparameterization_of

ROOT = Path(__file__).parents[2]
STUDIES = {
    "swameye_jakstat_amount": (
        "swameye_jakstat",
        {"init_STAT", "p2", "scale_tSTAT", "scale_pSTAT"},
        {"init_STAT": 1},
        {"p2_times_init_STAT", "scale_tSTAT_times_init_STAT", "scale_pSTAT_times_init_STAT"},
    ),
    "warfarin_bioavailability": ("warfarin", {"F", "V", "CL"}, {"F": 1}, {"V_over_F", "CL_over_F"}),
    "silverbox_mass": (
        "silverbox_free",
        {"m", "d", "k", "k3"},
        {"m": 1e-6},
        {"d_over_m", "k_over_m", "k3_over_m"},
    ),
}


def load(model: str, data: str) -> idfit.Problem:
    return idfit.load(ROOT / f"models/{model}.toml", ROOT / f"data/{data}.csv")


def open_parameters(problem: idfit.Problem) -> set[str]:
    found = idfit.assess_structure(problem, global_=False)
    left_open = (found["verdict_label"] == "nonidentifiable") & (found["kind"] == "parameter")
    return set(found["quantity"].values[left_open.values].tolist())


@pytest.mark.parametrize("name", STUDIES)
def test_what_the_equations_leave_open_and_the_model_without_it(name):
    data, left_open, hold, new_names = STUDIES[name]
    old = load(name, data)
    assert open_parameters(old) == left_open
    combos = idfit.find_combinations(old)
    assert bool(combos["complete"])
    assert int(combos["nullity"]) == 1
    maps = reparameterization_of(old, combos, normalise=hold)
    new = maps.apply(old)
    assert set(new.parameters.names) - set(old.parameters.names) == new_names
    assert open_parameters(new) == set()
    proof = prove(old, new, maps)
    assert int(proof["rank"]) == int(proof["n_unknowns"]) == len(new.parameters)
    assert float(proof["nllh_difference"].max()) < 1e-8
    assert float(proof["prediction_difference"].max()) < 1e-7


def test_the_model_of_stat5_is_the_one_that_is_shipped():
    old = load("swameye_jakstat_amount", "swameye_jakstat")
    new = idfit.reparameterize(old, idfit.find_combinations(old), normalise={"init_STAT": 1})
    shipped = load("swameye_jakstat", "swameye_jakstat")
    renamed = [name.removesuffix("_times_init_STAT") for name in new.parameters.names]
    assert renamed == list(shipped.parameters.names)
    theta = shipped.parameters.to_scaled(shipped.parameters.nominal)
    nllh = [problem.objective()(theta, order=0).nllh for problem in (new, shipped)]
    np.testing.assert_allclose(nllh[0], nllh[1], rtol=1e-10)


def test_a_known_force_determines_the_mass():
    assert open_parameters(load("silverbox_mass", "silverbox_free_forced")) == set()
