"""What a `Problem` promises: names, scales, new problems from old ones, evaluations, and refusals."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import idfit
from idfit.errors import InputError
from idfit.model import Model
from idfit.problem import Problem, build
from idfit.results import Status
from tests.problems import estimated, exponential_decay

MODEL = """\
idfit = 1
[states]
A = { init = "A0" }
[odes]
A = "-k*A"
[parameters]
A0 = { value = 2, min = 0.1, max = 10 }
k = { value = 0.5, min = 1e-3, max = 1e2, scale = "log10", prior = "normal(0.5, 0.2)" }
sd = { value = 0.1, min = 1e-3, max = 1e1, scale = "log" }
[observables]
y = { formula = "A", noise = "sd" }
[conditions.low]
[conditions.high]
set = { A0 = 5 }
"""
DATA = "condition,time,observable,value\nlow,2,y,0.8\nhigh,1,y,3.1\nlow,0,y,1.9\nhigh,1,y,3.0\n"


@pytest.fixture
def problem(tmp_path) -> Problem:
    (tmp_path / "model.toml").write_text(MODEL)
    (tmp_path / "data.csv").write_text(DATA)
    return idfit.load(tmp_path / "model.toml", tmp_path / "data.csv")


def value_of(problem: Problem, order=0, **natural: float):
    theta = problem.parameters.to_scaled({n: natural[n] for n in problem.parameters.names})
    return problem.objective(1e-10)(theta, order)


def one_state(noise=0.1, data=None, **more) -> Problem:
    """A' = -k A, A(0) = 1 with k on the linear scale, and whatever is given."""
    model = Model.from_equations({"A": "-k*A"}, {"y": "A"}, ["k"], {"A": 1})
    parameters = {"k": estimated(0.5, 0.01, 10)} | more.pop("parameters", {})
    data = {"time": [1.0, 2.0], "value": [0.7, 0.3]} if data is None else data
    return Problem(model, data, noise={"y": noise}, parameters=parameters, **more)


# loading and parameters -------------------------------------------------------------------------------------


def test_a_loaded_problem(problem):
    parameters = problem.parameters
    assert parameters.names == ("A0", "k", "sd")  # in the order of the file
    assert parameters.scale == ("lin", "log10", "log")
    np.testing.assert_array_equal(parameters.lower, [0.1, 1e-3, 1e-3])
    np.testing.assert_array_equal(parameters.upper, [10, 1e2, 1e1])
    np.testing.assert_array_equal(parameters.nominal, [2, 0.5, 0.1])
    np.testing.assert_allclose(parameters.nominal_scaled, [2, math.log10(0.5), math.log(0.1)])
    assert "1 states, 3 estimated parameters, 4 measurements" in repr(problem)


def test_the_objective_in_the_order_of_the_data(problem):
    """Rows of two conditions in any order of times; replicates; a parameter that one condition sets."""
    ev = value_of(problem, 1, A0=2, k=0.5, sd=0.1)
    predicted = np.array([2 * np.exp(-1), 5 * np.exp(-0.5), 2, 5 * np.exp(-0.5)])
    measured = np.array([0.8, 3.1, 1.9, 3.0])
    np.testing.assert_allclose(ev.prediction, predicted, rtol=1e-8)
    np.testing.assert_allclose(ev.sigma, 0.1, rtol=1e-15)
    np.testing.assert_allclose(ev.residual, (predicted - measured) / 0.1, rtol=1e-6)
    assert ev.nllh == pytest.approx(-stats.norm(predicted, 0.1).logpdf(measured).sum(), rel=1e-8)
    assert ev.nlprior == pytest.approx(-stats.norm(0.5, 0.2).logpdf(0.5), rel=1e-12)
    assert ev.objective == pytest.approx(ev.nllh + ev.nlprior, rel=1e-15)
    assert ev.status is Status.OK
    np.testing.assert_array_equal(ev.jacobian[[1, 3], 0], 0)  # the high condition does not know A0
    assert (ev.jacobian[[0, 2], 0] > 0).all()


