"""What is asked of the equations before the fit: it warns, and never stops a run.

The local part is exact arithmetic on the equations and the same on every machine. The global part has a limit
in seconds, so how far it comes may differ; it decides between the verdicts *global*, *local* and
*at_least_local* alone. Everything else in a study looks at what the local part decides.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import xarray as xr

from idfit.errors import Finding, Interrupted, StorageError
from idfit.problem import Problem
from idfit.reporting.reading import read_combinations, read_structure
from idfit.reporting.structural import block_words, blocks
from idfit.results import StructuralVerdict
from idfit.study.kept import kept
from idfit.study.recipe import Recipe
from idfit.tasks import Runner

Groups = dict[str, xr.Dataset]
GROUP, TABLE = "structure", "structure"
SAYS = "what the equations allow"


def ask_equations(problem: Problem, recipe: Recipe, runner: Runner) -> tuple[Groups, list[Finding]]:
    """The groups `structure` and, where there is something to combine, `combinations`, with warnings.

    An analysis that fails gives a warning and no group. What was found is kept in the journal of `runner`, as
    the time that the global part may take is no part of the question. Errors: `Interrupted`, `StorageError`.
    """
    failed: list[Finding] = []

    def tried(what: str, work: Callable[[], xr.Dataset]) -> xr.Dataset | None:
        try:
            return work()
        except (Interrupted, StorageError):
            raise
        except Exception as error:  # whatever it is, the fit does not depend on it
            rule = f"{what} could not be computed ({type(error).__name__}: {error})"
            failed.append(_warning(rule, "the fit goes on without; see `idfit structure MODEL DATA --debug`"))
            return None

    structure = tried("the structural analysis", lambda: _structure(problem, recipe))
    if structure is None:
        return {}, failed
    found = {"structure": structure}
    if recipe.structure.global_:
        decided = tried("the global verdicts", lambda: _globally(problem, recipe, runner))
        found["structure"] = structure if decided is None else decided
    if not_determined(structure):
        combined = tried("the combinations", lambda: _combinations(problem, recipe, runner))
        found |= {} if combined is None else {"combinations": combined}
    # a study in other parameters has cured what there would be to warn of
    return found, [*([] if recipe.reparameterization else findings_of(found)), *failed]


def not_determined(structure: xr.Dataset) -> list[str]:
    """Parameters and initial values that no such data can determine."""
    found = read_structure(structure)
    return [] if found is None else found.lost


def findings_of(groups: Groups) -> list[Finding]:
    """Warnings about what no such data can determine, and a notice of what could not be decided."""
    structure = read_structure(groups["structure"]) if "structure" in groups else None
    if structure is None:
        return []
    combinations = read_combinations(groups["combinations"]) if "combinations" in groups else None
    said = "; ".join(block_words(block) for block in blocks(structure, combinations))
    found = []
    if said:
        remedy = "fix one of them, or fit what is determined: idfit reparameterize MODEL DATA"
        found.append(_warning(f"structurally non-identifiable: {said}", remedy))
    unknown = [q.name for q in structure.unknowns if q.code is StructuralVerdict.UNDETERMINED]
    if unknown:
        rule = f"they do not decide whether {', '.join(unknown)} can be determined"
        found.append(Finding("", 0, 0, "equations", rule, "see the profiles", "", "notice"))
    return found


def _warning(rule: str, remedy: str) -> Finding:
    return Finding("", 0, 0, "equations", rule, remedy, "", "warning")


def _structure(problem: Problem, recipe: Recipe, global_: bool = False) -> xr.Dataset:
    from idfit.structural.assess import assess_structure

    return assess_structure(
        problem,
        functions=functions_of_parameters(recipe),
        time_limit=recipe.structure.time_limit,
        seed=recipe.seed or 0,
        global_=global_,
    )


def _globally(problem: Problem, recipe: Recipe, runner: Runner) -> xr.Dataset:
    return _kept("structure", recipe, lambda: _structure(problem, recipe, global_=True), runner)


def _combinations(problem: Problem, recipe: Recipe, runner: Runner) -> xr.Dataset:
    from idfit.structural.combinations import find_combinations

    return _kept("combinations", recipe, lambda: find_combinations(problem, seed=recipe.seed or 0), runner)


def functions_of_parameters(recipe: Recipe) -> dict[str, str]:
    """What the recipe asks about as functions: those without a time have a structural verdict as well.

    In a study in other parameters they are functions of these, of which nothing is asked here.
    """
    if recipe.reparameterization is not None:
        return {}
    return {name: table.formula for name, table in recipe.functions.items() if table.time is None}


def _kept(group: str, recipe: Recipe, make: Callable[[], xr.Dataset], runner: Runner) -> xr.Dataset:
    """Functions that are added later have it made anew."""
    functions = json.dumps(functions_of_parameters(recipe), sort_keys=True)
    about = hashlib.sha256(functions.encode()).hexdigest()[:16]
    return kept(group, f"{group} {about}", make, runner)
