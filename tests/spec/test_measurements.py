"""Data files: what is accepted, and what is refused with its row, value, rule and remedy (rows D)."""

from __future__ import annotations

import math

import pytest

from idfit.errors import InputError
from idfit.spec import tables
from idfit.spec.measurements import measurement_table
from idfit.spec.reading import read_problem
from tests.spec.sound import DATA, MODEL, line_of

ONE = MODEL.replace('z = { formula = "B", noise = "sd", unit = "nM" }\n', "").split("[conditions")[0]
"""One observable and no conditions: neither needs a column."""

WITH_SD = MODEL.replace('noise = "sd"', 'noise = { column = "sd" }')


def only(findings, severity):
    return [f for f in findings if f.severity == severity]


class TestAccepted:
    def test_the_steady_state_is_a_time(self, read):
        spec, findings = read(data=DATA.replace("control,1,", "control,inf,"))
        assert findings == []
        assert spec.measurements.time[1] == math.inf

    def test_a_column_may_give_a_name_its_value(self, read):
        model = MODEL.replace('"A", noise', '"w*A", columns = { w = "weight" }, noise')
        weights = ("value,weight", "1.0,2", "0.9,A0/k", "0.2,", "0.21,")
        data = DATA
        for line, weight in zip(("value", "1.0", "0.9", "0.2", "0.21"), weights, strict=True):
            data = data.replace(f"{line}\n", f"{weight}\n")
        spec, findings = read(model=model, data=data)
        assert findings == []
        assert spec.measurements.columns["weight"] == ("2", "A0/k", "", "")

    def test_rows_keep_their_order_and_lines(self, read):
        text = "# measured in May\n" + DATA.replace("control,1,", "\ncontrol,1,")
        spec, findings = read(data=text)
        table = spec.measurements
        assert findings == []
        assert table.condition == ("control", "control", "treated", "control")
        assert table.time == (0.0, 1.0, 1.0, 2.0)
        assert table.observable == ("y", "y", "z", "z")
        assert table.value == (1.0, 0.9, 0.2, 0.21)
        assert table.line == (3, 5, 6, 7)
        assert all(math.isnan(sd) for sd in table.sd)
        assert table.file.endswith("data.csv")
        assert len(table.sha256) == 64

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: "\ufeff" + text,
            lambda text: text.replace("\n", "\r\n"),
            lambda text: text.replace("\n", "\r"),
            lambda text: text.rstrip("\n"),
            lambda text: text.replace("\n", ",\n"),
            lambda text: text.replace("control", '"control"'),
            lambda text: text + "\n\n# the end\n",
        ],
        ids=["mark", "crlf", "cr", "no end", "trailing comma", "quotes", "comments"],
    )
    def test_harmless_variants_give_the_same_rows(self, read, change):
        expected = read(data=DATA)[0].measurements
        spec, findings = read(data=change(DATA))
        assert spec.measurements.model_dump(exclude={"sha256", "sd", "line"}) == expected.model_dump(
            exclude={"sha256", "sd", "line"}
        )
        assert only(findings, "error") == []

    def test_tabs_in_a_csv_file_are_read_and_told(self, read):
        spec, findings = read(data=DATA.replace(",", "\t"))
        assert spec.measurements.value == (1.0, 0.9, 0.2, 0.21)
        assert [(f.code, f.severity) for f in findings] == [("D10", "notice")]

    def test_spaces_around_names_are_dropped_and_told(self, read):
        spec, findings = read(data=DATA.replace(",time,", ", time ,"))
        assert len(spec.measurements) == 4
        assert [(f.code, f.severity) for f in findings] == [("D12", "notice")]

    def test_columns_for_condition_and_observable_may_be_left_out_when_there_is_no_choice(self, read):
        spec, findings = read(model=ONE, data="time,value\n0,1\n1,0.9\n2,0.8\n")
        assert findings == []
        assert set(spec.measurements.condition) == {"default"}
        assert set(spec.measurements.observable) == {"y"}
        spec, _ = read(model=ONE + "[conditions.only]\n", data="time,value\n0,1\n1,0.9\n2,0.8\n")
        assert set(spec.measurements.condition) == {"only"}

    def test_labels_stay_text(self, read):
        model = MODEL.replace("[conditions.control]", "[conditions.NA]\n[conditions.TRUE]\n[conditions.007]")
        data = "condition,time,observable,value,batch\n"
        data += "NA,0,y,1,NaN\nTRUE,1,y,1.5,01\n007,2,z,3,1e3\ntreated,0,z,2,x\n"
        spec, _ = read(model=model, data=data)
        assert spec.measurements.condition == ("NA", "TRUE", "007", "treated")
        assert spec.measurements.columns == {"batch": ("NaN", "01", "1e3", "x")}

    def test_columns_that_nothing_uses_are_kept_and_told(self, read):
        data = "condition,time,observable,value,gel,note\n"
        data += "control,0,y,1,1,a\ncontrol,1,y,2,1,\ntreated,1,z,3,2,\n"
        spec, findings = read(data=data)
        (notice,) = only(findings, "notice")
        assert (notice.code, notice.given) == ("D13", "gel, note")
        assert spec.measurements.columns["gel"] == ("1", "1", "2")

    def test_a_noise_column_of_any_name_is_read(self, read):
        model = MODEL.replace('noise = "sd"', 'noise = { column = "spread", kind = "sem" }')
        data = "condition,time,observable,value,spread\n"
        data += "control,0,y,1,0.1\ntreated,1,z,3,2e-1\ntreated,2,z,3,2e-1\n"
        spec, _ = read(model=model, data=data)
        assert spec.measurements.sd == (0.1, 0.2, 0.2)

    def test_censored_rows_are_read(self, read):
        data = "condition,time,observable,value,censored\n"
        data += "control,0,y,1,\ntreated,1,z,3,left\ntreated,2,z,3,right\n"
        assert read(data=data)[0].measurements.censored == ("", "left", "right")

    def test_a_sign_before_a_label_may_be_guarded_by_an_apostrophe(self, read):
        model = MODEL.replace("[conditions.control]", '[conditions."-a"]')
        spec, _ = read(model=model, data=DATA.replace("control", "'-a"))
        assert spec.measurements.condition[0] == "-a"

    def test_columns_in_memory_are_read_like_a_file(self, read):
        spec, _ = read()
        columns = {
            "condition": ["control"] * 2,
            "time [h]": [0, 0.5],
            "observable": ["y", "y"],
            "value": [1, 0.5],
        }
        table, notices = measurement_table(columns, spec)
        assert table.time == (0.0, 30.0)
        assert table.line == (1, 2)
        assert [n.code for n in notices] == ["M21"]
        with pytest.raises(InputError, match="different lengths"):
            measurement_table({**columns, "value": [1]}, spec)


