"""Long work as tasks: keyed, seeded, run by the executor passed in, journalled, stopped when asked.

A `Runner` goes through this one seam for every multistart, profile or chain. What a task returns depends on
the task alone (its inputs and its own random stream), so results are the same for any number and kind of
workers.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import threading
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    as_completed,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from idfit.errors import Finding, IdfitError, IdfitWarning, InputError, Interrupted, RunError, StorageError
from idfit.results import Status

Value = np.ndarray | float | int | bool | str
Result = dict[str, Value]
MAX_WORKERS = 1024


@dataclass(frozen=True)
class Task:
    """One piece of work. `key` names it in the journal, `seed_key` = (stage, i) is its random stream.

    `inputs` is plain data (arrays, numbers, texts), so that it can be sent to any worker.
    """

    key: str
    seed_key: tuple[int, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)


Work = Callable[[Task, np.ndarray], Mapping[str, Any]]
Progress = Callable[[int, int, Mapping[str, Any] | None], None]


def seed_sequence(seed: int, stage: int, i: int) -> np.random.Generator:
    """The random generator of task `i` of a stage: streams belong to tasks, not to workers.

    >>> draws = [float(seed_sequence(1, 0, i).random()) for i in (3, 3, 4)]
    >>> draws[0] == draws[1] != draws[2]
    True
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stage, i)))


@dataclass(frozen=True)
class Runner:
    """Runs tasks. `Runner()` is one worker thread, no journal, silent.

    `workers` threads, or any `executor` (its owner closes it). `progress(done, total, result)` is called once
    at the beginning (result None) and after each task; `told` is given a sentence now and then by work that
    goes in rounds. `stop` is an int64[1] array that kernels poll: nonzero means stop.
    """

    workers: int = 1
    executor: Executor | None = None
    journal: Journal | None = None
    progress: Progress | None = None
    stop: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    told: Callable[[str], None] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= MAX_WORKERS:
            given, rule = f"workers = {self.workers}", f"must be from 1 to {MAX_WORKERS}"
            raise InputError([Finding("", 0, 0, given, rule, "give --workers 1 for no parallel work", "P12")])

    def run(self, tasks: Sequence[Task], work: Work) -> list[Result]:
        """The results of `work(task, stop)` in the order of the tasks.

        A task whose key the journal knows is not run again. A task that fails unexpectedly gives
        ``{"status": Status.WORKER_LOST, "reason": ...}`` and is not journalled, so that a resumed run tries
        it again; if all tasks fail so, the first error is raised. Raises `Interrupted` when `stop` was set:
        what was finished before is in the journal, what was running is not.
        """
        keys = [task.key for task in tasks]
        if len(set(keys)) != len(keys):
            raise ValueError("task keys must be unique")
        known = self.journal.results if self.journal else {}
        results: dict[str, Result] = {key: known[key] for key in keys if key in known}
        todo = [task for task in tasks if task.key not in results]
        self._report(len(results), len(tasks), None)
        lost = self._run_all(todo, work, results, len(tasks)) if todo else {}
        if self.stop[0]:
            raise Interrupted(f"interrupted: {len(results)} of {len(tasks)} tasks are finished")
        if lost and len(lost) == len(tasks):
            raise lost[min(lost, key=keys.index)]
        failures = {key: _failure(error) for key, error in lost.items()}
        return [failures[key] if key in failures else results[key] for key in keys]

    def _run_all(
        self, todo: Sequence[Task], work: Work, results: dict[str, Result], total: int
    ) -> dict[str, Exception]:
        """Fills `results`; returns the errors of the tasks that were lost."""
        lost: dict[str, Exception] = {}
        # Even one worker is a thread: signals reach Python only while the main thread is not inside a kernel.
        own = None if self.executor else ThreadPoolExecutor(self.workers, thread_name_prefix="idfit")
        pool = self.executor or own
        assert pool is not None
        futures: dict[Future[Result | None], str] = {}
        stopping, patient = False, True
        try:
            for task in todo:
                futures[pool.submit(_guarded, work, task, self.stop)] = task.key
            for future in as_completed(futures):
                key = futures[future]
                if self.stop[0] and not stopping:
                    stopping = True
                    _cancel(futures)
                try:
                    result = future.result()
                except CancelledError:
                    continue
                except BrokenExecutor as error:
                    raise RunError(
                        "a worker died with its pool - what is finished is kept - resume"
                    ) from error
                except Interrupted:
                    self.stop[0] = 1
                    continue
                except IdfitError:
                    raise
                except Exception as error:
                    lost[key] = error
                    self._report(len(results) + len(lost), total, _failure(error))
                    continue
                if result is None:
                    self.stop[0] = 1
                else:
                    results[key] = result
                    if self.journal:
                        self.journal.append(key, result)
                    self._report(len(results) + len(lost), total, result)
        except BaseException as error:
            self.stop[0] = 1  # reaches the kernels that still run
            patient = not isinstance(error, KeyboardInterrupt)
            raise
        finally:
            _cancel(futures)
            if own:
                own.shutdown(wait=patient)
        return lost

    def _report(self, done: int, total: int, result: Mapping[str, Any] | None) -> None:
        if self.progress:
            self.progress(done, total, result)


