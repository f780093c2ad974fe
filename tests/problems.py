"""Problems whose solutions are known in closed form: what the engine is held against.

An `Oracle` pairs a `Problem` with the solution as a formula of the natural parameters. The formulas accept
complex
numbers, so that their derivatives come from the complex step, exact to rounding and without the code under
test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from idfit.model import Model
from idfit.problem import Problem

LOG_2PI = np.log(2 * np.pi)


@dataclass(frozen=True)
class Oracle:
    """`solution`: natural parameters (parameter,) -> predictions (measurement,); noise is normal with one sd.

    The last estimated parameter is the sd if `estimates_noise`, else sd is 0.1.
    """

    problem: Problem
    solution: Callable[[np.ndarray], np.ndarray]
    estimates_noise: bool = False

    @property
    def values(self) -> np.ndarray:
        return np.array(self.problem.spec.measurements.value)

    def jacobian(self, p: np.ndarray) -> np.ndarray:
        """d prediction / d natural parameter (measurement, parameter)."""
        steps = np.eye(len(p)) * 1e-30j
        return np.array(
            [self.solution(p + step).imag * np.ones(len(self.values)) / 1e-30 for step in steps]
        ).T

    def nllh(self, p: np.ndarray) -> complex:
        """With all constants; p may be complex."""
        sd = p[-1] if self.estimates_noise else 0.1
        residual = (self.solution(p) - self.values) / sd
        return np.sum(residual**2) / 2 + len(self.values) * (np.log(sd) + LOG_2PI / 2)

    def gradient(self, p: np.ndarray) -> np.ndarray:
        """d nllh / d natural parameter."""
        return np.array([self.nllh(p + step).imag / 1e-30 for step in np.eye(len(p)) * 1e-30j])

    def fim(self, p: np.ndarray) -> np.ndarray:
        """Expected information of the natural parameters."""
        sd = p[-1] if self.estimates_noise else 0.1
        fim = self.jacobian(p).T @ self.jacobian(p) / sd**2
        if self.estimates_noise:
            fim[-1, -1] += 2 * len(self.values) / sd**2
        return fim


def estimated(value: float, low: float, high: float, scale: str = "lin", **more: Any) -> dict[str, Any]:
    return {"value": value, "min": low, "max": high, "scale": scale, **more}


def data_at(times: Sequence[float], values: np.ndarray, **columns: Sequence[Any]) -> dict[str, Any]:
    """Tidy data with a deterministic disturbance, so that no residual is zero."""
    disturbance = 0.07 * np.sin(12.9898 * np.arange(1, len(values) + 1))
    return {"time": list(times), "value": list(np.real(values) + disturbance), **columns}


def states_problem(
    odes: Mapping[str, Any],
    initial: Mapping[str, Any],
    values: Mapping[str, float],
    times: Sequence[float],
    *,
    observables: Mapping[str, str] | None = None,
    events: Sequence[Any] = (),
    condition: str | None = None,
    **more: Any,
) -> Problem:
    """Every state (or the given observables) measured as 0 with sd 1 at all times, all values on the
    linear scale, in the named condition if there are several.

    Then ``prediction`` is the states and ``jacobian`` their sensitivities, rows by observable and time.
    """
    observables = observables or {f"of_{state}": state for state in odes}
    model = Model.from_equations(
        odes, observables, list(values), initial, inputs=tuple(more.get("inputs", ())), events=events
    )
    bounds = {k: estimated(v, v - 10 * abs(v) - 1, v + 10 * abs(v) + 1) for k, v in values.items()}
    data = {
        "observable": [o for o in observables for _ in times],
        "time": [t for _ in observables for t in times],
        "value": [0.0] * (len(times) * len(observables)),
    }
    if condition is not None:
        data["condition"] = [condition] * len(data["time"])
    return Problem(model, data, parameters=bounds, noise=dict.fromkeys(observables, 1), **more)


# closed forms -----------------------------------------------------------------------------------------------


def linear_gaussian() -> Oracle:
    """y = a + b t: a regression model without states."""
    times = np.linspace(0, 3, 7)
    model = Model.from_equations({}, {"y": "a + b*t"}, ["a", "b"])

    def solution(p):
        return p[0] + p[1] * times

    data = data_at(times, solution([0.5, -1.2]))
    parameters = {"a": estimated(0.4, -5, 5), "b": estimated(-1.0, -5, 5)}
    return Oracle(Problem(model, data, parameters=parameters, noise={"y": 0.1}), solution)


def exponential_decay() -> Oracle:
    """A' = -k A, A(0) = A0, y = A, on three scales, with estimated noise."""
    times = np.array([0.0, 0.3, 1.0, 2.0, 4.0, 7.5])
    model = Model.from_equations({"A": "-k*A"}, {"y": "A"}, ["k"], {"A": "A0"})

    def solution(p):
        return p[1] * np.exp(-p[0] * times)

    parameters = {
        "k": estimated(0.5, 1e-3, 1e2, "log10"),
        "A0": estimated(2.0, 0, 10),
        "sd": estimated(0.1, 1e-3, 1e1, "log"),
    }
    data = data_at(times, solution([0.6, 2.1]))
    return Oracle(Problem(model, data, parameters=parameters, noise={"y": "sd"}), solution, True)


