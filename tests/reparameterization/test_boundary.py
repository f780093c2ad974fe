"""Limits of models whose boundaries are known, the equations there, and where reductions end."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

import idfit
from idfit.errors import InputError, Interrupted
from idfit.model import Model
from idfit.problem import Problem
from idfit.reparameterization.boundary import (
    Limit,
    find_limits,
    recognise,
    sentence_of,
    snapped,
)
from idfit.reparameterization.geodesic import End, Geodesic
from idfit.reparameterization.limiting import Limiting, limiting
from idfit.reparameterization.reduction import ReductionOptions, reduce, reductions
from idfit.reparameterization.surface import Surface
from idfit.spec.reading import read_model_text
from tests.problems import estimated

TIMES = np.linspace(0.5, 10, 12)


def problem_of(odes, observables, parameters, initial=None, sd=0.01, condition="", **more) -> Problem:
    """A problem with positive parameters and data that were drawn from it."""
    model = Model.from_equations(odes, observables, list(parameters), initial)
    bounds = {
        k: v if isinstance(v, dict) else estimated(v, v * 1e-4, v * 1e4, "log10")
        for k, v in parameters.items()
    }
    rows = [(o, t) for o in observables for t in TIMES]
    data = {"observable": [o for o, _ in rows], "time": [t for _, t in rows], "value": [0.0] * len(rows)}
    if condition:
        data["condition"] = [condition] * len(rows)
    problem = Problem(model, data, parameters=bounds, noise=dict.fromkeys(observables, sd), **more)
    return idfit.simulate_data(problem, problem.parameters.nominal_scaled, seed=1)


def surface_of(problem: Problem) -> Surface:
    return Surface.of(problem, problem.parameters.nominal_scaled)


def limits_of(problem: Problem, number: int = 0) -> set[str]:
    return {limit.sentence for limit in find_limits(surface_of(problem), number)}


def taken(problem: Problem, names: list[str], exponents: list[int], far: float = 5.0) -> Limiting:
    """The limit of parameters that have gone that many factors e from their nominal values."""
    values = dict(zip(problem.parameters.names, problem.parameters.nominal.tolist(), strict=True))
    values |= {n: values[n] * math.exp(far * e) for n, e in zip(names, exponents, strict=True)}
    kind = "together" if len(names) > 1 else ("infinite" if exponents[0] > 0 else "zero")
    sentence = sentence_of(tuple(names), tuple(exponents))
    limit = Limit(kind, sentence, "", values, tuple(names), tuple(exponents))
    return limiting(problem, surface_of(problem), limit)


def predictions(problem: Problem, **values: float) -> np.ndarray:
    natural = dict(zip(problem.parameters.names, problem.parameters.nominal.tolist(), strict=True)) | values
    return idfit.simulate(problem, problem.parameters.to_scaled(natural), rtol=1e-10)["prediction"].values


# which limit ------------------------------------------------------------------------------------------------


def test_two_exponentials():
    two = problem_of({}, {"y": "exp(-k1*t) + exp(-k2*t)"}, {"k1": 0.5, "k2": 1.0})
    assert limits_of(two) == {"k1 = k2", "k2 -> infinity"}


def test_an_amplitude_vanishes():
    small = problem_of({}, {"y": "A*exp(-k*t) + B"}, {"A": 1.0, "k": 0.6, "B": 0.003})
    assert "B -> 0" in limits_of(small)


def test_a_saturation_that_is_never_reached():
    """S' = −Vmax S/(Km + S) with S far below Km is first order: only Vmax/Km is seen."""
    linear = problem_of({"S": "-Vmax*S/(Km + S)"}, {"y": "S"}, {"Vmax": 10.0, "Km": 20.0}, {"S": 1})
    assert "Vmax -> infinity, Km -> infinity with Vmax/Km fixed" in limits_of(linear)


