"""Tables: values as in the study, counts that add up, cells that no spreadsheet runs."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from idfit.reporting import tables, write_tables
from idfit.results import Status
from tests.reporting import studies


def test_parameters_have_estimates_errors_and_bounds():
    rows = {row.name: row for row in tables.parameter_table(studies.boehm_like())}
    assert len(rows) == 12
    k = rows["k_phos"]
    assert (k.role, k.unit, k.scale) == ("estimated", "1/min", "log10")
    assert k.estimate == pytest.approx(15766.5)
    assert k.standard_error == pytest.approx(0.011 * 15766.5 * math.log(10))
    # symmetric in the logarithm, hence a ratio on the natural scale
    assert k.interval_upper / k.estimate == pytest.approx(10 ** (1.959964 * 0.011), rel=1e-6)
    assert k.interval_lower * k.interval_upper == pytest.approx(k.estimate**2, rel=1e-6)
    assert (k.lower, k.upper) == (1e-5, 1e5)
    assert rows["Epo_degradation_BaF3"].prior.startswith("normal")


def test_a_parameter_at_its_bound_has_no_error_and_no_interval():
    study = studies.boehm_like()
    study["fit"]["standard_error"][:] = 1.0
    row = next(r for r in tables.parameter_table(study) if r.name == "k_exp_hetero")
    assert row.at_bound == -1
    assert all(math.isnan(x) for x in (row.standard_error, row.interval_lower, row.interval_upper))


def test_fixed_and_tied_parameters():
    rows = {row.name: row for row in tables.parameter_table(studies.boehm_like())}
    assert (rows["ratio"].role, rows["ratio"].estimate) == ("fixed", 0.693)
    assert (rows["k_both"].role, rows["k_both"].tie) == ("tied", "k_imp_homo * ratio")
    assert math.isnan(rows["k_both"].estimate)


def test_fates_count_every_start_once():
    fates = {Status(f.status): f for f in tables.fate_table(studies.boehm_like())}
    assert sum(f.n for f in fates.values()) == 100
    assert {s: f.n for s, f in fates.items() if not f.finished} == {
        Status.STEP_TOO_SMALL: 5,
        Status.SINGULAR: 3,
        Status.STEP_BUDGET: 2,
    }
    assert fates[Status.STALLED].n == fates[Status.MAX_ITERATIONS].n == 1
    assert fates[Status.STEP_BUDGET].meaning == Status.STEP_BUDGET.sentence


def test_a_failed_start_with_a_number_is_still_failed():
    study = studies.boehm_like()
    failed = int(np.flatnonzero(study["fit"]["status"].values == Status.STEP_BUDGET)[0])
    study["fit"]["objective"][failed] = 1.0  # lower than any
    rows = tables.start_table(study)
    assert rows[failed].rank == 0
    assert min(r.above_best for r in rows if r.rank) == 0.0
    assert not next(f for f in tables.fate_table(study) if f.status == Status.STEP_BUDGET).finished


def test_an_unknown_status_of_a_later_version_is_shown():
    assert tables.status_words(99)[0] == "status 99"


def test_starts_keep_their_order_and_have_ranks():
    study = studies.boehm_like()
    rows = tables.start_table(study)
    assert [r.start for r in rows] == list(range(100))
    assert sorted(r.rank for r in rows if r.rank) == list(range(1, 91))
    best = next(r for r in rows if r.rank == 1)
    assert best.objective == np.nanmin(study["fit"]["objective"].values)


def test_optima_have_rates_and_differences():
    best, second, *_ = tables.optimum_table(studies.boehm_like())
    assert (best.hits, best.rate, best.above_best, best.differences) == (37, 0.37, 0.0, ())
    assert best.converged == 36
    assert second.above_best == pytest.approx(3.1, abs=1e-3)
    name, here, there, unit = second.differences[0]
    assert (name, unit) == ("k_exp_hetero", "1/min")
    assert here / there == pytest.approx(10**2.2)


def test_statistics_leave_out_what_was_not_computed():
    rows = {row.name: row.value for row in tables.statistics_table(studies.boehm_like())}
    assert rows["chi2_dof"] == pytest.approx(47.9 / 42)
    assert rows["n_data"] == 48
    assert rows["delta_nllh_f_95"] == 2.232
    assert "nlprior" not in rows
    assert tables.statistics_table(studies.all_failed()) == []


def test_data_are_counted_by_condition_and_observable():
    rows = tables.data_table(studies.many_conditions(4, 2))
    assert len(rows) == 8
    assert {r.n for r in rows} == {16}
    assert (rows[0].first_time, rows[0].last_time, rows[0].unit) == (0, 240, "OD")


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_csv_files_hold_the_numbers_in_full(tmp_path):
    study = studies.boehm_like()
    paths = {p.stem: p for p in write_tables(study, tmp_path)}
    assert set(paths) == {"parameters", "starts", "optima", "fates", "statistics", "data", "measurements"}
    starts = read(paths["starts"])
    column = starts[0].index("theta:k_phos")
    np.testing.assert_array_equal(
        [float(row[column] or "nan") for row in starts[1:]],
        study["fit"]["theta"].sel(parameter="k_phos").values,
    )
    measurements = read(paths["measurements"])
    column = measurements[0].index("value")
    np.testing.assert_array_equal(
        [float(r[column]) for r in measurements[1:]], study["problem"]["value"].values
    )


def test_no_cell_is_a_formula(tmp_path):
    for path in write_tables(studies.hostile(), tmp_path):
        for row in read(path):
            for cell in row:
                if cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
                    float(cell)  # only numbers may begin with a sign


def test_tables_are_the_same_bytes_again(tmp_path):
    first, second = (write_tables(studies.hostile(), tmp_path / name) for name in ("a", "b"))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
