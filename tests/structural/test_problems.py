"""Questions about problems: their own starts, doses, fixed numbers and noise, against closed forms."""

from __future__ import annotations

from pathlib import Path

import pytest

import idfit
from idfit.errors import InputError
from idfit.model import Model
from idfit.problem import Problem
from idfit.structural.assess import assess_structure

ROOT = Path(__file__).parents[2]


def verdicts(problem: Problem, **options) -> dict[str, str]:
    found = assess_structure(problem, global_=False, **options)
    return dict(zip(found["quantity"].values.tolist(), found["verdict_label"].values.tolist(), strict=True))


def decay(
    conditions=None, *, initial="A0", times=(1.0, 2.0), noise="sd", observable="s*A", data=None, fixed=()
):
    model = Model.from_equations({"A": "-k*A"}, {"y": observable}, ["k", "s", "A0"], {"A": initial})
    conditions = conditions or {"one": {}}
    data = data or [(c, t) for c in conditions for t in times]
    table = {
        "condition": [c for c, _ in data],
        "time": [t for _, t in data],
        "observable": ["y"] * len(data),
        "value": [1.0] * len(data),
    }
    names = {"k": 0.3, "s": 2.0, "A0": 1.0, "sd": 0.1}
    parameters = {n: {"value": v, "min": 1e-3, "max": 1e3, "scale": "log10"} for n, v in names.items()}
    for name in fixed:
        parameters[name] = {"value": names[name], "fixed": True}
    return Problem(model, table, conditions, parameters, noise={"y": noise})


def test_the_product_of_scale_and_start():
    found = verdicts(decay(), functions={"product": "s*A0"})
    assert found["k"] == found["product"] == "at_least_local"
    assert found["s"] == found["A0"] == "nonidentifiable"
    assert found["A(0)"] == found["A(t)"] == "nonidentifiable"
    assert found["sd"] == "global"


def test_a_fixed_parameter_is_a_known_number():
    found = verdicts(decay(fixed=["s"]))
    assert found["A0"] == found["A(t)"] == "at_least_local"


def test_two_experiments_say_more_than_one():
    """y = s·A0·exp(-k·t) and y = s·2·exp(-k·t)."""
    assert verdicts(decay({"one": {}, "two": {"set": {"A": 2.0}}}))["s"] == "at_least_local"
    assert verdicts(decay({"one": {}, "two": {"set": {"k": 0.1}}}))["s"] == "nonidentifiable"


def test_a_dose_at_the_start_is_part_of_the_start():
    """A(0) = A0 + 3."""
    found = verdicts(decay({"one": {"dose": [{"time": 0, "add": {"A": 3}}]}, "two": {}}))
    assert found["s"] == found["A0"] == "at_least_local"


def test_a_later_dose_of_known_size_tells_the_scale():
    """y = s·(A + 3) from 1.5 on."""
    found = verdicts(decay({"one": {"dose": [{"time": 1.5, "add": {"A": 3}}]}}))
    assert found["s"] == found["A0"] == "at_least_local"


def test_a_later_dose_that_scales_with_the_first_tells_nothing():
    found = verdicts(decay({"one": {"dose": [{"time": 1.5, "add": {"A": "2*A0"}}]}}))
    assert found["s"] == found["A0"] == "nonidentifiable"
    assert found["k"] == "at_least_local"


def test_what_follows_is_not_guessed():
    """q shows in z alone, which is not measured before it is added to A at 1.5."""
    model = Model.from_equations({"A": "-k*A", "z": "-q*z^2"}, {"y": "A"}, ["k", "q"], {"A": 1, "z": 1})
    table = {"time": [0.5, 2.0], "observable": ["y", "y"], "value": [1.0, 1.0]}
    parameters = {n: {"value": 0.3, "min": 1e-3, "max": 1e3} for n in "kq"}
    conditions = {"default": {"dose": [{"time": 1.0, "add": {"A": "z"}}]}}
    found = assess_structure(Problem(model, table, conditions, parameters, noise={"y": 0.1}), global_=False)
    assert found["verdict_label"].sel(quantity="k") == "at_least_local"
    assert found["verdict_label"].sel(quantity="q") == "undetermined"
    assert "what follows" in str(found["decided_by"].sel(quantity="q").values)


