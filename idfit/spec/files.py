"""Reading text files that strangers wrote: regular files only, bounded in size, UTF-8, nothing guessed."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from idfit.errors import Finding, InputError
from idfit.spec.findings import nearest

MAX_MODEL_BYTES = 5_000_000
MAX_DATA_BYTES = 200_000_000

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_SYSTEM_FOLDERS = ("/proc", "/dev", "/sys")
_WIDE_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


@dataclass(frozen=True)
class TextFile:
    """The decoded text without byte-order mark, and the SHA-256 of the bytes as they are on disk."""

    text: str
    sha256: str


def read_text(path: str | os.PathLike[str], *, limit: int, what: str) -> TextFile:
    """Read a file of at most `limit` bytes as UTF-8; `what` names it in messages ("model file")."""
    name = os.fspath(path)
    content = _read_bytes(name, limit, what)
    if not content.strip():
        raise _refusal(name, f"the {what} is empty", "write the contents or give another path", "M02")
    return TextFile(_decode(content, name, what), hashlib.sha256(content).hexdigest())


def _read_bytes(name: str, limit: int, what: str) -> bytes:
    resolved = os.path.realpath(name) if "\0" not in name else name
    try:
        # Not blocking: opening a FIFO that nobody writes to would wait for ever.
        descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise _refusal(name, f"there is no such {what} ({resolved})", _neighbour(resolved), "M01") from None
    except PermissionError:
        raise _refusal(
            name, f"the {what} may not be read ({resolved})", "change its permissions", "M01"
        ) from None
    except (OSError, ValueError) as error:
        raise _refusal(
            name, f"the {what} cannot be opened ({_reason(error)})", "check the path", "M01"
        ) from None
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode) or resolved.startswith(tuple(f"{f}/" for f in _SYSTEM_FOLDERS)):
        os.close(descriptor)
        if stat.S_ISDIR(info.st_mode):
            raise _refusal(name, f"is a folder, not a {what} ({resolved})", "give the file inside it", "M01")
        raise _refusal(name, f"is not a regular file ({resolved})", "copy its contents to a file", "S03")
    with os.fdopen(descriptor, "rb") as stream:
        try:
            content = stream.read(limit + 1)
        except OSError as error:
            raise _refusal(
                name, f"the {what} cannot be read ({_reason(error)})", "check the disk", "M01"
            ) from None
    if len(content) > limit:
        size = max(info.st_size, len(content))
        rule = f"the {what} has {size:,} bytes, more than the limit of {limit:,}"
        raise _refusal(name, rule, "split it, or move long tables to CSV files", "D31")
    return content


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _neighbour(resolved: str) -> str:
    """Name a file beside the missing one that was probably meant."""
    folder, name = os.path.split(resolved)
    try:
        guess = nearest(name, sorted(os.listdir(folder))[:1000])
    except OSError:
        return f"the folder {folder} does not exist"
    return f"did you mean {guess!r}?" if guess else "check the path"


def _decode(content: bytes, name: str, what: str) -> str:
    content = content.removeprefix(codecs.BOM_UTF8)
    for mark, encoding in _WIDE_MARKS.items():
        if content.startswith(mark):
            raise _refusal(name, f"the {what} is written in {encoding}, not UTF-8", "save it as UTF-8", "D04")
    null = content.find(b"\0")
    if null >= 0:
        if b"\0" in content[1:4:2] or b"\0" in content[0:4:2]:
            guess = "it looks like UTF-16 or a binary file; save it as UTF-8 text"
        else:
            guess = "delete that byte"
        line = content.count(b"\n", 0, null) + 1
        raise _refusal(
            name, f"byte {null} of the {what} is NUL, which no text has", guess, "D18", line, content
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        rule = f"byte {error.start} of the {what} (0x{byte:02x}) is not UTF-8"
        letter = bytes([byte]).decode("cp1252", "replace")
        remedy = (
            f"it looks like Latin-1 ({letter!r}): save the file as UTF-8"
            if letter.isprintable()
            else "save it as UTF-8"
        )
        raise _refusal(name, rule, remedy, "D04", line, content) from None


def _refusal(name: str, rule: str, remedy: str, code: str, line: int = 0, content: bytes = b"") -> InputError:
    given = f"begins with {content[:16]!r}" if content else ""
    return InputError([Finding(name, line, 0, given, rule, remedy, code)])


def path_beside(folder: Path, given: str) -> tuple[Path | None, str]:
    """The file that a model file in `folder` names by a relative path, or None and the rule that is broken.

    Nothing is expanded: ``~`` and ``$NAME`` would stay what they are, and are refused as meant otherwise.
    """
    if _URL.match(given) and not re.match(r"[A-Za-z]:[\\/]", given):
        return None, "is a URL: nothing is read from a network"
    if given.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", given):
        return None, "is an absolute path: paths are relative to the model file"
    if given.startswith("~") or "$" in given or re.search(r"%\w+%", given):
        return None, "uses the home folder or an environment variable, which are not expanded in model files"
    if not given.strip() or not given.isprintable():
        return None, "is not a path"
    return folder / given, ""
