"""The words of the first page: each remark appears when, and only when, the study supports it."""

from __future__ import annotations

import numpy as np
import pytest

from idfit.reporting.numerals import interval, number, value_and_error
from idfit.reporting.summary import paragraph, remarks
from idfit.results import Status
from tests.reporting import studies


def titles(study) -> dict[str, str]:
    return {remark.title: remark.kind for remark in remarks(study)}


def text_of(study, title: str) -> str:
    return next(remark.text for remark in remarks(study) if remark.title == title)


def test_found_once_is_said_plainly():
    study = studies.boehm_like(best_hits=1)
    assert titles(study)["Found once: run more starts"] == "caution"
    assert "found again and again" not in " ".join(titles(study))


def test_found_thrice_is_few():
    assert titles(studies.boehm_like(best_hits=3))["Found 3 times"] == "note"


def test_found_often_supports_the_result():
    study = studies.boehm_like()
    assert titles(study)["The best optimum was found again and again"] == "good"
    assert "can still have been missed" in text_of(study, "The best optimum was found again and again")


def test_one_start_knows_nothing_of_others():
    study = studies.boehm_like()
    fit = study["fit"].to_dataset()
    study["fit"] = fit.isel(start=[int(np.nanargmin(fit["objective"].values))], optimum_index=[0])
    study["fit"]["hits"][0] = 1
    assert titles(study)["One start only"] == "caution"
    assert "The only start ended with a value." in paragraph(study)


def test_a_rival_within_the_threshold_is_named():
    assert "Other optima fit almost as well" not in titles(studies.boehm_like())
    study = studies.boehm_like()
    objective = study["fit"]["objective"].values
    studies.changed(study, "fit", objective=np.where(objective > 139, objective - 2.0, objective))
    assert "Optimum 2 (+1.1) lies" in text_of(study, "Other optima fit almost as well")


def test_a_start_that_stopped_near_the_best_is_no_optimum():
    study = studies.boehm_like()
    fit = study["fit"].to_dataset()
    objective, second = fit["objective"].values, fit["cluster"].values == 1
    status = np.where(second, int(Status.MAX_ITERATIONS), fit["status"].values)
    studies.changed(study, "fit", objective=np.where(second, objective - 2.0, objective), status=status)
    assert "Other optima fit almost as well" not in titles(study)
    assert "no start converged there" in text_of(study, "Some starts stopped close to the best value")


@pytest.mark.parametrize(
    ("source", "chi2", "kind"),
    [
        ("data", 41.0, "good"),
        ("data", 90.0, "caution"),
        ("data", 10.0, "note"),
        ("estimated (sd)", 90.0, "note"),
        ("column 'estimated_sd' of the data", 41.0, "good"),
        ("", 41.0, ""),
    ],
)
def test_chi2_is_judged_only_against_stated_noise(source, chi2, kind):
    study = studies.boehm_like()
    studies.changed(study, "problem", sigma_source=np.full(48, source))
    study["fit"]["chi2"] = chi2
    about = {t: k for t, k in titles(study).items() if "noise" in t or "χ²" in t}
    assert list(about.values()) == ([kind] if kind else [])


def test_chi2_of_other_noise_is_not_judged():
    study = studies.boehm_like()
    study["simulation"] = (
        study["simulation"]
        .to_dataset()
        .assign_coords(observable_distribution=("trajectory_observable", ["laplace"] * 3))
    )
    assert not any("noise" in t or "χ²" in t for t in titles(study))


def test_no_degrees_of_freedom():
    study = studies.boehm_like()
    study["fit"]["dof"] = -2
    assert titles(study)["No degrees of freedom are left"] == "caution"
    assert "χ²/dof" not in paragraph(study)


def test_a_best_start_that_did_not_converge():
    study = studies.boehm_like()
    best = int(np.nanargmin(study["fit"]["objective"].values))
    study["fit"]["status"][best] = int(Status.STALLED)
    assert titles(study)["The lowest start itself did not converge"] == "note"
    cluster = study["fit"]["cluster"].values == 0
    stalled = np.where(cluster, int(Status.STALLED), study["fit"]["status"].values)
    studies.changed(study, "fit", status=stalled)
    assert titles(study)["The best start did not converge"] == "caution"


def test_bounds_and_missing_errors():
    study = studies.boehm_like()
    assert titles(study)["1 parameter at a bound"] == "caution"
    assert "No standard error for 1 parameter" not in titles(study)
    study["fit"]["standard_error"][:, 5] = np.nan
    assert "k_phos" in text_of(study, "No standard error for 1 parameter")


def test_most_starts_failing_is_a_caution():
    study = studies.boehm_like()
    assert titles(study)["10 starts ended without a value"] == "note"
    status = study["fit"]["status"].values.copy()
    status[(study["fit"]["cluster"].values != 0)] = int(Status.NOT_FINITE)
    studies.changed(study, "fit", status=status)
    assert titles(study)["63 starts ended without a value"] == "caution"


def test_warnings_of_reading_are_repeated():
    study = studies.boehm_like()
    study.attrs["findings"] = "2 rows without a value were dropped\nunit of k_on is not 1/min"
    said = [r.text for r in remarks(study) if r.title == "From reading the files"]
    assert said == ["2 rows without a value were dropped", "unit of k_on is not 1/min"]
    study.attrs["findings"] = "\n".join(f"finding {i}" for i in range(40))
    said = [r.text for r in remarks(study) if r.title == "From reading the files"]
    assert len(said) == 6
    assert "35 more" in said[-1]


def test_cautions_come_first():
    kinds = [remark.kind for remark in remarks(studies.boehm_like())]
    assert kinds == sorted(kinds, key=["caution", "note", "good"].index)


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (15766.5, 399.4, ("15766", "399")),
        (97749.0, 431000.0, ("1.0 × 10⁵", "4.3 × 10⁵")),
        (-0.5, 0.0123, ("−0.500", "0.012")),
        (9.996e-7, 2.1e-8, ("1.000 × 10⁻⁶", "0.021 × 10⁻⁶")),
        (2.0, float("nan"), ("2.000", "–")),
        (0.0, 0.5, ("0.00", "0.50")),
        (5.0, 1e-16, ("5.000000", "1.0 × 10⁻¹⁶")),
    ],
)
def test_value_and_error_share_their_last_digit(value, error, expected):
    assert value_and_error(value, error) == expected


def test_numbers_as_printed():
    assert number(99999.6) == "1.000 × 10⁵"
    assert number(0.00099999, 2) == "0.0010"
    assert number(float("inf")) == "∞"
    assert interval(1.0, 1.00001) == "1.00000 to 1.00001"
    assert interval(2.0, 2.0) == "2.00 to 2.00"