def test_scaled_and_natural_values(problem):
    parameters = problem.parameters
    natural = np.array([[2, 0.1, 1.0], [3, 10, 0.01]])
    scaled = parameters.to_scaled(natural)
    np.testing.assert_allclose(scaled, [[2, -1, 0], [3, 1, math.log(0.01)]], atol=1e-15)
    np.testing.assert_allclose(parameters.to_natural(scaled), natural, rtol=1e-14)
    np.testing.assert_array_equal(parameters.to_scaled({"sd": 1.0, "A0": 2, "k": 0.1}), scaled[0])
    for bad in ({"k": 1}, {"A0": 1, "k": 1, "sd": 1, "z": 1}, [1.0, 2.0]):
        with pytest.raises(InputError):
            parameters.to_scaled(bad)
    with pytest.raises(InputError, match="'z' is not an estimated parameter; these are: A0, k, sd"):
        problem.fix(z=1)


def test_a_value_that_is_not_given_is_the_middle_of_its_bounds():
    parameters = {"k": {"min": 1e-4, "max": 1e2, "scale": "log10"}}
    space = one_state(parameters=parameters).parameters
    assert np.isnan(space.nominal).all()
    assert space.nominal_scaled == pytest.approx(-1)


def test_theta_of_a_wrong_shape_is_refused(problem):
    with pytest.raises(InputError, match=r"\(2,\) was given for 3"):
        problem.objective()(np.zeros(2))


# new problems -----------------------------------------------------------------------------------------------


def test_fixing_makes_a_new_problem(problem):
    fixed = problem.fix(k=0.3)
    assert fixed.parameters.names == ("A0", "sd")
    assert problem.parameters.names == ("A0", "k", "sd")
    whole, part = value_of(problem, 1, A0=2, k=0.3, sd=0.2), value_of(fixed, 1, A0=2, sd=0.2)
    assert part.nllh == pytest.approx(whole.nllh, rel=1e-9)
    assert part.nlprior == 0
    np.testing.assert_allclose(part.gradient, whole.gradient[[0, 2]], rtol=1e-6)
    np.testing.assert_allclose(part.fim, whole.fim[np.ix_([0, 2], [0, 2])], rtol=1e-6)


def test_selecting_conditions(problem):
    low = problem.select(["low"])
    assert low.spec.measurements.value == (0.8, 1.9)
    both = [
        value_of(problem.select([c]), **values).nllh
        for c, values in (("low", {"A0": 2, "k": 0.5, "sd": 0.1}), ("high", {"k": 0.5, "sd": 0.1}))
    ]
    assert sum(both) == pytest.approx(value_of(problem, A0=2, k=0.5, sd=0.1).nllh, rel=1e-10)
    with pytest.raises(InputError, match="no condition 'middle'; there are: high, low"):
        problem.select(["middle"])


def test_selecting_keeps_the_inputs_of_what_is_left():
    model = Model.from_equations({"A": "k*u"}, {"y": "A"}, ["k"], inputs=["u"])
    series = {"one": {"times": [0, 2], "values": [1, 1]}, "two": {"times": [0, 2], "values": [3, 3]}}
    data = {"condition": ["one", "two"], "time": [1, 2], "value": [0.0, 0.0]}
    problem = Problem(
        model,
        data,
        conditions={"one": {}, "two": {}},
        parameters={"k": estimated(1, 0, 9)},
        noise={"y": 1},
        inputs={"u": {"series": series}},
    )
    np.testing.assert_allclose(value_of(problem, k=2).prediction, [2, 12], rtol=1e-9)
    np.testing.assert_allclose(value_of(problem.select(["two"]), k=2).prediction, [12], rtol=1e-9)


