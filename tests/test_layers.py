"""The layers of the house: imports point downward only, and nobody comes in through the front door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "idfit"

# From the ground up. Rooms of one level do not import each other.
LEVELS = (
    {"errors"},
    {"files", "results"},
    {"tasks"},
    {"numerics", "expressions"},
    {"model"},
    {"spec"},
    {"problem"},
    {"formats"},
    {"optimize", "fisher", "structural"},
    {"profiles", "sampling", "reparameterization"},
    {"landscape", "prediction"},
    {"study"},
    {"cli"},
)
RANK = {room: rank for rank, rooms in enumerate(LEVELS) for room in rooms}
# a report is drawn from a file on a machine without a solver
REPORTING_READS = {"errors", "files", "results"}
READS_REPORTING = {"study", "cli"}
FRONT_DOOR = {"__init__", "__main__"}


def room_of(module: str) -> str:
    """``idfit.numerics.integrator`` stands in the room ``numerics``; ``idfit`` itself is the front door."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imported(source: str, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """(line, absolute module) of every idfit import in the text, those for type checkers included."""
    here = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "idfit":
                    yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            if origin == "idfit":  # `from idfit import errors`: a room, or a name of the front door
                for alias in node.names:
                    yield (
                        node.lineno,
                        f"idfit.{alias.name}" if alias.name in {*RANK, "reporting"} else "idfit",
                    )
            elif origin.startswith("idfit."):
                yield node.lineno, origin


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """What is wrong with the imports of one file, in words."""
    room, faults = room_of(module), []
    for line, target in imported(source, module, is_package):
        other = room_of(target)
        if other == room or room in FRONT_DOOR:
            continue
        where = f"{module}:{line}"
        if other in FRONT_DOOR:
            faults.append(f"{where}: imports the front door; import the room that holds the name")
        elif room == "reporting" or other == "reporting":
            allowed = other in REPORTING_READS if room == "reporting" else room in READS_REPORTING
            if not allowed:
                faults.append(f"{where}: {room} may not import {other}")
        elif other not in RANK or room not in RANK:
            faults.append(f"{where}: {room} or {other} has no level; add it to LEVELS")
        elif RANK[other] >= RANK[room]:
            arrow = "sideways" if RANK[other] == RANK[room] else "upward"
            faults.append(f"{where}: {room} imports {other}, which is {arrow}")
    return faults


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=module_name)
def test_imports_point_downward(path):
    assert not violations(path.read_text("utf-8"), module_name(path), path.name == "__init__.py")


@pytest.mark.parametrize(
    ("module", "source", "word"),
    [
        ("idfit.numerics.integrator", "from idfit.model import Model", "upward"),
        ("idfit.numerics.integrator", "def f():\n    from idfit.problem.plan import Plan", "upward"),
        ("idfit.numerics.integrator", "from ..expressions import parse", "sideways"),
        ("idfit.fisher.spectrum", "import idfit.optimize.multistart", "sideways"),
        ("idfit.errors", "from idfit.results import Status", "upward"),
        ("idfit.problem.build", "import idfit", "front door"),
        ("idfit.problem.build", "from idfit import load", "front door"),
        ("idfit.problem.build", "from idfit import optimize", "upward"),
        ("idfit.optimize.fit", "from idfit.reporting import write_report", "may not"),
        ("idfit.reporting.page", "from idfit.problem import Problem", "may not"),
        ("idfit.study.store", "if TYPE_CHECKING:\n    from idfit.cli import main", "upward"),
        ("idfit.attic.old", "from idfit.errors import Finding", "no level"),
    ],
)
def test_a_violation_is_caught(module, source, word):
    assert word in " ".join(violations(source, module))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("idfit.study.pipeline", "from idfit.reporting import write_report\nfrom idfit.optimize import fit"),
        ("idfit.reporting.page", "from idfit.results import Status\nimport xarray"),
        ("idfit.numerics.integrator", "from idfit.numerics.linear import solve\nfrom . import steps"),
        ("idfit.problem.plan", "import idfitness"),
    ],
)
def test_what_is_allowed_passes(module, source):
    assert not violations(source, module)


def test_relative_imports_of_a_package_are_resolved():
    assert violations("from ..study import run", "idfit.problem", is_package=True)
    assert not violations("from .plan import Plan", "idfit.problem", is_package=True)
