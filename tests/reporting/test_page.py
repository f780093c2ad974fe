"""The page: complete, closed to the world, the same every time, and never claiming more than was computed."""

from __future__ import annotations

import html.parser
import re
import time

import numpy as np
import pytest
import xarray as xr

from idfit.errors import StorageError
from idfit.reporting import render_report, write_report
from tests.reporting import studies

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(html.parser.HTMLParser):
    """Elements, attributes and text of a page; fails on tags that do not close."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.style = "", ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> without a beginning"
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] == "style":
            self.style += data
        else:
            self.text += data

    @property
    def ids(self) -> list[str]:
        return [a["id"] for _, a in self.elements if a.get("id")]  # type: ignore[misc]

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


@pytest.fixture(scope="module")
def boehm() -> Page:
    return Page(render_report(studies.boehm_like()))


def test_every_section_is_there_and_in_the_contents(boehm):
    sections = ["summary", "parameters", "fit", "residuals", "search", "data", "computed", "model"]
    assert [a["id"] for tag, a in boehm.elements if tag == "section"] == sections
    links = [a["href"] for tag, a in boehm.elements if tag == "a"]
    assert links == [f"#{name}" for name in sections]


def test_every_figure_is_there_with_a_caption(boehm):
    names = ["fit", "residuals", "residual_distribution", "waterfall", "parameters"]
    assert [a["id"] for tag, a in boehm.elements if tag == "figure"] == [f"figure-{n}" for n in names]
    assert len([tag for tag, _ in boehm.elements if tag == "svg"]) == len(names)
    for k in range(len(names)):
        assert f"Figure {k + 1}." in boehm.text


def test_ids_are_unique_and_references_meet_one(boehm):
    assert len(boehm.ids) == len(set(boehm.ids))
    values = [v for _, a in boehm.elements for v in a.values() if v]
    used = {m for v in values for m in re.findall(r"^#(.+)$|url\(#([^)]+)\)", v)}
    assert {a or b for a, b in used} <= set(boehm.ids)


def test_the_summary_has_the_numbers(boehm):
    assert "idfit estimated 9 parameters from 48 measurements of 3 observables in 1 condition." in boehm.words
    assert "90 of 100 starts ended with a value, 37 of them in the best optimum found" in boehm.words
    assert "(37 % of all starts, 95 % interval 28 to 46 %)" in boehm.words
    assert "The best objective (negative log likelihood) is 138.222." in boehm.words
    assert "10 of 100: step too small (5), singular (3) and step budget (2)." in boehm.words
    assert "k_exp_hetero at its lower bound (10⁻⁵ 1/min)" in boehm.words


def test_provenance_is_complete(boehm):
    for name in ("command", "hash_model", "hash_data", "hash_recipe"):
        assert studies.root().attrs[name] in boehm.text
    for text in ("numba 0.68.0", "1e-08", "1e-12", "sobol", "trust-region", "[parameters]"):
        assert text in boehm.text


@pytest.mark.parametrize("make", [studies.boehm_like, studies.hostile, studies.all_failed])
def test_nothing_is_run_and_nothing_is_loaded(make):
    text = render_report(make())
    page = Page(text)
    assert "<script" not in text.lower()
    assert "javascript:" not in text.lower()
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "base", "foreignobject"}
        for key, value in attributes.items():
            assert not key.startswith("on"), f"<{tag} {key}>"
            if key in {"href", "src", "xlink:href"}:
                assert (value or "").startswith("#"), f"<{tag} {key}={value}>"
            assert "url(" not in (value or "") or "url(#" in (value or "")
    assert "@import" not in page.style
    assert "url(" not in page.style
    assert "http" not in page.style
    assert not re.search(r"https?:", text)


def test_hostile_names_are_shown_as_text():
    page = Page(render_report(studies.hostile()))
    assert studies.HOSTILE in page.text
    assert f"</style>{studies.HOSTILE}" in page.text
    assert "$k_{2}$" in page.text
    assert "a\x07b" not in page.text
    assert "y" * 200 not in page.text  # ten thousand letters are shortened


def test_same_study_same_bytes():
    assert render_report(studies.boehm_like()) == render_report(studies.boehm_like())


def test_a_study_read_from_a_file_gives_the_same_page(tmp_path):
    study = studies.boehm_like()
    study.to_netcdf(tmp_path / "study.nc", engine="h5netcdf")
    read = xr.open_datatree(tmp_path / "study.nc", engine="h5netcdf").load()
    read.close()
    assert render_report(read) == render_report(study)


@pytest.mark.parametrize(
    ("dropped", "gone", "kept"),
    [
        ("simulation", "residuals", "search"),
        ("fit", "search", "fit"),
        ("problem", "data", "search"),
    ],
)
def test_absent_groups_are_left_out(dropped, gone, kept):
    study = studies.boehm_like()
    del study[dropped]
    page = Page(render_report(study))
    links = [a.get("href") for tag, a in page.elements if tag == "a"]
    assert kept in page.ids
    assert f"#{kept}" in links
    assert gone not in page.ids
    assert f"#{gone}" not in links


def test_without_a_fit_nothing_is_called_one():
    study = studies.boehm_like()
    del study["fit"]
    words = Page(render_report(study)).words
    assert "best fit" not in words
    assert "no fit has been computed" in words
    assert "at the given parameter values" in words


def test_an_empty_study_gives_a_page():
    assert "holds no data and no fit" in Page(render_report(xr.DataTree())).words


def test_all_starts_failed():
    page = Page(render_report(studies.all_failed()))
    assert "None of 100 starts ended with a value: there is no fit to report." in page.words
    assert "No start succeeded" in page.words
    assert "figure-waterfall" not in page.ids
    assert "best fit" not in page.words.replace("Search for the best fit", "")
    assert "Std. error" not in page.words


def test_forty_conditions_stay_small_and_quick():
    study = studies.many_conditions(40)
    begun = time.perf_counter()
    text = render_report(study)
    assert time.perf_counter() - begun < 15  # about two seconds on an idle machine
    assert len(text.encode()) < 2_000_000
    page = Page(text)
    assert "figure-fit_1" in page.ids
    assert "figure-fit_2" in page.ids
    assert all(f"substrate {10 * (i + 1)} µM" in page.text for i in range(40))


def test_thousands_of_points_do_not_swell_the_page():
    study = studies.boehm_like()
    problem, simulation = (study[name].to_dataset() for name in ("problem", "simulation"))
    long = np.repeat(np.arange(48), 400)
    study["problem"] = problem.isel(measurement=long).assign_coords(measurement=np.arange(len(long)))
    study["simulation"] = simulation.isel(measurement=long).assign_coords(measurement=np.arange(len(long)))
    assert len(render_report(study).encode()) < 5_000_000


def test_writing_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "report.html"
    write_report(studies.all_failed(), path)
    assert path.read_text(encoding="utf-8") == render_report(studies.all_failed())
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_a_place_that_refuses_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"report\.html"):
        write_report(studies.all_failed(), tmp_path / "file" / "report.html")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(StorageError, match=r"folder\.html"):
        write_report(studies.all_failed(), tmp_path / "folder.html")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.html"]
