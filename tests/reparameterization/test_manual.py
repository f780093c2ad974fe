"""New parameters of the user's own."""

from __future__ import annotations

import math

import pytest

from idfit.errors import InputError
from idfit.expressions import parse, to_text
from idfit.model import Model
from idfit.reparameterization import prove, reparameterization_of, reparameterize
from tests.problems import exponential_decay, phosphorylation


def test_a_ratio_in_the_place_of_a_rate():
    old = phosphorylation().problem
    maps = reparameterization_of(old, manual={"kd_over_kp": "kd/kp"}, replacing=["kd"])
    new = maps.apply(old)
    assert new.parameters.names == ("kp", "kd_over_kp", "s")
    assert new.spec.odes["P"] == to_text(parse("kp*(1 - P) - kd_over_kp*kp*P")) or maps.back["kd"] == parse(
        "kd_over_kp*kp"
    )
    proof = prove(old, new, maps)
    assert proof["same_nllh"]
    assert proof["same_predictions"]
    assert not proof["full_rank"], "s and kp are still undetermined: nothing was held"
    assert (int(proof["rank"]), int(proof["n_unknowns"])) == (2, 3)


def test_what_is_replaced_is_inferred():
    old = phosphorylation().problem
    maps = reparameterization_of(old, manual={"total": "kp + kd", "amplitude": "s*kp"}, keep=["kp"])
    assert set(maps.back) == {"kd", "s"}
    new = maps.apply(old)
    assert set(new.parameters.names) == {"kp", "total", "amplitude"}
    assert prove(old, new, maps)["same_nllh"]


def test_manual_parameters_with_one_that_is_held():
    old = phosphorylation().problem
    maps = reparameterization_of(
        old, manual={"total": "kp + kd", "amplitude": "s*kp"}, replacing=["kp", "s"], normalise={"kd": 0}
    )
    proof = prove(old, maps.apply(old), maps)
    assert proof["full_rank"]
    assert proof["same_nllh"]


def test_holding_what_the_data_determine_is_found_out():
    old = exponential_decay().problem
    maps = reparameterization_of(old, manual={"start": "2*A0"}, replacing=["A0"], normalise={"k": 0.5})
    proof = prove(old, maps.apply(old), maps)
    assert not proof["same_predictions"]
    assert not proof["same_nllh"]


def test_functions_are_undone():
    old = exponential_decay().problem
    maps = reparameterization_of(old, manual={"half_life": "log(2)/k", "log_start": "log(A0 + 1)"})
    new = maps.apply(old)
    assert new.parameters.names == ("half_life", "log_start", "sd")
    space = dict(zip(new.parameters.names, new.parameters.lower, strict=True))
    assert space == pytest.approx({"half_life": math.log(2) / 1e2, "log_start": 0, "sd": 1e-3})
    assert prove(old, new, maps)["same_nllh"]


def test_a_model_with_starts_in_the_formulas():
    model = Model.from_equations({"x": "-k*x", "z": "k*x"}, {"y": "s*z"}, ["k", "s"])
    maps = reparameterization_of(model, manual={"signal": "s*x"}, replacing=["x"])
    new = maps.apply(model)
    assert dict(zip(new.states, map(to_text, new.initial), strict=True))["x"] == "signal/s"
    assert prove(model, new, maps)["same_predictions"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"manual": {"u": "a*kp"}}, "u = a\\*kp: 'a' - is not an unknown parameter"),
        ({"manual": {"kp": "kd/2"}}, "'kp' - is a name that the model has already"),
        ({"manual": {"k p": "kd/2"}}, "'k p' - is not a name"),
        ({"manual": {"u": "kp + kd"}, "replacing": ["s"]}, "cannot be solved for s"),
        ({"manual": {"u": "kp + kd", "v": "kp*kd"}}, "cannot be solved for"),
        ({"manual": {"u": "kp + exp(kp)"}}, "cannot be solved for kp"),
        ({"manual": {"u": "kp*kd"}, "keep": ["kp", "kd"]}, "any of the old parameters"),
        ({"manual": {"u": "kp*kd"}, "replacing": ["kp", "kd"]}, "1 new parameter"),
        ({"manual": {"u": "kp*kd"}, "replacing": ["q"]}, "'q' - is not an unknown parameter"),
        ({"manual": {"u": "kp*kd"}, "combos": "given"}, "combos and manual"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(InputError, match=message):
        reparameterize(phosphorylation().problem, **arguments)
