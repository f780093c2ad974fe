"""Multistart fits: the same numbers always, every start kept, failures with reasons, published optima."""

from __future__ import annotations

import threading
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import idfit
from idfit.optimize import LocalOptions
from idfit.optimize.starts import draw_starts

ROOT = Path(__file__).resolve().parents[2]


@cache
def model(name: str) -> idfit.Problem:
    return idfit.load(ROOT / f"models/{name}.toml", ROOT / f"data/{name}.csv")


@cache
def alpha_pinene():
    return idfit.fit(model("alpha_pinene"), n_starts=16, seed=3)


def level(value: float, low: float, high: float, scale: str = "lin", transform: str = "lin") -> idfit.Problem:
    """y = a, measured twice."""
    return idfit.Problem(
        idfit.Model.from_equations({}, {"y": "a"}, ["a"]),
        {"time": [1.0, 2.0], "observable": ["y", "y"], "value": [value, value]},
        parameters={"a": {"min": low, "max": high, "scale": scale}},
        noise={"y": {"noise": 0.1, "transform": transform}},
    )


def bytes_of(fit) -> list[tuple[str, bytes]]:
    values = [(str(name), np.ascontiguousarray(fit[name].values).tobytes()) for name in fit.variables]
    return [*values, ("attrs", repr(sorted(fit.attrs.items())).encode())]


# the same numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["trust-region", "scipy:L-BFGS-B", "lmfit:leastsq"])
def test_same_bytes_with_any_number_of_workers(optimizer):
    one, two, four = (
        idfit.fit(model("lynx_hare"), 9, seed=5, optimizer=optimizer, runner=idfit.Runner(workers=n))
        for n in (1, 2, 4)
    )
    assert bytes_of(one) == bytes_of(two) == bytes_of(four)


def test_another_seed_draws_other_starts():
    other = idfit.fit(model("alpha_pinene"), n_starts=2, seed=4)
    assert not np.array_equal(other["theta0"].values[0], alpha_pinene()["theta0"].values[0])


def test_a_seed_is_drawn_and_kept_if_none_is_given():
    first = idfit.fit(level(1.0, 0, 9), n_starts=3)
    again = idfit.fit(level(1.0, 0, 9), n_starts=3, seed=first.attrs["seed"])
    assert bytes_of(first) == bytes_of(again)


@pytest.mark.parametrize("sampling", ["sobol", "random"])
def test_added_starts_extend_the_design(sampling):
    few, more = (idfit.fit(model("alpha_pinene"), n, seed=3, sampling=sampling) for n in (5, 12))
    for name in ("theta0", "theta", "nllh", "n_evaluations"):
        assert few[name].values.tobytes() == more[name].values[:5].tobytes()


@pytest.mark.parametrize("sampling", ["sobol", "lhs", "random"])
def test_starts_fill_the_bounds_on_the_estimation_scale(sampling):
    theta0 = idfit.fit(level(1.0, 1e-4, 1e4, "log10"), 64, seed=1, sampling=sampling)["theta0"].values[:, 0]
    assert ((theta0 >= -4) & (theta0 <= 4)).all()
    counts, _ = np.histogram(theta0, bins=8, range=(-4, 4))
    assert counts.min() >= (8 if sampling == "lhs" else 7 if sampling == "sobol" else 1)


def starts_of(n: int, **parameter) -> np.ndarray:
    space = level(1.0, 1e-2, 1e4, "log10").with_parameters({"a": parameter}).parameters
    return draw_starts(space, n, "sobol", np.random.default_rng(1))[:, 0]


@pytest.mark.parametrize(
    ("density", "median", "sigma"),
    [("log-normal(3, 0.5)", 3 / np.log(10), 0.5 / np.log(10)), ("normal(1, 0.4) on estimation", 1, 0.4)],
)
def test_starts_follow_their_density(density, median, sigma):
    drawn = starts_of(4096, start=density)
    low, middle, high = np.quantile(drawn, [0.15865, 0.5, 0.84135])
    assert [middle, high - middle, middle - low] == pytest.approx([median, sigma, sigma], rel=0.02)


