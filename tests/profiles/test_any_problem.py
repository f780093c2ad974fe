"""Properties of profiles over small random problems: above all, no open side ever gets a finite limit."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

import idfit
from idfit.profiles import profile
from tests.problems import estimated
from tests.profiles.problems_of_profiles import regression

# formulas of two positive parameters: determined, flat, saturating, limited on one side only
FORMULAS = (
    "a",
    "b",
    "a*b",
    "a/b",
    "a + b",
    "a/(1 + a)",
    "1/(1 + a)",
    "b/(1 + b)",
    "exp(-a)",
    "a*a",
    "0*a + b",
)
RISE = stats.chi2.ppf(0.95, 1) / 2


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    formulas=st.lists(st.sampled_from(FORMULAS), min_size=1, max_size=3, unique=True),
    values=st.lists(st.floats(-1.0, 3.0), min_size=3, max_size=3),
    weight=st.sampled_from([0.3, 1.0, 5.0, 30.0]),
    scale=st.sampled_from(["lin", "log10"]),
    method=st.sampled_from(["path", "endpoints"]),
)
def test_a_limit_is_finite_only_where_the_objective_with_the_value_held_has_risen(
    formulas, values, weight, scale, method
):
    low = 0.0 if scale == "lin" else 1e-3
    problem = regression(
        {f"y{i}": f"{weight}*({f})" for i, f in enumerate(formulas)},
        {name: estimated(1.0, low, 1e2, scale) for name in ("a", "b")},
        {f"y{i}": weight * v for i, v in zip(range(len(formulas)), values, strict=False)},
    )
    if not len(problem.parameters):
        return
    fit = idfit.fit(problem, 6, 1)
    profiles = profile(problem, fit, method=method)
    space = problem.parameters
    for i, name in enumerate(profiles["profiled"].values.tolist()):
        at = profiles.isel(profiled=i, ci_prob=0)
        for k, bound in enumerate(("lower", "upper")):
            limit = float(at["interval"].sel(space="estimation", ci_bound=bound))
            status = str(at["side_status_label"].sel(ci_bound=bound).values)
            end = (space.lower_scaled, space.upper_scaled)[k][space.names.index(name)]
            if np.isfinite(limit) and status == "crossed":
                # by another way: the parameter held there, the other refitted from many starts
                assert held(problem, name, limit) - profiles.attrs["objective"] >= RISE - 1e-3
            elif status == "domain_bound":
                assert limit == end == 0.0
            else:
                assert limit == (-np.inf, np.inf)[k]
        if str(at["verdict_label"].values) == "identifiable":
            assert np.isfinite(at["interval"].sel(space="estimation")).all()


def held(problem: idfit.Problem, name: str, value: float) -> float:
    natural = value if problem.parameters.scale[0] == "lin" else 10.0**value
    fixed = problem.fix(**{name: natural})
    if not len(fixed.parameters):
        return float(fixed.objective()(np.empty(0), 0).objective)
    return float(idfit.fit(fixed, 8, 2)["objective"].min())
