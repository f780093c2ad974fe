"""Model files that must be refused, and how: the place, the value, the rule, the remedy (rows M, S, P11)."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from idfit.errors import InputError
from idfit.spec import files
from idfit.spec.reading import read_model_text, read_problem
from tests.spec.sound import MODEL, line_of


def findings_of(path: str | Path) -> tuple:
    with pytest.raises(InputError) as raised:
        read_problem(path)
    return raised.value.findings


def test_a_sound_model_is_read_without_a_word(read):
    spec, findings = read()
    assert findings == []
    assert list(spec.parameters) == ["k", "A0", "sd"]
    assert spec.states["A"].init == "A0"
    assert spec.conditions["treated"].set == {"k": 0.2}


class TestFiles:
    def test_a_missing_file_is_named_as_given_and_resolved(self, tmp_path, monkeypatch):
        (tmp_path / "enzyme.toml").write_text(MODEL)
        monkeypatch.chdir(tmp_path)
        (finding,) = findings_of("enzym.toml")
        assert finding.code == "M01"
        assert finding.file == "enzym.toml"
        assert str(tmp_path / "enzym.toml") in finding.rule
        assert "'enzyme.toml'" in finding.remedy

    def test_a_folder_is_not_a_model(self, tmp_path):
        (finding,) = findings_of(tmp_path)
        assert finding.code == "M01"
        assert "folder" in finding.rule

    def test_an_unreadable_file_is_said_to_be_so(self, tmp_path, monkeypatch):
        path = tmp_path / "model.toml"
        path.write_text(MODEL)

        def deny(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(files.os, "open", deny)
        (finding,) = findings_of(path)
        assert finding.code == "M01"
        assert "permissions" in finding.remedy

    @pytest.mark.parametrize("content", [b"", b"   \n\t\n", b"\xef\xbb\xbf"])
    def test_an_empty_file_is_called_empty(self, tmp_path, content):
        path = tmp_path / "model.toml"
        path.write_bytes(content)
        (finding,) = findings_of(path)
        assert finding.code == "M02"
        assert "empty" in finding.rule

    def test_a_fifo_is_refused_and_not_waited_for(self, tmp_path):
        path = tmp_path / "pipe.toml"
        os.mkfifo(path)
        (finding,) = findings_of(path)
        assert finding.code == "S03"
        assert "regular file" in finding.rule

    @pytest.mark.parametrize("path", ["/dev/zero", "/proc/self/mem", "/proc/self/environ"])
    def test_devices_and_processes_are_not_read(self, path):
        if not os.path.exists(path):
            pytest.skip("there is no such path here")
        (finding,) = findings_of(path)
        assert finding.code == "S03"

    def test_a_path_with_nul_is_refused(self):
        (finding,) = findings_of("a\0b.toml")
        assert finding.code == "M01"

    def test_the_size_is_bounded(self, tmp_path):
        path = tmp_path / "model.toml"
        path.write_bytes(b"#" * (files.MAX_MODEL_BYTES + 1))
        (finding,) = findings_of(path)
        assert "5,000,001 bytes" in finding.rule
        assert "limit of 5,000,000" in finding.rule

    def test_a_picture_is_not_a_model(self, tmp_path):
        path = tmp_path / "model.toml"
        path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
        (finding,) = findings_of(path)
        assert "PNG" in finding.given

    @pytest.mark.parametrize(
        ("encoding", "named"), [("utf-16", "UTF-16"), ("utf-32", "UTF-32"), ("latin-1", "Latin-1")]
    )
    def test_other_encodings_are_named(self, tmp_path, encoding, named):
        path = tmp_path / "model.toml"
        path.write_bytes(MODEL.replace("nM", "µM").encode(encoding))
        (finding,) = findings_of(path)
        assert finding.code == "D04"
        assert named in finding.rule + finding.remedy
        assert encoding != "latin-1" or finding.line == line_of(MODEL, "nM")

    def test_utf16_without_a_mark_is_guessed(self, tmp_path):
        path = tmp_path / "model.toml"
        path.write_bytes(MODEL.encode("utf-16-le"))
        (finding,) = findings_of(path)
        assert "UTF-16" in finding.remedy

    def test_a_byte_order_mark_is_accepted(self, tmp_path):
        path = tmp_path / "model.toml"
        path.write_bytes(b"\xef\xbb\xbf" + MODEL.encode())
        spec, findings = read_problem(path)
        assert findings == []
        assert spec.name == "decay"


class TestSyntax:
    @pytest.mark.parametrize(
        ("old", "new", "line", "words"),
        [
            (
                "[observables]",
                "k = { value = 2 }\n[observables]",
                13,
                ["M24", "parameters.k", "first on line 10"],
            ),
            ("[observables]", "[states]\n[observables]", 13, ["M24", "states", "first on line 4"]),
            ("min = 1e-4, ", "min = 1e-4, min = 1e-3, ", 10, ["M24", "parameters.k.min"]),
            ('"min"', '"min', 3, ["time", "quote"]),
            ("value = 0.1,", "value = .1,", 10, ["no valid value", "digit before the point"]),
            ("value = 0.1,", "value = 0.1", 10, ["table is not closed"]),
            ("A = {", "A : {", 5, ["equals sign"]),
            ("time =", "// minutes\ntime =", 3, ["begin the line with #"]),
            ('"A -> B"', "A -> B", 8, ["no valid value", "texts need quotes"]),
            ("[states]", "[states", 4, ["]"]),
            ('"decay"', '"de\\cay"', 2, ["backslash"]),
        ],
    )
    def test_broken_toml_is_worded_with_its_line(self, refused, old, new, line, words):
        (finding,) = refused(old, new)
        assert finding.line == line
        assert all(word in str(finding) for word in words), str(finding)
        assert "tomllib" not in str(finding)

    def test_deep_nesting_is_refused_with_its_line(self, refused):
        (finding,) = refused('"decay"', "[" * 1000 + "]" * 1000)
        assert (finding.code, finding.line) == ("M25", 2)

    def test_moderately_deep_nesting_is_refused_too(self, refused):
        finding = refused('"decay"', "[" * 100 + "]" * 100)[0]
        assert (finding.code, finding.line) == ("M25", 2)

    def test_long_dotted_keys_cost_no_time(self, refused):
        (finding,) = refused('name = "decay"', "a." * 500_000 + "b = 1")
        assert finding.code == "M25"
        assert "parts" in finding.rule

    @pytest.mark.parametrize("digits", ["1" * 5000, "0x" + "f" * 10_000, "9" * 30])
    def test_very_long_integers_are_refused(self, refused, digits):
        finding = refused("value = 1,", f"value = {digits},")[0]
        assert (finding.code, finding.line) == ("M26", line_of(MODEL, "value = 1,"))

    @pytest.mark.parametrize("text", ["inf", "-inf", "nan", "1e400"])
    def test_numbers_must_be_finite(self, refused, text):
        (finding,) = refused("max = 10 ", f"max = {text} ")
        assert finding.code == "M28"
        assert "parameters.A0.max" in finding.given
        assert finding.line == line_of(MODEL, "A0 = {")
        assert finding.column == MODEL.split("\n")[finding.line - 1].index("10 }") + 1

    def test_dates_are_no_values(self, refused):
        (finding,) = refused("value = 0.1,", "value = 2020-01-01,")
        assert "parameters.k.value = 2020-01-01" in str(finding)
        assert "date" in finding.rule


class TestKeysAndTypes:
    @pytest.mark.parametrize(
        ("old", "new", "given", "remedy"),
        [
            ("max = 1e2", "upper_buond = 1e2", "parameters.k.upper_buond", "'max'"),
            ("max = 1e2", "maxi = 1e2", "parameters.k.maxi", "'max'"),
            ("init = 0", "initial = 0", "states.B.initial", "'init'"),
            (
                'noise = "sd", unit = "nM" }\nz',
                'sigma = "sd", unit = "nM" }\nz',
                "observables.y.sigma",
                "'noise'",
            ),
            ('rate = "k*A"', 'rat = "k*A"', "reactions.r.rat", "'rate'"),
            ("[observables]", "[observable]\nq = 1\n[observables]", "observable", "'observables'"),
            ("set = ", "sets = ", "conditions.treated.sets", "'set'"),
            ("set = ", "table = ", "conditions.treated.table", "[conditions]"),
        ],
    )
    def test_unknown_keys_are_never_ignored(self, refused, old, new, given, remedy):
        finding = next(f for f in refused(old, new) if f.given == given)
        assert finding.code == "M29"
        assert remedy in finding.remedy
        broken = MODEL.replace(old, new, 1)
        assert finding.line == line_of(
            broken, given.rsplit(".", 1)[-1] + ("]" if given == "observable" else " =")
        )

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("value = 0.1,", 'value = "0.1",', ["parameters.k.value = '0.1'", "a number", "without quotes"]),
            ("value = 0.1,", "value = true,", ["parameters.k.value = true", "a number"]),
            ("value = 0.1,", "value = [1],", ["parameters.k.value = an array", "a number"]),
            (
                '"log10" }\nA0',
                '"log1" }\nA0',
                ["parameters.k.scale = 'log1'", "lin, log, log10, logit", "'log"],
            ),
            ("value = 1,", 'fixed = "yes",', ["parameters.A0.fixed = 'yes'", "true or false"]),
            ("value = 1,", "fixed = 1,", ["parameters.A0.fixed = 1", "true or false"]),
            ('init = "A0"', "init = true", ["states.A.init = true", "a number or a formula"]),
            ('"min"', "60", ["time = 60", "a text in quotes"]),
            (
                'k = { value = 0.1, min = 1e-4, max = 1e2, scale = "log10" }',
                "k = 0.1",
                ["parameters.k = 0.1", "value ="],
            ),
            (
                "set = { k = 0.2 }",
                "set = { k = [1, 2] }",
                ["conditions.treated.set.k", "a number or a formula"],
            ),
            ("set = { k = 0.2 }", "set = 1", ["conditions.treated.set = 1", "a table of names"]),
            ("set = { k = 0.2 }", 'reinit = "A"', ["reinit = 'A'", "an array of names"]),
            (
                "set = { k = 0.2 }",
                "dose = { time = 1, add = { A = 1 } }",
                ["dose = a table", "array of tables"],
            ),
            (
                'noise = "sd", unit = "nM" }\nz',
                'unit = "nM" }\nz',
                ["observables.y", "'noise'", "an observable needs"],
            ),
            (
                'noise = "sd", unit = "nM" }\nz',
                'noise = { colunm = "sd" } }\nz',
                ["noise.colunm", "'column'"],
            ),
            ("idfit = 1", "idfit = 2", ["idfit = 2", "install a newer idfit"]),
            ("idfit = 1", "idfit = true", ["idfit = true"]),
            ("[states]", 'odes = "A"\n[states]', ["odes", "[odes]"]),
        ],
    )
    def test_wrong_types_are_said_in_plain_words(self, refused, old, new, words):
        findings = refused(old, new)
        text = "\n".join(map(str, findings))
        assert all(word in text for word in words), text
        for jargon in ("pydantic", "Input should", "valid dictionary", "union", "type=", "function-"):
            assert jargon not in text
        broken = MODEL.replace(old, new, 1).split("\n")
        original = MODEL.split("\n")
        changed = next(n for n, (a, b) in enumerate(zip(broken, original, strict=False), start=1) if a != b)
        assert findings[0].line == changed

    def test_all_problems_come_at_once_and_no_echo_of_them(self, refused):
        model = (
            MODEL.replace("max = 1e2", "maxx = 1e2")
            .replace('formula = "B"', 'formula = "Bb"')
            .replace("min = 0,", "min = 20,")
        )
        data = "condition,time,observable,value\ncontrol,x,y,1\ncontrol,1,yy,1\n"
        findings = refused(model=model, data=data)
        assert {f.code for f in findings} == {"M29", "E12", "P03", "D29", "D21"}
        assert len(findings) == 5

    def test_a_broken_model_does_not_hide_broken_data(self, refused):
        codes = {f.code for f in refused("[states]", "[states", data="a;b\n1;2\n")}
        assert codes == {"TOML", "D05"}

    def test_at_most_fifty_are_shown_and_the_rest_counted(self, read):
        unknown = "".join(f"q{n} = {{ valu = 1 }}\n" for n in range(80))
        with pytest.raises(InputError) as raised:
            read("[observables]", unknown + "[observables]")
        assert str(raised.value).count("\n") == 50
        assert "30 more" in str(raised.value)

    def test_thousands_of_problems_are_bounded(self, refused):
        unknown = "".join(f"q{n} = {{ valu = 1 }}\n" for n in range(5_000))
        assert len(refused("[observables]", unknown + "[observables]")) <= 102


class TestNames:
    @pytest.mark.parametrize(
        "name", ["lambda", "S", "N", "E", "I", "x0", "time2", "beta", "gamma", "exp", "int", "None"]
    )
    def test_names_are_only_names(self, read, name):
        model = (
            MODEL.replace("k*A", f"{name}*A")
            .replace("k = {", f"{name} = {{")
            .replace("k = 0.2", f"{name} = 0.2")
        )
        spec, findings = read(model=model)
        assert name in spec.parameters
        assert not [f for f in findings if f.code != "P11"]

    @pytest.mark.parametrize("name", ["pi", "inf", "true", "false"])
    def test_a_name_that_formulas_read_as_a_number_is_refused(self, refused, name):
        model = (
            MODEL.replace("k*A", f"{name}*A")
            .replace("k = {", f"{name} = {{")
            .replace("k = 0.2", f"{name} = 0.2")
        )
        assert refused(model=model)[0].code == "M18"

    @pytest.mark.parametrize(
        ("name", "code", "words"),
        [
            ('"../../etc/passwd"', "S10", "letters a to z"),
            ('"<script>"', "S10", "letters"),
            ('"a\\nb"', "S10", "'a\\nb'"),
            ('"a\\u0000b"', "S10", "letters"),
            ('"2a"', "S10", "not beginning with a digit"),
            ('"a b"', "S10", "letters"),
            ('""', "S10", "letters"),
            ('"\\u043a1"', "E16", "U+043A"),
            ("n" * 10_000, "S10", "200 characters"),
        ],
    )
    @pytest.mark.parametrize(
        "section", ["parameters", "states", "observables", "constants", "assignments", "inputs"]
    )
    def test_odd_names_are_refused(self, refused, section, name, code, words):
        value = {
            "parameters": "{ value = 1, fixed = true }",
            "states": "{}",
            "observables": '{ formula = "A", noise = 1 }',
        }
        addition = f"[{section}]\n{name} = {value.get(section, '1')}\n"
        place = f"[{section}]\n" if f"[{section}]\n" in MODEL else "[observables]\n"
        new = addition if place == f"[{section}]\n" else addition + place
        finding = next(f for f in refused(place, new) if f.code == code)
        assert words in str(finding)
        assert finding.line == line_of(MODEL.replace(place, new, 1), "\n" + name) + 1

    @pytest.mark.parametrize("label", ["a\\nb", " a", "", "a\\u0000"])
    def test_odd_condition_labels_are_refused(self, refused, label):
        findings = refused("[conditions.control]", f'[conditions."{label}"]')
        assert findings[0].code == "S10"

    @pytest.mark.parametrize("label", ["<script>", "../up", "5 nM", "=1+1", "NA", "007"])
    def test_conditions_may_have_any_printable_label(self, read, label):
        spec, _ = read("[conditions.control]", f'[conditions."{label}"]')
        assert label in spec.conditions

    def test_one_name_for_two_things_is_refused(self, refused):
        (finding,) = refused("y = {", "A = {")
        assert finding.code == "M18"
        assert "[states]" in finding.rule
        assert "[observables]" in finding.rule
        assert "A_observed" in finding.remedy
        assert finding.line == line_of(MODEL, "y = {")

    def test_names_that_differ_in_case_are_noticed(self, read):
        _, findings = read("[observables]", "K = { value = 1, fixed = true }\n[observables]")
        finding = next(f for f in findings if f.code == "P11")
        assert finding.given == "'k' and 'K'"

    def test_a_declared_t_hides_the_time_and_says_so(self, read):
        model = MODEL.replace("k*A", "t*A").replace("k = {", "t = {").replace("k = 0.2", "t = 0.2")
        _, findings = read(model=model)
        (finding,) = [f for f in findings if f.code == "M18"]
        assert finding.severity == "notice"
        assert "'time'" in finding.remedy


def test_a_text_without_a_folder_may_not_name_files():
    with pytest.raises(InputError, match="cannot name files"):
        read_model_text('[inputs]\nu = { file = "u.csv" }\n[observables]\ny = { formula = "u", noise = 1 }\n')


def test_measurements_may_stand_in_the_model(tmp_path):
    text = (
        MODEL
        + '[measurements]\ncondition = ["control", "treated"]\ntime = [0, 1.5]\n'
        + 'observable = ["y", "z"]\nvalue = [1, 2]\n'
    )
    spec, findings = read_model_text(text)
    assert {f.severity for f in findings} == {"warning"}
    assert spec.measurements.time == (0.0, 1.5)
    assert all(math.isnan(sd) for sd in spec.measurements.sd)
