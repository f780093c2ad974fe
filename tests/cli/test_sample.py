"""`idfit sample`: of a run that is there, of a model and data, and of draws that do not count."""

from __future__ import annotations

import pytest

import idfit
from tests.cli.test_analyses import fit, idfit_command, last_line, project

__all__ = ["project"]  # the fixture
SHORT = ("--ess", 300, "--max-evaluations", 60_000)


def test_sample_of_a_run_that_is_there_keeps_its_fit(project):
    assert fit().exit_code == 0
    result = idfit_command("sample", "run", *SHORT, "--json")
    assert result.exit_code == 0, result.stderr
    assert "computing: posterior" in result.stderr
    assert "R-hat" in result.stderr
    assert "of 300" in result.stderr
    facts = last_line(result)["posterior"]
    stored = idfit.open_study("run")["sampling"].to_dataset().sel(parameter="rate")
    rate = facts["parameters"]["rate"]
    assert (facts["converged"], facts["sampler"], facts["reason"]) == (True, "metropolis", "")
    assert rate["median"] == float(stored["median"])
    assert [rate["intervals"][-1][end] for end in ("lower", "upper")] == stored["interval"].values[
        -1
    ].tolist()
    assert (rate["lower_from"], rate["upper_from"], rate["unit"]) == ("data", "data", "1/min")
    again = idfit_command("sample", "run", "--json")  # nothing is sampled again
    assert last_line(again)["posterior"] == facts


def test_sample_of_a_model_and_data_fits_first_and_shows_a_table(project):
    result = idfit_command(
        "sample", "m/model.toml", "m/data.csv", "--starts", 4, "--seed", 1, "--out", "both",
        "--sampler", "metropolis", "--ensembles", 5, *SHORT,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert any("draws by metropolis" in line for line in lines)
    (row,) = [line for line in lines if line.split()[:1] == ["rate"] and " to " in line]
    assert row.split()[-1] == "data"
    study = idfit.open_study("both")
    assert study["sampling"].sizes["superchain"] == 5
    assert set(study["posterior"].data_vars) == {"plateau", "rate", "sd"}


def test_chains_that_do_not_converge_exit_with_3_and_give_no_number(project):
    result = idfit_command(
        "sample", "m/model.toml", "m/data.csv", "--starts", 4, "--seed", 1, "--out", "short",
        "--ess", 100_000, "--max-evaluations", 5000, "--json",
    )  # fmt: skip
    assert result.exit_code == 3, result.stderr
    assert "degraded: the posterior makes no claim: " in result.stderr
    facts = last_line(result)
    assert not facts["posterior"]["converged"]
    assert facts["posterior"]["parameters"]["rate"]["median"] is None
    assert facts["posterior"]["parameters"]["rate"]["lower_from"] == "undetermined"
    assert facts["degraded"] == [f"the posterior makes no claim: {facts['posterior']['reason']}"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--ensembles", 3), "--ensembles 3 - must be from 4"),
        (("--max-evaluations", 10), "--max-evaluations 10 - must be from 1,000"),
        (("--ess", "nan"), "--ess nan - must be from 1"),
    ],
)
def test_options_out_of_range_are_refused_before_anything(project, options, words):
    result = idfit_command("sample", "m/model.toml", "m/data.csv", "--out", "none", *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "computing" not in result.stderr


def test_other_options_than_those_of_the_run_are_refused_until_overwritten(project):
    assert idfit_command(
        "sample", "m/model.toml", "m/data.csv", "--starts", 4, "--seed", 1, "--out", "run", *SHORT
    ).exit_code == 0  # fmt: skip
    other = idfit_command("sample", "run", "--ess", 350)
    assert other.exit_code == 2
    assert "posterior.ess" in other.stderr
    assert idfit_command("sample", "run", "--ess", 350, "--overwrite").exit_code == 0
