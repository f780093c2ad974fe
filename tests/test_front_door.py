"""The public names: what they are, that they load late, and that `import idfit` is quick."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import idfit

FRONT_DOOR = Path(idfit.__file__)


@pytest.mark.parametrize("name", sorted(set(idfit.__all__)))
def test_every_public_name_is_there(name):
    assert getattr(idfit, name) is not None
    assert name in dir(idfit)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no public name 'fitt'"):
        idfit.fitt  # noqa: B018


def test_type_checkers_see_the_same_names():
    tree = ast.parse(FRONT_DOOR.read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {}
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            seen |= {alias.name: node.module for alias in node.names}
    assert seen == idfit._HOME


def test_importing_is_quick_and_loads_nothing_heavy():
    """Goal: under 0.5 s; the best of three, as other work may share the machine."""
    code = (
        "import time; begin = time.perf_counter(); import idfit; print(time.perf_counter() - begin)\n"
        "import sys; heavy = {'numpy', 'numba', 'sympy'}; print(*(heavy & set(sys.modules)))"
    )
    seconds = []
    for _ in range(3):
        took, *heavy = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert heavy in ([], [""])
        seconds.append(float(took))
    assert min(seconds) < 0.5
