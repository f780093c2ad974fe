"""YAML texts: plain values with their lines, and refusals of what is dangerous in YAML."""

from __future__ import annotations

import time

import pytest

from idfit.errors import InputError
from idfit.formats.yaml_guard import MAX_DEPTH, load_yaml
from idfit.spec.findings import Findings


def load(text: str):
    findings = Findings()
    value, positions = load_yaml(text, "a.yaml", findings)
    return value, positions, findings.items


def test_scalars_stay_the_texts_that_they_are():
    text = "a: no\nb: 1e3\nc: 012\nd: 1_000\ne: NaN\nf: 2.0.0\ng: '~'\nh: ~\ni:\nj: 2001-01-01\n"
    value, _, findings = load(text)
    assert value == {
        "a": "no", "b": "1e3", "c": "012", "d": "1_000", "e": "NaN", "f": "2.0.0", "g": "~", "h": None,
        "i": None, "j": "2001-01-01",
    }  # fmt: skip
    assert not findings


def test_places_of_keys_and_items():
    _, positions, _ = load("a:\n  - x\n  - b: 1\n    c: [2, 3]\n")
    assert positions.key(("a", 0)) == ("a.yaml", 2, 5)
    assert positions.key(("a", 1, "c")) == ("a.yaml", 4, 5)
    assert positions.key(("a", 1, "c", 1)) == ("a.yaml", 4, 12)


@pytest.mark.parametrize(
    ("text", "line", "code", "words"),
    [
        ("a: 1\nb: !!python/object/apply:os.system [touch pwned]\n", 2, "S04", "tags are refused"),
        ("a: !!python/name:os.system\n", 1, "S04", "tags are refused"),
        ("a: !mine x\n", 1, "S04", "tags are refused"),
        ("a: &x 1\nb: *x\n", 1, "S05", "&x"),
        ("a: 1\n<<: *x\n", 2, "S05", "*x"),
        ("? [a, b]\n: 1\n", 1, "M29", "a key"),
        ("a: 1\n---\nb: 2\n", 2, "M29", "a second document"),
        ("a: [1, 2\nb: 3\n", 2, "M29", "is not YAML"),
        ("a: b: c\n", 1, "M29", "is not YAML"),
        ("a: 'x\n", 2, "M29", "is not YAML"),
        ("a: \x07\n", 0, "M29", "is not YAML"),
        ("%YAML 9.9 9\n---\na: 1\n", 1, "M29", "is not YAML"),
        ("[" * 60 + "]" * 60, 1, "S05", f"more than {MAX_DEPTH} levels"),
    ],
)
def test_what_is_refused(text, line, code, words):
    with pytest.raises(InputError) as raised:
        load(text)
    (finding,) = raised.value.findings
    assert (finding.file, finding.line, finding.code) == ("a.yaml", line, code)
    assert words in str(finding)


def test_a_key_that_stands_twice_is_reported_and_the_first_kept():
    value, _, (finding,) = load("a: 1\nb: 2\na: 3\n")
    assert value == {"a": "1", "b": "2"}
    assert (finding.line, finding.code) == (3, "S07")
    assert "first in line 1" in finding.rule


def test_large_and_deep_texts_are_refused_fast():
    start = time.perf_counter()
    for text in ("[" * 500_000, "- x\n" * 200_000, "a: " * 1000, "{" * 100_000):
        with pytest.raises(InputError):
            load(text)
    assert time.perf_counter() - start < 4.0
