"""What is written reads back: specs as TOML, new values into a file, measurements as CSV, hashes."""

from __future__ import annotations

import csv
import math
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idfit.errors import InputError, StorageError
from idfit.spec.findings import Findings
from idfit.spec.measurements import read_measurements
from idfit.spec.reading import read_model_text, read_problem
from idfit.spec.references import Beside, resolve_inputs
from idfit.spec.schema import (
    ConditionSpec,
    DoseSpec,
    EventSpec,
    InputSpec,
    MeasurementTable,
    NoiseColumn,
    ObservableSpec,
    ParameterSpec,
    ProblemSpec,
    ReactionSpec,
    Series,
    StateSpec,
)
from idfit.spec.toml_text import load_toml
from idfit.spec.validation import validated
from idfit.spec.writing import hashes, to_toml, updated_toml, write_measurements
from tests.spec.sound import DATA, MODEL

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
labels = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
numbers = st.floats(allow_nan=False, allow_infinity=False)
formulas = numbers | texts
optional_text, optional_number = st.none() | texts, st.none() | numbers


def tables(keys, values):
    return st.dictionaries(keys, values, max_size=2)


series = st.builds(Series, times=st.tuples(numbers, numbers), values=st.tuples(numbers, numbers))
inputs = st.builds(
    InputSpec, formula=formulas, unit=optional_text, interpolation=st.sampled_from(["linear", "step"])
) | st.builds(
    InputSpec,
    series=st.dictionaries(labels | st.just(""), series, min_size=1, max_size=2),
    unit=optional_text,
    interpolation=st.sampled_from(["linear", "cubic"]),
)
parameters = st.builds(
    ParameterSpec,
    value=optional_number,
    min=optional_number,
    max=optional_number,
    scale=st.sampled_from(["lin", "log", "log10", "logit"]),
    unit=optional_text,
    fixed=st.booleans(),
    tie=optional_text,
    per=optional_text,
    prior=optional_text,
    start=optional_text,
)
observables = st.builds(
    ObservableSpec,
    formula=formulas,
    noise=formulas | st.builds(NoiseColumn, column=texts, kind=st.sampled_from([None, "sd", "sem"])),
    transform=st.sampled_from(["lin", "log10"]),
    distribution=st.sampled_from(["normal", "student-t"]),
    dof=optional_number,
    unit=optional_text,
    per=tables(names, texts),
    columns=tables(names, texts),
)
doses = st.builds(
    DoseSpec,
    time=numbers | st.tuples(numbers, numbers),
    add=tables(names, formulas),
    set=tables(names, formulas),
)
conditions = st.builds(
    ConditionSpec,
    set=tables(names, formulas),
    dose=st.lists(doses, max_size=2).map(tuple),
    preequilibrate=optional_text,
    reinit=st.lists(names, max_size=2).map(tuple),
    t0=numbers,
)
specs = st.builds(
    ProblemSpec,
    name=texts,
    description=texts,
    time=optional_text,
    states=tables(
        names, st.builds(StateSpec, init=formulas, unit=optional_text, volume=st.none() | formulas)
    ),
    odes=tables(names, formulas),
    reactions=tables(names, st.builds(ReactionSpec, eq=texts, rate=formulas)),
    parameters=tables(names, parameters),
    constants=tables(names, numbers),
    assignments=tables(names, formulas),
    inputs=tables(names, inputs),
    events=tables(
        names,
        st.builds(
            EventSpec,
            when=texts,
            set=tables(names, formulas),
            delay=formulas,
            priority=st.none() | formulas,
            initial=st.booleans(),
            values=st.sampled_from(["trigger", "execution"]),
        ),
    ),
    observables=tables(names, observables),
    conditions=tables(labels, conditions),
)


@settings(max_examples=60, deadline=None)
@given(specs)
def test_every_spec_reads_back_equal_and_in_the_same_order(spec):
    findings = Findings()
    raw, _ = load_toml(to_toml(spec), "model.toml", findings)
    resolve_inputs(raw, Beside(None, None, findings, {}))
    again = validated(raw, findings)
    assert findings.items == []
    assert again == spec
    assert hashes(again) == hashes(spec)
    assert [list(getattr(again, s)) for s in ("parameters", "states")] == [
        list(getattr(spec, s)) for s in ("parameters", "states")
    ]


