"""What the equations allow: the section of the report, its words, its tables, and what studies may lack."""

from __future__ import annotations

import csv

import pytest
import xarray as xr

from idfit.reporting import reading, structural, summary, verdicts, write_tables
from idfit.reporting.page import render_report
from idfit.reporting.tables.structure import structure_table
from idfit.results import SideStatus, StructuralVerdict, Verdict
from tests.reporting import allowed, determined, studies


@pytest.fixture(scope="module")
def study() -> xr.DataTree:
    study = studies.boehm_like()
    study["structure"], study["combinations"] = allowed.structure(), allowed.combinations()
    profiles = determined.profiles()
    profiles["verdict"][5] = int(Verdict.STRUCTURAL)
    study["profiles"] = profiles
    return study


@pytest.fixture(scope="module")
def page(study) -> str:
    return render_report(study, drawn=())


def test_the_section_says_what_no_such_data_determine_and_what_they_do(page):
    assert '<section id="structure">' in page
    assert "No such data determine 2 of 10 unknowns." in page
    assert "k_imp_homo and k_phos make up for each other: only k_imp_homo*k_phos is determined." in page
    assert "k_imp_homo → c·k_imp_homo, k_phos → k_phos/c" in page
    assert "One experiment: Epo." in page
    assert "The global analysis with its limit of 30 s did not decide: Epo_degradation_BaF3." in page
    assert "determine 3 → 6 → 8 → 9 → 9 independent directions" in page


def test_the_first_page_names_the_combination_to_fit(study, page):
    assert "determine 7 of 10 unknowns, and can never determine k_imp_homo and k_phos." in page
    (remark,) = [r for r in summary.remarks(study) if r.title == "The equations leave parameters open"]
    assert (remark.kind, remark.text.split(".")[0]) == (
        "caution",
        "k_imp_homo and k_phos: only k_imp_homo*k_phos is determined",
    )
    assert "No data of this kind can determine it: only k_imp_homo*k_phos is determined. Fit that" in page


def test_the_tables_of_parameters_show_where_the_equations_say_no(page):
    of_parameters = page.partition('<section id="parameters">')[2].partition("</section>")[0]
    assert of_parameters.count("equations: non-identifiable") == 2
    assert "equations: identifiable" not in of_parameters


def test_an_open_profile_is_told_of_the_combination_and_an_identifiable_one_is_not(study):
    structure, combinations = reading.read_structure(study), reading.read_combinations(study)
    by_name = {p.name: p for p in reading.read_profiles(study).profiles}

    def advice(name):
        return verdicts.advice(by_name[name], structural.instead_words(name, structure, combinations))

    assert advice("k_imp_homo").endswith(
        "By the equations only k_imp_homo*k_phos is determined: fit that instead."
    )
    assert "By the equations" not in advice("k_exp_hetero")


def test_when_all_is_determined_there_is_no_caution():
    study = studies.boehm_like()
    study["structure"] = allowed.structure((StructuralVerdict.GLOBAL,) * 11)
    page = render_report(study, drawn=())
    assert "By the equations alone, ideal data of this kind determine all 10 unknowns." in page
    assert "Such data determine all 10 unknowns, at least locally." in page
    assert "The equations leave parameters open" not in page
    assert "What is determined instead" not in page


def test_blocks_join_directions_that_share_an_unknown():
    made = allowed.structure((StructuralVerdict.NONIDENTIFIABLE,) * 4 + (StructuralVerdict.GLOBAL,) * 7)
    names = list(allowed.QUANTITIES)
    rows = [[n in pair for n in names] for pair in ((names[0], names[2]), (names[2], names[3]))]
    made = made.drop_dims("direction").assign(involved=(("direction", "quantity"), rows))
    found = reading.read_structure(made)
    assert [block.names for block in structural.blocks(found)] == [[names[0], names[2], names[3]], [names[1]]]


def test_limits_that_no_data_have_set_are_not_called_a_success():
    """A prior on one factor gives both limits; the equations know that only the product is measured."""
    study = studies.boehm_like()
    study["structure"], study["combinations"] = allowed.structure(), allowed.combinations()
    profiles = determined.profiles()
    profiles["verdict"][:] = int(Verdict.IDENTIFIABLE)
    profiles["side_status"][:] = int(SideStatus.CROSSED)
    study["profiles"] = profiles
    page = render_report(study, drawn=())
    titles = [r.title for r in summary.remarks(study)]
    assert "2 intervals do not come from the data" in titles
    assert "All profiled parameters are identifiable" not in titles
    assert "the limits of k_imp_homo and k_phos come from priors or bounds, not from the data" in page
    assert page.count("A prior or a bound gives these limits, not the data: by the equations only") == 2


def test_what_the_equations_leave_open_is_said_once():
    study = studies.boehm_like()
    finding = "equations - structurally non-identifiable: a, b - fix one of them"
    study.attrs["findings"] = f"{finding}\nm.toml:3:1: P08: a note"
    texts = [r.text for r in summary.remarks(study) if r.title == "From reading the files"]
    assert texts == ["m.toml:3:1: P08: a note"]


def test_where_combinations_are_missing_it_does_not_say_only(study):
    combinations = allowed.combinations()
    combinations["complete"] = False
    (block,) = structural.blocks(reading.read_structure(study), reading.read_combinations(combinations))
    assert block.words == "k_imp_homo*k_phos and further combinations are determined"


def test_a_study_without_the_groups_has_no_section():
    page = render_report(studies.boehm_like(), drawn=())
    assert "What the equations allow" not in page
    assert "By the equations" not in page


def test_a_structure_without_a_fit_is_a_report():
    study = xr.DataTree.from_dict(
        {"/": studies.root(), "structure": allowed.structure(), "combinations": allowed.combinations()}
    )
    page = render_report(study)
    assert "What the equations allow" in page
    assert "No such data determine 2 of 10 unknowns." in page


def test_names_of_strangers_do_not_become_markup():
    study = studies.boehm_like()
    hostile = studies.HOSTILE
    made = allowed.structure(assumptions=hostile)
    study["structure"] = made.assign_coords(quantity=[hostile, *made["quantity"].values[1:]])
    combinations = allowed.combinations()
    combinations["formula"] = ("combination", [hostile, hostile])
    combinations["symmetry_formula"] = ("symmetry", [hostile])
    study["combinations"] = combinations
    assert hostile not in render_report(study, drawn=())


def test_tables_are_written(study, tmp_path):
    files = {path.name: path for path in write_tables(study, tmp_path)}
    with files["structure.csv"].open(newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert rows["k_phos"]["verdict"] == "nonidentifiable"
    assert rows["k_phos"]["determined"] == "k_imp_homo*k_phos"
    assert rows["k_exp_homo"]["determined"] == ""
    assert "k_imp_homo*k_phos,monomial,k_imp_homo; k_phos" in files["combinations.csv"].read_text()
    assert "scaling" in files["symmetries.csv"].read_text()


def test_a_verdict_of_a_later_version_is_shown_as_such():
    made = allowed.structure()
    made["verdict"][0] = 77
    study = xr.DataTree.from_dict({"/": studies.root(), "structure": made})
    assert structure_table(study)[0].verdict == "verdict 77"
    assert "verdict 77" in render_report(study)
