"""SBML that is written: its elements, and that reading it gives the same equations."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from idfit.errors import InputError
from idfit.expressions import evaluate, parse
from idfit.formats.ids import Ids
from idfit.formats.sampled_inputs import MOST_PIECES, as_formulas
from idfit.formats.sbml_writing import to_sbml
from idfit.problem import build, simulate
from idfit.spec.reading import read_model_text
from idfit.spec.schema import InputSpec, ProblemSpec, Series

MODEL = """
idfit = 1
name = "all of it"
[states]
A = { init = 2, volume = "V" }
B = { init = "a0/2", volume = 2 }
D = { init = 0, volume = "W" }
E = { init = "A + 1" }
F = { init = 3 }
[reactions]
bind = { eq = "2 A + F -> B + F", rate = "k*A*E" }
"turn over" = { eq = "B <-> D + 1/4 E", rate = "k*B - 0.3*D" }
[odes]
E = "1 - E"
[constants]
V = 1.5
unused = 7
[parameters]
W = { value = 4, min = 1, max = 10 }
k = { value = 0.2, min = 0.01, max = 10, scale = "log10" }
a0 = { tie = "W/k" }
[assignments]
inflow = "k*sin(t)"
[inputs]
u = "2*t"
dose = 5
[events]
"at one" = { when = "time > 1", set = { A = "A + dose", E = "u" }, delay = 0.5, priority = 2 }
[events.low]
when = "A < 0.6 && F > k"
set = { A = "1e-3*F" }
persistent = false
initial = false
values = "execution"
"""


def spec_of(text: str) -> ProblemSpec:
    return read_model_text(text)[0]


def elements(spec: ProblemSpec, tag: str, **options) -> list[dict[str, str]]:
    root = ElementTree.fromstring(to_sbml(spec, **options))
    return [e.attrib for e in root.iter() if e.tag.rpartition("}")[2] == tag]


def read_back(spec: ProblemSpec) -> ProblemSpec:
    pytest.importorskip("libsbml")
    from idfit.formats.sbml import read_sbml_text

    return read_sbml_text(to_sbml(spec)).spec


# elements -------------------------------------------------------------------------------------------------


def test_species_mean_concentrations_where_a_constant_is_their_volume():
    spec = spec_of(MODEL)
    sizes = {c["id"]: c["size"] for c in elements(spec, "compartment")}
    assert sizes == {"compartment": "1", "V": "1.5", "compartment_1": "2"}
    species = {s["id"]: s for s in elements(spec, "species")}
    homes = {name: (s["compartment"], s["hasOnlySubstanceUnits"]) for name, s in species.items()}
    assert homes == {
        "A": ("V", "false"),
        "B": ("compartment_1", "false"),
        "D": ("compartment", "true"),
        "E": ("compartment", "true"),
        "F": ("compartment", "true"),
    }
    assert (species["A"]["initialConcentration"], species["F"]["initialAmount"]) == ("2", "3")
    assert {a["symbol"] for a in elements(spec, "initialAssignment")} == {"B", "E", "a0"}


def test_what_reactions_do_not_say_alone_has_a_rate_rule():
    spec = spec_of(MODEL)
    assert [r["variable"] for r in elements(spec, "rateRule")] == ["D", "E"]
    boundary = {s["id"] for s in elements(spec, "species") if s["boundaryCondition"] == "true"}
    assert boundary == {"D", "E"}
    reactions = [(r["id"], r.get("name"), r["reversible"]) for r in elements(spec, "reaction")]
    assert reactions == [("bind", None, "false"), ("turn_over", "turn over", "true")]
    references = [(s["species"], s["stoichiometry"]) for s in elements(spec, "speciesReference")]
    assert references[:2] == [("A", "2"), ("F", "1")]
    assert references[-1] == ("E", "0.25")
    assert [m["species"] for m in elements(spec, "modifierSpeciesReference")] == ["E"]


def test_parameters_that_no_equation_uses_are_left_out_unless_they_are_kept():
    spec = spec_of(MODEL)
    assert "unused" not in {p["id"] for p in elements(spec, "parameter")}
    assert "unused" in {p["id"] for p in elements(spec, "parameter", keep=["unused"])}


def test_what_is_tied_to_something_that_experiments_change_follows_it():
    spec = spec_of(MODEL)
    constant = {p["id"]: p["constant"] for p in elements(spec, "parameter", varying=["W"])}
    assert (constant["W"], constant["a0"], constant["k"]) == ("false", "false", "true")
    assert "a0" in {r["variable"] for r in elements(spec, "assignmentRule", varying=["W"])}
    assert "a0" not in {r["variable"] for r in elements(spec, "assignmentRule")}


def test_a_function_that_sbml_lacks_is_refused_with_its_place():
    spec = spec_of(MODEL.replace("k*sin(t)", "erf(t)").replace('"u"', '"erf(A)"'))
    with pytest.raises(InputError) as refusal:
        to_sbml(spec)
    assert [f.given for f in refusal.value.findings] == [
        "the formula of inflow: erf(...)",
        "event at one: erf(...)",
    ]


# there and back -------------------------------------------------------------------------------------------

FORMULAS = """
a + b - c - 2          a - b                a - (b - c)          -a^2                 (-a)^2
a^b^c                  2^-a                 a/b/c*d              a/(b*c)              1.5e-7*a + 2e300*b/1e300
a % b                  -a % b               a*b % c*d            mod(-a, b)           sign(a - 1) + sign(b)
a < b                  a <= b && b < c      a < 1 || b > 1 && c > 5                   !(a < b)
(a < b) + 2*(b < a)    a && b               a - 1 && b           true + false         (a > 0) == (b > 0)
piecewise(a, a < b, b, a > 2, c)            piecewise(a < b, a > 0, 0)                piecewise(1, 0*a, 2)
min(a, b, c)           Max(a, b)            Abs(-a)              floor(-a) + ceil(a)  ceiling(b)
log(a)                 ln(a)                log10(a)             log2(a)              log(a, 3)
sqrt(a)                pow(a, b)            exp(-a)              pi*a                 t*a + time
sin(a) + cos(a)        tan(a)               sec(a)               csch(a)              arccot(a)
asinh(a)               arctanh(a/9)         acsc(a + 1)          sech(b)              acos(a/9)
+a                     --a                  0.1                  1234567890123        .5*a
"""
VALUES = {"a": 0.7, "b": 1.9, "c": 2.3, "d": 0.31, "t": 1.25, "time": 1.25}


def test_formulas_keep_their_values():
    formulas = re.split(r" {2,}|\n", FORMULAS.strip())
    assert len(formulas) > 55
    names = "".join(f"{n} = {{ value = {VALUES[n]}, fixed = true }}\n" for n in "abcd")
    texts = "".join(f'x{n} = "{formula}"\n' for n, formula in enumerate(formulas))
    back = read_back(spec_of(f"[states]\ns = {{ init = 1 }}\n[parameters]\n{names}[assignments]\n{texts}"))
    for n, formula in enumerate(formulas):
        expected = evaluate(parse(formula), VALUES)
        assert math.isfinite(expected), formula
        found = evaluate(parse(back.assignments[f"x{n}"]), VALUES)
        assert found == pytest.approx(expected, rel=1e-15), formula


def test_events_come_back():
    back = read_back(spec_of(MODEL)).events
    assert list(back) == ["at_one", "low"]
    at_one, low = back.values()
    assert (at_one.delay, at_one.priority, at_one.values) == ("0.5", "2", "trigger")
    assert (at_one.persistent, at_one.initial, low.persistent, low.initial) == (True, True, False, False)
    assert at_one.set == {"A": "A + dose", "E": "u"}
    assert (low.values, low.when) == ("execution", "A < 0.6 && F > k")


def test_a_model_moves_as_before():
    """Volumes, reactions with and beside derivatives, ties, inputs, and initial values of each other."""
    text = MODEL.partition("[events]")[0].replace('"1 - E"', '"inflow + 0.01*u + dose - E"')
    before = build(spec_of(text))
    after = build(read_back(before.spec))
    times = np.linspace(0, 5, 11)
    theta = before.parameters.nominal_scaled
    a = simulate(before, theta, times=times, rtol=1e-11)["state_trajectory"]
    b = simulate(after, [], times=times, rtol=1e-11)["state_trajectory"]
    assert b["state"].values.tolist() == a["state"].values.tolist()
    assert b.values == pytest.approx(a.values, rel=1e-9)


# inputs ---------------------------------------------------------------------------------------------------

SAMPLES = Series(times=tuple(np.linspace(-1, 9, 90)), values=tuple(np.sin(np.linspace(-1, 9, 90)) - 0.3))


def input_at(kind, times) -> list[float]:
    given = InputSpec(series={"": SAMPLES}, interpolation=kind)
    formulas = as_formulas("u", given, SAMPLES, "t", Ids(["u_part1"]))
    assert "u_part1" not in formulas
    found = []
    for t in times:
        values = {"t": t}
        for name, formula in formulas.items():
            values[name] = evaluate(parse(formula), values)
        found.append(values["u"])
    return found


@pytest.mark.parametrize("kind", ["linear", "step", "cubic"])
def test_samples_become_formulas_of_the_time(kind):
    t, u = np.array(SAMPLES.times), np.array(SAMPLES.values)
    times = np.array([-1, t[7], -0.123, 0.05, 3.3, t[60], 8.99, 9])
    expected = {
        "linear": np.interp(times, t, u),
        "step": u[np.searchsorted(t, times, side="right") - 1],
        "cubic": CubicSpline(t, u, bc_type="natural")(times),
    }[kind]
    assert input_at(kind, times) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_too_many_samples_are_refused():
    times = tuple(float(n) for n in range(MOST_PIECES + 1))
    spec = spec_of(
        '[states]\nx = { init = 1 }\n[odes]\nx = "u"\n[inputs]\nu = { times = [0, 1], values = [0, 1] }'
    )
    given = InputSpec(series={"": Series(times=times, values=times)})
    with pytest.raises(InputError, match="input u - 2001 samples are more than the 2000"):
        to_sbml(spec.model_copy(update={"inputs": {"u": given}}))


def test_samples_of_conditions_are_chosen_by_a_constant():
    spec = ProblemSpec.model_validate(
        {
            "states": {"x": {"init": 0}},
            "odes": {"x": "u"},
            "inputs": {"u": InputSpec(series={
                "one": Series(times=(0, 9), values=(1, 1)), "two": Series(times=(0, 9), values=(2, 3)),
            })},
            "conditions": {"one": {}, "two": {}},
        }
    )  # fmt: skip
    back = read_back(spec)
    values = {"time": 4.5, "u_1": 1.0, "u_2": evaluate(parse(back.assignments["u_2"]), {"time": 4.5})}
    assert values["u_2"] == 2.5
    chosen = {n: evaluate(parse(back.assignments["u"]), values | {"u_choice": float(n)}) for n in (1, 2)}
    assert chosen == {1: 1.0, 2: 2.5}
    assert back.parameters["u_choice"].value == 1