def test_starts_beyond_the_bounds_are_moved_onto_them_or_not_drawn():
    moved = starts_of(1024, start="normal(0, 1)")  # half of them are negative, which no logarithm has
    assert np.count_nonzero(moved == -2.0) == pytest.approx(512, abs=8)
    inside = starts_of(1024, start="normal(0, 1) within bounds")
    assert inside.min() > -2.0
    assert np.median(inside) == pytest.approx(np.log10(0.6812), abs=0.01)


# starts ----------------------------------------------------------------------------------------------------


def test_nominal_start_and_given_starts_come_first():
    problem = model("alpha_pinene")
    own = np.array([problem.parameters.nominal_scaled + 0.1, problem.parameters.nominal_scaled - 0.1])
    fit = idfit.fit(problem, n_starts=2, seed=1, starts=own, nominal=True)
    assert fit.sizes["start"] == 5
    assert fit["theta0"].values[0] == pytest.approx(problem.parameters.nominal_scaled)
    assert fit["theta0"].values[1:3] == pytest.approx(own)
    drawn = idfit.fit(problem, n_starts=2, seed=1)
    assert fit["theta0"].values[3:].tobytes() == drawn["theta0"].values.tobytes()


def test_given_starts_alone():
    fit = idfit.fit(level(3.0, 0, 9), n_starts=0, starts=np.array([[1.0]]), seed=1)
    assert fit["theta0"].values.tolist() == [[1.0]]
    assert fit["estimate"].item() == pytest.approx(3.0)


def test_infeasible_starts_are_drawn_anew():
    """log y needs a > 0, half of the bounds."""
    fit = idfit.fit(level(0.5, -1, 1, transform="log"), n_starts=16, seed=1)
    assert (fit["status_label"].values == "converged").all()
    assert (fit["theta0"].values > 0).all()
    assert fit["hits"].values.tolist() == [16]


def test_a_given_start_is_not_replaced():
    given = np.array([[-0.5], [0.5]])
    fit = idfit.fit(level(0.5, -1, 1, transform="log"), n_starts=0, starts=given, seed=1)
    assert fit["status_label"].values.tolist() == ["log_nonpositive", "converged"]
    assert fit["theta0"].values.tolist() == given.tolist()
    assert fit["cluster"].values.tolist() == [-1, 0]
    assert fit["nllh"].values[0] == np.inf


def test_all_starts_failing_is_an_error_with_the_reasons():
    problem = level(0.5, -2, -1, transform="log")
    with pytest.raises(idfit.RunError, match="all 4 starts failed") as failure:
        idfit.fit(problem, n_starts=4, seed=1)
    for part in ("4 x log_nonpositive", idfit.Status.LOG_NONPOSITIVE.sentence, "estimation scale"):
        assert part in str(failure.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"starts": [[1.0, 2.0]]}, ["shape (1, 2)", "1 estimated"]),
        ({"starts": [[10.0]]}, ["start 0", "a = 10", "[0, 9]", "estimation scale"]),
        ({"starts": [[np.nan]]}, ["start 0", "a = nan"]),
        ({"n_starts": 0}, ["0 starts"]),
        ({"n_starts": -3}, ["-3 starts"]),
        ({"sampling": "grid"}, ["'grid'", "sobol, lhs, random"]),
        ({"optimizer": "newton"}, ["'newton'", "trust-region", "scipy:", "lmfit:"]),
        ({"optimizer": "scipy:LBFGSB"}, ["'scipy:LBFGSB'", "scipy:trf", "did you mean scipy:L-BFGS-B?"]),
        ({"optimizer": "scipy:CG"}, ["keeps no bounds"]),
        ({"optimizer": "lmfit:leastsquares"}, ["'lmfit:leastsquares'", "did you mean lmfit:least_squares?"]),
        ({"optimizer": "lmfit:emcee"}, ["'lmfit:emcee'", "sampler"]),
        ({"optimizer": "lmfit:ampgo"}, ["'lmfit:ampgo'", "seed"]),
        ({"rtol": 2.0}, ["rtol = 2"]),
    ],
)
def test_refusals(options, words):
    with pytest.raises(idfit.InputError) as refusal:
        idfit.fit(level(1.0, 0, 9), **({"n_starts": 2, "seed": 1} | options))
    assert all(word in str(refusal.value) for word in words)


