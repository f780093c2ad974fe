"""The page on predictions: its examples print what their comments say, and its commands work."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import idfit
from idfit.cli.main import app
from idfit.results.prediction import LimitStatus
from idfit.study.analyses import PredictionTable

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/predictions.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [content for kind, content in found if kind == language]


@pytest.fixture
def files(tmp_path, monkeypatch):
    for folder in ("models", "data"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_examples_print_what_their_comments_say(files):
    script = "\n".join(blocks("python"))
    (files / "examples.py").write_text(script, encoding="utf-8")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path("examples.py")
    expected = re.findall(r"^print\(.*\)  # (.*)$", script, re.MULTILINE)
    assert printed.getvalue().splitlines() == expected


@pytest.mark.slow
def test_commands_do_their_work(files):
    for command in "\n".join(blocks("sh")).splitlines():
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, f"{command}: {result.output}"
    band = idfit.open_study("reports/bod_bands")["prediction"].to_dataset()
    assert band["observable"].values.tolist() == ["uptake"]
    assert band["time"].values.tolist() == [0.0, 1.0, 2.0, 5.0, 10.0, 20.0]


def test_the_table_of_statuses_is_that_of_the_code():
    rows = re.findall(r"^\| `(\w+)` \| ([A-Z].*) \|$", PAGE, re.MULTILINE)
    assert rows == [(code.label, code.sentence) for code in LimitStatus]


def test_the_recipe_is_one():
    (table,) = (tomllib.loads(block)["prediction"] for block in blocks("toml"))
    assert PredictionTable.model_validate(table).formulas == {"uptake": "k*(A - L)"}
