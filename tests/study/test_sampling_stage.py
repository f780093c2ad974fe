"""The posterior of a run: its groups, how it is continued, and chains that do not converge."""

from __future__ import annotations

import re
from pathlib import Path

import arviz_stats
import numpy as np
import pytest

import idfit
from idfit.errors import InputError, Interrupted
from idfit.prediction.ensemble import draws_of
from idfit.reporting.reading import read_posterior
from idfit.results import Agreement
from idfit.sampling.options import SAMPLERS, SampleOptions
from idfit.study import pipeline
from idfit.study.analyses import PosteriorTable, ProfilesTable
from idfit.study.directory import finished_tasks
from idfit.study.pipeline import Means, extend_run, resume_run, run_recipe
from idfit.study.recipe import Recipe, check_options
from tests.study.decay import chi2_along_k, decay_recipe
from tests.study.test_stages import as_bytes, stopped_in

ARVIZ = {"posterior", "sample_stats", "log_likelihood", "observed_data"}
SHORT = PosteriorTable(ess=400, max_evaluations=60_000)


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr(pipeline, "write_products", lambda study, directory, say: [])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Profiles and posterior in one go, and what was said."""
    folder, said = tmp_path_factory.mktemp("whole"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "write_products", lambda study, directory, say: [])
        recipe = decay_recipe(folder, profiles=ProfilesTable(), posterior=SHORT)
        return recipe, run_recipe(recipe, "new", Means(say=said.append)), said


def test_the_stage_makes_the_groups_of_arviz_and_tells_its_rounds(whole):
    _, outcome, said = whole
    assert outcome.degraded == ()
    assert set(outcome.study.children) >= {*ARVIZ, "sampling", "agreement"}
    assert outcome.study["sampling"].attrs["converged"] == 1
    assert any("R-hat" in line and "of 400" in line for line in said)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")  # of few data, and no concern here
def test_arviz_reads_the_stored_study_as_it_is(whole):
    recipe, outcome, _ = whole
    study = idfit.open_study(recipe.out)
    assert study.identical(outcome.study)
    table = arviz_stats.summary(study)
    assert table.index.tolist() == ["a", "k"]
    ds = study["sampling"].to_dataset().sel(parameter="k")
    assert float(table.loc["k", "mean"]) == pytest.approx(float(ds["mean"]), abs=0.01)
    assert study["log_likelihood"]["value"].dims == ("chain", "draw", "measurement")
    assert arviz_stats.loo(study, pointwise=True).n_data_points == 17


def test_the_posterior_is_that_of_the_closed_form(whole):
    """k is uniform in its logarithm and a is linear: integrate a out, then sum over a grid of k."""
    recipe, outcome, _ = whole
    k = np.geomspace(0.4, 1.2, 4001)
    chi2, _ = chi2_along_k(recipe, k)
    rows = [line.split(",") for line in Path(str(recipe.data)).read_text().splitlines()[1:]]
    t = np.array([float(row[1]) for row in rows])
    factor, sd = (np.where([row[2] == "y" for row in rows], *pair) for pair in ((1.0, 0.5), (0.1, 0.2)))
    precision = np.sum((factor * np.exp(-np.multiply.outer(k, t)) / sd) ** 2, axis=1)
    weight = np.exp(-(chi2 - chi2.min()) / 2) / np.sqrt(precision)  # ∫ da, equal steps of ln k
    mean = np.sum(weight * k) / weight.sum()
    spread = np.sqrt(np.sum(weight * (k - mean) ** 2) / weight.sum())
    found = outcome.study["sampling"].to_dataset().sel(parameter="k")
    assert float(found["mean"]) == pytest.approx(mean, abs=5 * float(found["mcse_mean"]))
    assert float(found["sd"]) == pytest.approx(spread, abs=5 * float(found["mcse_sd"]))


def test_posterior_profile_and_curvature_agree_where_the_data_are_many(whole):
    _, outcome, _ = whole
    found = outcome.study["agreement"].to_dataset()
    assert "posterior" in found["source"].values
    assert found["agreement"].values.tolist() == [Agreement.AGREE] * 2
    assert found.attrs["posterior_left_out"] == ""


def test_a_run_that_stops_while_sampling_resumes_to_the_same_bytes(whole, tmp_path):
    recipe, complete, _ = whole
    asked = {"profiles": recipe.profiles, "posterior": recipe.posterior}
    with pytest.raises(Interrupted):
        run_recipe(decay_recipe(tmp_path, **asked), "new", stopped_in("posterior", 2))
    assert finished_tasks(tmp_path / "run")["sampling"] >= 2
    resumed = resume_run(tmp_path / "run", Means())
    assert as_bytes(resumed.study) == as_bytes(complete.study)


def test_two_workers_give_the_same_bytes(whole, tmp_path):
    recipe, complete, _ = whole
    asked = {"profiles": recipe.profiles, "posterior": recipe.posterior}
    again = run_recipe(decay_recipe(tmp_path, **asked), "new", Means(workers=2))
    assert as_bytes(again.study) == as_bytes(complete.study)


def test_profiles_that_are_added_later_begin_the_chains_anew(whole, tmp_path):
    """Chains begin along the profiles, so that the order of the commands does not matter."""
    _, complete, _ = whole
    recipe = decay_recipe(tmp_path, posterior=SHORT)
    first = run_recipe(recipe, "new", Means())
    added = extend_run(tmp_path / "run", {"profiles": {}}, Means())
    assert as_bytes(added.study) == as_bytes(complete.study)
    assert not np.array_equal(first.study["posterior"]["k"], added.study["posterior"]["k"])


def test_what_is_added_to_a_run_keeps_its_fit(tmp_path):
    fitted = run_recipe(decay_recipe(tmp_path), "new", Means())
    added = extend_run(tmp_path / "run", {"posterior": SHORT.model_dump()}, Means())
    assert added.study["fit"].identical(fitted.study["fit"])
    with pytest.raises(InputError, match=r"posterior\.ess"):
        extend_run(tmp_path / "run", {"posterior": {"ess": 500.0}}, Means())


def test_chains_that_do_not_converge_degrade_the_run_and_are_compared_with_nothing(tmp_path):
    hard = PosteriorTable(ess=1e6, max_evaluations=8000)
    recipe = decay_recipe(tmp_path, profiles=ProfilesTable(), posterior=hard)
    outcome = run_recipe(recipe, "new", Means())
    (reason,) = outcome.degraded
    assert reason.startswith("the posterior makes no claim: too few independent draws")
    assert np.isnan(outcome.study["sampling"]["interval"]).all()
    found = outcome.study["agreement"].to_dataset()
    assert "posterior" not in found["source"].values
    assert found.attrs["posterior_left_out"] == outcome.study["sampling"].attrs["reason"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (PosteriorTable(ensembles=3), "--ensembles 3 - must be from 4 to 1,000"),
        (PosteriorTable(walkers=2), "--walkers 2 - must be from 4 to 10,000"),
        (PosteriorTable(ess=0.0), "--ess 0.*must be from 1"),
        (PosteriorTable(max_evaluations=10), "--max-evaluations 10 - must be from 1,000"),
        (PosteriorTable(rhat=float("nan")), "--rhat nan - must be"),
    ],
)
def test_options_out_of_range_are_named(table, words):
    (finding,) = check_options(Recipe(model="m", posterior=table))
    assert re.search(words, str(finding))


def test_the_table_has_every_option_and_every_sampler():
    assert PosteriorTable().model_dump() == vars(SampleOptions())
    for sampler in SAMPLERS:
        assert PosteriorTable(sampler=sampler).sampler == sampler  # type: ignore[arg-type]


def test_copies_that_are_named_by_the_data_may_have_slashes(tmp_path):
    """A dilution of 1/2 in the data gives k[1/2], and no variable of a tree has a slash in its name."""
    recipe = decay_recipe(tmp_path, posterior=SHORT, profiles=ProfilesTable(parameters=["a"]))
    model, data = tmp_path / "model.toml", tmp_path / "data.csv"
    model.write_text(model.read_text().replace('unit = "1/h" }', 'unit = "1/h", per = "dilution" }'))
    head, *rows = data.read_text().splitlines()
    lines = [f"{row},{'1/2' if n % 2 else '1'}" for n, row in enumerate(rows)]
    data.write_text("\n".join([f"{head},dilution", *lines]) + "\n")
    outcome = run_recipe(recipe, "new", Means())
    assert outcome.degraded == ()
    study = idfit.open_study(tmp_path / "run")
    assert study["sampling"]["parameter"].values.tolist() == ["a", "k[1]", "k[1/2]"]
    found = read_posterior(study)
    assert found is not None
    medians = np.median(found.draws, axis=(1, 2))
    assert medians == pytest.approx(study["sampling"]["median"].values)
    limits = study["agreement"]["interval"].values[study["agreement"]["source"].values == "posterior"]
    assert np.isfinite(limits).all()
    draws = draws_of(idfit.load(model, data), study, 100)
    assert draws.shape == (100, 3)
