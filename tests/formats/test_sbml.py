"""What elements of SBML become in a spec. Expected formulas are worked out by hand."""

from __future__ import annotations

import pytest

from idfit.formats.sbml import SbmlImport, read_sbml, read_sbml_model, read_sbml_text
from idfit.spec.check import check
from idfit.spec.schema import ParameterSpec, ProblemSpec

pytest.importorskip("libsbml", reason="python-libsbml is not installed")

from tests.formats.sbml_texts import (
    assignment,
    compartment,
    event,
    function,
    initial,
    parameter,
    rate,
    reaction,
    sbml,
    species,
)

C = compartment("C", 2)
K = parameter("k", 0.5)


def read(*elements: str, keep: tuple[str, ...] = (), attributes: str = "") -> SbmlImport:
    result = read_sbml_text(sbml(*elements, attributes=attributes), keep=keep)
    errors = [f for f in check(result.spec) if f.severity == "error" and f.code != "M22"]  # lacks observables
    assert not errors, errors
    return result


def spec_of(*elements: str) -> ProblemSpec:
    return read(*elements).spec


def fixed(value: float) -> ParameterSpec:
    return ParameterSpec(value=value, fixed=True)


def test_a_reaction_in_concentrations():
    result = read(
        C,
        K,
        species("A", concentration=3),
        species("B", amount=5),
        reaction("J", {"A": 2}, {"B": 1}, "C*k*A^2"),
    )
    spec = result.spec
    assert spec.name == "small"
    assert {name: state.init for name, state in spec.states.items()} == {"A": 3.0, "B": "5/C"}
    assert spec.odes == {"A": "-2*J/C", "B": "J/C"}
    assert spec.assignments == {"J": "C*k*A^2"}
    assert spec.parameters == {"C": fixed(2.0), "k": fixed(0.5)}
    assert not spec.observables
    assert result.names == {name: name for name in ("A", "B", "C", "J", "k")}
    assert result.volumes == {"A": "C", "B": "C"}
    assert not result.amount_states
    assert not result.notices


def test_amounts_need_no_volume():
    spec = spec_of(
        C,
        K,
        species("A", amount=3, substance=True),
        species("B", concentration=3, substance=True),
        reaction("J", {"A": 1}, {"B": 1}, "k*A"),
    )
    assert [s.init for s in spec.states.values()] == [3.0, "3*C"]
    assert spec.odes == {"A": "-J", "B": "J"}


def test_a_compartment_without_dimensions_holds_amounts():
    result = read(
        compartment("P", None, dimensions=0),
        K,
        species("A", "P", amount=3),
        reaction("J", {"A": 1}, {}, "k*A"),
    )
    assert result.spec.odes == {"A": "-J"}
    assert result.volumes == {"A": None}
    assert "P" not in result.names


def test_boundary_and_constant_species_are_not_moved_by_reactions():
    spec = spec_of(
        C,
        K,
        species("A", concentration=1, boundary=True),
        species("B", concentration=1, boundary=True, constant=True),
        species("D", concentration=0),
        reaction("J", {"A": 1, "B": 1}, {"D": 1}, "k*A*B"),
    )
    assert spec.odes == {"D": "J/C"}
    assert list(spec.states) == ["A", "B", "D"]


def test_a_catalyst_cancels():
    spec = spec_of(C, K, species("E", concentration=1), reaction("J", {"E": 1}, {"E": 1}, "k*E"))
    assert spec.odes == {}


def test_initial_assignments():
    spec = spec_of(
        C,
        K,
        parameter("twice"),
        parameter("later", 7),
        species("A", amount=1),
        species("B", amount=1, substance=True),
        initial("twice", "2*k"),
        initial("later", "A + time"),
        initial("A", "3*k"),
        initial("B", "A/2"),
    )
    assert spec.parameters["twice"] == ParameterSpec(tie="2*k")
    # what depends on the states at the start is a state that keeps its value
    assert {k: s.init for k, s in spec.states.items()} == {"A": "3*k", "B": "A/2", "later": "A + time"}
    assert spec.odes == {}
    assert "later" not in spec.parameters


def test_a_tie_may_go_through_assignment_rules():
    spec = spec_of(
        K, parameter("x", constant=False), parameter("y"), assignment("x", "k + 1"), initial("y", "x*2")
    )
    assert spec.assignments == {"x": "k + 1"}
    assert spec.parameters["y"].tie == "(k + 1)*2"


def test_what_the_caller_gives_is_a_parameter():
    elements = (
        C,
        K,
        parameter("p"),
        parameter("q", 3),
        species("A"),
        initial("p", "2*A"),
        initial("q", "2*k"),
    )
    with pytest.raises(Exception, match="'A' - has no value"):
        read(*elements)
    result = read_sbml_text(sbml(*elements), keep=["A", "p", "q"])
    assert result.spec.parameters["p"] == ParameterSpec(fixed=True)
    assert result.spec.parameters["q"] == ParameterSpec(tie="2*k")
    assert result.spec.states["A"].init == 0.0


