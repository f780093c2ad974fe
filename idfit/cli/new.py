"""``idfit new``: a commented model and data file to begin with."""

from __future__ import annotations

import re
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from idfit.cli import options
from idfit.cli.console import COMPLETE, Console, execute
from idfit.errors import Finding, InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_FILES = {"model.toml": "toml", "data.csv": "csv"}


class Template(StrEnum):
    reactions = "reactions"
    odes = "odes"
    regression = "regression"


def new(
    name: Annotated[
        str, typer.Argument(help="The new folder; its last part names the model.", show_default=False)
    ],
    template: Annotated[
        Template,
        typer.Option("--template", help="reactions, odes, or regression (no differential equations)."),
    ] = Template.reactions,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write a model.toml and a data.csv that run as they are and can be changed step by step."""
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.files import cannot_write, write_whole

        folder = Path(name)
        if not _NAME.fullmatch(folder.name):
            rule = "the name may hold letters, digits, _, - and . and begins with a letter or digit"
            raise InputError([Finding("", 0, 0, f"NAME {name!r}", rule, "idfit new my_model", "S10")])
        present = [file for file in _FILES if (folder / file).exists()]
        if present:
            rule = f"holds {' and '.join(present)} already"
            raise InputError([Finding(str(folder), 0, 0, "", rule, "give another name", "R10")])
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from error
        for file, ending in _FILES.items():
            write_whole(folder / file, _template(template, ending).replace("@NAME@", folder.name))
        model, data = (folder / file for file in _FILES)
        console.show(f"wrote {model} and {data}; next:")
        console.show(f"  idfit check {model} {data}")
        console.show(f"  idfit fit {model} {data} --out {folder / 'fit'}")
        console.facts |= {"model": str(model), "data": str(data)}
        return COMPLETE

    execute("new", console, work)


def _template(template: Template, ending: str) -> str:
    return resources.files("idfit.cli").joinpath("templates", f"{template.value}.{ending}").read_text("utf-8")