class TestUnits:
    def test_times_are_converted_and_told(self, read):
        spec, findings = read(data=DATA.replace("time", "time [h]"))
        assert spec.measurements.time == (0.0, 60.0, 60.0, 120.0)
        (notice,) = findings
        assert (notice.code, notice.severity) == ("M21", "notice")
        assert "multiplied by 60" in notice.rule

    @pytest.mark.parametrize("unit", ["nM", "furlong", "m**9**9**9"])
    def test_what_is_no_time_is_refused(self, refused, unit):
        (finding,) = refused(data=DATA.replace("time", f"time [{unit}]"))
        assert finding.code == "M21"
        assert f"time [{unit}]" in finding.given
        assert "min" in finding.remedy

    def test_values_are_not_converted_but_warned_of(self, read):
        spec, findings = read(data=DATA.replace("value", "value [uM]"))
        assert spec.measurements.value[0] == 1.0
        assert {(f.code, f.severity) for f in findings} == {("M21", "warning")}

    def test_a_model_without_time_unit_takes_times_as_they_are(self, read):
        spec, findings = read('time = "min"\n', "", data=DATA.replace("time", "time [h]"))
        assert spec.measurements.time[1] == 1.0
        assert [(f.code, f.severity) for f in findings] == [("M21", "notice")]


