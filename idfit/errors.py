"""What can go wrong, as values (`Finding`) and as exceptions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "notice"]


@dataclass(frozen=True, order=True)
class Finding:
    """One thing to say about an input: where it stands, what was given, the rule it breaks and what to do.

    `code` is the row of the catalogue of bad inputs where there is one (``"M29"``), else a short word.
    """

    file: str
    line: int
    column: int
    given: str
    rule: str
    remedy: str = ""
    code: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        place = (
            self.file + (f":{self.line}" if self.line else "") + (f":{self.column}" if self.column else "")
        )
        sentence = ": ".join(part for part in (place, self.code, self.given) if part)
        return f"{sentence} - {self.rule}" + (f" - {self.remedy}" if self.remedy else "")


class IdfitError(Exception):
    """Base of everything that idfit raises on purpose; `exit_code` is what the command line ends with."""

    exit_code = 4


class InputError(IdfitError):
    """Bad input. Carries every finding of one pass, so that all can be mended at once."""

    exit_code = 2
    shown = 50

    def __init__(self, findings: Iterable[Finding] | str):
        if isinstance(findings, str):
            findings = [Finding("", 0, 0, "", findings)]
        self.findings = tuple(findings)
        lines = [str(f) for f in self.findings[: self.shown]]
        if len(self.findings) > self.shown:
            lines.append(f"... and {len(self.findings) - self.shown} more")
        super().__init__("\n".join(lines))

    @classmethod
    def of(
        cls, given: str, rule: str, remedy: str = "", *, code: str = "", file: str = "", line: int = 0
    ) -> InputError:
        """The error of a single finding."""
        return cls([Finding(file, line, 0, given, rule, remedy, code)])


class RunError(IdfitError):
    """The computation as a whole gave nothing usable (all starts failed, say)."""

    exit_code = 4


class StorageError(IdfitError):
    """A result could not be written or read back."""

    exit_code = 5


class Interrupted(IdfitError):
    """Stopped by the user; what was finished is kept and can be resumed."""

    exit_code = 130


class IdfitWarning(UserWarning):
    """Something the user should know that does not stop the work."""
