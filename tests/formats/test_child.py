"""Children that crash, end or take too long give errors that say so, and the next request is answered."""

from __future__ import annotations

import sys

import pytest

from idfit.errors import InputError
from idfit.formats import child

MODULE = "tests.formats.child_that_dies"


def ask(*requests: str) -> list:
    return child.ask(MODULE, requests, [f"{r}.xml" for r in requests], "the library")


def test_one_child_answers_in_order():
    (first, a), (second, b) = ask("print", "y")
    (third, c) = ask("z")[0]
    assert [first, second, third] == ["print", "y", "z"]
    assert a == b == c


@pytest.mark.parametrize(
    ("request_", "words"),
    [("crash", "crashed on it (SIGABRT)"), ("end", "exit code 3"), ("memory", "did not survive it")],
)
@pytest.mark.skipif(sys.platform == "win32", reason="no signals and limits there")
def test_a_death_is_an_error_of_its_file_alone(request_, words):
    before, error, after = ask("x", request_, "y")
    assert before[0] == "x"
    assert isinstance(error, InputError)
    assert str(error).startswith(f"{request_}.xml - the library ")
    assert words in str(error)
    assert after[0] == "y"
    assert after[1] != before[1]


def test_a_child_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(child, "MAX_SECONDS", 0.5)
    (error,) = ask("wait")
    assert "did not finish reading it within 0.5 s" in str(error)


@pytest.mark.skipif(sys.platform != "linux", reason="limits differ between systems")
def test_a_child_opens_no_files():
    assert ask("open") == ["refused"]


def test_a_child_that_has_been_idle_is_replaced(monkeypatch):
    ((_, a),) = ask("x")
    monkeypatch.setattr(child, "MAX_IDLE_SECONDS", 0)
    ((_, b),) = ask("x")
    assert a != b


def test_a_missing_library_is_named(monkeypatch, tmp_path):
    (tmp_path / "libsbml.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(child, "_CHILDREN", {})
    (error,) = child.ask("idfit.formats.sbml_child", ["x"], ["m.xml"], "libsbml")
    assert str(error) == 'm.xml - needs libsbml, which is not installed - pip install "idfit[petab]"'
