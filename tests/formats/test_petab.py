"""What a PEtab problem becomes: conditions, placeholders, parameters, priors, names; on small problems."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from idfit.errors import InputError
from idfit.formats.petab import read_petab
from idfit.formats.petab_parameters import read_parameters
from idfit.formats.petab_tables import read_tables
from idfit.problem import build
from idfit.spec.findings import Findings
from idfit.spec.priors import parse_prior
from idfit.spec.schema import NoiseColumn, ProblemSpec
from tests.formats.petab_problems import MODEL, VERSION_1, VERSION_2, write

pytest.importorskip("libsbml")

LN10 = math.log(10)
P = "parameters.tsv"


def read(folder, files, **tables) -> tuple[ProblemSpec, list]:
    """The problem with whole tables replaced: ``conditions=...``, tabs written as spaces."""
    changed = {f"{name}.tsv": text.replace(" ", "\t") for name, text in tables.items()}
    return read_petab(write(folder, {**files, **changed}))


def prediction(spec: ProblemSpec) -> np.ndarray:
    problem = build(spec)
    theta = problem.parameters.to_scaled(problem.parameters.nominal)
    return problem.objective(rtol=1e-10, atol=1e-14)(theta, 0).prediction


def exchange(t: float, a: float = 1.0, b: float = 0.0, k1: float = 0.8, k2: float = 0.6) -> float:
    """A at time t: it and B turn into each other."""
    steady = (a + b) * k2 / (k1 + k2)
    return steady + (a - steady) * math.exp(-(k1 + k2) * t)


# version 1 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("files", "version"), [(VERSION_1, 1), (VERSION_2, 2)])
def test_both_versions_say_the_same(tmp_path, files, version):
    spec, findings = read(tmp_path, files)
    assert not findings
    assert prediction(spec) == pytest.approx([1.0, exchange(10)])
    k1, k2 = (spec.parameters[name] for name in ("k1", "k2"))
    assert (k1.min, k1.max, k1.scale, k1.value) == (1e-3, 1e3, "log10", 0.8)
    assert (k2.min, k2.max, k2.scale, k2.value) == (0.0, 10.0, "lin", 0.6)
    assert build(spec).parameters.names == ("k1", "k2")
    assert spec.name == "problem"


def test_cells_of_conditions_are_numbers_parameters_or_nothing(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_1,
        conditions="conditionId a0 B C k2\nc0 3 k1  \nc1 NaN 2 4 nan\n",
        measurements="observableId simulationConditionId time measurement\nobs_a c0 1 1\nobs_a c1 1 1\n",
    )
    assert spec.conditions["c0"].set == {"a0": 3.0, "B": "k1"}
    assert spec.conditions["c1"].set == {"B": 2.0, "C": 4.0}
    assert prediction(spec) == pytest.approx([exchange(1, 3, 0.8), exchange(1, 1, 2)])


def test_a_volume_of_a_condition_leaves_initial_concentrations_and_divides_initial_amounts(tmp_path):
    model = MODEL.replace('initialConcentration="0"', 'initialAmount="8"')
    spec, _ = read(
        tmp_path,
        VERSION_1 | {"model.xml": model},
        conditions="conditionId C\nc0 4\n",
        observables="observableId observableFormula noiseFormula\nobs_a A 1\nobs_b B 1\n",
        measurements="observableId simulationConditionId time measurement\nobs_a c0 0 1\nobs_b c0 0 1\n",
    )
    assert prediction(spec) == pytest.approx([1.0, 2.0])


def test_pairs_of_conditions_become_conditions_with_steady_starts(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_1,
        conditions="conditionId a0 k2 B\nrest 1 0.1 \nc0 1 0.2 3\nc1 1 0.3 NaN\nother 1 0.3 \n",
        parameters=VERSION_1[P].replace("\t", " ").replace("k2 lin 0 10 0.6 1\n", ""),
        measurements="observableId preequilibrationConditionId simulationConditionId time measurement\n"
        "obs_a rest c0 1 1\nobs_a rest c1 1 1\nobs_a  c1 1 1\nobs_a rest rest 1 1\n",
    )
    assert list(spec.measurements.condition) == ["c0", "rest|c1", "c1", "rest|rest"]
    assert list(spec.conditions) == ["rest", "c0", "rest|c1", "c1", "rest|rest", "other"]
    first, second = spec.conditions["c0"], spec.conditions["rest|c1"]
    assert (first.preequilibrate, first.reinit, first.set) == ("rest", ("B",), {"k2": 0.2, "B": 3.0})
    assert (second.preequilibrate, second.reinit, second.set) == ("rest", (), {"k2": 0.3})
    assert spec.conditions["c1"].set == {"a0": 1.0, "k2": 0.3}
    assert spec.conditions["c1"].preequilibrate is None
    expected = [exchange(1, 1 / 9, 3, k2=0.2), exchange(1, 1 / 9, 8 / 9, k2=0.3), exchange(1, k2=0.3), 1 / 9]
    assert prediction(spec) == pytest.approx(expected, rel=1e-8)


def test_settings_that_a_steady_state_replaces_are_left_out_and_told(tmp_path):
    spec, findings = read(
        tmp_path,
        VERSION_1,
        conditions="conditionId a0\nrest 1\nc0 5\n",
        measurements="observableId preequilibrationConditionId simulationConditionId time measurement\n"
        "obs_a rest c0 1 1\nobs_a rest c0 2 1\n",
    )
    assert spec.conditions["c0"].set == {}
    (finding,) = (f for f in findings if f.code == "N14")
    assert (finding.line, finding.given) == (3, "a0")


def test_conditions_give_the_values_of_parameters_that_only_observables_have(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_1,
        conditions="conditionId offset\nc0 offset_0\nc1 2.5\n",
        parameters=VERSION_1[P].replace("\t", " ") + "offset_0 lin 0 9 4 1\n",
        observables="observableId observableFormula noiseFormula\nobs_a A+offset 1\n",
        measurements="observableId simulationConditionId time measurement\nobs_a c0 0 1\nobs_a c1 0 1\n",
    )
    assert prediction(spec) == pytest.approx([5.0, 3.5])


@pytest.mark.parametrize(
    ("transformation", "distribution", "density"),
    [
        ("lin", "normal", lambda m, y, s: stats.norm(y, s).pdf(m)),
        ("log", "normal", lambda m, y, s: stats.norm(math.log(y), s).pdf(math.log(m)) / m),
        ("log10", "normal", lambda m, y, s: stats.norm(math.log10(y), s).pdf(math.log10(m)) / m / LN10),
        ("lin", "laplace", lambda m, y, s: stats.laplace(y, s).pdf(m)),
        ("log", "laplace", lambda m, y, s: stats.laplace(math.log(y), s).pdf(math.log(m)) / m),
        ("log10", "laplace", lambda m, y, s: stats.laplace(math.log10(y), s).pdf(math.log10(m)) / m / LN10),
    ],
)  # fmt: skip
def test_noise_of_version_1(tmp_path, transformation, distribution, density):
    spec, _ = read(
        tmp_path,
        VERSION_1,
        observables="observableId observableFormula noiseFormula observableTransformation noiseDistribution\n"
        f"obs_a A 0.3 {transformation} {distribution}\n",
    )
    expected = -math.log(density(0.7, 1.0, 0.3)) - math.log(density(0.1, exchange(10), 0.3))
    problem = build(spec)
    theta = problem.parameters.to_scaled(problem.parameters.nominal)
    assert problem.objective()(theta, 0).nllh == pytest.approx(expected)


@pytest.mark.parametrize("distribution", ["normal", "log-normal", "laplace", "log-laplace"])
def test_noise_of_version_2(tmp_path, distribution):
    spec, _ = read(
        tmp_path,
        VERSION_2,
        observables="observableId observableFormula noiseFormula noiseDistribution\n"
        f"obs_a A 0.3 {distribution}\n",
    )
    assert (spec.observables["obs_a"].distribution, spec.observables["obs_a"].transform) == (
        distribution,
        "lin",
    )


# placeholders ----------------------------------------------------------------------------------------------

OWN = {1: "s1 lin 0 9 4 1\ns2 lin 0 9 4 1\n", 2: "s1 0 9 4 true\ns2 0 9 4 true\n"}
PLACEHOLDERS = {
    1: (
        VERSION_1,
        "observableId observableFormula noiseFormula\n"
        "obs_a observableParameter1_obs_a*A+observableParameter2_obs_a noiseParameter1_obs_a*2\nobs_b B 1\n",
        "observableId simulationConditionId time measurement observableParameters noiseParameters\n",
        "c0",
        ("observableParameter1_obs_a", "observableParameter2_obs_a", "noiseParameter1_obs_a"),
    ),
    2: (
        VERSION_2,
        "observableId observableFormula noiseFormula observablePlaceholders noisePlaceholders\n"
        "obs_a scale*A+offset sd*2 scale;offset sd\nobs_b B 1  \n",
        "observableId experimentId time measurement observableParameters noiseParameters\n",
        "e0",
        ("scale", "offset", "sd"),
    ),
}


@pytest.mark.parametrize("version", [1, 2])
def test_placeholders_that_do_not_vary_are_replaced_and_others_become_columns(tmp_path, version):
    files, observables, head, name, placeholders = PLACEHOLDERS[version]
    spec, findings = read(
        tmp_path,
        files,
        parameters=files[P].replace("\t", " ") + OWN[version],
        observables=observables,
        measurements=head + f"obs_a {name} 0 1 2;s1 0.5\nobs_b {name} 0 1  \nobs_a {name} 0 1 3;s1 0.50\n"
        f"obs_a {name} 0 1 s2;s1 5e-1\n",
    )
    observable = spec.observables["obs_a"]
    assert observable.formula == f"{placeholders[0]}*A+s1"
    assert observable.noise == "0.5*2"
    assert observable.columns == {placeholders[0]: placeholders[0]}
    assert not [f for f in findings if f.code == "P10"]  # also what only rows name is used
    assert spec.measurements.columns == {placeholders[0]: ("2", "", "3", "s2")}
    assert prediction(spec) == pytest.approx([6.0, 0.0, 7.0, 8.0])


def test_a_negative_value_keeps_its_sign_where_it_is_put(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_2,
        observables="observableId observableFormula noiseFormula observablePlaceholders\nobs_a 2-p*A^2 1 p\n",
        measurements="observableId experimentId time measurement observableParameters\nobs_a e0 0 1 -3\n",
    )
    assert spec.observables["obs_a"].formula == "2-(-3)*A^2"
    assert prediction(spec) == pytest.approx([5.0])


def test_noise_that_the_rows_give_as_numbers_is_that_of_the_data(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_1,
        observables="observableId observableFormula noiseFormula\nobs_a A noiseParameter1_obs_a\nobs_b B 1\n",
        measurements="observableId simulationConditionId time measurement noiseParameters\n"
        "obs_a c0 0 1 0.5\nobs_b c0 0 1 \nobs_a c0 1 1 0.25\n",
    )
    assert spec.observables["obs_a"].noise == NoiseColumn(column="sd")
    assert spec.observables["obs_a"].columns == {}
    assert list(spec.measurements.sd) == pytest.approx([0.5, math.nan, 0.25], nan_ok=True)


def test_an_observable_with_placeholders_and_without_measurements_is_left_out(tmp_path):
    spec, findings = read(
        tmp_path,
        VERSION_1,
        observables="observableId observableFormula noiseFormula\nobs_a A 1\nobs_b B noiseParameter1_obs_b\n",
    )
    assert list(spec.observables) == ["obs_a"]
    assert [(f.code, f.line) for f in findings if "obs_b" in f.given] == [("D22", 3)]


def test_replicates_and_data_sets_are_kept_as_labels(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_1,
        measurements="observableId simulationConditionId time measurement replicateId datasetId remark\n"
        "obs_a c0 0 1 R1 gel1 x\nobs_a c0 0 1 R2 gel1 y\n",
    )
    assert spec.measurements.replicate == ("R1", "R2")
    assert spec.measurements.columns == {"datasetId": ("gel1", "gel1")}


# names and files -------------------------------------------------------------------------------------------


def test_an_observable_called_like_a_state_gets_another_name(tmp_path):
    spec, findings = read(
        tmp_path,
        VERSION_1,
        observables="observableId observableFormula noiseFormula\nA 2*A 0.1*A\n",
        measurements="observableId simulationConditionId time measurement\nA c0 0 1\nA c0 1 1\n",
    )
    assert list(spec.observables) == ["A_observed"]
    assert spec.measurements.observable == ("A_observed", "A_observed")
    assert prediction(spec)[0] == pytest.approx(2.0)
    assert [f.line for f in findings if f.code == "M18"] == [2]


def test_ids_that_are_numbers_in_formulas_are_renamed_everywhere(tmp_path):
    model = MODEL.replace('id="k2"', 'id="pi"').replace("<ci>k2</ci>", "<ci>pi</ci>")
    spec, _ = read(
        tmp_path,
        VERSION_1 | {"model.xml": model},
        parameters=VERSION_1[P].replace("\t", " ").replace("k2", "pi"),
        conditions="conditionId a0\nc0 pi\n",
        observables="observableId observableFormula noiseFormula\nobs_a A*pi 1\n",
    )
    assert build(spec).parameters.names == ("k1", "pi_")
    assert prediction(spec) == pytest.approx([0.36, 0.6 * exchange(10, 0.6)])


def test_several_files_of_a_kind_are_one_table(tmp_path):
    files = VERSION_1 | {
        "problem.yaml": VERSION_1["problem.yaml"].replace(
            "[measurements.tsv]", "[measurements.tsv, more.tsv]"
        ),
        "more.tsv": "measurement\ttime\tsimulationConditionId\tobservableId\treplicateId\n"
        "0.5\t1\tc0\tobs_a\tr\n",
    }
    spec, _ = read(tmp_path, files)
    assert spec.measurements.value == (0.7, 0.1, 0.5)
    assert spec.measurements.replicate == ("", "", "r")
    assert spec.measurements.line == (2, 3, 2)


def test_a_key_that_is_not_known_is_told_and_visualisations_are_not(tmp_path):
    yaml = VERSION_1["problem.yaml"] + "    visualization_files: [v.tsv]\nremark: hello\n"
    _, findings = read(tmp_path, VERSION_1 | {"problem.yaml": yaml})
    assert [(f.code, f.severity, f.given) for f in findings] == [("M29", "notice", "remark")]


def test_parameters_of_the_model_that_nothing_needs_are_left_out(tmp_path):
    spec, _ = read(tmp_path, VERSION_1)
    assert "double_k1" not in spec.parameters
    spec, _ = read(
        tmp_path,
        VERSION_1,
        observables="observableId observableFormula noiseFormula\nobs_a double_k1 1\n",
    )
    assert spec.parameters["double_k1"].tie is not None
    assert prediction(spec) == pytest.approx([1.6, 1.6])


def test_only_the_model_that_is_used_is_read(tmp_path):
    yaml = VERSION_2["problem.yaml"].replace(
        "model_files:\n", "model_files:\n  other: {location: missing.xml, language: sbml}\n"
    )
    head = "observableId experimentId time measurement modelId\n"
    spec, _ = read(
        tmp_path,
        VERSION_2 | {"problem.yaml": yaml},
        measurements=head + "obs_a e0 0 1 small\nobs_a e0 1 1 small\n",
    )
    assert prediction(spec)[0] == pytest.approx(1.0)
    for rows in ("obs_a e0 0 1 small\nobs_a e0 1 1 other\n", "obs_a e0 0 1 \n", "obs_a e0 0 1 none\n"):
        with pytest.raises(InputError, match="M32"):
            read(tmp_path, VERSION_2 | {"problem.yaml": yaml}, measurements=head + rows)


# version 2: experiments ------------------------------------------------------------------------------------


def test_periods_become_changes_at_their_times(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_2,
        conditions="conditionId targetId targetValue\nc0 a0 2\nc1 A A+2*time\nc1 C 4\nc2 B 1\n",
        experiments="experimentId time conditionId\ne0 5 c1\ne0 -2 c0\ne0 5 c2\ne0 7 \n",
    )
    condition = spec.conditions["e0"]
    assert (condition.t0, condition.set) == (-2.0, {"a0": 2.0})
    (dose,) = condition.dose
    assert (dose.time, dose.set) == (5.0, {"A": "A+2*5", "C": 4.0, "B": 1.0})
    assert prediction(spec) == pytest.approx([exchange(2, 2), exchange(5, exchange(7, 2) + 10, 1)])


def test_an_experiment_after_a_steady_state_keeps_what_was_set(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_2,
        parameters="parameterId lowerBound upperBound nominalValue estimate\nk1 0 9 0.8 true\n",
        conditions="conditionId targetId targetValue\nrest k2 0.1\nrest B 2\ngo A 3\n",
        experiments="experimentId time conditionId\ne0 -inf rest\ne0 4 go\ne1 -inf rest\ne1 0 \n",
        measurements="observableId experimentId time measurement\nobs_a e0 5 1\nobs_a e1 inf 1\n",
    )
    first, second = spec.conditions["e0"], spec.conditions["e1"]
    assert spec.conditions["rest"].set == {"k2": 0.1, "B": 2.0}
    assert (first.preequilibrate, first.t0, first.set, first.reinit) == (
        "rest",
        4.0,
        {"k2": 0.1, "A": 3.0},
        ("A",),
    )
    assert (second.preequilibrate, second.t0, second.set, second.reinit) == ("rest", 0.0, {"k2": 0.1}, ())
    assert prediction(spec) == pytest.approx([exchange(1, 3, 8 / 3, k2=0.1), 1 / 3])


def test_changes_from_a_steady_state_that_depend_on_it_are_made_at_once(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_2,
        conditions="conditionId targetId targetValue\nrest a0 1\ngo A A+B\ngo B 2\n",
        experiments="experimentId time conditionId\ne0 -inf rest\ne0 0 go\n",
    )
    condition = spec.conditions["e0"]
    assert (condition.set, condition.reinit) == ({}, ())
    assert [(dose.time, dose.set) for dose in condition.dose] == [(0.0, {"A": "A+B", "B": 2.0})]
    assert prediction(spec) == pytest.approx([1.0, exchange(10, 1, 2)])


def test_a_parameter_that_follows_states_becomes_one(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_2,
        parameters="parameterId lowerBound upperBound nominalValue estimate\nk1 0 9 0.8 true\n",
        conditions="conditionId targetId targetValue\nc0 k2 0.3\nc1 k2 A/2\nc1 a0 k2\n",
        experiments="experimentId time conditionId\ne0 0 c0\ne0 1 c1\n",
    )
    assert spec.states["k2"].init == 0.6
    assert "k2" not in spec.parameters
    assert "a0" in spec.states  # as it takes the value of k2
    assert spec.conditions["e0"].set == {"k2": 0.3}
    a = exchange(1, k2=0.3)
    assert prediction(spec) == pytest.approx([1.0, exchange(9, a, 1 - a, k2=a / 2)])


def test_what_the_model_determines_at_the_start_does_not_follow_later_changes(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_2,
        parameters="parameterId lowerBound upperBound nominalValue estimate\nk2 0 9 0.6 true\n",
        conditions="conditionId targetId targetValue\nc0 k1 2\n",
        experiments="experimentId time conditionId\ne0 0 \ne0 1 c0\n",
        observables="observableId observableFormula noiseFormula\nobs_a double_k1+k1 1\n",
        measurements="observableId experimentId time measurement\nobs_a e0 0 1\nobs_a e0 2 1\n",
    )
    assert prediction(spec) == pytest.approx([1.6 + 0.8, 1.6 + 2.0])


BREATHING = MODEL.replace('size="2" constant="true"', 'size="2" constant="false"').replace(
    "  </model>",
    """<listOfEvents><event useValuesFromTriggerTime="true">
      <trigger initialValue="true" persistent="true"><math xmlns="http://www.w3.org/1998/Math/MathML">
        <apply><gt/><ci>A</ci><cn>9</cn></apply></math></trigger>
      <listOfEventAssignments><eventAssignment variable="C"><math xmlns="http://www.w3.org/1998/Math/MathML">
        <cn>1</cn></math></eventAssignment></listOfEventAssignments></event></listOfEvents></model>""",
)
"""The model with a volume that an event changes, so that amounts are the states."""


def test_concentrations_in_a_volume_that_changes(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_2 | {"model.xml": BREATHING},
        conditions="conditionId targetId targetValue\nc0 A 3\nc0 C 4\nc1 C 8\nc2 B A+1\nc2 C 5\n",
        experiments="experimentId time conditionId\ne0 0 c0\ne0 1 c1\ne0 2 c2\ne1 0 \n",
    )
    first, second = spec.conditions["e0"].dose
    assert spec.conditions["e0"].set == {"A_amount": "(3)*(4)", "C": 4.0}
    assert first.set == {"C": 8.0, "A_amount": "(A)*(8)", "B_amount": "(B)*(8)"}
    assert second.set == {"C": 5.0, "A_amount": "(A)*(5)", "B_amount": "(A+1)*(5)"}
    a = exchange(2, 3)
    assert prediction(spec) == pytest.approx([3.0, exchange(8, a, a + 1)])
    only_start, _ = read(
        tmp_path,
        VERSION_2 | {"model.xml": BREATHING},
        conditions="conditionId targetId targetValue\nc0 A 3\n",
    )
    assert only_start.conditions["e0"].set == {"A_amount": "(3)*(2.0)"}


def test_concentrations_after_a_steady_state_in_a_volume_that_changes(tmp_path):
    spec, _ = read(
        tmp_path,
        VERSION_1 | {"model.xml": BREATHING},
        conditions="conditionId A C\nrest  \nc0 3 \nc1  4\n",
        measurements="observableId preequilibrationConditionId simulationConditionId time measurement\n"
        "obs_a rest c0 1 1\nobs_a rest c1 1 1\n",
    )
    changes = [
        (c.set, c.reinit, c.dose[0].time, c.dose[0].set) for c in map(spec.conditions.get, ("c0", "c1")) if c
    ]
    assert changes == [
        ({}, (), 0.0, {"A_amount": "(3)*(C)"}),
        ({}, (), 0.0, {"C": 4.0, "A_amount": "(A)*(4)", "B_amount": "(B)*(4)"}),
    ]
    assert prediction(spec) == pytest.approx([exchange(1, 3, 4 / 7), 3 / 7])


def test_what_all_conditions_set_needs_no_value_in_the_model(tmp_path):
    start = MODEL.index('      <initialAssignment symbol="A">')
    model = MODEL[:start] + MODEL[MODEL.index('      <initialAssignment symbol="double_k1">') :]
    files = VERSION_1 | {"model.xml": model}
    spec, _ = read(tmp_path, files, conditions="conditionId A\nc0 3\n")
    assert prediction(spec) == pytest.approx([3.0, exchange(10, 3.0)])
    with pytest.raises(InputError, match="species 'A' - has no value"):
        read(tmp_path, files, conditions="conditionId A\nc0 3\nc1 NaN\n")


def test_measurements_without_experiment_meet_the_model_as_it_is(tmp_path):
    head = "observableId experimentId time measurement\n"
    files = {**VERSION_2, "problem.yaml": VERSION_2["problem.yaml"].replace("[experiments.tsv]", "[]")}
    spec, _ = read(tmp_path, files, measurements=head + "obs_a  0 1\nobs_a  1 1\n")
    assert spec.conditions == {}
    assert prediction(spec) == pytest.approx([1.0, exchange(1)])
    spec, _ = read(
        tmp_path,
        VERSION_2,
        conditions="conditionId targetId targetValue\nc0 a0 2\n",
        measurements=head + "obs_a e0 0 1\nobs_a  0 1\n",
    )
    assert prediction(spec) == pytest.approx([2.0, 1.0])


def test_ids_of_the_mapping_table(tmp_path):
    yaml = VERSION_2["problem.yaml"] + "mapping_files: [mapping.tsv]\n"
    files = VERSION_2 | {
        "problem.yaml": yaml,
        "mapping.tsv": "petabEntityId\tmodelEntityId\tname\nsubstrate\tA\tthe substrate\nc0\t\ta remark\n",
    }
    spec, _ = read(
        tmp_path, files, observables="observableId observableFormula noiseFormula\nobs_a 2*substrate 1\n"
    )
    assert prediction(spec)[0] == pytest.approx(2.0)
    with pytest.raises(
        InputError, match=r"mapping.tsv:2: D21: modelEntityId = 'Q' - is nothing in the model"
    ):
        read(tmp_path, files | {"mapping.tsv": files["mapping.tsv"].replace("\tA\t", "\tQ\t")})


# parameters ------------------------------------------------------------------------------------------------


def parameters(folder, version, columns, *rows):
    """What a parameter table becomes, and what is said of it."""
    head = {
        1: "parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue\testimate",
        2: "parameterId\tlowerBound\tupperBound\tnominalValue\testimate",
    }
    (folder / P).write_text("\n".join([f"{head[version]}\t{columns}", *rows]).replace(" ", "\t") + "\n")
    findings = Findings()
    read = read_parameters(read_tables([folder / P], "parameter", version, findings), version)
    return read, findings.items


@pytest.mark.parametrize(
    ("kind", "arguments", "prior"),
    [
        ("uniform", "-1;99", "uniform(-1, 99)"),
        ("normal", "4;2", "normal(4, 2)"),
        ("laplace", "4;2", "laplace(4, 2)"),
        ("logNormal", "1;2", "log-normal(1, 2)"),
        ("logLaplace", "1;2", "log-laplace(1, 2)"),
        ("parameterScaleNormal", "1;2", "normal(1, 2) on estimation"),
        ("parameterScaleLaplace", "1;2", "laplace(1, 2) on estimation"),
        ("parameterScaleUniform", "", None),
        ("", "", None),
    ],
)
def test_priors_and_starts_of_version_1(tmp_path, kind, arguments, prior):
    for use in ("objective", "initialization"):
        columns = f"{use}PriorType {use}PriorParameters"
        read, findings = parameters(tmp_path, 1, columns, f"k log10 0.1 10 1 1 {kind} {arguments}")
        assert not findings
        own = {"objective": read["k"].prior, "initialization": read["k"].start}
        assert own[use] == prior
        assert [text for name, text in own.items() if name != use] == [None]


def test_bounds_are_narrowed_to_where_a_prior_is_positive(tmp_path):
    columns = "objectivePriorType objectivePriorParameters"
    read, findings = parameters(
        tmp_path, 1, columns, "a lin 0 10 3 1 uniform 2;8", "b log10 0.1 10 1 1 parameterScaleUniform -0.5;2",
        "c lin -5 10 1 1 logNormal 0;1", "d log10 1 100 10 1 uniform ",
    )  # fmt: skip
    assert (read["a"].min, read["a"].max, read["a"].prior) == (2.0, 8.0, "uniform(2, 8)")
    assert (read["b"].min, read["b"].max, read["b"].prior) == (pytest.approx(10**-0.5), 10.0, None)
    assert (read["c"].min, read["c"].max) == (0.0, 10.0)
    assert (read["d"].min, read["d"].max, read["d"].prior) == (1.0, 100.0, "uniform(1, 100)")
    assert [f.severity for f in findings] == ["notice"] * 3


def test_priors_of_version_2_are_those_within_the_bounds(tmp_path):
    columns = "priorDistribution priorParameters"
    read, findings = parameters(
        tmp_path, 2, columns, "a 0 10 5 true normal 4;2", "b 0 10 5 true uniform 2;8", "c 0 2 1 true  ",
        "d 4 6 5 true log-uniform 3;7", "e 0 10 5 true log-normal 1;2", "f   1 false normal 1;2",
        "g 0 inf 5 true chisquare 4", "h -inf 1 0 true cauchy 0;1", "i 1e-3 1e3 1 true  ",
    )  # fmt: skip
    assert {name: p.prior for name, p in read.items()} == {
        "a": "normal(4, 2) within bounds",
        "b": "uniform(2, 8)",
        "c": "uniform(0, 2)",
        "d": "log-uniform(3, 7) within bounds",
        "e": "log-normal(1, 2) within bounds",
        "f": None,
        "g": "chi-square(4)",
        "h": "cauchy(0, 1) within bounds",
        "i": "uniform(0.001, 1000)",
    }
    assert (read["b"].min, read["b"].max) == (2.0, 8.0)
    assert read["i"].scale == "log10"
    assert (read["f"].fixed, read["f"].value) == (True, 1.0)
    for name, side, probability in (("g", "max", stats.chi2(4).sf), ("h", "min", stats.cauchy.cdf)):
        assert probability(getattr(read[name], side)) == pytest.approx(1e-16, rel=1e-6)
        assert read[name].start == read[name].prior
    assert not [f for f in findings if f.severity == "error"]


def test_without_priors_version_2_has_none(tmp_path):
    read, _ = parameters(tmp_path, 2, "priorDistribution", "a 0 10 5 true ", "b 0.1 10 5 true ")
    assert [p.prior for p in read.values()] == [None, None]
    assert [p.scale for p in read.values()] == ["lin", "lin"]


def test_a_nominal_value_beyond_the_bounds_moves_them(tmp_path):
    read, (finding,) = parameters(tmp_path, 2, "x", "a 1 10 0.5 true ")[0], parameters(
        tmp_path, 2, "priorParameters", "a 1 10 0.5 true "
    )[1]  # fmt: skip
    assert (read["a"].min, read["a"].max, read["a"].value) == (0.5, 10.0, 0.5)
    assert (finding.code, finding.severity, finding.line) == ("P07", "warning", 2)


@pytest.mark.parametrize(
    ("noise", "floor"),
    [
        ("sd", 7e-4),
        ("sd*A", 1e-3),
        ("sd*obs_a", 1e-3),
        ("sd+0.1", None),
        ("sd+k1", None),
        ("noiseParameter1_obs_a", 7e-4),
    ],
)
def test_noise_cannot_vanish(tmp_path, noise, floor):
    own = "noiseParameters" if noise.startswith("noise") else "datasetId"
    spec, findings = read(
        tmp_path,
        VERSION_1,
        parameters=VERSION_1[P].replace("\t", " ") + "sd lin 0 10 5 1\nsd2 lin 1 10 5 1\n",
        observables=f"observableId observableFormula noiseFormula\nobs_a A {noise}\n",
        measurements=f"observableId simulationConditionId time measurement {own}\nobs_a c0 0 -0.7 sd\n"
        f"obs_a c0 1 0.1 {'sd2' if own[0] == 'n' else 'x'}\n",
    )
    assert spec.parameters["sd"].min == pytest.approx(floor or 0.0)
    assert [f.line for f in findings if f.code == "P17"] == ([4] if floor else [])


def test_parameter_texts_are_priors_that_idfit_reads(tmp_path):
    read, _ = parameters(tmp_path, 2, "priorDistribution priorParameters", "a 0 10 5 true gamma 3;5")
    prior = parse_prior(read["a"].prior or "")
    assert -prior.log_probability(0, 10) == pytest.approx(-math.log(stats.gamma(3, scale=5).cdf(10)))
