"""Profiles of parameters against closed forms, published intervals and their own definition."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

import idfit
from idfit.errors import InputError, RunError
from idfit.problem.objective import NO_STOP
from idfit.profiles import ProfileOptions, profile
from idfit.profiles.refit import PRECISE, Aim, ParameterTarget
from idfit.profiles.start import best_fit
from idfit.tasks import Journal, Runner
from tests.fisher.problems_of_regression import puromycin
from tests.problems import estimated, linear_gaussian, phosphorylation, product
from tests.profiles.problems_of_profiles import cusp, regression, saturation

ROOT = Path(__file__).resolve().parents[2]
RISE_95 = stats.chi2.ppf(0.95, 1) / 2


def limits(profiles, name: str, space: str = "estimation", level: float = 0.95) -> np.ndarray:
    return profiles["interval"].sel(profiled=name, space=space, ci_prob=level).values


def side(profiles, name: str) -> list[str]:
    return profiles["side_status_label"].sel(profiled=name).isel(ci_prob=-1).values.tolist()


def verdict(profiles, name: str) -> str:
    return str(profiles["verdict_label"].sel(profiled=name).values)


@cache
def boehm():
    problem = idfit.load(ROOT / "models/boehm.toml", ROOT / "data/boehm.csv")
    fit = idfit.fit(problem, 0, 1, nominal=True)
    return problem, fit, profile(problem, fit, ci_prob=(0.68, 0.95))


# closed forms -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_profile_and_wald_are_the_same_for_a_linear_model(level):
    oracle = linear_gaussian()
    problem = oracle.problem
    profiles = profile(problem, idfit.fit(problem, 3, 1), ci_prob=level)
    jacobian = oracle.jacobian(np.zeros(2))
    best = np.linalg.lstsq(jacobian, oracle.values, rcond=None)[0]
    error = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian / 0.01)))
    z = stats.norm.ppf(0.5 + level / 2)
    for i, name in enumerate(("a", "b")):
        expected = best[i] + np.array([-z, z]) * error[i]
        assert limits(profiles, name, level=level) == pytest.approx(expected, rel=1e-6)
        wald = profiles["wald_interval"].sel(profiled=name, space="natural").values[0]
        assert wald == pytest.approx(expected, rel=1e-6)


def test_every_point_is_the_least_objective_with_the_value_held():
    """Linear model: PL(v) − best = ½ ((v − best)/error)², the others where the regression puts them."""
    oracle = linear_gaussian()
    profiles = profile(oracle.problem, idfit.fit(oracle.problem, 3, 1))
    jacobian = oracle.jacobian(np.zeros(2))
    covariance = np.linalg.inv(jacobian.T @ jacobian / 0.01)
    best = np.linalg.lstsq(jacobian, oracle.values, rcond=None)[0]
    at = profiles.sel(profiled="a")
    good = at["status"].values != idfit.Status.NOT_REACHED
    value = at["value"].values[good]
    rise = at["objective"].values[good] - profiles.attrs["objective"]
    assert rise == pytest.approx(0.5 * (value - best[0]) ** 2 / covariance[0, 0], abs=1e-6)
    others = best[1] + covariance[1, 0] / covariance[0, 0] * (value - best[0])
    assert at["theta"].values[good, 1] == pytest.approx(others, abs=1e-5)
    assert (np.diff(value) > 0).all()
    start = int(at["start_step"])
    assert value[start] == pytest.approx(best[0], abs=1e-7)


def test_f_thresholds_give_the_t_intervals_of_puromycin():
    """Bates & Watts 1988: t(10) profile intervals; with χ² and the maximum likelihood σ they are narrower."""
    problem = puromycin()
    fit = idfit.fit(problem, 5, 1)
    profiles = profile(problem, fit, ["Vm", "K"], threshold="F")
    assert limits(profiles, "Vm") == pytest.approx([197.302, 229.289], abs=1e-3)
    assert limits(profiles, "K") == pytest.approx([0.04692, 0.08616], abs=1e-5)
    assert limits(profile(problem, fit, ["Vm"]), "Vm") == pytest.approx([199.21, 227.08], abs=5e-3)


def test_a_product_is_flat_and_never_identifiable():
    problem = product().problem
    profiles = profile(problem, idfit.fit(problem, 3, 1))
    for name, partner in (("a", "b"), ("b", "a")):
        assert verdict(profiles, name) == "flat"
        assert np.isinf(limits(profiles, name)).all()
        assert profiles["partner"].sel(profiled=name).values[0] == partner
        assert str(profiles["valley"].sel(profiled=name).values) == (
            f"as {name} rises, {partner} falls; only {partner}·{name} is determined"
        )
        assert np.isnan(profiles["wald_interval"].sel(profiled=name)).all()


def test_a_sum_of_rates_is_open_until_a_scale_is_known():
    """s·kp and kp + kd are determined. No rate is negative, so kp rises to no more than their sum for free,
    and s falls to no less than 0.3: what these limit is no matter of the search bound of kd, 1e-3."""
    problem = phosphorylation().problem
    profiles = profile(problem, idfit.fit(problem, 3, 1, nominal=True))
    assert [verdict(profiles, name) for name in ("kp", "kd", "s")] == ["open_both", "open_both", "open_above"]
    alone = problem.fix(kd=1e-12)
    expected = limits(profile(alone, idfit.fit(alone, 3, 1, nominal=True), ["s"]), "s", "natural")[0]
    # the best fit without kd lies higher by the rise at s = 0.3, which is next to nothing
    assert limits(profiles, "s", "natural") == pytest.approx([expected, np.inf], rel=5e-3)
    assert expected < 0.3
    fixed = problem.fix(s=1.0)
    resolved = profile(fixed, idfit.fit(fixed, 3, 1, nominal=True), ["kp"])
    assert verdict(resolved, "kp") == "identifiable"


def test_a_prior_closes_a_flat_direction_and_its_part_of_the_rise_is_told_apart():
    problem = product().problem.with_parameters({"b": {"prior": "normal(0.7, 0.1)"}})
    profiles = profile(problem, idfit.fit(problem, 3, 1, nominal=True), ["b"])
    at = profiles.sel(profiled="b")
    good = at["status"].values != idfit.Status.NOT_REACHED
    start = int(at["start_step"])
    assert verdict(profiles, "b") == "identifiable"
    assert limits(profiles, "b", "natural") == pytest.approx(
        0.7 + np.array([-0.1, 0.1]) * np.sqrt(2 * RISE_95), rel=1e-5
    )
    assert np.ptp(at["nllh"].values[good]) < 1e-6
    rise = at["nlprior"].values[good] - at["nlprior"].values[start]
    assert rise == pytest.approx(at["objective"].values[good] - profiles.attrs["objective"], abs=1e-6)


# open sides -------------------------------------------------------------------------------------------------


def test_a_side_that_saturates_is_open_with_its_reason():
    problem = saturation()
    profiles = profile(problem, idfit.fit(problem, 3, 1))
    assert side(profiles, "k") == ["crossed", "search_bound"]
    assert verdict(profiles, "k") == "open_above"
    assert limits(profiles, "k", "natural")[1] == np.inf
    # from the bound k = 1e4: ½ (5/(1 + k))² = rise + ½ (5/(1 + 1e4))²
    risen = np.sqrt(2 * RISE_95 + (5 / (1 + 1e4)) ** 2)
    assert limits(profiles, "k", "natural")[0] == pytest.approx(5 / risen - 1, rel=1e-5)


def test_a_natural_limit_ends_the_interval_and_is_no_open_side():
    problem = regression({"y": "a"}, {"a": estimated(1.0, 0, 50)}, {"y": 0.5})
    profiles = profile(problem, idfit.fit(problem, 3, 1))
    assert side(profiles, "a") == ["domain_bound", "crossed"]
    assert verdict(profiles, "a") == "at_domain_bound"
    assert limits(profiles, "a") == pytest.approx([0.0, 0.5 + np.sqrt(2 * RISE_95)], abs=1e-6)
    assert "conservative" in str(profiles["reason"].sel(profiled="a").values)
    searched = regression({"y": "a"}, {"a": estimated(1.0, -0.5, 50)}, {"y": 0.5})
    profiles = profile(searched, idfit.fit(searched, 3, 1))
    assert side(profiles, "a") == ["search_bound", "crossed"]
    assert limits(profiles, "a")[0] == -np.inf


def test_an_optimum_on_a_natural_limit_has_a_one_sided_interval():
    problem = idfit.load(
        ROOT / "models/methanol_to_hydrocarbons.toml", ROOT / "data/methanol_to_hydrocarbons.csv"
    )
    profiles = profile(problem, idfit.fit(problem, 0, 1, nominal=True))
    assert verdict(profiles, "p5") == "at_domain_bound"
    lower, upper = limits(profiles, "p5")
    assert lower == 0.0
    # the likelihood ratio at the limit by a fit of its own
    held = problem.fix(p5=upper)
    fit = idfit.fit(held, 0, 1, nominal=True)
    assert float(fit["objective"].min()) - profiles.attrs["objective"] == pytest.approx(RISE_95, abs=1e-4)
    assert [verdict(profiles, p) for p in ("p1", "p2", "p3", "p4")] == ["identifiable"] * 4


def test_a_used_up_budget_leaves_the_verdict_open():
    problem = linear_gaussian().problem
    options = ProfileOptions(max_points=3)
    profiles = profile(problem, idfit.fit(problem, 3, 1), ["a"], options=options)
    assert side(profiles, "a") == ["budget", "budget"]
    assert verdict(profiles, "a") == "undetermined"
    assert "budget" in str(profiles["reason"].sel(profiled="a").values)
    assert np.isinf(limits(profiles, "a")).all()


def test_a_side_that_cannot_be_evaluated_has_failed_and_says_so():
    """log(a − 1) does not exist below a = 1, which is no bound of the parameter."""
    problem = regression({"y": "log(a - 1)"}, {"a": estimated(2.0, -5, 50)}, {"y": 0.0})
    profiles = profile(problem, np.array([2.0]))
    # the data limit a far before 1 is reached
    assert verdict(profiles, "a") == "identifiable"
    wide = regression({"y": "0.01*sqrt(a - 1)"}, {"a": estimated(2.0, -5, 50)}, {"y": 0.01})
    profiles = profile(wide, np.array([2.0]))
    assert side(profiles, "a")[0] == "failed"
    assert verdict(profiles, "a") == "undetermined"
    assert limits(profiles, "a")[0] == -np.inf


# paths that jump --------------------------------------------------------------------------------------------


def cusp_profile(a: float) -> float:
    """min over b of the cusp's objective, constants left out, by a scan and a local search."""

    def value(b: float) -> float:
        return 0.5 * ((a / 2) ** 2 + 9 * (b * b - 1) ** 2 + (2 * b - 2 * a) ** 2)

    grid = np.linspace(-4, 4, 2001)
    nearest = grid[np.argmin([value(b) for b in grid])]
    return minimize_scalar(value, (nearest - 0.01, nearest, nearest + 0.01)).fun


