"""Recipes: paths, defaults, and everything out of range with file and line."""

from __future__ import annotations

import pytest

from idfit.errors import InputError
from idfit.study.recipe import FitOptions, Recipe, SolverOptions, check_options, read_recipe


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


def test_p20_a_large_tolerance_is_a_warning():
    (finding,) = check_options(Recipe(model="m", solver=SolverOptions(atol=0.1)))
    assert finding.severity == "warning"
    assert str(finding).startswith("P20: --atol 0.1")


def test_p12_options_of_the_command_line_are_named_as_such():
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
    assert set(identity) == {"model", "data", "seed", "starts", "optimizer", "sampling", "rtol", "atol"}
    assert Recipe(model="m", seed=1, out="a").digest() == Recipe(model="n", seed=1, out="b").digest()
    assert Recipe(model="m", seed=1).digest() != Recipe(model="m", seed=2).digest()
