"""Recipes: paths, defaults, and everything out of range with file and line."""

from __future__ import annotations

import pytest

from idfit.errors import InputError
from idfit.study.analyses import BootstrapTable, FunctionTable, PairsTable, ProfilesTable
from idfit.study.recipe import (
    FitOptions,
    Recipe,
    SolverOptions,
    check_names,
    check_options,
    read_recipe,
)


def written(tmp_path, text):
    path = tmp_path / "reports" / "study.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_recipe(tmp_path):
    recipe, notices = read_recipe(written(tmp_path, 'model = "../models/a.toml"\ndata = "../data/a.csv"\n'))
    assert recipe.model == str(tmp_path / "models" / "a.toml")
    assert recipe.out == str(tmp_path / "reports" / "study")
    assert (recipe.name, recipe.fit.starts, recipe.seed, notices) == ("study", 50, None, [])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[fit]\nstarts = 0", r"study.toml:3:1: P12: fit.starts = 0 - must be from 1 to 1,000,000"),
        ("[fit]\nstarts = -3", "P12"),
        ("[fit]\nstarts = 1_000_000_000", "P12"),
        ("seed = -1", r"study.toml:2:1: P12: seed = -1"),
        ("[solver]\nrtol = 0", r"study.toml:3:1: P20: solver.rtol = 0.* - must be from 1e-14"),
        ("[solver]\nrtol = 1e-20", "P20"),
        ("[fit]\nstart = 5", r"study.toml:3:1: P19: fit.start - is not a key .* did you mean 'starts'"),
        ("modle = 1", r"study.toml:2:1: P19: modle - .* did you mean 'model'"),
        ("[fit]\nsampling = 'sobbol'", r"study.toml:3:1: P19: fit.sampling"),
        ("[fit]\nstarts = 'many'", "valid integer"),
        (
            "[profiles]\nparameter = ['k']",
            r"study.toml:3:1: P19: profiles.parameter - is not a key of \[profiles\]",
        ),
        (
            "[profiles]\nci_prob = [0.68, 95.0]",
            r"study.toml:3:18: P12: .*ci_prob\[2\] = 95 - must lie .* - 0.95\?",
        ),
        ("[profiles]\nci_prob = []", "P12: profiles.ci_prob = an array - must name a level"),
        ("[profiles]\nthreshold = 'f'", "P19: profiles.threshold = 'f'"),
        ("[profiles]\nmethod = 'paths'", "P19: profiles.method = 'paths'"),
        ("[profiles]\nmax_points = 1", "P12: profiles.max_points = 1 - must be from 3"),
        ("[profiles]\nparameters = ['k', 'k']", r"P12: profiles.parameters\[2\] = 'k' - is named twice"),
        ("[functions]\nratio = 'k1/'", r"study.toml:3:1: P12: functions.ratio.formula = 'k1/'"),
        ("[functions.late]\nformula = 'A'\ntimes = 3", r"P19: functions.late.times .* did you mean 'time'"),
        ("[functions.late]\ntime = 3.0", "P19: functions.late.formula - is missing"),
        ("[functions.late]\nformula = 'A'\nvalidation = true", "belongs to a prediction, which has a time"),
        ("[functions.late]\nformula = 'A'\ntime = 1\nsd = 0.1", "is that of a new measurement"),
        (
            "[profiles_2d]\npairs = [['a', 'b'], ['a']]",
            r"P12: profiles_2d.pairs\[2\] = 'a' - must be two different",
        ),
        (
            "[profiles_2d]\npairs = [['a', 'b'], ['b', 'a']]",
            r"profiles_2d.pairs\[2\] = 'b, a' - is named twice",
        ),
        ("[profiles_2d]\ncells = 2", "P12: profiles_2d.cells = 2"),
        ("[identifiability_test]\nradius = 0", "P12: identifiability_test.radius = 0"),
        ("[bootstrap]\nn = 1", r"study.toml:3:1: P12: bootstrap.n = 1 - must be from 2"),
        (
            "[structure]\ntime_limit = 0",
            "P12: structure.time_limit = 0 - must be a positive number of seconds",
        ),
        ("[structure]\nglobals = true", "P19: structure.globals - .* did you mean 'global'"),
        ("[reparameterization]\nmanuel = {}", "P19: reparameterization.manuel - .* did you mean 'manual'"),
        (
            "[reparameterization]\nmanual = { r = 'a/' }",
            r"study.toml:3:\d+: P12: reparameterization.manual.r = 'a/'",
        ),
        ("[reduction]\nsteps = 0", "P12: reduction.steps = 0 - must be 1 or more"),
        ("[reduction]\nci_prob = 95.0", "P12: reduction.ci_prob = 95"),
        ("[fisher]\non = true", "P19: fisher.on - is not a key of .*; there are enabled, curvature"),
        ("data = 'https://example.org/a.csv'", r"study.toml:2:1: S12: .*URL"),
        ("data = '~/a.csv'", "S12: .*not expanded in recipes"),
        ("data = '/etc/passwd'", "S12: .*absolute path"),
    ],
)
def test_faults_have_line_rule_and_remedy(tmp_path, line, words):
    with pytest.raises(InputError, match=words):
        read_recipe(written(tmp_path, f'model = "a.toml"\n{line}\n'))