def test_a_jump_is_marked_and_the_lower_branch_is_followed_back():
    problem = cusp()
    best = idfit.fit(problem, 0, 1, nominal=True)["optimum"].values[0]
    assert best[1] > 0
    profiles = profile(problem, best, ["a"], ci_prob=0.9999)
    at = profiles.sel(profiled="a")
    good = at["status"].values != idfit.Status.NOT_REACHED
    value = at["value"].values[good]
    rise = at["objective"].values[good] - profiles.attrs["objective"]
    lowest = cusp_profile(best[0])
    expected = np.array([cusp_profile(v) for v in value]) - lowest
    (jump,) = np.flatnonzero(at["jump"].values[good])
    assert at["theta"].values[jump - 1, 1] < 0 < at["theta"].values[jump, 1]
    assert value[0] < -1.0
    assert at["theta"].values[0, 1] < 0
    assert rise == pytest.approx(expected, abs=2e-4)


def test_a_fit_that_is_as_good_elsewhere_belongs_to_the_interval():
    """(1/k1 , 1/k2) are interchangeable: whichever the best fit is, the interval of k1 holds both values."""
    problem = regression(
        {"total": "10*(k1 + k2)", "product": "10*k1*k2"},
        {"k1": estimated(1.0, 0.01, 100, "log10"), "k2": estimated(3.0, 0.01, 100, "log10")},
        {"total": 40.0, "product": 30.0},
    )
    alone = profile(problem, problem.parameters.to_scaled([1.0, 3.0]), ["k1"])
    assert limits(alone, "k1", "natural") == pytest.approx([1.0, 1.0], abs=0.3)
    both = profile(problem, idfit.fit(problem, 10, 1))
    for name in ("k1", "k2"):  # the other piece lies above for one of them and below for the other
        assert both["n_regions"].sel(profiled=name).values.tolist() == [2]
        pieces = both["region_interval"].sel(profiled=name, space="natural").values[0]
        assert pieces[0].mean() == pytest.approx(1.0, abs=0.3)
        assert pieces[1].mean() == pytest.approx(3.0, abs=0.3)
        assert limits(both, name, "natural") == pytest.approx([pieces[0, 0], pieces[1, 1]])
        assert "more than one good fit" in str(both["reason"].sel(profiled=name).values)


