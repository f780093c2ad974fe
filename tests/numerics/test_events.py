"""Events and switches at unknown times, held against closed forms: values and sensitivities."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from idfit.expressions import parse
from idfit.model import Event
from idfit.results import Status
from tests.problems import states_problem


def with_events(odes, initial, values, times, events, observed=None):
    observables = {f"of_{state}": state for state in observed or odes}
    return states_problem(odes, initial, values, times, observables=observables, events=events)


def evaluated(problem, rtol=1e-11):
    ev = problem.objective(rtol, 1e-14)(problem.parameters.nominal_scaled)
    assert ev.status is Status.OK
    return ev.prediction, ev.prediction_jacobian


def complex_step(solution, values):
    p = np.array(list(values), dtype=float)
    return np.array([solution(*(p + step)).imag for step in np.eye(len(p)) * 1e-30j]).T / 1e-30


def close(problem, solution, values, rtol=1e-8):
    prediction, jacobian = evaluated(problem)
    exact = complex_step(solution, values.values())
    np.testing.assert_allclose(prediction, solution(*values.values()).real, rtol=rtol, atol=1e-10)
    np.testing.assert_allclose(jacobian, exact, rtol=rtol, atol=1e-8)


class TestBouncingBall:
    """h'' = -g, and at h = 0 the speed turns round and loses a part."""

    VALUES: ClassVar = {"g": 9.81, "r": 0.8, "h0": 10.0}
    TIMES = np.array([0.5, 1.0, 1.6, 2.4, 3.3, 4.0, 5.0])

    @staticmethod
    def solution(g, r, h0):
        out = []
        for t in TestBouncingBall.TIMES:
            fall = np.sqrt(2 * h0 / g)
            start, speed = fall, r * g * fall
            if t < fall.real:
                out.append(h0 - g * t**2 / 2)
                continue
            while t > (start + 2 * speed / g).real:
                start, speed = start + 2 * speed / g, speed * r
            out.append(speed * (t - start) - g * (t - start) ** 2 / 2)
        return np.array(out)

    def test_height_and_its_derivatives_after_several_bounces(self):
        problem = with_events(
            {"h": "v", "v": "-g"}, {"h": "h0", "v": 0}, self.VALUES, self.TIMES,
            [("h < 0", {"v": "-r*v"})], ["h"],
        )  # fmt: skip
        close(problem, self.solution, self.VALUES)


class TestThresholdDosing:
    """x' = -k x; whenever x falls below c, d is added."""

    VALUES: ClassVar = {"k": 0.7, "c": 0.3, "d": 1.5, "x0": 2.0}
    TIMES = np.array([1.0, 2.0, 3.0, 5.0, 8.0])

    @staticmethod
    def solution(k, c, d, x0):
        out = []
        for t in TestThresholdDosing.TIMES:
            start, x = 0.0, x0
            while t > (start + np.log(x / c) / k).real:
                start, x = start + np.log(x / c) / k, c + d
            out.append(x * np.exp(-k * (t - start)))
        return np.array(out)

    def test_values_and_derivatives(self):
        problem = with_events(
            {"x": "-k*x"}, {"x": "x0"}, self.VALUES, self.TIMES, [("x < c", {"x": "x + d"})]
        )
        close(problem, self.solution, self.VALUES)

    def test_with_a_delay_and_values_from_the_trigger(self):
        values = {"k": 0.7, "c": 0.3, "w": 0.4, "x0": 2.0}

        def solution(k, c, w, x0):
            at = np.log(x0 / c) / k + w
            return np.array(
                [
                    x0 * np.exp(-k * t) if t < at.real else 2 * c * np.exp(-k * (t - at))
                    for t in (1.0, 3.0, 4.0)
                ]
            )

        def problem(from_trigger, change):
            event = Event(parse("x < c"), (("x", parse(change)),), parse("w"), from_trigger=from_trigger)
            return with_events({"x": "-k*x"}, {"x": "x0"}, values, [1.0, 3.0, 4.0], [event])

        close(problem(True, "2*x"), solution, values)
        # the same value said at the time of execution
        close(problem(False, "2*x*exp(k*w)"), solution, values)


class TestSwitches:
    def test_a_jump_of_the_right_hand_side_at_a_threshold(self):
        """x' = a below the threshold c, b above it."""
        values = {"a": 1.0, "b": 0.25, "c": 1.5}
        problem = with_events({"x": "piecewise(a, x < c, b)"}, {}, values, [1.0, 2.0, 4.0], [])

        def solution(a, b, c):
            return np.array([a * t if t < (c / a).real else c + b * (t - c / a) for t in (1.0, 2.0, 4.0)])

        close(problem, solution, values)

    def test_a_jump_at_an_estimated_time(self):
        values = {"a": 1.0, "b": 3.0, "s": 1.3}
        problem = with_events({"x": "piecewise(a, t < s, b)*x"}, {"x": 1}, values, [1.0, 2.0], [])
        close(problem, lambda a, b, s: np.array([np.exp(a), np.exp(a * s + b * (2 - s))]), values)

    def test_a_condition_that_is_not_linear_in_time(self):
        values = {"k": 2.0}
        problem = with_events({"x": "piecewise(k, sin(t) > 0, 0)"}, {}, values, [3.0, 5.0, 7.0], [])
        up = np.array([3.0, np.pi, np.pi + 7.0 - 2 * np.pi])
        close(problem, lambda k: k * up, values)

    def test_a_sign_of_a_state(self):
        """Coulomb friction: v' = -m sign(v), a constant force f that overcomes it later is absent."""
        values = {"m": 1.0, "v0": -1.0, "f": 1.5}
        problem = with_events({"v": "f - m*sign(v)"}, {"v": "v0"}, values, [0.2, 1.0], [])

        def solution(m, v0, f):
            stop = -v0 / (f + m)
            return np.array([v0 + (f + m) * 0.2, (f - m) * (1 - stop)])

        close(problem, solution, values)

    def test_sticking_is_named_as_switching_without_end(self):
        problem = with_events({"v": "f - m*sign(v)"}, {"v": 1}, {"m": 1.0, "f": 0.2}, [3.0], [])
        ev = problem.objective(1e-8)(problem.parameters.nominal_scaled)
        assert ev.status is Status.EVENTS_WITHOUT_END