def test_the_text_is_as_a_person_would_write_it():
    spec, _ = read_model_text(MODEL)
    assert (
        to_toml(spec)
        == """\
idfit = 1
name = "decay"
time = "min"

[states]
A = { init = "A0", unit = "nM" }
B = { init = 0, unit = "nM" }

[reactions]
r = { eq = "A -> B", rate = "k*A" }

[parameters]
k  = { value = 0.1, min = 0.0001, max = 100, scale = "log10" }
A0 = { value = 1, min = 0, max = 10 }
sd = { value = 0.1, min = 0.001, max = 1, scale = "log10" }

[observables]
y = { formula = "A", noise = "sd", unit = "nM" }
z = { formula = "B", noise = "sd", unit = "nM" }

[conditions.control]

[conditions.treated]
set = { k = 0.2 }
"""
    )


class TestUpdating:
    def test_only_the_values_change(self):
        commented = MODEL.replace("[parameters]", "# rates\n[parameters]  # all of them").replace(
            'log10" }\nA0', 'log10" } # fast\nA0'
        )
        new = updated_toml(commented, {"k": 0.25, "sd": 1e-9})
        assert new == commented.replace("value = 0.1, min = 1e-4", "value = 0.25, min = 1e-4").replace(
            "value = 0.1, min = 1e-3", "value = 1e-09, min = 1e-3"
        )
        assert tomllib.loads(new)["parameters"]["sd"]["value"] == 1e-9

    @pytest.mark.parametrize(
        "text",
        [
            "[parameters]\nk = { min = 0, max = 1 }\n",
            "[parameters]\nk.min = 0\nk.max = 1\n",
            "[parameters.k]\nmin = 0\nmax = 1 # largest\n",
            "[parameters]\nk = { value = 7, min = 0, max = 1 } # c\n",
        ],
    )
    def test_every_way_to_write_a_parameter(self, text):
        new = updated_toml(text, {"k": 1 / 3})
        assert tomllib.loads(new)["parameters"]["k"] == {"min": 0, "max": 1, "value": 1 / 3}
        assert ("#" in new) == ("#" in text)

    def test_copies_get_entries_of_their_own_below_their_parameter(self):
        text = MODEL.replace("max = 10 }", 'max = 10, per = "condition" }  # start')
        new = updated_toml(text, {"A0": 2.0, "A0[control]": 1.5, "A0[treated]": 2.5})
        line = 'A0 = { value = 2, min = 0, max = 10, per = "condition" }  # start\n'
        copies = '"A0[control]" = { value = 1.5 }\n"A0[treated]" = { value = 2.5 }\n'
        assert line + copies + "sd = " in new
        spec, findings = read_model_text(new)
        assert findings == []
        assert spec.parameters["A0[treated]"].value == 2.5
        again = updated_toml(new, {"A0[treated]": 3.5})
        assert again == new.replace("2.5", "3.5")
        assert read_model_text(to_toml(spec))[0] == spec

    def test_copies_of_a_parameter_with_a_header(self):
        text = (
            '[parameters.k]\nmin = 0\nmax = 1\nper = "gel"\n[observables]\ny = { formula = "k", noise = 1 }\n'
        )
        spec, _ = read_model_text(updated_toml(text, {"k[1]": 0.5}))
        assert spec.parameters["k[1]"].value == 0.5

    def test_a_file_is_read_but_not_written(self, tmp_path):
        path = tmp_path / "m.toml"
        path.write_bytes(b"\xef\xbb\xbf" + MODEL.encode())
        assert "value = 3," in updated_toml(path, {"A0": 3.0})
        assert path.read_bytes() == b"\xef\xbb\xbf" + MODEL.encode()

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"kk": 1.0}, "parameters.kk - is not in the file"),
            ({"k": math.nan}, "not a finite number"),
            ({"k": math.inf}, "not a finite number"),
            ({"tied": 1.0}, "its formula gives the value"),
        ],
    )
    def test_what_cannot_be_updated_is_refused(self, values, words):
        with pytest.raises(InputError, match=words):
            updated_toml(MODEL.replace("[observables]", 'tied = { tie = "2*k" }\n[observables]'), values)

    @pytest.mark.parametrize("text", ["[parameters\nk = 1\n", "x = " + "[" * 5000 + "\n", "a = 1\na = 2\n"])
    def test_broken_toml_is_refused(self, text):
        with pytest.raises(InputError, match="not TOML"):
            updated_toml(text, {"k": 1.0})


