"""The next measurement as a stage of a run: what it is given, how it goes on, what is refused before."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from idfit.errors import InputError
from idfit.results import Status
from idfit.study import pipeline
from idfit.study.analyses import DesignTable, ProfilesTable
from idfit.study.pipeline import Means, extend_run, resume_run, run_recipe
from idfit.study.recipe import read_recipe
from idfit.study.stages import lost_simulations
from tests.study.decay import decay_recipe

DESIGN = DesignTable(n_new=2, simulations=2, times=[0.5, 1.0, 2.0, 8.0])


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr(pipeline, "write_products", lambda study, directory, say: [])


def test_a_run_asks_for_the_next_measurement_along_its_profiles(tmp_path):
    outcome = run_recipe(
        decay_recipe(tmp_path, profiles=ProfilesTable(ci_prob=[0.68, 0.9]), design=DESIGN), "new", Means()
    )
    assert outcome.degraded == ()
    design, profiles = (outcome.study[name].to_dataset() for name in ("design", "profiles"))
    assert design.attrs["ci_prob"] == 0.9
    limits = profiles["interval"].sel(space="natural").values[:, -1]
    assert design["interval"].values.tolist() == limits.tolist()
    assert design["target"].values.tolist() == ["a", "k"]
    # y has half the noise of z and twice its size; nothing is told of k at time 0
    chosen = design.isel(candidate=design["chosen_candidate"].values)
    assert set(chosen["observable"].values.tolist()) == {"y"}
    width = np.diff(design["simulated_interval"].values, axis=-1)[..., 0]
    assert (width < np.diff(limits, axis=-1)[:, 0]).all()


def test_it_is_added_to_a_run_and_ends_the_same_when_it_is_resumed(tmp_path):
    recipe = decay_recipe(tmp_path, profiles=ProfilesTable())
    run_recipe(recipe, "new", Means())
    given = {"n_new": 2, "simulations": 2, "times": [0.5, 1.0, 2.0, 8.0]}
    first = extend_run(str(recipe.out), {"design": given}, Means()).study["design"].to_dataset()
    again = resume_run(str(recipe.out), Means(workers=2)).study["design"].to_dataset()
    assert first.identical(again)
    with pytest.raises(InputError, match=r"design\.n_new"):
        extend_run(str(recipe.out), {"design": given | {"n_new": 1}}, Means())
    renewed = extend_run(str(recipe.out), {"design": given | {"n_new": 1}}, Means(), renew=True)
    assert renewed.study["design"].sizes["chosen"] == 1


def test_targets_that_were_not_profiled_are_profiled_for_it(tmp_path):
    design = DesignTable(target=["k", "ln(2)/k"], criterion="A", simulations=1, times=[1.0])
    outcome = run_recipe(
        decay_recipe(tmp_path, profiles=ProfilesTable(parameters=["a"]), design=design), "new", Means()
    )
    found = outcome.study["design"].to_dataset()
    assert found["target"].values.tolist() == ["k", "ln(2)/k"]
    rate, life = found["interval"].values
    assert life == pytest.approx(np.log(2) / rate[::-1], rel=1e-4)


RECIPE = """idfit = 1
model = "model.toml"
data = "data.csv"
[design]
"""


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("n_new = 0", "n_new = 0"),
        ("times = []", "must name a time"),
        ('criterion = "G"', "criterion"),
        ('target = ["a", "a"]', "named twice"),
        ("size = 3", "is not a key of"),
        ("simulations = 0", "simulations = 0"),
    ],
)
def test_options_that_cannot_be_are_refused_with_their_line(tmp_path, lines, said):
    (tmp_path / "recipe.toml").write_text(RECIPE + lines + "\n")
    with pytest.raises(InputError, match=said) as refused:
        read_recipe(tmp_path / "recipe.toml")
    assert refused.value.findings[0].line == 5


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('target = ["b"]', "b"),
        ('observables = { w = { formula = "q", noise = 1 } }', "q"),
        ('observables = { y = { formula = "a", noise = 1 } }', "one of the model already"),
        ("conditions = { hot = { set = { u = 1 } } }", "u"),
        ("times = [-1.0]", "before the condition starts"),
    ],
)
def test_what_the_model_does_not_have_is_refused_before_anything_is_computed(tmp_path, lines, said):
    decay_recipe(tmp_path)
    (tmp_path / "recipe.toml").write_text(RECIPE + lines + "\n")
    recipe, _ = read_recipe(tmp_path / "recipe.toml")
    heard = []
    with pytest.raises(InputError, match=said):
        run_recipe(recipe, "new", Means(say=heard.append))
    assert not any("fitting" in line for line in heard)


def test_lost_simulations_are_counted_by_reason():
    codes = [[int(Status.CONVERGED), int(Status.STEP_BUDGET), int(Status.STEP_BUDGET)]]
    design = xr.Dataset({"simulated_status": (("truth", "simulation"), np.array(codes))})
    assert lost_simulations(design) == [
        f"2 of 3 refits of simulated new data failed: {Status.STEP_BUDGET.sentence}"
    ]
