"""Global verdicts: is a quantity that data determine locally the only value compatible with them?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from idfit.expressions import names_in
from idfit.formats.child import ask_within
from idfit.results import StructuralVerdict
from idfit.structural.input_output import Dynamics
from idfit.structural.question import Question
from idfit.structural.question_text import to_plain

_CHILD = "idfit.structural.global_child"
# of the time that is left
_SHORT = 0.1  # for a first attempt with input-output equations
_FOR_QUOTIENTS = 0.75  # of their coefficients
_SHARE = 0.5  # for another attempt
_TO_ANSWER = 0.8  # of its time after which a search begins nothing new: a new child takes some to begin
_REPEATED = 0.25  # a proof that took no more than this share of the time is repeated at another point

Outputs = dict[int, list[int]]


@dataclass(frozen=True)
class Decision:
    """A verdict and how it came about, in words."""

    verdict: StructuralVerdict
    how: str


def decide_globally(
    question: Question, local: Mapping[str, bool], time_limit: float = 30.0, seed: int = 0
) -> dict[str, Decision]:
    """For each quantity with `local[name]`, other than courses of states: global, local or at least local.

    A quantity is global if the equations that ideal data fulfil have one solution for it, and local if
    another one was counted (both over the complex numbers, at random points modulo a prime). Everything runs
    in a child process, which is ended after `time_limit` seconds; what was decided by then stays.
    """
    wanted = [i for i, q in enumerate(question.quantities) if q.kind != "state" and local.get(q.name, False)]
    search = _Search(question, wanted, time.monotonic() + time_limit, seed)
    search.run()
    names = [q.name for q in question.quantities]
    open_ = Decision(
        StructuralVerdict.AT_LEAST_LOCAL, search.reason or f"not decided within {time_limit:g} s"
    )
    return {names[i]: search.decided.get(i, open_) for i in wanted}


class _Search:
    """Questions to the child, cheap ones first, until the time is over or everything is decided."""

    def __init__(self, question: Question, wanted: Sequence[int], end: float, seed: int):
        self.question, self.plain = question, to_plain(question)
        self.open, self.end, self.seed = list(wanted), end, seed
        self.decided: dict[int, Decision] = {}
        self.unique: set[str] = set()
        self.reason = ""

    def run(self) -> None:
        if self.question.orders is None and not self.question.constraints:
            late = [part for part in _parts(self.question) if not self._by_input_output(part, _SHORT)]
            if late:
                self._by_quotients()
            for part in late:
                self._by_input_output(part, _SHARE)
        if self._goes_on:
            self._by_fibre()

    @property
    def _goes_on(self) -> bool:
        return bool(self.open) and not self.reason

    @property
    def _left(self) -> float:
        return self.end - time.monotonic()

    def _by_input_output(self, outputs: Outputs, share: float) -> bool:
        """False if the time was too short."""
        if not self._goes_on:
            return True
        everything = outputs == _all_outputs(self.question)
        request = {
            **self._request("input-output"),
            "outputs": outputs,
            "counts": everything and _starts_say_nothing(self.question),
        }
        begin = time.monotonic()
        answer = ask_within(_CHILD, request, share * self._left)
        if answer is None or "reason" in answer:
            self.reason = "" if answer is None else answer["reason"]
            return answer is not None
        again = None
        if time.monotonic() - begin < _REPEATED * self._left:
            again = ask_within(_CHILD, {**request, "seed": self.seed + 1}, self._left)
        self._take(answer, again)
        return True

    def _by_quotients(self) -> None:
        if not self._goes_on or not self.question.generic:
            return
        begin, seconds = time.monotonic(), _FOR_QUOTIENTS * self._left
        request = {**self._request("quotients"), "seconds": _TO_ANSWER * seconds}
        answer = ask_within(_CHILD, request, seconds) or {}
        found, unique = answer.get("found", []), answer.get("unique", [])
        points = "at 1 random point"
        if (found or unique) and time.monotonic() - begin < _REPEATED * self._left:
            again = ask_within(_CHILD, {**request, "seed": self.seed + 1}, seconds)
            if again is not None and "found" in again:
                found = [i for i in found if i in again["found"]]
                unique = [n for n in unique if n in again["unique"]]
                points = "at 2 random points"
        how = f"quotients of coefficients of the input-output equations have one solution for it, {points}"
        for i in map(int, found):
            self.decided[i] = Decision(StructuralVerdict.GLOBAL, how)
            self.open.remove(i)
        self.unique |= set(unique)

    def _request(self, method: str) -> dict[str, Any]:
        return {
            "method": method,
            "question": self.plain,
            "quantities": self.open,
            "unique": sorted(self.unique),
            "seed": self.seed,
        }

    def _by_fibre(self) -> None:
        answer = ask_within(_CHILD, self._request("fibre"), self._left) or {}
        for i, (verdict, how) in answer.get("found", {}).items():
            if verdict in (
                StructuralVerdict.GLOBAL,
                StructuralVerdict.LOCAL,
                StructuralVerdict.AT_LEAST_LOCAL,
            ):
                self.decided[int(i)] = Decision(StructuralVerdict(verdict), how)
            else:
                how = "its rank at random points and the fibre of another one contradict each other"
                self.decided[int(i)] = Decision(StructuralVerdict.AT_LEAST_LOCAL, how)

    def _take(self, answer: dict[str, Any], again: dict[str, Any] | None) -> None:
        found = answer["found"]
        for i in [i for i in self.open if str(i) in found]:
            n_values, at_most = found[str(i)]
            if again is not None and again.get("found", {}).get(str(i)) != [n_values, at_most]:
                how = "two random points contradict each other about the input-output equations"
                self.decided[i] = Decision(StructuralVerdict.AT_LEAST_LOCAL, how)
            else:
                self.decided[i] = _decision(n_values, at_most, 1 if again is None else 2)
            self.open.remove(i)
        if again is not None:
            self.unique |= set(answer["unique"]) & set(again.get("unique", []))


def _decision(n_values: int, at_most: bool, n_points: int) -> Decision:
    points = f"at {n_points} random point{'s' if n_points > 1 else ''}"
    if n_values == 1:
        return Decision(
            StructuralVerdict.GLOBAL, f"the input-output equations have one solution for it, {points}"
        )
    number = f"{n_values}" if at_most else f"{n_values} or more"
    return Decision(
        StructuralVerdict.LOCAL, f"{number} values of it have the same input-output equations, {points}"
    )


def _all_outputs(question: Question) -> Outputs:
    return {i: list(range(len(e.outputs))) for i, e in enumerate(question.experiments)}


def _parts(question: Question) -> Iterator[Outputs]:
    """Outputs that feel few states first, all of them last."""
    felt = {}
    for i, e in enumerate(question.experiments):
        dynamics = Dynamics.of(e, question.unknowns)
        for j, output in enumerate(dynamics.outputs):
            felt[i, j] = frozenset(dynamics.part([output]).odes)
    done: list[Outputs] = []
    for states in sorted(set(felt.values()), key=lambda s: (len(s), sorted(s))):
        part: Outputs = {}
        for (i, j), other in felt.items():
            if other <= states:
                part.setdefault(i, []).append(j)
        if part not in done:
            done.append(part)
            yield part
    if (everything := _all_outputs(question)) not in done:
        yield everything


def _starts_say_nothing(question: Question) -> bool:
    """Whether equal input-output equations mean that all outputs can be equal: no start, no noise level and
    no measurement besides outputs tells more."""
    if not question.generic or question.orders is not None:
        return False
    for e in question.experiments:
        if e.start_outputs or {str(start) for start in e.start} & set(question.known):
            return False
        acting = {n for f in (*e.odes, *(f for _, f in e.outputs)) for n in names_in(f)}
        if acting & {n for _, f in e.noise for n in names_in(f)} & set(question.unknowns):
            return False
    return True
