"""Functions of the unknowns that the outputs determine, where the unknowns themselves they do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy
import xarray as xr

from idfit.expressions import names_in, to_text
from idfit.model import Model
from idfit.numerics.modular import PRIMES
from idfit.problem import Problem
from idfit.results import dataset
from idfit.structural.fibre import Fibre, Points, Work, residues
from idfit.structural.from_model import question_of_model
from idfit.structural.from_problem import question_of_problem
from idfit.structural.grading import gradings
from idfit.structural.invariants import invariants
from idfit.structural.observation import Observation, Observer
from idfit.structural.question import Question
from idfit.structural.rational import product, rank
from idfit.structural.readable import kind_of, readable
from idfit.structural.symmetries import Symmetry, symmetries

_CHECK_POINTS = 3
_TOO_MUCH_WORK = "the search was ended at its limit of work"
_NO_SUCH_FORMULA = "products of powers and short sums of them do not account for all"
#: elementary operations that the search for combinations may take: some seconds, and four times what any
#: combination of the published models took
MOST_WORK = 2e9


@dataclass(frozen=True)
class Combinations:
    """functions : independent functions of the unknowns, determined up to finitely many values; null_space :
    (direction, unknown) at one point; complete : whether there are as many as the null space leaves, checked
    at other points modulo two primes; incomplete : why there are not, "" if there are."""

    functions: tuple[sympy.Expr, ...]
    symmetries: tuple[Symmetry, ...]
    null_space: np.ndarray
    incomplete: str

    @property
    def complete(self) -> bool:
        return not self.incomplete


def find_combinations(
    subject: Model | Problem,
    *,
    known: Iterable[str] = (),
    initial: Mapping[str, str | sympy.Expr] | None = None,
    experiments: int = 1,
    seed: int = 0,
) -> xr.Dataset:
    """The combinations of unknown parameters and starts that outputs of this kind determine.

    A function f is determined where grad f · N = 0 for the null space N of the outputs' power series. There
    are as many independent ones as unknowns less directions; those found are chosen for being short:
    parameters, products of powers, sums, ratios of these.

    subject : a Problem, asked about its own experiments, or a Model, with `known` parameters and starts,
    `initial` formulas of starts and a number of `experiments`. seed : of the random points.

    Returns a dataset of the group ``combinations``: `formula(combination)`, which `idfit.expressions.parse`
    reads, with its `kind` and the unknowns that it `uses`; the symmetries that explain the null space, in
    words and as rates of change (`generator`); `complete`: whether the combinations account for every
    direction, checked at three other random points modulo two primes. In formulas the name of a state means
    its start. The attrs hold ``assumptions``, the ``unexplained`` unknowns, which move along directions
    for which no symmetry was found, and why the combinations are ``incomplete`` ("" if they are not): none of
    the kinds that are tried, or the search has ended at `MOST_WORK` elementary operations, which are counted,
    so that it ends at the same place on every machine.

    Errors: `InputError` for names that the model does not have; `CannotDecideError` for equations that power
    series do not cover.

    Source: Merkt et al., Phys. Rev. E 92:012920 (2015), for the ansatz; Sedoglavic, J. Symb. Comput. 33:735
    (2002), for the null space.

    >>> from idfit.model import Model
    >>> model = Model.from_equations({"x": "-a*b*x"}, {"y": "x"}, ["a", "b"])
    >>> found = find_combinations(model)
    >>> found["formula"].values.tolist(), bool(found["complete"])
    (['x', 'a*b'], True)
    >>> found["symmetry_formula"].item()
    'a can be multiplied by any factor while b is divided by it'
    """
    if isinstance(subject, Problem):
        question = question_of_problem(subject)
    else:
        question = question_of_model(subject, known, initial, experiments=experiments)
    found = combinations_of(question, seed)
    return _dataset(question, found, seed)


def combinations_of(question: Question, seed: int = 0) -> Combinations:
    """The same for a question, as formulas."""
    question = with_noise_observed(question)
    observer = Observer(question)
    work = Work(MOST_WORK)
    fibre = _fibre(question, Points(observer, seed, PRIMES[0], work), work)
    sample = fibre.draw(2)
    columns = sorted(frozenset().union(*sample.supports))
    still = [x for i, x in enumerate(fibre.coordinates) if i not in columns]
    moving = fibre.part(columns, range(len(sample.supports)))
    order = {x: i for i, x in enumerate((*fibre.coordinates, *fibre.constants))}
    functions = [*still, *(readable(f, order) for f in invariants(moving))]
    functions, complete = _proved(functions, observer, seed)
    why = _TOO_MUCH_WORK if work.used_up else _NO_SUCH_FORMULA
    return Combinations(
        functions=tuple(functions),
        symmetries=tuple(symmetries(moving)),
        null_space=sample.tangents[0],
        incomplete="" if complete else why,
    )


def with_noise_observed(question: Question) -> Question:
    """The question where noise levels are outputs too, since the scatter of data tells them."""
    experiments = tuple(replace(e, outputs=(*e.outputs, *e.noise), noise=()) for e in question.experiments)
    return replace(question, experiments=experiments)


def _fibre(question: Question, points: Points, work: Work) -> Fibre:
    unknowns = tuple(sympy.Symbol(name) for name in question.unknowns)
    known = tuple(sympy.Symbol(name) for name in question.known)
    weights = gradings(question)
    return Fibre(
        coordinates=unknowns,
        constants=known,
        weight={x: weights[x.name] for x in (*unknowns, *known)},
        starts=frozenset(x for x in unknowns if x.name not in _in_equations(question)),
        prime=points.prime,
        draw=points.draw,
        work=work,
    )


def _in_equations(question: Question) -> set[str]:
    """Names beside states in equations: parameters. Unknowns that are not among them matter at the start
    only."""
    return {
        name
        for e in question.experiments
        for formula in (*e.odes, *(f for _, f in (*e.outputs, *e.start_outputs)))
        for name in names_in(formula) - set(e.states)
    }


def _proved(functions: Sequence[sympy.Expr], observer: Observer, seed: int) -> tuple[list[sympy.Expr], bool]:
    """Those functions that are constant along every direction at fresh points modulo two primes, and whether
    there are independent ones enough."""
    looks = [observer.observe(_CHECK_POINTS, seed + 7, prime) for prime in PRIMES[:2]]
    slopes: list[dict[Any, Any]] = [{x: sympy.diff(f, x) for x in f.free_symbols} for f in functions]
    names = (observer.question.unknowns, observer.question.known)
    gradients = [_gradients(slopes, look, *names) for look in looks]
    constant = np.ones(len(functions), dtype=bool)
    for look, gradient in zip(looks, gradients, strict=True):
        for at, directions in zip(gradient, look.null_space, strict=True):
            constant &= ~product(at, directions.T, look.prime).any(axis=1)
    kept = np.flatnonzero(constant).tolist()
    complete = all(
        len(look.null_space) > 1
        and len(kept) == rank(at[kept], look.prime) == at.shape[1] - look.null_space.shape[1]
        for look, gradient in zip(looks, gradients, strict=True)
        for at in gradient
    )
    return [functions[i] for i in kept], complete


def _gradients(
    slopes: Sequence[Mapping[Any, Any]],
    look: Observation,
    unknowns: Sequence[str],
    known: Sequence[str],
) -> np.ndarray:
    """Derivatives (point, function, unknown)."""
    columns = np.concatenate([look.values, look.known_values], axis=1).T
    names = dict(zip(map(sympy.Symbol, (*unknowns, *known)), columns, strict=True))
    result = np.zeros((len(look.values), len(slopes), len(unknowns)), dtype=np.int64)
    for f, slope in enumerate(slopes):
        for i, name in enumerate(unknowns):
            if (x := sympy.Symbol(name)) in slope:
                result[:, f, i] = residues(slope[x], names, look.prime)
    return result


# --- as a dataset -------------------------------------------------------------------------------------------


def _dataset(question: Question, found: Combinations, seed: int) -> xr.Dataset:
    unknowns = [sympy.Symbol(name) for name in question.unknowns]
    kinds = [kind_of(f) for f in found.functions]
    variables: dict[str, Any] = {
        "formula": [to_text(f) for f in found.functions],
        "kind": kinds,
        "uses": np.array([[x in f.free_symbols for x in unknowns] for f in found.functions]),
        "exponent": np.array(
            [
                [
                    float(f.as_powers_dict().get(x, 0)) if kind in ("parameter", "monomial") else np.nan
                    for x in unknowns
                ]
                for f, kind in zip(found.functions, kinds, strict=True)
            ]
        ),
        "symmetry_formula": [s.sentence for s in found.symmetries],
        "symmetry_kind": [s.kind for s in found.symmetries],
        "generator": [[to_text(s.rates.get(x, sympy.S.Zero)) for x in unknowns] for s in found.symmetries],
        "involved": found.null_space != 0,
        "nullity": len(found.null_space),
        "complete": found.complete,
    }
    shapes = {
        "uses": len(found.functions),
        "exponent": len(found.functions),
        "generator": len(found.symmetries),
    }
    for name, n in shapes.items():
        variables[name] = np.asarray(variables[name]).reshape(n, len(unknowns))
    coords = {
        "combination": np.arange(len(found.functions)),
        "unknown": list(question.unknowns),
        "direction": np.arange(len(found.null_space)),
        "symmetry": np.arange(len(found.symmetries)),
    }
    attrs = {
        "assumptions": " ".join(question.assumptions),
        "unexplained": _unexplained(question, found),
        "incomplete": found.incomplete,
        "seed": seed,
    }
    return dataset("combinations", variables, coords, attrs)


def _unexplained(question: Question, found: Combinations) -> str:
    """The unknowns of coupled directions of which symmetries explain fewer than there are."""
    groups: list[set[str]] = []
    for row in found.null_space != 0:
        together = {name for name, moved in zip(question.unknowns, row, strict=True) if moved}
        groups = [g for g in groups if not g & together] + [
            together.union(*(g for g in groups if g & together))
        ]
    lacking: set[str] = set()
    for group in groups:
        directions = sum(
            1 for row in found.null_space if {question.unknowns[i] for i in np.flatnonzero(row)} <= group
        )
        explained = sum(1 for s in found.symmetries if {x.name for x in s.rates} <= group)
        lacking |= group if explained < directions else set()
    return ", ".join(name for name in question.unknowns if name in lacking)
