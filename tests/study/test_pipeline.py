"""Runs from file to study: complete, repeatable, resumable, and never silently incomplete."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import idfit
from idfit.errors import InputError, Interrupted, RunError
from idfit.study import fitting, pipeline, products
from idfit.study.directory import JOURNAL_FILE, RUN_FILE
from idfit.study.pipeline import Means, mode_of, resume_run, run_recipe
from idfit.study.recipe import FitOptions, SolverOptions
from tests.study.decay import MODEL, chi2_along_k, decay_recipe, nllh_of


@pytest.fixture
def recipe(tmp_path):
    return decay_recipe(tmp_path)


def least_squares(recipe):
    """The minimum found without idfit, on a grid of k where the best a is linear regression."""
    k = np.linspace(0.5, 1.0, 20001)
    chi2, a = chi2_along_k(recipe, k)
    best = int(np.argmin(chi2))
    return nllh_of(chi2[best]), a[best], k[best]


@pytest.fixture
def undrawn(monkeypatch):
    """Without tables and report, which take most of the time of a small run."""
    monkeypatch.setattr(pipeline, "write_products", lambda study, directory, say: [])


def test_a_run_finds_the_optimum_and_stores_everything(recipe, tmp_path):
    outcome = run_recipe(recipe, "new", Means(command="idfit fit model.toml data.csv"))
    nllh, a, k = least_squares(recipe)
    fit = outcome.study["fit"]
    assert float(fit["optimum_nllh"][0]) == pytest.approx(nllh, abs=1e-6)
    assert fit["estimate"].values == pytest.approx([a, k], rel=1e-4)
    assert outcome.degraded == ()
    assert outcome.directory == tmp_path / "run"
    files = {
        str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*") if path.is_file()
    }
    assert {"study.nc", "manifest.json", "report.html", "fitted.toml", "tables/parameters.csv"} <= files
    assert "run.lock" not in files
    assert idfit.open_study(tmp_path / "run").identical(outcome.study)


def test_the_root_says_where_it_came_from(recipe, undrawn):
    study = run_recipe(recipe, "new", Means(command="idfit fit model.toml data.csv")).study
    assert study.coords.variables == {}
    attrs = study.attrs
    assert (attrs["name"], attrs["time_unit"], attrs["seed"]) == ("decay", "h", 5)
    assert attrs["command"] == "idfit fit model.toml data.csv"
    assert json.loads(attrs["versions"])["numpy"] == np.__version__
    assert "a*exp(-k*t)" in attrs["model_toml"]
    assert all(len(attrs[f"hash_{what}"]) == 64 for what in ("model", "data", "recipe"))


def test_the_problem_group_says_what_was_asked(recipe, undrawn):
    problem = run_recipe(recipe, "new", Means()).study["problem"].to_dataset()
    assert problem["parameter_all"].values.tolist() == ["a", "k", "half"]
    assert problem["estimated"].values.tolist() == [True, True, False]
    assert problem["tie"].values.tolist() == ["", "", "a/2"]
    assert (
        problem["sigma_source"].values.tolist()
        == ["stated in the model"] * 12 + ["column 'sd' of the data"] * 5
    )
    assert problem["measurement_unit"].values[[0, -1]].tolist() == ["nM", ""]
    assert problem["value"].sizes["measurement"] == 17


def test_estimated_noise_is_told_from_stated_noise(recipe, tmp_path, undrawn):
    text = MODEL.replace("noise = 0.1", 'noise = "s*y + f0"').replace("[observables]", "s = { value = 0.1, "
        "min = 0.01, max = 1 }\nf0 = { value = 0.01, fixed = true }\n[observables]")  # fmt: skip
    (tmp_path / "model.toml").write_text(text)
    problem = run_recipe(recipe, "new", Means()).study["problem"].to_dataset()
    assert problem["sigma_source"].values[0] == "estimated (s)"


def test_the_fitted_model_loads_and_holds_the_optimum(recipe, tmp_path, undrawn):
    outcome = run_recipe(recipe, "new", Means())
    problem = idfit.load(tmp_path / "run" / "fitted.toml", recipe.data)
    nllh = problem.objective()(problem.parameters.nominal_scaled, order=0).nllh
    assert nllh == pytest.approx(float(outcome.study["fit"]["optimum_nllh"][0]), abs=1e-9)


def as_bytes(study, groups=("fit", "problem", "simulation")):
    return {
        (group, name): variable.values.tobytes()
        for group in groups
        for name, variable in study[group].to_dataset().variables.items()
    }


def test_r21_the_same_bytes_with_1_2_and_4_workers(recipe, tmp_path, undrawn):
    studies = [
        run_recipe(recipe.model_copy(update={"out": str(tmp_path / str(n))}), "new", Means(workers=n)).study
        for n in (1, 2, 4)
    ]
    assert as_bytes(studies[0]) == as_bytes(studies[1]) == as_bytes(studies[2])
    files = [(tmp_path / str(n) / "study.nc").read_bytes() for n in (1, 2, 4)]
    assert files[0] == files[1] == files[2]


def test_p13_a_drawn_seed_is_said_and_stored_and_repeats_the_run(recipe, tmp_path, undrawn):
    said = []
    unseeded = recipe.model_copy(update={"seed": None})
    first = run_recipe(unseeded, "new", Means(say=said.append)).study
    seed = int(first.attrs["seed"])
    assert f"--seed {seed}" in said[0]
    assert json.loads((tmp_path / "run" / RUN_FILE).read_text())["recipe"]["seed"] == seed
    again = recipe.model_copy(update={"seed": seed, "out": str(tmp_path / "again")})
    assert as_bytes(run_recipe(again, "new", Means()).study) == as_bytes(first)


def interrupted_after(n):
    stop = np.zeros(1, dtype=np.int64)

    def progress(done, total, result):
        stop[0] = done >= n

    return Means(progress=progress, stop=stop)


def test_r01_an_interrupted_run_resumes_to_the_same_bytes(recipe, tmp_path, undrawn):
    with pytest.raises(Interrupted, match=r"\d of 8 tasks"):
        run_recipe(recipe, "new", interrupted_after(3))
    assert not (tmp_path / "run" / "study.nc").exists()
    told = []
    means = Means(workers=2, progress=lambda done, total, result: told.append(done))
    resumed = resume_run(tmp_path / "run", means).study
    assert told[0] >= 3
    whole = run_recipe(recipe.model_copy(update={"out": str(tmp_path / "whole")}), "new", Means()).study
    assert as_bytes(resumed) == as_bytes(whole)
    assert idfit.resume(tmp_path / "run").identical(resumed)


def test_r10_p21_a_second_run_needs_to_be_told_what_to_do(recipe, undrawn):
    run_recipe(recipe, "new", Means())
    with pytest.raises(InputError, match="R10"):
        run_recipe(recipe, "new", Means())
    run_recipe(recipe, "overwrite", Means())
    with pytest.raises(InputError, match=r"P21.*contradict"):
        mode_of(resume=True, overwrite=True)


def test_resuming_with_another_engine_is_refused(recipe, tmp_path, undrawn, monkeypatch):
    with pytest.raises(Interrupted):
        run_recipe(recipe, "new", interrupted_after(2))
    monkeypatch.setattr(pipeline, "kernel_directory", lambda: Path("0123456789abcdef"))
    with pytest.raises(InputError, match=r"R18: engine is '0123456789abcdef'"):
        resume_run(tmp_path / "run", Means())


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("model", lambda recipe, folder: (folder / "model.toml").write_text(MODEL.replace("a/2", "a/3"))),
        ("data", lambda recipe, folder: (folder / "data.csv").write_text(
            (folder / "data.csv").read_text().replace(",0.2\n", ",0.21\n"))),
    ],
)  # fmt: skip
def test_r18_d35_resuming_after_a_change_is_refused_with_the_part(recipe, tmp_path, part, change, undrawn):
    with pytest.raises(Interrupted):
        run_recipe(recipe, "new", interrupted_after(2))
    before = (tmp_path / "run" / JOURNAL_FILE).read_bytes()
    change(recipe, tmp_path)
    with pytest.raises(InputError, match=f"R18.*the {part} has changed"):
        resume_run(tmp_path / "run", Means())
    assert (tmp_path / "run" / JOURNAL_FILE).read_bytes() == before


def test_r24_a_report_that_cannot_be_drawn_does_not_lose_the_fit(recipe, tmp_path, monkeypatch):
    def broken(study, path, drawn):
        raise RuntimeError("no such font")

    monkeypatch.setattr(products, "write_report", broken)
    outcome = run_recipe(recipe, "new", Means())
    assert "no such font" in outcome.degraded[0]
    monkeypatch.undo()
    idfit.report(tmp_path / "run", tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_failed_starts_are_counted_by_reason(recipe, monkeypatch, undrawn):
    real = fitting.fit

    def some_fail(*arguments, **options):
        fitted = real(*arguments, **options)
        fitted["status"][[1, 4]] = int(idfit.Status.STEP_BUDGET)
        return fitted

    monkeypatch.setattr(fitting, "fit", some_fail)
    (reason,) = run_recipe(recipe, "new", Means()).degraded
    assert reason == f"2 of 8 starts failed: {idfit.Status.STEP_BUDGET.sentence}"


def test_n10_when_all_starts_fail_there_is_no_fit(recipe, tmp_path, undrawn):
    (tmp_path / "model.toml").write_text(MODEL.replace("a*exp(-k*t)", "log(-a)"))
    with pytest.raises(RunError, match="all 8 starts failed"):
        run_recipe(recipe, "new", Means())
    assert not (tmp_path / "run" / "study.nc").exists()


def test_every_fault_of_options_and_files_is_told_before_anything_is_written(recipe, tmp_path, undrawn):
    (tmp_path / "model.toml").write_text(MODEL.replace("min = 0.1, max", "mni = 0.1, max"))
    wrong = recipe.model_copy(
        update={"fit": FitOptions(starts=0, optimizer="trustregion"), "solver": SolverOptions(rtol=0.0)}
    )
    with pytest.raises(InputError) as caught:
        run_recipe(wrong, "new", Means())
    text = str(caught.value)
    assert all(part in text for part in ("P12", "P20", "trustregion", "model.toml:5", "'min'"))
    assert not (tmp_path / "run").exists()


def test_p01_nothing_to_estimate_or_nothing_measured(recipe, tmp_path, undrawn):
    fixed = MODEL.replace("max = 10,", "max = 10, fixed = true,").replace(
        "max = 1e2,", "max = 1e2, fixed = true,"
    )
    (tmp_path / "model.toml").write_text(fixed)
    with pytest.raises(InputError, match=r"P01.*nothing to estimate"):
        run_recipe(recipe, "new", Means())
    (tmp_path / "model.toml").write_text(MODEL)
    with pytest.raises(InputError, match="no measurements to fit"):
        run_recipe(recipe.model_copy(update={"data": None}), "new", Means())


def test_a_recipe_file_runs_from_python(recipe, tmp_path, undrawn):
    (tmp_path / "study.toml").write_text(
        'model = "model.toml"\ndata = "data.csv"\nseed = 5\n[fit]\nstarts = 8\n'
    )
    study = idfit.run(tmp_path / "study.toml", workers=2)
    assert isinstance(study, xr.DataTree)
    assert as_bytes(study) == as_bytes(run_recipe(recipe, "new", Means()).study)
    assert (tmp_path / "study" / "study.nc").exists()
    assert study.attrs["name"] == "study"
