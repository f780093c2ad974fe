"""`idfit predict`: of a run that is there, of a model and data, and what it refuses."""

from __future__ import annotations

import pytest

import idfit
from tests.cli.test_analyses import fit, idfit_command, last_line, project  # noqa: F401


def test_predictions_of_a_run_that_is_there_keep_its_fit(project):  # noqa: F811
    assert fit().exit_code == 0
    result = idfit_command("predict", "run", "--times", "1,5", "--json")
    assert result.exit_code == 0, result.stderr
    facts = last_line(result)
    band = facts["prediction"]["bands"][0]
    assert facts["prediction"]["kind"] == "profile-wise band"
    assert facts["prediction"]["time"] == [1.0, 5.0]
    assert band["lower"][0] < band["median"][0] < band["upper"][0] < band["validation_upper"][0]
    assert facts["diagnostics"]["n_tests"] > 0
    stored = idfit.open_study("run")["prediction"].to_dataset()
    assert stored["upper"].values.ravel().tolist() == band["upper"]


def test_a_formula_is_predicted_by_name_and_said_on_the_console(project):  # noqa: F811
    result = idfit_command(
        "predict", "m/model.toml", "m/data.csv", "--starts", 4, "--seed", 1, "--out", "both",
        "--method", "linear", "--formulas", "twice=2*rate*plateau", "--times", "2", "--no-validation",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "predictions (linear approximation, 95 %): 2 of 2 limits of twice" in result.stdout
    assert "residuals: no sign against the model" in result.stdout


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--times", "late"), "separated by commas"),
        (("--observables", "z"), "is not an observable"),
        (("--formulas", "y"), "name=formula"),
        (("--formulas", "g=nothing*t"), "nothing"),
        (("--ci-prob", 95), "between 0 and 1"),
    ],
)
def test_options_that_cannot_be_are_refused(project, options, word):  # noqa: F811
    result = idfit_command("predict", "m/model.toml", "m/data.csv", "--out", "refused", *options)
    assert result.exit_code == 2
    assert word in result.stderr
    assert not (project / "refused").exists()
