"""Wald, profile, bootstrap and posterior side by side: when they agree, and each cause of a disagreement.

The datasets are made up around one shape, two parameters with estimate (1, 2) and standard error (0.1, 0.2)
on the estimation scale; each test changes what its cause needs and nothing else.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from idfit.results import Agreement, BoundSide, Limit, SideStatus, Status, Verdict, dataset
from idfit.study.agreement import agreement
from idfit.study.marginals import ends_of_profile_as_density

CENTRE, ERROR = np.array([1.0, 2.0]), np.array([0.1, 0.2])
Z = stats.norm.ppf(0.975)
NAMES, SCALES = ["a", "b"], ["lin", "log10"]
C, OPEN, DOMAIN = SideStatus.CROSSED, SideStatus.SEARCH_BOUND, SideStatus.DOMAIN_BOUND


def natural(theta):
    return np.stack([theta[0], 10.0 ** theta[1]])


def made_fit(error=ERROR, expected=ERROR, at_bound=(0, 0), objectives=(5.0, 5.0, 40.0), cluster=(0, 0, 1)):
    errors = [np.stack([e, e]) for e in (np.asarray(error), np.asarray(expected))]
    return dataset(
        "fit",
        {
            "theta0": np.zeros((3, 2)),
            "theta": np.tile(CENTRE, (3, 1)),
            "objective": list(objectives),
            "nllh": list(objectives),
            "status": [Status.CONVERGED] * 3,
            "cluster": list(cluster),
            "optimum": np.array([CENTRE, CENTRE + 1]),
            "optimum_nllh": [5.0, 40.0],
            "hits": [2, 1],
            "hit_rate": [2 / 3, 1 / 3],
            "estimate": [1.0, 100.0],
            "standard_error": errors[0],
            "standard_error_expected": errors[1],
            "at_bound": [int(b) for b in at_bound],
        },
        {"parameter": NAMES, "scale": SCALES, "unit": ["nM", "1/h"]},
    )


def made_fisher(covariance=None, prior=None, observed=ERROR, theta=CENTRE):
    covariance = np.diag(ERROR**2) if covariance is None else np.asarray(covariance)
    prior = np.zeros((2, 2)) if prior is None else np.asarray(prior)
    data = np.linalg.inv(covariance) - prior
    twice = {
        "fim": data, "prior_information": prior, "hessian": data + prior, "eigenvector": np.eye(2),
        "covariance": covariance, "correlation": np.eye(2), "eigenvalue": [1.0, 1.0], "null": [False, False],
        "standard_error": np.sqrt(np.diag(covariance)), "standard_error_data": ERROR,
        "standard_error_observed": observed, "slice_error": ERROR,
    }  # fmt: skip
    variables = {name: np.stack([np.asarray(v)] * 2) for name, v in twice.items()}
    variables |= {"theta": theta, "nullity": [0, 0], "sloppiness": [0.0, 0.0], "null_share": [0.0, 0.0]}
    return dataset("fisher", variables, {"parameter": NAMES, "scale": SCALES})


def made_profiles(
    ends=None,
    status=((C, C), (C, C)),
    searched=None,
    partner="",
    levels=(0.68, 0.95),
    kind="chi2",
    rise=None,
    n_regions=1,
    jump_at=None,
    n_rounds=1,
):
    """Parabolas through the threshold at `ends` (parameter, side), at the largest level."""
    rises = stats.chi2.ppf(levels, 1) / 2 if rise is None else np.array([rise / 4, rise])
    ends = CENTRE[:, None] + math.sqrt(2 * rises[-1]) * np.outer(ERROR, [-1, 1]) if ends is None else ends
    ends = np.asarray(ends, dtype=float)
    searched = np.where(np.isfinite(ends), ends, CENTRE[:, None] + [-9, 9]) if searched is None else searched
    inner = CENTRE[:, None] + 0.5 * (ends - CENTRE[:, None])
    interval = np.stack([inner, ends], axis=1)
    value = np.stack([searched[:, 0], CENTRE, searched[:, 1]], axis=1)
    jump = np.zeros((2, 3), dtype=bool)
    if jump_at is not None:
        jump[0, jump_at] = True
    interval_natural = np.stack(
        [interval[0], np.where(np.isfinite(interval[1]), 10.0 ** interval[1], interval[1])]
    )
    regions = np.full((2, len(levels)), n_regions)
    return dataset(
        "profiles",
        {
            "value": value,
            "theta": np.tile(CENTRE, (2, 3, 1)),
            "objective": 5.0 + np.array([[rises[-1] * 0.9, 0.0, rises[-1] * 1.2]] * 2),
            "nllh": np.full((2, 3), 5.0),
            "status": np.full((2, 3), int(Status.CONVERGED)),
            "on_bound": np.zeros((2, 3, 2), dtype=bool),
            "jump": jump,
            "start_step": [1, 1],
            "estimate": np.stack([CENTRE, natural(CENTRE)]),
            "interval": np.stack([interval, interval_natural]),
            "side_status": np.repeat(np.array(status, dtype=np.int8)[:, None], len(levels), axis=1),
            "searched": np.stack([searched, natural(searched)]),
            "rise": np.ones((2, 2)),
            "n_regions": regions,
            "threshold": rises,
            "verdict": [int(Verdict.IDENTIFIABLE)] * 2,
            "partner": [[partner], [partner]],
            "partner_shift": np.zeros((2, 1)),
            "n_evaluations": np.ones((2, 2), dtype=int),
        },
        {
            "profiled": NAMES, "kind": ["parameter"] * 2, "profiled_scale": SCALES, "parameter": NAMES,
            "scale": SCALES, "ci_prob": list(levels),
        },
        {"threshold_kind": kind, "n_rounds": n_rounds},
    )  # fmt: skip


def made_bootstrap(ends=None, on_bound=((0.0, 0.0), (0.0, 0.0)), bias=0.0):
    ends = CENTRE[:, None] + Z * np.outer(ERROR, [-1, 1]) if ends is None else np.asarray(ends, dtype=float)
    both = np.stack([ends, natural(ends)])[:, :, None, :]
    flat = np.zeros((2, 2))
    return dataset(
        "bootstrap",
        {
            "theta": np.tile(CENTRE, (4, 1)),
            "objective": np.zeros(4),
            "status": [int(Status.CONVERGED)] * 4,
            "mean": flat, "standard_error": flat + ERROR, "bias": flat + bias * ERROR,
            "interval": both,
            "on_bound": np.asarray(on_bound),
        },
        {"parameter": NAMES, "scale": SCALES, "ci_prob": [0.95]},
    )  # fmt: skip


def made_posterior(width=1.0):
    draws = stats.norm.ppf((np.arange(4000) + 0.5) / 4000).reshape(4, 1000)
    theta = {n: c + width * e * draws for n, c, e in zip(NAMES, CENTRE, ERROR, strict=True)}
    return xr.Dataset({"a": (("chain", "draw"), theta["a"]), "b": (("chain", "draw"), 10.0 ** theta["b"])})


def told(*arguments, **named):
    found = agreement(*arguments, **named)
    return Agreement(int(found["agreement"][0])), str(found["cause"].values[0])


def interval(found, method, parameter=None):
    limits = found["interval"].values[found["source"].values.tolist().index(method)]
    return limits if parameter is None else limits[NAMES.index(parameter)]


def changed(i, side, value):
    ends = CENTRE[:, None] + Z * np.outer(ERROR, [-1.0, 1.0])
    ends[i, side] = value
    return ends


def test_four_methods_of_one_parabola_agree_in_natural_units():
    found = agreement(made_fit(), made_fisher(), made_profiles(), made_bootstrap(), made_posterior())
    assert found["source"].values.tolist() == ["wald", "wald_expected", "profile", "bootstrap", "posterior"]
    assert found["agreement"].values.tolist() == [Agreement.AGREE] * 2
    assert found["cause"].values.tolist() == ["", ""]
    half = Z * ERROR
    for method in found["source"].values:
        assert interval(found, method, "a") == pytest.approx([1 - half[0], 1 + half[0]], abs=1e-3)
        assert interval(found, method, "b") == pytest.approx(
            10 ** np.array([2 - half[1], 2 + half[1]]), rel=2e-3
        )
    assert found.attrs["ci_prob"] == 0.95
    assert found.attrs["wald_factor"] == pytest.approx(1.959964, abs=1e-6)


@pytest.mark.parametrize(("share", "verdict"), [(0.19, Agreement.AGREE), (0.21, Agreement.DISAGREE)])
def test_a_fifth_of_the_half_width_is_the_limit(share, verdict):
    ends = changed(0, 1, 1 + (1 + share) * Z * 0.1)
    assert told(made_fit(), None, made_profiles(), made_bootstrap(ends))[0] is verdict


def test_an_estimate_at_a_bound_comes_first():
    profiles = made_profiles(changed(0, 1, math.inf), ((C, OPEN), (C, C)))
    verdict, cause = told(made_fit(at_bound=(BoundSide.LOWER_BOUND, 0)), None, profiles)
    assert verdict is Agreement.DISAGREE
    assert "at its lower bound" in cause


@pytest.mark.parametrize("status", [OPEN, SideStatus.PARTNER_BOUND])
def test_an_open_profile_where_the_curvature_is_finite(status):
    open_above = made_profiles(changed(0, 1, math.inf), ((C, status), (C, C)))
    verdict, cause = told(made_fit(), None, open_above)
    assert verdict is Agreement.DISAGREE
    assert "stays open above, as the predictions saturate" in cause
    along = made_profiles(changed(0, 0, -math.inf), ((OPEN, C), (C, C)), partner="b")
    assert "stays open below, along a valley with b" in told(made_fit(), None, along)[1]


def test_an_open_profile_agrees_with_a_limit_that_lies_beyond_the_search():
    ends = changed(0, 1, math.inf)
    near = np.where(np.isfinite(ends), ends, 1.05)  # searched up to 1.05, the Wald limit is 1.196
    profiles = made_profiles(ends, ((C, OPEN), (C, C)), searched=near)
    assert told(made_fit(), None, profiles)[0] is Agreement.AGREE


def test_a_natural_limit_is_a_limit_for_every_method():
    ends = changed(0, 0, 0.95)
    profiles = made_profiles(ends, ((DOMAIN, C), (C, C)))
    assert told(made_fit(), None, profiles)[0] is Agreement.AGREE  # Wald, down to 0.80, ends there too
    assert told(made_fit(), None, made_profiles(ends))[0] is Agreement.DISAGREE
    assert told(made_fit(error=0.2 * ERROR, expected=0.2 * ERROR), None, profiles)[0] is Agreement.DISAGREE


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        (changed(0, 1, 1 + 3 * Z * 0.1), "3 times as far above the estimate as below"),
        (changed(0, 0, 1 - 2 * Z * 0.1), "2 times as far below the estimate as above"),
    ],
)
def test_an_asymmetric_profile(ends, words):
    verdict, cause = told(made_fit(), None, made_profiles(ends))
    assert verdict is Agreement.DISAGREE
    assert words in cause


WIDE = CENTRE[:, None] + 1.4 * Z * np.outer(
    ERROR, [-1.0, 1.0]
)  # symmetric, and wider than the curvature says


@pytest.mark.parametrize(
    ("fit", "more", "words"),
    [
        ({}, {"n_regions": 2}, "falls into pieces"),
        ({}, {"jump_at": 0}, "jumps to another branch"),
        ({}, {"n_rounds": 2}, "met one better than the fit"),
        ({"objectives": (5.0, 5.0, 6.0)}, {}, "another one of the fit lies within the threshold"),
        ({}, {"jump_at": 2}, "unknown cause"),  # outside of the interval
        ({"objectives": (5.0, 5.0, 7.0)}, {}, "unknown cause"),
    ],
)
def test_a_second_optimum(fit, more, words):
    verdict, cause = told(made_fit(**fit), None, made_profiles(WIDE, **more))
    assert verdict is Agreement.DISAGREE
    assert words in cause


def test_a_prior_that_shapes_the_interval():
    """Along a, with b adapted: v = (1, -0.5) moves against a prior on b alone, of which a has a share too."""
    covariance = np.array([[0.01, -0.01], [-0.01, 0.04]])
    own = np.diag([80.0, 0.0])
    assert "prior makes 80 %" in told(made_fit(), made_fisher(covariance, own), made_profiles(WIDE))[1]
    partner = np.diag([0.0, 25.0])  # (0.01)² · 25 / 0.01 = 0.25
    assert "prior" not in told(made_fit(), made_fisher(covariance, partner), made_profiles(WIDE))[1]


def test_observed_and_expected_information_that_differ():
    verdict, cause = told(made_fit(), made_fisher(observed=1.4 * ERROR), made_profiles())
    assert verdict is Agreement.DISAGREE
    assert "observed and expected information differ (errors 1.4 : 1)" in cause
    assert "differ" not in told(made_fit(), made_fisher(observed=1.1 * ERROR), made_profiles(WIDE))[1]


def test_what_no_cause_explains_is_said_to_be_unknown():
    verdict, cause = told(made_fit(), None, made_profiles(WIDE), made_bootstrap(WIDE))
    assert verdict is Agreement.DISAGREE
    assert cause == "unknown cause (wald against profile)"


def test_fewer_than_two_methods_are_not_comparable():
    none = np.full(2, np.nan)
    fit = made_fit(error=none, expected=none)
    found = agreement(fit, None, made_profiles())
    assert found["agreement"].values.tolist() == [Agreement.NOT_COMPARABLE] * 2
    assert np.isnan(interval(found, "wald")).all()
    assert interval(found, "profile", "a") == pytest.approx([0.804, 1.196], abs=1e-3)


def test_a_side_that_failed_is_not_an_open_one():
    lost = made_profiles(changed(0, 1, math.inf), ((C, SideStatus.FAILED), (C, C)))
    found = agreement(made_fit(), None, lost)
    assert np.isnan(interval(found, "profile", "a")[1])
    assert int(found["agreement"][0]) == Agreement.AGREE  # the lower limits do


def test_a_percentile_that_stands_on_the_bound_of_the_search_is_open():
    bootstrap = made_bootstrap(on_bound=((0.0, 0.1), (0.0, 0.0)))
    found = agreement(made_fit(), None, made_profiles(), bootstrap)
    assert interval(found, "bootstrap", "a")[1] == math.inf
    assert int(found["agreement"][0]) == Agreement.DISAGREE
    rarely = made_bootstrap(on_bound=((0.0, 0.02), (0.0, 0.0)))
    assert told(made_fit(), None, made_profiles(), rarely)[0] is Agreement.AGREE


def test_a_narrow_posterior_disagrees():
    assert told(made_fit(), None, made_profiles(), posterior=made_posterior(0.7))[0] is Agreement.DISAGREE


def test_with_the_f_threshold_wald_rises_as_far_and_the_bootstrap_is_not_held_against_it():
    rise = 4.0
    profiles = made_profiles(kind="F", rise=rise)
    found = agreement(made_fit(), None, profiles, made_bootstrap())
    assert found.attrs["wald_factor"] == pytest.approx(math.sqrt(2 * rise))
    assert interval(found, "wald", "a") == pytest.approx(1 + 0.1 * math.sqrt(8) * np.array([-1, 1]))
    assert found["agreement"].values.tolist() == [Agreement.AGREE] * 2
    assert np.isfinite(interval(found, "bootstrap")).all()


def test_another_level_is_used_where_the_profiles_do_not_have_95_percent():
    profiles = made_profiles(levels=(0.5, 0.9))
    found = agreement(made_fit(), None, profiles)
    assert found.attrs["ci_prob"] == 0.9
    assert found["agreement"].values.tolist() == [Agreement.AGREE] * 2


def test_without_a_profile_of_it_the_others_are_compared():
    profiles = made_profiles().isel(profiled=[1])
    narrow = made_bootstrap(changed(0, 1, 1.1))
    found = agreement(made_fit(), None, profiles, narrow)
    assert np.isnan(interval(found, "profile", "a")).all()
    assert int(found["agreement"][0]) == Agreement.DISAGREE


def test_curvature_is_taken_where_the_information_was_computed():
    moved = agreement(made_fit(), made_fisher(theta=CENTRE + 0.5), made_profiles())
    assert interval(moved, "wald", "a") == pytest.approx([1.304, 1.696], abs=1e-3)


def test_a_biased_bootstrap_is_told_from_an_unknown_cause():
    ends = changed(0, 1, 1 + 0.5 * Z * 0.1)
    assert told(made_fit(), None, made_profiles(), made_bootstrap(ends, bias=-0.3))[1] == (
        "the bootstrap's estimates lie 0.3 standard errors below the best fit: bias"
    )
    assert told(made_fit(), None, made_profiles(), made_bootstrap(ends, bias=0.1))[1].startswith(
        "unknown cause"
    )


@pytest.mark.parametrize(("method", "words"), [("endpoints", "one branch"), ("integration", "lost the path")])
def test_second_opinions_on_the_limits(method, words):
    same, other = made_profiles(), made_profiles(changed(0, 1, 1 + 0.5 * Z * 0.1))
    assert told(made_fit(), None, made_profiles(), opinions={method: same})[0] is Agreement.AGREE
    verdict, cause = told(made_fit(), None, made_profiles(), opinions={method: other})
    assert verdict is Agreement.DISAGREE
    assert words in cause


def test_the_expected_information_is_judged_only_where_there_is_no_observed_one():
    wide = made_fit(expected=5 * ERROR)
    assert told(wide, None, made_profiles())[0] is Agreement.AGREE
    alone = made_fit(error=np.full(2, np.nan), expected=5 * ERROR)
    assert told(alone, None, made_profiles())[0] is Agreement.DISAGREE


# --- the posterior ------------------------------------------------------------------------------------------


def made_sampling(converged=True, limits=((Limit.DATA, Limit.DATA),) * 2, reason="R-hat is 1.4"):
    flat = np.zeros(2)
    names = ("mean", "sd", "median", "rhat", "ess_bulk", "ess_tail", "mcse_mean", "mcse_sd")
    return dataset(
        "sampling",
        {
            **dict.fromkeys((*names, "autocorrelation_time"), flat),
            "interval": np.zeros((2, 1, 2)),
            "limited_by": np.array(limits, dtype=int),
            "acceptance": [0.3] * 4,
            "n_stuck": [0] * 4,
            "n_evaluations": [10] * 4,
            "n_failures": np.empty(0, dtype=int),
        },
        {
            "parameter": NAMES, "scale": SCALES, "ci_prob": [0.95], "fate": np.empty(0, dtype=str),
            "prior_level": np.empty(0),
        },
        {"converged": int(converged), "reason": "" if converged else reason},
    )  # fmt: skip


def drawn_from(a: np.ndarray) -> xr.Dataset:
    """Draws of a on its estimation scale, those of b normal."""
    b = 10.0 ** (CENTRE[1] + ERROR[1] * stats.norm.ppf((np.arange(a.size) + 0.5) / a.size))
    return xr.Dataset({"a": (("chain", "draw"), a[None]), "b": (("chain", "draw"), b[None])})


def quantiles_of(density, low, high, n=20_000):
    """n values that are distributed as a density."""
    grid = np.linspace(low, high, 200_001)
    mass = np.cumsum(density(grid))
    return np.interp((np.arange(n) + 0.5) / n, mass / mass[-1], grid)


def followed(rise, low, high):
    """Profiles whose first has the course `rise` from low to high (in a), on 41 steps."""
    level = stats.chi2.ppf(0.95, 1) / 2
    a = np.unique(np.concatenate([np.linspace(low, high, 40), [CENTRE[0]]]))
    fine = np.linspace(low, high, 200_001)
    inside = fine[rise(fine) <= level]
    ends = CENTRE[:, None] + Z * np.outer(ERROR, [-1, 1])
    ends[0] = inside[[0, -1]]
    flat = made_profiles(ends, searched=np.array([[low, high], CENTRE[1] + 0.4 * np.array([-1, 1])]))
    b = np.linspace(CENTRE[1] - 0.4, CENTRE[1] + 0.4, len(a))
    value = np.stack([a, b])
    objective = 5.0 + np.stack([rise(a), 0.5 * ((b - CENTRE[1]) / ERROR[1]) ** 2])
    coords = {"step": np.arange(len(a))}
    longer = {
        "value": (("profiled", "step"), value),
        "objective": (("profiled", "step"), objective),
        "jump": (("profiled", "step"), np.zeros(value.shape, dtype=bool)),
    }
    kept = flat.drop_dims("step")
    return kept.assign_coords(coords).assign(longer)


def parabola(a):
    return 0.5 * ((a - CENTRE[0]) / ERROR[0]) ** 2


def test_chains_that_have_not_converged_are_compared_with_nothing():
    wild = drawn_from(np.linspace(-5.0, 50.0, 4000))
    found = agreement(
        made_fit(), None, made_profiles(), posterior=wild, sampling=made_sampling(converged=False)
    )
    assert "posterior" not in found["source"].values
    assert found["agreement"].values.tolist() == [Agreement.AGREE] * 2
    assert found.attrs["posterior_left_out"] == "R-hat is 1.4"
    judged = agreement(made_fit(), None, made_profiles(), posterior=wild, sampling=made_sampling())
    assert int(judged["agreement"][0]) == Agreement.DISAGREE
    assert judged.attrs["posterior_left_out"] == ""


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Limit.BOUND, "comes from its bound, not from the data, where the profile is open"),
        (Limit.PRIOR, "comes from priors, not from the data, where the profile is open"),
        (Limit.OTHER_BOUNDS, "comes from bounds of other parameters, not from the data"),
    ],
)
def test_a_limit_that_no_data_have_set(limit, words):
    """The profile is open above; the draws end at 3 as something else ends them there."""
    profiles = made_profiles(changed(0, 1, math.inf), ((C, OPEN), (C, C)))
    draws = drawn_from(np.linspace(0.8, 3.0, 4000))
    sampling = made_sampling(limits=((Limit.DATA, limit), (Limit.DATA, Limit.DATA)))
    _, cause = told(made_fit(), None, profiles, posterior=draws, sampling=sampling)
    curvature, posterior = cause.split("; the posterior")
    assert "the profile stays open above" in curvature
    assert posterior.strip().startswith(f"'s limit above {words}")


def test_two_modes_of_the_posterior():
    at = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    draws = drawn_from(np.concatenate([1.0 + 0.1 * at, 3.0 + 0.1 * at]))
    _, cause = told(made_fit(), None, made_profiles(), posterior=draws, sampling=made_sampling())
    assert cause == "the posterior has 2 modes, and the interval spans what lies between them"


def test_a_skewed_curve_read_in_two_ways():
    """The same curve: e^(-rise) is the posterior's density, yet equal tails are not equal heights."""

    def rise(a):
        u = (a - CENTRE[0]) / ERROR[0]
        return np.where(u < 0, 8.0 * u**2, 0.02 * u**2)

    profiles = followed(rise, 0.9, 3.0)
    draws = drawn_from(quantiles_of(lambda a: np.exp(-rise(a)), 0.5, 6.0))
    fit = made_fit(error=[np.nan, 0.2], expected=[np.nan, 0.2])  # the curvature would be the first to differ
    _, cause = told(fit, None, profiles, posterior=draws, sampling=made_sampling())
    assert cause.startswith("the curve is skewed: the profile's limits are read off at one height")


