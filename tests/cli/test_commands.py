"""The commands: what they print, write and return, and what they refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import idfit
from idfit.cli import running
from idfit.cli.main import app
from idfit.study import pipeline

ROOT = Path(__file__).parent.parent.parent


def idfit_command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def last_line(result):
    return json.loads(result.stdout.strip().splitlines()[-1])


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the files of `idfit new`, which is also the working directory."""
    monkeypatch.chdir(tmp_path)
    assert idfit_command("new", "first", "--template", "regression").exit_code == 0
    return tmp_path


@pytest.fixture
def undrawn(monkeypatch):
    """Without tables and report, which take most of the time of a small run."""
    monkeypatch.setattr(pipeline, "write_products", lambda study, directory, say: [])


def fit(*options):
    return idfit_command("fit", "first/model.toml", "first/data.csv", "--starts", 4, "--out", "run", *options)


@pytest.mark.parametrize("template", ["reactions", "odes", "regression"])
def test_new_files_have_no_faults_and_fit_well(tmp_path, monkeypatch, undrawn, template):
    monkeypatch.chdir(tmp_path)
    made = idfit_command("new", "m", "--template", template)
    assert made.exit_code == 0
    assert "idfit check m/model.toml m/data.csv" in made.stdout.replace("\\", "/")
    checked = idfit_command("check", "m/model.toml", "m/data.csv", "--json")
    assert (checked.exit_code, last_line(checked)["findings"]) == (0, [])
    fitted = idfit_command(
        "fit", "m/model.toml", "m/data.csv", "--starts", 6, "--seed", 1, "--json", "--out", "run"
    )
    assert fitted.exit_code == 0, fitted.stderr
    truth = {
        "reactions": {"k1": 0.3, "k2": 0.08, "gain": 0.5},
        "odes": {"stiffness": 25, "friction": 0.8, "x0": 0.12},
        "regression": {"plateau": 2.4, "rate": 0.15},
    }[template]
    estimate = last_line(fitted)["estimate"]
    assert {name: estimate[name] for name in truth} == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("name", ["a b", "..", "-x/", "<script>", "x" * 200, "a\nb", ""])
