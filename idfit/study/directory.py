"""The folder of one run: who may write into it, what run it holds, and the names of its files."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np

from idfit.errors import Finding, InputError, StorageError
from idfit.files import cannot_write, write_whole
from idfit.results import GROUPS
from idfit.study.store import MANIFEST_FILE, STUDY_FILE
from idfit.tasks import Journal, read_journal

Mode = Literal["new", "resume", "overwrite"]

RUN_FILE = "run.json"
JOURNAL_FILE = "tasks.journal"  # of the fit; each further stage has one of its own
LOCK_FILE = "run.lock"
REPORT_FILE = "report.html"
FITTED_FILE = "fitted.toml"
NEW_MODEL_FILE = "reparameterized.toml"  # the model in other parameters, before its fit
REDUCED_FILE = "reduced.toml"  # the smallest model that fits as well
TABLES = "tables"
FIGURES = "figures"
# what is drawn from a study, by folder
_PRODUCTS = {TABLES: ("*.csv",), FIGURES: ("*.svg", "*.pdf")}
# key of the entry of a stage's journal that says from which best fit the stage began
_BEGAN = "began"
_FIT = "fit"


def journal_file(group: str) -> str:
    """The journal of the stage that makes a group of the study."""
    return f"{group}.journal"


_OF_A_RUN = (
    RUN_FILE, JOURNAL_FILE, STUDY_FILE, MANIFEST_FILE, REPORT_FILE, FITTED_FILE, NEW_MODEL_FILE,
    REDUCED_FILE, *map(journal_file, GROUPS),
)  # fmt: skip


class RunDirectory:
    """A locked folder with the journals of one run; use it in a ``with`` statement.

    `identity` names the parts that decide the numbers (hashes of model and data, seed, options). A folder
    that holds a run is refused unless `mode` is ``"resume"``, which needs an equal identity, or
    ``"overwrite"``, which removes the files of the former run and nothing else. `record` is what ``resume``
    needs to know, kept in ``run.json``.

    `stages` gives the identity of each stage behind the fit: it has a journal of its own, so that a stage
    can be added to a fit, or done anew (`renew`), without touching the others.

    Errors: `InputError` for a folder that cannot be used, before anything is computed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: Mode,
        identity: Mapping[str, str],
        record: Mapping[str, Any],
        stages: Mapping[str, Mapping[str, str]] | None = None,
        renew: frozenset[str] = frozenset(),
    ):
        self.path = Path(path)
        self.mode: Mode = mode
        self.identity = dict(identity)
        self.record = dict(record)
        self.stages = dict(stages or {})
        self.renew = renew
        self._journals: dict[str, Journal] = {}

    def __enter__(self) -> RunDirectory:
        check_usable(self.path, self.mode)
        self._lock()
        try:
            # Once more, now that nobody else can begin a run here.
            check_usable(self.path, self.mode)
            if self.mode == "overwrite":
                self._remove_former_run()
            self._journals[_FIT] = Journal(self.path / JOURNAL_FILE, self.identity)
            self._open_stages()
            self._write_record(self.record)
        except BaseException:
            self._close()
            self._unlock()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        self._unlock()

    @property
    def journal(self) -> Journal:
        """That of the fit."""
        return self._journals[_FIT]

    def stage_journal(self, group: str, theta: np.ndarray) -> Journal:
        """The journal of a stage, emptied if what it holds began from another best fit than theta."""
        journal = self._journals[group]
        known = journal.results.get(_BEGAN)
        if known is not None and not np.array_equal(known["theta"], theta):
            journal.close()
            journal.path.unlink()
            journal = self._journals[group] = Journal(journal.path, journal.identity)
            known = None
        if known is None:
            journal.append(_BEGAN, {"theta": np.asarray(theta, dtype=float)})
        return journal

    def finish(self) -> None:
        """Note that all that was asked for is stored."""
        self._write_record({**self.record, "complete": True})

    def _open_stages(self) -> None:
        """Those that are kept first: if one of them is refused, nothing is removed."""
        for group in sorted(self.stages, key=lambda group: group in self.renew):
            path = self.path / journal_file(group)
            if group in self.renew:
                path.unlink(missing_ok=True)
            self._journals[group] = Journal(path, self.stages[group])

    def _write_record(self, record: Mapping[str, Any]) -> None:
        write_whole(self.path / RUN_FILE, json.dumps(record, indent=2) + "\n")

    def _close(self) -> None:
        for journal in self._journals.values():
            journal.close()

    def _lock(self) -> None:
        path = self.path / LOCK_FILE
        mine = json.dumps({"pid": os.getpid(), "host": socket.gethostname()})
        for _ in range(2):
            try:
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                holder = read_lock(path)
                if holder is None or holder.get("host") != socket.gethostname() or _alive(holder.get("pid")):
                    raise _locked(path, holder) from None
                path.unlink(missing_ok=True)  # its process has ended without removing it
                continue
            except OSError as error:
                raise cannot_write(path, error) from error
            with os.fdopen(descriptor, "w") as stream:
                stream.write(mine)
            return
        raise _locked(path, read_lock(path))

    def _unlock(self) -> None:
        (self.path / LOCK_FILE).unlink(missing_ok=True)

    def _remove_former_run(self) -> None:
        for name in _OF_A_RUN:
            (self.path / name).unlink(missing_ok=True)
        for folder, kinds in _PRODUCTS.items():
            for kind in kinds:
                for product in (self.path / folder).glob(kind):
                    product.unlink()


