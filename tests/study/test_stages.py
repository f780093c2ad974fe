"""Stages behind the fit: what they make, how they are continued, and what happens when one fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import idfit
from idfit.errors import InputError, Interrupted, RunError, StorageError
from idfit.results import Agreement, Status, Verdict
from idfit.study import equations, pipeline
from idfit.study.analyses import (
    BootstrapTable,
    FisherTable,
    FunctionTable,
    OpinionsTable,
    PairsTable,
    ProfilesTable,
    QuickTestTable,
    ReductionTable,
)
from idfit.study.directory import RUN_FILE, RunDirectory, finished_tasks, read_record
from idfit.study.pipeline import Means, extend_run, resume_run, run_recipe
from idfit.study.recipe import FitOptions, Recipe
from idfit.study.stages import STAGES, failed, levels_of, run_stages
from tests.study.decay import chi2_along_k, decay_recipe

EVERYTHING = {
    "profiles": ProfilesTable(),
    "second_opinions": OpinionsTable(methods=["endpoints", "integration"]),
    "functions": {"life": FunctionTable(formula="ln(2)/k", unit="h", scale="log10")},
    "profiles_2d": PairsTable(pairs=[["a", "k"]], cells=5),
    "identifiability_test": QuickTestTable(),
    "bootstrap": BootstrapTable(n=6),
    "reduction": ReductionTable(steps=1),
}


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Without tables and report, which take most of the time of a small run."""
    monkeypatch.setattr(pipeline, "write_products", lambda study, directory, say: [])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Everything in one go, and what was said."""
    folder, said = tmp_path_factory.mktemp("whole"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "write_products", lambda study, directory, say: [])
        recipe = decay_recipe(folder, **EVERYTHING)
        return recipe, run_recipe(recipe, "new", Means(say=said.append)), said


def as_bytes(study):
    return {
        (node.path, name): variable.values.tobytes()
        for node in study.subtree
        for name, variable in node.to_dataset(inherit=False).variables.items()
    }


def test_each_stage_makes_its_group_and_is_announced(whole):
    recipe, outcome, said = whole
    assert outcome.degraded == ()
    asked = [stage for stage in STAGES if stage.asked(recipe)]
    assert {stage.table for stage in asked} >= {"fisher", "agreement", *EVERYTHING}
    groups = {"problem", "structure", "fit", "simulation", *(stage.group for stage in asked)}
    assert set(outcome.study.children) == groups
    assert [line for line in said if line.startswith("computing: ")] == [
        f"computing: {says}" for says in (equations.SAYS, *(stage.says for stage in asked))
    ]
    assert outcome.study["agreement"]["source"].values.tolist() == [
        "wald",
        "wald_expected",
        "profile",
        "endpoints",
        "integration",
        "bootstrap",
    ]


def test_second_opinions_give_the_limits_of_the_path(whole):
    _, outcome, _ = whole
    path = outcome.study["profiles"]["interval"].values
    for method in ("endpoints", "integration"):
        other = outcome.study[f"profiles_{method}"]
        assert other.attrs["method"] == method
        assert other["interval"].values == pytest.approx(path, rel=2e-3)


def test_the_profile_has_the_limits_of_a_grid_search(whole):
    recipe, outcome, _ = whole
    k = np.linspace(0.5, 1.0, 200_001)
    chi2, _ = chi2_along_k(recipe, k)
    inside = k[chi2 - chi2.min() <= stats.chi2.ppf(0.95, 1)]
    profile = outcome.study["profiles"].to_dataset().sel(profiled="k", space="natural", ci_prob=0.95)
    assert profile["interval"].values == pytest.approx([inside[0], inside[-1]], abs=1e-5)
    assert Verdict(int(profile["verdict"])) is Verdict.IDENTIFIABLE
    life = outcome.study["function_profiles"].to_dataset().sel(profiled="life", space="natural", ci_prob=0.95)
    assert life["interval"].values == pytest.approx(np.log(2) / inside[[-1, 0]], rel=1e-4)


def test_the_methods_agree_where_the_likelihood_is_nearly_quadratic(whole):
    _, outcome, _ = whole
    opinions = outcome.study["agreement"].to_dataset()
    limits = dict(zip(opinions["source"].values.tolist(), opinions["interval"].values, strict=True))
    assert limits["wald"] == pytest.approx(limits["profile"], rel=0.02)
    codes = {Agreement(int(code)) for code in opinions["agreement"]}
    assert codes <= {Agreement.AGREE, Agreement.DISAGREE}  # six replicates say little


def test_without_tables_there_are_the_equations_and_the_information_only(tmp_path):
    outcome = run_recipe(decay_recipe(tmp_path), "new", Means())
    assert set(outcome.study.children) == {
        "problem", "structure", "fit", "simulation", "fisher", "diagnostics",
    }  # fmt: skip
    off = decay_recipe(tmp_path, fisher=FisherTable(enabled=False))
    assert "fisher" not in run_recipe(off, "overwrite", Means()).study.children


def stopped_in(stage, n):
    """Means that stop once n tasks of a stage are finished."""
    stop, now = np.zeros(1, dtype=np.int64), [""]

    def progress(done, total, result):
        stop[0] |= now[0] == stage and done >= n

    return Means(progress=progress, stop=stop, stage=lambda what: now.__setitem__(0, what))


@pytest.mark.parametrize(
    ("stage", "n", "group"),
    [
        ("profiles", 2, "profiles"),
        ("profiles of functions", 1, "function_profiles"),
        ("2-D profiles", 1, "profiles_2d"),
        ("bootstrap", 3, "bootstrap"),
    ],
)
def test_a_run_that_stops_in_a_stage_resumes_to_the_same_bytes(whole, tmp_path, stage, n, group):
    _, complete, _ = whole
    with pytest.raises(Interrupted):
        run_recipe(decay_recipe(tmp_path, **EVERYTHING), "new", stopped_in(stage, n))
    assert not (tmp_path / "run" / "study.nc").exists()
    assert finished_tasks(tmp_path / "run")[group] >= n
    began = []
    resumed = resume_run(
        tmp_path / "run",
        Means(workers=2, progress=lambda done, total, result: began.append(done) if result is None else None),
    )
    assert began[0] == 8  # the fit is not done again
    assert as_bytes(resumed.study) == as_bytes(complete.study)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"profiles": ProfilesTable(ci_prob=[0.9])},
            r"profiles.ci_prob is '\[0.9\]', and was '\[0.68, 0.95\]'",
        ),
        ({"profiles": ProfilesTable(max_points=50)}, "profiles.max_points is '50', and was '100'"),
        ({"bootstrap": BootstrapTable(n=7)}, "bootstrap.n is '7', and was '6'"),
        ({"functions": {"life": FunctionTable(formula="1/k")}}, "functions.life.formula is '1/k'"),
        ({"profiles_2d": PairsTable(pairs=[["a", "k"]], cells=6)}, "profiles_2d.cells is '6'"),
        ({"identifiability_test": QuickTestTable(radius=2.0)}, "identifiability_test.radius is '2.0'"),
        ({"reduction": ReductionTable(steps=2)}, "reduction.steps is '2', and was '1'"),
    ],
)
def test_resuming_with_other_options_is_refused_by_name(whole, changed, words):
    recipe, _, _ = whole
    before = (Path(recipe.out) / RUN_FILE).read_text()
    with pytest.raises(InputError, match=rf"R18.*{words}"):
        run_recipe(recipe.model_copy(update=changed), "resume", Means())
    assert (Path(recipe.out) / RUN_FILE).read_text() == before


def test_analyses_are_added_to_a_fit_that_is_kept(whole, tmp_path):
    _, complete, _ = whole
    run_recipe(decay_recipe(tmp_path), "new", Means(command="idfit fit"))
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        extend_run(run, {"profiles": {}}, replace(stopped_in("profiles", 1), command="idfit profile run"))
    assert "profiles" not in idfit.open_study(run).children  # what was stored is still whole
    assert "complete" not in read_record(run)
    began = []
    means = Means(
        progress=lambda done, total, result: began.append((done, total)) if result is None else None
    )
    added = resume_run(run, means)
    assert began[0] == (8, 8)
    assert began[1][0] >= 1
    assert read_record(run)["complete"]
    same = as_bytes(complete.study)
    assert {key: value for key, value in as_bytes(added.study).items() if key[0] == "/profiles"} == {
        key: value for key, value in same.items() if key[0] == "/profiles"
    }
    assert added.study.attrs["command"] == "idfit fit && idfit profile run"
    assert as_bytes(run_recipe(decay_recipe(tmp_path), "resume", Means()).study) == as_bytes(added.study)


def test_an_added_analysis_with_other_options_is_done_anew_when_told(tmp_path):
    run_recipe(decay_recipe(tmp_path), "new", Means())
    run = tmp_path / "run"
    extend_run(run, {"profiles": {"parameters": ["k"]}, "functions": {"life": "ln(2)/k"}}, Means())
    with pytest.raises(InputError, match=r"R18.*profiles.ci_prob"):
        extend_run(run, {"profiles": {"ci_prob": [0.9]}}, Means())
    assert float(idfit.open_study(run)["profiles"]["ci_prob"][-1]) == 0.95
    study = extend_run(run, {"profiles": {"ci_prob": [0.9]}}, Means(), renew=True).study
    assert study["profiles"]["profiled"].values.tolist() == ["k"]  # what is not given stays as it was
    # functions share the levels
    assert [study[g]["ci_prob"].values.tolist() for g in ("profiles", "function_profiles")] == [[0.9], [0.9]]


def failing(stage_group, error):
    def work(problem, groups, recipe, runner):
        raise error

    return tuple(replace(stage, work=work) if stage.group == stage_group else stage for stage in STAGES)


def test_a_stage_that_fails_is_told_and_leaves_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "STAGES", failing("fisher", RunError("the point cannot be evaluated")))
    outcome = run_recipe(decay_recipe(tmp_path, profiles=ProfilesTable(parameters=["k"])), "new", Means())
    assert outcome.degraded == ("Fisher information: the point cannot be evaluated",)
    assert {"profiles", "agreement"} <= set(outcome.study.children)
    assert "fisher" not in outcome.study.children
    assert idfit.open_study(tmp_path / "run").identical(outcome.study)


@pytest.mark.parametrize("error", [Interrupted("stopped"), StorageError("disk full")])
def test_an_interrupt_and_a_full_disk_end_the_run(error):
    nowhere = {"begins": lambda groups: np.empty(0)}
    chosen = [replace(s, **nowhere) for s in failing("fisher", error) if s.group == "fisher"]
    with pytest.raises(type(error)):
        run_stages(chosen, None, None, {"fit": None}, lambda stage, begins: None, lambda stage: None)


def test_sides_without_a_verdict_degrade_the_run(tmp_path):
    recipe = decay_recipe(tmp_path, profiles=ProfilesTable(parameters=["k"], max_points=3))
    outcome = run_recipe(recipe, "new", Means())
    (reason,) = outcome.degraded
    assert reason.startswith("no verdict on k: the lower side used up its budget of steps")
    assert Verdict(int(outcome.study["profiles"]["verdict"][0])) is Verdict.UNDETERMINED


TWO_WELLS = """idfit = 1
[parameters]
p = { value = -1, min = -2, max = 2 }
b = { value = 1, min = 0, max = 5 }
[observables]
y = { formula = "sqrt(2*((p^2 - 1)^2 + 0.3*(1 - p) + 0.1))", noise = 1 }
z = { formula = "b", noise = 1 }
"""


def test_a_better_optimum_met_by_the_profiles_is_said_and_used(tmp_path):
    """½y² has wells at p = -1 (0.7) and 1 (0.1); the barrier of 1.4 between them is below the threshold."""
    recipe = decay_recipe(tmp_path, profiles=ProfilesTable(), functions={"q": FunctionTable(formula="p*b")})
    (tmp_path / "model.toml").write_text(TWO_WELLS)
    (tmp_path / "data.csv").write_text("time,observable,value\n1,y,0\n1,z,2\n")
    for seed in range(20):  # until the one start falls into the well on the left
        asked = recipe.model_copy(update={"seed": seed, "fit": FitOptions(starts=1)})
        outcome = run_recipe(asked, "overwrite", Means())
        if float(outcome.study["fit"]["estimate"][0]) < 0:
            break
    study = outcome.study
    assert float(study["fit"]["estimate"][0]) == pytest.approx(-1.0, abs=0.1)
    (finding,) = [f for f in outcome.findings if "better than the fit" in f.rule]
    assert finding.severity == "warning"
    assert "better than the fit by 0.59" in study.attrs["findings"]
    fitted = idfit.load(tmp_path / "run" / "fitted.toml", recipe.data)
    assert fitted.parameters.nominal[0] == pytest.approx(1.0, abs=0.1)
    assert float(study["fisher"]["theta"][0]) == pytest.approx(fitted.parameters.nominal[0], abs=1e-6)
    assert float(study["function_profiles"]["estimate"].sel(space="natural")[0]) == pytest.approx(
        2.0, abs=0.2
    )


def test_what_was_begun_from_another_best_fit_is_not_mixed(tmp_path):
    identity, stage = {"model": "a"}, {"bootstrap": {"model": "a", "bootstrap.n": "2"}}
    with RunDirectory(tmp_path, "new", identity, {}, stage) as folder:
        folder.stage_journal("bootstrap", np.array([1.0])).append("bootstrap 0", {"x": 1.0})
    with RunDirectory(tmp_path, "resume", identity, {}, stage) as folder:
        assert "bootstrap 0" in folder.stage_journal("bootstrap", np.array([1.0])).results
        assert "bootstrap 0" not in folder.stage_journal("bootstrap", np.array([1.1])).results
    assert finished_tasks(tmp_path) == {"fit": 0, "bootstrap": 0}


def test_the_order_of_stages_follows_what_they_need():
    order = [stage.group for stage in STAGES]
    assert order.index("profiles") < order.index("fisher") < order.index("agreement") == len(order) - 1
    assert levels_of(Recipe(model="m")).ci_prob == [0.68, 0.95]


def test_what_failed_is_counted_among_what_was_tried():
    status = xr.DataArray([[Status.CONVERGED, Status.STEP_BUDGET], [Status.NOT_REACHED, Status.STEP_BUDGET]])
    (told,) = failed(status, "cells")
    assert told == f"2 of 3 cells failed: {Status.STEP_BUDGET.sentence}"
    assert failed(status[:1, :1], "cells") == []
