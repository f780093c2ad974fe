"""The figures show what the study holds: axes with units, every start, every measurement."""

from __future__ import annotations

from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from idfit.reporting import figures, save_figures
from idfit.reporting.figures import style
from idfit.reporting.figures.fit import fit_panels, noise_band, plot_fit
from idfit.reporting.figures.parameters import near_optimal
from idfit.reporting.reading import read_starts
from tests.reporting import studies


def points(axes) -> int:
    """Markers drawn in `axes`, lines that join them not counted."""
    return sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() not in ("None", "", None))


def test_fit_axes_have_units_and_all_measurements():
    study = studies.boehm_like()
    axes = plot_fit(study).axes
    assert [a.get_ylabel() for a in axes] == [
        "pSTAT5A_rel (percent)",
        "pSTAT5B_rel (percent)",
        "rSTAT5A_rel (percent)",
    ]
    assert {a.get_xlabel() for a in axes} == {"time (min)"}
    assert [points(a) for a in axes] == [16, 16, 16]
    value = study["problem"]["value"].values
    for i, a in enumerate(axes):
        drawn = next(line for line in a.lines if line.get_marker() == "o")
        np.testing.assert_array_equal(drawn.get_ydata(), value[16 * i : 16 * i + 16])


def test_the_curve_and_its_band_are_the_simulated_ones():
    study = studies.boehm_like()
    axes = plot_fit(study).axes[1]
    curve = next(line for line in axes.lines if line.get_color() == style.MODEL)
    np.testing.assert_array_equal(curve.get_ydata(), study["simulation"]["trajectory"].values[0, 1])
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(np.max(curve.get_ydata()) + 6.59)


def test_the_band_of_a_log_observable_is_a_factor():
    lower, upper = noise_band(np.array([1.0, 100.0]), np.array([0.3, 0.3]), "log10")
    np.testing.assert_allclose(upper / [1.0, 100.0], 10**0.3)
    np.testing.assert_allclose(lower * upper, [1.0, 1e4])
    lower, upper = noise_band(np.array([5.0]), np.array([2.0]), "lin")
    assert (lower, upper) == (3.0, 7.0)


@pytest.mark.parametrize(("transform", "scale"), [("lin", "linear"), ("log10", "log"), ("log", "log")])
def test_log_observables_have_log_axes(transform, scale):
    figure = plot_fit(studies.many_conditions(2, 1, transform))
    assert {a.get_yscale() for a in figure.axes} == {scale}


def test_values_over_more_than_three_decades_have_a_log_axis():
    study = studies.boehm_like()
    study["problem"]["value"][:16] = np.geomspace(0.01, 50, 16)
    study["simulation"]["prediction"][:16] = np.geomspace(0.01, 50, 16)
    study["simulation"]["trajectory"][:, 0] = np.geomspace(0.01, 50, 121)
    assert [a.get_yscale() for a in plot_fit(study).axes] == ["log", "linear", "linear"]


def test_pages_hold_every_panel_once():
    study = studies.many_conditions(41, 2)
    pages = figures.fit_pages(study)
    assert [p for page in pages for p in page] == fit_panels(study)
    assert len(fit_panels(study)) == 82
    assert max(len(page) for page in pages) <= 20
    assert len({len(page) for page in pages[:-1]}) == 1


def test_copies_of_a_condition_have_panels_of_their_own():
    study = studies.boehm_like()
    simulation = study["simulation"].to_dataset()
    gels = np.where(np.arange(48) % 2 == 0, "Epo [gel=1]", "Epo [gel=2]")
    two = simulation.isel(trajectory_condition=[0, 0]).assign_coords(
        trajectory_condition=["Epo [gel=1]", "Epo [gel=2]"], curve=("measurement", gels)
    )
    study["simulation"] = two
    panels = fit_panels(study)
    assert len(panels) == 6
    assert {p.curve for p in panels} == {"Epo [gel=1]", "Epo [gel=2]"}
    assert [points(a) for a in plot_fit(study).axes] == [8] * 6


def test_without_curves_the_predictions_are_drawn():
    study = studies.boehm_like()
    study["simulation"] = study["simulation"].to_dataset().drop_dims("grid")
    axes = plot_fit(study).axes[0]
    assert any(line.get_marker() == "_" and len(line.get_xdata()) == 16 for line in axes.lines)


def test_censored_measurements_are_marked():
    study = studies.boehm_like()
    censored = np.full(48, "none")
    censored[:3] = "left"
    studies.changed(study, "problem", censored=censored)
    lines = {line.get_marker(): len(line.get_xdata()) for line in plot_fit(study).axes[0].lines}
    assert lines["v"] == 3
    assert lines["o"] == 13