def test_all_faults_are_told_at_once(tmp_path):
    with pytest.raises(InputError) as caught:
        read_recipe(written(tmp_path, "sed = 1\n[fit]\nstrats = 5\n[solver]\nrtl = 1\n"))
    assert [finding.line for finding in caught.value.findings if finding.line] == [1, 3, 5]
    assert "model - is missing" in str(caught.value)


def test_analyses_are_asked_for_by_their_tables(tmp_path):
    bare, _ = read_recipe(written(tmp_path, 'model = "a.toml"\n'))
    assert (bare.fisher.enabled, bare.profiles, bare.functions, bare.bootstrap) == (True, None, {}, None)
    text = 'model = "a.toml"\n[profiles]\n[profiles_2d]\n[functions]\nratio = "k1/k2"\n'
    asked, _ = read_recipe(
        written(tmp_path, text + 'late = { formula = "A", time = 3, validation = true }\n')
    )
    assert asked.profiles == ProfilesTable()
    assert asked.profiles_2d is not None
    assert asked.functions["ratio"].formula == "k1/k2"
    assert (asked.functions["late"].time, asked.functions["late"].validation) == (3, True)


def test_unknown_parameters_have_the_line_of_their_table(tmp_path):
    text = 'model = "a.toml"\n[profiles]\nparameters = ["k", "kdeg"]\n[profiles_2d]\npairs = [["k", "s"]]\n'
    recipe, _ = read_recipe(written(tmp_path, text))
    first, second = check_names(recipe, ["k", "k_deg"])
    assert (first.line, first.remedy) == (3, "did you mean 'k_deg'?")
    assert (second.line, second.given) == (5, "profiles_2d.pairs[1][2] = 's'")


@pytest.mark.parametrize(
    ("table", "option"),
    [
        ({"profiles": ProfilesTable(ci_prob=[2.0])}, "--ci-prob 2"),
        ({"bootstrap": BootstrapTable(n=0)}, "--bootstrap 0"),
        ({"functions": {"q": FunctionTable(formula="1 +")}}, "--function '1 +'"),
        ({"profiles_2d": PairsTable(pairs=[["a"]])}, "--pairs 'a'"),
    ],
)
def test_options_of_the_command_line_are_named_as_such(table, option):
    (finding,) = check_options(Recipe(model="m", **table))
    assert finding.given == option


def test_p20_a_large_tolerance_is_a_warning():
    (finding,) = check_options(Recipe(model="m", solver=SolverOptions(atol=0.1)))
    assert finding.severity == "warning"
    assert str(finding).startswith("P20: --atol 0.1")


def test_p12_options_of_the_command_line_are_named_as_such():
    (finding,) = check_options(Recipe(model="m", fit=FitOptions(max_iterations=0)))
    assert str(finding).startswith("P12: --max-iterations 0 - must be from 1 to ")
    (finding,) = check_options(Recipe(model="m", fit=FitOptions(starts=0)))
    assert str(finding) == "P12: --starts 0 - must be from 1 to 1,000,000 - 50 is a good beginning"


def test_p13_a_missing_seed_is_drawn_once_and_kept():
    recipe = Recipe(model="m")
    drawn = {recipe.with_seed().seed for _ in range(5)}
    assert len(drawn) == 5
    assert recipe.with_seed().with_seed().seed is not None
    assert Recipe(model="m", seed=7).with_seed().seed == 7


def test_identity_names_every_option_that_decides_the_numbers():
    identity = Recipe(model="m", seed=1).identity("x", "y")
    options = {"starts", "optimizer", "sampling", "max_iterations"}
    assert set(identity) == {"model", "data", "seed", "rtol", "atol"} | options
    assert Recipe(model="m", seed=1, out="a").digest() == Recipe(model="n", seed=1, out="b").digest()
    assert Recipe(model="m", seed=1).digest() != Recipe(model="m", seed=2).digest()
