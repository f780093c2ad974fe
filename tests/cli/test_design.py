"""`idfit design`: of a run that is there, of a model and data, and what it refuses."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import idfit
from idfit.cli.main import app
from idfit.study import pipeline


def idfit_command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "write_products", lambda study, directory, say: [])
    assert idfit_command("new", "m", "--template", "regression").exit_code == 0
    return tmp_path


def test_the_next_measurement_of_a_run_that_is_there_and_of_a_model_with_data(project):
    fit = ("--starts", 4, "--seed", 1)
    assert idfit_command("fit", "m/model.toml", "m/data.csv", *fit, "--out", "run").exit_code == 0
    options = ("--target", "rate", "--times", "1,2,30", "--simulations", 2, "--n-new", 2, "--replicates", 2)
    result = idfit_command("design", "run", *options, "--json")
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout.splitlines()[-1])["design"]
    assert facts["replicates"] == 2
    assert len(facts["proposal"]) == 2
    assert {entry["time"] for entry in facts["proposal"]} <= {1.0, 2.0, 30.0}
    (simulated,) = facts["targets"]["rate"]["simulated"]
    assert simulated["share_closed"] == [1.0, 1.0]
    stored = idfit.open_study("run")
    assert "profiles" in stored.children
    assert stored["design"].to_dataset()["target"].values.tolist() == ["rate"]
    both = idfit_command("design", "m/model.toml", "m/data.csv", *fit, *options, "--out", "other", "--json")
    assert both.exit_code == 0, both.stderr
    assert json.loads(both.stdout.splitlines()[-1])["design"] == facts


def test_without_a_check_the_expected_errors_are_told(project):
    fit = ("--starts", 4, "--seed", 1, "--out", "run")
    offers = ("--observable", "grown = plateau", "--noise", "grown = 0.1")
    result = idfit_command("design", "m/model.toml", "m/data.csv", *fit, *offers, "--no-check")
    assert result.exit_code == 0, result.stderr
    assert "the next measurement: Measure " in result.stdout
    assert "takes its standard error from" in result.stdout
    stored = idfit.open_study("run")["design"].to_dataset()
    assert stored["offered"].values.any()
    assert stored.attrs["n_simulations"] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--observable", "w=rate"), "give --noise w=..."),
        (("--noise", "w=1"), "give --observable w=..."),
        (("--condition", "hot"), "must be name:k=2,S0=1"),
        (("--times", "1,soon"), "must be numbers separated by commas"),
        (("--n-new", 0), "--n-new 0"),
        (("--target", "speed"), "speed"),
    ],
)
def test_what_cannot_be_is_refused_in_words(project, options, said):
    result = idfit_command("design", "m/model.toml", "m/data.csv", "--starts", 2, "--out", "run", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
