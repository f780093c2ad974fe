"""Antimony texts: the spec that they become, and what is refused."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

pytest.importorskip("antimony", reason="antimony is not installed")

from idfit.errors import InputError
from idfit.formats import child
from idfit.formats.antimony import read_antimony

DECAY = """model decay
  S1 -> S2; k*S1   // nuclear import
  k = 0.5; S1 = 10; S2 = 0; x := S1 + S2
  E: at time > 5: S1 = 3
end
"""


def test_a_model(tmp_path):
    spec = read_antimony(DECAY)
    assert spec.name == "decay"
    assert {k: s.init for k, s in spec.states.items()} == {"S1": 10.0, "S2": 0.0}
    assert spec.odes == {"S1": "-_J0/default_compartment", "S2": "_J0/default_compartment"}
    assert spec.assignments == {"_J0": "k*S1", "x": "S1 + S2"}
    assert spec.parameters["k"].value == 0.5
    assert (spec.events["E"].when, spec.events["E"].set) == ("time > 5", {"S1": "3"})
    path = tmp_path / "decay.ant"
    path.write_text(DECAY)
    assert read_antimony(path) == read_antimony(str(path)) == spec


def test_models_of_models_in_one_text():
    spec = read_antimony(DECAY + "model two\n  A: decay(); B: decay(); A.k is B.k\nend\n")
    assert {"A_S1", "B_S1"} <= spec.states.keys()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("model a\n  S1 -> S2; k*S1 k = 1\nend", 2, "syntax error"),
        ("model a\n  S1 -> S2; k*S1; S1 = 1; S2 = 0\nend", 0, "parameter 'k' - has no value"),
        ("x = delay(y, 3); y = 2", 0, "contains a delay"),
        ('// first\nimport "/etc/passwd"\nx = 3', 2, "names another file"),
        ('import /* a\n */ // b\n "other.ant"; x = 3', 1, "names another file"),
        (" \n ", 0, "has no model"),
    ],
)
def test_what_is_refused(text, line, words):
    with pytest.raises(InputError) as raised:
        read_antimony(text)
    (finding,) = raised.value.findings
    assert (finding.file, finding.line) == ("Antimony text", line)
    assert words in str(finding)


def test_the_example_of_the_documentation(tmp_path, capsys):
    page = Path(__file__).resolve().parents[2] / "docs" / "sbml.md"
    (block,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "example.py").write_text(block, encoding="utf-8")
    runpy.run_path(str(tmp_path / "example.py"))
    assert 'A = "-_J0/default_compartment"' in capsys.readouterr().out


def test_no_file_is_opened_even_if_a_text_names_one():
    (answer,) = child.ask(
        "idfit.formats.antimony_child", ['import "/etc/hostname"\nx = 3'], ["a"], "antimony"
    )
    assert "cannot be read" in answer["error"]