class TestRefusedFiles:
    @pytest.mark.parametrize(
        ("data", "code", "words"),
        [
            ("", "M02", "empty"),
            ("\n\n", "M02", "empty"),
            ("# only a comment\n", "D01", "no rows"),
            ("condition,time,observable,value\n", "D01", "no rows"),
            ("condition;time;observable;value\ncontrol;0;y;1,5\n", "D05", "decimal commas"),
            ("condition;time;observable;value\ncontrol;0;y;1.5\n", "D05", "semicolons"),
            (DATA.replace("value", "time"), "D11", "twice"),
            (DATA.replace("time", "Time"), "D13", "'Time'"),
            (DATA.replace("value", "value_nM"), "D13", "'value_nM'"),
            (DATA.replace("condition", "experiment"), "D13", "no column 'condition'"),
            (DATA.replace("observable", ""), "D08", "no name"),
            (DATA.encode("utf-16"), "D04", "UTF-16"),
            ("time,value\n0,1 µM\n".encode("latin-1"), "D04", "0xb5"),
            (DATA.replace("0.9", "0\0.9"), "D18", "NUL"),
            (b"\x89PNG\r\n\x1a\n" + b"\xff" * 50, "D04", "PNG"),
        ],
    )
    def test_whole_files(self, refused, data, code, words):
        findings = refused(data=data)
        assert {f.code for f in findings} == {code}
        assert words in str(findings[0])
        assert all(f.file.endswith("data.csv") for f in findings)

    def test_missing_data_is_named(self, tmp_path):
        (tmp_path / "model.toml").write_text(MODEL)
        with pytest.raises(InputError, match=r"no such data file .*nothing\.csv"):
            read_problem(tmp_path / "model.toml", tmp_path / "nothing.csv")

    def test_too_many_rows(self, refused, monkeypatch):
        monkeypatch.setattr(tables, "MAX_ROWS", 3)
        (finding,) = refused(data=DATA)
        assert finding.code == "D31"
        assert "5 rows, more than the limit of 3" in finding.rule