def test_priors_away_and_other_settings(problem):
    assert value_of(problem.without_priors(), A0=2, k=0.5, sd=0.1).nlprior == 0
    changed = problem.with_parameters({"A0": 3.0, "k": {"scale": "lin", "max": 2.0}})
    np.testing.assert_array_equal(changed.parameters.nominal, [3, 0.5, 0.1])
    assert changed.parameters.scale == ("lin", "lin", "log")
    assert changed.parameters.upper[1] == 2
    assert problem.parameters.scale[1] == "log10"
    with pytest.raises(InputError, match="'z' is not a parameter"):
        problem.with_parameters({"z": 1})
    with pytest.raises(InputError, match="above max"):
        problem.with_parameters({"A0": 30.0})


def test_pickling_sends_the_spec(problem):
    theta = problem.parameters.nominal_scaled
    copy = pickle.loads(pickle.dumps(problem))  # noqa: S301 - our own bytes
    assert repr(copy.spec) == repr(problem.spec)  # equal but for NaN, which equals nothing
    assert copy.objective()(theta).gradient.tobytes() == problem.objective()(theta).gradient.tobytes()
    assert build(problem.spec).parameters.names == problem.parameters.names


def test_the_text_of_a_problem_loads_again(problem, tmp_path):
    (tmp_path / "again.toml").write_text(problem.to_toml())
    (tmp_path / "data.csv").write_text(DATA)
    again = idfit.load(tmp_path / "again.toml", tmp_path / "data.csv")
    theta = problem.parameters.nominal_scaled
    assert again.objective()(theta).objective == problem.objective()(theta).objective


# from Python ------------------------------------------------------------------------------------------------


def test_data_as_mapping_frame_or_file(tmp_path):
    columns = {"time": [1.0, 2.0], "value": [0.7, 0.3]}
    pd.DataFrame(columns).to_csv(tmp_path / "d.csv", index=False)
    values = {
        value_of(one_state(data=data), k=0.5).objective
        for data in (columns, pd.DataFrame(columns), tmp_path / "d.csv", str(tmp_path / "d.csv"))
    }
    assert len(values) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"noise": {}}, "observable y - has no noise"),
        ({"noise": {"y": 1, "z": 1}}, "noise of 'z' - is not an observable"),
        ({"parameters": {"k": {"valu": 1}}}, "'valu' is not a key of a parameter"),
        ({"parameters": {"k": 0.3}}, "has no min and no max"),
        ({"parameters": {}}, "has no min and no max"),
        ({"priors": {"k": "normal(0)"}}, "has 1 arguments"),
        ({"conditions": {"a": {"sett": {}}}}, "'sett' is not a key"),
        ({"conditions": {"a": {"set": {"z": 1}}}}, "'z' is not a parameter"),
        ({"inputs": {"u": 1}}, "input 'u' - is not an input of the model"),
        ({"data": {"time": [1], "value": [1], "observable": ["z"]}}, "z"),
        ({"data": {"time": [1], "value": [math.nan]}}, "value"),
        ({"data": {"time": [1, 2], "value": [1]}}, "different lengths"),
        ({"data": {"time": [-1], "value": [1]}}, "before"),
    ],
)
def test_what_cannot_be_is_refused_with_words(arguments, words):
    model = Model.from_equations({"A": "-k*A"}, {"y": "A"}, ["k"], {"A": 1})
    given = {
        "data": {"time": [1], "value": [1]},
        "noise": {"y": 1},
        "parameters": {"k": estimated(1, 0, 2)},
    } | arguments
    with pytest.raises(InputError) as raised:
        Problem(model, **given).objective()
    assert words in str(raised.value)


def test_models_with_parts_that_are_not_available():
    for more, words in (
        ({"unknown_inputs": ["w"]}, "unknown input w"),
        ({"inputs": ["u"]}, "input u - has no values"),
    ):
        model = Model.from_equations({"A": "-k*A"}, {"y": "A"}, ["k"], {"A": 1}, **more)
        with pytest.raises(InputError, match=words):
            Problem(model, {"time": [1], "value": [1]}, noise={"y": 1}, parameters={"k": estimated(1, 0, 2)})


