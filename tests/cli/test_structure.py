"""`idfit structure`, `idfit reparameterize` and the line of `idfit check`: shown, written, refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import idfit
from idfit.cli.main import app
from idfit.structural import assess
from idfit.study import pipeline
from tests.study.test_equations import PRODUCT

# the substrate is gone long before the first reading
FAST = """idfit = 1
[parameters]
s = { value = 3, min = 0.1, max = 10, scale = "log10" }
fast = { value = 100, min = 1, max = 1e4, scale = "log10" }
k = { value = 0.7, min = 1e-2, max = 1e2, scale = "log10" }
[states]
S = { init = "s" }
X = { init = 0 }
[odes]
S = "-fast*S"
X = "fast*S - k*X"
[observables]
y = { formula = "X", noise = 0.1 }
"""


def idfit_command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def last_line(result):
    return json.loads(result.stdout.strip().splitlines()[-1])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A product in which only a·b matters, with four readings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "write_products", lambda study, directory, say: [])
    Path("m.toml").write_text(PRODUCT)
    Path("d.csv").write_text("time,observable,value\n1,y,1.5\n2,y,0.8\n3,y,0.35\n4,y,0.15\n")
    return tmp_path


def structure(*options):
    return idfit_command("structure", "m.toml", "d.csv", "--local-only", *options)


def test_structure_shows_verdicts_and_what_is_determined_instead(folder):
    result = structure("--function", "ratio=a/b", "--function", "both=a*b")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert any(line.split()[:3] == ["a", "structurally", "non-identifiable"] for line in lines)
    assert any(line.split()[:2] == ["k", "at"] for line in lines)
    assert "not determined: a, b (only a*b is determined)" in lines
    assert "determined: a*b" in lines
    facts = last_line(structure("--function", "ratio=a/b", "--function", "both=a*b", "--json"))
    found = {name: entry["verdict"] for name, entry in facts["structure"].items()}
    assert (found["ratio"], found["both"], found["k"]) == (
        "nonidentifiable",
        "at_least_local",
        "at_least_local",
    )
    assert "a*b" in facts["combinations"]
    assert facts["nullity"] == 1


def test_known_values_make_the_rest_determined(folder):
    facts = last_line(structure("--known", "b", "--json"))
    assert facts["structure"]["a"]["verdict"] == "at_least_local"
    assert "combinations" not in facts


def test_structure_without_data_asks_about_all_times(folder):
    facts = last_line(idfit_command("structure", "m.toml", "--local-only", "--json"))
    assert facts["structure"]["k"]["verdict"] == "at_least_local"
    assert facts["structure"]["a"]["verdict"] == "nonidentifiable"


def test_structure_is_stored_as_a_study_with_a_report(folder):
    assert structure("--out", "found/s.nc").exit_code == 0
    study = idfit.open_study("found/s.nc")
    assert set(study.children) == {"problem", "structure", "combinations"}
    assert idfit_command("report", "found/s.nc", "--out", "r.html").exit_code == 0
    assert "What the equations allow" in Path("r.html").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--known", "kk"), "--known kk - is not an estimated parameter - did you mean 'k'"),
        (("--time-limit", "0"), "--time-limit 0 - must be a positive number of seconds"),
        (("--out", "s.csv"), "--out s.csv - must be a file that ends with .nc - --out s.nc"),
        (("--function", "a"), "--function 'a' - must be name=formula"),
        (("--function", "q=zz*a"), "zz"),
    ],
)
def test_bad_options_are_refused_in_words(folder, options, words):
    result = structure(*options)
    assert result.exit_code == 2
    assert words in result.stderr


def test_check_says_in_a_line_what_no_data_determine(folder):
    result = idfit_command("check", "m.toml", "d.csv")
    assert result.exit_code == 0
    assert "equations: no such data can determine a, b" in result.stdout
    facts = last_line(idfit_command("check", "m.toml", "d.csv", "--json"))
    assert facts["structure"]["a"]["verdict"] == "nonidentifiable"
    Path("m.toml").write_text(PRODUCT.replace("a*b", "a + 0*b").replace("b = {", "b = { fixed = true,"))
    assert "determine all 2 unknowns, at least locally" in idfit_command("check", "m.toml", "d.csv").stdout


def test_check_says_when_it_cannot_be_decided(folder, monkeypatch):
    def failing(*arguments, **options):
        raise RecursionError("too deep")

    monkeypatch.setattr(assess, "assess_structure", failing)
    result = idfit_command("check", "m.toml", "d.csv")
    assert result.exit_code == 0
    assert "equations: not decided (RecursionError: too deep)" in result.stdout


def test_reparameterize_proposes_and_writes_nothing(folder):
    result = idfit_command("reparameterize", "m.toml", "d.csv", "--json")
    assert result.exit_code == 0, result.stderr
    facts = last_line(result)
    assert facts["new"] == {"a_times_b": "a*b"}
    assert set(facts["old"]) == {"a", "b"}
    assert facts["proof"]["full_rank"]
    assert facts["proof"]["same_predictions"]
    assert facts["proof"]["same_nllh"]
    assert sorted(path.name for path in folder.iterdir()) == ["d.csv", "m.toml"]
    shown = idfit_command("reparameterize", "m.toml", "d.csv").stdout
    assert "a_times_b  =  a*b" in shown
    assert "rank: 2 of 2 new unknowns are determined" in shown


def test_reparameterize_keeps_and_holds_what_is_asked_for(folder):
    facts = last_line(idfit_command("reparameterize", "m.toml", "d.csv", "--normalise", "a=2", "--json"))
    assert facts["held"] == {"a": 2.0}
    result = idfit_command("reparameterize", "m.toml", "d.csv", "--normalise", "a=two")
    assert result.exit_code == 2
    assert "--normalise a=two - must be names, or names with values" in result.stderr


def test_reparameterize_in_parameters_of_your_own(folder):
    options = ("--manual", "life = ln(2)/k", "--replacing", "k", "--json")
    facts = last_line(idfit_command("reparameterize", "m.toml", "d.csv", *options))
    assert list(facts["new"]) == ["life"]
    assert list(facts["old"]) == ["k"]


def test_apply_without_data_writes_a_model_that_loads(folder):
    result = idfit_command("reparameterize", "m.toml", "--apply")
    assert result.exit_code == 0, result.stderr
    problem = idfit.load("m_reparameterized.toml", "d.csv")
    assert set(problem.parameters.names) == {"a_times_b", "k"}


def test_apply_with_data_fits_profiles_and_proves(folder):
    options = ("--apply", "--starts", 4, "--seed", 1, "--out", "new", "--json")
    result = idfit_command("reparameterize", "m.toml", "d.csv", *options)
    assert result.exit_code == 0, result.stderr
    study = idfit.open_study("new")
    assert {"reparameterization", "fit_before", "profiles_before", "profiles"} <= set(study.children)
    assert set(idfit.load("new/reparameterized.toml").parameters.names) == {"a_times_b", "k"}
    assert last_line(result)["profiles"]["a_times_b"]["verdict"] == "identifiable"


def test_of_a_run_that_is_there_the_options_of_its_fit_are_kept(folder):
    fitted = idfit_command("fit", "m.toml", "d.csv", "--starts", 3, "--seed", 7, "--out", "run")
    assert fitted.exit_code == 0, fitted.stderr
    result = idfit_command("reparameterize", "run", "--apply", "--out", "new", "--json")
    assert result.exit_code == 0, result.stderr
    facts = last_line(result)
    assert (facts["n_starts"], facts["seed"]) == (3, 7)
    assert "fit_before" not in idfit.open_study("run").children  # the run is left as it is


def test_a_profile_of_a_run_tells_what_equations_and_information_leave_open(folder):
    result = idfit_command("profile", "m.toml", "d.csv", "--starts", 3, "--seed", 1, "--out", "run")
    assert result.exit_code == 0, result.stderr
    assert (
        "The equations and the information at the best fit leave the same directions open (1)"
        in result.stdout
    )
    assert any(line.split()[:3] == ["a", "structurally", "open"] for line in result.stdout.splitlines())
    facts = last_line(idfit_command("profile", "run", "--json"))
    assert facts["structure"]["a"]["verdict"] == "nonidentifiable"
    assert facts["profiles"]["a"]["verdict"] == "structural"
    assert "a*b" in facts["combinations"]


def test_when_all_is_determined_it_says_so(folder):
    Path("m.toml").write_text(PRODUCT.replace("a*b", "a").replace("b = {", "b = { fixed = true,"))
    result = idfit_command("reparameterize", "m.toml", "d.csv")
    assert result.exit_code == 0
    assert "there is nothing to change" in result.stdout


def test_reduce_adds_limits_to_a_run(folder):
    """A rate that is far too fast to be seen becomes infinite."""
    Path("fast.toml").write_text(FAST)
    assert (
        idfit_command("fit", "fast.toml", "d.csv", "--starts", 4, "--seed", 1, "--out", "run").exit_code == 0
    )
    result = idfit_command("reparameterize", "run", "--reduce", "--steps", 1, "--json")
    assert result.exit_code == 0, result.stderr
    steps = last_line(result)["reduction"]["steps"]
    assert steps[1]["limit"] == "fast -> infinity"
    assert steps[1]["accepted"]
    assert steps[1]["n_parameters"] == steps[0]["n_parameters"] - 1
    assert "fast" not in idfit.load("run/reduced.toml", "d.csv").parameters.names
    assert "reduction" in idfit.open_study("run").children


def test_reduce_and_parameters_of_your_own_do_not_belong_together(folder):
    result = idfit_command("reparameterize", "m.toml", "d.csv", "--reduce", "--manual", "q=a/b")
    assert result.exit_code == 2
    assert "--reduce and --manual - do not belong together" in result.stderr