def test_a_lower_branch_within_the_path_takes_its_place():
    """A multistart knows both valleys of the cusp; the profile is the lower one everywhere."""
    problem = cusp()
    profiles = profile(problem, idfit.fit(problem, 10, 1), ["a"], ci_prob=0.95)
    at = profiles.sel(profiled="a")
    good = at["status"].values != idfit.Status.NOT_REACHED
    value, rise = at["value"].values[good], at["objective"].values[good] - profiles.attrs["objective"]
    lowest = cusp_profile(float(at["estimate"].sel(space="natural")))
    assert rise == pytest.approx(np.array([cusp_profile(v) for v in value]) - lowest, abs=2e-4)
    assert value.min() == pytest.approx(-value.max(), rel=0.2)


def test_a_better_optimum_on_the_way_is_adopted_and_profiled():
    """Two wells of unequal depth; the profile begins in the shallow one."""
    problem = regression(
        {"well": "3*(b^2 - 1)", "tilt": "b - 0.3", "pull": "2*(b - a)"},
        {"a": estimated(-1.0, -20, 20), "b": estimated(-1.0, -20, 20)},
        {"tilt": 1.0},
    )
    shallow = idfit.fit(problem, 0, 1, nominal=True)["optimum"].values[0]
    assert shallow[1] < 0
    profiles = profile(problem, shallow, ci_prob=0.9999)
    assert profiles.attrs["n_rounds"] == 2
    assert profiles.attrs["better_by"] > 0.5
    deep = idfit.fit(problem, 10, 1)
    assert profiles.attrs["objective"] == pytest.approx(float(deep["objective"].min()), abs=1e-6)
    assert float(profiles["estimate"].sel(profiled="b", space="natural")) > 0
    once = profile(problem, shallow, ci_prob=0.9999, options=ProfileOptions(max_rounds=1))
    assert verdict(once, "a") == "undetermined"
    assert "better" in str(once["reason"].sel(profiled="a").values)