def test_values_that_are_missing():
    elements = (parameter("unused"), parameter("k"), parameter("x", constant=False), assignment("x", "2*k"))
    with pytest.raises(Exception, match="parameter 'k' - has no value"):
        read(*elements)
    assert read_sbml_text(sbml(*elements), keep=["k"]).spec.parameters == {"k": ParameterSpec(fixed=True)}
    kept = read_sbml_text(sbml(*elements), keep=["k", "unused"])
    assert list(kept.spec.parameters) == ["unused", "k"]


def test_rules():
    spec = spec_of(
        C,
        K,
        species("A", concentration=1),
        parameter("x", constant=False),
        parameter("y", 2, constant=False),
        assignment("x", "k*A"),
        rate("A", "-k*A"),
        rate("y", "x"),
    )
    assert spec.assignments == {"x": "k*A"}
    assert spec.odes == {"A": "-k*A", "y": "x"}
    assert spec.states["y"].init == 2.0


def test_a_volume_with_a_rate_rule_makes_amounts_the_states():
    result = read(
        compartment("V", 2, constant=False),
        K,
        species("A", "V", concentration=3),
        species("B", "V", amount=4, boundary=True),
        species("D", "V", concentration=1),
        rate("V", "k*V"),
        rate("D", "k"),
        reaction("J", {"A": 1}, {"B": 1}, "k*A"),
    )
    spec = result.spec
    assert spec.odes["A_amount"] == "-J"
    assert spec.odes["V"] == "k*V"
    assert spec.odes["D_amount"] == "(k)*V + D*(k*V)"  # (D V)' = D' V + D V'
    assert "B_amount" not in spec.odes
    assert {k: spec.states[f"{k}_amount"].init for k in "ABD"} == {"A": "3*V", "B": 4.0, "D": "1*V"}
    assert spec.assignments["A"] == "A_amount/V"
    assert result.amount_states == {k: (f"{k}_amount", "V") for k in "ABD"}


def test_a_volume_by_an_assignment_rule():
    result = read(
        compartment("V", constant=False),
        compartment("W", constant=False),
        K,
        species("A", "V", concentration=3),
        species("B", "W", concentration=3),
        assignment("V", "1 + time"),
        assignment("W", "2*k"),
        reaction("J", {"A": 1}, {"B": 1}, "k*A"),
    )
    assert result.spec.odes == {"A_amount": "-J", "B": "J/W"}  # W follows from a parameter, and is constant
    assert result.amount_states == {"A": ("A_amount", "V")}


def test_functions_are_written_out():
    spec = spec_of(
        K,
        parameter("x", constant=False),
        function("square", ["a"], "a*a"),
        function("sum", ["a", "b"], "square(a) + b"),
        assignment("x", "sum(k + 1, time)"),
    )
    assert spec.assignments == {"x": "(k + 1)*(k + 1) + time"}


def test_local_parameters_hide_global_ones():
    spec = spec_of(
        C,
        K,
        species("A", concentration=1),
        reaction("J1", {"A": 1}, {}, "k*A", {"k": 3}),
        reaction("J2", {"A": 1}, {}, "k*A"),
    )
    assert spec.assignments == {"J1": "J1_k*A", "J2": "k*A"}
    assert spec.parameters["J1_k"] == fixed(3.0)


def test_stoichiometries_that_are_formulas():
    spec = spec_of(
        C,
        K,
        *(species(name, concentration=1) for name in "ABDE"),
        parameter("x", constant=False),
        reaction("J", {"A": "n = 2", "B": 3}, {"D": "m", "E": "r = 1"}, "k"),
        assignment("x", "n"),
        assignment("m", "time"),
        rate("r", "k"),
    )
    assert spec.odes == {"A": "-n*J/C", "B": "-3*J/C", "D": "m*J/C", "E": "r*J/C", "r": "k"}
    assert spec.parameters["n"] == fixed(2.0)
    assert spec.assignments["m"] == "time"
    assert spec.states["r"].init == 1.0


def test_conversion_factors():
    spec = spec_of(
        C,
        K,
        parameter("f", 10),
        parameter("g", 100),
        species("A", concentration=1),
        species("B", concentration=1, conversion="g"),
        reaction("J1", {"A": 1}, {"B": 1}, "k*A"),
        reaction("J2", {"A": 1}, {}, "k*A"),
    )
    assert spec.odes == {"A": "(-J1 - J2)/C", "B": "g*(J1)/C"}
    result = read(
        C,
        K,
        parameter("f", 10),
        species("A", concentration=1),
        reaction("J", {"A": 1}, {}, "k*A"),
        attributes='conversionFactor="f"',
    )
    assert result.spec.odes == {"A": "f*(-J)/C"}


