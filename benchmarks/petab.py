"""Twelve published PEtab problems beside AMICI: precision, robustness, speed, time until ready, multistart.

The problems and the stored figures of AMICI 1.0.1 (another machine with two cores) are found through
IDFIT_REFERENCES, folder petab_benchmark; without it there is nothing to measure.

The values of reference.json leave the priors out, and so does what is compared with them; the fits keep
them. Two references have few digits: Fujita's was integrated at rtol 1e-6, and Crauste's gradient turns by
its own length within 1e-9 of the nominal parameters.

    python benchmarks/petab.py [--only NAME ...] [--starts FACTOR] [--rtol RTOL]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from measuring import Child, Goal, Table, fresh_process, least_seconds, show

import idfit
from idfit.results import Status, sentences

TOLERANCES = (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12)
RATIO_GOAL, READY_GOAL = 10.0, 1.0
SEED, NEAR = 1, 0.1
#: starts of a problem, chosen by the CPU seconds that one takes: at most about a minute in all
STARTS = {
    "Armistead_CellDeathDis2024": 200,
    "Bertozzi_PNAS2020": 200,
    "Blasi_CellSystems2016": 200,
    "Boehm_JProteomeRes2014": 200,
    "Brannmark_JBC2010": 50,
    "Crauste_CellSystems2017": 200,
    "Fujita_SciSignal2010": 200,
    "Oliveira_NatCommun2021": 200,
    "Perelson_Science1996": 200,
    "Schwen_PONE2014": 50,
    "Zhao_QuantBiol2020": 100,
    "Zheng_PNAS2012": 50,
}
#: published optima that a multistart has to reach
ASKED = {
    "Brannmark_JBC2010": 141.889,
    "Crauste_CellSystems2017": 190.964,
    "Fujita_SciSignal2010": -53.08,
    "Zheng_PNAS2012": -289.09,
}
_READY = """
import json, sys, time
start = time.process_time(), time.perf_counter()
import idfit
problem = idfit.load(sys.argv[1])
read = time.process_time()
problem.objective()(problem.parameters.nominal_scaled, 1)
end = time.process_time(), time.perf_counter()
print(json.dumps({"read": read - start[0], "cpu": end[0] - start[0], "elapsed": end[1] - start[1]}))
"""


@cache
def folder() -> Path | None:
    place = os.environ.get("IDFIT_REFERENCES")
    found = Path(place) / "petab_benchmark" if place else None
    return found if found and (found / "reference.json").exists() else None


@cache
def references() -> dict[str, dict]:
    place = folder()
    return json.loads((place / "reference.json").read_text(encoding="utf-8"))["models"] if place else {}


def file_of(name: str) -> Path:
    place = folder()
    if place is None:
        raise SystemExit("IDFIT_REFERENCES has to name a folder with petab_benchmark/reference.json")
    own = place / name / f"{name}.yaml"
    return own if own.exists() else place / name / "problem.yaml"


@cache
def problem_of(name: str) -> idfit.Problem:
    return idfit.load(file_of(name))


def precision(name: str, rtol: float) -> tuple[float, float]:
    """Relative errors of nllh and of the gradient (in the Euclidean norm) at the nominal parameters."""
    reference = references()[name]
    theta = np.array(list(reference["theta_scaled"].values()))
    gradient = np.array(list(reference["gradient_scaled"].values()))
    found = problem_of(name).without_priors().objective(rtol)(theta, 1)
    if found.gradient is None:
        return float("inf"), float("inf")
    return (
        abs(found.nllh / reference["nllh"] - 1.0),
        float(np.linalg.norm(found.gradient - gradient) / np.linalg.norm(gradient)),
    )


def failures(name: str) -> list[str]:
    """The tolerances at which value and gradient at the nominal parameters cannot be had, and why."""
    problem = problem_of(name)
    found = []
    for rtol in TOLERANCES:
        ev = problem.objective(rtol)(problem.parameters.nominal_scaled, 1)
        if ev.status is not Status.CONVERGED:
            found.append(f"{rtol:.0e} ({ev.status.label})")
    return found


def gradient_seconds(name: str) -> float:
    problem = problem_of(name)
    objective, theta = problem.objective(1e-8), problem.parameters.nominal_scaled
    return least_seconds({name: lambda: objective(theta, 1)})[name]


def ready(name: str) -> Child:
    """Value and gradient in a fresh process; the first one leaves the machine code on disk."""
    runs = [fresh_process(_READY, str(file_of(name))) for _ in range(3)]
    return min(runs[1:], key=lambda child: child.answer["cpu"])


def multistart(name: str, n_starts: int, rtol: float) -> dict:
    problem = problem_of(name)
    problem.objective()(problem.parameters.nominal_scaled, 1)  # nothing is compiled while the clock runs
    start = time.process_time()
    try:
        fit = idfit.fit(problem, n_starts, SEED, rtol=rtol)
    except idfit.IdfitError as error:
        return {"cpu": time.process_time() - start, "best": float("inf"), "hits": 0, "fates": str(error)}
    cpu = time.process_time() - start
    objective = fit["objective"].values
    best = int(np.argmin(objective))
    return {
        "cpu": cpu,
        "best": float(fit["nllh"][best]),
        "hits": int((objective < objective[best] + NEAR).sum()),
        "fates": "; ".join(f"{count} x {sentence}" for sentence, count in sentences(fit["status"]).items()),
    }


def nominal_tables(names: Sequence[str]) -> tuple[list[Table], list[Goal]]:
    rows, ratios, slow, failing = [], {}, {}, []
    for name in names:
        peer = references()[name]["peer_gradient_ms_rtol1e-8"]
        value, slope = precision(name, 1e-8)
        tight_value, tight_slope = precision(name, 1e-12)
        own, failed, child = 1e3 * gradient_seconds(name), failures(name), ready(name)
        ratios[name], slow[name] = peer / own, child.answer["cpu"]
        failing += [f"{name} at {text}" for text in failed]
        rows.append((
            name, f"{value:.1e}", f"{slope:.1e}", f"{tight_value:.1e}", f"{tight_slope:.1e}",
            ", ".join(failed) or "none", f"{own:.2f}", f"{peer:.2f}", f"{peer / own:.1f}",
            f"{child.answer['read']:.2f}", f"{child.answer['cpu']:.2f}", f"{child.answer['elapsed']:.2f}",
        ))  # fmt: skip
    table = Table(
        "PEtab problems at their nominal parameters",
        ("problem", "nllh error, rtol 1e-8", "gradient error", "nllh error, 1e-12", "gradient error",
         "fails at", "CPU ms", "AMICI ms", "ratio", "import and read s", "ready, CPU s", "elapsed s"),
        rows,
        "Relative errors against AMICI's stored values without priors. CPU ms: value and gradient at rtol 1e-8. "
        "Ready: a fresh process until the first gradient, machine code on disk. AMICI's times are stored ones.",
    )  # fmt: skip
    slowest = max(slow, key=lambda name: slow[name])
    least, median = min(ratios, key=lambda name: ratios[name]), float(np.median(list(ratios.values())))
    goals = [
        Goal(f"PEtab: tolerances 1e-6 to 1e-12 that fail, {len(rows)} problems",
             ", ".join(failing) or "none", "none", not failing),
        Goal("PEtab: AMICI's gradient time over ours, median", f"{median:.1f}", f">= {RATIO_GOAL:g}",
             median >= RATIO_GOAL),
        Goal("the same, least", f"{ratios[least]:.1f} ({least})", ">= 1", ratios[least] >= 1.0),
        Goal("PEtab: ready, machine code on disk, slowest (CPU s)", f"{slow[slowest]:.2f} ({slowest})",
             f"< {READY_GOAL:g}", slow[slowest] < READY_GOAL),
    ]  # fmt: skip
    return [table], goals


def fit_tables(names: Sequence[str], factor: float, rtol: float) -> tuple[list[Table], list[Goal]]:
    rows, goals = [], []
    for name in names:
        n_starts = max(1, round(factor * STARTS[name]))
        found = multistart(name, n_starts, rtol)
        asked, nominal = ASKED.get(name), references()[name]["nllh"]
        rows.append((
            name, f"{n_starts}", f"{found['best']:.4f}", f"{nominal:.4f}", f"{found['hits']}",
            f"{found['cpu']:.1f}", f"{found['cpu'] / found['hits']:.2f}" if found["hits"] else "-",
            found["fates"],
        ))  # fmt: skip
        if asked is not None:
            goals.append(Goal(f"PEtab: {name}, best nllh of {n_starts} starts", f"{found['best']:.4f}",
                              f"<= {asked:g} + {NEAR:g}", found["best"] <= asked + NEAR))  # fmt: skip
    table = Table(
        f"PEtab problems, multistart (seed {SEED}, rtol {rtol:g})",
        ("problem", "starts", "best nllh", "nllh at nominal", f"within {NEAR:g} of the best", "CPU s",
         "CPU s a hit", "fates"),
        rows,
    )  # fmt: skip
    return [table], goals


def measure(
    names: Sequence[str] | None = None, factor: float = 1.0, rtol: float = 1e-8
) -> tuple[list[Table], list[Goal]]:
    names = list(references()) if names is None else names
    if not names:
        return [], [Goal("PEtab problems", "not measured: IDFIT_REFERENCES names no petab_benchmark")]
    tables, goals = nominal_tables(names)
    more_tables, more_goals = fit_tables(names, factor, rtol)
    return tables + more_tables, goals + more_goals


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the published PEtab problems.")
    parser.add_argument("--only", nargs="+", choices=sorted(STARTS), help="these problems only")
    parser.add_argument("--starts", type=float, default=1.0, help="factor on the number of starts")
    parser.add_argument("--rtol", type=float, default=1e-8, help="of the integration in the fits")
    given = parser.parse_args()
    show(*measure(given.only, given.starts, given.rtol))


if __name__ == "__main__":
    main()
