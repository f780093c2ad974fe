"""Run directories: who may write, what is never mixed, and when a lock is out of date."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from idfit.errors import InputError, StorageError
from idfit.study.directory import LOCK_FILE, RUN_FILE, RunDirectory, read_record

IDENTITY = {"model": "a", "seed": "1"}


def directory(path, mode="new", identity=IDENTITY, record=None):
    return RunDirectory(path, mode, identity, record or {"command": "test"})


def test_a_run_is_locked_while_it_lasts_and_can_be_resumed(tmp_path):
    with directory(tmp_path / "run") as run:
        run.journal.append("a", {"x": 1.0})
        assert (tmp_path / "run" / LOCK_FILE).exists()
        assert read_record(tmp_path / "run") == {"command": "test"}
    assert not (tmp_path / "run" / LOCK_FILE).exists()
    with directory(tmp_path / "run", "resume") as run:
        assert run.journal.results == {"a": {"x": 1.0}}


def test_r09_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    for path in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(InputError, match=r"R09.*is not a folder"), directory(path):
            pass
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that nobody can write")
def test_r09_a_folder_that_cannot_be_written_is_refused_before_computing():
    with pytest.raises(InputError, match=r"R09.*cannot be (made|written)"), directory("/proc/self/run"):
        pass


def test_r10_an_existing_run_is_refused_and_left_alone(tmp_path):
    with directory(tmp_path) as run:
        run.journal.append("a", {"x": 1.0})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with (
        pytest.raises(InputError, match=r"R10.*holds a run already.*--resume.*--overwrite"),
        directory(tmp_path),
    ):
        pass
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_r10_overwriting_removes_the_run_and_nothing_else(tmp_path):
    with directory(tmp_path) as run:
        run.journal.append("a", {"x": 1.0})
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "fit.xlsx").write_text("mine")
    (tmp_path / "tables" / "old.csv").write_text("of the run")
    with directory(tmp_path, "overwrite", {"model": "b"}) as run:
        assert run.journal.results == {}
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"notes.txt", "tables/fit.xlsx", RUN_FILE, "tasks.journal"}


def test_resuming_needs_a_run(tmp_path):
    with pytest.raises(InputError, match="holds no run to resume"), directory(tmp_path, "resume"):
        pass
    with pytest.raises(InputError, match="holds no run"):
        read_record(tmp_path)
    (tmp_path / RUN_FILE).write_text("{")
    with pytest.raises(StorageError, match="damaged"):
        read_record(tmp_path)


def test_r18_resuming_with_another_seed_names_the_seed(tmp_path):
    with directory(tmp_path):
        pass
    changed = directory(tmp_path, "resume", IDENTITY | {"seed": "2"})
    with pytest.raises(InputError, match=r"R18: seed is '2', and was '1'"), changed:
        pass
    assert not (tmp_path / LOCK_FILE).exists()


def test_r11_a_second_process_is_refused_with_the_first_named(tmp_path):
    with (
        directory(tmp_path),
        pytest.raises(InputError, match=rf"R11.*process {os.getpid()} on .*delete run.lock"),
        directory(tmp_path, "overwrite"),
    ):
        pass


def test_r11_the_lock_of_a_dead_process_is_taken_over(tmp_path):
    with directory(tmp_path):
        pass
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    lock = {"pid": int(dead.stdout), "host": socket.gethostname()}
    (tmp_path / LOCK_FILE).write_text(json.dumps(lock))
    with directory(tmp_path, "resume"):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("lock", ['{"pid": 1, "host": "another.machine"}', "", "[]"])
def test_r11_a_lock_that_cannot_be_judged_is_explained(tmp_path, lock):
    with directory(tmp_path):
        pass
    (tmp_path / LOCK_FILE).write_text(lock)
    with (
        pytest.raises(InputError, match=r"in use by .*if that process has ended"),
        directory(tmp_path, "resume"),
    ):
        pass
    assert (tmp_path / LOCK_FILE).read_text() == lock