@pytest.mark.parametrize(("shift", "where"), [(1.5, "larger"), (-1.5, "smaller")])
def test_mass_that_is_shifted_by_integrating_the_others_out(shift, where):
    """As where the width of the others grows with a: density ∝ width(a)·e^(-rise) with width e^(shift·u)."""

    def density(a):
        return np.exp(-parabola(a) + shift * (a - CENTRE[0]) / ERROR[0])

    draws = drawn_from(quantiles_of(density, -1.0, 3.0))
    profiles = followed(parabola, 0.75, 1.25)
    _, cause = told(made_fit(), None, profiles, posterior=draws, sampling=made_sampling())
    assert cause.startswith(f"where it is {where}, more values of the other parameters fit")
    assert f"by {abs(shift) / Z:.2g} half-widths" in cause  # e^(su) moves a normal density by s errors


def test_a_marginal_that_is_wider_on_both_sides():
    """Student's t with 3 degrees of freedom, as where a noise level is integrated out."""
    draws = drawn_from(CENTRE[0] + ERROR[0] * stats.t.ppf((np.arange(20_000) + 0.5) / 20_000, 3))
    profiles = followed(parabola, 0.75, 1.25)
    _, cause = told(made_fit(), None, profiles, posterior=draws, sampling=made_sampling())
    factor = stats.t.ppf(0.975, 3) / Z
    assert cause == (
        f"integrating the other parameters out widens the interval {factor:.2g} times; the profile only "
        "follows their best values"
    )


