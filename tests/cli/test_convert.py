"""`idfit convert` as a user meets it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from idfit.cli.main import app
from idfit.formats.load import load
from idfit.study import pipeline
from idfit.study.store import open_study

ROOT = Path(__file__).parents[2]
BOEHM = (str(ROOT / "models" / "boehm.toml"), str(ROOT / "data" / "boehm.csv"))


def run(*arguments):
    return CliRunner().invoke(app, ["convert", *arguments])


def test_a_problem_becomes_petab_and_is_not_overwritten(tmp_path):
    out = tmp_path / "petab"
    assert run(*BOEHM, "--to", "petab", "--out", str(out)).exit_code == 0
    assert load(out / "problem.yaml").parameters.names == load(*BOEHM).parameters.names
    again = run(*BOEHM, "--to", "petab", "--out", str(out))
    assert again.exit_code == 2
    assert run(*BOEHM, "--to", "petab", "--out", str(out), "--force").exit_code == 0


def test_what_is_lost_is_told(tmp_path):
    result = run(*BOEHM, "--to", "sbml", "--out", str(tmp_path / "boehm.xml"))
    assert result.exit_code == 0
    assert "SBML holds equations and values" in result.output


def test_what_cannot_be_read_is_refused(tmp_path):
    missing = run(str(tmp_path / "nothing.yaml"), "--out", str(tmp_path / "out"))
    assert missing.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_every_out_may_name_the_file_of_the_problem(tmp_path):
    assert run(*BOEHM, "--to", "toml", "--out", str(tmp_path / "a.toml"), "--quiet").exit_code == 0
    assert run(*BOEHM, "--to", "petab1", "--out", str(tmp_path / "b.yml"), "--quiet").exit_code == 0
    there = {path.name for path in tmp_path.iterdir()}
    assert {"a.toml", "a.csv", "b.yml", "model.xml", "measurements.tsv"} <= there
    again = load(tmp_path / "a.toml", tmp_path / "a.csv")
    assert again.spec.model_copy(update={"measurements": load(*BOEHM).spec.measurements}) == load(*BOEHM).spec


def test_what_the_format_cannot_say_is_refused_with_the_file_and_nothing_is_written(tmp_path):
    model = (ROOT / "models" / "virkler_crack.toml", ROOT / "data" / "virkler_crack.csv")
    result = run(*map(str, model), "--to", "petab1", "--out", str(tmp_path / "out"))
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert f"{model[0]}: N14: condition sheet_01 - begins at 9" in result.stderr


def test_out_is_asked_for():
    result = run(*BOEHM)
    assert (result.exit_code, "write --out FOLDER, such as --out boehm" in result.stderr) == (2, True)


# commands on what was written ---------------------------------------------------------------------------


def idfit_command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def petab(tmp_path, monkeypatch):
    """A small PEtab problem in the working directory; runs draw nothing."""
    pytest.importorskip("libsbml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "write_products", lambda study, directory, say: [])
    assert idfit_command("new", "m", "--template", "regression").exit_code == 0
    assert run("m/model.toml", "m/data.csv", "--out", "p").exit_code == 0
    return Path("p/problem.yaml")


def test_a_run_of_a_petab_problem_is_resumed_unless_its_files_have_changed(petab):
    fitted = idfit_command("fit", petab, "--starts", 2, "--seed", 1, "--out", "run")
    assert fitted.exit_code == 0, fitted.stderr
    assert open_study("run").attrs["files"] == "problem.yaml"
    numbers = open_study("run")["fit"]["theta"].values
    table = Path("p/measurements.tsv")
    text = table.read_text()
    table.write_text(f"# a remark\n{text}")
    assert idfit_command("resume", "run").exit_code == 0
    assert (open_study("run")["fit"]["theta"].values == numbers).all()
    assert idfit_command("fisher", "run").exit_code == 0
    header, first, *rows = text.splitlines()
    observable, experiment, _, *rest = first.split("\t")
    table.write_text("\n".join([header, "\t".join([observable, experiment, "9.9", *rest]), *rows]))
    changed = idfit_command("resume", "run")
    assert (changed.exit_code, "the data has changed" in changed.stderr) == (2, True)


def test_the_problem_of_a_run_fits_again_as_toml(petab):
    assert idfit_command("fit", petab, "--starts", 2, "--seed", 1, "--out", "run", "--quiet").exit_code == 0
    assert run(str(petab), "--to", "toml", "--out", "t").exit_code == 0
    simulated = idfit_command("simulate", "run/fitted.toml", "t/data.csv")
    best = float(open_study("run")["fit"]["optimum_nllh"][0])
    assert f"nllh: {best:.10g}" in simulated.stdout


def test_recipes_and_other_commands_take_a_petab_problem(petab):
    Path("recipe.toml").write_text('model = "p/problem.yaml"\nseed = 1\n[fit]\nstarts = 2\n')
    assert idfit_command("run", "recipe.toml", "--quiet").exit_code == 0
    assert "no faults" in idfit_command("check", petab).stdout
    assert "nllh" in idfit_command("simulate", petab).stdout
    assert idfit_command("fisher", petab, "--starts", 2, "--seed", 1, "--out", "f").exit_code == 0


def test_data_and_update_are_refused_for_a_petab_problem(petab):
    for options in (["m/data.csv"], ["--update"]):
        result = idfit_command("fit", petab, *options, "--out", "run")
        assert (result.exit_code, str(petab) in result.stderr, Path("run").exists()) == (2, True, False)


def test_a_model_that_observes_nothing_is_simulated_and_not_fitted(petab):
    Path("m.toml").write_text('[states]\nA = { init = 3 }\n[odes]\nA = "-A"\n')
    assert run("m.toml", "--to", "sbml", "--out", "m.xml").exit_code == 0
    simulated = idfit_command("simulate", "m.xml", "--times", 0, 1, 2)
    header, *rows = simulated.stdout.splitlines()
    assert header == "condition,time,state,value"
    assert float(rows[1].split(",")[3]) == pytest.approx(3 * math.exp(-1), rel=1e-6)
    refused = idfit_command("fit", "m.xml", "--out", "run")
    assert (refused.exit_code, "idfit convert m.xml --to toml" in refused.stderr) == (2, True)