def test_s10_new_refuses_names_that_are_no_folder_names(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert idfit_command("new", "--", name).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_new_does_not_overwrite(project):
    (project / "first" / "model.toml").write_text("mine")
    result = idfit_command("new", "first")
    assert (result.exit_code, "model.toml and data.csv already" in result.stderr) == (2, True)
    assert (project / "first" / "model.toml").read_text() == "mine"


def test_check_lists_every_fault_on_stderr_without_traceback(project):
    text = (project / "first" / "model.toml").read_text()
    (project / "first" / "model.toml").write_text(
        text.replace("rate*t", "rat*t").replace("max = 1,", "mx = 1,")
    )
    data = (project / "first" / "data.csv").read_text()
    (project / "first" / "data.csv").write_text(data.replace("signal", "sigma_l", 1))
    result = idfit_command("check", "first/model.toml", "first/data.csv", "--json")
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    assert "did you mean 'max'" in result.stderr
    found = last_line(result)
    assert {finding["file"] for finding in found["findings"]} == {"first/model.toml", "first/data.csv"}
    assert all(finding["line"] > 0 for finding in found["findings"])
    assert found["exit_code"] == 2


def test_fit_writes_study_report_tables_and_fitted_model(project):
    result = fit("--seed", 1)
    assert result.exit_code == 0, result.stderr
    assert "best objective" in result.stdout
    assert "plateau" in result.stdout
    names = {str(path.relative_to("run")) for path in Path("run").rglob("*") if path.is_file()}
    assert {"study.nc", "report.html", "fitted.toml"} <= names
    assert {Path("tables") / "parameters.csv", Path("tables") / "starts.csv"} <= {
        Path(name) for name in names
    }
    study = idfit.open_study("run")
    assert study.attrs["seed"] == 1
    again = idfit_command("report", "run", "--out", "again.html")
    assert again.exit_code == 0
    assert Path("again.html").read_text() == Path("run/report.html").read_text()


def test_json_is_one_line_of_valid_json_and_quiet_is_silent(project, undrawn):
    result = fit("--seed", 1, "--json", "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    facts = json.loads(line)
    assert (facts["command"], facts["exit_code"], facts["n_starts"], facts["seed"]) == ("fit", 0, 4, 1)
    assert sum(facts["status"].values()) == 4
    assert facts["objective"] == pytest.approx(float(idfit.open_study("run")["fit"]["objective"].min()))
    silent = fit("--seed", 1, "--quiet", "--overwrite")
    assert (silent.stdout, silent.stderr) == ("", "")


def test_p13_without_a_seed_one_is_drawn_printed_and_stored(project, undrawn):
    result = fit("--json")
    seed = last_line(result)["seed"]
    assert f"--seed {seed}" in result.stderr
    assert idfit.open_study("run").attrs["seed"] == seed


def test_update_writes_the_best_values_and_keeps_comments(project, undrawn):
    before = Path("first/model.toml").read_text()
    result = fit("--seed", 1, "--update", "--json")
    after = Path("first/model.toml").read_text()
    assert after != before
    assert [line for line in after.splitlines() if line.startswith("#")] == [
        line for line in before.splitlines() if line.startswith("#")
    ]
    problem = idfit.load("first/model.toml", "first/data.csv")
    assert problem.parameters.nominal[0] == last_line(result)["estimate"]["plateau"]


def test_missing_values_are_refused_unless_dropped(project, undrawn):
    with open("first/data.csv", "a") as file:
        file.write("default,50,signal,\n")
    refused = fit("--seed", 1)
    assert (refused.exit_code, "--missing drop" in refused.stderr) == (2, True)
    dropped = fit("--seed", 1, "--missing", "drop", "--json")
    assert dropped.exit_code == 0
    assert any("drop" in finding["rule"] + finding["given"] for finding in last_line(dropped)["findings"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--starts", 0), "P12: --starts 0 - must be from 1 to 1,000,000"),
        (("--starts", -1), "P12"),
        (("--starts", 10**9), "P12"),
        (("--workers", 0), "P12: workers = 0 - must be from 1 to 1024"),
        (("--optimizer", "trust-regoin"), "trust-region"),
        (("--optimizer", "scipy:nothing"), "nothing"),
        (("--rtol", 0), "P20: --rtol 0"),
        (("--rtol", "1e-20"), "P20"),
        (("--rtol", "nan"), "P20"),
        (("--atol", 1), "P20: --atol 1"),
        (("--resume", "--overwrite"), "P21: --resume and --overwrite - contradict"),
        (("--resume",), "R10"),
        (("--out", "first/data.csv"), "R09"),
        (("--sedd", 1), "No such option"),
        (("--missing", "ignore"), "'ignore'"),
    ],
)
def test_p12_p19_p20_p21_options_out_of_range_exit_2_and_write_nothing(project, options, words):
    before = sorted(project.rglob("*"))
    result = fit("--seed", 1, *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    left = {path.name for path in set(project.rglob("*")) - set(before)}
    assert left <= {"run"}, left  # an empty folder at most
    assert not list(Path("run").iterdir()) if Path("run").exists() else True


def test_p20_a_large_tolerance_is_a_warning(project, undrawn):
    result = fit("--seed", 1, "--atol", 0.1)
    assert result.exit_code == 0
    assert "warning: P20: --atol 0.1" in result.stderr


def test_r10_a_second_fit_is_refused_until_told(project, undrawn):
    assert fit("--seed", 1).exit_code == 0
    again = fit("--seed", 1)
    assert (again.exit_code, "R10" in again.stderr) == (2, True)
    assert fit("--seed", 2, "--resume").exit_code == 2
    assert fit("--seed", 1, "--resume").exit_code == 0
    assert fit("--seed", 2, "--overwrite").exit_code == 0
    assert fit("--resume").exit_code == 0  # with the seed of the run


def test_degraded_exits_3_and_says_what_is_missing(project, monkeypatch):
    monkeypatch.setattr(
        pipeline, "write_products", lambda study, directory, say: ["report.html could not be made"]
    )
    result = fit("--seed", 1, "--json")
    assert result.exit_code == 3
    assert "degraded: report.html" in result.stderr
    assert last_line(result)["degraded"] == ["report.html could not be made"]


def test_a_failed_run_exits_4(project):
    text = Path("first/model.toml").read_text()
    Path("first/model.toml").write_text(text.replace("plateau*(1", "log(-plateau)*(1"))
    result = fit("--seed", 1, "--json")
    assert result.exit_code == 4
    assert "all 4 starts failed" in last_line(result)["error"]


def test_a_fault_of_idfit_is_one_line_and_debug_shows_where(project, monkeypatch):
    def broken(*arguments, **options):
        raise ZeroDivisionError("one over none")

    monkeypatch.setattr(pipeline, "simulate", broken)
    monkeypatch.setattr(pipeline, "write_products", broken)
    result = fit("--seed", 1)
    assert result.exit_code == 4
    assert "Traceback" not in result.stderr
    assert "unexpected ZeroDivisionError" in result.stderr
    assert "Traceback" in fit("--seed", 1, "--overwrite", "--debug").stderr


@pytest.mark.parametrize(("damage", "code"), [("cut", 5), ("flip", 5), ("newer", 2), ("absent", 2)])
def test_r13_r14_r17_a_damaged_study_is_refused(project, undrawn, damage, code):
    assert fit("--seed", 1).exit_code == 0
    path = Path("run/study.nc")
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[:-1000])
    elif damage == "flip":
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
    elif damage == "newer":
        study = idfit.open_study("run")
        study.attrs["schema_version"] = "99.0"
        from idfit.study.store import save_study

        save_study(study, path)
    else:
        path.unlink()
    result = idfit_command("report", "run")
    assert (result.exit_code, "Traceback" in result.stderr) == (code, False)


def test_simulate_gives_curves_or_the_likelihood(project):
    measured = idfit_command("simulate", "first/model.toml", "first/data.csv", "--json")
    assert measured.exit_code == 0
    problem = idfit.load("first/model.toml", "first/data.csv")
    expected = problem.objective()(problem.parameters.nominal_scaled, order=0).nllh
    assert last_line(measured)["nllh"] == pytest.approx(expected, rel=1e-12)
    stored = idfit_command("simulate", "first/model.toml", "first/data.csv", "--out", "sim")
    assert stored.exit_code == 0
    assert set(idfit.open_study("sim").children) == {"problem", "simulation"}
    assert Path("sim/report.html").exists()
    unsaid = idfit_command("simulate", "first/model.toml")
    assert (unsaid.exit_code, "--times" in unsaid.stderr) == (2, True)
    assert idfit_command("simulate", "first/model.toml", "--times", 5, 0, 3).exit_code == 2


def test_status_and_recipes(project, undrawn):
    Path("study.toml").write_text(
        'model = "first/model.toml"\ndata = "first/data.csv"\nseed = 1\n[fit]\nstarts = 4\n'
    )
    result = idfit_command("run", "study.toml", "--json")
    assert result.exit_code == 0
    assert fit("--seed", 1).exit_code == 0
    assert last_line(result)["out"] == "study"
    shown = idfit_command("status", "study", "--json")
    facts = last_line(shown)
    assert (facts["complete"], facts["finished"], facts["starts"], facts["lock"]) == (True, 4, 4, None)
    assert idfit_command("resume", "study").exit_code == 0
    for nothing in (("status", "first"), ("resume", "first"), ("run", "absent.toml")):
        refused = idfit_command(*nothing)
        assert (refused.exit_code, "Traceback" in refused.stderr) == (2, False)


def test_demo_says_where_it_must_be_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = idfit_command("demo")
    assert result.exit_code == 2
    assert "run it in the project's folder, or give that folder: idfit demo FOLDER" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_demo_runs_twice_in_one_place(tmp_path, monkeypatch, undrawn):
    for folder in ("models", "data"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "models" / "boehm.toml", tmp_path / "models")
    shutil.copy(ROOT / "data" / "boehm.csv", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        result = idfit_command("demo", "--starts", 2, "--workers", 2)
        assert result.exit_code in (0, 3), result.stderr
    assert idfit.open_study("idfit-demo").attrs["name"] == "boehm"


def test_the_first_compilation_is_announced_once(project, undrawn, monkeypatch):
    monkeypatch.setattr(pipeline, "kernels_are_compiled", lambda: False)
    assert "this happens once" in fit("--seed", 1).stderr
    monkeypatch.setattr(pipeline, "kernels_are_compiled", lambda: True)
    assert "this happens once" not in fit("--seed", 1, "--overwrite").stderr


def test_s10_escape_sequences_do_not_reach_the_terminal(project):
    Path("first/model.toml").write_text('idfit = 1\n[states]\n"\\u001b[31mA" = { init = 1 }\n')
    result = idfit_command("check", "first/model.toml")
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr


def test_help_names_every_command():
    result = idfit_command("--help")
    for verb in (
        "check",
        "new",
        "fit",
        "profile",
        "fisher",
        "simulate",
        "run",
        "resume",
        "status",
        "report",
        "demo",
    ):
        assert verb in result.stdout
    assert idfit.__version__ in idfit_command("--version").stdout
    assert running.with_means.__doc__