def test_without_a_profile_the_posterior_is_held_against_the_curvature():
    wide = drawn_from(CENTRE[0] + 1.5 * ERROR[0] * stats.norm.ppf((np.arange(4000) + 0.5) / 4000))
    _, cause = told(made_fit(), None, None, posterior=wide, sampling=made_sampling())
    assert cause.startswith("the posterior is 1.5 times as wide as the curvature says")
    skewed = drawn_from(quantiles_of(lambda a: np.where(a > 0.9, np.exp(-(a - 0.9) / 0.15), 0.0), 0.5, 4.0))
    _, cause = told(made_fit(), None, None, posterior=skewed, sampling=made_sampling())
    assert "times as far above the estimate as below" in cause


def test_the_profile_as_a_density_has_the_quantiles_of_a_normal_one():
    row = followed(parabola, 0.8, 1.2).isel(ci_prob=-1).sel(profiled="a")  # continued beyond its ends
    assert ends_of_profile_as_density(row, 0.95) == pytest.approx(
        CENTRE[0] + Z * ERROR[0] * np.array([-1, 1])
    )
    cut = row.copy()
    cut["side_status"][:] = int(DOMAIN)
    truncated = stats.truncnorm(-2, 2, CENTRE[0], ERROR[0]).ppf([0.025, 0.975])
    assert ends_of_profile_as_density(cut, 0.95) == pytest.approx(truncated, abs=1e-4)
    assert ends_of_profile_as_density(made_profiles().isel(ci_prob=-1, profiled=0), 0.95) is None
