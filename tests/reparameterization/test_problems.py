"""Problems in new parameters: equal likelihoods, and everything that a file can say about parameters."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import idfit
from idfit.errors import InputError
from idfit.expressions import to_text
from idfit.model import Model
from idfit.problem import Problem
from idfit.reparameterization import Reparameterization, prove, reparameterization_of, reparameterize
from idfit.spec.reading import read_problem
from tests.problems import bolus, data_at, estimated, phosphorylation, product
from tests.reparameterization.combinations import combinations

ROOT = Path(__file__).resolve().parents[2]


def assert_same(old: Problem, maps: Reparameterization, **options) -> Problem:
    """The new problem, after its likelihood was found to be that of the old one at several points."""
    new = maps.apply(old, **options)
    proof = prove(old, new, maps)
    assert int((proof["status"] == 0).sum()) >= 3
    assert float(proof["nllh_difference"].max()) < 1e-8
    assert proof["same_nllh"]
    assert proof["same_predictions"]
    assert int(proof["rank"]) == int(proof["n_unknowns"]) == len(new.parameters)
    return new


def entry(problem: Problem, name: str) -> dict:
    return problem.spec.parameters[name].model_dump(exclude_unset=True)


def test_a_product():
    old = product().problem
    maps = reparameterization_of(old, combinations(["a", "b"], ["a*b"], ["a", "b"]))
    new = assert_same(old, maps)
    assert new.parameters.names == ("a_times_b",)
    assert entry(new, "a_times_b") == {"value": 1.4, "min": 1e-4, "max": 1e4, "scale": "log10"}
    assert new.spec.constants == {"b": 0.7}
    assert new.spec.observables["y"].formula == "a_times_b*x"
    assert maps.to_new({"a": 3.0, "b": 5.0}) == {"a_times_b": 15.0}
    assert maps.to_old({"a_times_b": 15.0}) == pytest.approx({"a": 15.0 / 0.7, "b": 0.7})
    assert maps.to_old({"a_times_b": 15.0}, {"b": 5.0}) == pytest.approx({"a": 3.0, "b": 5.0})


def test_the_held_value_can_be_chosen():
    old = product().problem
    combos = combinations(["a", "b"], ["a*b"], ["a", "b"])
    maps = reparameterization_of(old, combos, normalise={"a": 1})
    new = assert_same(old, maps)
    assert "a" not in new.spec.parameters
    assert not new.spec.constants
    assert maps.to_old({"b_times_a": 6.0}) == {"a": 1.0, "b": 6.0}
    with pytest.raises(InputError, match="gauge 'a'"):
        maps.to_old({"b_times_a": 6.0}, {"a": 2.0})


def test_a_sum_and_a_product():
    """Phosphorylation: s kp and kp + kd; without dephosphorylation (kd = 0) all signs stay possible."""
    old = phosphorylation().problem
    combos = combinations(["kp", "kd", "s"], ["s*kp", "kp + kd"], ["kp", "kd", "s"])
    maps = reparameterization_of(old, combos)
    assert [(g.name, g.value) for g in maps.gauge] == [("kd", 0.0)]
    new = assert_same(old, maps)
    assert set(new.parameters.names) == {"kd_plus_kp", "kp_times_s"}
    space = new.parameters
    assert dict(zip(space.names, space.nominal, strict=True)) == pytest.approx(
        {"kd_plus_kp": 1.0, "kp_times_s": 0.3}
    )
    assert dict(zip(space.names, space.upper, strict=True)) == pytest.approx(
        {"kd_plus_kp": 2e3, "kp_times_s": 1e6}
    )


def test_bioavailability(tmp_path):
    """CL/V and F/V: three parameters of a bolus, of which two quotients act; F = 1 by convention."""
    old = bolus().problem
    combos = combinations(["CL", "V", "F"], ["CL/V", "F/V"], ["CL", "V", "F"])
    maps = reparameterization_of(old, combos, normalise={"F": 1})
    new = assert_same(old, maps)
    assert {n: to_text(f) for n, f in maps.forward.items()} == {"CL_over_F": "CL/F", "V_over_F": "V/F"}
    assert new.spec.conditions["oral"].dose[0].add == {"A": 100}
    # the file that is written is the same problem again
    (tmp_path / "new.toml").write_text(new.to_toml(), encoding="utf-8")
    read, _ = read_problem(tmp_path / "new.toml")
    assert read.model_copy(update={"measurements": new.spec.measurements}) == new.spec


def stat_with_a_start() -> Problem:
    """STAT5 on the published data (Swameye et al. 2003), where the initial amount is estimated as well."""
    spec = idfit.load(ROOT / "models/swameye_jakstat.toml", ROOT / "data/swameye_jakstat.csv").spec
    start = spec.parameters["p1"].model_copy(update={"value": 0.9, "min": 1e-3, "max": 1e3, "unit": "nM"})
    units = {"p2": "1/(nM*min)", "scale_tSTAT": "a.u./nM", "scale_pSTAT": "a.u./nM"}
    parameters = {k: p.model_copy(update={"unit": units.get(k, p.unit)}) for k, p in spec.parameters.items()}
    states = {k: s.model_copy(update={"unit": "nM"}) for k, s in spec.states.items()}
    states["STAT"] = states["STAT"].model_copy(update={"init": "init_STAT"})
    update = {"parameters": parameters | {"init_STAT": start}, "states": states}
    return Problem(spec.model_copy(update=update))


def test_stat5_on_published_data():
    old = stat_with_a_start()
    scaled = ["p2", "scale_tSTAT", "scale_pSTAT"]
    determined = [n for n in old.parameters.names if n not in (*scaled, "init_STAT")]
    combos = combinations(
        old.parameters.names, [*determined, *(f"{n}*init_STAT" for n in scaled)], [*scaled, "init_STAT"]
    )
    maps = reparameterization_of(old, combos)
    new = assert_same(old, maps)
    assert entry(new, "init_STAT") == {"value": 0.9, "fixed": True, "unit": "nM"}
    assert new.parameters.names == (
        "p1", "p2_times_init_STAT", "p3", "p4", "scale_tSTAT_times_init_STAT", "scale_pSTAT_times_init_STAT",
        "offset_tSTAT", "offset_pSTAT",
    )  # fmt: skip
    assert entry(new, "p2_times_init_STAT")["unit"] == "1/min"
    assert entry(new, "scale_tSTAT_times_init_STAT")["unit"] == "a.u."
    assert "p2_times_init_STAT = init_STAT*p2" in new.spec.description


# what files can say about parameters ------------------------------------------------------------------------


def decay(observables=None, **more) -> Problem:
    """y = a b x: the product once more, with room for priors, ties, conditions and events."""
    model = Model.from_equations(
        {"x": "-k*x"}, {"y": "a*b*x"}, ["k", "a", "b"], {"x": 1}, events=more.pop("events", ())
    )
    parameters = {
        "k": estimated(0.5, 1e-2, 10, "log10"),
        "a": estimated(2.0, 0.01, 100, "log10"),
        "b": estimated(0.7, 0.01, 100, "log10"),
    }
    for name, fields in more.pop("parameters", {}).items():
        parameters[name] = parameters.get(name, {}) | fields
    times = more.pop("times", np.linspace(0, 2, 5))
    data = data_at(times, 1.4 * np.exp(-0.5 * np.asarray(times)), **more.pop("columns", {}))
    noise = more.pop("noise", {"y": 0.1})
    return Problem(model, data, parameters=parameters, noise=noise, **more)


def of_product(problem: Problem, **options) -> Reparameterization:
    names = problem.parameters.names
    return reparameterization_of(
        problem, combinations(names, [*(n for n in names if n not in "ab"), "a*b"], ["a", "b"]), **options
    )


def test_log_normal_priors_multiply():
    old = decay(parameters={"a": {"prior": "log-normal(0.5, 0.3)"}, "b": {"prior": "log-normal(-1, 0.4)"}})
    new = assert_same(old, of_product(old))
    assert entry(new, "a_times_b")["prior"] == "log-normal(-0.5, 0.5)"
    old = decay(parameters={n: {"prior": "normal(1, 0.3) on estimation"} for n in "ab"})
    new = assert_same(old, of_product(old))
    prior = new.parameters.prior[new.parameters.names.index("a_times_b")]
    assert (prior.kind, prior.on) == ("normal", "estimation")
    assert (prior.a, prior.b) == pytest.approx((2, 0.3 * math.sqrt(2)))


@pytest.mark.parametrize(
    ("priors", "reason"),
    [
        ({"a": "log-normal(0, 1)"}, "b has no prior"),
        ({"a": "log-normal(0, 1)", "b": "gamma(2, 1)"}, "the prior of b is not that of a normal logarithm"),
        ({"a": "log-normal(0, 1)", "b": "normal(0, 1) on estimation"}, "others of their logarithms"),
        ({"a": "log-normal(0, 1)", "b": "log-normal(0, 1) within bounds"}, "the prior of b is not"),
    ],
)
def test_other_priors_are_refused_or_dropped(priors, reason):
    old = decay(parameters={n: {"prior": p} for n, p in priors.items()})
    maps = of_product(old)
    with pytest.raises(InputError, match=reason):
        maps.apply(old)
    new = maps.apply(old, priors="drop")
    assert new.parameters.prior == (None, None)


def test_priors_of_what_stays_are_kept():
    old = decay(parameters={"k": {"prior": "log-normal(0, 1)"}})
    new = assert_same(old, of_product(old))
    assert entry(new, "k")["prior"] == "log-normal(0, 1)"


def test_ties_noise_and_events_are_rewritten():
    old = decay(
        parameters={"c": {"tie": "a/2"}},
        noise={"y": "0.05*b*c"},
        events=[("t > 0.9", {"x": "x + 0.1*a*b"})],
    )
    new = assert_same(old, of_product(old))
    assert new.spec.parameters["c"].tie == "a_times_b/(2*b)" or "a_times_b" in str(
        new.spec.parameters["c"].tie
    )
    assert new.spec.events["event_1"].set == {"x": "x + 0.1*a_times_b"}


def test_a_condition_that_sets_a_replaced_parameter_keeps_it():
    """a is 3 in the second condition: there y sees b alone, and everything is determined."""
    model = Model.from_equations({"x": "-k*x"}, {"y": "a*b*x"}, ["k", "a", "b", "c"], {"x": 1})
    columns = {
        "condition": ["one", "one", "two", "two"],
        "time": [0.5, 1.0, 0.5, 1.0],
        "value": [1.0, 0.7, 1.9, 1.2],
    }
    old = Problem(
        model,
        columns,
        conditions={"one": {}, "two": {"set": {"a": "3*c"}}},
        parameters={
            n: estimated(v, 0.01, 100, "log10") for n, v in zip("kabc", (0.5, 2, 0.7, 1.3), strict=True)
        },
        noise={"y": 0.1},
    )
    combos = combinations(old.parameters.names, ["k", "a*b", "c*b"], ["a", "b", "c"])
    maps = reparameterization_of(old, combos, normalise=["b"])
    new = assert_same(old, maps)
    assert new.spec.parameters["a"].tie == "a_times_b/b"
    assert new.spec.conditions["two"].set["a"] == "3*c_times_b/b"


def test_a_held_parameter_that_conditions_set_stays_and_counts_elsewhere_only():
    model = Model.from_equations({"x": "-k*x"}, {"y": "a*b*x"}, ["k", "a", "b"], {"x": 1})
    data = {"condition": ["one", "one", "two"], "time": [0.5, 1.0, 0.0], "value": [1.0, 0.7, 0.0]}
    old = Problem(
        model,
        data,
        conditions={"one": {}, "two": {"set": {"b": 0}}},
        parameters={n: estimated(v, 0.01, 100, "log10") for n, v in zip("kab", (0.5, 2, 0.7), strict=True)},
        noise={"y": 0.1},
    )
    maps = of_product(old, normalise=["b"])
    new = assert_same(old, maps)
    assert entry(new, "b") == {"value": 0.7, "fixed": True}
    assert new.spec.observables["y"].formula == "a_times_b*b*x/0.7" or "b" in str(
        new.spec.observables["y"].formula
    )


def test_settings_that_would_change_the_meaning_are_refused():
    old = decay(
        conditions={"one": {}, "two": {"set": {"k": 0.1}}}, columns={"condition": ["one"] * 4 + ["two"]}
    )
    combos = combinations(old.parameters.names, ["k", "a*b*k + k^2"], ["a", "b"])
    maps = reparameterization_of(old, combos)
    if "k" in {str(s) for f in maps.back.values() for s in f.free_symbols}:
        with pytest.raises(InputError, match="speaks of k, which some conditions set"):
            maps.apply(old)
    maps = reparameterization_of(old, manual={"a_times_k": "a*k"}, replacing=["a"])
    with pytest.raises(InputError, match="speaks of k, which some conditions set"):
        maps.apply(old)


def gels(**more) -> Problem:
    """y = scale x0 exp(-k t), with a scale of its own for each gel."""
    model = Model.from_equations({"x": "-k*x"}, {"y": "scale*x"}, ["k", "scale", "x0"], {"x": "x0"})
    parameters = {
        "k": estimated(0.5, 1e-2, 10, "log10"),
        "scale": estimated(2.0, 0.01, 100, "log10"),
        "x0": estimated(0.8, 0.1, 10, "log10"),
    } | more
    times = [0.0, 1.0, 2.0] * 2
    data = data_at(times, 1.6 * np.exp(-0.5 * np.array(times)), gel=["g1"] * 3 + ["g2"] * 3)
    noise = {"y": {"noise": 0.1, "per": {"scale": "gel"}}}
    return Problem(model, data, parameters=parameters, noise=noise)


@pytest.mark.parametrize(
    "formulas",
    [["k", "scale[g1]*x0", "scale[g2]*x0"], ["k", "scale[g1]*x0", "scale[g2]/scale[g1]"]],
    ids=["each with the start", "one with another"],
)
def test_copies_stay_copies(formulas):
    old = gels(**{"scale[g2]": {"value": 3.0, "max": 50}})
    names = old.parameters.names
    maps = reparameterization_of(old, combinations(names, formulas, ["scale[g1]", "scale[g2]", "x0"]))
    new = assert_same(old, maps)
    assert [g.name for g in maps.gauge] == ["x0"], "a start for all cannot depend on the scale of one gel"
    assert new.parameters.names == ("k", "scale_times_x0[g1]", "scale_times_x0[g2]")
    assert new.spec.observables["y"].per == {"scale_times_x0": "gel"}
    assert dict(zip(new.parameters.names, new.parameters.nominal, strict=True)) == pytest.approx(
        {"k": 0.5, "scale_times_x0[g1]": 1.6, "scale_times_x0[g2]": 2.4}
    )
    back = maps.to_old({"k": 1.0, "scale_times_x0[g1]": 1.6, "scale_times_x0[g2]": 2.4})
    assert back == pytest.approx({"k": 1.0, "scale[g1]": 2.0, "scale[g2]": 3.0, "x0": 0.8})


def test_copies_that_differ_are_refused():
    old = gels()
    names = old.parameters.names
    with pytest.raises(InputError, match=r"copies of scale - scale\[g2\] is determined by itself"):
        reparameterize(old, combinations(names, ["k", "scale[g2]", "scale[g1]*x0"], ["scale[g1]", "x0"]))
    combos = combinations(names, ["k", "scale[g1]*x0", "scale[g2]*x0"], ["scale[g1]", "scale[g2]", "x0"])
    with pytest.raises(InputError, match="no choice of a parameter to hold"):
        reparameterize(old, combos, keep=["x0"])


def test_copies_of_a_parameter_for_all_observables():
    model = Model.from_equations({"x": "-k*x"}, {"y": "b*x"}, ["k", "a", "b"], {"x": "a"})
    times = [0.0, 1.0, 2.0] * 2
    data = data_at(times, 1.6 * np.exp(-0.5 * np.array(times)), subject=["s1"] * 3 + ["s2"] * 3)
    parameters = {
        "k": estimated(0.5, 1e-2, 10, "log10"),
        "a": estimated(2.0, 0.01, 100, "log10", per="subject"),
        "b": estimated(0.8, 0.1, 10, "log10"),
    }
    old = Problem(model, data, parameters=parameters, noise={"y": 0.1})
    moving = ["a[s1]", "a[s2]", "b"]
    maps = reparameterization_of(old, combinations(old.parameters.names, ["k", "a[s1]*b", "a[s2]*b"], moving))
    new = assert_same(old, maps)
    assert new.spec.parameters["a_times_b"].per == "subject"
    assert new.spec.states["x"].init == "a_times_b/b"