class TestMeasurements:
    def round_trip(self, table, spec, tmp_path):
        path = tmp_path / "out.csv"
        write_measurements(table, path)
        return read_measurements(path, spec)[0], path.read_text()

    @staticmethod
    def rows(table):
        content = table.model_dump(exclude={"file", "line", "sha256"})
        return {key: repr(value) for key, value in content.items()}

    def test_rows_read_back_equal(self, read, tmp_path):
        data = "condition,time,observable,value,sd,replicate,censored,gel\n"
        data += 'control,0,y,1.0000000000000002,0.1,a,,1\ntreated,1e-300,z,0.1,,b,left,"x,y"\n'
        spec, _ = read(data=data)
        again, _ = self.round_trip(spec.measurements, spec, tmp_path)
        assert self.rows(again) == self.rows(spec.measurements)
        assert hashes(spec.model_copy(update={"measurements": again})) == hashes(spec)

    def test_a_noise_column_of_another_name_is_written_once(self, read, tmp_path):
        model = MODEL.replace('noise = "sd"', 'noise = { column = "spread", kind = "sd" }')
        spec, _ = read(
            model=model, data="condition,time,observable,value,spread\ncontrol,0,y,1,0.10\ntreated,0,z,1,2\n"
        )
        again, text = self.round_trip(spec.measurements, spec, tmp_path)
        assert text.split("\n")[0] == "condition,time,observable,value,spread"
        assert self.rows(again) == self.rows(spec.measurements)

    def test_labels_that_look_like_formulas_are_guarded(self, read, tmp_path):
        model = MODEL.replace("[conditions.control]", '[conditions."=1+1"]')
        spec, _ = read(model=model, data=DATA.replace("control", "=1+1").replace("0\n", "0\n"))
        table = spec.measurements.model_copy(update={"columns": {"gel": ("@x", "+y", "-1.5", "'z")}})
        again, text = self.round_trip(table, spec, tmp_path)
        cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
        assert not [cell for cell in cells if cell[:1] in "=@" or cell == "+y"]
        assert "-1.5" in cells
        assert self.rows(again) == self.rows(table)

    def test_a_file_that_cannot_be_written_is_a_storage_error(self, tmp_path):
        with pytest.raises(StorageError, match="could not be written"):
            write_measurements(MeasurementTable(), tmp_path / "nowhere" / "out.csv")

    def test_nothing_is_left_beside_the_file(self, read, tmp_path):
        spec, _ = read(data=DATA)
        self.round_trip(spec.measurements, spec, tmp_path)
        assert {p.name for p in tmp_path.iterdir()} == {"model.toml", "data.csv", "out.csv"}


class TestHashes:
    def test_comments_and_layout_do_not_count(self, tmp_path):
        (tmp_path / "a.toml").write_text(MODEL)
        (tmp_path / "b.toml").write_text(
            "# hello\n" + MODEL.replace("1e-4", "0.0001").replace("decay", "Decay")
        )
        (tmp_path / "a.csv").write_text(DATA)
        (tmp_path / "b.csv").write_text("# hello\n" + DATA.replace("1.0", "1.00"))
        first, second = (hashes(read_problem(tmp_path / f"{n}.toml", tmp_path / f"{n}.csv")[0]) for n in "ab")
        assert first == second
        assert set(first) == {"model", "data"}

    @pytest.mark.parametrize(
        ("old", "new"), [("k*A", "2*k*A"), ("max = 10 ", "max = 11 "), ('"log10" }\nA0', '"log" }\nA0')]
    )
    def test_a_changed_model_changes_its_hash_only(self, read, old, new):
        before, after = hashes(read(data=DATA)[0]), hashes(read(old, new, data=DATA)[0])
        assert before["model"] != after["model"]
        assert before["data"] == after["data"]

    def test_a_changed_datum_changes_its_hash_only(self, read):
        before, after = hashes(read(data=DATA)[0]), hashes(read(data=DATA.replace("0.21", "0.22"))[0])
        assert before["model"] == after["model"]
        assert before["data"] != after["data"]
