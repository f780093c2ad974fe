"""The YAML file of a PEtab problem: which version it is, and which files beside it hold what."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from idfit.errors import InputError
from idfit.formats.yaml_guard import Yaml, load_yaml
from idfit.spec.files import path_beside, read_text
from idfit.spec.findings import Findings, Positions, clipped, dotted, listed, nearest
from idfit.spec.toml_positions import Path

MAX_YAML_BYTES = 1_000_000
VERSIONS = {"1": 1, "1.0": 1, "1.0.0": 1, "2": 2, "2.0": 2, "2.0.0": 2}
LANGUAGES_THAT_RUN = {"pysb": "a PySB model is a Python program, which reading would run"}

_TABLES_1 = ("condition", "measurement", "observable")
_TABLES_2 = ("parameter", "condition", "experiment", "measurement", "observable", "mapping")
# what has no bearing on the problem
_NOT_READ = ("visualization_files", "simulation_files", "yaml_version", "id", "name", "description")


@dataclass(frozen=True)
class ProblemFiles:
    """The files of a problem: the model, and those of each kind of table. `models` maps the ids of version 2
    to model files; a problem of version 1 has one, under the id ``""``."""

    file: str
    version: int
    models: dict[str, FilePath]
    tables: dict[str, tuple[FilePath, ...]]


def read_problem_files(path: str | os.PathLike[str], findings: Findings) -> ProblemFiles:
    """Read the YAML file. Errors: `InputError` with everything that is wrong in it."""
    name = os.fspath(path)
    text = read_text(name, limit=MAX_YAML_BYTES, what="PEtab problem file").text
    value, positions = load_yaml(text, name, findings)
    yaml = _Reading(name, FilePath(name).parent, positions, findings)
    if not isinstance(value, dict) or "format_version" not in value:
        rule = "has no format_version, so it is not the file of a PEtab problem"
        raise InputError.of("", rule, "write format_version: 2.0.0 (or 1)", code="M30", file=name)
    version = yaml.version(value["format_version"])
    files = yaml.version_1(value) if version == 1 else yaml.version_2(value)
    findings.raise_errors()
    return files


@dataclass(frozen=True)
class _Reading:
    name: str
    folder: FilePath
    positions: Positions
    findings: Findings

    def error(self, path: Path, given: str, rule: str, remedy: str = "", code: str = "M29") -> None:
        file, line, _ = self.positions.key(path)
        self.findings.in_row(file, line, given, rule, remedy, code)

    def version(self, given: Yaml) -> int:
        if isinstance(given, str) and given in VERSIONS:
            return VERSIONS[given]
        shown = f"format_version: {clipped(given) if isinstance(given, str) else 'no text'}"
        line = self.positions.key(("format_version",))[1]
        rule = "is a version that this idfit does not read; it reads 1 and 2.0.0"
        raise InputError.of(
            shown,
            rule,
            "convert the problem, or install a newer idfit",
            code="M30",
            file=self.name,
            line=line,
        )

    def version_1(self, value: dict[str, Yaml]) -> ProblemFiles:
        self.tell_unknown(value, ("format_version", "parameter_file", "problems"), ())
        parameters = self.paths(
            ("parameter_file",), value.get("parameter_file"), "parameter table", needed=True
        )
        problems = value.get("problems")
        if not isinstance(problems, list) or len(problems) != 1 or not isinstance(problems[0], dict):
            given = f"problems: {len(problems)} entries" if isinstance(problems, list) else "problems"
            rule = "must be a list of one problem"
            remedy = "keep the one that is meant in a file of its own" if isinstance(problems, list) else ""
            self.error(("problems",), given, rule, remedy, "M32")
            self.findings.raise_errors()
        problem: Any = problems[0]  # type: ignore[index]
        place: Path = ("problems", 0)
        keys = ("sbml_files", *(f"{kind}_files" for kind in _TABLES_1))
        self.tell_unknown(problem, keys, place)
        tables = {
            kind: self.paths(
                (*place, f"{kind}_files"), problem.get(f"{kind}_files"), f"{kind} table", needed=True
            )
            for kind in _TABLES_1
        }
        models = self.paths((*place, "sbml_files"), problem.get("sbml_files"), "SBML model", needed=True)
        if len(models) > 1:
            given = listed(path.name for path in models)
            rule = "several models are named, and a problem has one"
            self.error((*place, "sbml_files"), given, rule, "keep the one that is meant", "M32")
        model = {"": models[0]} if models else {}
        return ProblemFiles(self.name, 1, model, {"parameter": parameters, **tables})

    def version_2(self, value: dict[str, Yaml]) -> ProblemFiles:
        keys = ("format_version", "model_files", "extensions", *(f"{kind}_files" for kind in _TABLES_2))
        if "parameter_file" in value:  # what drafts of the version called it
            value = {**value, "parameter_files": value.get("parameter_files", value["parameter_file"])}
            keys = (*keys, "parameter_file")
        self.tell_unknown(value, keys, ())
        self.extensions(value.get("extensions"))
        tables = {
            kind: self.paths(
                (f"{kind}_files",),
                value.get(f"{kind}_files"),
                f"{kind} table",
                needed=kind in ("parameter", "measurement", "observable"),
            )
            for kind in _TABLES_2
        }
        return ProblemFiles(self.name, 2, self.models(value.get("model_files")), tables)

    def models(self, given: Yaml) -> dict[str, FilePath]:
        if not isinstance(given, dict) or not given:
            rule = "must name a model: model_files: {model: {location: model.xml, language: sbml}}"
            self.error(("model_files",), "model_files", rule)
            return {}
        found: dict[str, FilePath] = {}
        for model, entry in given.items():
            place: Path = ("model_files", model)
            if not isinstance(entry, dict):
                self.error(place, dotted(place), "must have a location and a language")
                continue
            language = entry.get("language")
            if language != "sbml":
                shown = f"language: {clipped(language) if isinstance(language, str) else 'none'}"
                rule = LANGUAGES_THAT_RUN.get(str(language), "is a language that idfit does not read")
                remedy = "export the model as SBML and name that file"
                self.error((*place, "language"), shown, rule, remedy, "M31" if language == "pysb" else "M30")
                continue
            paths = self.paths((*place, "location"), entry.get("location"), "SBML model", needed=True)
            if paths:
                found[model] = paths[0]
        return found

    def extensions(self, given: Yaml) -> None:
        for name, entry in given.items() if isinstance(given, dict) else ():
            required = not (isinstance(entry, dict) and entry.get("required") == "false")
            file, line, _ = self.positions.key(("extensions", name))
            shown = f"extension {clipped(name)}"
            if required:
                rule = "is needed to understand the problem, and idfit does not know it"
                self.findings.in_row(file, line, shown, rule, "write the problem without it", "M30")
            else:
                rule = "is not known to idfit and was left aside; the file says that it is not needed"
                self.findings.in_row(file, line, shown, rule, "", "M30", "notice")

    def tell_unknown(self, value: dict[str, Yaml], known: tuple[str, ...], place: Path) -> None:
        for key in value:
            if key in known:
                continue
            if key in _NOT_READ:
                continue
            file, line, _ = self.positions.key((*place, key))
            guess = nearest(key, known)
            if guess and guess not in value:
                rule = "is not a key of a PEtab problem file"
                self.findings.in_row(file, line, clipped(key), rule, f"did you mean {guess!r}?", "M29")
            else:
                rule = "is not read"
                self.findings.in_row(file, line, clipped(key), rule, "", "M29", "notice")

    def paths(self, place: Path, given: Yaml, what: str, *, needed: bool) -> tuple[FilePath, ...]:
        """The files that stand at a place, one or a list; those that may not be read are reported."""
        entries = given if isinstance(given, list) else [given] if given is not None else []
        if needed and not entries:
            article = "an" if what[0] in "aeioSu" else "a"
            self.error(
                place, dotted(place), f"names no file, and a problem needs {article} {what}", "name it"
            )
        found = []
        for n, entry in enumerate(entries):
            where = (*place, n) if isinstance(given, list) else place
            if not isinstance(entry, str):
                self.error(
                    where, dotted(where), "must be the path of a file", "name one, relative to this file"
                )
                continue
            path, rule, code = inside_folder(self.folder, entry)
            if path is None:
                self.error(where, clipped(entry), rule, "copy the file beside the problem file", code)
            elif path in found:
                self.error(where, clipped(entry), "is named twice", "delete one of the two", "D11")
            else:
                found.append(path)
        return tuple(found)


def inside_folder(folder: FilePath, given: str) -> tuple[FilePath | None, str, str]:
    """The file at a path in or below the folder; or None, and why it may not be read, with the rule's code.

    Links are followed before the path is judged, so that none leads out of the folder.
    """
    path, rule = path_beside(folder, given)
    if path is None:
        return None, rule, "S02" if rule.startswith("is a URL") else "S01"
    root, target = os.path.realpath(folder), os.path.realpath(path)
    if ".." in re.split(r"[\\/]", given) or not FilePath(target).is_relative_to(root):
        return None, f"leads out of the folder of the problem file, to {target}", "S01"
    return path, "", ""
