"""The schema of results: what fits in, what is refused, and what the codes say."""

from __future__ import annotations

import numpy as np
import pytest

from idfit.results import GROUPS, BoundSide, Status, dataset


def fit_variables(n_starts=3, n_parameters=2, n_optima=1):
    return {
        "theta0": np.zeros((n_starts, n_parameters)),
        "theta": np.ones((n_starts, n_parameters)),
        "objective": np.arange(n_starts, dtype=float),
        "nllh": np.arange(n_starts, dtype=float),
        "status": [Status.CONVERGED] * (n_starts - 1) + [Status.STEP_BUDGET],
        "cluster": [0] * (n_starts - 1) + [-1],
        "optimum": np.ones((n_optima, n_parameters)),
        "optimum_nllh": np.zeros(n_optima),
        "hits": [n_starts - 1],
        "hit_rate": [(n_starts - 1) / n_starts],
        "estimate": np.ones(n_parameters),
    }


FIT_COORDS = {"parameter": ["k1", "k2"], "scale": ["log10", "lin"]}


def test_a_fit_carries_units_long_names_and_labels():
    ds = dataset("fit", fit_variables(), FIT_COORDS | {"unit": ["1/min", "nM"]}, {"seed": 1})
    assert ds["status_label"].values.tolist() == ["converged", "converged", "step_budget"]
    meanings = dict(
        zip(ds["status"].attrs["flag_values"], ds["status"].attrs["flag_meanings"].split(), strict=True)
    )
    assert meanings[10] == "step_budget"
    assert len(meanings) == len(Status)
    assert ds["estimate"].attrs["units_in"] == "unit(parameter)"
    assert ds["unit"].sel(parameter="k1") == "1/min"
    assert ds.attrs == {"seed": 1}
    assert all(variable.attrs["long_name"] for variable in ds.variables.values())
    assert all(array.dtype != object for array in ds.variables.values())


def test_what_was_not_computed_is_nan_or_minus_one():
    ds = dataset("fit", fit_variables(), FIT_COORDS)
    assert ds["standard_error"].shape == (2, 2)
    assert np.isnan(ds["standard_error"]).all()
    assert (ds["n_evaluations"] == -1).all()
    assert ds["at_bound_label"].values.tolist() == ["inside", "inside"]
    assert ds["space"].values.tolist() == ["estimation", "natural"]


def test_condition_is_both_a_coordinate_of_measurements_and_a_dim_of_curves():
    ds = dataset(
        "simulation",
        {
            "prediction": [1.0, 2.0, 3.0],
            "trajectory": np.zeros((2, 1, 4)),
            "trajectory_time": np.zeros((2, 4)),
        },
        {
            "condition": ["a", "a", "b"],
            "observable": ["y", "y", "y"],
            "time": [0.0, 1.0, np.inf],
            "trajectory_condition": ["a", "b"],
            "trajectory_observable": ["y"],
        },
    )
    assert ds["prediction"].sel(measurement=ds["condition"] == "a").values.tolist() == [1.0, 2.0]
    assert ds["trajectory"].sel(trajectory_condition="b").shape == (1, 4)
    assert ds["status_label"] == "not_reached"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nlllh": np.zeros(3)}, "'nllh' meant"),
        ({"theta": np.ones((2, 3))}, "along"),
        ({"theta": np.ones(3)}, "start, parameter"),
        ({"hits": [1.5]}, "must be int"),
        ({"nllh": ["a", "b", "c"]}, "must be float"),
        ({"status": [1, 2, 99]}, "99"),
    ],
)
def test_what_the_schema_does_not_know_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        dataset("fit", fit_variables() | change, FIT_COORDS)


def test_a_missing_variable_or_coordinate_is_named():
    variables = fit_variables()
    del variables["nllh"]
    with pytest.raises(ValueError, match="needs 'nllh'"):
        dataset("fit", variables, FIT_COORDS)
    with pytest.raises(ValueError, match="'parameter' must be given"):
        dataset("fit", fit_variables(), {"scale": ["lin", "lin"]})


def test_every_dim_has_a_coordinate_and_no_dim_is_a_variable():
    for group in GROUPS.values():
        dims = {dim for row in [*group.coords.values(), *group.variables.values()] for dim in row.dims}
        assert dims <= set(group.coords)
        assert not dims & set(group.variables)


def test_status_sentences_are_unique_and_codes_fixed():
    assert len({status.sentence for status in Status}) == len(Status)
    codes = {
        "OK": 0,
        "CONVERGED": 1,
        "STEP_BUDGET": 10,
        "OUT_OF_BOUNDS": 18,
        "NOT_REACHED": 30,
    }
    assert {name: int(Status[name]) for name in codes} == codes
    assert not Status.STEP_BUDGET.usable
    assert Status.STALLED.usable
    assert [int(side) for side in BoundSide] == [-1, 0, 1]
