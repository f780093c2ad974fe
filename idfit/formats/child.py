"""Libraries that can crash or run for ever read foreign texts in a process of their own, with limits.

The child reads requests from its standard input, one JSON text per line, and writes one JSON answer per line.
Nothing else passes between the two, so neither code nor objects do. It stays for further requests, and leaves
when there are none for a while.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from idfit.errors import InputError

MAX_SECONDS = 60
"""For one request: of the processor in the child, and on the clock in the parent."""
MAX_MEMORY = 4 << 30
MAX_IDLE_SECONDS = 30
LIBRARY_IS_MISSING = 66
_ALIVE = 0  # its fate while it answers


def ask(module: str, requests: Sequence[Any], files: Sequence[str], library: str) -> list[Any | InputError]:
    """What ``python -m module`` answers to the requests, which are about the files.

    A request that the child does not survive is answered by an `InputError`, and the others go on without it.
    """
    with _LOCK:
        return [_answer(module, *pair, library) for pair in zip(requests, files, strict=True)]


def ask_within(module: str, request: Any, seconds: float) -> Any | None:
    """What ``python -m module`` answers to a request, or None if it does not within that time."""
    with _LOCK:
        answer, _ = _reply(module, request, seconds)
    return answer


def _answer(module: str, request: Any, file: str, library: str) -> Any | InputError:
    answer, fate = _reply(module, request, MAX_SECONDS)
    return answer if fate == _ALIVE else _failure(fate, library, file)


def _reply(module: str, request: Any, seconds: float) -> tuple[Any, int | None]:
    """The answer, or None with the fate of the child."""
    key = (os.getpid(), module)  # a fork has children of its own
    child = _CHILDREN.get(key)
    if child is not None and not child.is_fresh():
        child.end()
        child = None
    if child is None:
        child = _CHILDREN[key] = _Child(module)
    line = child.answer(json.dumps([seconds, request]).encode("ascii"), seconds)
    if line is not None:
        return json.loads(line), _ALIVE
    del _CHILDREN[key]
    return None, child.end()


class _Child:
    """A process that answers until it crashes, is late, or has been idle for too long."""

    def __init__(self, module: str):
        package = Path(__file__).resolve().parents[2]
        path = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],  # -P: nothing is imported from the folder of the user
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.last = time.monotonic()
        self.late = False

    def is_fresh(self) -> bool:
        """Whether it will not leave before the next request reaches it."""
        idle = time.monotonic() - self.last
        return self.process.poll() is None and idle < MAX_IDLE_SECONDS / 2

    def answer(self, request: bytes, seconds: float) -> bytes | None:
        """The line that it writes; None if it ends instead, or takes longer."""
        timer = threading.Timer(seconds, self._stop)
        timer.start()
        try:
            to, back = self.pipes
            to.write(request + b"\n")
            to.flush()
            line = back.readline()
        except BrokenPipeError:
            line = b""
        finally:
            timer.cancel()
        self.last = time.monotonic()
        return line if line.endswith(b"\n") else None

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        return self.process.stdin, self.process.stdout

    def _stop(self) -> None:
        self.late = True
        self.process.kill()

    def end(self) -> int | None:
        """How it ended: its exit code, None if it took too long."""
        for pipe in self.pipes:
            with suppress(BrokenPipeError):  # of what it never read
                pipe.close()
        code = self.process.wait()
        return None if self.late else code


_LOCK = threading.Lock()
_CHILDREN: dict[tuple[int, str], _Child] = {}


@atexit.register
def _end_all() -> None:
    for (owner, _), child in _CHILDREN.items():
        if owner == os.getpid():
            child.end()


def _failure(fate: int | None, library: str, file: str) -> InputError:
    if fate == LIBRARY_IS_MISSING:
        rule, remedy = f"needs {library}, which is not installed", 'pip install "idfit[petab]"'
        return InputError.of("", rule, remedy, file=file)
    if fate is None or fate == -getattr(signal, "SIGXCPU", 0):
        rule = f"{library} did not finish reading it within {MAX_SECONDS} s"
    elif fate < 0:
        rule = f"{library} crashed on it ({signal.Signals(-fate).name})"
    else:
        rule = f"{library} did not survive it (exit code {fate})"
    return InputError.of("", rule, "simplify the file, or export it again", file=file)


def serve(answer: Callable[[Any], Any], *, opens_files: bool = False) -> None:
    """The life of a child: answer each line of the standard input with one of the standard output.

    opens_files : as a child must that reads no foreign text and loads compiled code from a cache.
    """
    channel = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    sys.setrecursionlimit(10_000)  # depths are bounded by the parent
    _leave_after(MAX_IDLE_SECONDS)
    for line in sys.stdin:
        _leave_after(0)
        seconds, request = json.loads(line)
        _limit(seconds, opens_files)
        channel.write(json.dumps(answer(request)) + "\n")
        channel.flush()
        _leave_after(MAX_IDLE_SECONDS)


def _leave_after(seconds: int) -> None:
    """End this process then; with 0, stay."""
    if hasattr(signal, "alarm"):  # Windows has none; there the child stays as long as its parent
        signal.alarm(seconds)


def _limit(seconds: float, opens_files: bool) -> None:
    """No more memory and time for the next request than it may need, and perhaps no file to open."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the parent's clock remains
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limits = {
        resource.RLIMIT_AS: MAX_MEMORY,
        resource.RLIMIT_CPU: int(usage.ru_utime + usage.ru_stime + seconds) + 1,
    }
    if not opens_files:
        limits[resource.RLIMIT_NOFILE] = 0
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
