"""The section, figures, tables and sentences of the next measurement, from a study without any solver."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import xarray as xr

from idfit.reporting import next_measurement
from idfit.reporting.figures import design as figures
from idfit.reporting.figures.catalogue import drawings
from idfit.reporting.page import render_report
from idfit.reporting.reading import read_design
from idfit.reporting.tables import write_tables
from idfit.reporting.tables.design import candidate_table
from idfit.results import SideStatus, Status, dataset

TIMES = [1.0, 10.0, 100.0]
CLOSED, OPEN = int(SideStatus.CROSSED), int(SideStatus.SEARCH_BOUND)


def a_design(check: bool = True) -> xr.Dataset:
    """k is open below; y tells nothing, the offered z enough at 100 h if k = 0.3, never at the best fit."""
    n, truths = 2 * len(TIMES), 2
    gain = np.zeros((1, 2, truths, n))
    gain[0, 0, 1] = [0.0, 0.0, 0.1, 0.1, 0.5, 6.0]
    side = np.array([[[[OPEN, CLOSED]], [[OPEN, CLOSED]]], [[[CLOSED, CLOSED]], [[OPEN, CLOSED]]]])
    limits = np.array([[[[-np.inf, 0.9]], [[-np.inf, 0.8]]], [[[0.1, 0.6]], [[-np.inf, 0.7]]]])
    variables = {
        "sigma": [0.1] * 3 + [0.2] * 3,
        "predicted": np.ones(n),
        "gain": np.linspace(0.0, 0.5, n),
        "error_before": [3.0],
        "error_after": np.full((1, n), 2.0),
        "determined_before": [False],
        "determined_after": np.zeros((1, n), dtype=bool),
        "null_information": np.zeros((1, n)),
        "theta_truth": np.array([[-3.0], [-0.5]]),
        "side_status": np.array([[OPEN, CLOSED]], dtype=np.int8),
        "interval": np.array([[-np.inf, 1.0]]),
        "aimed_at": np.array([[True, False]]),
        "valley_gain": gain,
        "valley_spread": gain,
        "valley_needed": np.full((1, 2, truths), 2.0),
        "score": [0.0, 0.0, 0.02, 0.02, 0.1, 0.4],
        "rank": [4, 5, 2, 3, 1, 0],
        "chosen_candidate": [5],
        "chosen_score": [0.4],
        "repeated_score": [0.4],
        "true_value": np.array([[1e-3], [0.3]]),
    }
    if check:
        variables |= {
            "simulated_status": np.array([[1, 1], [1, int(Status.CONVERGED)]], dtype=np.int8),
            "simulated_interval": limits,
            "simulated_side_status": side.astype(np.int8),
            "simulated_estimate": np.full((2, 2, 1), 0.3),
            "share_closed": np.array([[[0.0, 1.0]], [[0.5, 1.0]]]),
            "median_interval": np.array([[[-np.inf, 0.8]], [[0.1, 0.6]]]),
        }
    coords = {
        "observable": ["y"] * 3 + ["<z>"] * 3,
        "condition": ["warm"] * n,
        "time": TIMES * 2,
        "last_time": TIMES * 2,
        "n_readings": [3] * n,
        "label": [""] * n,
        "observable_unit": ["nM"] * n,
        "offered": [False] * 3 + [True] * 3,
        "target": ["k"],
        "unit": ["1/h"],
        "target_scale": ["log10"],
        "truth": ["the best fit", "k at 67% of its interval"],
        "truth_of": ["", "k"],
        "parameter": ["k"],
        "scale": ["log10"],
    }
    attrs = {"method": "valley", "criterion": "D", "replicates": 3, "n_simulations": 2, "ci_prob": 0.95}
    return dataset("design", variables, coords, attrs)


def a_study(check: bool = True) -> xr.DataTree:
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs={"time_unit": "h"}), "design": a_design(check)})


def test_the_proposal_and_what_it_does_in_words():
    design = read_design(a_study())
    assert design is not None
    assert next_measurement.proposal(design, "h") == "Measure <z> in warm at 100 h (sd 0.200 nM), 3 times."
    first, second = next_measurement.effects(design)
    assert first.now == "now open below, at most 1.00 1/h"
    assert (first.truth, first.closed, first.n) == ("the best fit (0.00100 1/h)", 0, 2)
    assert (second.truth, second.closed, second.median) == ("0.300 1/h", 1, "0.100 to 0.600 1/h")


def test_what_is_out_of_reach_is_said():
    design = read_design(a_study())
    assert design is not None
    present, best_fit = next_measurement.out_of_reach(design, "h")
    assert present.startswith("No single measurement of what the model observes gives k a limit below")
    assert best_fit.startswith("If the best fit (0.00100 1/h) is true, nothing can give k a limit below")


def test_what_determines_an_undetermined_target_is_named():
    ds = a_design()
    ds["determined_after"][0, 4:] = True
    design = read_design(ds)
    assert design is not None
    assert next_measurement.determining(design, "h") == [
        "The data do not determine k at all, to first order; 2 of the 6 measurements on offer do: best <z> "
        "in warm at 100 h (sd 0.200 nM), 3 times."
    ]
    neither = read_design(a_study())
    assert neither is not None
    assert "neither does any measurement on offer" in next_measurement.determining(neither, "h")[0]


def test_a_measurement_that_falls_short_is_named_with_what_it_brings():
    study = a_study()
    ds = study["design"].to_dataset()
    ds["valley_gain"][0, 0, 1, 5] = 1.5
    design = read_design(ds)
    assert design is not None
    said = next_measurement.out_of_reach(design, "h")[-1]
    assert "<z> in warm at 100 h (sd 0.200 nM), 3 times, which brings 1.5 of the 2.00 that it takes" in said


def test_candidates_are_tabled_by_rank_with_what_they_tell(tmp_path):
    rows = candidate_table(a_study())
    assert [row.rank for row in rows] == [1, 2, 3, 4, 5, 6]
    best = rows[0]
    assert (best.observable, best.time, best.telling, best.closes, best.asked) == ("<z>", 100.0, 3.0, 1, 2)
    assert (best.chosen, best.offered) == (1, True)
    write_tables(a_study(), tmp_path)
    with (tmp_path / "next_measurement_simulations.csv").open() as file:
        simulated = list(csv.DictReader(file))
    assert len(simulated) == 4
    assert [row["lower_closed"] for row in simulated] == ["False", "False", "True", "False"]


def test_the_page_has_the_section_with_its_figures_and_names_are_no_markup():
    page = render_report(a_study())
    assert '<section id="design">' in page
    assert "&lt;z&gt; in warm at 100 h" in page
    assert "<z>" not in page
    assert 'id="figure-next_measurement"' in page
    assert 'id="figure-next_measurement_intervals"' in page
    assert "1 of 2" in page


def test_without_a_check_there_are_expectations_and_one_figure():
    study = a_study(check=False)
    names = [drawing.name for drawing in drawings(study)]
    assert names == ["next_measurement"]
    page = render_report(study)
    assert "takes its standard error from 3.00 to 2.00, in factors of e" in page
    with pytest.raises(ValueError, match="not tried on simulated data"):
        figures.plot_intervals(study)


def test_curves_and_bars_stand_where_the_numbers_are():
    axes = figures.plot_gains(a_study()).axes[0]
    lines = {line.get_label(): line for line in axes.get_lines() if not str(line.get_label()).startswith("_")}
    told = lines["<z> in warm"]
    assert told.get_xdata() == pytest.approx(TIMES)
    assert told.get_ydata() == pytest.approx([0.05, 0.25, 3.0])
    bars = figures.plot_intervals(a_study()).axes[0]
    ends = [np.asarray(line.get_xdata(), dtype=float) for line in bars.get_lines()]
    assert any(e.shape == (2,) and np.allclose(e, [0.1, 0.6]) for e in ends)


def test_a_study_without_a_design_says_nothing_of_it():
    assert 'id="design"' not in render_report(xr.DataTree.from_dict({"/": xr.Dataset()}))
