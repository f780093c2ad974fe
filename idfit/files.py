"""Writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from idfit.errors import StorageError


def write_whole(path: Path, data: bytes | str) -> None:
    """Write so that a reader sees the old file or the new one: temporary file, fsync, replace.

    Errors: `StorageError` naming the bytes that were to be written; the old file is then as it was.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error, len(content)) from error
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)


def cannot_write(path: Path, error: OSError, size: int = 0) -> StorageError:
    needed = f", {size:,} bytes are needed" if size else ""
    reason = error.strerror or str(error)
    return StorageError(
        f"{path}: could not be written ({reason}{needed}) - what was stored before is intact - "
        "make room or give another folder with --out"
    )