def test_waterfall_has_every_finished_start_in_order():
    axes = figures.plot_waterfall(studies.boehm_like()).axes[0]
    assert points(axes) == 90
    assert axes.get_xlabel() == "rank of the start (best first)"
    assert "objective" in axes.get_ylabel()
    step = axes.lines[0].get_ydata()
    assert len(step) == 90
    assert (np.diff(step) >= 0).all()
    assert step[0] == pytest.approx(1e-3)
    assert any("10 without a value" in text.get_text() for text in axes.texts)
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend[:2] == ["optimum 1 (best): 37 starts", "optimum 2: 25 starts"]
    assert legend[-1] == "hollow: not converged"


def test_waterfall_of_one_start_and_of_equal_starts():
    fit = studies.boehm_like()["fit"].to_dataset()
    best = int(np.nanargmin(fit["objective"].values))
    assert points(figures.plot_waterfall(fit.isel(start=[best])).axes[0]) == 1
    assert points(figures.plot_waterfall(fit.isel(start=[best] * 5)).axes[0]) == 5


def test_a_figure_without_its_data_says_so():
    with pytest.raises(ValueError, match="no start ended with a value"):
        figures.plot_waterfall(studies.all_failed())
    with pytest.raises(ValueError, match="no residuals"):
        figures.plot_residuals(studies.all_failed())


def test_parameters_lie_between_their_bounds():
    study = studies.boehm_like()
    axes = figures.plot_parameters(study).axes[0]
    starts = read_starts(study)
    assert starts is not None
    assert len(near_optimal(starts)) == 62
    lines = [line for line in axes.lines if len(line.get_xdata()) == 9]
    assert len(lines) == 62
    best = max(lines, key=lambda line: line.get_linewidth())
    np.testing.assert_allclose(best.get_xdata(), (studies.BEST + 5) / 10)
    shown = [text.get_text() for text in axes.texts]
    assert "10⁻⁵" in shown
    assert "10⁵ percent" in shown


def test_parameters_without_bounds_use_the_range_of_the_starts():
    study = studies.boehm_like()
    study["problem"]["lower"][:] = -np.inf
    study["problem"]["upper"][:] = np.nan
    axes = figures.plot_parameters(study).axes[0]
    positions = np.concatenate([line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 9])
    assert np.isfinite(positions).all()
    assert positions.min() >= -1e-9
    assert positions.max() <= 1 + 1e-9


def test_residuals_have_labels_and_all_points():
    study = studies.boehm_like()
    axes = figures.plot_residuals(study).axes
    assert axes[0].get_ylabel() == "standardised residual (σ)"
    assert {a.get_xlabel() for a in axes} == {"time (min)"}
    assert sum(points(a) for a in axes) == 48
    left, right = figures.plot_residual_distribution(study).axes
    assert left.get_xlabel() == "standardised residual (σ)"
    assert right.get_xlabel() == "quantile of the standard normal (σ)"
    drawn = next(line for line in right.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(drawn.get_ydata(), np.sort(study["simulation"]["residual"].values))
    assert np.median(drawn.get_xdata()) == pytest.approx(0, abs=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("make", [studies.boehm_like, studies.hostile, studies.all_failed])
def test_saved_figures_are_svg_and_pdf_and_the_same_again(make, tmp_path):
    first, second = (save_figures(make(), tmp_path / name) for name in ("a", "b"))
    assert [p.name for p in first] == [p.name for p in second]
    assert {p.suffix for p in first} == {".svg", ".pdf"}
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes()
        if a.suffix == ".svg":
            assert ElementTree.parse(a).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        else:
            assert a.read_bytes().startswith(b"%PDF")


def test_settings_of_the_notebook_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 31, "text.usetex": True, "axes.facecolor": "red"}):
        figure = plot_fit(studies.boehm_like())
        assert matplotlib.rcParams["font.size"] == 31
    assert dict(matplotlib.rcParams) == before
    assert figure.axes[0].get_facecolor() == (1, 1, 1, 1)


def test_labels_are_cut_and_cleaned():
    assert style.label("k_on") == "k_on"
    assert len(style.label("x" * 10_000)) == 28
    assert style.label("a\nb\x00") == "a�b�"
    assert style.with_unit("time", "") == "time"


def test_the_steady_state_is_drawn_behind_the_last_time():
    from idfit.reporting.figures.fit import places

    every = np.array([0.0, 5.0, 10.0, np.inf])
    drawn = places(every, every)
    assert list(drawn[:3]) == [0.0, 5.0, 10.0]
    assert 10.0 < drawn[3] < 12.0
    assert list(places(np.array([np.inf]), np.array([np.inf]))) == [1.0]