# real data --------------------------------------------------------------------------------------------------

EXPECTED = tomllib.loads((ROOT / "models/expected.toml").read_text(encoding="utf-8"))
BOEHM = EXPECTED["boehm"]["limits_95"]


@pytest.mark.parametrize("name", BOEHM)
def test_the_intervals_of_boehm(name):
    _, _, profiles = boehm()
    assert limits(profiles, name) == pytest.approx(BOEHM[name], abs=1e-3)


def test_the_open_sides_of_boehm_are_reported_as_open():
    _, _, profiles = boehm()
    assert verdict(profiles, "k_exp_hetero") == "open_below"
    assert verdict(profiles, "k_imp_homo") == "open_above"
    assert side(profiles, "k_exp_hetero") == ["search_bound", "crossed"]
    assert (profiles["verdict_label"] == "identifiable").sum() == 7
    assert profiles["partner"].sel(profiled="Epo_degradation_BaF3").values[0] == "k_imp_hetero"


def test_levels_are_nested():
    _, _, profiles = boehm()
    inner, outer = (profiles["interval"].sel(ci_prob=p, space="estimation") for p in (0.68, 0.95))
    assert (inner.sel(ci_bound="lower") >= outer.sel(ci_bound="lower")).all()
    assert (inner.sel(ci_bound="upper") <= outer.sel(ci_bound="upper")).all()
    assert profiles["threshold"].values == pytest.approx(stats.chi2.ppf([0.68, 0.95], 1) / 2)


def test_a_profile_is_a_chain_of_fits():
    """Each point of a profile of real data is what a fit with the parameter fixed finds."""
    problem, _, profiles = boehm()
    at = profiles.sel(profiled="k_exp_homo")
    for step in (2, 8, 20):
        value, theta = float(at["value"][step]), at["theta"].values[step]
        held = problem.fix(k_exp_homo=10.0**value)
        others = np.delete(theta, problem.parameters.names.index("k_exp_homo"))
        fit = idfit.fit(held, 0, 1, starts=others)
        assert float(fit["objective"].min()) == pytest.approx(float(at["objective"][step]), abs=1e-5)


