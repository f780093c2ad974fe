"""Figures of profiles, information and companions: lines and bars stand where the numbers say."""

from __future__ import annotations

import numpy as np
import pytest

from idfit.reporting import figures, save_figures
from idfit.reporting.figures import multiples, profiles, style
from idfit.reporting.figures.paths import partner_paths
from idfit.reporting.reading import read_profiles
from tests.reporting import determined, studies


@pytest.fixture(scope="module")
def study():
    return determined.everything()


@pytest.fixture(scope="module")
def panels(study):
    """Curve and paths of each parameter by name."""
    axes = figures.plot_profiles(study).axes
    return {name: (axes[2 * i], axes[2 * i + 1]) for i, name in enumerate(determined.PARAMETERS)}


def line_at(axes, **look):
    return [line for line in axes.lines if all(getattr(line, f"get_{k}")() == v for k, v in look.items())]


def test_dots_are_twice_the_rise_of_the_objective(study, panels):
    ds = study["profiles"].to_dataset()
    for name in ("k_exp_homo", "k_imp_homo", "sd_rSTAT5A_rel"):
        row = ds.sel(profiled=name)
        dots = line_at(panels[name][0], marker="o")[0]
        np.testing.assert_allclose(dots.get_ydata(), 2 * (row["objective"].values - determined.NLLH))
        scale = 1.0 if name == "sd_rSTAT5A_rel" else 10.0
        natural = row["value"].values if scale == 1.0 else 10 ** row["value"].values
        np.testing.assert_allclose(dots.get_xdata(), natural)


def test_axes_have_units_and_the_scale_of_the_estimation(panels):
    for name, (curve, paths) in panels.items():
        assert curve.get_xscale() == ("linear" if name == "sd_rSTAT5A_rel" else "log")
        unit = dict(zip(determined.PARAMETERS, determined.UNITS, strict=True))[name]
        assert paths.get_xlabel().endswith(f"({unit})")
    assert panels["k_phos"][1].get_ylabel() == "shift (decades)"


def test_thresholds_are_drawn_at_twice_the_rise(panels):
    heights = [line.get_ydata()[0] for line in panels["k_phos"][0].lines if len(set(line.get_ydata())) == 1]
    for threshold in determined.THRESHOLD:
        assert any(h == pytest.approx(2 * threshold) for h in heights)


def test_the_quadratic_meets_the_threshold_at_walds_limits(study, panels):
    ds = study["profiles"].to_dataset()
    curve = line_at(panels["sd_pSTAT5B_rel"][0], linestyle="--", color=style.MUTED)
    parabola = max(curve, key=lambda line: len(line.get_xdata()))
    low = ds["wald_interval"].sel(space="natural", profiled="sd_pSTAT5B_rel", ci_prob=0.95).values[0]
    x, y = parabola.get_xdata(), parabola.get_ydata()
    height = np.interp(np.log(low), np.log(x), y)
    assert height == pytest.approx(2 * determined.THRESHOLD[1], rel=0.01)
    assert y.min() < 0.01


def test_a_jump_is_a_gap_and_a_failure_a_cross(panels):
    gaps = {
        name: max(
            np.isnan(line.get_ydata()).sum() for line in line_at(axes, color=style.MODEL, marker="None")
        )
        for name, (axes, _) in panels.items()
    }
    assert gaps["k_exp_homo"] == 1
    assert gaps["k_exp_hetero"] == 0
    crosses = line_at(panels["sd_pSTAT5A_rel"][0], marker="x")
    assert [len(line.get_xdata()) for line in crosses] == [3]
    assert not line_at(panels["k_exp_homo"][0], marker="x")


def test_between_the_dots_the_root_is_interpolated(study):
    profile = read_profiles(study).of("sd_pSTAT5B_rel")
    x, y = profiles._curve(profile)
    u = (np.log10(x) - determined.CENTRE[7]) / determined.ERROR[7]
    np.testing.assert_allclose(y, 2 * determined.rise(7, u), atol=0.01)


