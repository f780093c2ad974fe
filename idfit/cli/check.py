"""``idfit check``: everything that is wrong with a model and its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from idfit.cli import options
from idfit.cli.console import COMPLETE, Console, execute

if TYPE_CHECKING:
    from idfit.problem import Problem


def check(
    model: options.ModelFile,
    data: options.DataFile = None,
    missing: options.MissingValues = options.Missing.refuse,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List every fault of a model and its data, with file, line, rule and remedy.

    Then say which parameters the equations alone leave open: no data of this kind could determine them.
    """
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.formats.load import read
        from idfit.problem import build

        spec, findings = read(model, data, missing=missing.value)
        problem = build(spec)
        console.tell_findings(findings)
        counts = {
            "states": len(spec.states),
            "estimated parameters": len(problem.parameters),
            "observables": len(spec.observables),
            "conditions": len({s.condition for s in problem.resolution.simulations}),
            "measurements": len(spec.measurements),
        }
        console.facts["counts"] = counts
        listed = ", ".join(f"{n} {what}" for what, n in counts.items())
        console.show(f"{model}: no faults ({listed})")
        if len(problem.parameters):
            _tell_structure(console, problem)
        return COMPLETE

    execute("check", console, work)


def _tell_structure(console: Console, problem: Problem) -> None:
    """The local verdicts, which take well below a second. A model is not at fault if there are none."""
    from idfit.cli.allowed import structure_facts, verdict_line
    from idfit.structural.assess import assess_structure

    try:
        made = assess_structure(problem, global_=False)
    except Exception as error:
        console.show(f"equations: not decided ({type(error).__name__}: {error})")
        console.facts["structure"] = None
        return
    console.show(verdict_line(made))
    console.facts |= structure_facts(made)