class TestRefusedRows:
    @pytest.mark.parametrize(
        ("old", "new", "code", "words"),
        [
            ("control,1,y,0.9", "control,1,y,0.9,7", "D06", "the row has 5 cells, the header 4"),
            ("control,1,y,0.9", "control,1,y", "D06", "the row has 3 cells, the header 4"),
            ("control,1,y,0.9", '"control,1,y,0.9', "D09", "quoted cell"),
            ("0.9", "<0.1", "D16", "left in a column 'censored'"),
            ("0.9", ">5", "D16", "right in a column 'censored'"),
            ("0.9", "n.d.", "D16", "leave the row out"),
            ("0.9", "-", "D16", "leave the row out"),
            ("0.9", "1.0D+03", "D16", "with e"),
            ("0.9", "1_000", "D16", "separators"),
            ("0.9", '"1,234.5"', "D16", "separators"),
            ("0.9", '"0,9"', "D16", "decimal point"),
            ("0.9", "\N{MINUS SIGN}1", "D16", "U+2212"),
            ("0.9", "\N{FULLWIDTH DIGIT ONE}", "D16", "U+FF11"),
            ("0.9", "0x10", "D16", "not a number"),
            ("0.9", "True", "D16", "not a number"),
            ("0.9", "1" * 65, "D16", "not a number"),
            ("0.9", "inf", "D15", "not finite"),
            ("0.9", "-Infinity", "D15", "not finite"),
            ("0.9", "1e400", "D15", "too large"),
            ("0.9", "", "D14", "--missing drop"),
            ("0.9", "NA", "D14", "value = 'NA'"),
            ("0.9", "NaN", "D14", "is missing"),
            ("0.9", "null", "D14", "is missing"),
            ("0.9", "None", "D14", "is missing"),
            ("0.9", "n/a", "D14", "is missing"),
            ("control,1,", "control,,", "D29", "time = ''"),
            ("control,1,", "control,NaN,", "D29", "time = 'NaN'"),
            ("control,1,", "control,soon,", "D29", "time = 'soon'"),
            ("control,1,", "control,2020-01-01,", "D29", "dates are not times"),
            ("control,1,", "control,-inf,", "D15", "not finite"),
            ("control,1,", "control,-1,", "D27", "before the condition starts (t0 = 0)"),
            ("control,1,y", "contrl,1,y", "D21", "did you mean 'control'?"),
            ("control,1,y", ",1,y", "D21", "condition is empty"),
            ("control,1,y", "control,1,yy", "D21", "is not in the model (it has y, z)"),
            ("control,1,y", "control,1,", "D21", "observable is empty"),
        ],
    )
    def test_each_row_is_named(self, refused, old, new, code, words):
        (finding,) = refused(data=DATA.replace(old, new))
        assert finding.code == code
        assert finding.line == 3
        assert words in str(finding)

    @pytest.mark.parametrize(
        ("cell", "words"),
        [
            ("A", "'A' is not a parameter"),
            ("kk", "did you mean 'k'?"),
            ("2*", "neither a number nor a formula"),
            ("", "is empty"),
        ],
    )
    def test_a_value_from_a_column_is_a_formula_of_parameters(self, refused, cell, words):
        model = MODEL.replace('"A", noise', '"w*A", columns = { w = "weight" }, noise')
        data = DATA.replace("\n", ",1\n").replace("value,1", "value,weight").replace("0.9,1", f"0.9,{cell}")
        finding = refused(model=model, data=data)[0]
        assert words in str(finding)
        assert finding.line == 3

    def test_a_steady_state_is_refused_where_the_model_moves_with_the_time(self, refused):
        (finding,) = refused(
            model=MODEL.replace('"k*A"', '"k*A*t"'), data=DATA.replace("control,1,", "control,inf,")
        )
        assert (finding.code, finding.line) == ("D28", 3)

    def test_every_bad_row_is_named(self, refused):
        data = DATA.replace("0.9", "x").replace("0.21", "?").replace("treated", "traeted")
        assert [(f.line, f.code) for f in refused(data=data)] == [(3, "D16"), (4, "D21"), (5, "D16")]

    def test_several_problems_of_a_row_are_all_named(self, refused):
        findings = refused(data=DATA.replace("control,1,y,0.9", "control,x,y,z"))
        assert {f.code for f in findings} == {"D29", "D16"}

    @pytest.mark.parametrize("sd", ["0", "-0.1", "inf", "1e400", "<1"])
    def test_noise_must_be_positive_and_finite(self, refused, sd):
        data = DATA.replace("value\n", "value,sd\n").replace("1.0\n", f"1.0,{sd}\n")
        data = (
            data.replace("0.9\n", "0.9,0.1\n").replace("0.2\n", "0.2,0.1\n").replace("0.21\n", "0.21,0.1\n")
        )
        (finding,) = refused(model=WITH_SD, data=data)
        assert finding.line == 2
        assert finding.code in ("D19", "D15", "D16")
        assert "sd = " in finding.given

    def test_rows_without_noise_are_listed(self, refused):
        data = DATA.replace("value\n", "value,sd\n").replace("1.0\n", "1.0,0.1\n").replace("0.9\n", "0.9,\n")
        data = data.replace("0.2\n", "0.2,NA\n").replace("0.21\n", "0.21,0.1\n")
        findings = refused(model=WITH_SD, data=data)
        assert [(f.line, f.code) for f in findings] == [(3, "D20"), (4, "D20")]
        assert "noise of 'y'" in findings[0].rule

    def test_rows_without_noise_are_fine_where_a_formula_gives_it(self, read):
        model = MODEL.replace('formula = "A", noise = "sd"', 'formula = "A", noise = { column = "sd" }')
        data = "condition,time,observable,value,sd\n"
        data += "control,0,y,1,0.1\ncontrol,1,y,0.9,0.2\ntreated,1,z,0.2,\ncontrol,2,z,0.21,NA\n"
        spec, _ = read(model=model, data=data)
        assert spec.measurements.sd[:2] == (0.1, 0.2)
        assert all(math.isnan(sd) for sd in spec.measurements.sd[2:])

    @pytest.mark.parametrize(
        "how", ['transform = "log10"', 'distribution = "log-normal"', 'distribution = "log-laplace"']
    )
    def test_logarithms_need_positive_values(self, refused, how):
        model = MODEL.replace('noise = "sd", unit = "nM" }\nz', f'noise = "sd", {how} }}\nz')
        (finding,) = refused(model=model, data=DATA.replace("0.9", "0"))
        assert (finding.line, finding.code) == (3, "D23")
        assert "value = 0" in finding.given

    @pytest.mark.parametrize("text", ["both", "Left", "LEFT", "1"])
    def test_censoring_is_left_or_right(self, refused, text):
        data = DATA.replace("value\n", "value,censored\n").replace("1.0\n", f"1.0,{text}\n")
        data = data.replace("0.9\n", "0.9,\n").replace("0.2\n", "0.2,\n").replace("0.21\n", "0.21,\n")
        (finding,) = refused(data=data)
        assert (finding.line, finding.code) == (2, "D16")
        assert text.lower() != "left" or "'left'" in finding.remedy

    def test_thousands_of_bad_rows_are_bounded(self, refused):
        rows = "".join(f"control,{n},y,x{n}\n" for n in range(20_000))
        findings = refused(data="condition,time,observable,value\n" + rows)
        assert len(findings) <= 102
        assert any(f.given == "19900 more" for f in findings)


