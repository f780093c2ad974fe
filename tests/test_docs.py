"""Every example of the documentation does what the text says."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
import tomlkit
from typer.testing import CliRunner

import idfit
from idfit.cli.main import app
from idfit.optimize.local import LocalOptions
from idfit.results import Status
from idfit.study.analyses import PosteriorTable
from idfit.study.recipe import read_recipe

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    return [content for kind, content in _FENCE.findall(text) if kind == language]


def file_name(block: str) -> str | None:
    """The name in a first line such as ``# data.csv``; fragments have none."""
    match = re.match(r"# (\w+\.(?:toml|csv))\n", block)
    return match[1] if match else None


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.*)\n", (DOCS / "model-files.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SECTIONS = sections()
FIRST = SECTIONS["A first model"]


def examples() -> list[tuple[str, str, dict[str, str]]]:
    """(where it stands, model, files beside it) for each TOML block that is a model or a fragment of one.

    CSV blocks belong to the TOML block above them; those before any belong to the first model.
    """
    found: list[tuple[str, str, dict[str, str]]] = []
    for title, text in SECTIONS.items():
        for kind, content in _FENCE.findall(text):
            name = file_name(content)
            if kind == "toml" and name != "recipe.toml":
                found.append((title, content, {}))
            elif kind == "csv":
                assert name, f"a table in {title!r} does not begin with its name"
                if not found or found[-1][0] != title:
                    found.append((title, "", {}))
                found[-1][2][name] = content
    return found


def merged(fragment: dict) -> str:
    """The first model with the entries of a fragment added or replaced."""
    model = tomllib.loads(blocks(FIRST, "toml")[0])
    for section, entries in fragment.items():
        if section == "conditions" and "table" in entries:
            model[section] = entries
        elif isinstance(entries, dict):
            model.setdefault(section, {}).update(entries)
        else:
            model[section] = entries
    return tomlkit.dumps(model)


EXAMPLES = examples()


@pytest.mark.parametrize("n", range(len(EXAMPLES)), ids=[title for title, _, _ in EXAMPLES])
def test_model_example_loads_and_has_a_gradient(n, tmp_path):
    _, block, tables = EXAMPLES[n]
    text = block if file_name(block) else merged(tomllib.loads(block))
    (tmp_path / "model.toml").write_text(text, encoding="utf-8")
    tables = {"data.csv": blocks(FIRST, "csv")[0]} | tables
    for name, content in tables.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    problem = idfit.load(tmp_path / "model.toml", tmp_path / "data.csv")
    # P02: the tables are shorter than data would be
    assert not [f for f in problem.findings if f.severity == "warning" and f.code != "P02"]
    evaluation = problem.objective()(problem.parameters.nominal_scaled, order=1)
    assert evaluation.status is Status.OK


def test_copies_are_those_that_the_text_names(tmp_path):
    title = "Copies: per batch, gel or subject"
    n = next(n for n, example in enumerate(EXAMPLES) if example[0] == title)
    (tmp_path / "model.toml").write_text(merged(tomllib.loads(EXAMPLES[n][1])), encoding="utf-8")
    (tmp_path / "data.csv").write_text(EXAMPLES[n][2]["data.csv"], encoding="utf-8")
    problem = idfit.load(tmp_path / "model.toml", tmp_path / "data.csv")
    sentence = re.search(r"This problem estimates (.*?)\.\n", SECTIONS[title], re.DOTALL)
    assert sentence
    assert sorted(re.findall(r"`([^`]+)`", sentence[1])) == sorted(problem.parameters.names)


def test_recipe_example_is_read_and_shows_the_defaults(tmp_path):
    block = next(b for b in blocks(SECTIONS["Recipes"], "toml") if file_name(b) == "recipe.toml")
    (tmp_path / "recipe.toml").write_text(block, encoding="utf-8")
    (tmp_path / "bare.toml").write_text('model = "model.toml"\n', encoding="utf-8")
    shown, _ = read_recipe(tmp_path / "recipe.toml")
    bare, _ = read_recipe(tmp_path / "bare.toml")
    assert shown.solver == bare.solver
    assert shown.fit.model_copy(update={"optimizer": None, "max_iterations": None}) == bare.fit
    assert shown.fit.max_iterations == LocalOptions().max_iterations
    assert shown.missing == bare.missing
    assert bare.out == str(tmp_path / "bare")


def expected_lines(script: str) -> list[str]:
    """What the comments behind `print` calls say."""
    return re.findall(r"^ *print\(.*\)  # (.*)$", script, re.MULTILINE)


def test_python_examples_print_what_their_comments_say(tmp_path, monkeypatch):
    script = "\n".join(blocks((DOCS / "python.md").read_text(encoding="utf-8"), "python"))
    for folder in ("models", "data", "reports"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("report.html"))
    (tmp_path / "examples.py").write_text(script, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path("examples.py")
    assert printed.getvalue().splitlines() == expected_lines(script)


def test_the_page_on_sampling_prints_what_its_comments_say(tmp_path, monkeypatch):
    text = (DOCS / "sampling.md").read_text(encoding="utf-8")
    for block in [*blocks(text, "toml"), *blocks(text, "csv")]:
        name = file_name(block)
        assert name
        (tmp_path / name).write_text(block, encoding="utf-8")
    recipe, _ = read_recipe(tmp_path / "recipe.toml")
    assert recipe.posterior == PosteriorTable()  # what is shown are the defaults
    script = "\n".join(blocks(text, "python"))
    (tmp_path / "examples.py").write_text(script, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path("examples.py")
    # a loop prints what the comments below it say
    expected = re.findall(r"(?:^ *print\(.*\)  |^)# (.*)$", script, re.MULTILINE)
    assert printed.getvalue().splitlines() == expected


def test_commands_on_other_formats_do_their_work(tmp_path, monkeypatch):
    """All of them in the order of the page, then what it does from Python."""
    pytest.importorskip("libsbml")
    text = (DOCS / "formats.md").read_text(encoding="utf-8")
    for folder in ("models", "data"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks(text, "sh") for line in block.splitlines()]
    assert len(commands) == 10
    for command in commands:
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, f"{command}: {result.output}"
    (tmp_path / "examples.py").write_text("\n".join(blocks(text, "python")), encoding="utf-8")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path("examples.py")
    assert printed.getvalue().splitlines() == expected_lines((tmp_path / "examples.py").read_text("utf-8"))


def test_the_table_of_fates_is_that_of_the_code():
    text = (DOCS / "method.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    assert rows == [(str(int(s)), s.label, s.sentence) for s in Status]


@pytest.mark.parametrize("page", sorted(p.name for p in DOCS.glob("*.md")))
def test_links_lead_somewhere(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    headings = {slug(h) for h in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        if target.startswith("https://"):
            continue
        assert not path or (DOCS / path).exists(), target
        assert path or anchor in headings, target


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")
