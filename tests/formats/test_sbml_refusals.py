"""SBML that idfit does not compute, and texts that are none: errors with file, element, rule and remedy."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("libsbml", reason="python-libsbml is not installed")

from idfit.errors import InputError
from idfit.formats import child, xml_guard
from idfit.formats.sbml import read_sbml, read_sbml_models, read_sbml_text
from tests.formats.sbml_texts import (
    CORE,
    assignment,
    compartment,
    event,
    initial,
    maths,
    parameter,
    rate,
    reaction,
    sbml,
    species,
)

C = compartment("C", 2)
A = species("A", concentration=1)
V = compartment("V", constant=False)
B = species("B", "V", concentration=1)
X = parameter("x", constant=False)
SOUND = sbml(C, A, reaction("J", {"A": 1}, {}, "A"))


def refused(text: str, **options) -> InputError:
    with pytest.raises(InputError) as raised:
        read_sbml_text(text, "model.xml", **options)
    assert all(f.file == "model.xml" and f.rule for f in raised.value.findings)
    return raised.value


@pytest.mark.parametrize(
    ("elements", "code", "words"),
    [
        ((X, f"<algebraicRule >{maths('x - 1')}</algebraicRule>"), "M12", "algebraic rule"),
        ((C, A, reaction("J", {"A": None}, {}, "A")), "M19", "reaction 'J' - does not say how much of 'A'"),
        ((C, species("B")), "M19", "species 'B' - has no value"),
        ((compartment("V", None), B, reaction("J", {"B": 1}, {}, "B")), "M19", "compartment 'V' - has no"),
        ((parameter("k"), X, assignment("x", "k")), "M19", "parameter 'k' - has no value"),
        ((C, A, reaction("J", {"A": "n"}, {}, "A"), X, assignment("x", "n")), "M19", "species reference 'n'"),
        ((C, A, reaction("J", {"A": 1}, {}, "k*A", {"k": float("nan")})), "M19", "local parameter 'k'"),
        ((parameter("k", float("inf")), X, assignment("x", "k")), "M28", "parameter 'k' - is infinite"),
        ((C, A, reaction("J", {"A": float("inf")}, {}, "A")), "M28", "reference to 'A' - is infinite"),
        ((C, A, reaction("J", {"A": float("nan")}, {}, "A")), "M19", "does not say how much of 'A'"),
        ((C, species("B", "", amount=1)), "M16", "species 'B' - names '', which the model does not have"),
        ((parameter("k"), initial("k", "INF")), "M28", "initial assignment to 'k' - is infinite"),
        ((parameter("k"), initial("k", "NaN")), "M28", "initial assignment to 'k' - contains 'notanumber'"),
        ((C, A, reaction("J", {"A": 1}, {}, None), X, assignment("x", "J")), "M16", "no kinetic law"),
        ((V, B, X, event("E", "time > 1", {"B": "2*B"}, delay="1"), rate("V", "1")), "M13",
         "event 'E' - fixes the concentration of 'B'"),
        ((V, B, X, assignment("V", "1 + time"), assignment("x", "rateOf(B)")), "", "rateOf"),
        ((V, B, event("E", "time > 1", {"B": "2*B"}, priority="1"),
          event("F", "time > 1", {"V": "2"}, priority="2")), "M13",
         "event 'E' - fixes the concentration of 'B'"),
        ((X, parameter("kk", 1), assignment("x", "k + 1")), "M16",
         "assignment rule for 'x' - uses 'k', which is not declared - did you mean 'kk'?"),
        ((X, assignment("x", "f(2)")), "E11", "calls 'f', which the file does not define"),
    ],
)  # fmt: skip
def test_elements_by_name(elements, code, words):
    error = refused(sbml(*elements))
    assert [f.code for f in error.findings] == [code]
    assert words in str(error)
    assert error.findings[0].line > 3
    assert error.findings[0].remedy


def test_everything_is_said_in_one_pass():
    text = sbml(
        C, species("B"), parameter("k"), X, assignment("x", "k + delay(k, 1)"), parameter("l", float("inf"))
    )
    assert len(refused(text).findings) == 4


def test_fast_reactions():
    text = """<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model>
