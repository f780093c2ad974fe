"""Reading the small sound problem with one thing changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time

import pytest

from idfit.errors import Finding, InputError
from idfit.spec.reading import read_problem
from idfit.spec.schema import ProblemSpec
from tests.spec.sound import MODEL

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