def test_a_dose_after_the_last_measurement_does_not_matter():
    found = verdicts(decay({"one": {"dose": [{"time": 9, "add": {"A": 3}}]}}))
    assert found["s"] == "nonidentifiable"


def test_an_observable_that_is_measured_at_the_start_only():
    found = verdicts(decay(data=[("one", 0.0)]))
    assert found["k"] == "nonidentifiable"


def test_noise_levels_tell_what_they_are_made_of():
    """The scatter is b·A: with y = s·A it tells b/s, and b alone does not follow."""
    names = verdicts(decay(noise="sd*A"))
    assert names["sd"] == names["s"] == "nonidentifiable"
    assert verdicts(decay(noise="0.1*A"))["s"] == "at_least_local"


def test_branches_that_begin_later():
    model = Model.from_equations({"A": "piecewise(-k*A, t < 1, -q*A)"}, {"y": "A"}, ["k", "q"], {"A": 1})
    table = {"time": [0.5, 2.0], "observable": ["y", "y"], "value": [1.0, 1.0]}
    parameters = {n: {"value": 0.3, "min": 1e-3, "max": 1e3} for n in "kq"}
    found = verdicts(Problem(model, table, {}, parameters, noise={"y": 0.1}))
    assert found == dict.fromkeys(["k", "q", "A(t)"], "at_least_local") | {"A(0)": "global"}


def test_what_the_analysis_does_not_see_is_undetermined():
    model = Model.from_equations(
        {"A": "-k*A"}, {"y": "A"}, ["k", "q"], {"A": 1}, events=[("A < 0.5", {"A": "A + q"})]
    )
    table = {"time": [0.5, 2.0], "observable": ["y", "y"], "value": [1.0, 1.0]}
    parameters = {n: {"value": 0.3, "min": 1e-3, "max": 1e3} for n in "kq"}
    problem = Problem(model, table, {}, parameters, noise={"y": 0.1})
    assert verdicts(problem)["k"] == "at_least_local"
    assert verdicts(problem)["q"] == "undetermined"
    found = assess_structure(problem, global_=False)
    assert "the model's events" in str(found["decided_by"].sel(quantity="q").values)


def test_options_of_models_are_refused():
    with pytest.raises(InputError, match="belong to a question about a Model"):
        assess_structure(decay(), known=["k"])
    with pytest.raises(InputError, match="'B' in k\\*B"):
        assess_structure(decay(), functions={"f": "k*B"})


@pytest.mark.parametrize(
    ("name", "open_parameters"),
    [("soil_carbon", {"k1", "k2", "a12", "a21", "u"}), ("boehm", set()), ("swameye_jakstat", set())],
)
def test_shipped_problems(name, open_parameters):
    problem = idfit.load(ROOT / "models" / f"{name}.toml", ROOT / "data" / f"{name}.csv")
    found = verdicts(problem)
    names = problem.parameters.names
    assert {n for n in names if found[n] == "nonidentifiable"} == open_parameters
    assert {found[n] for n in names} <= {"nonidentifiable", "at_least_local", "global"}


def test_more_values_are_claimed_only_where_nothing_more_follows():
    """ka and ke of an oral dose can be exchanged; a later dose into the plasma tells them apart."""
    model = Model.from_equations(
        {"gut": "-ka*gut", "plasma": "ka*gut*s - ke*plasma"},
        {"y": "plasma"},
        ["ka", "ke", "s"],
        {"gut": 10, "plasma": 0},
    )
    table = {"time": [0.5, 6.0], "observable": ["y", "y"], "value": [1.0, 1.0]}
    parameters = {n: {"value": v, "min": 1e-3, "max": 1e3} for n, v in {"ka": 2, "ke": 0.1, "s": 1}.items()}

    def asked(conditions) -> dict[str, str]:
        found = assess_structure(Problem(model, table, conditions, parameters, noise={"y": 0.1}))
        return dict(
            zip(found["quantity"].values.tolist(), found["verdict_label"].values.tolist(), strict=True)
        )

    alone = asked({})
    assert alone["ka"] == alone["ke"] == alone["s"] == "local"
    followed = asked({"default": {"dose": [{"time": 5.0, "add": {"plasma": 1}}]}})
    assert followed["ka"] == followed["ke"] == "at_least_local"
