"""Global verdicts on the published models: how many are right, undecided and wrong, and how long they take.

IDFIT_REFERENCES=... python benchmarks/structure_global.py [--seconds 30] [--seed 0] [NAME ...]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from idfit import Model
from idfit.results import StructuralVerdict
from idfit.structural.from_model import question_of_model
from idfit.structural.global_verdicts import decide_globally
from idfit.structural.local import assess_locally
from idfit.structural.program import CannotDecideError

VERDICTS = {"global": StructuralVerdict.GLOBAL, "local": StructuralVerdict.LOCAL}


def main() -> None:
    arguments = _arguments()
    text = (Path(os.environ["IDFIT_REFERENCES"]) / "structural" / "ground_truth.json").read_text("utf-8")
    total: Counter[str] = Counter()
    print(f"{'model':42s} {'right':>6s} {'undecided':>10s} {'wrong':>6s} {'seconds':>8s}  open or wrong")
    for record in json.loads(text):
        if not set(record["answer"].values()) & VERDICTS.keys():
            continue
        if arguments.names and record["name"] not in arguments.names:
            continue
        begin = time.perf_counter()
        found = verdicts(record, arguments.seconds, arguments.seed)
        seconds = time.perf_counter() - begin
        fate = {name: _fate(found.get(name), record["answer"][name]) for name in found}
        count = Counter(fate.values())
        total += count
        rest = " ".join(name for name, f in fate.items() if f == "undecided")
        wrong = " ".join(name for name, f in fate.items() if f == "wrong")
        print(
            f"{record['name']:42s} {count['right']:6d} {count['undecided']:10d} {count['wrong']:6d} "
            f"{seconds:8.1f}  {rest}{'  WRONG: ' + wrong if wrong else ''}",
            flush=True,
        )
    n = sum(total.values())
    print(f"{total['right']} of {n} right ({total['right'] / max(n, 1):.1%}), {total['wrong']} wrong")


def verdicts(record: dict[str, Any], seconds: float, seed: int) -> dict[str, StructuralVerdict]:
    """Of every quantity whose published verdict is global or local; none if the method does not apply."""
    model = Model.from_equations(
        record["states"], record["outputs"], record["parameters"], inputs=record["inputs"]
    )
    starts = record["known_initial_conditions"]
    options = {"initial": starts} if isinstance(starts, dict) else {"known": starts or ()}
    question = question_of_model(model, **options)
    wanted = {name for name, verdict in record["answer"].items() if verdict in VERDICTS}
    try:
        local = assess_locally(question, seed)
    except CannotDecideError:
        return dict.fromkeys(wanted, StructuralVerdict.UNDETERMINED)
    determined = {
        q.name: bool(local.determined[i]) and q.kind != "state" for i, q in enumerate(question.quantities)
    }
    found = decide_globally(question, determined, seconds, seed)
    known = {q.name for q in question.quantities if q.formula.is_Symbol and str(q.formula) in question.known}
    return {
        name: StructuralVerdict.GLOBAL if name in known else found[name].verdict
        for name in sorted(wanted)
        if name in found
    }


def _fate(verdict: StructuralVerdict | None, published: str) -> str:
    if verdict == VERDICTS[published]:
        return "right"
    return "wrong" if verdict in VERDICTS.values() else "undecided"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