def test_a_spec_holds_everything_already(problem):
    with pytest.raises(InputError, match="noise, priors cannot be given beside"):
        Problem(problem.spec, noise={"y": 1}, priors={"k": "normal(0, 1)"})
    assert Problem(
        problem.spec, {"condition": ["low"], "time": [1], "value": [1]}
    ).spec.measurements.value == (1,)


# experiments ------------------------------------------------------------------------------------------------

NETWORK = """\
idfit = 1
[states]
A = { init = "2*A0" }
B = { init = "A0*share" }
[odes]
A = "-k*A + u + w + c"
B = "v"
[parameters]
k = { value = 0.5, min = 0, max = 9 }
A0 = { value = 1, min = 0, max = 9 }
k2 = { value = 0.25, min = 0, max = 9 }
v = { tie = "k*k2 + share" }
D = { value = 3, fixed = true }
[constants]
c = 0.5
share = 0.1
[inputs]
u = 0.0
w = "2*k2"
[assignments]
amount = "2*D"
[observables]
a = { formula = "A", noise = 1 }
b = { formula = "B", noise = 1 }
[conditions.plain]
[conditions.parameter]
set = { k = "k2", A0 = "2*A0 + 1" }
[conditions.constant]
set = { c = 0, share = "k2" }
[conditions.input]
set = { u = "k2", w = 0 }
[conditions.initial]
set = { A = 7, B = "k" }
[conditions.swapped]
set = { k = "k2", k2 = "k" }
[conditions.dosed]
set = { D = 5 }
dose = [{ time = 1, add = { A = "amount*k2" }, set = { B = "D" } }]
[conditions.late]
t0 = 2
"""


def linear(t, start, k, rate):
    return rate / k + (start - rate / k) * np.exp(-k * t)


def solution_of_network(p, condition, t):
    """(A, B) by hand for each condition of the network above."""
    k, start, k2 = p
    c, share, u, w, a0, b0, d = 0.5, 0.1, 0.0, 2 * k2, 2 * start, None, 3.0
    if condition == "parameter":
        k, a0, b0 = k2, 2 * (2 * start + 1), (2 * start + 1) * share
    if condition == "constant":
        c, share = 0.0, k2
    if condition == "input":
        u, w = k2, 0.0
    if condition == "swapped":
        k, k2, w = k2, k, 2 * k
    b0 = start * share if b0 is None else b0
    if condition == "initial":
        a0, b0 = 7.0, k
    rate, v = u + w + c, k * k2 + share
    if condition == "late":
        t = t - 2
    if condition == "dosed" and t >= 1:
        d = 5.0
        return linear(t - 1, linear(1.0, a0, k, rate) + 2 * d * k2, k, rate), d + v * (t - 1)
    return linear(t, a0, k, rate), b0 + v * t


CONDITIONS = ("plain", "parameter", "constant", "input", "initial", "swapped", "dosed", "late")


def test_what_conditions_can_set(tmp_path):
    """Parameters, constants, inputs, initial values, ties that follow, formulas, doses through
    assignments, t0."""
    (tmp_path / "m.toml").write_text(NETWORK)
    rows = [(c, t, o) for c in CONDITIONS for t in (2.0, 3.5) for o in "ab"]
    text = "condition,time,observable,value\n" + "".join(f"{c},{t},{o},0\n" for c, t, o in rows)
    (tmp_path / "d.csv").write_text(text)
    problem = idfit.load(tmp_path / "m.toml", tmp_path / "d.csv")
    assert problem.parameters.names == ("k", "A0", "k2")
    p = np.array([0.6, 1.3, 0.2])

    def expected(at):
        return np.array([solution_of_network(at, c, t)["ab".index(o)] for c, t, o in rows])

    ev = problem.objective(1e-10)(p)
    np.testing.assert_allclose(ev.prediction, expected(p), rtol=1e-8)
    jacobian = np.array([expected(p + step).imag for step in np.eye(3) * 1e-30j]).T / 1e-30
    np.testing.assert_allclose(ev.jacobian, jacobian, rtol=1e-6, atol=1e-8)
    assert len(problem.resolution.simulations) == len(CONDITIONS)