def _guarded(work: Work, task: Task, stop: np.ndarray) -> Result | None:
    """One task in its worker; None when it was stopped and its numbers are not those of a whole task."""
    if stop[0]:
        return None
    result = work(task, stop)
    if stop[0] or result.get("status") == Status.INTERRUPTED:
        return None
    return {name: _plain(value) for name, value in result.items()}


def _cancel(futures: Iterable[Future[Any]]) -> None:
    for future in futures:
        future.cancel()


def _plain(value: Any) -> Value:
    """Arrays of numbers, and Python's own scalars: what a journal can give back unchanged."""
    if isinstance(value, np.ndarray) and value.ndim:
        if value.dtype.kind not in "biufc":
            raise TypeError(f"a task's result may hold arrays of numbers, not of {value.dtype}")
        return np.ascontiguousarray(value)
    scalar = value.item() if isinstance(value, np.ndarray | np.generic) else value
    for kind in (bool, int, float, str):  # enums of int and str become plain
        if isinstance(scalar, kind):
            return kind(scalar)
    raise TypeError(f"a task's result may hold arrays, numbers and texts, not {type(value).__name__}")


def _failure(error: Exception) -> Result:
    where = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(where[-1].filename).name}:{where[-1].lineno})" if where else ""
    return {"status": int(Status.WORKER_LOST), "reason": f"{type(error).__name__}: {error}{place}"}


