"""`idfit profile` and `idfit fisher`: of a run that is there, of a model and data, and what they refuse."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

import idfit
from idfit.cli.main import app
from idfit.study import pipeline


def idfit_command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def last_line(result):
    return json.loads(result.stdout.strip().splitlines()[-1])


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The files of `idfit new` in the working directory; without tables and report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "write_products", lambda study, directory, say: [])
    assert idfit_command("new", "m", "--template", "regression").exit_code == 0
    return tmp_path


def fit(*options):
    return idfit_command(
        "fit", "m/model.toml", "m/data.csv", "--starts", 4, "--seed", 1, "--out", "run", *options
    )


def profile(*options):
    return idfit_command("profile", *options)


def test_profile_of_a_run_that_is_there(project):
    assert fit().exit_code == 0
    result = profile("run", "--json")
    assert result.exit_code == 0, result.stderr
    assert "fit 4/4" in result.stderr
    assert "profiles 0/6" in result.stderr
    facts = last_line(result)
    assert set(facts["profiles"]) == set(facts["estimate"]) == {"plateau", "rate", "sd"}
    rate = facts["profiles"]["rate"]
    assert rate["verdict"] == "identifiable"
    assert rate["estimate"] == pytest.approx(facts["estimate"]["rate"], rel=1e-5)
    wide = rate["intervals"][-1]
    assert (wide["ci_prob"], wide["lower_status"], wide["upper_status"]) == (0.95, "crossed", "crossed")
    assert wide["lower"] < rate["intervals"][0]["lower"] < rate["estimate"] < wide["upper"]
    stored = idfit.open_study("run")["profiles"].to_dataset().sel(profiled="rate", space="natural")
    assert stored["interval"].values[-1].tolist() == [wide["lower"], wide["upper"]]
    assert {"fisher", "agreement"} <= set(facts)
    again = profile("run", "--json")  # nothing is computed again
    assert "profiles 6/6" in again.stderr
    assert "profiles 0/6" not in again.stderr
    assert last_line(again)["profiles"] == facts["profiles"]


def test_profile_of_a_model_and_data_fits_first(project):
    result = profile(
        "m/model.toml", "m/data.csv", "--starts", 4, "--seed", 1, "--out", "both",
        "--parameters", "rate,plateau", "--ci-prob", "0.9", "--threshold", "F",
        "--function", "slope=plateau*rate", "--pairs", "rate:plateau", "--bootstrap", 5, "--test",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert any("verdict" in line and "90 % interval" in line for line in lines)
    assert any(line.split()[:2] == ["rate", "identifiable"] for line in lines)
    assert "slope" in result.stdout
    study = idfit.open_study("both")
    assert study["profiles"]["profiled"].values.tolist() == ["rate", "plateau"]
    assert study["profiles"].attrs["threshold_kind"] == "F"
    assert study["bootstrap"].sizes["replicate"] == 5
    assert {"profiles_2d", "identifiability_test", "function_profiles"} <= set(study.children)
    assert profile("m/model.toml", "m/data.csv", "--out", "both").exit_code == 2
    counts = last_line(idfit_command("status", "both", "--json"))
    assert counts["complete"]
    assert (counts["tasks"]["fit"], counts["tasks"]["profiles"], counts["tasks"]["bootstrap"]) == (4, 4, 5)


def test_an_infinite_limit_is_null_in_json_and_its_status_says_why(project):
    """Data of the beginning alone set no upper limit to the plateau."""
    rows = "\n".join(f"default,{t / 10},signal,{0.36 * t / 10 + 0.01 * (-1) ** t}" for t in range(1, 9))
    Path("m/data.csv").write_text(f"condition,time,observable,value\n{rows}\n")
    result = profile(
        "m/model.toml", "m/data.csv", "--starts", 6, "--seed", 1, "--out", "r", "--json", "--quiet"
    )
    assert result.exit_code == 0, result.stderr
    plateau = last_line(result)["profiles"]["plateau"]
    assert plateau["verdict"] == "open_above"
    assert plateau["intervals"][-1]["upper"] is None
    assert plateau["intervals"][-1]["upper_status"] == "search_bound"
    assert plateau["intervals"][-1]["lower"] > 0
    shown = profile("r").stdout
    (line,) = [
        line for line in shown.splitlines() if line.split()[:1] == ["plateau"] and "open above" in line
    ]
    assert "∞" in line


def test_other_options_need_overwrite_which_keeps_the_fit(project):
    assert fit().exit_code == 0
    assert profile("run", "--parameters", "rate").exit_code == 0
    other = profile("run", "--ci-prob", "0.9")
    assert other.exit_code == 2
    assert "R18: profiles.ci_prob is '[0.9]'" in other.stderr
    anew = profile("run", "--ci-prob", "0.9", "--overwrite", "--json")
    assert anew.exit_code == 0
    assert "fit 4/4" in anew.stderr
    assert "fit 0/4" not in anew.stderr
    assert last_line(anew)["profiles"]["rate"]["intervals"][0]["ci_prob"] == 0.9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--parameters", "rat"), "P19: --parameters 'rat' - is not an estimated parameter - did you"),
        (("--parameters", "rate,rate"), "is named twice"),
        (("--ci-prob", "95"), "must lie between 0 and 1 - 0.95?"),
        (("--ci-prob", "high"), "must be numbers separated by commas"),
        (("--threshold", "chi"), "'chi'"),
        (("--function", "rate"), "must be name=formula"),
        (("--function", "q=rate/rto"), "'rto'"),
        (("--function", "rate=2*plateau"), "is a name of the model"),
        (("--function", "q=rate*"), "P12: --function"),
        (("--pairs", "rate"), "two names with a colon"),
        (("--pairs", "rate:rate"), "two different parameters"),
        (("--pairs", "rate:plato"), "did you mean 'plateau'"),
        (("--bootstrap", 1), "P12: --bootstrap 1"),
        (("--max-points", 2), "P12: --max-points 2"),
        (("--starts", 9), "P21: --starts - belongs to a fit"),
        (("--out", "elsewhere"), "P21: --out"),
        (("--workers", 0), "P12"),
        (("--resume", "--overwrite"), "P21"),
    ],
)  # fmt: skip
def test_bad_options_exit_2_and_leave_the_run_alone(project, options, words):
    assert fit("--quiet").exit_code == 0
    before = {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file()}
    result = profile("run", *options)
    assert (result.exit_code, words in result.stderr, "Traceback" in result.stderr) == (2, True, False), (
        result.stderr
    )
    assert {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file()} == before


def test_several_faults_are_told_at_once(project):
    result = profile("m/model.toml", "m/data.csv", "--parameters", "rat", "--bootstrap", 1, "--starts", 0)
    assert result.exit_code == 2
    assert all(words in result.stderr for words in ("--parameters 'rat'", "--bootstrap 1", "--starts 0"))


@pytest.mark.parametrize("target", ["absent", "m", "m/study.nc"])
def test_what_is_no_run_is_refused(project, target):
    for verb in ("profile", "fisher"):
        result = idfit_command(verb, target)
        assert (result.exit_code, "R10" in result.stderr, "Traceback" in result.stderr) == (2, True, False)


def test_a_model_without_measurements_is_refused(project):
    result = idfit_command("profile", "m/model.toml")
    assert (result.exit_code, "has no measurements to fit - give a data file" in result.stderr) == (2, True)


def test_the_f_threshold_is_refused_where_it_does_not_belong(project):
    text = Path("m/model.toml").read_text()
    Path("m/model.toml").write_text(text.replace('noise = "sd"', "noise = 0.1"))
    result = profile("m/model.toml", "m/data.csv", "--threshold", "F", "--out", "r")
    assert result.exit_code == 2
    assert (
        "--threshold 'F' - belongs to one noise level that is estimated; this problem has 0" in result.stderr
    )
    assert not Path("r").exists()


def test_a_side_without_an_end_exits_3(project):
    assert fit("--quiet").exit_code == 0
    result = profile("run", "--parameters", "rate", "--max-points", 3, "--json")
    assert result.exit_code == 3
    assert "degraded: no verdict on rate: the lower side used up its budget of steps" in result.stderr
    facts = last_line(result)
    assert facts["profiles"]["rate"]["verdict"] == "undetermined"
    assert facts["profiles"]["rate"]["intervals"][-1]["lower"] is None
    assert facts["profiles"]["rate"]["intervals"][-1]["lower_status"] == "budget"


def test_fisher_of_a_run_by_its_study_file(project):
    assert fit("--quiet").exit_code == 0
    result = idfit_command("fisher", "run/study.nc", "--json")
    assert result.exit_code == 0, result.stderr
    facts = last_line(result)["fisher"]
    assert facts["nullity"] == 0
    assert len(facts["eigenvalue"]) == 3
    problem = idfit.load("m/model.toml", "m/data.csv")
    info = idfit.fisher_information(problem, idfit.open_study("run")["fit"].to_dataset())
    expected = info["standard_error"].sel(space="natural").values
    assert list(facts["standard_error"].values()) == pytest.approx(expected.tolist(), rel=1e-9)
    shown = idfit_command("fisher", "run").stdout
    assert "every direction is determined" in shown
    assert "expected error" in shown


def test_fisher_of_a_model_names_what_the_data_leave_open(project):
    text = Path("m/model.toml").read_text()
    extra = "twin = { value = 1, min = 0.1, max = 10, scale = 'log10' }\n\n[observables]"
    Path("m/model.toml").write_text(
        text.replace("plateau*(1", "twin*plateau*(1").replace("[observables]", extra)
    )
    result = idfit_command(
        "fisher", "m/model.toml", "m/data.csv", "--starts", 4, "--seed", 1, "--out", "r", "--json"
    )
    assert result.exit_code == 0, result.stderr
    facts = last_line(result)["fisher"]
    assert facts["nullity"] == 1
    assert facts["standard_error"]["twin"] is None
    assert math.isfinite(facts["standard_error"]["rate"])
    shown = idfit_command("fisher", "r", "--no-curvature").stdout
    assert "1 of 4 directions undetermined" in shown
    assert any(line.split()[:2] == ["twin", "undetermined"] for line in shown.splitlines())