def product() -> Oracle:
    """y = a b x, x' = -x, x(0) = 1: only the product a b is determined."""
    times = np.linspace(0, 2, 5)
    model = Model.from_equations({"x": "-x"}, {"y": "a*b*x"}, ["a", "b"], {"x": 1})

    def solution(p):
        return p[0] * p[1] * np.exp(-times)

    parameters = {"a": estimated(2.0, 0.01, 100, "log10"), "b": estimated(0.7, 0.01, 100, "log10")}
    return Oracle(
        Problem(model, data_at(times, solution([2, 0.7])), parameters=parameters, noise={"y": 0.1}), solution
    )


def phosphorylation() -> Oracle:
    """P' = kp (1 - P) - kd P, P(0) = 0, y = s P: y = s kp/(kp + kd) (1 - exp(-(kp + kd) t))."""
    times = np.arange(1, 11) / 2
    model = Model.from_equations({"P": "kp*(1 - P) - kd*P"}, {"y": "s*P"}, ["kp", "kd", "s"])

    def solution(p):
        kp, kd, s = p
        return s * kp / (kp + kd) * (1 - np.exp(-(kp + kd) * times))

    parameters = {k: estimated(v, 1e-3, 1e3, "log") for k, v in {"kp": 0.3, "kd": 0.7, "s": 1.0}.items()}
    return Oracle(
        Problem(model, data_at(times, solution([0.3, 0.7, 1])), parameters=parameters, noise={"y": 0.1}),
        solution,
    )


def oscillator() -> Oracle:
    """x'' = -omega^2 x, x(0) = 1, x'(0) = 0: x = cos(omega t)."""
    times = np.linspace(0, 20, 41)
    model = Model.from_equations({"x": "v", "v": "-omega^2*x"}, {"y": "x"}, ["omega"], {"x": 1})

    def solution(p):
        return np.cos(p[0] * times)

    problem = Problem(
        model, data_at(times, solution([2.0])), parameters={"omega": estimated(2.0, 0.2, 6)}, noise={"y": 0.1}
    )
    return Oracle(problem, solution)


DOSE_TIMES = (0.0, 6.0, 12.0)


