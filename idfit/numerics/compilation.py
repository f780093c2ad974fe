"""Where compiled code is kept, and the decorator of the numerical kernels.

Numba's own cache does not notice a changed callee in another file and fails where its folder cannot be
written. The folder used here is therefore named by a hash of all kernel sources and of the versions, and
falls back to a temporary folder. ``IDFIT_CACHE_DIR`` overrides the place.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
import platformdirs
from numba.core import config

# numba's setting of that folder; its module makes its names at run time
_FOLDER = "CACHE_DIR"


def _usable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@functools.cache
def cache_directory() -> Path:
    """The folder for compiled code: ``IDFIT_CACHE_DIR``, the user's cache folder, or a temporary one."""
    given = os.environ.get("IDFIT_CACHE_DIR")
    candidates = [Path(given)] if given else []
    with contextlib.suppress(RuntimeError):
        candidates.append(platformdirs.user_cache_path("idfit"))
    for folder in candidates:
        if _usable(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="idfit-cache-"))


@functools.cache
def kernel_directory() -> Path:
    """The folder of the kernels' machine code, named by everything that it depends on."""
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__} {platform.machine()}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return cache_directory() / "kernels" / digest.hexdigest()[:16]


def kernels_are_compiled() -> bool:
    """Whether an earlier process has left the compiled kernels on disk (compiling takes some tens of
    seconds)."""
    return any(kernel_directory().rglob("*.nbc"))


def write_cache_file(path: Path, data: bytes) -> None:
    """Write atomically; a cache that cannot be written is no error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        os.replace(file.name, path)


def entry(signature: Any) -> Callable[[Callable], Callable[[], int]]:
    """Make of a function one that gives the address of its machine code, with that C signature.

    It is compiled when the address is first asked for, and lives as long as the process; see
    `idfit.numerics.calls.invoke`.
    """

    def addressed(function: Callable) -> Callable[[], int]:
        @functools.cache
        def compiled() -> Any:
            before = getattr(config, _FOLDER)
            setattr(config, _FOLDER, str(kernel_directory()))
            try:
                return numba.cfunc(signature, cache=True, error_model="numpy", fastmath={"contract"})(
                    function
                )
            finally:
                setattr(config, _FOLDER, before)

        return lambda: compiled().address

    return addressed


def kernel(function: Callable | None = None, *, inline: bool = False, inner: bool = False) -> Callable:
    """Compile a numerical function: no GIL, division by zero gives inf or nan, cached on disk.

    inner : only other kernels call it, so that what Python would need for that is not compiled; it is part of
    the machine code of those others, and has none of its own on disk.
    """
    if function is None:
        return functools.partial(kernel, inline=inline, inner=inner)
    before = getattr(config, _FOLDER)
    setattr(config, _FOLDER, str(kernel_directory()))
    try:
        compiler: Any = numba.njit  # its own annotations leave out the wrappers
        return compiler(
            nogil=True,
            cache=not inner,
            error_model="numpy",
            fastmath={"contract"},
            no_cfunc_wrapper=True,
            no_cpython_wrapper=inner,
            inline="always" if inline else "never",
        )(function)
    finally:
        setattr(config, _FOLDER, before)
