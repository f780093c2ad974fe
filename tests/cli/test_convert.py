"""`idfit convert` as a user meets it."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from idfit.cli.main import app
from idfit.formats.load import load

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