def bolus() -> Oracle:
    """A' = -CL/V A with F D added at known times, y = A/V; measured at the dose times too, after the dose."""
    times = np.array([0.0, 1.0, 5.9, 6.0, 7.0, 12.0, 20.0])
    model = Model.from_equations({"A": "-CL/V*A"}, {"y": "A/V"}, ["CL", "V", "F"])

    def solution(p):
        cl, v, f = p
        y = np.zeros(len(times), dtype=complex)
        for dose in DOSE_TIMES:
            given = times >= dose
            y[given] += f * 100 / v * np.exp(-cl / v * (times[given] - dose))
        return y if np.iscomplexobj(p) else y.real

    parameters = {
        "CL": estimated(3.0, 0.1, 100, "log"),
        "V": estimated(20.0, 1, 1000, "log10"),
        "F": estimated(0.8, 0.01, 0.99, "logit"),
    }
    conditions = {"oral": {"dose": [{"time": list(DOSE_TIMES), "add": {"A": "100*F"}}]}}
    data = data_at(times, solution(np.array([3.0, 20.0, 0.8])))
    return Oracle(
        Problem(model, data, conditions=conditions, parameters=parameters, noise={"y": 0.1}), solution
    )


KNOTS = np.array([0.0, 0.7, 1.5, 3.0, 4.0, 6.0])
SAMPLES = np.array([0.2, 1.5, -0.4, 2.0, 0.5, 1.0])


def pieces_of(interpolation: str) -> np.ndarray:
    """Coefficients (knot, power) of u on each interval, from (t - knot)^0 on."""
    c = np.zeros((len(KNOTS), 4))
    c[:, 0] = SAMPLES
    if interpolation == "linear":
        c[:-1, 1] = np.diff(SAMPLES) / np.diff(KNOTS)
    if interpolation == "cubic":
        c[:-1] = CubicSpline(KNOTS, SAMPLES, bc_type="natural").c[::-1].T
    return c


def driven(interpolation: str) -> Oracle:
    """x' = -k x + g u(t), x(0) = x0, y = x + u, with u from samples; times on and between the knots."""
    times = np.array([0.0, 0.35, 0.7, 1.0, 1.5, 2.9, 3.0, 3.7, 4.0, 5.5, 6.0])
    model = Model.from_equations({"x": "-k*x + g*u"}, {"y": "x + u"}, ["k", "g"], {"x": "x0"}, inputs=["u"])
    coefficients = pieces_of(interpolation)

    def solution(p):
        k, g, x = p
        y = np.zeros(len(times), dtype=complex)
        for i, (start, c) in enumerate(zip(KNOTS, coefficients, strict=True)):
            # the particular solution is a polynomial, the homogeneous one an exponential
            q = np.zeros(5, dtype=complex)
            for power in (3, 2, 1, 0):
                q[power] = (g * c[power] - (power + 1) * q[power + 1]) / k
            end = KNOTS[i + 1] if i + 1 < len(KNOTS) else np.inf
            own = (times >= start) & (times < end)
            d = times[own] - start
            y[own] = np.polyval(q[3::-1], d) + (x - q[0]) * np.exp(-k * d) + np.polyval(c[::-1], d)
            if np.isfinite(end):
                x = np.polyval(q[3::-1], end - start) + (x - q[0]) * np.exp(-k * (end - start))
        return y if np.iscomplexobj(p) else y.real

    parameters = {
        "k": estimated(0.8, 0.01, 10, "log"),
        "g": estimated(1.3, -5, 5),
        "x0": estimated(0.5, -5, 5),
    }
    inputs = {"u": {"times": KNOTS, "values": SAMPLES, "interpolation": interpolation}}
    data = data_at(times, solution(np.array([0.8, 1.3, 0.5])))
    return Oracle(Problem(model, data, parameters=parameters, noise={"y": 0.1}, inputs=inputs), solution)


ORACLES: dict[str, Callable[[], Oracle]] = {
    "linear-Gaussian": linear_gaussian,
    "exponential decay": exponential_decay,
    "product": product,
    "phosphorylation": phosphorylation,
    "oscillator": oscillator,
    "bolus": bolus,
    "step input": lambda: driven("step"),
    "linear input": lambda: driven("linear"),
    "cubic input": lambda: driven("cubic"),
}
