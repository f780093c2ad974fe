"""Every model in models/ is profiled: what holds of any profile holds of these.

What is called a profile is sometimes a slice, in which nothing is refitted. So slices lie within profiles;
and where the Fisher information correlates two parameters, the path of one moves with the other, and its
interval is the wider one.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import idfit
from idfit.profiles import profile

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = tomllib.loads((ROOT / "models/expected.toml").read_text(encoding="utf-8"))
# models whose profiles take long: all parameters in the slow test, these many in the quick one
FEW = {"fujita_akt": 1, "silverbox": 2, "theophylline": 6, "falling_smartphone": 12, "indomethacin": 8}
CORRELATED = 0.1


@cache
def profiled(name: str, most: int | None):
    expected = EXPECTED[name]
    problem = idfit.load(ROOT / f"models/{name}.toml", ROOT / f"data/{expected.get('data', name)}.csv")
    space, best = problem.parameters, expected.get("best", {}).get("parameters")
    theta = space.nominal_scaled if best is None else space.to_scaled([best[n] for n in space.names])
    return problem, profile(problem, theta, list(space.names)[:most])


def check(name: str, most: int | None) -> None:
    problem, profiles = profiled(name, most)
    interval, slices = (
        profiles[v].sel(space="estimation").isel(ci_prob=0).values for v in ("interval", "slice_interval")
    )
    small = 1e-6 * np.maximum(1.0, np.abs(profiles["estimate"].sel(space="estimation").values))
    assert (interval[:, 0] <= slices[:, 0] + small).all()
    assert (interval[:, 1] >= slices[:, 1] - small).all()
    best = profiles["theta"].isel(profiled=0, step=int(profiles["start_step"][0])).values
    information = idfit.fisher_information(problem, best, curvature=False)
    correlation = information["correlation"].sel(space="estimation").values
    names = list(problem.parameters.names)
    for i, own in enumerate(profiles["profiled"].values.tolist()):
        finite = profiles["side_status_label"].isel(profiled=i, ci_prob=0).values == "crossed"
        # in units of what each other would move the data by on its own
        path = profiles["theta"].isel(profiled=i).values
        moved = (path - best) / information["slice_error"].sel(space="estimation").values
        for j, r in enumerate(correlation[names.index(own)]):
            if names[j] == own or not abs(r) > CORRELATED:
                continue
            assert np.nanmax(np.abs(moved[:, j])) > 0.5 * CORRELATED, (own, names[j], r)
            outward = np.array([-1, 1])[finite] * (interval[i][finite] - slices[i][finite])
            assert (outward > 0).all(), (own, names[j], r)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_slices_lie_within_and_correlated_parameters_move(name):
    check(name, FEW.get(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FEW))
def test_the_same_of_every_parameter(name):
    check(name, None)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_no_limit_is_finite_without_a_crossing_and_no_crossing_without_the_rise(name):
    _, profiles = profiled(name, FEW.get(name))
    lowest, rise = profiles.attrs["objective"], float(profiles["threshold"][-1])
    for i in range(profiles.sizes["profiled"]):
        at = profiles.isel(profiled=i, ci_prob=-1)
        for bound in ("lower", "upper"):
            status = str(at["side_status_label"].sel(ci_bound=bound).values)
            limit = float(at["interval"].sel(space="estimation", ci_bound=bound))
            assert np.isfinite(limit) == (status in ("crossed", "domain_bound"))
            if status == "crossed":
                nearest = int(np.nanargmin(np.abs(at["value"].values - limit)))
                assert at["value"].values[nearest] == limit
                assert float(at["objective"][nearest]) - lowest == pytest.approx(rise, rel=2e-3)