<listOfCompartments><compartment id="C" size="1"/></listOfCompartments>
<listOfSpecies><species id="A" compartment="C" initialConcentration="1"/></listOfSpecies>
<listOfReactions>
<reaction id="J" fast="true"><listOfReactants><speciesReference species="A"/></listOfReactants>
<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><ci>A</ci></math></kineticLaw></reaction>
</listOfReactions></model></sbml>"""
    (finding,) = refused(text).findings
    assert (finding.code, finding.given) == ("M13", "reaction 'J'")
    assert finding.line == 5
    assert "algebraic equations" in finding.rule


@pytest.mark.parametrize(
    ("elements", "line", "words"),
    [
        ((X, X), 6, "Duplicate 'id'"),
        ((X, assignment("x", "y"), parameter("y", constant=False), assignment("y", "x")), 10, "cycle"),
    ],
)
def test_what_libsbml_finds(elements, line, words):
    error = refused(sbml(*elements))
    assert words in str(error)
    assert "libsbml" in str(error)
    assert any(abs(f.line - line) <= 2 for f in error.findings)


@pytest.mark.parametrize("package", ["comp", "fbc", "qual", "distrib", "arrays", "mine"])
def test_packages_that_are_needed(package):
    namespace = f"http://www.sbml.org/sbml/level3/version1/{package}/version1"
    attributes = f'xmlns:p="{namespace}" p:required="{{}}"' + ' p:used="true"' * (package == "comp")
    (finding,) = refused(sbml(C, packages=attributes.format("true"))).findings
    assert finding.code == "M11"
    assert f"'{package}'" in finding.given
    assert ("flatten" in finding.remedy) == (package == "comp")
    if package == "fbc":
        assert read_sbml_text(sbml(C, packages=attributes.format("false")))


def test_submodels_that_a_model_could_have_and_has_not():
    namespace = "http://www.sbml.org/sbml/level3/version1/comp/version1"
    assert read_sbml_text(sbml(C, packages=f'xmlns:comp="{namespace}" comp:required="true"'))


BOMB = '<!DOCTYPE sbml [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
DEEP = 600


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "M03", "no element found"),
        ("not xml", "M03", "begins with 'not xml'"),
        ("\x89PNG\r\n", "M03", "begins with"),
        ("time,A\n0,1\n", "M03", "is not XML"),
        ("<html><body/></html>", "M03", "<html> - is not the root of an SBML model"),
        ("<sbml/>", "M03", "<sbml> - is not the root"),
        (SOUND[: len(SOUND) // 2], "M04", "cut off"),
        (SOUND.replace("</model>", ""), "M04", "mismatched tag"),
        (f"{BOMB}]><sbml/>", "M07", "DOCTYPE"),
        ('<!DOCTYPE sbml SYSTEM "file:///etc/passwd"><sbml/>', "M07", "DOCTYPE"),
        ('<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<a>&x;</a>', "M07",
         "model.xml:2: M07: DOCTYPE"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?>\n<sbml>ü</sbml>', "M06", "ISO-8859-1"),
        ('<?xml version="1.0" encoding="UTF-16"?>\n<sbml/>', "M06", "UTF-16"),
        (f'<sbml xmlns="{CORE}">{"<a>" * DEEP}{"</a>" * DEEP}</sbml>', "M10", "deeper than"),
        (f'<sbml xmlns="{CORE}" level="3" version="2"></sbml>', "M02", "holds no model"),
    ],
)  # fmt: skip
def test_texts_that_are_no_model(text, code, words):
    start = time.perf_counter()
    (finding,) = refused(text).findings[:1]
    assert finding.code == code
    assert words in str(finding)
    assert "root:" not in str(finding)
    assert time.perf_counter() - start < 5


def test_a_latin_1_declaration_of_ascii_is_no_fault():
    text = SOUND.replace('encoding="UTF-8"', 'encoding="ISO-8859-1"')
    assert read_sbml_text(text)


def test_sizes_are_bounded(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(xml_guard, "MAX_ELEMENTS", 1000)
    (finding,) = refused(SOUND.replace("</model>", "<notes>" + "<p/>" * 1000 + "</notes></model>")).findings
    assert finding.code == "M23"
    path = tmp_path / "large.xml"
    with path.open("wb") as stream:
        stream.truncate(xml_guard.MAX_BYTES + 1)
    start = time.perf_counter()
    with pytest.raises(InputError, match="more than the limit"):
        read_sbml(path)
    assert time.perf_counter() - start < 5


def test_files_that_cannot_be_read(tmp_path: Path):
    empty, latin = tmp_path / "empty.xml", tmp_path / "latin.xml"
    empty.touch()
    latin.write_bytes(SOUND.encode() + b"\xfc")
    for path, words in (
        (tmp_path / "none.xml", "there is no such SBML file"),
        (tmp_path, "is a folder"),
        (empty, "is empty"),
        (latin, "is not UTF-8"),
    ):
        with pytest.raises(InputError, match=words):
            read_sbml(path)


def test_a_file_that_is_refused_does_not_hide_the_others(tmp_path: Path):
    paths = [tmp_path / name for name in ("a.xml", "b.xml", "c.xml")]
    for path, text in zip(paths, (SOUND, "<sbml/>", SOUND), strict=True):
        path.write_text(text, encoding="utf-8")
    first, second, third = read_sbml_models(paths)
    assert isinstance(second, InputError)
    assert first.spec == third.spec


def test_what_crashes_libsbml_is_an_error_all_the_same():
    """The guard refuses such a text before libsbml sees it; without the guard the child would die alone."""
    deep = f"<apply><minus/>{'<apply><minus/>' * 20_000}<cn>1</cn>{'</apply>' * 20_000}</apply>"
    text = sbml(X, assignment("x", "1")).replace(
        maths("1"), f'<math xmlns="http://www.w3.org/1998/Math/MathML">{deep}</math>'
    )
    assert "deeper than" in str(refused(text))
    error, answer = child.ask("idfit.formats.sbml_child", [text, SOUND], ["deep.xml", "sound.xml"], "libsbml")
    assert isinstance(error, InputError)
    assert "crashed on it" in str(error)
    assert answer["model"]["id"] == "small"
