"""``idfit check``: everything that is wrong with a model and its data."""

from __future__ import annotations

from idfit.cli import options
from idfit.cli.console import COMPLETE, Console, execute


def check(
    model: options.ModelFile,
    data: options.DataFile = None,
    missing: options.MissingValues = options.Missing.refuse,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List every fault of a model and its data, with file, line, rule and remedy."""
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
        return COMPLETE

    execute("check", console, work)