def test_bars_end_at_the_limits_and_arrows_stand_on_open_sides(study, panels):
    ds = study["profiles"].to_dataset()
    curve = panels["k_imp_homo"][0]
    bars = [line for line in curve.lines if line.get_linewidth() in (2.2, 4.4) and len(line.get_xdata()) == 2]
    lows = sorted(float(bar.get_xdata()[0]) for bar in bars)
    expected = ds["interval"].sel(space="natural", profiled="k_imp_homo").values[:, 0]
    np.testing.assert_allclose(lows, sorted(expected))
    assert {bar.get_xdata()[1] for bar in bars} == {curve.get_xlim()[1]}
    assert len(line_at(curve, marker=">")) == 2
    assert not line_at(curve, marker="<")
    failed = panels["sd_pSTAT5A_rel"][0]
    assert not line_at(failed, marker=">")
    assert "?" in [text.get_text() for text in failed.texts]
    closed = panels["Epo_degradation_BaF3"][0]
    assert not line_at(closed, marker=">")
    assert not line_at(closed, marker="<")


def test_pieces_are_bars_of_their_own(study, panels):
    ds = study["profiles"].to_dataset()
    bars = [line for line in panels["k_imp_hetero"][0].lines if line.get_linewidth() == 2.2]
    ends = sorted(tuple(bar.get_xdata()) for bar in bars)
    pieces = ds["region_interval"].sel(space="natural", profiled="k_imp_hetero", ci_prob=0.95).values
    assert ends[0][1] == pytest.approx(pieces[0, 1])
    assert ends[1][0] == pytest.approx(pieces[1, 0])


def test_parts_of_data_and_priors_only_where_priors_move(panels):
    parts = line_at(panels["Epo_degradation_BaF3"][0], color=profiles._PRIOR)
    assert parts[0].get_ydata()[0] == pytest.approx(0.3 * 2 * determined.rise(0, np.array(-1.9)))
    assert not line_at(panels["k_exp_homo"][0], color=profiles._PRIOR)


def test_a_partner_at_a_bound_is_marked_from_where_it_got_there(panels):
    assert [len(line.get_xdata()) for line in line_at(panels["k_imp_homo"][0], marker="s")] == [13]
    ds = determined.profiles()
    ds["on_bound"][4, :, 1] = True  # already at the best fit
    assert not line_at(figures.plot_profiles(ds, ["k_imp_homo"]).axes[0], marker="s")


def test_partner_paths_begin_at_zero_and_follow_theta(study):
    ds = study["profiles"].to_dataset()
    profile = read_profiles(study).of("k_imp_homo")
    paths = {axis.name: shift for axis, shift in partner_paths(profile)}
    assert list(paths) == ["k_exp_hetero", "k_exp_homo", "k_imp_hetero"]
    theta = ds["theta"].sel(profiled="k_imp_homo", parameter="k_exp_hetero").values
    np.testing.assert_allclose(paths["k_exp_hetero"], theta - theta[profile.start])
    assert paths["k_exp_hetero"][profile.start] == 0


def test_endpoints_are_dots_without_a_line():
    ds = determined.profiles({"method": "endpoints"}, only=(7,))
    axes = figures.plot_profiles(ds).axes[0]
    assert len(line_at(axes, color=style.MODEL)) == 1
    assert line_at(axes, color=style.MODEL)[0].get_linestyle() == "None"
    assert "Only the limits were searched for" in profiles.profiles_caption(ds, "profiles", 0, 1)


def test_a_profile_of_which_nothing_was_computed_is_drawn():
    ds = determined.profiles(only=(7,))
    for name in ("value", "objective", "theta", "interval", "wald_interval", "slice_interval"):
        ds[name][:] = np.nan
    ds["status"][:], ds["side_status"][:], ds["verdict"][:] = 30, 30, 30
    assert len(figures.plot_profiles(ds).axes) == 2


def test_forty_two_parameters_make_pages_of_twelve():
    ds = determined.profiles().isel(profiled=np.tile(np.arange(9), 5)[:42])
    ds = ds.assign_coords(profiled=[f"k{i}" for i in range(42)])
    pages = figures.profile_pages(ds)
    assert [len(page) for page in pages] == [12, 12, 12, 6]
    assert [name for page in pages for name in page] == [f"k{i}" for i in range(42)]


def test_functions_have_their_own_words(study):
    axes = figures.plot_profiles(study, group="function_profiles").axes
    assert [a.get_xscale() for a in axes[::2]] == ["log", "linear", "linear"]
    caption = profiles.profiles_caption(study, "function_profiles", 0, 1)
    assert "noise-free value" in caption
    assert "value of a new measurement" in caption
    assert "new measurement" not in profiles.profiles_caption(study, "profiles", 0, 1)


