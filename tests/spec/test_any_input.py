"""Whatever stands in the files, reading them ends with a spec or with an InputError, and nothing else."""

from __future__ import annotations

import copy
from contextlib import suppress

import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from idfit.errors import InputError
from idfit.spec.findings import Findings
from idfit.spec.measurements import measurements_of
from idfit.spec.reading import read_model_text
from idfit.spec.tables import parse_table
from tests.spec.sound import DATA, MODEL

FULL = (
    MODEL
    + """\
dose = [{ time = [1, 2], add = { A = 1 } }]
[inputs]
u = { times = [0, 1], values = [1, 2] }
[assignments]
a = "k*u"
[measurements]
condition = ["control", "treated"]
time = [0, 1]
observable = ["y", "z"]
value = [1, 2]
"""
)
PIECES = [
    "=",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "\n",
    ",",
    ".",
    "#",
    "inf",
    "nan",
    "-1",
    "1e400",
    "true",
    "A",
    "k",
    "é",
    "\0",
]
CELLS = [
    "",
    "x",
    "1",
    "-1",
    "nan",
    "inf",
    '"',
    "a,b",
    ";",
    "\t",
    "\r",
    "\0",
    "'=1",
    "#",
    "1e999",
    "treated",
    "y",
    "é",
]

edits = st.lists(
    st.tuples(
        st.floats(0, 1), st.integers(0, 12), st.lists(st.sampled_from(PIECES), max_size=3).map("".join)
    ),
    max_size=4,
)
values = st.one_of(
    st.sampled_from(
        [
            0,
            -1.5,
            True,
            "",
            "A",
            "k*A",
            "1/0",
            "((",
            "é",
            "t",
            [],
            [1],
            ["A"],
            {},
            {"A": 1},
            {"column": 1},
            [{}],
        ]
    ),
    st.dictionaries(
        st.sampled_from(["value", "min", "formula", "noise", "set", "file", "series", "times"]), st.integers()
    ),
)


def read(text: str) -> None:
    with suppress(InputError):
        read_model_text(text)


def test_the_full_model_is_sound():
    read_model_text(FULL)


@settings(max_examples=150, deadline=None)
@given(edits)
def test_edited_models(changes):
    text = FULL
    for where, removed, inserted in changes:
        at = int(where * len(text))
        text = text[:at] + inserted + text[at + removed :]
    read(text)


def _places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _places(value[key], (*path, key))


DOCUMENT = tomlkit.parse(FULL).unwrap()
PLACES = [path for path in _places(DOCUMENT) if path]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), values), min_size=1, max_size=3))
def test_models_with_wrong_values(changes):
    document = copy.deepcopy(DOCUMENT)
    for path, value in changes:
        owner = document
        for key in path[:-1]:
            owner = owner[key] if isinstance(owner, dict) and key in owner else None
        if isinstance(owner, dict) and isinstance(path[-1], str):
            owner[path[-1]] = copy.deepcopy(value)
    read(tomlkit.dumps(document))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 8), st.sampled_from(CELLS)), max_size=4))
def test_edited_data(changes):
    text = DATA
    for where, removed, inserted in changes:
        at = int(where * len(text))
        text = text[:at] + inserted + text[at + removed :]
    spec, _ = read_model_text(MODEL)
    findings = Findings()
    table = measurements_of(parse_table(text, "data.csv", findings), spec, findings, "drop")
    assert len({len(table.time), len(table.value), len(table.sd), len(table.line), len(table.condition)}) == 1
