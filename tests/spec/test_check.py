"""Rules for formulas, reactions, conditions, inputs and units, each with its message."""

from __future__ import annotations

import pytest

from idfit.expressions import ExpressionError
from idfit.spec.check import check
from idfit.spec.reaction_equations import parse_equation
from idfit.spec.reading import read_problem
from idfit.spec.schema import MeasurementTable, ProblemSpec, StateSpec
from tests.spec.sound import DATA, MODEL, line_of


class TestFormulas:
    @pytest.mark.parametrize(
        ("old", "new", "column_of", "code", "words"),
        [
            ('"k*A"', '"kk*A"', "kk*A", "E12", "'kk' is not declared - did you mean 'k'?"),
            ('"k*A"', '"k*A + foo"', "foo", "E12", "'foo' is not declared - declare it"),
            ('"k*A"', '"k*y"', "y\"", "E12", "'y' is one of the observables"),
            ('"k*A"', '"k*(A"', "", "", "reactions.r.rate"),
            ('"k*A"', '"k*A; 1"', "; 1", "", "reactions.r.rate"),
            ('"k*A"', "\"__import__('os').system('touch pwned')\"", "", "", "reactions.r.rate"),
            ('"k*A"', '"1/0"', "", "", "reactions.r.rate"),
            ('"A0"', '"A0*y"', "y", "E12", "an initial value may use states, parameters"),
            ('"A0"', '"A0*A"', "", "M17", "states: A -> A - refers to itself"),
            ('"A0"', '"inf"', "", "M28", "is not finite"),
            ('noise = "sd", unit = "nM" }\nz', 'noise = "sd*z", unit = "nM" }\nz', "z\"", "E12", "write 'y'"),
            ('formula = "A"', 'formula = "y"', "", "E20", "observables: y -> y - refers to itself"),
            ('formula = "A"', 'formula = "A + z/q"', "q\"", "E12", "'q' is not declared"),
        ],
    )  # fmt: skip
    def test_a_formula_is_refused_at_the_right_column(self, refused, old, new, column_of, code, words):
        findings = refused(old, new)
        finding = findings[0]
        broken = MODEL.replace(old, new, 1)
        line = broken.split("\n")[finding.line - 1]
        assert finding.line == line_of(MODEL, old)
        assert words in str(finding)
        assert not code or finding.code == code
        if column_of:
            assert finding.column == line.index(column_of) + 1

    def test_the_line_within_a_long_formula_is_found(self, refused):
        long = '[reactions.r]\neq = "A -> B"\nrate = """k*A\n  + (A\n  + kk)"""\n'
        (finding,) = refused(model=MODEL.replace('[reactions]\nr = { eq = "A -> B", rate = "k*A" }\n', long))
        assert (finding.line, finding.column) == (11, 5)

    @pytest.mark.parametrize("formula", ["z", "A + u", "A*q", "Abs(A - B)", "max(A, B)", "A*exp(-k*t)", "1"])
    def test_observables_may_use_everything(self, read, formula):
        model = MODEL.replace("[observables]", '[inputs]\nu = 1\n[assignments]\nq = "B/A"\n[observables]')
        assert read('formula = "A"', f'formula = "{formula}"', model=model)[1] == []

    def test_circles_of_assignments_and_observables_are_printed(self, refused):
        model = MODEL.replace(
            "[observables]", '[assignments]\na = "b + A"\nb = "2*c"\nc = "a"\n[observables]'
        )
        model = model.replace('formula = "A"', 'formula = "z"').replace('formula = "B"', 'formula = "y + a"')
        circles = {f.code: f.given for f in refused(model=model)}
        assert set(circles) == {"M17", "E20"}
        assert sorted(circles["M17"].removeprefix("assignments: ").split(" -> "))[1:-1] in (
            ["a", "b"],
            ["b", "b"],
            ["b", "c"],
        )
        assert circles["E20"] in ("observables: y -> z -> y", "observables: z -> y -> z")

    def test_initial_values_may_use_those_of_other_states_but_not_in_a_circle(self, read, refused):
        model = MODEL.replace(
            "[observables]",
            '[assignments]\nstatic = "2*k"\nmoving = "static*A"\nlate = "moving"\n[observables]',
        )
        assert read('"A0"', '"A0*static"', model=model)[1] == []
        assert read("init = 0,", 'init = "late",', model=model)[1] == []
        (finding,) = refused("init = 0,", 'init = "2*A",', model=MODEL.replace('init = "A0"', 'init = "B"'))
        assert finding.code == "M17"

    def test_a_model_without_states_is_a_regression(self, tmp_path):
        path = tmp_path / "m.toml"
        text = "[parameters]\na = { value = 1, min = 0, max = 2 }\n"
        path.write_text(text + '[observables]\ny = { formula = "a*exp(-t)", noise = 1 }\n')
        spec, findings = read_problem(path)
        assert findings == []
        assert spec.states == {}

    def test_a_model_without_anything_is_refused(self, refused):
        (finding,) = refused(model='name = "x"\n')
        assert "states or observables" in finding.rule


