"""The posterior in the report: what it claims and what not, and figures that stand where the draws are."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import Polygon
from scipy import stats

from idfit.reporting import figures, reading, render_report, summary, write_tables
from idfit.reporting.figures import Drawing, catalogue, chains, corner, marginals, style
from idfit.reporting.figures.marginals import density, prior_density
from idfit.reporting.posterior import comes_from, given_words, why_no_claim
from idfit.reporting.tables import posterior_table, superchain_table
from idfit.results import Limit
from tests.reporting import determined, sampled
from tests.reporting.determined import PARAMETERS
from tests.reporting.test_page import Page


@pytest.fixture(scope="module")
def good():
    return sampled.study()


@pytest.fixture(scope="module")
def bad():
    return sampled.study(sampled.two_modes(), converged=False)


def section(study) -> str:
    """The words of the section."""
    text = render_report(study, [])
    begin = text.index('<section id="posterior">')
    part = text[begin : text.index("</section>", begin)]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", part)).split())


def test_a_converged_posterior_says_so_and_gives_each_interval_with_its_origin(good):
    words = section(good)
    assert words.startswith("Posterior converged The superchains agree: the largest R-hat is 1.00")
    found = reading.read_posterior(good)
    low, high = np.quantile(found.draws[2], [0.025, 0.975])
    assert f"{low:.5f} to {high:.5f}" in words  # three digits
    assert "k_exp_hetero" in words
    assert "lower limit: the prior" in words
    assert "upper limit: its bound" in words
    assert "lower limit: a natural limit" in words
    given = "k_exp_hetero below (the prior), k_imp_homo above (its bound) and k_phos on both sides"
    assert f"Some limits do not come from the data: {given} (its bound)." in words
    assert "6000 draws by emcee, in 4 independent superchains of 6 walkers" in words
    assert "every 5th draw was kept; 120,000 evaluations in all" in words
    assert "step too small (17)" in words


def test_the_first_screen_and_the_verdicts_have_the_posterior_only_when_it_has_converged(good, bad):
    assert "The posterior has converged (largest R-hat 1.0" in summary.paragraph(good)
    assert "the data give 6 of its 9 intervals (95 %)" in summary.paragraph(good)
    assert "osterior" not in summary.paragraph(bad)
    text = {name: render_report(study, []) for name, study in (("good", good), ("bad", bad))}
    first = {name: page.split('<section id="parameters">')[0] for name, page in text.items()}
    assert first["good"].count('aside">posterior ') == len(PARAMETERS)
    assert 'aside">posterior ' not in first["bad"]
    assert "Small print below an interval: the posterior at 95 %" in first["good"]
    assert "Small print" not in first["bad"]


def test_an_unconverged_posterior_makes_no_claim_and_says_why(bad):
    words = section(bad)
    assert words.startswith(
        "Posterior makes no claim R-hat of sd_pSTAT5A_rel is 2.1 after 120,000 evaluations."
    )
    assert "The superchains sit in different places (sd_pSTAT5A_rel)" in words
    assert "emcee does not cross it" in words
    assert "--sampler tempering" in words
    assert "interval" not in words.split("What the chains did")[0].replace("There are no intervals", "")
    title = "The posterior makes no claim"
    assert [r.kind for r in summary.remarks(bad) if r.title == title] == ["caution"]
    row = {r.name: r for r in posterior_table(bad)}["k_exp_homo"]
    assert (row.claimed, np.isnan([row.median, row.mean, row.sd, row.lower, row.upper]).all()) == (0, True)
    assert row.limits_from == "not known"


def test_the_agreement_says_that_the_posterior_is_left_out(bad):
    study = bad.copy()
    left_out = study["agreement"].to_dataset().assign_attrs(posterior_left_out="too few independent draws")
    study["agreement"] = xr.DataTree(left_out)
    sentence = "The posterior is not compared, as it makes no claim: too few independent draws."
    assert sentence in render_report(study, [])
    assert "not compared, as it makes" not in render_report(bad, [])


def test_superchains_that_only_need_longer_are_not_called_modes():
    found = reading.read_posterior(sampled.study(converged=False))
    assert found.apart == []
    assert why_no_claim(found).endswith("Allow more evaluations (--max-evaluations).")


def test_walkers_that_stay_in_modes_of_their_own_are_told_of():
    """Every superchain has the same share of walkers in both modes, so that the superchains agree."""
    theta = sampled.draws()
    theta[::2, :, 6] -= 12 * determined.ERROR[6]
    found = reading.read_posterior(sampled.study(theta, converged=False))
    assert found.apart == []
    assert found.walkers_apart == [6]
    assert "The walkers sit in different places (sd_pSTAT5A_rel)" in why_no_claim(found)
    assert "--sampler tempering" in why_no_claim(found)
    slow = reading.Posterior(**vars(found) | {"autocorrelation_time": np.full(9, 100.0)})
    assert slow.walkers_apart == []  # 1245 steps are too few to tell
    assert why_no_claim(slow).endswith("Allow more evaluations (--max-evaluations).")


def test_a_ladder_is_not_told_to_use_a_ladder(bad):
    sampling = bad["sampling"].to_dataset()
    study = bad.copy()
    study["sampling"] = xr.DataTree(sampling.assign_attrs(sampler="tempering"))
    assert "--rungs" in why_no_claim(reading.read_posterior(study))


def test_limits_of_the_data_need_no_words(good):
    found = reading.read_posterior(good)
    assert comes_from(found, PARAMETERS.index("k_exp_homo")) == "the data"
    assert comes_from(found, PARAMETERS.index("k_phos")) == "its bound"
    assert found.given(PARAMETERS.index("sd_rSTAT5A_rel")) == []  # nature is no choice
    only = sampled.sampling(sampled.draws())
    only["limited_by"][:] = int(Limit.DATA)
    study = good.copy()
    study["sampling"] = xr.DataTree(only)
    assert given_words(reading.read_posterior(study)) == ""
    assert "the data give all of its intervals (95 %)" in summary.paragraph(study)


def test_tables_are_those_of_the_dataset(good, tmp_path):
    rows = {row.name: row for row in posterior_table(good)}
    ds = good["sampling"].to_dataset().sel(parameter="k_imp_hetero")
    row = rows["k_imp_hetero"]
    assert (row.median, row.rhat, row.ess_tail) == tuple(float(ds[v]) for v in ("median", "rhat", "ess_tail"))
    assert [row.lower, row.upper] == ds["interval"].values[1].tolist()
    assert [(r.walkers, r.stuck, r.evaluations) for r in superchain_table(good)][1] == (6, 1, 30_000)
    written = {path.name for path in write_tables(good, tmp_path)}
    assert {"posterior.csv", "superchains.csv"} <= written


def test_the_density_is_that_of_the_draws():
    rng = np.random.default_rng(1)
    edges = np.linspace(-1, 1, 21)
    heights = density(rng.standard_normal(200_000), edges)
    assert heights[10] == pytest.approx(0.3989, abs=0.01)
    assert (heights * np.diff(edges)).sum() == pytest.approx(0.6827, abs=0.005)  # those outside count too


def test_marginals_have_interval_profile_and_bounds(good):
    figure = figures.plot_marginals(good)
    panels = dict(zip(PARAMETERS, figure.axes, strict=True))
    found = reading.read_posterior(good)
    for name, axes in panels.items():
        bar = next(line for line in axes.lines if line.get_linewidth() == 2.6)
        assert bar.get_xdata() == pytest.approx(found.limits(PARAMETERS.index(name)))
        assert axes.get_xscale() == ("linear" if name == "sd_rSTAT5A_rel" else "log")
    profile = reading.read_profiles(good).of("k_exp_homo")
    curve = next(line for line in panels["k_exp_homo"].lines if line.get_color() == marginals.PROFILE)
    ratio = curve.get_ydata() / np.exp(-profile.delta / 2)
    assert ratio == pytest.approx(ratio[0])  # exp(−Δ), Δ the rise of the objective
    dotted = [line for line in panels["k_phos"].lines if line.get_linestyle() == ":"]
    low, high = (10 ** sampled.bounds()[k][sampled.FREE] for k in (0, 1))
    assert sorted(line.get_xdata()[0] for line in dotted) == pytest.approx([low, high])


def test_marginals_show_superchains_apart_and_no_interval(bad):
    axes = figures.plot_marginals(bad).axes[PARAMETERS.index("sd_pSTAT5A_rel")]
    steps = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    peaks = [float(line.get_xdata()[np.argmax(line.get_ydata())]) for line in steps]
    assert len(peaks) == sampled.SUPERCHAINS
    assert peaks[0] < 1.0 < min(peaks[1:])
    assert not [line for line in axes.lines if line.get_linewidth() == 2.6]


def test_the_prior_is_drawn_as_a_density_of_the_axis(good):
    axes = figures.plot_marginals(good, [2, 8]).axes
    for k, panel in zip((2, 8), axes, strict=True):
        ((x, y),) = [line.get_data() for line in panel.lines if line.get_linestyle() == "--"]
        low, high = (bound[k] for bound in sampled.bounds())
        x = x if k == 8 else np.log10(x)
        assert (x.min(), x.max()) == pytest.approx((low, high), abs=0.02 * (high - low))
        assert y == pytest.approx(np.full(len(y), 1 / (high - low)))  # uniform, per decade or per unit


def test_a_normal_prior_is_a_bell(good):
    found = reading.read_posterior(good)
    level = np.linspace(0.02, 0.98, 400)
    quantiles = np.tile(10 ** (0.2 * stats.norm.ppf(level) + 1.0), (len(PARAMETERS), 1))
    x, y = prior_density(
        reading.Posterior(**vars(found) | {"prior_quantile": quantiles, "prior_level": level}), 2
    )
    assert y == pytest.approx(stats.norm.pdf(x, 1.0, 0.2), rel=0.01)


def test_corner_shows_the_open_and_the_linked_parameters(good):
    found = reading.read_posterior(good)
    chosen = [PARAMETERS[i] for i in corner.chosen_parameters(found, most=3)]
    assert chosen == ["k_exp_hetero", "k_imp_homo", "k_phos"]  # those that the data narrow least
    assert corner.chosen_parameters(found, most=9) == list(range(9))
    strong = found.draws[3].copy()
    linked = np.array([*found.draws[:3], strong, *found.draws[4:7], strong, found.draws[8]])
    changed = reading.Posterior(**{**vars(found), "draws": linked, "contraction": np.ones(9)})
    assert corner.chosen_parameters(changed, most=2) == [3, 7]


def test_corner_has_paths_optima_and_bounds_where_they_are(good):
    names = [PARAMETERS.index(n) for n in ("k_exp_homo", "k_phos")]
    figure = figures.plot_corner(good, names)
    axes = np.array(figure.axes).reshape(2, 2)[1, 0]
    profile = reading.read_profiles(good).of("k_exp_homo")
    lines = {line.get_color(): line for line in axes.lines if line.get_color() in corner.PATHS}
    x, y = profile.theta[:, names[0]], profile.theta[:, names[1]]
    path = lines[corner.PATHS[0]]
    seen = np.isfinite(path.get_xdata())
    assert path.get_xdata()[seen] == pytest.approx(x)
    assert path.get_ydata()[seen] == pytest.approx(y)
    diamonds = [line for line in axes.lines if line.get_marker() == "D"]
    best = good["fit"]["optimum"].values[0][names]
    assert diamonds[0].get_xdata()[0] == pytest.approx(best[0])
    assert diamonds[0].get_ydata()[0] == pytest.approx(best[1])
    dotted = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"]
    low, high = (b[sampled.FREE] for b in sampled.bounds())
    assert any(y == pytest.approx(low) for y in dotted)
    assert any(y == pytest.approx(high) for y in dotted)
    assert axes.get_ylabel() == "k_phos\n(1/min)"


def test_the_histograms_of_the_corner_are_those_of_the_draws(good):
    figure = figures.plot_corner(good, [2, 3])
    polygon = next(p for p in figure.axes[0].patches if isinstance(p, Polygon))
    x, y = polygon.get_xy().T
    values = reading.read_posterior(good).drawn(2)
    peak = x[np.argmax(y)]
    assert abs(peak - np.median(values)) < 0.5 * values.std()
    assert y.max() <= values.size


def test_traces_show_the_middle_walker_and_ranks_are_flat_where_all_agree(good, bad):
    for study, flat in ((good, True), (bad, False)):
        figure = figures.plot_chains(study, [6])
        trace, ranks = figure.axes[:2]
        found = reading.read_posterior(study)
        line = trace.lines[0]
        walkers = found.draws[6][found.superchain == 0]
        at = np.searchsorted(found.step, line.get_xdata())
        assert np.log10(line.get_ydata()) == pytest.approx(np.median(np.log10(walkers[:, at]), axis=0))
        heights = np.array([step.get_ydata()[:-1] for step in ranks.lines if len(step.get_xdata()) > 2])
        assert heights.mean(axis=1) == pytest.approx(np.ones(4))
        assert (heights.max() < 2.0) == flat


def test_the_chains_of_the_largest_rhat_are_shown(bad):
    found = reading.read_posterior(bad)
    assert PARAMETERS.index("sd_pSTAT5A_rel") in chains.worst(found, most=1)


def test_the_autocorrelation_is_that_of_the_series():
    rng = np.random.default_rng(3)
    steps = rng.standard_normal((20, 5000))
    series = np.empty_like(steps)
    series[:, 0] = steps[:, 0]
    for t in range(1, steps.shape[1]):
        series[:, t] = 0.7 * series[:, t - 1] + np.sqrt(1 - 0.49) * steps[:, t]
    assert chains.autocorrelation(series + 5.0)[:6] == pytest.approx(0.7 ** np.arange(6), abs=0.02)


def drawn(study) -> list[Drawing]:
    """The figures of the posterior alone."""
    found = [*catalogue.of_pages(study, ["posterior"]), *catalogue.of_chains(study)]
    assert all(len(drawing.caption) > 80 for drawing in found)
    return found


def test_every_figure_has_a_caption_and_a_place(good, bad):
    names = {"good": ["marginals", "corner", "chains", "autocorrelation"]}
    names["bad"] = [n for n in names["good"] if n != "corner"]
    for key, study in (("good", good), ("bad", bad)):
        page = Page(render_report(study, drawn(study)))
        shown = [a["id"] for tag, a in page.elements if tag == "figure"]
        assert shown == [f"figure-{n}" for n in names[key]]


def test_figures_have_the_same_bytes_each_time(good):
    assert len({style.to_svg(figures.plot_corner(good, [2, 3])) for _ in range(2)}) == 1


def test_a_study_without_what_is_known_of_the_draws_has_no_section():
    study = determined.everything()
    study["posterior"] = xr.DataTree(sampled.posterior(sampled.draws()))
    assert reading.read_posterior(study) is None
    assert 'id="posterior"' not in render_report(study, [])
    with pytest.raises(ValueError, match="no posterior"):
        figures.plot_corner(study)


def test_names_that_would_be_markup_are_text():
    study = determined.hostile()
    # no variable of a stored group has a slash in its name
    names = tuple(name.replace("/", "|") for name in study["fit"]["parameter"].values.tolist())
    theta = sampled.draws()
    for name, made in (
        ("posterior", sampled.posterior(theta, names)),
        ("sampling", sampled.sampling(theta, names=names)),
    ):
        study[name] = xr.DataTree(made)
    text = render_report(study, drawn(study))
    assert "<script" not in text
    assert 'id="figure-corner"' in text
