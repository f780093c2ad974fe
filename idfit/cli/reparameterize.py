"""``idfit reparameterize``: the same model in parameters that the data can determine, or in your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from idfit.cli import options
from idfit.cli.console import COMPLETE, Console, execute


def reparameterize(
    context: typer.Context,
    target: options.Target,
    data: options.DataFile = None,
    manual: Annotated[
        list[str] | None,
        typer.Option(
            "--manual", help="name=formula of a parameter of your own; may be repeated.", show_default=False
        ),
    ] = None,
    replacing: Annotated[
        list[str] | None,
        typer.Option(
            "--replacing", help="Parameters that --manual replaces; found if left out.", show_default=False
        ),
    ] = None,
    normalise: Annotated[
        list[str] | None,
        typer.Option(
            "--normalise", help="Parameters to hold, as b or b=1; chosen if left out.", show_default=False
        ),
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", help="Parameters that stay.", show_default=False)
    ] = None,
    drop_priors: Annotated[
        bool, typer.Option("--drop-priors", help="Leave out priors that cannot be carried over.")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the new model; with data fit and profile it too.")
    ] = False,
    reduce: Annotated[
        bool,
        typer.Option("--reduce", help="Take limits of the model instead, while the fit stays as good."),
    ] = False,
    steps: Annotated[
        int | None, typer.Option("--steps", help="Limits that --reduce takes at most.", show_default=False)
    ] = None,
    starts: options.Starts = 50,
    seed: options.Seed = None,
    out: options.Out = None,
    workers: options.Workers = 1,
    missing: options.MissingValues = options.Missing.refuse,
    rtol: options.Rtol = 1e-8,
    atol: options.Atol = 1e-12,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Propose parameters that the equations determine, with the maps to and from the old ones.

    TARGET is a model, with DATA or without, or the folder of a run, which is left as it is. With --apply the
    new model is written; where there are data both are fitted and profiled, and the study holds the proof
    that they are the same model.
    """
    console = Console(quiet, json, debug)

    def reduced() -> int:
        from idfit.cli.analysing import FitAsked, analyse
        from idfit.cli.running import tell_outcome
        from idfit.study.directory import REDUCED_FILE

        _refuse_with_reduce(context)
        asked = FitAsked(starts, seed, None, "sobol", rtol, atol, missing.value)
        tables = {"reduction": {} if steps is None else {"steps": steps}}
        outcome = analyse(
            console, context, target, data, tables, asked,
            out=out, workers=workers, resume=resume, overwrite=overwrite,
        )  # fmt: skip
        code = tell_outcome(console, outcome)
        if "reduction" in outcome.study.children:
            console.show(f"model:  {outcome.directory / REDUCED_FILE}")
            console.facts["model"] = str(outcome.directory / REDUCED_FILE)
        return code

    def work() -> int:
        from idfit.cli.changes import change_facts, change_lines
        from idfit.cli.running import tell_outcome, with_means
        from idfit.cli.texts import named_formulas, names_in
        from idfit.files import write_whole
        from idfit.study.directory import NEW_MODEL_FILE
        from idfit.study.pipeline import mode_of, run_recipe
        from idfit.study.recipe import FitOptions, Recipe, SolverOptions
        from idfit.study.reparameterizing import carried_over, propose

        table: dict[str, Any] = {
            "manual": named_formulas(manual, "--manual", "ratio=k1/k2"),
            "keep": names_in(keep) or [],
            "normalise": _held(names_in(normalise)),
            "replacing": names_in(replacing),
            "priors": "drop" if drop_priors else "carry",
        }
        recipe = Recipe(
            model=str(target),
            data=str(data) if data else None,
            missing=missing.value,
            seed=seed,
            fit=FitOptions(starts=starts),
            solver=SolverOptions(rtol=rtol, atol=atol),
        )
        if data is None and not target.is_file():
            from idfit.study.pipeline import recorded

            recipe = recorded(target)[0]
        recipe = Recipe.model_validate(recipe.model_dump() | {"reparameterization": table})
        mode = mode_of(resume, overwrite)
        change, proof, findings = propose(recipe)
        console.tell_findings(findings)
        if change is None or proof is None:
            console.show("the equations determine every parameter: there is nothing to change")
            console.facts["changed"] = False
            return COMPLETE
        for line in change_lines(change, proof):
            console.show(line)
        console.facts |= change_facts(change, proof)
        stem = Path(recipe.model).stem
        if not apply:
            console.show("write it with --apply")
            return COMPLETE
        if not len(change.old.spec.measurements):
            path = out or Path(f"{stem}_reparameterized.toml")
            write_whole(path, change.new.to_toml())
            console.show(f"wrote {path}")
            console.facts["model"] = str(path)
            return COMPLETE
        folder = out or Path(f"idfit-{stem}-reparameterized")
        made, left_out = carried_over(recipe, change)
        console.tell_findings(left_out)
        made = made.model_copy(update={"out": str(folder)})
        outcome = with_means(console, workers, lambda means: run_recipe(made, mode, means))
        code = tell_outcome(console, outcome)
        console.show(f"model:  {folder / NEW_MODEL_FILE}")
        console.facts["model"] = str(folder / NEW_MODEL_FILE)
        return code

    execute("reparameterize", console, reduced if reduce else work)


def _refuse_with_reduce(context: typer.Context) -> None:
    """Options that choose new parameters, which a reduction does by itself."""
    from idfit.cli.texts import refused

    for name in ("manual", "replacing", "normalise", "keep", "drop_priors", "apply"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            given = f"--reduce and --{name.replace('_', '-')}"
            raise refused(given, "do not belong together", "leave one out")


def _held(names: list[str] | None) -> list[str] | dict[str, float] | None:
    """
    >>> _held(["a", "b"]), _held(["b = 1"]), _held(None)
    (['a', 'b'], {'b': 1.0}, None)
    """
    from idfit.cli.texts import refused

    if names is None or not any("=" in name for name in names):
        return names
    pairs = [name.partition("=") for name in names]
    try:
        return {name.strip(): float(value) for name, _, value in pairs}
    except ValueError:
        rule = "must be names, or names with values"
        raise refused(f"--normalise {','.join(names)}", rule, "--normalise b=1") from None
