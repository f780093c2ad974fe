"""Verdicts in words and rows: what is open is never a finite number, and advice follows the evidence."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from idfit.reporting import reading, tables, verdicts, write_tables
from idfit.reporting.summary import paragraph, remarks
from idfit.results import SideStatus, Verdict
from tests.reporting import determined, studies


def profile_of(name: str, ds=None) -> reading.Profile:
    found = reading.read_profiles(determined.profiles() if ds is None else ds)
    assert found is not None
    profile = found.of(name)
    assert profile is not None
    return profile


def with_profiles(ds=None, **groups):
    """The Boehm-like study with profiles and what else is given."""
    study = determined.with_linear_noise(studies.boehm_like())
    study["profiles"] = studies.xr.DataTree(determined.profiles() if ds is None else ds)
    for name, dataset in groups.items():
        study[name] = studies.xr.DataTree(dataset)
    return study


def titles(study) -> dict[str, str]:
    return {remark.title: remark.text for remark in remarks(study)}


def test_intervals_in_words():
    words = {p.name: verdicts.interval_of(p) for p in reading.read_profiles(determined.profiles()).profiles}
    ends = determined.profiles()["interval"].sel(space="natural", ci_prob=0.95)
    low, high = ends.sel(profiled="Epo_degradation_BaF3").values
    assert words["Epo_degradation_BaF3"].text == f"{low:.4f} to {high:.4f}"
    assert words["Epo_degradation_BaF3"].note == ""
    assert words["k_exp_hetero"].text == "at most 6.08 × 10⁻⁵"
    assert "no lower limit down to" in words["k_exp_hetero"].note
    assert words["k_imp_homo"].text == "at least 10240"
    assert words["k_phos"].text == "no limits"
    assert words["sd_pSTAT5A_rel"].text == "at least 2.67"
    assert words["sd_pSTAT5A_rel"].note == "upper side could not be followed"
    assert words["sd_rSTAT5A_rel"].text == "0 to 4.72"
    assert words["sd_rSTAT5A_rel"].note == "≥ 0, a natural limit"
    assert words["k_imp_hetero"].note.startswith("in 2 pieces: 0.0143 to 0.0187; ")


@pytest.mark.parametrize("side", [SideStatus.SEARCH_BOUND, SideStatus.PARTNER_BOUND, SideStatus.FAILED])
def test_an_open_side_is_never_a_finite_number(side):
    """Not even where a number stands in the file: the status has the word."""
    ds = determined.profiles()
    ds["side_status"][0, :, 1] = int(side)
    profile = profile_of("Epo_degradation_BaF3", ds)
    assert math.isfinite(profile.interval[1, 1])
    assert profile.limits(1)[1] == math.inf
    assert verdicts.interval_of(profile).text == "at least 0.0248"
    row = tables.verdict_table(with_profiles(ds))[0]
    assert row.lower == pytest.approx(0.02484, rel=1e-3)
    assert math.isnan(row.upper) if side == SideStatus.FAILED else row.upper == math.inf


def test_what_the_equations_leave_open_has_no_limits_wherever_bounds_end_its_profile():
    ds = determined.profiles()
    ds["verdict"][0] = int(Verdict.STRUCTURAL)
    interval = verdicts.interval_of(profile_of("Epo_degradation_BaF3", ds))
    assert interval.text == "no limits"
    low, high = ds["interval"].sel(space="natural", ci_prob=0.95).values[0]
    assert interval.note == f"its profile ends at {low:.4f} and {high:.4f} only because of bounds"
    row = tables.verdict_table(with_profiles(ds))[0]
    assert (row.lower, row.upper) == (-math.inf, math.inf)


def test_the_level_of_the_verdict_is_the_stated_one_else_the_largest():
    ds = determined.profiles()
    assert profile_of("k_phos", ds).prob == 0.95
    del ds.attrs["ci_prob"]
    assert profile_of("k_phos", ds).prob == 0.95
    ds.attrs["ci_prob"] = 0.68
    assert profile_of("k_phos", ds).prob == 0.68


def test_advice_follows_the_verdict():
    advice = {p.name: verdicts.advice(p) for p in reading.read_profiles(determined.profiles()).profiles}
    assert advice["Epo_degradation_BaF3"] == "Nothing."
    assert advice["k_exp_hetero"].startswith("The data only say k_exp_hetero < 6.08 × 10⁻⁵ 1/min")
    assert advice["k_imp_homo"].startswith("The data only say k_imp_homo > 10240 1/min")
    assert "measure earlier" in advice["k_imp_homo"]
    assert "k_phos and k_imp_homo compensate each other" in advice["k_phos"]
    assert "Epo_degradation_BaF3" not in advice["k_phos"]  # it moves by 6 % where the other moves fivefold
    assert "Three refits in a row failed above 8.5." in advice["sd_pSTAT5A_rel"]
    assert "sd_rSTAT5A_rel < 4.72 percent" in advice["sd_rSTAT5A_rel"]


def test_a_flat_parameter_without_partners_is_not_said_to_be_compensated():
    ds = determined.profiles()
    ds["partner"][5] = ""
    advice = verdicts.advice(profile_of("k_phos", ds))
    assert "compensate" not in advice
    assert "No other parameter makes up for it" in advice


def test_movements_are_factors_on_logarithmic_scales():
    move = {m.axis.name: verdicts.movement(m) for m in profile_of("k_imp_homo").partners}
    shift = determined.profiles()["partner_shift"].sel(profiled="k_imp_homo").values[0]
    assert move["k_exp_hetero"] == f"× {10**shift:.0f}"


def test_a_code_of_a_later_version_is_shown():
    assert verdicts.tag(99) == ("verdict 99", "unknown")
    ds = determined.profiles()
    ds["verdict"][0], ds["side_status"][0] = 99, 77
    row = tables.verdict_table(with_profiles(ds))[0]
    assert (row.verdict, row.lower_side) == ("verdict 99", "status 77")


def test_the_paragraph_counts_the_verdicts():
    text = paragraph(with_profiles())
    assert (
        "By profile likelihood at 95 %, 5 of 9 parameters are identifiable; 2 are practically "
        "non-identifiable (k_exp_hetero has no lower limit and k_imp_homo has no upper limit); the data say "
        "nothing about k_phos; there is no verdict on sd_pSTAT5A_rel."
    ) in text
    few = paragraph(with_profiles(determined.profiles(only=(0, 4))))
    assert "1 of 9 parameters is identifiable; 1 is practically" in few
    assert "7 were not profiled" in few
    assert "rofile" not in paragraph(studies.boehm_like())


def test_clean_profiles_support_the_result():
    study = with_profiles(determined.profiles(only=(7,)))
    said = titles(study)
    assert "All profiled parameters are identifiable" in said
    about = [t for t in said if "rofile" in t or "threshold" in t or "limit" in t]
    assert about == ["All profiled parameters are identifiable"]


@pytest.mark.parametrize(
    ("attrs", "title", "part"),
    [
        ({"better_by": 0.42, "n_rounds": 2}, "The profiles found a better fit", "better by 0.420"),
        ({"still_better": 1}, "The best fit is not settled", "more starts"),
        ({"hits": 2, "n_starts": 30}, "Profiles of an optimum that few starts found", "2 of 30 starts"),
        ({"threshold_kind": "F"}, "Limits for a small sample", "may rise by 1.92"),
    ],
)
def test_what_was_said_of_the_computation_is_repeated(attrs, title, part):
    assert title not in titles(with_profiles())
    assert part in titles(with_profiles(determined.profiles(attrs)))[title]


def test_what_the_curves_show_is_said():
    said = titles(with_profiles())
    assert "k_exp_homo" in said["Profiles with jumps"]
    assert "sd_pSTAT5A_rel" in said["1 profile could not be followed"]
    assert "k_imp_hetero" in said["A confidence set falls into pieces"]
    assert "Epo_degradation_BaF3 (30 % of the rise)" in said["Priors shape the interval"]
    assert "sd_rSTAT5A_rel" in said["Intervals that end at a natural limit"]
    assert "A better fit exists and was not adopted" not in said
    ds = determined.profiles()
    ds["objective"][7, 3] = determined.NLLH - 0.5
    below = titles(with_profiles(ds))["A better fit exists and was not adopted"]
    assert "sd_pSTAT5B_rel the objective falls by 0.50" in below


def test_profiles_take_the_word_from_the_curvature():
    plain, profiled = studies.boehm_like(), with_profiles()
    for study in (plain, profiled):
        study["fit"]["standard_error"][:, 5] = np.nan
    assert "Profiles would tell" in titles(plain)["No standard error for 1 parameter"]
    assert "The profiles tell: k_phos no limits" in titles(profiled)["No standard error for 1 parameter"]
    assert "No standard error or interval is given there" in titles(plain)["1 parameter at a bound"]
    assert "Its profile gives k_exp_hetero at most" in titles(profiled)["1 parameter at a bound"]
    # the interval of k_imp_homo spans seven decades by Wald
    assert "1 parameter hardly determined" in titles(plain)
    assert "1 parameter hardly determined" not in titles(profiled)


def test_companions_are_heard():
    said = titles(with_profiles(agreement=determined.agreement(), fisher=determined.fisher()))
    assert "k_imp_homo: the profile stays open above" in said["The methods disagree about 2 parameters"]
    assert "k_imp_homo (64 %) and k_phos (36 %)" in said["The data leave a direction open"]
    quick = studies.boehm_like()
    quick["identifiability_test"] = studies.xr.DataTree(determined.quick_test())
    text = titles(quick)["The quick test says: flat"]
    assert "k_imp_homo (+0.78), k_phos (−0.61) and k_exp_hetero (+0.14)" in text
    curved = determined.fisher()
    curved["parameter_effects_curvature"][:] = 0.9
    assert "The model is strongly curved" in titles(with_profiles(fisher=curved))
    assert "The model is strongly curved" not in said


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def test_csv_files_hold_every_point_and_interval(tmp_path):
    study = determined.everything()
    files = {p.stem: read(p) for p in write_tables(study, tmp_path)}
    assert {
        "verdicts", "intervals", "profiles", "function_profiles", "fisher", "eigenvalues", "correlation",
        "curvature", "profiles_2d", "identifiability_test", "bootstrap", "bootstrap_replicates", "agreement",
    } <= set(files)  # fmt: skip
    ds = study["profiles"].to_dataset()
    rows = files["profiles"]
    assert len(rows) == int(np.isfinite(ds["value"].values).sum())
    mine = [r for r in rows if r["profiled"] == "k_exp_homo"]
    np.testing.assert_array_equal(
        [float(r["theta:k_phos"]) for r in mine],
        ds["theta"].sel(profiled="k_exp_homo", parameter="k_phos").values,
    )
    assert [r["step"] for r in mine if r["jump"] == "1"] == ["27"]
    wide = {(r["name"], r["method"], r["ci_prob"]): r for r in files["intervals"]}
    row = wide["k_imp_homo", "profile", "0.95"]
    assert (row["upper"], row["upper_scaled"], row["upper_side"]) == ("inf", "inf", "search_bound")
    assert float(row["lower"]) == ds["interval"].sel(space="natural", profiled="k_imp_homo").values[1, 0]
    assert wide["sd_pSTAT5A_rel", "profile", "0.95"]["upper"] == ""
    assert wide["k_imp_hetero", "piece 2", "0.95"]["lower_side"] == ""
    tried = study["profiles_2d"]["status"].values != 30
    assert len(files["profiles_2d"]) == int(tried.sum())
    assert len(files["bootstrap_replicates"]) == 200
    assert files["agreement"][0]["method"] == "wald"
    assert len(files["agreement"]) == 27


def test_no_cell_of_any_table_is_a_formula(tmp_path):
    for path in write_tables(determined.hostile(), tmp_path):
        for row in csv.reader(path.open(encoding="utf-8", newline="")):
            for cell in row:
                if cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
                    float(cell)  # only numbers may begin with a sign


def test_all_verdicts_have_words_and_advice():
    ds = determined.profiles()
    for verdict in Verdict:
        ds["verdict"][0] = int(verdict)
        profile = profile_of("Epo_degradation_BaF3", ds)
        assert verdicts.tag(profile.verdict)[0][:7] != "verdict"
        assert len(verdicts.advice(profile)) > 5


def test_a_limit_that_rests_on_a_search_bound_asks_for_a_wider_one():
    ds = determined.profiles()
    resting = np.full(ds["rests_on"].shape, "", dtype="<U20")
    resting[0, 0] = "k_imp_hetero"
    ds["rests_on"] = (ds["rests_on"].dims, resting)
    assert verdicts.advice(profile_of("Epo_degradation_BaF3", ds)) == (
        "Widen the search bound of k_imp_hetero and profile again, unless it is a fact."
    )
