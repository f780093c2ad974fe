"""A running `idfit fit` that is interrupted or killed: how fast it ends, with what code, and what is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import idfit
from idfit.study.pipeline import COMPILING
from idfit.tasks import read_journal

ROOT = Path(__file__).parent.parent.parent
STARTS = 24
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def begin(out, *options, verb="fit", starts=STARTS, hash_seed=None):
    command = [sys.executable, "-m", "idfit", verb, ROOT / "models/boehm.toml", ROOT / "data/boehm.csv"]
    command += ["--starts", starts, "--seed", 1, "--out", out, *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    if hash_seed is not None:
        environment["PYTHONHASHSEED"] = str(hash_seed)
    return subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def wait_for_first_start(process, out, journal="tasks.journal"):
    """Until one task is in the journal and the next one runs."""
    journal = out / journal
    deadline = time.monotonic() + 300  # the kernels may have to be compiled first
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        if journal.exists() and journal.stat().st_size and read_journal(journal)[1].keys() - {"began"}:
            return
        time.sleep(0.01)
    raise AssertionError("no start was finished")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nobody interrupts."""
    out = tmp_path_factory.mktemp("whole") / "run"
    process = begin(out, "--workers", 2)
    process.communicate()
    assert process.returncode in (0, 3)
    return out


def fit_bytes(out):
    return {
        name: variable.values.tobytes()
        for name, variable in idfit.open_study(out)["fit"].to_dataset().variables.items()
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_r01_r06_r07_a_stopped_run_keeps_its_starts_and_resumes_to_the_same_bytes(tmp_path, whole, number):
    out = tmp_path / "run"
    process = begin(out)
    wait_for_first_start(process, out)
    process.send_signal(number)
    sent = time.monotonic()
    _, errors = process.communicate(timeout=30)
    took = time.monotonic() - sent
    finished = read_journal(out / "tasks.journal")[1]
    assert 0 < len(finished) < STARTS
    assert not (out / "study.nc").exists()
    if number == signal.SIGKILL:
        assert (out / "run.lock").exists()
    else:
        assert process.returncode == 130, errors
        assert f"interrupted: {len(finished)} of {STARTS}" in errors
        assert "Traceback" not in errors
        assert took < 5  # one second is the goal on an idle machine
        assert not (out / "run.lock").exists()
    resumed = subprocess.run(
        [sys.executable, "-m", "idfit", "resume", str(out), "--workers", "2"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert resumed.returncode in (0, 3), resumed.stderr
    assert COMPILING not in resumed.stderr
    assert fit_bytes(out) == fit_bytes(whole)


@pytest.mark.parametrize(("workers", "hash_seed"), [(1, 0), (2, 1), (4, 2)])
def test_r21_processes_with_any_workers_and_hash_seed_give_the_same_bytes(
    tmp_path, whole, workers, hash_seed
):
    """The order of Python's sets differs from process to process; no number may depend on it."""
    process = begin(tmp_path / "run", "--workers", workers, hash_seed=hash_seed)
    _, errors = process.communicate(timeout=300)
    assert process.returncode in (0, 3), errors
    assert fit_bytes(tmp_path / "run") == fit_bytes(whole)


def test_r01_a_profile_that_is_stopped_keeps_its_sides_and_resumes(tmp_path):
    out = tmp_path / "run"
    process = begin(out, verb="profile", starts=4)
    wait_for_first_start(process, out, "profiles.journal")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    finished = read_journal(out / "profiles.journal")[1].keys() - {"began"}
    assert 0 < len(finished) < 18
    assert f"interrupted: {len(finished)} of 18" in errors
    study = idfit.resume(out)
    assert study["profiles"].sizes["profiled"] == 9
    assert finished <= read_journal(out / "profiles.journal")[1].keys()


def test_r06_a_second_ctrl_c_ends_at_once_and_the_run_still_loads(tmp_path):
    out = tmp_path / "run"
    process = begin(out)
    wait_for_first_start(process, out)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert read_journal(out / "tasks.journal")[1]


def test_r11_two_runs_in_one_folder(tmp_path):
    out = tmp_path / "run"
    first = begin(out, starts=5000)
    try:
        wait_for_first_start(first, out)
        second = begin(out, "--overwrite")
        _, errors = second.communicate(timeout=60)
        assert second.returncode == 2
        assert f"in use by process {first.pid}" in errors
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=30)


def test_r25_a_run_whose_output_nobody_reads_still_ends_well(tmp_path):
    out = tmp_path / "run"
    process = begin(out, "--json")
    process.stdout.close()
    process.stderr.close()
    assert process.wait(timeout=300) in (0, 3)
    assert idfit.open_study(out)["fit"].sizes["start"] == STARTS
