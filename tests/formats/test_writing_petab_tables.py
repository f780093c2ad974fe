"""What stands in the tables that are written, and what PEtab cannot say; on small problems."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from idfit.errors import InputError
from idfit.formats.load import load
from idfit.formats.petab_formulas import petab_formula
from idfit.formats.petab_writing import to_petab
from idfit.problem import Problem
from idfit.spec.reading import read_model_text


def problem_of(text: str, **columns: list) -> Problem:
    return Problem(read_model_text(text)[0], columns)


def table(files: dict[str, str], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(files[f"{name}.tsv"].splitlines(), delimiter="\t"))


def changes(files: dict[str, str]) -> dict[str, dict[str, str]]:
    """Of version 2: for each condition its targets and their values."""
    found: dict[str, dict[str, str]] = {}
    for row in table(files, "conditions"):
        found.setdefault(row["conditionId"], {})[row["targetId"]] = row["targetValue"]
    return found


def periods(files: dict[str, str]) -> list[tuple[str, ...]]:
    return [tuple(row.values()) for row in table(files, "experiments")]


def refusals(problem: Problem, version: int) -> str:
    with pytest.raises(InputError) as refusal:
        to_petab(problem.spec, version)
    return str(refusal.value)


def assert_reads_as_before(problem: Problem, version: int, folder) -> dict[str, str]:
    """At the nominal parameters and elsewhere the likelihood is the same. Returns the files."""
    pytest.importorskip("libsbml")
    files, _ = to_petab(problem.spec, version)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    again = load(folder / "problem.yaml")
    space, rng = problem.parameters, np.random.default_rng(1)
    elsewhere = space.lower + (space.upper - space.lower) * rng.uniform(0.1, 0.3, len(space))
    for natural in (space.nominal, elsewhere):
        before, after = (
            p.objective(rtol=1e-11, atol=1e-15)(p.parameters.to_scaled(natural), 0) for p in (problem, again)
        )
        assert after.nllh == pytest.approx(before.nllh, rel=1e-9)
    return files


# experiments ----------------------------------------------------------------------------------------------

CHANGED = """
[states]
A = { init = "a0" }
B = { init = "A/2 + h" }
[odes]
A = "-k2*A"
B = "k2*A - k3*B"
[parameters]
a0 = { value = 1, min = 0.1, max = 10 }
k = { value = 0.3, min = 0.01, max = 10, scale = "log10" }
k2 = { tie = "2*k" }
k3 = { tie = "k2 + q" }
q = { value = 0.1, fixed = true }
sd = { value = 0.2, min = 0.01, max = 10, scale = "log10" }
[assignments]
h = "3*q"
[observables]
y = { formula = "B", noise = "sd*(1 + 0.1*y)" }
z = { formula = "y + k3", noise = 0.1, transform = "log10" }
[conditions.one]
[conditions.two]
set = { q = 0.4, k = "a0/10" }
[conditions.three]
set = { A = "3*a0" }
dose = [
    { time = 0, add = { B = "k3" } },
    { time = [1, 2], add = { A = "0.5*A" }, set = { q = 0.7 } },
    { time = 2, set = { B = "A + B" } },
]
"""
CHANGED_DATA = {
    "condition": ["one", "two", "three"] * 4,
    "time": [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0],
    "observable": ["y", "y", "y", "z", "z", "z", "y", "y", "y", "y", "z", "y"],
    "value": [0.5, 0.7, 0.9, 0.6, 0.4, 0.3, 0.9, 0.7, 0.5, 0.5, 0.4, 0.5],
}


def test_settings_and_doses_are_changes_of_periods(tmp_path):
    """What some conditions set and others estimate has two ids; starts that depend on it are set as well;
    the second dose at a time means the values after the first."""
    files = assert_reads_as_before(problem_of(CHANGED, **CHANGED_DATA), 2, tmp_path)
    found = changes(files)
    assert found["one_start"] == {"k_value": "k", "q": "0.1", "A": "a0", "B": "0.30000000000000004 + 0.5*a0"}
    assert found["two_start"] == {"k_value": "0.1*a0", "q": "0.4", "A": "a0", "B": "1.2 + 0.5*a0"}
    assert found["three_start"]["B"] == "0.4 + 2*k + 1.5*a0"
    assert found["three_dose1"] == {"A": "1.5*A", "q": "0.7"}
    assert found["three_dose2"] == {"A": "1.5*A", "B": "B + 1.5*A"}
    assert periods(files)[2:] == [
        ("three", "0", "three_start"),
        ("three", "1", "three_dose1"),
        ("three", "2", "three_dose2"),
    ]
    assert [row["parameterId"] for row in table(files, "parameters")] == ["a0", "k", "sd"]
    formulas = {row["observableId"]: row for row in table(files, "observables")}
    assert formulas["z"]["observableFormula"] == "B + k3"
    assert formulas["z"]["noiseFormula"] == "ln(10)*(0.1)"
    assert formulas["y"]["noiseFormula"] == "sd*(1 + 0.1*B)"


def test_version_1_names_every_formula_and_dose_that_it_cannot_hold():
    told = refusals(problem_of(CHANGED, **CHANGED_DATA), 1)
    assert "condition two: k_value = 0.1*a0 - is a formula" in told
    assert "condition three: A = 3*a0 - is a formula" in told
    assert "doses of condition three - are not those of all conditions" in told
    assert told.count("write PEtab 2 (--to petab)") == len(told.splitlines())


STEADY = """
[states]
A = { init = "a0" }
B = { init = "b0" }
C = { init = "A" }
[odes]
A = "f - k*A"
B = "k*A - B"
C = "A - C"
[parameters]
a0 = { value = 1, fixed = true }
b0 = { value = 1.4, min = 0.1, max = 10 }
f = { value = 1, fixed = true }
k = { value = 0.3, min = 0.01, max = 10, scale = "log10" }
sd = { value = 0.2, min = 0.01, max = 10, scale = "log10" }
[observables]
y = { formula = "A + B + C", noise = "sd" }
[conditions.base]
set = { f = 0.5 }
[conditions.stim]
set = { f = 2 }
preequilibrate = "base"
reinit = ["B"]
[conditions.back]
preequilibrate = "base"
"""
STEADY_DATA = {
    "condition": ["stim", "back", "base"] * 2,
    "time": [0.0, 0.0, 0.0, 3.0, 3.0, float("inf")],
    "value": [0.5, 0.7, 0.9, 0.6, 0.4, 0.3],
}


def test_a_steady_start_is_a_period_before_the_first(tmp_path):
    files = assert_reads_as_before(problem_of(STEADY, **STEADY_DATA), 2, tmp_path)
    assert periods(files) == [
        ("stim", "-inf", "base_steady"),
        ("stim", "0", "stim_start"),
        ("back", "-inf", "base_steady"),
        ("back", "0", "back_start"),
        ("base", "0", "base_start"),
    ]
    # what the steady state set is set back; only what starts anew gets a value
    assert changes(files)["stim_start"] == {"f": "2", "B": "b0"}
    assert changes(files)["back_start"] == {"f": "1"}
    assert [row["time"] for row in table(files, "measurements")][-1] == "inf"


def test_a_steady_start_in_version_1(tmp_path):
    files = assert_reads_as_before(problem_of(STEADY, **STEADY_DATA), 1, tmp_path)
    rows = {row["conditionId"]: row for row in table(files, "conditions")}
    assert rows == {
        "stim": {"conditionId": "stim", "f": "2", "B": "b0"},
        "back": {"conditionId": "back", "f": "1", "B": "NaN"},
        "base": {"conditionId": "base", "f": "0.5", "B": "NaN"},
    }
    before = [row["preequilibrationConditionId"] for row in table(files, "measurements")]
    assert before == ["base", "base", ""] * 2


DOSED = """
[states]
A = { init = "a0" }
[odes]
A = "-k*A"
[parameters]
a0 = { value = 1, min = 0.1, max = 10 }
k = { value = 0.3, min = 0.01, max = 10 }
amount = { value = 2, min = 0.1, max = 10 }
[observables]
y = { formula = "A", noise = 0.1 }
[conditions.one]
dose = [{ time = 0, add = { A = "a0" } }, { time = [1, 2], add = { A = "amount*k" } }]
[conditions.two]
dose = [{ time = 0, add = { A = "a0" } }, { time = [1, 2], add = { A = "amount*k" } }]
"""
DOSED_DATA = {"condition": ["one", "two"] * 2, "time": [0.0, 1.5, 2.5, 3.0], "value": [2.0, 1.5, 1.4, 1.3]}


def test_doses_that_all_conditions_share_are_part_of_a_model_of_version_1(tmp_path):
    files = assert_reads_as_before(problem_of(DOSED, **DOSED_DATA), 1, tmp_path)
    assert table(files, "conditions") == [{"conditionId": "one"}, {"conditionId": "two"}]
    assert files["model.xml"].count("<event ") == 2
    assert '<initialAssignment symbol="A">' in files["model.xml"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("time = [1, 2]", "time = [1, 3]", "are not those of all conditions"),
        (
            "[observables]",
            '[events]\ne = { when = "A < 0.1", set = { A = 1 } }\n[observables]',
            "comes first",
        ),
        (
            "[conditions.one]",
            "[conditions.one]\nt0 = -1",
            "begins at -1, and experiments of PEtab 1 begin at 0",
        ),
    ],
)
def test_other_doses_and_starts_are_refused_in_version_1(old, new, words):
    assert words in refusals(problem_of(DOSED.replace(old, new, 1), **DOSED_DATA), 1)


# rows that give values themselves ---------------------------------------------------------------------------

COPIES = """
[states]
A = { init = 1 }
[odes]
A = "-kk*A"
[parameters]
k = { value = 0.3, min = 0.01, max = 10, scale = "log10", per = "animal" }
"k[b]" = { value = 0.5, fixed = true }
g = { value = 1.5, min = 0.1, max = 10 }
s = { value = 2, min = 0.1, max = 10 }
o = { value = 0.2, min = 0, max = 10, per = "gel" }
sd = { value = 0.2, min = 0.01, max = 10, scale = "log10" }
[constants]
min = 1.1
[assignments]
kk = "k*g"
read = "s*A + o"
[observables]
y = { formula = "read", noise = "sd", per = { sd = "gel" } }
z = { formula = "s*A", noise = "sd + 0.1*z", per = { s = "gel" } }
unused = { formula = "A*o", noise = "sd" }
[observables.v]
formula = "d*A*min"
noise = { column = "err", kind = "sd" }
columns = { d = "dil" }
transform = "log"
"""
COPIES_DATA = {
    "time": [0.0, 1.0, 2.0, 3.0] * 3,
    "observable": ["y"] * 4 + ["z"] * 4 + ["v"] * 4,
    "animal": ["a", "b", "c", "a"] * 3,
    "gel": ["gel 1", "2", "gel 1", "2"] * 3,
    "dil": [""] * 8 + ["2", "g", "g", "3"],
    "err": [""] * 8 + ["0.1", "0.2", "0.1", "0.3"],
    "value": [0.5, 0.7, 0.9, 0.6, 0.4, 0.3, 0.9, 0.7, 0.5, 0.5, 0.4, 0.5],
}


@pytest.mark.parametrize("version", [1, 2])
def test_copies_are_set_by_experiments_or_fill_placeholders(version, tmp_path):
    problem = problem_of(COPIES, **COPIES_DATA)
    files = assert_reads_as_before(problem, version, tmp_path)
    ids = [row["parameterId"] for row in table(files, "parameters") if row["estimate"] in ("1", "true")]
    assert ids == [
        "k__a",
        "k__c",
        "g",
        "s",
        "s__gel_1",
        "s__2",
        "o__gel_1",
        "o__2",
        "sd__gel_1",
        "sd__2",
        "sd",
    ]
    labels = [row["parameterName"] for row in table(files, "parameters")]
    assert labels[:3] == ["k[a]", "k[c]", ""]
    formulas = {row["observableId"]: row["observableFormula"] for row in table(files, "observables")}
    assert formulas == {
        "y": "s*A + observableParameter1_y",
        "z": "observableParameter1_z*A",
        "v": "observableParameter1_v*A*min_",
    }
    rows = table(files, "measurements")
    assert [row["observableParameters"] for row in rows[2:6]] == ["o__gel_1", "o__2", "s__gel_1", "s__2"]
    assert [(row["observableParameters"], row["noiseParameters"]) for row in rows[-2:]] == [
        ("g", "0.1"),
        ("3", "0.3"),
    ]
    if version == 2:
        assert changes(files)["default__b_start"] == {"k": "0.5"}
    else:
        assert [row["k"] for row in table(files, "conditions")] == ["k__a", "0.5", "k__c"]


def test_what_is_left_out_is_told():
    _, notices = to_petab(problem_of(COPIES, **COPIES_DATA).spec, 2)
    told = "\n".join(map(str, notices))
    assert "observable unused - is not measured, has no value for o, and was left out" in told
    assert "min is min_" in told


def test_rows_that_give_formulas_are_refused():
    data = COPIES_DATA | {"dil": [""] * 8 + ["2", "2*g", "g", "3"]}
    told = refusals(problem_of(COPIES, **data), 2)
    assert (
        "observable v: line 10: d = 2*g - is a formula, and rows of PEtab give numbers and parameters" in told
    )


# what no version can say ------------------------------------------------------------------------------------

SIMPLE = """
[states]
A = { init = 1 }
[odes]
A = "-k*A"
[parameters]
k = { value = 0.3, min = 0.01, max = 10, scale = "log10", prior = "PRIOR" }
[observables]
y = { formula = "A", noise = 0.1 }
"""
SIMPLE_DATA = {"time": [1.0, 2.0], "value": [0.6, 0.4]}


def simple(prior="normal(1, 2)", old="", new="", **data) -> Problem:
    return problem_of(SIMPLE.replace("PRIOR", prior).replace(old, new), **{**SIMPLE_DATA, **data})


def test_a_problem_without_conditions_is_the_model_as_it_is():
    files, _ = to_petab(simple().spec, 2)
    assert set(files) == {
        "problem.yaml",
        "model.xml",
        "parameters.tsv",
        "observables.tsv",
        "measurements.tsv",
    }
    assert [row["experimentId"] for row in table(files, "measurements")] == ["", ""]


def test_censored_measurements_are_refused_with_their_lines():
    told = refusals(simple(censored=["left", ""]), 2)
    assert "1 rows (lines 1) - is censored, and PEtab has no censored measurements" in told


def test_a_problem_without_measurements_is_refused():
    with pytest.raises(InputError, match="has no measurements, and a PEtab problem needs some"):
        to_petab(read_model_text(SIMPLE.replace("PRIOR", "normal(1, 2)"))[0])


@pytest.mark.parametrize("function", ["floor(A)", "A % 2", "erf(A)"])
def test_functions_that_petab_lacks_are_refused_in_observables(function):
    told = refusals(simple(old='formula = "A"', new=f'formula = "{function}"'), 2)
    assert told.startswith("E11: observable y: ")
    assert "is not a function of PEtab - write the formula as an assignment of the model" in told


@pytest.mark.parametrize(
    ("prior", "one", "two"),
    [
        ("normal(1, 2)", ("normal", "1;2"), ("normal", "1;2")),
        ("log-normal(-1, 0.5)", ("logNormal", "-1;0.5"), ("log-normal", "-1;0.5")),
        ("normal(-1, 0.5) on estimation", ("parameterScaleNormal", "-1;0.5"), None),
        ("gamma(2, 3)", None, ("gamma", "2;3")),
        ("chi-square(4)", None, ("chisquare", "4")),
        ("inverse-gamma(2, 3)", None, None),
    ],
)
def test_priors_are_those_of_the_version_or_refused(prior, one, two):
    for version, expected in ((1, one), (2, two)):
        problem = simple(prior)
        if expected is None:
            assert f"is not a prior of PEtab {version}" in refusals(problem, version)
            continue
        (row,) = table(to_petab(problem.spec, version)[0], "parameters")
        columns = {
            1: ("objectivePriorType", "objectivePriorParameters"),
            2: ("priorDistribution", "priorParameters"),
        }
        assert tuple(row[c] for c in columns[version]) == expected


def test_formulas_in_the_words_of_petab():
    assert petab_formula("asin(x)**2 + t*pi", {"t"}) == "arcsin(x)^2 + time*3.141592653589793"
    assert petab_formula("min(a, b + 1,\n  (c), d)") == "min(min(min(a, b + 1), (c)), d)"
    assert petab_formula(3.0) == "3"
