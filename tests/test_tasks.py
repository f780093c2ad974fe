"""Tasks: the same numbers from any number of workers, nothing finished is lost, and stopping stops."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from idfit.errors import IdfitWarning, InputError, Interrupted, StorageError
from idfit.results import Status
from idfit.tasks import Journal, Runner, Task, read_journal, seed_sequence, stop_on_signals


def tasks(n):
    return [Task(f"draw/{i}", (7, i), {"scale": float(i)}) for i in range(n)]


def draw(task, stop):
    generator = seed_sequence(1, *task.seed_key)
    time.sleep(0.002 * (3 - task.seed_key[1] % 4))  # later tasks finish earlier
    draws = generator.normal(size=3) * task.inputs["scale"]
    return {"draws": draws, "sum": float(draws.sum()), "name": task.key, "status": Status.OK}


def as_bytes(results):
    return [{name: np.asarray(value).tobytes() for name, value in result.items()} for result in results]


def test_results_are_in_task_order_and_do_not_depend_on_workers():
    results = [Runner(workers=workers).run(tasks(12), draw) for workers in (1, 2, 4)]
    assert [result["name"] for result in results[0]] == [task.key for task in tasks(12)]
    assert as_bytes(results[0]) == as_bytes(results[1]) == as_bytes(results[2])
    assert len({result["sum"] for result in results[0]}) == 12


def test_processes_give_the_same_numbers():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        results = Runner(executor=executor).run(tasks(4), _square)
    assert [result["square"] for result in results] == [0.0, 1.0, 4.0, 9.0]


def _square(task, stop):
    return {"square": task.inputs["scale"] ** 2}


@pytest.mark.parametrize("workers", [0, -1, 10**9])
def test_p12_workers_out_of_range(workers):
    with pytest.raises(InputError, match=r"from 1 to 1024"):
        Runner(workers=workers)


def test_equal_keys_are_refused():
    with pytest.raises(ValueError, match="unique"):
        Runner().run([Task("a"), Task("a")], draw)


def test_progress_is_told_of_each_task():
    told = []
    Runner(workers=2, progress=lambda done, total, result: told.append((done, total))).run(tasks(3), draw)
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


# Journal


def test_a_journal_gives_back_exactly_what_was_put_in(tmp_path):
    result = {
        "x": np.array([[1.0, np.nan], [-0.0, np.inf]]),
        "n": np.arange(3, dtype=np.int32),
        "empty": np.zeros((0, 4)),
        "flag": True,
        "count": 3,
        "value": 0.1 + 0.2,
        "lowest": -np.inf,
        "missing": float("nan"),
        "text": "µ\n",
    }
    with Journal(tmp_path / "j", {"model": "abc"}) as journal:
        journal.append("a", result)
    identity, back, _ = read_journal(tmp_path / "j")
    assert identity == {"model": "abc"}
    assert as_bytes([back["a"]]) == as_bytes([result])
    assert {name: type(value) for name, value in back["a"].items()} == {
        name: type(value) for name, value in result.items()
    }
    assert back["a"]["x"].shape == (2, 2)
    assert back["a"]["empty"].shape == (0, 4)


def test_finished_tasks_are_not_run_again(tmp_path):
    calls = []

    def work(task, stop):
        calls.append(task.key)
        return draw(task, stop)

    with Journal(tmp_path / "j", {}) as journal:
        first = Runner(journal=journal).run(tasks(3), work)
    with Journal(tmp_path / "j", {}) as journal:
        second = Runner(journal=journal, workers=2).run(tasks(5), work)
    assert calls[:3] == [f"draw/{i}" for i in range(3)]
    assert sorted(calls[3:]) == ["draw/3", "draw/4"]
    assert as_bytes(first) == as_bytes(second[:3])
    assert as_bytes(second) == as_bytes(Runner().run(tasks(5), draw))


def test_r01_a_journal_cut_anywhere_keeps_the_frames_before_the_cut(tmp_path):
    path = tmp_path / "j"
    ends = []
    with Journal(path, {"model": "abc"}) as journal:
        for i in range(3):
            ends.append(path.stat().st_size)
            journal.append(str(i), {"x": np.full(4, float(i))})
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with Journal(path, {"model": "abc"}) as journal:
            complete = sum(end <= cut for end in [*ends[1:], len(whole)])
            assert sorted(journal.results) == [str(i) for i in range(complete)]
            journal.append("new", {"x": np.ones(1)})
        assert "new" in read_journal(path)[1]


def test_a_flipped_bit_in_the_journal_is_noticed(tmp_path):
    path = tmp_path / "j"
    with Journal(path, {}) as journal:
        journal.append("a", {"x": np.ones(4)})
        middle = path.stat().st_size
        journal.append("b", {"x": np.ones(4)})
    data = bytearray(path.read_bytes())
    data[middle + 40] ^= 1
    path.write_bytes(data)
    with pytest.warns(IdfitWarning, match="damaged at byte"):
        assert list(read_journal(path)[1]) == ["a"]


def test_r18_d35_a_changed_run_is_refused_with_the_part_named(tmp_path):
    Journal(tmp_path / "j", {"model": "a", "data": "b"}).close()
    with pytest.raises(InputError, match="the data has changed") as caught:
        Journal(tmp_path / "j", {"model": "a", "data": "c"})
    assert "model" not in str(caught.value).replace("the model has", "")
    assert Journal(tmp_path / "j", {"model": "a", "data": "b"}).results == {}


def test_a_foreign_file_is_not_touched(tmp_path):
    path = tmp_path / "j"
    path.write_text("these are my notes, not a journal")
    with pytest.raises(StorageError, match="not a journal"):
        Journal(path, {})
    assert path.read_text().startswith("these are my notes")


def test_s08_no_object_arrays(tmp_path):
    with pytest.raises(TypeError, match="arrays of numbers"):
        Runner().run(tasks(1), lambda task, stop: {"x": np.array([{"a": 1}], dtype=object)})


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_r08_a_full_disk_is_a_storage_error_with_the_bytes_needed():
    with pytest.raises(StorageError, match="No space left"):
        Journal("/dev/full", {})


# Failures and stopping


def test_r03_a_lost_task_is_recorded_and_tried_again_on_resume(tmp_path):
    healthy = threading.Event()

    def work(task, stop):
        if task.key == "draw/1" and not healthy.is_set():
            raise ZeroDivisionError("one over none")
        return draw(task, stop)

    with Journal(tmp_path / "j", {}) as journal:
        results = Runner(journal=journal).run(tasks(3), work)
        assert results[1]["status"] == Status.WORKER_LOST
        assert "ZeroDivisionError: one over none" in results[1]["reason"]
        assert results[2]["status"] == Status.OK
        healthy.set()
        assert as_bytes(Runner(journal=journal).run(tasks(3), work)) == as_bytes(Runner().run(tasks(3), draw))


def test_an_error_of_all_tasks_is_raised():
    def work(task, stop):
        raise KeyError(task.key)

    with pytest.raises(KeyError, match="draw/0"):
        Runner(workers=2).run(tasks(3), work)


def test_bad_input_found_by_a_task_is_raised():
    def work(task, stop):
        raise InputError("no such thing")

    with pytest.raises(InputError):
        Runner().run(tasks(3), work)


def wait_for_stop(task, stop):
    """Stands for a kernel that polls the flag."""
    if task.key == "draw/0":
        return draw(task, stop)
    while not stop[0]:
        time.sleep(0.002)
    return {"half": 1.0}


@pytest.mark.parametrize("workers", [1, 2])
def test_r06_stopping_keeps_what_was_finished_and_nothing_half_done(tmp_path, workers):
    stop = np.zeros(1, dtype=np.int64)
    threading.Timer(0.1, lambda: stop.__setitem__(0, 1)).start()
    begin = time.monotonic()
    with Journal(tmp_path / "j", {}) as journal, pytest.raises(Interrupted, match="1 of 6"):
        Runner(workers=workers, journal=journal, stop=stop).run(tasks(6), wait_for_stop)
    assert time.monotonic() - begin < 1
    assert list(read_journal(tmp_path / "j")[1]) == ["draw/0"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_r06_r07_a_signal_sets_the_flag_and_the_handlers_come_back(number):
    stop, told = np.zeros(1, dtype=np.int64), []
    former = signal.getsignal(number)
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
    with stop_on_signals(stop, lambda: told.append(1)), pytest.raises(Interrupted):
        Runner(stop=stop).run(tasks(6), wait_for_stop)
    assert told == [1]
    assert signal.getsignal(number) is former


def test_r06_a_second_ctrl_c_is_immediate():
    stop = np.zeros(1, dtype=np.int64)

    def deaf(task, stop):
        time.sleep(0.8)
        return {}

    for delay in (0.1, 0.2):
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
    begin = time.monotonic()
    with stop_on_signals(stop), pytest.raises(KeyboardInterrupt):
        Runner(stop=stop).run(tasks(2), deaf)
    assert time.monotonic() - begin < 0.6
