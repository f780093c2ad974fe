"""Studies in other parameters: the change, what is stored of before, the proof, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import idfit
from idfit.errors import InputError
from idfit.results import Verdict
from idfit.study import pipeline
from idfit.study.analyses import FunctionTable, PairsTable, ProfilesTable, ReparameterizationTable
from idfit.study.pipeline import Means, resume_run, run_recipe
from idfit.study.reparameterizing import carried_over, propose
from tests.study.test_equations import product_recipe
from tests.study.test_stages import as_bytes, stopped_in


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr(pipeline, "write_products", lambda study, directory, say: [])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("changed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "write_products", lambda study, directory, say: [])
        recipe = product_recipe(folder, reparameterization=ReparameterizationTable())
        return recipe, run_recipe(recipe, "new", Means())


def test_the_study_is_in_the_product_and_holds_what_was_before(made):
    _, outcome = made
    study = outcome.study
    assert set(study["fit"]["parameter"].values) == {"a_times_b", "k"}
    assert set(study["fit_before"]["parameter"].values) == {"a", "b", "k"}
    before, after = study["profiles_before"].to_dataset(), study["profiles"].to_dataset()
    assert before["profiled"].values.tolist() == ["a", "b"]
    assert [Verdict(int(v)) for v in before["verdict"]] == [Verdict.STRUCTURAL] * 2
    assert after["profiled"].values.tolist() == ["a_times_b"]  # those that have changed
    assert Verdict(int(after["verdict"][0])) is Verdict.IDENTIFIABLE
    assert outcome.degraded == ()
    assert not [f for f in outcome.findings if "non-identifiable" in f.rule]  # it is cured


def test_the_same_data_are_fitted_as_well_and_the_proof_holds(made):
    _, outcome = made
    study = outcome.study
    best = [float(study[group]["objective"].min()) for group in ("fit", "fit_before")]
    assert best[0] == pytest.approx(best[1], abs=1e-8)
    old = dict(
        zip(study["fit_before"]["parameter"].values, study["fit_before"]["estimate"].values, strict=True)
    )
    new = dict(zip(study["fit"]["parameter"].values, study["fit"]["estimate"].values, strict=True))
    assert old["a"] * old["b"] == pytest.approx(new["a_times_b"], rel=1e-5)
    proof = study["reparameterization"].to_dataset()
    assert bool(proof["full_rank"]) and bool(proof["same_predictions"]) and bool(proof["same_nllh"])  # noqa: PT018
    assert float(np.nanmax(proof["nllh_difference"])) < 1e-8
    assert "a_times_b = a*b" in proof.attrs["sentences"]
    assert "[parameters]" in proof.attrs["model_toml_before"]
    assert np.isinf(proof["old_interval"].sel(old=["a", "b"]).values).all()


def test_the_fitted_model_is_in_the_new_parameters(made):
    recipe, outcome = made
    fitted = idfit.load(Path(recipe.out) / "fitted.toml", recipe.data)
    assert set(fitted.parameters.names) == {"a_times_b", "k"}
    values = dict(zip(fitted.parameters.names, fitted.parameters.nominal, strict=True))
    assert values["a_times_b"] == pytest.approx(
        float(outcome.study["fit"]["estimate"].sel(parameter="a_times_b"))
    )


@pytest.mark.parametrize("stage", ["profiles of the old parameters", "the fit in the old parameters"])
def test_a_run_that_stops_before_the_proof_resumes_to_the_same_bytes(made, tmp_path, stage):
    _, complete = made
    recipe = product_recipe(tmp_path, reparameterization=ReparameterizationTable())
    with pytest.raises(idfit.Interrupted):
        run_recipe(recipe, "new", stopped_in(stage, 1))
    assert as_bytes(resume_run(tmp_path / "run", Means(workers=2)).study) == as_bytes(complete.study)


def test_parameters_of_your_own(tmp_path):
    """amp = a·b and the rate as a life time: b stays, and is free as before."""
    table = ReparameterizationTable(manual={"life": "ln(2)/k"}, replacing=["k"])
    recipe = product_recipe(tmp_path, reparameterization=table, profiles=ProfilesTable(parameters=["life"]))
    study = run_recipe(recipe, "new", Means()).study
    assert "life" in study["fit"]["parameter"].values
    profile = study["profiles"].to_dataset().sel(profiled="life", space="natural", ci_prob=0.95)
    old = study["profiles_before"].to_dataset().sel(profiled="k", space="natural", ci_prob=0.95)
    assert profile["interval"].values == pytest.approx(np.log(2) / old["interval"].values[::-1], rel=1e-3)


def test_where_all_is_determined_there_is_nothing_to_change(tmp_path):
    recipe = product_recipe(tmp_path, reparameterization=ReparameterizationTable())
    text = (tmp_path / "model.toml").read_text()
    (tmp_path / "model.toml").write_text(
        text.replace("a*b", "a").replace('b = { value = 1, min = 0.1, max = 10, scale = "log10" }\n', "")
    )
    with pytest.raises(InputError, match="nothing to change: the equations determine every parameter"):
        run_recipe(recipe, "new", Means())
    assert not (tmp_path / "run").exists()


def test_names_are_those_of_the_new_problem(tmp_path):
    recipe = product_recipe(
        tmp_path, reparameterization=ReparameterizationTable(), profiles=ProfilesTable(parameters=["a"])
    )
    with pytest.raises(InputError, match=r"--parameters.*|P19.*not an estimated parameter"):
        run_recipe(recipe, "new", Means())


def test_what_a_recipe_asks_of_replaced_parameters_is_asked_of_the_new_or_left_out(tmp_path):
    recipe = product_recipe(
        tmp_path,
        reparameterization=ReparameterizationTable(),
        profiles=ProfilesTable(parameters=["k", "a"], max_points=40),
        profiles_2d=PairsTable(pairs=[["a", "b"]]),
        functions={"life": FunctionTable(formula="ln(2)/k"), "ratio": FunctionTable(formula="a/b")},
    )
    change, _, _ = propose(recipe)
    made, findings = carried_over(recipe, change)
    assert made.profiles == ProfilesTable(parameters=["a_times_b", "k"], max_points=40)
    assert made.profiles_2d is None
    assert list(made.functions) == ["life"]
    assert [f.given for f in findings] == ["profiles_2d of a, b", "the function ratio"]
    study = run_recipe(made, "new", Means()).study
    assert study["function_profiles"]["profiled"].values.tolist() == ["life"]
