"""Predictions and residual diagnostics as stages of a run: groups, resuming, and faults told beforehand."""

from __future__ import annotations

import numpy as np
import pytest

import idfit
from idfit.errors import InputError
from idfit.study import pipeline
from idfit.study.analyses import DiagnosticsTable, PosteriorTable, PredictionTable, ProfilesTable
from idfit.study.pipeline import Means, extend_run, run_recipe
from tests.study.decay import decay_recipe


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr(pipeline, "write_products", lambda study, directory, say: [])


ASKED = PredictionTable(observables=["y", "z"], formulas={"life": "ln(2)/k + 0*y"}, times=[0.5, 6.0])


def test_a_run_has_diagnostics_and_the_predictions_that_are_asked_for(tmp_path):
    study = run_recipe(decay_recipe(tmp_path, prediction=ASKED), "new", Means()).study
    assert set(study["diagnostics"].to_dataset()["subject"].values) == {"all", "y", "z"}
    band = study["prediction"].to_dataset()
    assert band["observable"].values.tolist() == ["y", "z", "life"]
    problem = idfit.load(tmp_path / "model.toml", tmp_path / "data.csv")
    own = idfit.predict(
        problem, study["fit"].to_dataset(), quantities={"y": "y", "z": "z", "life": "ln(2)/k + 0*y"},
        times=[0.5, 6.0], validation=True,
    )  # fmt: skip
    assert band["upper"].values == pytest.approx(own["upper"].values, rel=1e-6)
    assert np.isfinite(band["validation_upper"].sel(observable="z")).all()
    assert (band["validation_status_label"].sel(observable="life") == "no_noise").all()


def test_predictions_added_to_a_run_are_those_of_one_go(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    tables = {"profiles": ProfilesTable(), "prediction": ASKED}
    once = run_recipe(decay_recipe(whole, **tables), "new", Means()).study
    run_recipe(decay_recipe(parts, profiles=ProfilesTable()), "new", Means())
    asked = {"prediction": {"formulas": ASKED.formulas, "observables": ["y", "z"], "times": [0.5, 6.0]}}
    later = extend_run(parts / "run", asked, Means(workers=2)).study
    assert once["prediction"].to_dataset().identical(later["prediction"].to_dataset())


def test_a_posterior_brings_its_checks_and_its_bands(tmp_path):
    recipe = decay_recipe(
        tmp_path,
        posterior=PosteriorTable(ess=100, max_evaluations=200_000),
        prediction=PredictionTable(method="posterior", observables=["y"], times=[1.0]),
        diagnostics=DiagnosticsTable(draws=200),
    )
    study = run_recipe(recipe, "new", Means()).study
    assert study["posterior_predictive"]["value"].dims == ("chain", "draw", "measurement")
    assert set(study["predictive_checks"].to_dataset()["subject"].values) == {"all", "y", "z"}
    band = study["prediction"].to_dataset().squeeze()
    assert (
        float(band["lower"]) < float(band["median"]) < float(band["upper"]) < float(band["validation_upper"])
    )


@pytest.mark.parametrize(
    ("table", "word"),
    [
        (PredictionTable(observables=["nothing"]), "is not an observable"),
        (PredictionTable(formulas={"g": "q*y"}), "q"),
        (PredictionTable(times=[-1.0]), "starts at 0"),
        (PredictionTable(times=[]), "must name a time"),
        (PredictionTable(method="posterior"), r"\[posterior\]"),
        (PredictionTable(threshold="F"), "use chi2"),
        (PredictionTable(ci_prob=95.0), "0.95"),
    ],
)
def test_what_cannot_be_predicted_is_told_before_anything_is_computed(tmp_path, table, word):
    with pytest.raises(InputError, match=word):
        run_recipe(decay_recipe(tmp_path, prediction=table), "new", Means())
    assert not (tmp_path / "run").exists()
