"""Whole local fits on one and on two threads: throughput, CPU time, and whether every byte is the same.

On a busy machine two threads do not get two processors. What two threads can reach at that moment is
therefore measured beside it, by a compiled loop that needs neither the interpreter nor much memory (SHA-256
of a block, which releases the GIL).
"""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

import xarray as xr
from measuring import Goal, Table, problem_of, show

import idfit

FITS = {"boehm": 48, "alpha_pinene": 100, "theophylline": 24}
ROUNDS = 3
_BLOCK = b"\0" * 20_000_000


def reachable(workers: int, pieces: int = 12) -> float:
    """Seconds for a fixed amount of work that is known to run in parallel."""
    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda _: hashlib.sha256(_BLOCK).digest(), range(pieces)))
    return time.perf_counter() - start


def timed_fit(problem: idfit.Problem, n_starts: int, workers: int) -> tuple[float, float, xr.Dataset]:
    start, cpu = time.perf_counter(), time.process_time()
    fit = idfit.fit(problem, n_starts, seed=1, runner=idfit.Runner(workers=workers))
    return time.perf_counter() - start, time.process_time() - cpu, fit


def bytes_of(fit: xr.Dataset) -> bytes:
    return b"".join(fit[name].values.tobytes() for name in sorted(map(str, fit.variables)))


def compare(name: str, n_starts: int) -> dict:
    problem = problem_of(name)
    timed_fit(problem, 2, 1)
    elapsed = {1: float("inf"), 2: float("inf")}
    cpu = {1: float("inf"), 2: float("inf")}
    loop = {1: float("inf"), 2: float("inf")}
    same = True
    for _ in range(ROUNDS):
        results = {}
        for workers in (1, 2):
            loop[workers] = min(loop[workers], reachable(workers))
            wall, seconds, results[workers] = timed_fit(problem, n_starts, workers)
            elapsed[workers], cpu[workers] = min(elapsed[workers], wall), min(cpu[workers], seconds)
        same = same and bytes_of(results[1]) == bytes_of(results[2])
    return {
        "name": name,
        "starts": n_starts,
        "ratio": elapsed[1] / elapsed[2],
        "reachable": loop[1] / loop[2],
        "cpu": cpu[2] / cpu[1],
        "same": same,
    }


def measure() -> tuple[list[Table], list[Goal]]:
    runs = [compare(name, n) for name, n in FITS.items()]
    table = Table(
        "Two threads against one, whole fits",
        ("model", "starts", "throughput", "reachable now", "CPU time", "identical bytes"),
        [
            (r["name"], r["starts"], f"{r['ratio']:.2f}", f"{r['reachable']:.2f}", f"{r['cpu']:.2f}",
             "yes" if r["same"] else "NO")
            for r in runs
        ],
        "Throughput and CPU time of two threads relative to one. 'Reachable now' is the throughput that a "
        "compiled loop reached with two threads in between: near 2 on an idle machine.",
    )  # fmt: skip
    boehm = runs[0]
    # judged only if two processors were to be had
    idle = boehm["reachable"] >= 1.85
    goals = [
        Goal(
            "Boehm, throughput of 2 threads (1 thread = 1)",
            f"{boehm['ratio']:.2f} where {boehm['reachable']:.2f} was reachable; "
            f"CPU time x {boehm['cpu']:.2f}",
            ">= 1.8 on an idle machine",
            boehm["ratio"] >= 1.8 if idle else None,
        ),
        Goal(
            "identical bytes with 1 and 2 threads",
            ", ".join(f"{r['name']}: {'yes' if r['same'] else 'no'}" for r in runs),
            "yes",
            all(r["same"] for r in runs),
        ),
    ]
    return [table], goals


if __name__ == "__main__":
    show(*measure())
