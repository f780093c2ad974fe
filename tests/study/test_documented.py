"""The tables of codes in the documentation are those of the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from idfit.results import SideStatus, StructuralVerdict, Verdict
from idfit.study.analyses import ReparameterizationTable
from idfit.study.recipe import read_recipe

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.mark.parametrize("codes", [SideStatus, Verdict, StructuralVerdict])
def test_each_code_stands_in_the_method_with_its_sentence(codes):
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", (DOCS / "method.md").read_text("utf-8"), re.MULTILINE)
    wanted = [(code.label, code.sentence) for code in codes]
    n = len(wanted)
    assert any(rows[i : i + n] == wanted for i in range(len(rows)))


def test_the_recipe_of_the_documentation_asks_for_everything_with_the_defaults_it_names(tmp_path):
    text = (DOCS / "model-files.md").read_text("utf-8")
    block = re.findall(r"```toml\n(# recipe.toml\n.*?)```", text, re.DOTALL)[0]
    (tmp_path / "recipe.toml").write_text(block)
    empty = "".join(
        f"[{name}]\n"
        for name in ("profiles", "profiles_2d", "identifiability_test", "bootstrap", "reduction", "design")
    )
    (tmp_path / "bare.toml").write_text('model = "model.toml"\n' + empty)
    shown, bare = (read_recipe(tmp_path / name)[0] for name in ("recipe.toml", "bare.toml"))
    assert shown.profiles is not None
    assert shown.profiles_2d is not None
    assert shown.profiles.model_copy(update={"parameters": None}) == bare.profiles
    assert shown.profiles_2d.model_copy(update={"pairs": None}) == bare.profiles_2d
    assert (shown.structure, shown.fisher, shown.bootstrap) == (bare.structure, bare.fisher, bare.bootstrap)
    assert shown.reduction is not None
    assert shown.reduction.model_copy(update={"steps": None}) == bare.reduction
    assert shown.design is not None
    offered = {"target": None, "times": None, "observables": {}, "conditions": {}}
    assert shown.design.model_copy(update=offered) == bare.design
    assert shown.identifiability_test == bare.identifiability_test
    assert shown.functions["next"].validation


def test_the_table_of_another_parameterization_has_every_key():
    text = (DOCS / "model-files.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n# recipe.toml\n(\[reparameterization\].*?)```", text, re.DOTALL)
    table = tomllib.loads(block)["reparameterization"]
    assert set(table) == set(ReparameterizationTable.model_fields)
    assert ReparameterizationTable.model_validate(table).priors == ReparameterizationTable().priors