def test_rates_of_change_and_of_reactions_in_formulas():
    spec = spec_of(
        C,
        K,
        species("A", concentration=1),
        parameter("x", constant=False),
        parameter("y", constant=False),
        reaction("J", {"A": 1}, {}, "k*A"),
        assignment("x", "rateOf(A) + rateOf(k)"),
        assignment("y", "2*J"),
    )
    assert spec.assignments["rate_of_A"] == "-J/C"
    assert spec.assignments["rate_of_k"] == 0.0
    assert spec.assignments["x"] == "rate_of_A + rate_of_k"
    assert spec.assignments["y"] == "2*J"


def test_the_rate_of_a_concentration_in_a_growing_volume():
    spec = spec_of(
        compartment("V", 2, constant=False),
        K,
        species("A", "V", concentration=3),
        parameter("x", constant=False),
        rate("V", "k"),
        assignment("x", "rateOf(A)"),
    )
    assert spec.assignments["rate_of_A"] == "(0.0 - A*(k))/V"


def test_events():
    spec = spec_of(
        C,
        K,
        species("A", concentration=1),
        parameter("p", 1, constant=False),
        event("E", "A < 0.5", {"A": "A + p", "p": "2*p"}, delay="k", priority="p", initial=False),
        event("F", "time >= 2", {"p": "A"}, persistent=False, from_trigger=False),
        event("G", "time >= 3", {"p": "2"}),
    )
    e, f, g = spec.events.values()
    assert (e.when, e.set, e.delay, e.priority) == ("A < 0.5", {"A": "A + p", "p": "2*p"}, "k", "p")
    assert (e.initial, e.persistent, e.values) == (False, True, "trigger")
    assert (f.when, f.delay, f.priority) == ("time >= 2", 0.0, None)
    assert (f.initial, f.persistent, f.values) == (True, False, "execution")
    assert g.set == {"p": "2"}
    assert spec.states["p"].init == 1.0  # whatever an event changes is a state
    assert "p" not in spec.parameters


def test_an_event_that_changes_a_volume_keeps_amounts():
    spec = spec_of(
        compartment("V", 2, constant=False),
        species("A", "V", concentration=3),
        species("B", "V", amount=3, substance=True),
        event("E", "time >= 1", {"V": "2*V"}),
        event("F", "time >= 2", {"V": "V + 1", "A": "5*A", "B": "6"}),
    )
    assert spec.events["E"].set == {"V": "2*V"}
    assert spec.events["F"].set == {"V": "V + 1", "A_amount": "(5*A)*V", "B": "6"}
    assert spec.assignments["A"] == "A_amount/V"


def test_what_is_rounded_while_it_moves_is_a_state():
    spec = spec_of(
        C,
        K,
        species("A", concentration=2),
        parameter("x", 0, constant=False),
        parameter("y", constant=False),
        assignment("y", "floor(k) + ceil(A)"),
        rate("x", "rem(time, 24)"),
        event("E", "A > 1", {"A": "floor(A)"}),
    )
    assert spec.assignments["y"] == "floor(k) - floor_2"
    assert spec.odes["x"] == "time - 24*(sign(time/24)*floor_1)"
    assert spec.states["floor_2"].init == "floor(-A)"
    assert spec.events["E"].set == {"A": "floor(A)"}
    step = spec.events["floor_2"]
    assert step.when == "(-A) >= floor_2 + 1 || (-A) < floor_2"
    up, down = "max(floor_2 + 1, floor(-A))", "min(floor_2 - 1, floor(-A))"
    assert step.set == {"floor_2": f"piecewise({up}, (-A) > floor_2 + 0.5, {down})"}


def test_events_without_effect_are_left_out():
    text = sbml(parameter("p", 1, constant=False), event("E", "time > 1", {"p": "2"}))
    start = text.index("<trigger")
    end = text.index("</trigger>") + len("</trigger>")
    assert not read_sbml_text(text[:start] + text[end:]).spec.events
    start, end = text.index("<listOfEventAssignments>"), text.index("</event>")
    assert not read_sbml_text(text[:start] + text[end:]).spec.events


def test_rules_without_formula_have_no_effect():
    result = read(parameter("p", 1, constant=False), '<rateRule variable="p"/>')
    assert result.spec.parameters == {"p": fixed(1.0)}
    (notice,) = result.notices
    assert notice.given == "p"
    assert "no formula" in notice.rule