@pytest.mark.parametrize("options", [{"max_iterations": 0}, {"tolerance": 0.0}, {"tolerance": 1.0}])
def test_options_are_checked(options):
    with pytest.raises(idfit.InputError, match=next(iter(options))):
        LocalOptions(**options)


def test_nothing_to_fit_is_refused():
    empty = idfit.load(ROOT / "models/alpha_pinene.toml")
    with pytest.raises(idfit.InputError, match="no measurements"):
        idfit.fit(empty, n_starts=1)
    fixed = level(1.0, 0, 9).fix(a=1.0)
    with pytest.raises(idfit.InputError, match="nothing to estimate"):
        idfit.fit(fixed, n_starts=1)


# stopping --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["trust-region", "scipy:trf", "scipy:TNC", "lmfit:leastsq", "lmfit:cg"])
def test_the_stop_flag_ends_a_fit(optimizer):
    runner = idfit.Runner(workers=2)
    timer = threading.Timer(0.3, lambda: runner.stop.__setitem__(0, 1))
    timer.start()
    began = time.monotonic()
    with pytest.raises(idfit.Interrupted):
        idfit.fit(model("boehm"), n_starts=5000, seed=1, optimizer=optimizer, runner=runner)
    timer.join()
    assert time.monotonic() - began < 5.0


# optima ----------------------------------------------------------------------------------------------------


def test_alpha_pinene():
    """Sum of squares and rates of ground truth: Box et al. 1973, recomputed with scipy."""
    fit = alpha_pinene()
    problem = model("alpha_pinene")
    sd = float(fit["estimate"].sel(parameter="sd"))
    squares = fit["chi2"].item() * sd**2
    assert squares == pytest.approx(19.872167, abs=2e-6)
    rates = fit["estimate"].sel(parameter=["p1", "p2", "p3", "p4", "p5"]).values
    assert rates == pytest.approx([5.9258e-5, 2.9634e-5, 2.0473e-5, 2.7447e-4, 3.9979e-5], rel=5e-5)
    # the closed form of the maximum likelihood of a common sigma
    assert sd == pytest.approx(np.sqrt(squares / len(problem.spec.measurements)), rel=1e-9)
    assert fit["dof"].item() == 40 - 5
    assert fit.attrs["sigma_correction"] == pytest.approx(np.sqrt(40 / 35))
    assert fit["hits"].values[0] >= 12


def test_optimum_on_a_bound():
    """Methanol to hydrocarbons: the fifth rate is 0, its bound."""
    fit = idfit.fit(model("methanol_to_hydrocarbons"), n_starts=16, seed=1)
    rates = fit["estimate"].sel(parameter=["p1", "p2", "p3", "p4", "p5"]).values
    assert rates == pytest.approx([1.7752, 2.1680, 1.8576, 1.8024, 0.0], abs=5e-5)
    assert rates[4] == 0.0
    squares = fit["chi2"].item() * float(fit["estimate"].sel(parameter="sd")) ** 2
    assert squares == pytest.approx(9.022290e-3, rel=1e-6)
    on_bound = fit["at_bound_label"].sel(parameter="p5").item()
    assert on_bound == "lower_bound"
    assert (fit["at_bound"].drop_sel(parameter="p5").values == 0).all()
    assert np.isnan(fit["standard_error"].sel(parameter="p5").values).all()


def test_boehm_from_random_starts():
    """The best known optimum is found more than once, and no start crawls to the limit."""
    fit = idfit.fit(model("boehm"), n_starts=40, seed=1, runner=idfit.Runner(workers=2))
    assert fit["nllh"].values.min() == pytest.approx(138.22198, abs=1e-4)
    assert fit["hits"].values[0] >= 2
    assert (fit["status_label"].values == "converged").all()
    assert fit["n_evaluations"].values.mean() < 60