PER = """\
idfit = 1
[states]
A = { init = 1 }
[odes]
A = "-k*A"
[parameters]
k = { value = 0.5, min = 0, max = 9, per = "condition", prior = "normal(1, 2)" }
scale = { value = 2, min = 0, max = 9 }
offset = { value = 0, min = -9, max = 9, per = "batch" }
sd = { value = 1, min = 0.1, max = 9 }
"k[two]" = { value = 0.7, fixed = true }
"scale[g2]" = { max = 5 }
[observables]
y = { formula = "scale*A + offset", noise = "sd", per = { scale = "gel", sd = "gel" } }
z = { formula = "scale*A", noise = "sd" }
[conditions]
one = {}
two = {}
three = {}
"""


def test_copies_of_parameters(tmp_path):
    """Per gel in one observable, per batch and per condition everywhere; single copies overridden."""
    (tmp_path / "m.toml").write_text(PER)
    rows = [
        ("one", "g1", "b1", "y"),
        ("one", "g2", "b1", "y"),
        ("two", "g1", "b2", "y"),
        ("three", "g2", "b2", "z"),
        ("one", "g1", "b2", "z"),
        ("three", "g1", "b1", "y"),
    ]
    text = "condition,time,observable,value,gel,batch\n" + "".join(
        f"{c},1,{o},0.1,{g},{b}\n" for c, g, b, o in rows
    )
    (tmp_path / "d.csv").write_text(text)
    problem = idfit.load(tmp_path / "m.toml", tmp_path / "d.csv")
    names = problem.parameters.names
    assert set(names) == {
        "k[one]",
        "k[three]",
        "scale",
        "scale[g1]",
        "scale[g2]",
        "offset[b1]",
        "offset[b2]",
        "sd",
        "sd[g1]",
        "sd[g2]",
    }
    assert problem.parameters.upper[names.index("scale[g2]")] == 5
    assert problem.parameters.upper[names.index("scale[g1]")] == 9
    p = np.random.default_rng(2).uniform(0.5, 2, len(names))
    of = dict(zip(names, p, strict=True)) | {"k[two]": 0.7}

    def expected(of):
        return np.array(
            [
                of[f"scale[{g}]" if o == "y" else "scale"] * np.exp(-of[f"k[{c}]"])
                + (of[f"offset[{b}]"] if o == "y" else 0)
                for c, g, b, o in rows
            ]
        )

    sd = np.array([of[f"sd[{g}]" if o == "y" else "sd"] for _, g, _, o in rows])
    ev = problem.objective(1e-10)(p)
    np.testing.assert_allclose(ev.prediction, expected(of), rtol=1e-8)
    np.testing.assert_array_equal(ev.sigma, sd)
    assert ev.nllh == pytest.approx(-stats.norm(expected(of), sd).logpdf(0.1).sum(), rel=1e-9)
    assert ev.nlprior == pytest.approx(-stats.norm(1, 2).logpdf([of["k[one]"], of["k[three]"]]).sum())
    for name in names:
        moved = dict(of) | {name: of[name] + 1e-30j}
        index = names.index(name)
        by_sd = name.startswith("sd")
        if not by_sd:
            np.testing.assert_allclose(
                ev.jacobian[:, index] * sd, expected(moved).imag / 1e-30, rtol=1e-7, atol=1e-9
            )
        else:
            np.testing.assert_allclose(
                ev.jacobian[:, index],
                np.where(
                    [name == (f"sd[{g}]" if o == "y" else "sd") for _, g, _, o in rows], -ev.residual / sd, 0
                ),
                atol=1e-12,
            )
    fixed = problem.fix(**{"scale[g1]": of["scale[g1]"]})
    assert "scale[g1]" not in fixed.parameters.names
    kept = [n in fixed.parameters.names for n in names]
    assert fixed.objective(1e-10)(p[kept], 0).nllh == pytest.approx(ev.nllh, rel=1e-9)
    curves = set(idfit.simulate(problem, p)["trajectory_condition"].values)
    assert {"one [batch=b1, gel=g1]", "one [batch=b1, gel=g2]", "two [batch=b2, gel=g1]"} <= curves