def test_ids_that_mean_something_else_are_renamed():
    result = read(
        parameter("pi", 3),
        parameter("time", 2),
        parameter("inf", 1),
        parameter("t", 4),
        parameter("exp", 5),
        parameter("pi_", 6),
        parameter("x", constant=False),
        # "time" in the infix notation of libsbml would be the symbol
        assignment("x", "exp(exp) + pi_ + t").replace("<ci> t </ci>", "<ci> time </ci>"),
    )
    assert {k: v for k, v in result.names.items() if k != v} == {"pi": "pi__", "time": "time_", "inf": "inf_"}
    assert result.spec.assignments == {"x": "exp(exp) + pi_ + time_"}
    assert result.spec.parameters["pi__"] == fixed(3.0)
    assert "pi is pi__" in result.notices[0].given


def test_generated_names_do_not_collide():
    spec = spec_of(
        compartment("V", 2, constant=False),
        parameter("J_k", 1),
        parameter("A_amount", 1),
        species("A", "V", concentration=3),
        rate("V", "1"),
        reaction("J", {"A": 1}, {}, "k*A", {"k": 2}),
    )
    assert spec.assignments == {"J": "J_k_*A", "A": "A_amount_/V"}


def test_species_of_a_rate_law_need_not_be_listed_as_modifiers():
    spec = spec_of(
        C,
        K,
        species("A", concentration=1),
        species("E", concentration=2),
        reaction("J", {"A": 1}, {}, "k*A*E"),
    )
    assert spec.assignments == {"J": "k*A*E"}


def test_constraints_are_told():
    text = sbml(parameter("p", 1), "<constraint></constraint>")
    (notice,) = read_sbml_text(text).notices
    assert "not watched" in notice.rule


def test_files(tmp_path):
    path = tmp_path / "model.xml"
    path.write_text("\ufeff" + sbml(C, species("A", concentration=1)), encoding="utf-8")  # with a BOM
    assert list(read_sbml(path).states) == ["A"]
    assert read_sbml_model(path).names == {"A": "A", "C": "C"}


LEVEL_2 = """<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model id="two">
<listOfCompartments><compartment id="C"/></listOfCompartments>
<listOfSpecies><species id="A" compartment="C" initialConcentration="1"/>
<species id="B" compartment="C" initialConcentration="1"/></listOfSpecies>
<listOfReactions><reaction id="J">
<listOfReactants><speciesReference species="A"/></listOfReactants>
<listOfProducts><speciesReference species="B"><stoichiometryMath>
<math xmlns="http://www.w3.org/1998/Math/MathML"><apply><plus/><cn>1</cn><ci>A</ci></apply></math>
</stoichiometryMath></speciesReference></listOfProducts>
<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><ci>k</ci></math>
<listOfParameters><parameter id="k" value="2"/></listOfParameters></kineticLaw></reaction></listOfReactions>
<listOfEvents><event id="E"><trigger><math xmlns="http://www.w3.org/1998/Math/MathML"><apply><gt/><ci>A</ci><cn>1</cn>
</apply></math></trigger><listOfEventAssignments><eventAssignment variable="A">
<math xmlns="http://www.w3.org/1998/Math/MathML"><ci>B</ci></math></eventAssignment></listOfEventAssignments></event>
</listOfEvents></model></sbml>"""


def test_level_2():
    text = LEVEL_2.replace('id="C"/>', 'id="C" size="1"/>')
    spec = read_sbml_text(text).spec
    assert spec.odes == {"A": "-J/C", "B": "(1 + A)*J/C"}
    assert spec.assignments == {"J": "J_k"}
    assert spec.parameters["J_k"] == fixed(2.0)
    (e,) = spec.events.values()
    assert (e.initial, e.persistent, e.values) == (True, True, "trigger")


def test_level_1():
    text = """<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model name="one">
<listOfCompartments><compartment name="C"/></listOfCompartments>
<listOfSpecies><species name="A" compartment="C" initialAmount="4"/>
<species name="B" compartment="C" initialAmount="0"/></listOfSpecies>
<listOfRules><parameterRule name="p" formula="k*A"/>
<speciesConcentrationRule species="B" type="rate" formula="p^2"/>
</listOfRules>
<listOfReactions><reaction name="J"><listOfReactants>
<speciesReference species="A" stoichiometry="3" denominator="2"/>
</listOfReactants><kineticLaw formula="k*A"/></reaction></listOfReactions></model></sbml>"""
    parameters = '<listOfParameters><parameter name="p"/><parameter name="k" value="2"/></listOfParameters>'
    spec = read_sbml_text(text.replace("<listOfRules>", parameters + "<listOfRules>")).spec
    assert spec.odes == {"A": "-1.5*J/C", "B": "p^2"}
    assert spec.states["A"].init == "4/C"
    assert spec.parameters["C"] == fixed(1.0)
    assert spec.assignments["p"] == "k*A"