def test_of_a_sum_either_part_vanishes():
    """The fibre a + b = const ends where a = 0 and where b = 0."""
    both = problem_of({"x": "-(a + b)*x"}, {"y": "x"}, {"a": 0.2, "b": 0.3}, {"x": 1})
    assert limits_of(both) == {"a -> 0", "b -> 0"}


def test_of_a_product_either_factor_goes():
    both = problem_of({"x": "-k*x"}, {"y": "a*b*x"}, {"k": 0.3, "a": 2.0, "b": 1.0}, {"x": 1})
    found = find_limits(surface_of(both))
    assert {limit.names for limit in found} == {("a", "b")}
    assert {limit.exponents for limit in found} == {(1, -1), (-1, 1)}
    reduced = limiting(both, surface_of(both), found[0])
    assert reduced.problem.parameters.names == ("k", "a_times_b")


def test_a_bound_that_belongs_to_the_meaning_ends_the_way():
    share = problem_of(
        {}, {"y": "share*exp(-k*t)"}, {"share": estimated(0.9, 0.0, 1.0), "k": 0.5}, sd=0.5
    )  # fmt: skip
    assert "share = 1, its bound" in limits_of(share)
    standing = share.with_parameters({"share": 1.0})
    assert surface_of(standing).names == ("k",)
    assert surface_of(standing).standing == {"share": 1.0}


def test_a_prior_keeps_a_parameter_from_its_limit():
    """What the data leave open goes; what the prior holds does not."""
    parameters = {"A": 1.0, "k": 0.6, "B": 0.003}
    held = problem_of(
        {}, {"y": "A*exp(-k*t) + B"}, parameters, sd=1.0, priors={"B": "normal(-2.5, 0.05) on estimation"}
    )
    assert not any("B ->" in sentence for sentence in limits_of(held))


def test_of_several_on_their_way_one_that_has_arrived_is_named():
    """Two small terms vanish, each at a rate of its own: no ratio of them means anything."""
    parameters = {"A": 1.0, "B": 1e-2, "C": 1e-7}
    surface = surface_of(problem_of({}, {"y": "A*exp(-t) + B + C*t"}, parameters))

    def arrived(direction: list[float]) -> Geodesic:
        end, rows = np.array([direction]), np.zeros(1)
        return Geodesic(End.LENGTH, rows, surface.start[None], end, rows, rows, rows, 0)

    assert recognise(surface, arrived([0.1, -0.9, -0.42])).sentence == "C -> 0"
    nothing = recognise(surface, arrived([0.42, -0.9, -0.1]))
    assert nothing.kind == "undetermined"
    assert "B -0.900" in nothing.evidence


def test_ratios_are_snapped_or_refused():
    assert snapped(np.array([0.51, -0.49, 0.003])).tolist() == [1, -1, 0]
    assert snapped(np.array([0.3, 0.62])).tolist() == [1, 2]
    assert snapped(np.array([1.0, 0.2])) is None
    assert sentence_of(("a", "b"), (1, -2)) == "a -> infinity, b -> 0 with a^2*b fixed"


# the equations there ----------------------------------------------------------------------------------------

ENZYME = {
    "odes": {
        "E": "-kf*E*S + (kr + kcat)*C",
        "S": "-kf*E*S + kr*C",
        "C": "kf*E*S - (kr + kcat)*C",
        "P": "kcat*C",
    },
    "observables": {"product": "P"},
    "parameters": {"kf": 1.0, "kr": 1.0, "kcat": 1.0, "E0": 1.0, "S0": 1.0},
    "initial": {"E": "E0", "S": "S0", "C": 0, "P": 0},
}


