"""Published problems read from PEtab: idfit beside the stored times of a peer, and what fits of them reach.

The problems, and the peer's times (AMICI 1.0.1, compiled C++, on another machine), are in the folder
that IDFIT_REFERENCES names.

    python benchmarks/petab.py                       # likelihood, gradient, failures, times
    python benchmarks/petab.py --fit 60 [NAME ...]   # and multistart fits of so many CPU seconds each
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
from measuring import Goal, Table, least_seconds, show

import idfit
from idfit.results import Status

#: what a multistart should find (nllh)
KNOWN = {
    "Crauste_CellSystems2017": 190.964,
    "Fujita_SciSignal2010": -53.08,
    "Zheng_PNAS2012": -289.09,
    "Brannmark_JBC2010": 141.889,
}
TOLERANCES = (1e-6, 1e-8, 1e-10, 1e-12)
_NEAR = 0.1
_STARTS_AT_ONCE = 4


def references() -> tuple[Path, dict]:
    folder = Path(os.environ["IDFIT_REFERENCES"]) / "petab_benchmark"
    return folder, json.loads((folder / "reference.json").read_text(encoding="utf-8"))["models"]


def file_of(folder: Path, name: str) -> Path:
    found = sorted((folder / name).glob("*.yaml"))
    return next((path for path in found if path.stem in (name, "problem")), found[0])


def measure() -> tuple[list[Table], list[Goal]]:
    if "IDFIT_REFERENCES" not in os.environ:
        return [], [Goal("PEtab problems", "skipped: IDFIT_REFERENCES is not set")]
    folder, known = references()
    rows, ratios, ready, failures = [], [], [], []
    for name, reference in known.items():
        start = time.process_time()
        problem = idfit.load(file_of(folder, name))
        objective = problem.objective(1e-8)
        theta = problem.parameters.nominal_scaled
        value = objective(theta, 0).nllh
        ready.append(time.process_time() - start)
        fails = [
            f"{rtol:.0e}: {ev.status.label}"
            for rtol in TOLERANCES
            if (ev := problem.objective(rtol, rtol * 1e-4)(theta)).status is not Status.OK
        ]
        failures += [f"{name} {fate}" for fate in fails]
        ms = 1e3 * least_seconds({"": lambda o=objective, t=theta: o(t)})[""]
        peer = reference["peer_gradient_ms_rtol1e-8"]
        ratios.append(peer / ms)
        error = abs(value - reference["nllh"]) / abs(reference["nllh"])
        rows.append((
            name, f"{error:.0e}", ", ".join(fails) or "none", f"{ready[-1]:.2f}", f"{ms:.2f}", f"{peer:.1f}",
            f"{peer / ms:.1f}",
        ))  # fmt: skip
    columns = ("problem", "nllh error", "failures", "ready in a warm process (CPU s)",
               "value + gradient (ms)", "peer (ms)", "ratio")  # fmt: skip
    table = Table("PEtab problems at the nominal parameters, rtol 1e-8", columns, rows)
    goals = [
        Goal("PEtab problems: median ratio to the peer", f"{np.median(ratios):.1f}", ">= 10",
             bool(np.median(ratios) >= 10)),
        Goal("PEtab problems: least ratio to the peer", f"{min(ratios):.1f}", ">= 1", min(ratios) >= 1),
        Goal("PEtab problems: failures at rtol 1e-6 to 1e-12", ", ".join(failures) or "none", "none",
             not failures),
        Goal("PEtab problems: slowest to be ready in a warm process (CPU s)", f"{max(ready):.2f}"),
    ]  # fmt: skip
    return [table], goals


def fitted(name: str, budget: float) -> tuple[str, ...]:
    """Starts, four at a time with seeds of their own, until the CPU budget is used."""
    folder, _ = references()
    problem = idfit.load(file_of(folder, name))
    idfit.fit(problem, n_starts=1, seed=0)  # compiles
    begin, first = time.process_time(), np.inf
    found: list[float] = []
    target = KNOWN.get(name)
    while time.process_time() - begin < budget:
        result = idfit.fit(problem, n_starts=_STARTS_AT_ONCE, seed=1 + len(found))
        found += result["nllh"].values.tolist()
        if target is not None and min(found) < target + _NEAR:
            first = min(first, time.process_time() - begin)
    used = time.process_time() - begin
    values = np.array(found)
    best = np.nanmin(values)
    hits = int((values < best + _NEAR).sum())
    reached = "" if target is None else f"{first:.0f} s" if np.isfinite(first) else "no"
    return (name, f"{best:.3f}", "" if target is None else f"{target:g}", reached, f"{hits}/{len(values)}",
            f"{used:.0f}", f"{used / hits:.1f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    if given.fit:
        columns = (
            "problem",
            "best nllh",
            "known",
            "reached after",
            "hits of the best",
            "CPU s",
            "CPU s per hit",
        )
        for name in given.names or references()[1]:
            print(Table(f"Multistart: {name}", columns, [fitted(name, given.fit)]), flush=True)
        return
    show(*measure())


if __name__ == "__main__":
    main()
