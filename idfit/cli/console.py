"""What a command says, and how it ends: lines, progress, findings, exit code."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TextIO

import typer

from idfit.errors import Finding, IdfitError, IdfitWarning, InputError

COMPLETE, BAD_INPUT, DEGRADED, FAILED, INTERRUPTED = 0, 2, 3, 4, 130
_PLAIN_SECONDS = 5.0  # between two lines of progress where there is no terminal


@dataclass
class Console:
    """Results go to stdout, everything else to stderr. `facts` become the line of ``--json``."""

    quiet: bool = False
    json: bool = False
    debug: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    def say(self, text: str) -> None:
        if not self.quiet:
            _write(sys.stderr, text)

    def show(self, text: str) -> None:
        """A result for the reader; with --json only the machine-readable line goes to stdout."""
        if not self.quiet and not self.json:
            _write(sys.stdout, text)

    def tell_findings(self, findings: Iterable[Finding], most: int = 50) -> None:
        """One line for each, errors always, the rest unless quiet."""
        findings = list(findings)
        self.facts.setdefault("findings", []).extend(asdict(finding) for finding in findings)
        wanted = [f for f in findings if f.severity == "error" or not self.quiet]
        for finding in wanted[:most]:
            _write(sys.stderr, f"{finding.severity}: {finding}")
        if len(wanted) > most:
            _write(sys.stderr, f"... and {len(wanted) - most} more")

    @contextlib.contextmanager
    def progress(self) -> Iterator[Telling]:
        """What is told of finished tasks: a bar on a terminal, a line now and then elsewhere, nothing when
        quiet."""
        if self.quiet:
            yield _Nothing()
        elif sys.stderr.isatty():
            with _bar() as telling:
                yield telling
        else:
            yield _Lines(lambda text: _write(sys.stderr, text))


def execute(name: str, console: Console, work: Callable[[], int]) -> None:
    """Runs a command, words its failure, prints the line of ``--json``, and exits with the code."""
    code = FAILED
    try:
        with _worded_warnings(console):
            code = work()
    except InputError as error:
        console.tell_findings(error.findings)
        code = BAD_INPUT
        _traceback(console)
    except IdfitError as error:
        _write(sys.stderr, f"error: {error}")
        console.facts["error"] = str(error)
        code = error.exit_code
        _traceback(console)
    except KeyboardInterrupt:
        console.facts["error"] = "interrupted"
        code = INTERRUPTED
    except Exception as error:
        text = f"unexpected {type(error).__name__}: {error} - this is a fault of idfit - see --debug"
        _write(sys.stderr, f"error: {text}")
        console.facts["error"] = text
        _traceback(console)
    if console.json:
        _write(sys.stdout, json.dumps(_finite({"command": name, "exit_code": code} | console.facts)))
    if code == INTERRUPTED:
        # A worker that does not listen must not hold the process: what is finished is on disk.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)
    raise typer.Exit(code)


class Telling(Protocol):
    """Told of stages as they begin, and of their tasks as `Runner` does."""

    def stage(self, what: str) -> None: ...

    def __call__(self, done: int, total: int, result: Mapping[str, Any] | None) -> None: ...


class _Nothing:
    def stage(self, what: str) -> None:
        pass

    def __call__(self, done: int, total: int, result: Mapping[str, Any] | None) -> None:
        pass


class _Lines:
    """Progress where there is no terminal: the first and last task, and one line every few seconds.

    A stage that goes in waves has its total told anew for each; the ends of later waves need no line.
    """

    def __init__(self, write: Callable[[str], None]):
        self.write = write
        self.stage("")

    def stage(self, what: str) -> None:
        self.what, self.last, self.best, self.ended = what, -math.inf, math.inf, False

    def __call__(self, done: int, total: int, result: Mapping[str, Any] | None) -> None:
        self.best = min(self.best, _objective(result))
        now = time.monotonic()
        if (done == total and not self.ended) or now - self.last > _PLAIN_SECONDS:
            self.last = now
            self.write(f"{self.what} {done}/{total}{_best(self.what, self.best)}")
        self.ended |= done == total


class _Bars:
    """A bar on a terminal for each stage that has tasks."""

    def __init__(self, progress: Any):
        self.progress, self.task = progress, None
        self.stage("")

    def stage(self, what: str) -> None:
        self.what, self.best, self.task = what, math.inf, None

    def __call__(self, done: int, total: int, result: Mapping[str, Any] | None) -> None:
        if self.task is None:
            self.task = self.progress.add_task(self.what, total=None)
        self.best = min(self.best, _objective(result))
        text = f"{self.what}{_best(self.what, self.best)}"
        self.progress.update(self.task, completed=done, total=total, description=text)


@contextlib.contextmanager
def _bar() -> Iterator[Telling]:
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Terminal(stderr=True)) as bar:
        yield _Bars(bar)


def _objective(result: Mapping[str, Any] | None) -> float:
    value = (result or {}).get("objective", math.inf)
    return value if isinstance(value, float) and math.isfinite(value) else math.inf


def _best(what: str, value: float) -> str:
    """Only a fit looks for the best value: those of other stages are of other data, or held up on purpose."""
    return f" (best {value:.4f})" if what == "fit" and math.isfinite(value) else ""


@contextlib.contextmanager
def _worded_warnings(console: Console) -> Iterator[None]:
    """Warnings of idfit as lines; those of other packages only with --debug."""

    def show(message: Any, category: type[Warning], *rest: Any, **more: Any) -> None:
        if issubclass(category, IdfitWarning) or console.debug:
            console.say(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _traceback(console: Console) -> None:
    if console.debug:
        _write(sys.stderr, traceback.format_exc().rstrip())


def _write(stream: TextIO, text: str) -> None:
    """A line to a stream that may have been closed meanwhile; a run does not end for that."""
    with contextlib.suppress(OSError, ValueError):
        stream.write(_printable(text) + "\n")
        stream.flush()


def _printable(text: str) -> str:
    """Names come from files of strangers: escape sequences must not reach the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _finite(value: Any) -> Any:
    """JSON knows no NaN and no infinities: null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