def test_the_spectrum_marks_what_is_zero(study):
    fisher = study["fisher"].to_dataset()
    above, below = figures.plot_spectrum(study).axes[:2]
    values = fisher["eigenvalue"].sel(space="estimation").values
    solid = line_at(above, color=style.MODEL)[0]
    np.testing.assert_array_equal(solid.get_ydata(), values[:8])
    assert above.get_yscale() == "log"
    assert [t.get_text() for t in above.texts] == ["≈ 0"]
    drawn = np.asarray(below.collections[0].get_array()).reshape(9, 9)
    np.testing.assert_array_equal(drawn, fisher["eigenvector"].sel(space="estimation").values)
    assert "8 of 9 directions determined" in above.get_title("left")


def test_correlations_that_do_not_exist_are_empty(study):
    axes = figures.plot_correlation(study).axes[0]
    drawn = axes.collections[-1].get_array()
    expected = study["fisher"]["correlation"].sel(space="estimation").values
    np.testing.assert_array_equal(np.ma.getmaskarray(drawn).ravel(), ~np.isfinite(expected).ravel())
    assert len(axes.texts) == np.isfinite(expected).sum()


def test_contours_stand_at_the_rises_of_both_kinds(study):
    figure = figures.plot_pairs(study)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[:4] == [
        "95 %, both at once",
        "68 %, both at once",
        "95 %, each by itself",
        "68 %, each by itself",
    ]
    assert "refit failed" in names
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Epo_degradation_BaF3 (1/min)", "k_exp_homo (1/min)")
    assert [a.get_title("left") for a in figure.axes] == [
        "95 % region: closed", "95 % region: open within the bounds",
    ]  # fmt: skip
    levels = sorted(c.levels[0] for c in axes.collections if len(getattr(c, "levels", [])) == 1)
    expected = 2 * study["profiles_2d"]["contour_rise"].values
    np.testing.assert_allclose(levels, sorted(expected))
    best = line_at(axes, marker="D")[0]
    assert best.get_xdata()[0] == pytest.approx(10 ** determined.CENTRE[0])
    path = study["profiles"]["theta"].sel(profiled="Epo_degradation_BaF3", parameter="k_exp_homo").values
    drawn = [line for line in axes.lines if len(line.get_xdata()) == len(path)]
    np.testing.assert_allclose(drawn[0].get_ydata(), 10**path)


def test_agreement_bars_are_the_intervals(study):
    axes = figures.plot_agreement(study).axes
    found = study["agreement"]["interval"].values
    bars = [line for line in axes[0].lines if line.get_linewidth() == 4.0]
    np.testing.assert_allclose([bar.get_xdata() for bar in bars], found[:, 0])
    assert len(line_at(axes[4], marker=">")) == 1
    assert axes[4].get_title("left") == "k_imp_homo: disagree"
    assert "none" in [text.get_text() for text in axes[1].texts]


def test_the_histogram_counts_every_estimate(study):
    axes = figures.plot_bootstrap(study).axes
    assert len(axes) == 9
    theta = study["bootstrap"]["theta"].values[4:, 0]
    edges = figures.bootstrap._edges(theta)
    assert np.histogram(theta, edges)[0].sum() == 196
    bar = next(line for line in axes[0].lines if line.get_linewidth() == 2.6)
    expected = study["bootstrap"]["interval"].sel(space="natural", ci_prob=0.95).values[0]
    np.testing.assert_allclose(bar.get_xdata(), expected)


def test_figures_without_their_group_say_so():
    plain = studies.boehm_like()
    for draw in (
        figures.plot_profiles, figures.plot_spectrum, figures.plot_correlation, figures.plot_pairs,
        figures.plot_agreement, figures.plot_bootstrap,
    ):  # fmt: skip
        with pytest.raises(ValueError, match="compute"):
            draw(plain)


def test_narrow_logarithmic_axes_have_ticks():
    axes = style.new_figure(2).add_subplot()
    axis = read_profiles(determined.profiles()).of("k_phos").axis
    multiples.value_axis(axes, "x", axis, (0.0243, 0.0309))
    inside = [t for t in axes.get_xticks() if 0.0243 <= t <= 0.0309]
    assert len(inside) >= 2


@pytest.mark.filterwarnings("error")
def test_saved_figures_of_hostile_names_are_the_same_again(tmp_path):
    first, second = (save_figures(determined.hostile(), tmp_path / name) for name in ("a", "b"))
    assert {"profiles.svg", "spectrum.pdf", "pairs.svg", "agreement.svg"} <= {p.name for p in first}
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
