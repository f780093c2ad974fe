"""Identifiable combinations of the published models: seconds for each, and whether they are complete.

IDFIT_REFERENCES=... python benchmarks/structure_combinations.py
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path

from idfit import Model, find_combinations

GOAL, MOST_STATES = 3.0, 15


def main() -> None:
    text = (Path(os.environ["IDFIT_REFERENCES"]) / "structural" / "ground_truth.json").read_text("utf-8")
    times = []
    print(f"{'model':42s} {'states':>6s} {'found':>6s} {'complete':>9s} {'CPU s':>7s}")
    for record in json.loads(text):
        if not record["identifiable_functions"]:
            continue
        model = Model.from_equations(
            record["states"], record["outputs"], record["parameters"], inputs=record["inputs"]
        )
        starts = record["known_initial_conditions"]
        options = {"initial": starts} if isinstance(starts, dict) else {"known": starts or ()}
        begin = time.process_time()
        found = find_combinations(model, **options)
        seconds = time.process_time() - begin
        n_states = len(record["states"])
        if n_states <= MOST_STATES:
            times.append(seconds)
        n, complete = found.sizes["combination"], bool(found["complete"])
        print(f"{record['name']:42s} {n_states:6d} {n:6d} {complete!s:>9s} {seconds:7.2f}", flush=True)
    within = sum(t < GOAL for t in times)
    print(
        f"up to {MOST_STATES} states: median {statistics.median(times):.2f} s, longest {max(times):.2f} s, "
        f"{within} of {len(times)} below {GOAL:g} s"
    )


if __name__ == "__main__":
    main()