def test_what_nothing_measured_needs_has_no_part():
    """An observable without data, an assignment that nothing uses, and their parameters."""
    model = Model.from_equations(
        {"A": "-k*A"},
        {"y": "A", "z": "scale*A + unused"},
        ["k", "scale", "a"],
        {"A": 1},
        assignments={"unused": "2*a"},
    )
    parameters = {n: estimated(1.0, 0.1, 9) for n in ("k", "scale", "a")}
    problem = Problem(
        model,
        {"time": [1], "observable": ["y"], "value": [0.3]},
        parameters=parameters,
        noise={"y": 1, "z": 1},
    )
    assert problem.parameters.names == ("k",)
    assert value_of(problem, k=2.0).prediction[0] == pytest.approx(np.exp(-2), rel=1e-8)


# noise ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noise", "density"),
    [
        ({"noise": 0.2}, lambda m, y: stats.norm(m, 0.2).logpdf(y)),
        ({"noise": "0.1 + 0.3*y"}, lambda m, y: stats.norm(m, 0.1 + 0.3 * m).logpdf(y)),
        ({"noise": 0.2, "distribution": "laplace"}, lambda m, y: stats.laplace(m, 0.2).logpdf(y)),
        ({"noise": 0.2, "distribution": "student-t", "dof": 3}, lambda m, y: stats.t(3, m, 0.2).logpdf(y)),
        ({"noise": 0.2, "distribution": "log-normal"}, lambda m, y: stats.lognorm(0.2, scale=m).logpdf(y)),
        (
            {"noise": 0.2, "distribution": "log-laplace"},
            lambda m, y: stats.loglaplace(1 / 0.2, scale=m).logpdf(y),
        ),
        (
            {"noise": 0.2, "transform": "log10"},
            lambda m, y: stats.norm(np.log10(m), 0.2).logpdf(np.log10(y)) - np.log(y * np.log(10)),
        ),
        (
            {"noise": 0.2, "transform": "log2", "distribution": "laplace"},
            lambda m, y: stats.laplace(np.log2(m), 0.2).logpdf(np.log2(y)) - np.log(y * np.log(2)),
        ),
        ({"column": "sd"}, lambda m, y: stats.norm(m, [0.1, 0.4]).logpdf(y)),
        (
            {"noise": {"column": "sd"}, "transform": "log"},
            lambda m, y: stats.norm(np.log(m), [0.1, 0.4]).logpdf(np.log(y)) - np.log(y),
        ),
        ({"noise": {"column": "err", "kind": "sem"}}, lambda m, y: stats.norm(m, [0.3, 0.5]).logpdf(y)),
    ],
)
def test_likelihoods_keep_all_constants(noise, density):
    y = np.array([0.7, 0.3])
    data = {"time": [1.0, 2.0], "value": y, "sd": [0.1, 0.4], "err": [0.3, 0.5]}
    problem = one_state(noise, data)
    for k in (0.4, 1.1):
        ev = value_of(problem, 1, k=k)
        expected = -density(np.exp(-k * np.array([1, 2])), y).sum()
        assert ev.nllh == pytest.approx(expected, rel=1e-8)
        up, down = (-density(np.exp(-(k + s) * np.array([1, 2])), y).sum() for s in (1e-6, -1e-6))
        assert ev.gradient[0] == pytest.approx((up - down) / 2e-6, rel=1e-6)