def check_usable(path: Path, mode: Mode) -> None:
    """Refuse a folder that cannot be written, or that holds a run which `mode` does not allow for."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise _refused(path, "is not a folder", "give another path with --out") from None
    except OSError as error:
        raise _refused(path, f"the folder cannot be made ({error.strerror})", "give another --out") from None
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".probe."):
            pass
    except OSError as error:
        raise _refused(path, f"cannot be written ({error.strerror})", "give another --out") from None
    found = [name for name in _OF_A_RUN if (path / name).exists()]
    if found and mode == "new":
        rule = f"holds a run already ({', '.join(found)})"
        remedy = "continue it with --resume, replace it with --overwrite, or give another --out"
        raise _refused(path, rule, remedy, "R10")
    if mode == "resume" and RUN_FILE not in found:
        raise _refused(path, f"holds no run to resume (no {RUN_FILE})", "begin one without --resume", "R10")


def read_record(path: Path) -> dict[str, Any]:
    """What ``run.json`` says of the run in a folder. Errors: `InputError` when there is none."""
    file = path / RUN_FILE
    try:
        record = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise _refused(
            path, f"holds no run (no {RUN_FILE})", "give the --out folder of a run", "R10"
        ) from None
    except OSError as error:
        raise StorageError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise StorageError(f"{file}: damaged - begin the run again with --overwrite")
    return record


def finished_tasks(path: Path) -> dict[str, int]:
    """How many tasks of each stage of a run are finished: ``fit``, then groups of the study."""
    files = {_FIT: JOURNAL_FILE} | {group: journal_file(group) for group in GROUPS if group != _FIT}
    return {
        stage: len(read_journal(path / name)[1].keys() - {_BEGAN})
        for stage, name in files.items()
        if (path / name).exists()
    }


def read_lock(path: Path) -> dict[str, Any] | None:
    """Who holds the lock; None when it is not readable."""
    try:
        holder = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return holder if isinstance(holder, dict) else None


def _alive(pid: Any) -> bool:
    """Whether a process of this machine runs; one of another user counts."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _locked(path: Path, holder: Mapping[str, Any] | None) -> InputError:
    who = f"process {holder.get('pid')} on {holder.get('host')}" if holder else "another process"
    rule = f"is in use by {who}"
    remedy = f"wait for it, or delete {path.name} if that process has ended"
    return _refused(path.parent, rule, remedy, "R11")


def _refused(path: Path, rule: str, remedy: str, code: str = "R09") -> InputError:
    return InputError([Finding(str(path), 0, 0, "", rule, remedy, code)])
