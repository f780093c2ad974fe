"""A small sound problem, and ways to break it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time

import pytest

from idfit.errors import Finding, InputError
from idfit.spec.reading import read_problem
from idfit.spec.schema import ProblemSpec

MODEL = """\
idfit = 1
name = "decay"
time = "min"
[states]
A = { init = "A0", unit = "nM" }
B = { init = 0, unit = "nM" }
[reactions]
r = { eq = "A -> B", rate = "k*A" }
[parameters]
k = { value = 0.1, min = 1e-4, max = 1e2, scale = "log10" }
A0 = { value = 1, min = 0, max = 10 }
sd = { value = 0.1, min = 1e-3, max = 1, scale = "log10" }
[observables]
y = { formula = "A", noise = "sd", unit = "nM" }
z = { formula = "B", noise = "sd", unit = "nM" }
[conditions.control]
[conditions.treated]
set = { k = 0.2 }
"""

DATA = """\
condition,time,observable,value
control,0,y,1.0
control,1,y,0.9
treated,1,z,0.2
control,2,z,0.21
"""

SECONDS = 5.0


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[ProblemSpec, list[Finding]]]:
    """``read(old, new)`` reads the model with one text replaced; `data` and further `files` may be given."""

    def reader(
        old: str = "",
        new: str = "",
        *,
        model: str = MODEL,
        data: str | bytes | None = None,
        missing="refuse",
        files=(),
    ):
        assert old in model
        (tmp_path / "model.toml").write_bytes(model.replace(old, new, 1).encode() if old else model.encode())
        for name, content in dict(files).items():
            (tmp_path / name).write_text(content)
        path = None
        if data is not None:
            path = tmp_path / "data.csv"
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return read_problem(tmp_path / "model.toml", path, missing=missing)

    return reader


@pytest.fixture
def refused(read) -> Callable[..., tuple[Finding, ...]]:
    """As `read`, for what must be refused quickly with an InputError; returns the errors."""

    def reader(*args, **kwargs) -> tuple[Finding, ...]:
        begin = process_time()  # of this process: others on the machine do not count
        with pytest.raises(InputError) as raised:
            read(*args, **kwargs)
        assert process_time() - begin < SECONDS
        assert all(len(str(finding)) < 600 for finding in raised.value.findings)
        return tuple(f for f in raised.value.findings if f.severity == "error")

    return reader


def line_of(text: str, part: str) -> int:
    """The line (from 1) on which `part` first stands."""
    return text[: text.index(part)].count("\n") + 1
