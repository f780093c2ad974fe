"""What the page on the next measurement says is what happens."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import idfit
from idfit.reporting.next_measurement import out_of_reach
from idfit.reporting.reading import read_design
from idfit.study.recipe import read_recipe

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "design.md").read_text("utf-8")


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_in_python_do_what_they_say(block, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "example.py").write_text(block)
    assert "design" in runpy.run_path(str(tmp_path / "example.py"))


@pytest.mark.parametrize("name", ["boehm_next", "silverbox_mass_next"])
def test_the_recipes_ask_for_the_next_measurement(name):
    assert f"reports/{name}.toml" in PAGE
    recipe, notices = read_recipe(ROOT / "reports" / f"{name}.toml")
    assert recipe.design is not None
    assert notices == []


@pytest.fixture(scope="module")
def boehm():
    recipe, _ = read_recipe(ROOT / "reports" / "boehm_next.toml")
    asked = recipe.design
    assert asked is not None
    problem = idfit.load(recipe.model, recipe.data)
    fit = idfit.fit(problem, n_starts=30, seed=1)
    return idfit.design(
        problem, fit, profiles=idfit.profile(problem, fit), observables=asked.observables, times=asked.times,
        n_new=asked.n_new, replicates=asked.replicates, n_simulations=5,
    )  # fmt: skip


@pytest.mark.slow
def test_what_is_measured_now_closes_no_open_side_of_boehm(boehm):
    present = ~boehm["offered"].values
    ratio = boehm["valley_gain"] / boehm["valley_needed"]
    for target, side in (("k_exp_hetero", "lower"), ("k_imp_homo", "upper")):
        own = ratio.sel(target=target, ci_bound=side)
        assert float(own[:, present].max()) < 1.0 < float(own[:, ~present].max())
    design = read_design(boehm)
    assert design is not None
    said = out_of_reach(design, "min")
    assert sum("of what the model observes gives" in sentence for sentence in said) == 2


@pytest.mark.slow
def test_the_proposal_for_boehm_closes_both_sides_where_the_truth_is_not_their_end(boehm):
    chosen = boehm.isel(candidate=boehm["chosen_candidate"].values)
    pairs = sorted(zip(chosen["observable"].values.tolist(), chosen["time"].values.tolist(), strict=True))
    assert pairs == [("cytosolic_AA", 2.0), ("cytosolic_AA", 120.0), ("nuclear_AB", 1440.0)]
    share = boehm["share_closed"]
    far = share.sel(truth="k_exp_hetero at 67% of its interval")
    assert float(far.sel(target="k_exp_hetero", ci_bound="lower")) == 1.0
    for third in ("33%", "67%"):
        truth = f"k_imp_homo at {third} of its interval"
        assert float(share.sel(target="k_imp_homo", ci_bound="upper", truth=truth)) == 1.0
        low, high = boehm["median_interval"].sel(target="k_imp_homo", truth=truth).values
        assert low < float(boehm["true_value"].sel(target="k_imp_homo", truth=truth)) < high < 2 * low
    assert not share.sel(truth="the best fit").isel(ci_bound=0).sel(target="k_exp_hetero").item()
    assert np.isin(boehm["simulated_status"].values, [0, 1, 2]).all()
