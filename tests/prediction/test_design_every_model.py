"""Every model in models/ is asked for its next measurement: what holds of any information holds of these.

A reading never takes information away; two tell at least as much as one; and what is predicted for a time
that was measured is what a fit predicts there.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

import idfit

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = tomllib.loads((ROOT / "models/expected.toml").read_text(encoding="utf-8"))
QUICK = ("bod_marske", "boehm", "theophylline", "virkler_crack", "swameye_jakstat")


def check(name: str) -> None:
    problem = idfit.load(ROOT / f"models/{name}.toml", ROOT / f"data/{EXPECTED[name].get('data', name)}.csv")
    theta = problem.parameters.nominal_scaled
    found = idfit.design(problem, theta, method="fisher", criterion="A", check=False, n_new=2)
    gain = found["gain"].values
    assert np.isfinite(gain).all()
    assert gain.min() > -1e-9
    assert (found["error_after"] <= found["error_before"] * (1 + 1e-9)).all()
    assert sorted(found["rank"].values.tolist()) == list(range(len(gain)))
    once, twice = found["chosen_score"].values
    # the best pair need not hold the best single one
    assert once <= gain.max() + 1e-9 <= twice + 2e-9
    measured = idfit.simulate(problem, theta)
    table = problem.spec.measurements
    keys = list(zip(table.condition, table.observable, table.time, strict=True))
    offers = zip(*(found[v].values.tolist() for v in ("condition", "observable", "time")), strict=True)
    copies = any(p.per for p in problem.spec.parameters.values()) or any(
        o.per for o in problem.spec.observables.values()
    )
    shared = 0
    for i, key in enumerate(offers):
        if key in keys and not copies and int(found["n_readings"][i]) == 1:
            row = keys.index(key)
            assert float(found["predicted"][i]) == pytest.approx(
                float(measured["prediction"][row]), rel=1e-6, abs=1e-9
            )
            shared += 1
    assert shared or copies


@pytest.mark.parametrize("name", QUICK)
def test_the_next_measurement_of_some_models(name):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in EXPECTED if n not in QUICK])
def test_the_next_measurement_of_all_models(name):
    check(name)