class TestReactions:
    @pytest.mark.parametrize(
        ("text", "left", "right", "reversible"),
        [
            ("2 A + B <-> C", {"A": 2, "B": 1}, {"C": 1}, True),
            (" -> A", {}, {"A": 1}, False),
            ("A -> ", {"A": 1}, {}, False),
            ("1/2 A + 0.5*B -> 2A", {"A": 0.5, "B": 0.5}, {"A": 2}, False),
            ("A + A->B", {"A": 2}, {"B": 1}, False),
        ],
    )
    def test_equations_are_read(self, text, left, right, reversible):
        equation = parse_equation(text)
        assert (equation.left, equation.right, equation.reversible) == (left, right, reversible)

    def test_what_only_catalyses_has_no_net_change(self):
        assert parse_equation("E + S -> E + 2 P").net == {"E": 0, "S": -1, "P": 2}

    @pytest.mark.parametrize(
        ("text", "column"),
        [
            ("A", 1),
            ("A -> B -> C", 1),
            (" -> ", 1),
            ("A + -> B", 4),
            ("A -> 2^B", 5),
            ("A -> B C", 5),
            ("0 A -> B", 1),
            ("1/0 A -> B", 1),
            ("A = B", 1),
            ("A -> \u0410", 5),
        ],
    )  # fmt: skip
    def test_wrong_equations_are_refused_with_their_column(self, text, column):
        with pytest.raises(ExpressionError) as raised:
            parse_equation(text)
        assert raised.value.column == column

    def test_an_unknown_state_is_named_at_its_column(self, refused):
        (finding,) = refused('"A -> B"', '"A -> Bb"')
        assert "'Bb' is not a state" in finding.rule
        assert "'B'" in finding.remedy
        assert finding.column == MODEL.split("\n")[7].index("B") + 1

    def test_an_ode_of_no_state_is_refused(self, refused):
        (finding,) = refused("[parameters]", '[odes]\nAa = "-k"\n[parameters]')
        assert finding.given == "odes.Aa"
        assert "'A'" in finding.remedy

    def test_a_state_that_nothing_moves_is_noticed(self, read):
        _, findings = read("[reactions]", 'C = {}\nD = { init = "A0" }\n[reactions]')
        (finding,) = findings
        assert finding.severity == "notice"
        assert finding.given == "states C, D"

    def test_volumes_must_be_positive(self, refused):
        (finding,) = refused("init = 0,", "init = 0, volume = 0,")
        assert finding.code == "M20"

    def test_events_change_states(self, read):
        event = 'when = "A < 0.1 && t > k", set = { A = "A + k*B" }, delay = "k", priority = 2'
        assert read("[observables]", f"[events]\ne = {{ {event} }}\n[observables]")[1] == []

    @pytest.mark.parametrize(
        ("event", "words"),
        [
            ('when = "A < 0.1", set = { k = 1 }', "'k' is not a state; events change states"),
            ('when = "A < 0.1", set = { A = "y" }', "'y' is one of the observables"),
            ('when = "AA < 0.1"', "'AA' is not declared"),
            ('when = "A < 0.1", delay = -1', "a delay is not negative"),
            ('when = "A < 0.1", values = "later"', "trigger or execution"),
            ('when = "A < 0.1", persistent = 1', "must be true or false"),
        ],
    )
    def test_what_is_wrong_with_an_event_is_refused(self, refused, event, words):
        (finding,) = refused("[observables]", f"[events]\ne = {{ {event} }}\n[observables]")
        assert words in str(finding)
        assert finding.line == line_of(MODEL, "[observables]") + 1

    def test_an_event_that_cannot_happen_is_told(self, read):
        _, (finding,) = read("[observables]", '[events]\ne = { when = "k > 1" }\n[observables]')
        assert "never turns true" in finding.rule