@pytest.mark.parametrize(("distribution", "frozen"), [("normal", stats.norm), ("laplace", stats.laplace)])
def test_censored_rows(distribution, frozen):
    data = {"time": [1.0, 2.0, 3.0], "value": [0.7, 0.3, 0.2], "censored": ["", "left", "right"]}
    problem = one_state(
        {"noise": "sd", "distribution": distribution}, data, parameters={"sd": estimated(0.2, 0.01, 1)}
    )
    ev = value_of(problem, 1, k=0.5, sd=0.2)
    m = np.exp(-0.5 * np.array([1, 2, 3]))
    parts = [frozen(m[0], 0.2).logpdf(0.7), frozen(m[1], 0.2).logcdf(0.3), frozen(m[2], 0.2).logsf(0.2)]
    assert ev.nllh == pytest.approx(-sum(parts), rel=1e-9)
    assert list(np.isnan(ev.residual)) == [False, True, True]
    assert ev.chi2 == pytest.approx(((m[0] - 0.7) / 0.2) ** 2)
    hessian = value_of(problem, 2, k=0.5, sd=0.2)
    np.testing.assert_allclose(hessian.gradient, ev.gradient)
    steps = [(value_of(problem, 0, k=0.5, sd=0.2 + s).nllh) for s in (1e-5, -1e-5)]
    assert ev.gradient[1] == pytest.approx((steps[0] - steps[1]) / 2e-5, rel=1e-6)


def test_censoring_on_a_logarithm_and_where_it_is_not_available():
    data = {"time": [1.0, 2.0], "value": [0.7, 0.3], "censored": ["", "left"]}
    ev = value_of(one_state({"noise": 0.2, "distribution": "log-normal"}, data), k=0.5)
    m = np.exp([-0.5, -1.0])
    expected = stats.lognorm(0.2, scale=m[0]).logpdf(0.7) + stats.lognorm(0.2, scale=m[1]).logcdf(0.3)
    assert ev.nllh == pytest.approx(-expected, rel=1e-9)
    with pytest.raises(InputError, match="Student-t"):
        one_state({"noise": 0.2, "distribution": "student-t", "dof": 3}, data).objective()


def test_evaluations_that_fail_say_why():
    problem = one_state({"noise": "s"}, parameters={"s": estimated(0.1, 1e-9, 1)})
    assert problem.objective()(np.array([0.5, 0.0])).status is Status.NOISE_NONPOSITIVE
    model = Model.from_equations({"A": "-k"}, {"y": "A"}, ["k"], {"A": 1})
    log = Problem(
        model,
        {"time": [1.0, 3.0], "value": [0.5, 0.1]},
        noise={"y": {"noise": 1, "transform": "log"}},
        parameters={"k": estimated(0.1, 0, 1)},
    )
    ev = value_of(log, k=0.5)
    assert (ev.status, ev.objective, ev.time) == (Status.LOG_NONPOSITIVE, math.inf, 3.0)


# priors -----------------------------------------------------------------------------------------------------

PRIORS = {
    "normal(0.5, 0.2)": stats.norm(0.5, 0.2),
    "log-normal(-0.7, 0.4)": stats.lognorm(0.4, scale=np.exp(-0.7)),
    "uniform(0.01, 10)": stats.uniform(0.01, 9.99),
    "log-uniform(0.01, 10)": stats.loguniform(0.01, 10),
    "laplace(0.4, 0.3)": stats.laplace(0.4, 0.3),
    "log-laplace(-0.5, 0.3)": stats.loglaplace(1 / 0.3, scale=np.exp(-0.5)),
    "gamma(2, 0.4)": stats.gamma(2, scale=0.4),
    "inverse-gamma(2, 0.4)": stats.invgamma(2, scale=0.4),
    "cauchy(0.3, 0.4)": stats.cauchy(0.3, 0.4),
    "chi-square(3)": stats.chi2(3),
    "exponential(0.7)": stats.expon(scale=0.7),
    "rayleigh(0.7)": stats.rayleigh(scale=0.7),
}


