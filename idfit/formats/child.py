"""Libraries that can crash or run for ever read foreign texts in a process of their own, with limits.

The child reads requests from its standard input, one JSON text per line, and writes one JSON answer per line.
Nothing else passes between the two, so neither code nor objects do.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from idfit.errors import InputError

MAX_SECONDS = 60
"""For one request: of the processor in the child, and on the clock in the parent."""
MAX_MEMORY = 4 << 30
LIBRARY_IS_MISSING = 66


def ask(module: str, requests: Sequence[Any], files: Sequence[str], library: str) -> list[Any | InputError]:
    """What ``python -m module`` answers to the requests, which are about the files.

    A request that the child does not survive is answered by an `InputError`, and the others go on without it.
    """
    answers: list[Any | InputError] = []
    while len(answers) < len(requests):
        lines, fate = _run(module, requests[len(answers) :])
        answers += [json.loads(line) for line in lines]
        if len(answers) < len(requests):
            answers.append(_failure(fate, library, files[len(answers)]))
    return answers


def _run(module: str, requests: Sequence[Any]) -> tuple[list[bytes], int | None]:
    """The complete lines that a child wrote, and how it ended: its exit code, None if it took too long."""
    package = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
    text = "".join(json.dumps(request) + "\n" for request in requests)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", module],  # -P: nothing is imported from the folder of the user
            input=text.encode("ascii"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=MAX_SECONDS * len(requests),
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
        output, fate = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output, fate = late.stdout or b"", None
    return output.split(b"\n")[:-1], fate


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


def serve(answer: Callable[[Any], Any]) -> None:
    """The life of a child: answer each line of the standard input with one of the standard output."""
    channel = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    sys.setrecursionlimit(10_000)  # depths are bounded by the parent
    for line in sys.stdin:
        _limit()
        channel.write(json.dumps(answer(json.loads(line))) + "\n")
        channel.flush()


def _limit() -> None:
    """No more memory and time for the next request than it may need, and no file to open."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the parent's clock remains
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(usage.ru_utime + usage.ru_stime) + MAX_SECONDS
    limits = {
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_AS: MAX_MEMORY,
        resource.RLIMIT_CPU: seconds,
    }
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