@contextlib.contextmanager
def stop_on_signals(stop: np.ndarray, told: Callable[[], None] | None = None) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal set the stop flag; a second Ctrl-C interrupts at once.

    `told` is called at the first signal. The former handlers come back at the end. Outside the main thread,
    where handlers cannot be set, nothing changes.
    """

    def handle(number: int, frame: Any) -> None:
        again = bool(stop[0])
        stop[0] = 1
        if again and number == signal.SIGINT:
            raise KeyboardInterrupt
        if told and not again:
            told()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]  # nohup stays nohup
    former = {number: signal.signal(number, handle) for number in heard}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


# The journal: an append-only file of frames, each `length, CRC-32, payload`. The payload is a JSON header
# (its length first) and the raw bytes of the arrays that the header describes. Nothing in it is ever
# executed.
_MAGIC = b"idfit journal 1\n"
_FRAME = struct.Struct("<QI")
_HEADER = struct.Struct("<I")


class Journal:
    """Finished tasks on disk, by key. Appending costs the same for the first task and the hundred thousandth.

    `identity` says what run this is (hashes of model, data and options, say). A file of another identity is
    refused with the part that differs named. A torn last frame, as a killed process leaves it, is dropped.
    """

    def __init__(self, path: str | os.PathLike[str], identity: Mapping[str, str]):
        self.path = Path(path)
        self.identity = dict(identity)
        self.results: dict[str, Result] = {}
        try:
            fresh = not self.path.exists() or self.path.stat().st_size < len(_MAGIC)
            end = 0 if fresh else self._load()
            self._file = self.path.open("wb" if not end else "r+b", buffering=0)
            if end:
                self._file.truncate(end)
                self._file.seek(end)
            else:
                self._write(_MAGIC + _frame({"identity": self.identity}, []))
        except OSError as error:
            raise _cannot_write(self.path, 0, error) from error

    def _load(self) -> int:
        """Reads what is there; returns where to go on."""
        identity, self.results, end = read_journal(self.path)
        if identity is None:
            return 0
        for part in sorted({*identity, *self.identity}):
            if identity.get(part) != self.identity.get(part):
                raise InputError(
                    [
                        Finding(
                            str(self.path),
                            0,
                            0,
                            f"{part} is {self.identity.get(part)!r}, and was {identity.get(part)!r}",
                            f"the {part} has changed since the run was begun, so it cannot be continued",
                            "undo the change, or begin a new run with --overwrite or another --out",
                            "R18",
                        )
                    ]
                )
        return end

    def append(self, key: str, result: Result) -> None:
        """Writes one finished task. A full disk raises `StorageError` and leaves the frames before intact."""
        names = sorted(result)
        arrays = {name: value for name in names if isinstance(value := result[name], np.ndarray)}
        header = {
            "key": key,
            "arrays": {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()},
            "scalars": {name: result[name] for name in names if name not in arrays},
        }
        frame = _frame(header, list(arrays.values()))
        try:
            self._write(frame)
        except OSError as error:
            raise _cannot_write(self.path, len(frame), error) from error
        self.results[key] = result

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        if not self._file.closed:
            with contextlib.suppress(OSError):
                os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def read_journal(path: str | os.PathLike[str]) -> tuple[dict[str, str] | None, dict[str, Result], int]:
    """(identity, results, end of the last whole frame); identity is None without a whole first frame."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    if not data.startswith(_MAGIC):
        raise StorageError(f"{path}: not a journal of idfit - it is not touched - choose another directory")
    identity: dict[str, str] | None = None
    results: dict[str, Result] = {}
    position = len(_MAGIC)
    while position + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, position)
        payload = data[position + _FRAME.size : position + _FRAME.size + length]
        if len(payload) < length:
            break
        if zlib.crc32(payload) != checksum:
            text = f"{path}: damaged at byte {position}; what follows it is computed again"
            warnings.warn(text, IdfitWarning, stacklevel=2)
            break
        header, result = _unframe(payload)
        if identity is None:
            identity = header["identity"]
        else:
            results[header["key"]] = result
        position += _FRAME.size + length
    return identity, results, position


def _frame(header: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> bytes:
    text = json.dumps(header).encode()  # NaN and infinities are written as Python's json reads them back
    payload = b"".join([_HEADER.pack(len(text)), text, *(array.tobytes() for array in arrays)])
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _unframe(payload: bytes) -> tuple[dict[str, Any], Result]:
    (length,) = _HEADER.unpack_from(payload)
    header = json.loads(payload[_HEADER.size : _HEADER.size + length])
    position = _HEADER.size + length
    result: Result = dict(header.get("scalars", {}))
    for name, (kind, shape) in header.get("arrays", {}).items():
        dtype = np.dtype(kind)
        if dtype.kind not in "biufc":
            raise StorageError(f"a journal holds arrays of numbers, not of {dtype}")
        size = int(np.prod(shape, dtype=np.int64))
        result[name] = np.frombuffer(payload, dtype, size, position).reshape(shape).copy()
        position += size * dtype.itemsize
    return header, result


def _cannot_write(path: Path, size: int, error: OSError) -> StorageError:
    needed = f" ({size} bytes were to be written)" if size else ""
    return StorageError(
        f"{path}: {error.strerror or error}{needed} - what was finished before is intact - "
        "make room or choose another --out, then resume"
    )
