"""The page with everything that says what the data determine: in order, harmless, and true to the dataset."""

from __future__ import annotations

import html
import re

import pytest
import xarray as xr

from idfit.reporting import render_report
from tests.reporting import determined, studies
from tests.reporting.test_page import Page

SECTIONS = [
    "summary", "determined", "parameters", "fit", "residuals", "search", "profiles", "fisher", "pairs",
    "functions", "agreement", "data", "computed", "model",
]  # fmt: skip


@pytest.fixture(scope="module")
def text() -> str:
    return render_report(determined.everything())


@pytest.fixture(scope="module")
def words(text) -> str:
    """The words of the page, those of neighbouring cells apart."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def test_sections_stand_in_order_and_in_the_contents(page):
    assert [a["id"] for tag, a in page.elements if tag == "section"] == SECTIONS
    assert [a["href"] for tag, a in page.elements if tag == "a"] == [f"#{name}" for name in SECTIONS]


def test_every_figure_is_there_and_numbered(page):
    names = [a["id"] for tag, a in page.elements if tag == "figure"]
    assert names[5:] == [
        f"figure-{n}"
        for n in (
            "profiles",
            "spectrum",
            "correlation",
            "pairs",
            "function_profiles",
            "agreement",
            "bootstrap",
        )
    ]
    assert f"Figure {len(names)}." in page.text


def test_the_verdict_table_says_what_the_profiles_say(words):
    first = words.index("What to do")
    table = words[first : words.index("Quick test", first)]
    assert "k_exp_hetero open below 1.000 × 10⁻⁵ at most 6.08 × 10⁻⁵ no lower limit down to 10⁻⁵" in table
    assert "k_imp_homo open above 97749 at least 10240 no upper limit up to 3.16 × 10⁶ 1/min" in table
    assert "sd_pSTAT5A_rel no verdict 3.853 at least 2.67 upper side could not be followed percent" in table
    assert "k_exp_hetero × 39" in table


def test_the_parameter_table_has_the_intervals_of_the_profiles(words):
    begin = words.index("Estimated parameters at the best fit")
    table = words[begin : words.index("Parameters that were not estimated", begin)]
    assert "The intervals are those of the profiles (95 %)" in table
    assert "at least 10240" in table
    assert "from the curvature" not in table.partition("Between bounds")[2]


def test_a_parameter_without_profile_keeps_its_interval_and_says_so():
    study = determined.with_linear_noise(studies.boehm_like())
    study["profiles"] = xr.DataTree(determined.profiles(only=(0,)))
    words = Page(render_report(study)).words
    assert "where there is none, they come from the curvature and are marked so" in words
    assert words.count("95 %, from the curvature") == 7  # of the other eight, one stands at a bound


def test_numbers_of_the_other_groups(words):
    assert "8 of 9 directions determined" in words
    assert "k_imp_homo (64 %) and k_phos (36 %)" in words
    assert "Parameter effects natural scale 0.88 large: a linear approximation misleads" in words
    assert "11 of 12 ended with a value" in words
    assert "196 of these fits ended with a value" in words
    assert "10240 to ∞" in words
    assert "pSTAT5A_rel(60) prediction determined 71.00" in words
    assert "Threshold of the profiles χ², one degree of freedom" in words
    assert "1.921 at 95 %" in words


def test_ids_are_unique_and_references_meet_one(page):
    assert len(page.ids) == len(set(page.ids))
    links = {a["href"][1:] for _, a in page.elements if (a.get("href") or "").startswith("#")}
    places = {m for _, a in page.elements for v in a.values() if v for m in re.findall(r"url\(#([^)]+)\)", v)}
    assert links | places <= set(page.ids)
    assert any("pattern" in tag for tag, _ in page.elements)  # the hatching beyond a bound


def test_colours_stay_colours(page):
    """A bare #1f6fa8 is no reference, however much it looks like one."""
    fills = [a["fill"] for _, a in page.elements if (a.get("fill") or "").startswith("#")]
    assert fills
    assert all(re.fullmatch(r"#[0-9a-f]{6}", fill) for fill in fills)


def test_hostile_names_are_shown_as_text():
    text = render_report(determined.hostile())
    page = Page(text)
    assert "<script" not in text.lower()
    assert studies.HOSTILE in page.text
    assert not re.search(r"https?:", text)
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "base", "foreignobject"}
        for key, value in attributes.items():
            assert not key.startswith("on"), f"<{tag} {key}>"
            if key in {"href", "src", "xlink:href"}:
                assert (value or "").startswith("#")


def test_same_study_same_bytes_also_from_a_file(text, tmp_path):
    study = determined.everything()
    study.to_netcdf(tmp_path / "study.nc", engine="h5netcdf")
    read = xr.open_datatree(tmp_path / "study.nc", engine="h5netcdf").load()
    read.close()
    assert render_report(read) == text


@pytest.mark.parametrize(
    ("group", "section"),
    [
        ("fisher", "fisher"),
        ("profiles_2d", "pairs"),
        ("function_profiles", "functions"),
        ("profiles", "profiles"),
    ],
)
def test_each_group_may_be_absent(group, section):
    study = determined.everything()
    for other in determined.MAKERS:
        if other not in (group, "identifiability_test"):
            del study[other]
    with_it = Page(render_report(study))
    assert section in with_it.ids
    del study[group]
    without = Page(render_report(study))
    assert section not in without.ids
    assert f"#{section}" not in [a.get("href") for tag, a in without.elements if tag == "a"]


def test_each_group_may_stand_alone():
    for name, make in determined.MAKERS.items():
        study = xr.DataTree.from_dict({"/": studies.root(), name: make()})
        assert Page(render_report(study)).ids, name