def test_where_one_branch_ends_the_profile_is_that_of_the_lower_one():
    """Soil carbon: along a21 the two pools exchange their roles, and predictions move little as they do."""
    problem = idfit.load(ROOT / "models/soil_carbon.toml", ROOT / "data/soil_carbon.csv")
    profiles = profile(problem, idfit.fit(problem, 0, 1, nominal=True), ["a21"])
    at = profiles.isel(profiled=0)
    k1 = at["theta"].values[:, problem.parameters.names.index("k1")]
    (jump,) = np.flatnonzero(at["jump"].values)
    assert k1[jump] < k1[jump - 1] - 0.5
    own, objective = problem.parameters.names.index("a21"), problem.objective()
    for step in (jump - 1, jump, jump + 1):
        value = float(at["value"][step])
        others = idfit.fit(problem.fix(a21=value), 20, 1)["optimum"].values[0]
        least = objective(np.insert(others, own, value), 0).objective  # with the prior of a21
        assert float(at["objective"][step]) == pytest.approx(least, abs=1e-4)


# what is asked for ------------------------------------------------------------------------------------------


def test_the_same_bytes_with_any_number_of_workers():
    problem, fit, _ = boehm()
    names = ["k_phos", "k_imp_homo"]
    one, two = (profile(problem, fit, names, runner=Runner(workers=n)) for n in (1, 2))
    assert one.identical(two)


def test_an_interrupted_profile_goes_on_to_the_same_numbers(tmp_path):
    problem, fit, _ = boehm()
    whole = profile(problem, fit, ["k_phos", "k_imp_homo"])
    runner_stop = np.zeros(1, dtype=np.int64)

    def interrupt(done: int, total: int, result) -> None:
        if result is not None:
            runner_stop[0] = 1

    with Journal(tmp_path / "tasks", {}) as journal:
        runner = Runner(journal=journal, progress=interrupt, stop=runner_stop)
        with pytest.raises(idfit.Interrupted):
            profile(problem, fit, ["k_phos", "k_imp_homo"], runner=runner)
    with Journal(tmp_path / "tasks", {}) as journal:
        assert len(journal.results) >= 1
        resumed = profile(problem, fit, ["k_phos", "k_imp_homo"], runner=Runner(journal=journal))
    assert resumed.identical(whole)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"parameters": ["k_phso"]}, "k_phso"),
        ({"parameters": []}, "at least one"),
        ({"parameters": ["k_phos", "k_phos"]}, "once"),
        ({"ci_prob": 1.0}, "between 0 and 1"),
        ({"ci_prob": 95}, "between 0 and 1"),
        ({"threshold": "t"}, "'chi2' and 'F'"),
        ({"threshold": "F"}, "one noise level"),
        ({"method": "magic"}, "endpoints"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_words(arguments, words):
    problem, fit, _ = boehm()
    with pytest.raises(InputError, match=words):
        profile(problem, fit, **arguments)


def test_a_fit_of_another_problem_is_refused():
    problem, fit, _ = boehm()
    with pytest.raises(InputError, match="Fit this problem first"):
        profile(problem.fix(k_phos=1e4), fit)
    with pytest.raises(InputError, match="9 parameters"):
        profile(problem, np.zeros(3))


def test_a_point_without_a_value_is_refused():
    problem = regression({"y": "log(a - 1)"}, {"a": estimated(2.0, -5, 50)})
    with pytest.raises(RunError, match="begin"):
        profile(problem, np.array([0.5]))


def test_the_tangent_leads_to_the_refit_of_a_linear_model():
    oracle = linear_gaussian()
    best = best_fit(oracle.problem, oracle.problem.objective(), np.array([0.5, -1.2]), NO_STOP)
    target = ParameterTarget(best.objective, 0)
    moved = target.moved(replace(best.point, value=float(best.point.theta[0])), best.point.theta[0] + 0.3)
    refitted = target.refit(
        best.point.theta[0] + 0.3, best.point.theta, best.curvature, NO_STOP, Aim(PRECISE)
    )
    assert moved == pytest.approx(refitted.theta, abs=1e-6)
    # so that each step of a profile needs little more than the evaluation that confirms it
    profiles = profile(oracle.problem, best.point.theta, ["a"])
    assert profiles.attrs["n_evaluations"] <= 4 * int((profiles["status"] == idfit.Status.CONVERGED).sum())