def test_rapid_equilibrium_of_an_enzyme():
    """kf, kr → ∞: C = K E S, and the free substrate follows from what is conserved (Lee & Othmer 2010)."""
    found = taken(problem_of(**ENZYME), ["kf", "kr"], [1, 1])
    assert found.exact
    assert tuple(found.problem.spec.states) == ("E", "S", "P")
    p = predictions(found.problem, kf_over_kr=3.0, kcat=0.7, E0=0.4, S0=2.0)
    # total substrate T' = −kcat C(T), with C from (E0 − C)(T − C) = C/K: a scalar equation
    K, kcat, E0, S0 = 3.0, 0.7, 0.4, 2.0

    def complex_at(total):
        b = E0 + total + 1 / K
        return 0.5 * (b - math.sqrt(b * b - 4 * E0 * total))

    exact = solve_ivp(
        lambda t, y: [-kcat * complex_at(y[0])], (0, 10), [S0], t_eval=TIMES, rtol=1e-10, atol=1e-12
    )
    assert_allclose(p, S0 - exact.y[0], rtol=1e-6)


def test_the_quasi_steady_state_of_a_scarce_enzyme():
    """All rates → ∞ and E0 → 0 with their ratios fixed is S' = −V S/(Km + S): states are measured anew."""
    found = taken(problem_of(**ENZYME), ["kf", "kr", "E0", "kcat"], [1, 1, -1, 1])
    assert found.exact
    assert "C" not in found.problem.spec.states
    p = predictions(found.problem, kf_over_kcat=2.0, kr_over_kcat=0.6, E0_times_kcat=0.5, S0=2.0)
    michaelis = problem_of(
        {"S": "-V*S/(Km + S)"}, {"product": "S0 - S"}, {"V": 0.5, "Km": 0.8, "S0": 2.0}, {"S": "S0"}
    )
    assert_allclose(p, predictions(michaelis), rtol=1e-6)


def test_an_emptying_state_is_passed_at_once():
    """A → B → C with the second step infinitely fast is A → C, for a dimer at half the rate."""
    chain = problem_of(
        {"A": "-k1*A", "B": "k1*A - 2*k2*B^2", "C": "k2*B^2 - k3*C"},
        {"b": "B + 2*C"},
        {"k1": 0.5, "k2": 30.0, "k3": 0.2, "A0": 1.0},
        {"A": "A0"},
    )
    found = taken(chain, ["k2"], [1], far=8)
    assert found.exact
    assert found.problem.spec.odes == {"A": "-A*k1", "C": "0.5*A*k1 - C*k3"}
    assert found.problem.spec.observables["b"].formula == "2*C"
    k1, k3 = 0.5, 0.2
    exact = k1 / (k1 - k3) * (np.exp(-k3 * TIMES) - np.exp(-k1 * TIMES))
    assert_allclose(predictions(found.problem), exact, rtol=1e-6)


def test_what_starts_in_an_emptying_state_is_moved():
    chain = problem_of(
        {"B": "-k*B", "C": "k*B - d*C"}, {"c": "C"}, {"k": 50.0, "d": 0.2, "B0": 2.0}, {"B": "B0"}
    )
    found = taken(chain, ["k"], [1])
    assert found.problem.spec.states["C"].init == "B0"
    assert_allclose(predictions(found.problem), 2 * np.exp(-0.2 * TIMES), rtol=1e-6)


def test_a_vanishing_rate_takes_its_reaction_away():
    problem = idfit.load("models/boehm.toml", "data/boehm.csv")
    found = taken(problem, ["k_exp_hetero"], [-1])
    assert found.exact
    assert found.problem.spec.reactions.keys() == problem.spec.reactions.keys() - {"export_AB"}


@pytest.mark.parametrize(
    ("parameters", "odes", "names", "says"),
    [
        ({"k": 50.0}, {"A": "-k*A*B", "B": "-k*A*B"}, ["k"], "more than one way"),
        ({"n": 2.0, "k": 1.0}, {"A": "-k*A^n/(1 + A^n)", "B": "-B"}, ["n"], "cannot be expanded"),
    ],
)
def test_what_cannot_be_taken_exactly_is_held_and_says_so(parameters, odes, names, says):
    problem = problem_of(odes, {"a": "A"}, parameters, {"A": 2, "B": 1})
    found = taken(problem, names, [1], far=1)
    assert not found.exact
    assert says in found.how
    assert names[0] not in found.problem.parameters.names
    assert found.problem.spec.parameters[names[0]].fixed