class TestMissing:
    def test_rows_without_value_are_dropped_on_demand_and_counted(self, read):
        spec, findings = read(data=DATA.replace("0.9", "NA").replace("0.21", ""), missing="drop")
        assert spec.measurements.value == (1.0, 0.2)
        assert spec.measurements.line == (2, 4)
        notice = next(f for f in findings if f.code == "D14")
        assert notice.severity == "notice"
        assert notice.given == "2 of 4 rows (lines 3, 5)"

    def test_a_missing_time_is_refused_all_the_same(self, refused):
        (finding,) = refused(data=DATA.replace("control,1,", "control,,"), missing="drop")
        assert finding.code == "D29"

    def test_rows_of_empty_cells_are_skipped_and_counted(self, read):
        spec, findings = read(data=DATA + ",,,\n,,,\n")
        assert len(spec.measurements) == 4
        assert [(f.code, f.given) for f in findings] == [("D14", "2 rows")]


class TestWarnings:
    def test_duplicates_are_noticed(self, read):
        spec, findings = read(data=DATA + "control,1,y,0.9\ncontrol,1,y,0.90\n")
        (notice,) = findings
        assert (notice.code, notice.severity) == ("D25", "notice")
        assert notice.given.startswith("2 rows")
        assert len(spec.measurements) == 6

    def test_times_that_differ_by_rounding_are_noticed(self, read):
        _, findings = read(data=DATA.replace("treated,1,", "treated,1.000000000000001,"))
        assert [(f.code, f.severity) for f in findings] == [("D30", "notice")]

    def test_observables_and_conditions_without_data_are_warned_of(self, read):
        _, findings = read(
            data="condition,time,observable,value\ncontrol,0,y,1\ncontrol,1,y,2\ncontrol,2,y,3\n"
        )
        found = {(f.code, f.severity, f.given) for f in findings}
        assert ("D22", "warning", "observables z") in found
        assert ("D22", "warning", "conditions treated") in found

    def test_one_measurement_and_estimated_noise(self, read):
        data = DATA.replace("control,2,z,0.21\n", "control,3,y,0.8\n")
        _, findings = read(data=data)
        assert [(f.code, f.given) for f in findings] == [("D32", "observable 'z'")]
        assert findings[0].line == line_of(MODEL, "z = {")

    def test_identical_measurements(self, read):
        _, findings = read(data=DATA.replace("0.21", "0.2"))
        assert [f.code for f in findings] == ["D33"]

    def test_a_very_wide_range(self, read):
        _, findings = read(data=DATA.replace("0.9", "1e-30"))
        assert [f.code for f in findings] == ["D34"]

    def test_more_parameters_than_data(self, read):
        _, findings = read(data="condition,time,observable,value\ncontrol,0,y,1\ntreated,1,z,2\n")
        assert "P02" in {f.code for f in findings}

    def test_copies_count_as_parameters(self, read):
        model = MODEL.replace("max = 10 }", 'max = 10, per = "condition" }')
        assert "P02" not in {f.code for f in read(model=model, data=DATA)[1]}
        assert "P02" in {f.code for f in read(model=model, data=DATA.replace("control,2,z,0.21\n", ""))[1]}
