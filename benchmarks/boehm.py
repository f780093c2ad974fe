"""Boehm STAT5: CPU seconds per start that ends at the optimum (nllh below 138.232), from random starts.

Peer, measured once on another machine: pyPESTO + AMICI + fides, 31.6 s for 50 starts of which 3 arrived,
10.5 s a hit. The interval is that of the hit rate (Clopper-Pearson, 95 %) at the measured CPU seconds per
start.

    python benchmarks/boehm.py [number of starts]
"""

from __future__ import annotations

import sys
import time

from measuring import Goal, Table, problem_of, show
from scipy.stats import beta

import idfit
from idfit.results import sentences

THRESHOLD = 138.232
GOAL = 0.5
STARTS, STARTS_OF_OTHERS = 500, 60
SEED = 1


def hits_of(optimizer: str, n_starts: int, rtol: float = 1e-8) -> dict:
    problem = problem_of("boehm")
    problem.objective()(problem.parameters.nominal_scaled, 1)  # nothing is compiled while the clock runs
    idfit.fit(problem, 2, SEED, optimizer=optimizer)
    start = time.process_time()
    fit = idfit.fit(problem, n_starts, SEED, optimizer=optimizer, rtol=rtol)
    cpu = time.process_time() - start
    hits = int((fit["nllh"].values < THRESHOLD).sum())
    low, high = (
        beta.ppf(0.025, hits, n_starts - hits + 1) if hits else 0.0,
        beta.ppf(0.975, hits + 1, n_starts - hits) if hits < n_starts else 1.0,
    )
    per_start = cpu / n_starts
    return {
        "optimizer": optimizer,
        "starts": n_starts,
        "hits": hits,
        "rate": (low, high),
        "cpu": cpu,
        "per_hit": cpu / hits if hits else float("inf"),
        "interval": (per_start / high, per_start / low if low else float("inf")),
        "evaluations": float(fit["n_evaluations"].mean()),
        "best": float(fit["nllh"].min()),
        "fates": sentences(fit["status"]),
    }


def available(optimizer: str) -> bool:
    try:
        idfit.fit(problem_of("boehm"), 1, SEED, optimizer=optimizer)
    except (ImportError, idfit.IdfitError):
        return False
    return True


def measure(n_starts: int = STARTS) -> tuple[list[Table], list[Goal]]:
    runs = [hits_of("trust-region", n_starts)]
    runs += [hits_of(o, STARTS_OF_OTHERS) for o in ("scipy:trf", "lmfit:leastsq") if available(o)]
    table = Table(
        f"Boehm: starts that end below {THRESHOLD}",
        ("optimiser", "starts", "hits", "hit rate %, 95 %", "CPU s", "CPU ms/start", "evaluations/start",
         "CPU s/hit", "95 %", "best nllh"),
        [
            (r["optimizer"], r["starts"], r["hits"], "{:.1f}-{:.1f}".format(*(100 * x for x in r["rate"])),
             f"{r['cpu']:.2f}", f"{1e3 * r['cpu'] / r['starts']:.1f}", f"{r['evaluations']:.0f}",
             f"{r['per_hit']:.3f}", "{:.3f}-{:.3f}".format(*r["interval"]), f"{r['best']:.5f}")
            for r in runs
        ],
        "Fates of the trust region's starts: "
        + "; ".join(f"{count} x {sentence}" for sentence, count in runs[0]["fates"].items()),
    )  # fmt: skip
    ours = runs[0]
    goal = Goal(
        f"Boehm, CPU seconds per hit, {n_starts} starts (pyPESTO + AMICI + fides: 10.5, stored)",
        "{:.3f} (95 %: {:.3f}-{:.3f})".format(ours["per_hit"], *ours["interval"]),
        f"<= {GOAL}",
        ours["per_hit"] <= GOAL,
    )
    return [table], [goal]


if __name__ == "__main__":
    show(*measure(int(sys.argv[1]) if len(sys.argv) > 1 else STARTS))