@cache
def near_the_optimum(name: str):
    """A start beside the nominal values, and the trust region's fit from there."""
    problem = model(name)
    space = problem.parameters
    unit = np.where(np.array(space.scale) == "lin", np.abs(space.nominal_scaled), 1.0)
    theta0 = space.nominal_scaled + 0.1 * unit * np.random.default_rng(1).standard_normal(len(space))
    start = np.clip(theta0, space.lower_scaled, space.upper_scaled)[None]
    return start, idfit.fit(problem, n_starts=0, starts=start, seed=1)


METHODS = (
    "scipy:trf", "scipy:dogbox", "scipy:L-BFGS-B", "scipy:TNC", "scipy:SLSQP",
    "lmfit:least_squares", "lmfit:leastsq", "lmfit:newton",
)  # fmt: skip
# the optimum of Boehm lies on two bounds, which interior methods creep up to
INTERIOR = ("scipy:trf", "lmfit:least_squares")


@pytest.mark.parametrize("name", ["alpha_pinene", "lynx_hare", "boehm"])
@pytest.mark.parametrize("optimizer", METHODS)
def test_other_optimisers_find_the_same_optimum(name, optimizer):
    """From near the nominal values; none finds anything better than the trust region."""
    start, ours = near_the_optimum(name)
    fit = idfit.fit(model(name), n_starts=0, starts=start, seed=1, optimizer=optimizer)
    creeps = name == "boehm" and optimizer in INTERIOR
    assert fit["nllh"].item() > ours["nllh"].item() - 2e-6
    assert fit["nllh"].item() == pytest.approx(ours["nllh"].item(), abs=5e-2 if creeps else 1e-3)
    assert fit["status_label"].item() == ("max_iterations" if creeps else "converged")
    assert fit["n_evaluations"].item() > 1


@pytest.mark.parametrize("optimizer", ["scipy:trust-constr", "scipy:Nelder-Mead", "scipy:Powell"])
def test_slow_optimisers(optimizer):
    start, ours = near_the_optimum("alpha_pinene")
    fit = idfit.fit(model("alpha_pinene"), n_starts=0, starts=start, seed=1, optimizer=optimizer)
    assert fit["nllh"].item() == pytest.approx(ours["nllh"].item(), abs=1e-3)


@pytest.mark.parametrize("optimizer", ["scipy:L-BFGS-B", "scipy:Nelder-Mead", "scipy:SLSQP", "lmfit:leastsq"])
def test_optimisers_survive_infeasible_ground(optimizer):
    """log(a) fails for half of the bounds, and first steps lead there."""
    problem = level(1e-3, -1, 1, transform="log")
    fit = idfit.fit(problem, n_starts=0, starts=np.array([[0.9]]), seed=1, optimizer=optimizer)
    assert np.isfinite(fit["objective"].item())
    assert fit["theta"].item() > 0


def test_a_limit_that_was_reached_is_told():
    start, _ = near_the_optimum("lynx_hare")
    for optimizer in ("trust-region", "scipy:trf", "scipy:L-BFGS-B", "lmfit:leastsq"):
        fit = idfit.fit(
            model("lynx_hare"), n_starts=0, starts=start, seed=1, optimizer=optimizer, options=LocalOptions(3)
        )
        assert fit["status_label"].item() == "max_iterations"


def test_priors_enter_the_fit():
    """A normal prior and normal data: the mode is the weighted mean."""
    problem = level(2.0, 0, 9).with_parameters({"a": {"prior": "normal(5, 0.1)"}})
    fit = idfit.fit(problem, n_starts=2, seed=1)
    weights = np.array([2 / 0.1**2, 1 / 0.1**2])
    assert fit["estimate"].item() == pytest.approx(weights @ [2.0, 5.0] / weights.sum(), rel=1e-9)
    assert fit["objective"].values == pytest.approx(fit["nllh"].values + fit["nlprior"].values)
    assert fit["standard_error"].sel(space="natural").item() == pytest.approx(weights.sum() ** -0.5, rel=1e-6)