class TestConditions:
    @pytest.mark.parametrize(
        ("treated", "words"),
        [
            ("set = { kk = 1 }", "'kk' is not a parameter, constant, input or state - did you mean 'k'?"),
            ("set = { y = 1 }", "'y' is one of the observables"),
            ('set = { k = "2*A" }', "a setting may use parameters"),
            ('set = { k = "2*kk" }', "'kk' is not declared"),
            ('preequilibrate = "contrl"', "is not another condition - did you mean 'control'?"),
            ('preequilibrate = "treated"', "is not another condition"),
            ('preequilibrate = "control"\nreinit = ["AA"]', "'AA' is not a state"),
            ('reinit = ["A"]', "every state starts from its initial value"),
            ('preequilibrate = "control"\nset = { A0 = 2 }', "add reinit = ['A']"),
            ('preequilibrate = "control"\nset = { B = 2 }', "add reinit = ['B']"),
            ('dose = [{ time = 1, set = { k = "A" } }]', "make it a state without derivative"),
            ("dose = [{ time = 1, add = { k = 1 } }]", "'k' is not a state"),
            (
                "dose = [{ time = [0, 1], add = { AA = 1 } }]",
                "conditions.treated.dose[1].add.AA - 'AA' is not a state",
            ),
            ("dose = [{ time = -1, add = { A = 1 } }]", "before the condition starts (t0 = 0)"),
            ("dose = [{ time = 1 }]", "neither adds nor sets"),
            ("dose = [{ time = 1, ad = { A = 1 } }]", "'ad' is not a key of a dose"),
        ],
    )
    def test_what_is_wrong_is_refused(self, refused, treated, words):
        (finding,) = refused("set = { k = 0.2 }", treated)
        assert words in str(finding)
        assert finding.line - line_of(MODEL, "set = {") in range(treated.count("\n") + 1)

    def test_a_steady_state_needs_equations_that_do_not_move_with_the_time(self, read, refused):
        wanted = ("set = { k = 0.2 }", 'preequilibrate = "control"')
        assert read(*wanted)[1] == []
        (finding,) = refused(*wanted, model=MODEL.replace('"k*A"', '"k*A*exp(-t)"'))
        assert "reactions.r.rate depends on the time" in finding.rule
        assert read(*wanted, model=MODEL.replace('"k*A"', '"k*A*piecewise(0, t < 1, 1)"'))[1] == []
        header = "[conditions.control]\n"
        dosed = MODEL.replace(header, header + "dose = [{ time = 1, add = { A = 1 } }]\n")
        (finding,) = refused(*wanted, model=dosed)
        assert "has doses" in finding.rule

    @pytest.mark.parametrize(
        "treated",
        [
            'preequilibrate = "control"\nset = { A0 = 2, k = 1 }\nreinit = ["A"]',
            'dose = [{ time = 1, add = { A = "A/2" }, set = { k = "2*k", B = "B/2 + A" } }]',
            'set = { k = "2*sd", A = 3, B = "A0/2" }',
            "dose = [{ time = [0, 1], add = { A = 1 } }, { time = 2, set = { B = 0 }, add = { A = 'A0' } }]",
            "t0 = -5\ndose = [{ time = -1, add = { A = 1 } }]",
        ],
    )  # fmt: skip
    def test_what_is_right_is_accepted(self, read, treated):
        assert read("set = { k = 0.2 }", treated)[1] == []

    def test_conditions_may_stand_in_a_table(self, read):
        table = "condition,k,A0\na,0.5,sd\nb,,2\n"
        spec, findings = read(
            "[conditions.control]",
            '[conditions]\ntable = "c.csv"\n[conditions.control]',
            files={"c.csv": table},
        )
        assert findings == []
        assert list(spec.conditions) == ["control", "treated", "a", "b"]
        assert spec.conditions["a"].set == {"k": 0.5, "A0": "sd"}
        assert spec.conditions["b"].set == {"A0": 2.0}

    @pytest.mark.parametrize(
        ("table", "line", "words"),
        [
            ("condition,kk\na,1\n", 2, "'kk' is not a parameter"),
            ("condition,k\na,2*sd\n", 2, "a cell holds a number, the name of a parameter, or nothing"),
            ("condition,k\na,1\na,2\n", 3, "stands twice"),
            ("condition,k\n,1\n", 2, "no condition"),
            ("condition,k\na,sdd\n", 2, "'sdd' is not declared - did you mean 'sd'?"),
            ("condition,k\ntreated,1\n", 2, "sets it too"),
            ("name,k\na,1\n", 1, "no column 'condition'"),
            ("condition;k\na;1\n", 1, "semicolons"),
            ("condition,k\na,inf\n", 2, "k = inf - is not finite"),
        ],
    )
    def test_tables_are_checked_row_by_row(self, refused, table, line, words):
        (finding,) = refused(
            "[conditions.control]",
            '[conditions]\ntable = "c.csv"\n[conditions.control]',
            files={"c.csv": table},
        )
        assert finding.file.endswith("c.csv")
        assert finding.line == line
        assert words in str(finding)

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("/etc/passwd", "absolute"),
            ("C:\\\\x.csv", "absolute"),
            ("~/x.csv", "home folder"),
            ("$HOME/x.csv", "environment variable"),
            ("%APPDATA%/x.csv", "environment variable"),
            ("https://example.org/x.csv", "URL"),
            ("file:///etc/passwd", "URL"),
            ("s3://bucket/x.csv", "URL"),
            ("nothing.csv", "no such"),
            ("", "not a path"),
            ("a\\u0000b", "not a path"),
        ],
    )
    @pytest.mark.parametrize("where", ["table", "input"])
    def test_paths_stay_beside_the_model(self, refused, path, words, where):
        if where == "table":
            findings = refused(
                "[conditions.control]", f'[conditions]\ntable = "{path}"\n[conditions.control]'
            )
        else:
            findings = refused("[observables]", f'[inputs]\nu = {{ file = "{path}" }}\n[observables]')
        assert len(findings) == 1
        assert words in str(findings[0])
        assert "root:" not in str(findings[0])


