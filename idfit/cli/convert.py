"""``idfit convert``: a problem or model in another format."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from idfit.cli import options
from idfit.cli.console import COMPLETE, Console, execute


class Target(StrEnum):
    petab = "petab"
    petab1 = "petab1"
    sbml = "sbml"
    toml = "toml"


def convert(
    source: options.ModelFile,
    data: options.DataFile = None,
    to: Annotated[
        Target,
        typer.Option("--to", help="petab (version 2), petab1, sbml (equations alone) or toml (with CSV)."),
    ] = Target.petab,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="A folder, or the file that names the problem there.", show_default=False),
    ] = None,
    missing: options.MissingValues = options.Missing.refuse,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write a problem in another format, and say what that format does not hold."""
    console = Console(quiet, json, debug)

    def work() -> int:
        from dataclasses import replace

        from idfit.errors import InputError
        from idfit.files import cannot_write, write_whole
        from idfit.formats.convert import converted
        from idfit.formats.load import read

        if out is None:
            raise InputError.of("--out", "is missing", f"write --out FOLDER, such as --out {source.stem}")
        spec, findings = read(source, data, missing=missing.value)
        try:
            files, notices = converted(spec, to.value, out)
        except InputError as error:
            raise InputError([replace(f, file=f.file or str(source)) for f in error.findings]) from None
        present = [path.name for path in files if path.exists()]
        if present and not force:
            rule = f"holds {', '.join(present)} already"
            folder = next(iter(files)).parent
            raise InputError.of("", rule, "give another --out, or --force", code="R10", file=str(folder))
        for path, text in files.items():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise cannot_write(path, error) from error
            write_whole(path, text)
        console.tell_findings([*findings, *notices])
        for path in files:
            console.show(f"wrote {path}")
        console.facts["files"] = [str(path) for path in files]
        return COMPLETE

    execute("convert", console, work)
