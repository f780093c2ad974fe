"""A study in other parameters: the section before and after, its figure, and what the first page says."""

from __future__ import annotations

import csv

import pytest

from idfit.reporting import summary, write_tables
from idfit.reporting.figures import drawings, plot_change
from idfit.reporting.figures.change import change_caption
from idfit.reporting.page import render_report
from idfit.results import SideStatus, Verdict
from tests.reporting import changed, studies
from tests.reporting.changed import PRODUCT


@pytest.fixture(scope="module")
def study():
    return changed.study()


@pytest.fixture(scope="module")
def section(study):
    return render_report(study, drawn=()).partition('<section id="change">')[2].partition("</section>")[0]


def test_the_section_has_the_maps_the_old_intervals_and_the_proof(section):
    assert (
        f"k_imp_homo and k_phos made way for {PRODUCT}, and k_phos is held, as any value predicts the same"
        in section
    )
    assert "<code>k_imp_homo*k_phos</code>" in section
    assert "<code>1, held</code>" in section
    assert section.count(f"open: it acts through {PRODUCT} only") == 2
    assert "8 of 8 new unknowns" in section
    assert "2 points, largest relative difference 2.0 × 10⁻¹²" in section
    assert "before: k_imp_homo and k_phos; now: none" in section
    assert section.count(">yes</span>") == 4
    assert "# old" in section


def test_the_first_page_says_what_was_wrong_and_that_it_is_cured(study):
    text = summary.paragraph(study)
    assert (
        f"No data of this kind determine k_imp_homo and k_phos of the model file; the study is in {PRODUCT}"
        in text
    )
    titles = [r.title for r in summary.remarks(study)]
    assert "The model in new parameters is the same model" in titles
    assert "The equations leave parameters open" not in titles


def test_a_proof_that_does_not_hold_is_a_caution():
    study = changed.study()
    study["reparameterization"] = changed.proof(same_nllh=False, rank=-1, full_rank=False)
    (remark,) = [r for r in summary.remarks(study) if "not proven" in r.title]
    assert remark.kind == "caution"
    page = render_report(study, drawn=())
    assert ">no</span>" in page
    assert "cannot be computed" in page
    assert ">not known</span>" in page


def test_a_flat_profile_that_is_still_there_is_told():
    study = changed.study()
    study["profiles"]["verdict"][:] = 5
    assert f"now: {PRODUCT}" in render_report(study, drawn=())


def test_the_figure_shows_the_old_profiles_beside_the_new(study):
    figure = plot_change(study)
    titles = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "k_imp_homo: structurally non-identifiable" in titles
    assert f"{PRODUCT}: identifiable" in titles
    assert len(figure.axes) == 3
    assert [d.name for d in drawings(study) if d.section == "change"] == ["change"]
    assert "search bound" not in change_caption(study)
    study["profiles_before"]["side_status"][:] = int(SideStatus.PARTNER_BOUND)
    assert "another parameter has come to its search bound" in change_caption(study)


def test_an_old_profile_that_rises_within_its_bounds_is_still_open_by_the_equations():
    study = changed.study()
    study["profiles_before"]["verdict"][:] = int(Verdict.OPEN_ABOVE)
    section = render_report(study, drawn=()).partition('<section id="change">')[2].partition("</section>")[0]
    assert section.count("equations: non-identifiable") == 2
    assert "before: none within the bounds of the search; now: none" in section


def test_without_profiles_from_before_there_is_no_figure():
    study = changed.study()
    del study["profiles_before"]
    assert not [d for d in drawings(study) if d.section == "change"]
    assert "No profile is flat any more" not in render_report(study, drawn=())
    with pytest.raises(ValueError, match="no profiles from before"):
        plot_change(study)


def test_the_table_has_both_sets_of_parameters(study, tmp_path):
    (path,) = [p for p in write_tables(study, tmp_path) if p.name == "reparameterization.csv"]
    with path.open(newline="") as stream:
        rows = {(row["name"], row["is_new"]): row for row in csv.DictReader(stream)}
    assert rows[PRODUCT, "True"]["formula"] == "k_imp_homo*k_phos"
    assert (rows["k_phos", "False"]["held_at"], rows["k_phos", "False"]["upper"]) == ("1.0", "inf")


def test_a_study_in_its_own_parameters_has_no_section():
    assert 'id="change"' not in render_report(studies.boehm_like(), drawn=())


def test_limits_of_the_model_are_told_one_after_the_other():
    study = studies.boehm_like()
    study["reduction"] = changed.reduction()
    page = render_report(study, drawn=())
    section = page.partition('<section id="reduction">')[2].partition("</section>")[0]
    assert "1 limit could be taken: 8 parameters fit as well as 9." in section
    assert "k_imp_homo -&gt; infinity" in section
    assert section.index(">taken</span>") < section.index(">worse fit</span>")
    assert "not exactly: a parameter is held far out" in section
    assert "# smaller" in section
    assert "# too small" not in section
    study["reduction"] = changed.reduction(n_accepted=0)
    assert "No limit could be taken without a worse fit." in render_report(study, drawn=())


def test_names_of_strangers_do_not_become_markup():
    study = changed.study()
    hostile = studies.HOSTILE
    proof = changed.proof()
    for name in ("forward", "back", "old_says"):
        proof[name] = (proof[name].dims, [hostile] * proof[name].size)
    study["reparameterization"] = proof.assign_attrs(sentences=hostile, model_toml_before=hostile)
    reduction = changed.reduction()
    for name in ("limit", "evidence", "how", "model"):
        reduction[name] = ("step", [hostile] * 3)
    study["reduction"] = reduction.assign_attrs(ended=hostile)
    assert hostile not in render_report(study, drawn=())
