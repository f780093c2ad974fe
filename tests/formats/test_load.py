"""Which format a file is in, and what may be given with it."""

from __future__ import annotations

from pathlib import Path

import pytest

import idfit
from idfit.errors import InputError
from idfit.formats.load import format_of, load, read
from tests.formats.petab_problems import MODEL, VERSION_1, write

ROOT = Path(__file__).parents[2]
ANTIMONY = "model decay\n  A -> B; k*A\n  k = 0.5; A = 10; B = 0\nend\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.toml", "<sbml/>", "toml"),
        ("a.YAML", "", "petab"),
        ("a.yml", "", "petab"),
        ("a.xml", "", "sbml"),
        ("a.sbml", "", "sbml"),
        ("a.ant", "", "antimony"),
        ("a.txt", '\n<?xml version="1.0"?><sbml/>', "sbml"),
        ("a", "# a problem\nformat_version: 1\n", "petab"),
        ("a.model", "idfit = 1\n", "toml"),
    ],
)
def test_names_tell_the_format_and_else_the_text(name, text, expected, tmp_path):
    (tmp_path / name).write_text(text)
    assert format_of(tmp_path / name) == expected


def test_a_file_that_is_not_there_is_told_as_a_missing_model(tmp_path):
    with pytest.raises(InputError, match="there is no such model file"):
        load(tmp_path / "nothing.abc")


def test_load_reads_every_format(tmp_path):
    pytest.importorskip("libsbml")
    problem = idfit.load(write(tmp_path, VERSION_1))
    assert problem.parameters.names == ("k1", "k2")
    assert list(load(tmp_path / "model.xml").spec.states) == ["A", "B"]
    pytest.importorskip("antimony")
    (tmp_path / "decay.ant").write_text(ANTIMONY)
    assert load(tmp_path / "decay.ant").spec.parameters["k"].value == 0.5


def test_a_data_file_is_refused_where_it_cannot_belong(tmp_path):
    data = ROOT / "data" / "boehm.csv"
    with pytest.raises(
        InputError, match=r"problem.yaml: .*names its measurements itself.*leave the data out"
    ):
        read(write(tmp_path, VERSION_1), data)
    with pytest.raises(InputError, match=r"model.xml: .*has no observables.*idfit convert .*--to toml"):
        read(tmp_path / "model.xml", data)


def test_faults_of_equations_are_told_with_the_file(tmp_path):
    pytest.importorskip("libsbml")
    empty = MODEL[: MODEL.index("<listOfCompartments>")] + "</model></sbml>"
    (tmp_path / "empty.xml").write_text(empty)
    with pytest.raises(InputError) as refusal:
        read(tmp_path / "empty.xml")
    assert str(refusal.value).startswith(f"{tmp_path / 'empty.xml'}: M22")