def test_one_of_several_copies_vanishes():
    problem = idfit.load("models/indomethacin.toml", "data/indomethacin.csv")
    found = taken(problem, ["k10[subject_04]"], [-1])
    assert found.exact
    assert found.problem.spec.parameters["k10[subject_04]"].value == 0
    assert len(found.problem.parameters) == len(problem.parameters) - 1


def test_a_dose_into_an_emptying_state_passes_through_it():
    """Absorption at once makes a dose by mouth one into the blood."""
    warfarin = idfit.load("models/warfarin.toml", "data/warfarin.csv")
    found = taken(warfarin, ["ka"], [1])
    assert found.exact
    (dose,) = found.problem.spec.conditions["subject_01"].dose
    assert dose.add == {"C": "100/V"}
    assert list(found.problem.spec.states) == ["C", "PCA"]


def test_conditions_that_fill_an_emptying_state_fill_what_follows():
    chain = problem_of(
        {"B": "-k*B", "C": "k*B/2 - d*C"},
        {"c": "C"},
        {"k": 50.0, "d": 0.2},
        {"B": 1, "C": 0.5},
        conditions={"full": {"set": {"B": 3}}},
        condition="full",
    )
    found = taken(chain, ["k"], [1])
    assert found.exact
    assert found.problem.spec.states["C"].init == 1
    assert found.problem.spec.conditions["full"].set == {"C": 2}
    assert_allclose(predictions(found.problem), 2 * np.exp(-0.2 * TIMES), rtol=1e-6)


def test_what_a_reversible_process_shares_out_is_not_dosed():
    problem = problem_of(
        {"A": "-k*A*E + r*C", "E": "-k*A*E + r*C", "C": "k*A*E - r*C"},
        {"a": "A"},
        {"k": 50.0, "r": 20.0},
        {"A": 1, "E": 1},
        conditions={"default": {"dose": [{"time": 2.0, "add": {"A": 1}}]}},
    )
    found = taken(problem, ["k", "r"], [1, 1], far=2)
    assert not found.exact
    assert "shared out" in found.how


def test_an_undetermined_limit_is_no_problem():
    problem = problem_of(**ENZYME)
    with pytest.raises(InputError, match="another direction"):
        limiting(problem, surface_of(problem), Limit("undetermined", "no limit", "it turns", {}))


# reductions -------------------------------------------------------------------------------------------------


def test_a_reduction_ends_at_what_the_data_need():
    problem = problem_of(
        {"S": "-Vmax*S/(Km + S)"},
        {"y": "s*S + b"},
        {"Vmax": 50.0, "Km": 100.0, "s": 1.0, "b": 1e-3},
        {"S": 1},
    )
    fit = idfit.fit(problem, n_starts=0, nominal=True, seed=1)
    result = reduce(problem, fit)
    accepted = result["accepted"].values
    assert accepted.tolist() == [True, True, True, False]
    assert sorted(result["limit"].values[1:3]) == [
        "Vmax -> infinity, Km -> infinity with Vmax/Km fixed",
        "b -> 0",
    ]
    assert result["exact"].values[:3].all()
    assert result["n_parameters"].values[:3].tolist() == [4, 3, 2]
    assert result["rise_in_all"].values[2] < 3
    assert (np.diff(result["bic"].values[:3]) < 0).all()
    assert "fits worse" in result.attrs["ended"]
    theta = result["theta"].sel(step=2, parameter="Vmax_over_Km")
    assert float(theta) == pytest.approx(0.5, rel=0.05)
    # the model of each step is a file that loads, and fits as it says
    for step in range(3):
        again = Problem(read_model_text(str(result["model"].values[step]))[0], problem.spec.measurements)
        nllh = again.objective()(again.parameters.nominal_scaled, 0).nllh
        assert nllh == pytest.approx(float(result["nllh"][step]), abs=1e-6)


