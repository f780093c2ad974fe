"""Profiles of new parameters read as intervals of the old ones, and bounds, names and units of new ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import idfit
from idfit.expressions import parse
from idfit.reparameterization import prove, reparameterization_of, with_profiles
from idfit.reparameterization.bounds import range_of
from idfit.reparameterization.naming import name_of
from idfit.reparameterization.unit_texts import unit_text
from idfit.reparameterization.unknowns import Unknown
from tests.problems import exponential_decay, product
from tests.reparameterization.combinations import combinations


def profiled(problem, **options):
    return idfit.profile(problem, idfit.fit(problem, n_starts=4, seed=1), **options)


def test_flat_before_and_steep_after():
    # within these bounds b can make up for every a
    old = product().problem.with_parameters({"a": {"min": 1.0, "max": 4.0}, "b": {"min": 1e-2, "max": 1e2}})
    maps = reparameterization_of(old, combinations(["a", "b"], ["a*b"], ["a", "b"]))
    new = maps.apply(old)
    proof = with_profiles(prove(old, new, maps), maps, profiled(new), profiled(old))
    assert float(proof["rise_before"].sel(old="a")) < 1e-3
    assert float(proof["rise_after"].min()) > 1.92
    assert_allclose(proof["old_interval"].values[:, 0], [[-np.inf, np.inf]] * 2)
    assert list(proof["old_says"].values) == ["open: it acts through a_times_b only"] * 2


def test_limits_of_one_parameter_are_mapped():
    """The profile likelihood does not depend on the coordinates, so both ways must give the same limits."""
    old = exponential_decay().problem
    maps = reparameterization_of(old, manual={"half_life": "log(2)/k"}, replacing=["k"])
    direct, mapped = profiled(old), maps.map_back(profiled(maps.apply(old)))
    for name in ("k", "A0", "sd"):
        level = float(direct["ci_prob"][0])
        expected = direct["interval"].sel(space="natural", profiled=name, ci_prob=level).values
        assert_allclose(mapped[name].limits[level], expected, rtol=1e-3)
    assert mapped["k"].says == "from the limits of half_life by log(2)/half_life"
    assert mapped["A0"].says.startswith("unchanged")


def test_what_depends_on_two_parameters_is_not_guessed():
    old = exponential_decay().problem
    maps = reparameterization_of(old, manual={"slope": "k*A0"}, replacing=["k"])
    mapped = maps.map_back(profiled(maps.apply(old)))
    assert all(math.isnan(limit) for limits in mapped["k"].limits.values() for limit in limits)
    assert "profile it as a function" in mapped["k"].says


BOX = {
    "a": Unknown("a", 1.0, 4.0, bounded=True),
    "b": Unknown("b", 0.5, 2.0, bounded=True),
    "c": Unknown("c", -1.0, 3.0, "lin", bounded=True),
}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("a*b", (0.5, 8.0)),
        ("a/b^2", (0.25, 16.0)),
        ("sqrt(a) - b", (-1.0, 1.5)),
        ("a*c", (-4.0, 12.0)),
        ("c^2", (0.0, 9.0)),
        ("exp(c)", (math.exp(-1), math.exp(3))),
        ("log(a)*3", (0.0, 3 * math.log(4))),
        ("a*b + a", (1.5, 12.0)),  # a stands in it twice, yet it rises in both
        ("a/(a + b)", (1 / 3, 8 / 9)),
    ],
)
def test_bounds_are_exact(formula, expected):
    low, high, exact = range_of(parse(formula), BOX)
    assert exact
    assert (low, high) == pytest.approx(expected)


def test_other_bounds_are_sampled_and_say_so():
    low, high, exact = range_of(parse("c^2 - c"), BOX)  # from -1/4 at c = 1/2 to 6 at c = 3
    assert not exact
    assert low == pytest.approx(-0.25, abs=1e-3)
    assert high == 6.0
    assert not range_of(parse("a/c"), BOX)[2]


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("k2/k6", "k2_over_k6"),
        ("k1 + k2", "k1_plus_k2"),
        ("a*b", "a_times_b"),
        ("a - c", "a_minus_c"),
        ("c - a", "c_minus_a"),
        ("1/(a*b)", "one_over_a_over_b"),
        ("k^2", "k_squared"),
        ("sqrt(k)*b", "b_times_sqrt_k"),
        ("2*a + b", "b_plus_2_a"),
        ("a/(b - 1)", "combination_1"),
        ("+".join(f"parameter_{n}" for n in range(9)), "combination_1"),
    ],
)
def test_names_say_the_formula(formula, name):
    assert name_of(parse(formula), ()) == name
    assert name_of(parse(formula), (name,)) != name


def test_units():
    units = {"k": "1/(nM*min)", "s": "a.u.", "n": None}
    assert unit_text(parse("k/s"), units) in ("1/(a.u.*min*nM)", "1/a.u./min/nM")
    assert unit_text(parse("s/s"), units) == "dimensionless"
    # in the spelling of the model, where units have several
    assert unit_text(parse("V/F"), {"V": "L", "F": "dimensionless"}) == "L"
    assert unit_text(parse("V/F"), {"V": "l", "F": "dimensionless"}) == "l"
    assert unit_text(parse("CL/V"), {"CL": "uL/h", "V": "mg"}) == "uL/h/mg"
    assert unit_text(parse("s*n"), units) is None
    assert unit_text(parse("s + k"), units) is None
