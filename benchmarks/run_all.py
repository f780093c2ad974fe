"""All benchmarks in one run, their figures in one table beside the goals.

python benchmarks/run_all.py            # prints
python benchmarks/run_all.py --write    # also writes benchmarks/results.md
"""

from __future__ import annotations

import argparse
import datetime

import boehm
import calibration
import coverage_prediction
import engine
import other_engines
import petab
import profiles
import python_share
import sampling
import scale
import sensitivities
import startup
import structure_local
import threads
from measuring import ROOT, goal_table

ALL = (
    sensitivities, engine, other_engines, python_share, boehm, profiles, sampling, petab, scale, threads,
    startup, structure_local, calibration, coverage_prediction,
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Run all benchmarks.")
    parser.add_argument("--write", action="store_true", help="also write benchmarks/results.md")
    write = parser.parse_args().write
    tables, goals = [], []
    for script in ALL:
        more_tables, more_goals = script.measure()
        for table in more_tables:
            print(table, flush=True)
        tables += more_tables
        goals += more_goals
    summary = goal_table(goals)
    print(summary)
    if write:
        day = datetime.date.today().isoformat()
        text = "\n".join(["# Measured", "", f"By `python benchmarks/run_all.py --write` on {day}.", "",
                          *map(str, (summary, *tables))])  # fmt: skip
        (ROOT / "benchmarks/results.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