class TestSemantics:
    TIMES = np.array([0.0, 1.0, 2.0])

    def values_of(self, events, odes=None, initial=None, observed="x"):
        odes = odes or {"x": "0", "y": "0"}
        problem = with_events(odes, initial or {"x": 1}, {"k": 1.0}, self.TIMES, events, [observed])
        return list(evaluated(problem)[0])

    def test_an_output_at_an_event_is_taken_after_it(self):
        assert self.values_of([("t >= 1", {"x": 5})]) == [1, 5, 5]

    def test_what_is_true_at_the_start_is_no_event_unless_it_was_false_before(self):
        late = Event(parse("t >= 0"), (("x", parse("7")),), initial=False)
        assert self.values_of([("t >= 0", {"x": 7})]) == [1, 1, 1]
        assert self.values_of([late]) == [7, 7, 7]

    def test_an_event_exactly_at_the_last_output_happens(self):
        problem = with_events({"x": "1", "y": "0"}, {}, {"k": 1.0}, self.TIMES, [("x >= 2", {"y": 1})], ["y"])
        assert list(evaluated(problem)[0]) == [0, 0, 1]

    def test_priorities_decide_among_simultaneous_events(self):
        events = [
            Event(parse("t >= 1"), (("x", parse("2*x")),), priority=parse("1"), from_trigger=False),
            Event(parse("t >= 1"), (("x", parse("x + 3")),), priority=parse("2"), from_trigger=False),
        ]
        assert self.values_of(events) == [1, 8, 8]

    def test_one_event_triggers_another(self):
        events = [("t >= 1", {"y": 1}), ("y > 0.5", {"x": 9})]
        assert self.values_of(events) == [1, 9, 9]

    def test_a_delayed_event_is_dropped_if_it_has_to_persist(self):
        kept = Event(parse("t >= 0.5 && t < 0.7"), (("x", parse("5")),), parse("1"))
        dropped = Event(parse("t >= 0.5 && t < 0.7"), (("x", parse("5")),), parse("1"), persistent=False)
        assert self.values_of([kept]) == [1, 1, 5]
        assert self.values_of([dropped]) == [1, 1, 1]

    def test_equality_holds_for_an_instant(self):
        assert self.values_of([("t == 1", {"x": "x + 1"})]) == [1, 2, 2]

    def test_events_without_end_are_named(self):
        events = [("t >= 1 && x < 1", {"x": 2}), ("t >= 1 && x > 1", {"x": 0})]
        problem = with_events({"x": "0"}, {"x": 0}, {"k": 1.0}, [2.0], events)
        ev = problem.objective()(problem.parameters.nominal_scaled)
        assert ev.status is Status.EVENTS_WITHOUT_END


class TestChangesInTime:
    def test_a_parameter_changes_at_a_known_time(self):
        dose = [{"time": 1.0, "set": {"k": "2*k + d"}}]
        values = {"k": 0.5, "d": 0.25}
        problem = states_problem(
            {"x": "-k*x"}, {"x": 1}, values, [0.5, 2.0], conditions={"c": {"dose": dose}}
        )
        close(problem, lambda k, d: np.exp(np.array([-0.5 * k, -k - (2 * k + d)])), values)

    def test_a_dose_that_depends_on_states_is_given_all_at_once(self):
        dose = [{"time": 1.0, "set": {"x": "y + k*x", "y": "x"}}]
        values = {"k": 0.5}
        problem = states_problem(
            {"x": "-k*x", "y": "0"}, {"x": 1, "y": 3}, values, [1.0], conditions={"c": {"dose": dose}}
        )
        close(problem, lambda k: np.array([3 + k * np.exp(-k), np.exp(-k)]), values)

    def test_initial_values_may_use_each_other(self):
        values = {"a": 2.0}
        problem = states_problem({"x": "0", "y": "0"}, {"x": "a*y", "y": "a + 1"}, values, [0.0])
        close(problem, lambda a: np.array([a * (a + 1), a + 1]), values)


@pytest.mark.parametrize("rtol", [1e-6, 1e-9, 1e-12])
def test_the_time_of_an_event_is_as_good_as_the_tolerance(rtol):
    values = {"k": 1.0, "c": 0.5}
    problem = with_events({"x": "-k*x"}, {"x": 1}, values, [2.0], [("x < c", {"x": 2})])
    ev = problem.objective(rtol, 1e-14)(problem.parameters.nominal_scaled)
    exact = 2 * np.exp(-(2 - np.log(2)))
    assert ev.prediction[0] == pytest.approx(exact, rel=20 * rtol)
