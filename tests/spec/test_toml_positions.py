"""Positions are right for every way in which TOML writes keys, and for every text that tomllib accepts."""

from __future__ import annotations

import tomllib

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from idfit.spec.toml_positions import Place, repeated_keys, toml_positions

TEXT = '''\
title = "x"  # a comment with [brackets] = "and quotes
a . "b c".'d' = 1
[states]
A = { init = "k*\\"A\\"", deep.er = [1, 2] }
[[events]]
when = "A < 1"
[[events]]
when = """
first
second"""
[events.set]
q = 1
[[events.doses]]
at = [
  1979-05-27 07:32:00,  # a date with a space
  [ 'x', "y" ],
]
'''


def test_every_kind_of_key_has_its_place():
    places = toml_positions(TEXT)
    assert places["title",] == Place(1, 1, 1, 10)
    assert places["a", "b c", "d"] == Place(2, 11, 2, 17)
    assert places["states",] == Place(3, 2, 3, 2)
    assert places["states", "A", "init"] == Place(4, 7, 4, 15)
    assert places["states", "A", "deep", "er"] == Place(4, 30, 4, 35)
    assert places["states", "A", "deep", "er", 1] == Place(4, 39, 4, 39)
    assert places["events", 0, "when"] == Place(6, 1, 6, 9)
    assert places["events", 1, "when"] == Place(8, 1, 9, 1)
    assert places["events", 1, "set", "q"] == Place(12, 1, 12, 5)
    assert places["events", 1, "doses", 0, "at", 0] == Place(15, 3, 15, 3)
    assert places["events", 1, "doses", 0, "at", 1, 1] == Place(16, 10, 16, 11)


def test_windows_line_ends_change_nothing():
    assert toml_positions(TEXT.replace("\n", "\r\n")) == toml_positions(TEXT)


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        ("a = 1\nb = 2\na = 3\n", (("a",), 3, 1, 1)),
        ("[s]\nk = 1\n[t]\n[s]\n", (("s",), 4, 2, 1)),
        ("s = { k = 1, k = 2 }", (("s", "k"), 1, 14, 1)),
        ("[s]\nk.v = 1\nk.v = 2\n", (("s", "k", "v"), 3, 1, 2)),
    ],
)
def test_a_repeated_key_is_found_with_its_first_place(text, repeated):
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text)
    assert repeated_keys(text) == [repeated]


@pytest.mark.parametrize(
    "text", ["", "a", "a =", "a = [1, 2", '[x\ny = "', "= 1", 'a = """', "a = {b = }", "\0", "a.'"]
)
def test_broken_texts_do_no_harm(text):
    toml_positions(text)
    repeated_keys(text)


def _paths(value, path=()):
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _paths(item, (*path, key))


_keys = st.text(st.sampled_from("ab-_1 .\"'#=[]é"), min_size=1, max_size=4)
_values = st.recursive(
    st.one_of(
        st.integers(-9, 9),
        st.booleans(),
        st.floats(-9, 9),
        st.text(st.sampled_from("a\"'\\#[]{}=,\n é"), max_size=8),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_keys, _values, max_size=4))
def test_every_path_of_every_document_is_found_at_its_key(document):
    text = tomlkit.dumps(document)
    loaded = tomllib.loads(text)
    places = toml_positions(text)
    assert set(_paths(loaded)) <= set(places)
    lines = text.split("\n")
    for path, place in places.items():
        if isinstance(path[-1], str):
            rest = lines[place.line - 1][place.column - 1 :]
            assert rest.startswith(path[-1]) or rest[0] in "\"'"