def test_an_enzyme_is_reduced_to_michaelis_and_menten():
    """Binding is fast, then the enzyme scarce: 5 parameters become V, K and S0 (Transtrum & Qiu 2014)."""
    values = {"kf": 20.0, "kr": 5.0, "kcat": 5.0, "E0": 0.1, "S0": 2.0}
    problem = problem_of(**(ENZYME | {"parameters": values}))
    fit = idfit.fit(problem, n_starts=0, nominal=True, seed=1)
    *_, second = reductions(problem, fit, steps=2)
    assert second.accepted
    assert second.limiting is not None
    assert second.limiting.exact
    assert second.problem.parameters.names == ("kf_over_kr", "E0_times_kcat", "S0")
    p = predictions(second.problem, kf_over_kr=2.0, E0_times_kcat=0.5, S0=2.0)
    michaelis = problem_of(
        {"S": "-V*S/(Km + S)"}, {"product": "S0 - S"}, {"V": 0.5, "Km": 0.5, "S0": 2.0}, {"S": "S0"}
    )
    assert_allclose(p, predictions(michaelis), rtol=1e-6)


def test_a_fit_of_another_problem_is_refused():
    problem = problem_of({}, {"y": "a*exp(-k*t)"}, {"a": 1.0, "k": 0.5})
    fit = idfit.fit(problem, n_starts=0, nominal=True, seed=1)
    with pytest.raises(InputError, match="fit this problem first"):
        reduce(problem.fix(a=1.0), fit)
    assert len(list(reductions(problem, fit, steps=0))) == 1
    stop = np.zeros(1, dtype=np.int64)
    steps = reductions(problem, fit, runner=idfit.Runner(stop=stop))
    assert next(steps).limit is None
    stop[0] = 1
    with pytest.raises(Interrupted):
        next(steps)
    with pytest.raises(InputError, match="ci_prob"):
        ReductionOptions(ci_prob=1.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "limits", "rises", "nllh", "bic"),
    [
        (
            "boehm",
            ["k_imp_homo -> infinity", "k_exp_hetero -> 0"],
            [-1.9e-5, -0.024, 19.7],
            138.1979,
            303.49,
        ),
        (
            "swameye_jakstat",
            ["p2 -> infinity", "offset_pSTAT -> 0", "offset_tSTAT -> 0"],
            [-0.095, 0.012, 0.418, 52.1],
            -49.0201,
            -80.87,
        ),
    ],
)
def test_published_models_lose_what_their_profiles_leave_open(name, limits, rises, nllh, bic):
    problem = idfit.load(f"models/{name}.toml", f"data/{name}.csv")
    fit = idfit.fit(problem, n_starts=0, nominal=True, seed=1)
    *steps, last = reductions(problem, fit)
    best = steps[-1]
    assert [step.limit.sentence for step in steps[1:] if step.limit] == limits
    assert all(step.accepted and step.limiting and step.limiting.exact for step in steps[1:])
    assert not last.accepted
    assert [step.rise for step in (*steps[1:], last)] == pytest.approx(rises, rel=0.02, abs=1e-5)
    assert len(best.problem.parameters) == len(problem.parameters) - len(limits)
    assert best.nllh == pytest.approx(nllh, abs=1e-3)
    assert float(best.fit.attrs["bic"]) == pytest.approx(bic, abs=0.02)
    before, after = idfit.profile(problem, fit), idfit.profile(best.problem, best.fit)
    verdicts = dict(zip(before["profiled"].values, before["verdict_label"].values, strict=True))
    names = [limit.split(" ")[0] for limit in limits]
    sides = ["open_above" if "infinity" in limit else "open_below" for limit in limits]
    assert {n: v for n, v in verdicts.items() if v != "identifiable"} == dict(zip(names, sides, strict=True))
    assert set(after["verdict_label"].values) == {"identifiable"}