class TestInputs:
    def add(self, text, rate='"k*A*u"'):
        return MODEL.replace('"k*A"', rate).replace("[observables]", f"[inputs]\n{text}\n[observables]")

    @pytest.mark.parametrize(
        ("text", "formula"),
        [
            ("u = 2", 2.0),
            ('u = "1 + sin(t/k)"', "1 + sin(t/k)"),
            ('u = { formula = "time", unit = "min" }', "time"),
        ],
    )
    def test_formulas(self, read, text, formula):
        spec, findings = read(model=self.add(text))
        assert findings == []
        assert spec.inputs["u"].formula == formula

    def test_samples_in_the_model(self, read):
        spec, findings = read(
            model=self.add('u = { times = [0, 1, 2], values = [1, 2.5, 0], interpolation = "step" }')
        )
        assert findings == []
        assert spec.inputs["u"].interpolation == "step"
        assert spec.inputs["u"].series[""].values == (1.0, 2.5, 0.0)

    def test_samples_in_a_file_with_units_and_conditions(self, read):
        table = "condition,time [h],u [V],w\ncontrol,0,1,0\ncontrol,1,2,0\ntreated,0,3,0\ntreated,2,4,0\n"
        spec, findings = read(model=self.add('u = { file = "u.csv" }'), files={"u.csv": table})
        assert [(f.code, f.severity) for f in findings] == [("M21", "notice")]
        assert spec.inputs["u"].series["treated"].times == (0.0, 120.0)
        assert spec.inputs["u"].unit == "V"

    def test_other_column_names(self, read):
        table = "seconds,force\n0,1\n1,2\n"
        spec, _ = read(
            model=self.add('u = { file = "u.csv", column = "force", time = "seconds" }'),
            files={"u.csv": table},
        )
        assert spec.inputs["u"].series[""].values == (1.0, 2.0)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("u = { times = [0, 1] }", "has no 'values'"),
            ("u = { times = [0, 1], values = [1] }", "2 times and 1 values"),
            ("u = { times = [0, 0], values = [1, 2] }", "times must increase, and 0 follows 0"),
            ("u = { times = [0], values = [1] }", "at least 2 samples"),
            ('u = { times = [0, 1], values = [1, 2], interpolation = "cubic" }', "at least 4"),
            ('u = { times = [0, 1], values = [1, 2], interpolation = "spline" }', "one of linear"),
            ("u = { times = [0, 1], values = [1, 2], extrapolate = true }", "'extrapolate' is not a key"),
            ('u = { times = [0, "1"], values = [1, 2] }', "must be an array of numbers"),
            ('u = { file = "u.csv", column = "uu" }', "is not a column of"),
            ('u = { file = "u.csv", tim = "t" }', "'tim' is not a key of an input with samples"),
            ('u = { file = 1 }', "must be a path in quotes"),
            ('u = "A"', "an input may use parameters, constants, assignments"),
            ("u = true", "must be a table"),
            ("u = {}", "has neither a formula nor samples"),
            ('u = { series = { contrl = { times = [0, 1], values = [1, 2] } } }', "'control'?"),
            ('u = { series = { control = { times = [0, 1], values = [1, 2] } } }', "condition 'treated'"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_refused(self, refused, text, words):
        findings = refused(model=self.add(text), files={"u.csv": "time,u\n0,1\n1,2\n"})
        assert words in "\n".join(map(str, findings))
        assert findings[0].line == line_of(MODEL, "[observables]") + 1

    def test_bad_cells_are_named(self, refused):
        findings = refused(
            model=self.add('u = { file = "u.csv" }'), files={"u.csv": "time,u\n0,1\n1,\nx,3\n"}
        )
        assert [(f.line, f.code) for f in findings] == [(3, "D14"), (4, "D16")]

    @pytest.mark.parametrize(("times", "good"), [("[0, 2]", True), ("[0, 1.9]", False), ("[0.1, 2]", False)])
    def test_samples_reach_to_the_last_measurement(self, read, refused, times, good):
        samples = f"times = {times}, values = [1, 2]"
        if good:
            assert read(model=self.add(f"u = {{ {samples} }}"), data=DATA)[1] == []
        else:
            (finding,) = refused(model=self.add(f"u = {{ {samples} }}"), data=DATA)
            assert "condition 'control' needs them from 0 to 2" in finding.rule
        assert read(model=self.add(f'u = {{ {samples}, interpolation = "step" }}'), data=DATA)[1] == []

    def test_only_constant_inputs_can_be_set(self, read, refused):
        assert read("k = 0.2", "u = 0.2", model=self.add("u = 1"))[1] == []
        (finding,) = refused("k = 0.2", "u = 0.2", model=self.add('u = "t"'))
        assert "changes in time" in finding.rule


class TestObservables:
    @pytest.mark.parametrize(
        ("entry", "code", "words"),
        [
            ('noise = { column = "spread" }', "D20", "standard deviations or standard errors"),
            (
                'noise = "sd", transform = "log10", distribution = "log-normal"',
                "N08",
                "takes the logarithm already",
            ),
            ('noise = "sd", distribution = "student-t"', "D19", "degrees of freedom"),
            ('noise = "sd", dof = 4', "M29", "has no degrees of freedom"),
            ('noise = "sd", distribution = "gaussian"', "M29", "one of normal"),
            ('noise = "sd", per = { kk = "gel" }', "E12", "'k'"),
            ('noise = "sd", per = { A0 = "gel" }', "P10", "neither formula nor noise"),
            ('noise = "sd", per = "gel"', "M29", "a table of parameters with data columns"),
        ],
    )
    def test_what_is_wrong_is_refused(self, refused, entry, code, words):
        findings = refused('noise = "sd", unit = "nM" }\nz', entry + " }\nz")
        assert [f.code for f in findings] == [code]
        assert words in str(findings[0])
        assert findings[0].line == line_of(MODEL, "y = {")

    def test_copies_need_their_column(self, read, refused):
        model = MODEL.replace('"A", noise = "sd"', '"A", noise = "sd", per = { sd = "gel" }')
        (finding,) = refused(model=model, data=DATA)
        assert "have no column 'gel'" in finding.rule
        rows = DATA.split("\n")
        data = "\n".join([rows[0] + ",gel", *(row + ",1" for row in rows[1:-1])])
        assert read(model=model, data=data)[1] == []
        (finding,) = refused(model=model, data=data.replace("0.9,1", "0.9,"))
        assert (finding.line, finding.code) == (3, "D20")


class TestUnits:
    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ('scale = "log10" }\nA0', 'scale = "log10", unit = "1/s" }\nA0', "reactions.r.rate"),
            ("max = 10 }", 'max = 10, unit = "s" }', "states.A.init"),
            ('"A", noise = "sd", unit = "nM"', '"A", noise = "sd", unit = "min"', "observables.y.formula"),
            ('init = 0, unit = "nM"', 'init = 0, unit = "foozle"', "states.B.unit = 'foozle'"),
        ],
    )
    def test_disagreement_is_a_warning(self, read, old, new, words):
        _, findings = read(old, new)
        assert {(f.code, f.severity) for f in findings} == {("M21", "warning")}
        assert any(words in str(f) for f in findings), findings

    def test_agreement_is_silent(self, read):
        assert read('scale = "log10" }\nA0', 'scale = "log10", unit = "1/min" }\nA0')[1] == []


def test_a_problem_made_in_memory_is_checked_without_positions():
    spec = ProblemSpec(
        states={"A": StateSpec()},
        odes={"A": "-k*A"},
        measurements=MeasurementTable(
            condition=("c",), time=(0.0,), observable=("y",), value=(1.0,), sd=(0.1,)
        ),
    )
    findings = check(spec)
    assert {(f.code, f.severity) for f in findings} == {("E12", "error"), ("D21", "error"), ("D22", "notice")}
    assert str(next(f for f in findings if f.code == "E12")).startswith("E12: odes.A - 'k' is not declared")