@pytest.mark.parametrize("scale", ["lin", "log", "log10"])
@pytest.mark.parametrize("text", PRIORS)
def test_priors_of_the_natural_value_on_every_scale(text, scale):
    """No Jacobian of the scale is added: the density is that of the natural value, as a function of theta."""
    problem = one_state(parameters={"k": estimated(0.6, 0.01, 10, scale)}, priors={"k": text})
    theta = problem.parameters.to_scaled([0.6])
    ev = problem.objective()(theta, 1)
    assert ev.nlprior == pytest.approx(-PRIORS[text].logpdf(0.6), rel=1e-12)
    plain = problem.without_priors().objective()(theta, 1)
    own = [problem.objective()(theta + s, 0).nlprior for s in (1e-6, -1e-6)]
    assert (ev.gradient - plain.gradient)[0] == pytest.approx((own[0] - own[1]) / 2e-6, rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(ev.fim, plain.fim, rtol=1e-12)


def test_priors_on_the_estimation_scale():
    parameters = {"k": estimated(0.6, 0.01, 10, "log10")}
    problem = one_state(parameters=parameters, priors={"k": "normal(-0.3, 0.2) on estimation"})
    ev = problem.objective()(np.log10([0.6]), 1)
    assert ev.nlprior == pytest.approx(-stats.norm(-0.3, 0.2).logpdf(np.log10(0.6)), rel=1e-12)
    assert ev.prior_fim[0, 0] == pytest.approx(25.0)


def test_hessian_of_a_prior():
    problem = one_state(priors={"k": "gamma(3, 0.4)"})
    theta = np.array([0.6])
    difference = (
        problem.objective(1e-10)(theta, 2).hessian
        - problem.without_priors().objective(1e-10)(theta, 2).hessian
    )
    assert difference[0, 0] == pytest.approx(2 / 0.36, rel=1e-4)


def test_outside_a_prior_is_out_of_bounds():
    problem = one_state(priors={"k": "uniform(0.01, 10)"})
    ev = problem.objective()(np.array([11.0]))
    assert (ev.status, ev.objective) == (Status.OUT_OF_BOUNDS, math.inf)
    assert math.isfinite(ev.nllh)


# closed-form noise ------------------------------------------------------------------------------------------


def test_the_best_noise_is_found_in_closed_form():
    """set_best_noise against the root mean square and the mean absolute residual."""
    from idfit.numerics.objective import set_best_noise

    for distribution, best in (
        ("normal", lambda r: np.sqrt(np.mean(r**2))),
        ("laplace", lambda r: np.mean(np.abs(r))),
    ):
        oracle = exponential_decay()
        problem = Problem(
            oracle.problem.spec.model_copy(
                update={
                    "observables": {
                        "y": oracle.problem.spec.observables["y"].model_copy(
                            update={"distribution": distribution}
                        )
                    }
                }
            )
        )
        theta = problem.parameters.nominal_scaled
        ev = problem.objective()(theta)
        m, sigma, dsigma = ev.prediction.copy(), ev.sigma.copy(), np.zeros((len(ev.sigma), 3))
        moved = theta.copy()
        set_best_noise(problem.plan.ints, problem.plan.floats, moved, m, sigma, dsigma)
        expected = best(m - oracle.values)
        np.testing.assert_array_equal(moved[:2], theta[:2])
        assert moved[2] == pytest.approx(np.log(expected), rel=1e-12)
        np.testing.assert_allclose(sigma, expected, rtol=1e-12)
        after = problem.objective()(moved)
        assert abs(after.gradient[2]) < 1e-6 * abs(ev.gradient[2])
        assert after.nllh < ev.nllh
