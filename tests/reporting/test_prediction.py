"""Predictions, tests of residuals and predictive checks in the report: figures, tables, words."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import xarray as xr

from idfit.reporting import render_report, write_tables
from idfit.reporting.figures.prediction import plot_predictions, prediction_pages
from idfit.results import dataset
from idfit.results.prediction import KINDS, CheckVerdict, LimitStatus
from tests.reporting import determined

FOUND, OPEN = int(LimitStatus.FOUND), int(LimitStatus.OPEN)
TIMES = np.array([0.0, 10.0, 60.0])


def band(method: str = "profiles", **attrs) -> xr.Dataset:
    """Two observables of the study's first condition; the second has no upper limit at the last time."""
    study = determined.everything()
    condition = str(study["simulation"]["trajectory_condition"].values[0])
    names = study["simulation"]["trajectory_observable"].values[:2].tolist()
    centre = np.array([[[10.0, 40.0, 20.0], [5.0, 30.0, 25.0]]])
    upper = centre + 4.0
    upper[0, 1, 2] = np.inf
    status = np.full((1, 2, 3, 2), FOUND, dtype=np.int8)
    status[0, 1, 2, 1] = OPEN
    kind = KINDS[method]
    return dataset(
        "prediction",
        {
            "median": centre, "lower": centre - 3.0, "upper": upper, "status": status,
            "validation_lower": centre - 8.0, "validation_upper": upper + 5.0, "validation_status": status,
            "rests_on": np.where(status == OPEN, "k_b<i>", ""),
        },
        {"condition": [condition], "observable": names, "time": TIMES},
        {"method": method, "kind": kind.label, "kind_sentence": kind.sentence, "inner": int(kind.inner),
         "ci_prob": 0.95} | attrs,
    )  # fmt: skip


def residual_tests(against: bool) -> xr.Dataset:
    p = np.full((1, 5), 0.4)
    p[0, 3] = np.nan
    p[0, 2] = 0.0004 if against else 0.3
    verdict = np.where(np.isnan(p), CheckVerdict.UNDETERMINED, CheckVerdict.NO_SIGN)
    verdict[0, 2] = CheckVerdict.AGAINST if against else CheckVerdict.NO_SIGN
    return dataset(
        "diagnostics",
        {
            "statistic": p, "p_value": p, "adjusted_p_value": np.minimum(4 * p, 1.0),
            "verdict": verdict.astype(np.int8), "n": np.array([40]), "residual": np.zeros(40),
            "leverage": np.zeros(40), "studentised": np.zeros(40), "outlier": np.zeros(40, dtype=bool),
        },
        {"subject": ["all"], "test": ["normality", "runs", "autocorrelation", "chi2", "outlier"]},
        {"level": 0.05},
    )  # fmt: skip


def study_with(**groups: xr.Dataset) -> xr.DataTree:
    study = determined.everything()
    return xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs=study.attrs)}
        | {name: node.to_dataset() for name, node in study.children.items()}
        | groups
    )


def test_the_band_is_drawn_where_it_is_and_an_open_side_runs_to_the_edge():
    study = study_with(prediction=band())
    assert prediction_pages(study) == [[0, 1]]
    figure = plot_predictions(study)
    first, second = figure.axes
    corners = np.concatenate([c.get_paths()[0].vertices for c in first.collections])
    # the lighter band from 8 below to 9 above the curve, the darker one within
    assert corners[:, 1].min() == pytest.approx(2.0)
    assert corners[:, 1].max() == pytest.approx(49.0)
    assert {37.0, 44.0, 32.0, 49.0} <= set(corners[corners[:, 0] == 10.0, 1].tolist())
    reached = np.concatenate([c.get_paths()[0].vertices for c in second.collections])
    assert reached[reached[:, 0] == 60.0, 1].max() == pytest.approx(second.get_ylim()[1])
    markers = [line for line in second.lines if line.get_marker() == "^" and len(line.get_xdata())]
    assert np.asarray(markers[0].get_xdata()).tolist() == [60.0]


def test_the_page_names_the_kind_of_band_and_what_has_no_limit():
    text = render_report(study_with(prediction=band()))
    assert 'id="predictions"' in text
    assert "profile-wise band" in text
    assert "1 limit of" in text
    assert "∞" in text
    assert "<i>" not in text.split('id="predictions"')[1].split("</section>")[0].replace("<i></i>", "")


def test_an_inner_approximation_is_called_one_on_the_first_screen():
    text = render_report(study_with(prediction=band("profile_points")))
    summary = text.split('id="summary"')[1].split("</section>")[0]
    assert "inner approximation" in summary
    exact = render_report(study_with(prediction=band()))
    assert "inner approximation" not in exact


def test_draws_without_a_claim_say_why():
    made = band("posterior", reason="R-hat is 1.3", n_draws=100)
    for name in ("median", "lower", "upper", "validation_lower", "validation_upper"):
        made[name][:] = np.nan
    made["status"][:] = int(LimitStatus.UNCONVERGED)
    text = render_report(study_with(prediction=made))
    assert "The chains make no claim (R-hat is 1.3)" in text
    assert "The measurements alone" in text


@pytest.mark.parametrize("against", [True, False])
def test_the_residual_section_says_what_the_tests_found(against):
    text = render_report(study_with(diagnostics=residual_tests(against)))
    section = text.split('id="residuals"')[1].split("</section>")[0]
    assert ("Against the model or its noise speaks" in section) is against
    assert ("show no sign against the model" in section) is not against
    assert "4 tests" in section
    assert ("The residuals speak against" in text.split('id="summary"')[1].split("</section>")[0]) is against


def test_predictive_checks_near_nought_or_one_are_told():
    checks = dataset(
        "predictive_checks",
        {"measured": [[9.0, 3.0]], "drawn": [[5.0, 2.0]], "p_value": [[0.001, 0.4]], "n": np.array([40])},
        {"subject": ["all"], "quantity": ["chi2", "largest"]},
        {"n_draws": 500, "converged": 1},
    )
    text = render_report(study_with(predictive_checks=checks))
    assert "they differ in size of the residuals (all measurements, p = 0.001" in text


def test_tables_hold_every_prediction_and_test(tmp_path):
    study = study_with(prediction=band(), diagnostics=residual_tests(True))
    files = {path.stem: path for path in write_tables(study, tmp_path)}
    rows = list(csv.DictReader(files["predictions"].open(encoding="utf-8")))
    assert len(rows) == 6
    assert rows[-1]["upper"] == "inf"
    assert rows[-1]["upper_status"] == "open"
    assert float(rows[1]["validation_upper"]) == 49.0
    verdicts = [r["verdict"] for r in csv.DictReader(files["residual_tests"].open(encoding="utf-8"))]
    assert verdicts == ["no_sign", "no_sign", "against", "undetermined", "no_sign"]
