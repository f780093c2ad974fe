"""Geodesics against surfaces on which they are known: a plane, a sphere, a cone's fibre, a fold."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from idfit.reparameterization.geodesic import End, GeodesicOptions, follow, sloppy_directions

FINE = GeodesicOptions(length=3.0, accuracy=1e-8, difference=1e-4)


def sphere(z):
    a, b = z
    return np.array([
        [np.cos(a) * np.cos(b), -np.sin(a) * np.sin(b)],
        [np.cos(a) * np.sin(b), np.sin(a) * np.cos(b)],
        [-np.sin(a), 0.0],
    ])  # fmt: skip


def on_sphere(z):
    a, b = z.T
    return np.array([np.sin(a) * np.cos(b), np.sin(a) * np.sin(b), np.cos(a)]).T


def test_on_a_sphere_it_is_a_great_circle():
    start = np.array([1.0, 0.2])
    path = follow(sphere, start, np.array([0.3, 1.0]), FINE)
    points = on_sphere(path.points)
    normal = np.cross(points[0], sphere(start) @ path.directions[0])
    assert_allclose(points @ normal, 0, atol=1e-6)
    angle = np.arccos(points[0] @ points[-1])
    assert path.distance[-1] == pytest.approx(angle, rel=1e-3)  # the trapezoidal rule between steps
    assert_allclose(np.linalg.norm(path.directions, axis=1), 1, rtol=1e-12)


def test_on_a_plane_it_is_straight():
    """In polar coordinates of the plane too, where lines are bent curves of the coordinates."""

    def polar(z):
        r, a = z
        return np.array([[np.cos(a), -r * np.sin(a)], [np.sin(a), r * np.cos(a)]])

    start = np.array([1.0, 0.0])
    path = follow(polar, start, np.array([0.0, 1.0]), FINE)
    assert_allclose(path.points[:, 0] * np.cos(path.points[:, 1]), 1, atol=1e-6)
    assert path.end is End.LENGTH


def test_along_what_the_data_do_not_see_it_stays_on_the_fibre():
    """Of ln a, ln b only a + b is seen: a → 0 while the sum stays what it is."""

    def total(z):
        return np.exp(z)[None, :]

    start = np.log([2.0, 3.0])
    (direction,) = sloppy_directions(total(start), 1)
    for sense, going in ((1, 0), (-1, 1)):
        away = sense * direction * np.sign(direction[1])
        path = follow(total, start, away)
        assert path.end is End.LIMIT
        assert np.exp(path.points[-1]).sum() == pytest.approx(5, rel=5e-3)
        assert path.directions[-1][going] == pytest.approx(-1, abs=1e-2)


T = np.linspace(0.2, 5, 12)


def two_rates(z):
    """Predictions exp(-k1 t) + exp(-k2 t) in units of an sd of 0.01."""
    k = np.exp(z)
    return -T[:, None] * k * np.exp(-np.outer(T, k)) / 0.01


@pytest.mark.parametrize(("start", "gap"), [([0.0, 0.7], 0.002), ([0.0, 3.0], 0.02)])
def test_two_exponentials_fold_where_their_rates_are_equal(start, gap):
    direction = sloppy_directions(two_rates(np.array(start)), 1)[0]
    inwards = direction * -np.sign(direction @ np.array([-1.0, 1]))
    path = follow(two_rates, np.array(start), inwards)
    assert path.end is End.FOLD
    assert abs(np.diff(path.points[-1])[0]) < gap
    assert path.growth > 10


def test_outwards_the_faster_rate_goes_to_infinity():
    start = np.array([0.0, 0.7])
    direction = sloppy_directions(two_rates(start), 1)[0]
    path = follow(two_rates, start, direction * np.sign(direction @ np.array([-1.0, 1])))
    assert path.end is End.LIMIT
    assert_allclose(path.directions[-1], [0, 1], atol=1e-3)
    # geodesics are as long as the boundary is away: the remaining exponential then fits best from here
    assert 1 < path.distance[-1] < 100


def test_a_bound_ends_it():
    path = follow(sphere, np.array([1.0, 0.0]), np.array([0.0, 1.0]), FINE, upper=np.array([np.inf, 0.5]))
    assert path.end is End.BOUND
    assert path.points[-1][1] == pytest.approx(0.5)


def test_budgets_and_failures_are_fates():
    start, direction = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert follow(sphere, start, direction, GeodesicOptions(budget=10)).end is End.BUDGET
    nowhere = follow(lambda z: None, start, direction)
    assert nowhere.end is End.FAILED
    assert_allclose(nowhere.points, [start])
    edge = follow(lambda z: sphere(z) if z[1] < 0.5 else None, start, direction)
    assert edge.end is End.FAILED
    assert len(edge.length) > 1


def test_what_is_not_seen_comes_as_directions_of_few_coordinates():
    """Of a, b, c, d only the sum of the logarithms of two pairs is seen."""
    seen = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]])
    for direction in sloppy_directions(seen, 2):
        assert sorted(np.round(np.abs(direction), 6)) == pytest.approx([0, 0, 0.707107, 0.707107], abs=1e-6)
    assert_allclose(seen @ sloppy_directions(seen, 2).T, 0, atol=1e-12)
