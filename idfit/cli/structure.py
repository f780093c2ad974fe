"""``idfit structure``: what the equations alone allow to determine."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from idfit.cli import options
from idfit.cli.console import COMPLETE, Console, execute


def structure(
    model: options.ModelFile,
    data: options.DataFile = None,
    known: options.KnownNames = None,
    function: Annotated[
        list[str] | None,
        typer.Option(
            "--function",
            help="name=formula of parameters to decide about; may be repeated.",
            show_default=False,
        ),
    ] = None,
    time_limit: Annotated[float, typer.Option("--time-limit", help="Seconds for the global verdicts.")] = 30,
    local_only: Annotated[
        bool, typer.Option("--local-only", help="Without the global verdicts, which may take long.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the random points of the computation.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="A file to store the result in (.nc).", show_default=False)
    ] = None,
    missing: options.MissingValues = options.Missing.refuse,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Decide from the equations which parameters ideal data could determine, and which combinations.

    The conditions are the experiments; with DATA only those that were measured count, and of each the
    observables that were. Fixed parameters are known. The measured values do not matter.
    """
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.cli.allowed import structure_facts, structure_lines
        from idfit.cli.texts import checked_seconds, named_formulas, names_in
        from idfit.study.structure import check_file, structural_study, write_study

        if out is not None:
            check_file(out)
        study, findings = structural_study(
            model,
            data,
            known=names_in(known) or (),
            functions=named_formulas(function),
            time_limit=checked_seconds("--time-limit", time_limit),
            seed=seed,
            global_=not local_only,
            missing=missing.value,
            command=shlex.join(["idfit", *sys.argv[1:]]),
        )
        console.tell_findings(findings)
        groups = {name: study[name].to_dataset() for name in study.children}
        for line in structure_lines(groups["structure"], groups.get("combinations")):
            console.show(line)
        console.facts |= structure_facts(groups["structure"], groups.get("combinations"))
        if out is not None:
            write_study(study, out)
            console.show(f"stored: {out} (see it with: idfit report {out} --out report.html)")
            console.facts["out"] = str(out)
        return COMPLETE

    execute("structure", console, work)
