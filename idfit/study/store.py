"""A study as one netCDF file, and back.

The file is made in memory and written whole. Numeric arrays carry Fletcher-32 checksums; a manifest beside
the file holds the SHA-256 of all of it, as checksums of chunks alone miss flipped bits. Nothing read is ever
executed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import xarray as xr

from idfit.errors import Finding, IdfitWarning, InputError, StorageError
from idfit.files import write_whole
from idfit.results import SCHEMA_VERSION

STUDY_FILE = "study.nc"
MANIFEST_FILE = "manifest.json"
MAX_BYTES = 8 * 2**30  # of a file, and of what its arrays declare


def save_study(study: xr.DataTree, path: str | os.PathLike[str]) -> None:
    """Write `study` to `path` and its SHA-256 into the manifest beside it. Errors: `StorageError`."""
    path = Path(path)
    content = bytes(study.to_netcdf(None, engine="h5netcdf", encoding=_encoding(study)))
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    manifest = _read_manifest(path)
    before = manifest.get(path.name, [])
    # While the file is being replaced both are valid, so that a reader meets a complete study at any moment.
    _write_manifest(path, manifest | {path.name: [entry, *before]})
    write_whole(path, content)
    _write_manifest(path, manifest | {path.name: [entry]})


def open_study(path: str | os.PathLike[str]) -> xr.DataTree:
    """Read a study whole and close its file; `path` is the ``.nc`` file or the run directory that holds it.

    Errors: `StorageError` for a damaged file (other size or SHA-256 than its manifest says, or no netCDF);
    `InputError` for a missing file, one that is not a study, one of a newer schema, or one with contents that
    a study never has (object arrays, links out of the file).
    """
    path = Path(path)
    if path.is_dir():
        path = path / STUDY_FILE
    content = _content(path)
    _check_manifest(path, content)
    _check_contents(path, content)
    try:
        tree = xr.open_datatree(io.BytesIO(content), engine="h5netcdf")
        try:
            # node by node: loading the tree misses a variable that has the name of its group
            return xr.DataTree.from_dict(
                {node.path: node.to_dataset(inherit=False).load() for node in tree.subtree}
            )
        finally:
            tree.close()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _damaged(path, str(error).splitlines()[0]) from error


def _encoding(study: xr.DataTree) -> dict[str, dict[str, dict[str, Any]]]:
    """Checksums for numeric arrays. Scalars and texts cannot have them; the manifest covers these."""
    return {
        node.path: {
            str(name): {"fletcher32": True, "chunksizes": variable.shape}
            for name, variable in node.to_dataset(inherit=False).variables.items()
            if variable.dtype.kind in "biuf" and variable.ndim and variable.size
        }
        for node in study.subtree
    }


def _content(path: Path) -> bytes:
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise _refused(path, f"has {path.stat().st_size:,} bytes", f"the limit is {MAX_BYTES:,}", "")
        return path.read_bytes()
    except FileNotFoundError:
        beside = [p.name for p in path.parent.glob("*.nc")] if path.parent.is_dir() else []
        there = (
            f"there is {', '.join(sorted(beside))}" if beside else "see `idfit status` for what a run holds"
        )
        raise _refused(path, "", f"there is no such study ({path.resolve()})", there) from None
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror}) - check the disk") from error


def _check_manifest(path: Path, content: bytes) -> None:
    """A study that travels without its manifest is checked by the checksums in the file alone."""
    entries = _read_manifest(path).get(path.name)
    if not entries:
        return
    if all(len(content) != entry["size"] for entry in entries):
        sizes = " or ".join(f"{entry['size']:,}" for entry in entries)
        raise _damaged(path, f"the file has {len(content):,} bytes, expected are {sizes}")
    if hashlib.sha256(content).hexdigest() not in {entry["sha256"] for entry in entries}:
        raise _damaged(path, f"its contents do not agree with the SHA-256 in {MANIFEST_FILE}")


def _check_contents(path: Path, content: bytes) -> None:
    """Refuse what a study never holds before anything interprets it."""
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            _check_version(path, file.attrs.get("schema_version"))
            declared = 0
            for name, item in _objects(path, file):
                if isinstance(item, h5py.Dataset):
                    _check_dataset(path, name, item)
                    declared += item.size * max(item.dtype.itemsize, 1) if item.size else 0
            if declared > MAX_BYTES:
                raise _refused(path, f"declares {declared:,} bytes", f"the limit is {MAX_BYTES:,}", "")
    except (OSError, RuntimeError, KeyError) as error:
        raise _damaged(path, str(error).splitlines()[0]) from error


def _objects(path: Path, group: h5py.Group) -> Iterator[tuple[str, Any]]:
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            kind = type(link).__name__
            raise _refused(path, f"{group.name}/{name}", f"is a {kind}, which a study never holds", "")
        item = group[name]
        yield f"{group.name}/{name}".replace("//", "/"), item
        if isinstance(item, h5py.Group):
            yield from _objects(path, item)


def _check_dataset(path: Path, name: str, dataset: h5py.Dataset) -> None:
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    if dataset.dtype.kind not in "biuf" and not is_text and h5py.check_enum_dtype(dataset.dtype) is None:
        raise _refused(
            path, name, f"holds {dataset.dtype}, and a study holds numbers and texts only", "", "S08"
        )
    if dataset.external or dataset.is_virtual:
        raise _refused(path, name, "keeps its values in another file", "", "S14")


def _check_version(path: Path, version: Any) -> None:
    """The same major version loads; a newer minor one may hold more than is shown."""
    parts = str(version).split(".")
    if version is None or not all(part.isdecimal() for part in parts):
        raise _refused(path, "", "is not a study of idfit (no schema_version)", "give a study.nc")
    ours = [int(part) for part in SCHEMA_VERSION.split(".")]
    theirs = [int(part) for part in parts]
    if theirs[0] > ours[0]:
        rule = f"this idfit reads schema {SCHEMA_VERSION} and older"
        raise _refused(path, f"schema_version {version}", rule, "install a newer idfit", "R17")
    if theirs > ours:
        text = f"{path}: schema {version} is newer than {SCHEMA_VERSION}; what is new in it is not shown"
        warnings.warn(text, IdfitWarning, stacklevel=4)


def _read_manifest(path: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        files = json.loads((path.parent / MANIFEST_FILE).read_text("utf-8"))["files"]
        return {
            name: [{"sha256": e["sha256"], "size": e["size"]} for e in entries]
            for name, entries in files.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        text = f"{path.parent / MANIFEST_FILE}: is no manifest - delete it to read {path.name} unchecked"
        raise StorageError(text) from error


def _write_manifest(path: Path, files: dict[str, list[dict[str, Any]]]) -> None:
    text = json.dumps({"schema_version": SCHEMA_VERSION, "files": files}, indent=2) + "\n"
    write_whole(path.parent / MANIFEST_FILE, text)


def _refused(path: Path, given: str, rule: str, remedy: str, code: str = "") -> InputError:
    return InputError([Finding(str(path), 0, 0, given, rule, remedy, code)])


def _damaged(path: Path, reason: str) -> StorageError:
    remedy = f"restore it from a copy, or make it again with `idfit resume {path.parent}`"
    return StorageError(f"{path}: damaged - {reason} - {remedy}")
