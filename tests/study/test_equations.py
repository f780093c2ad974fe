"""What is asked of the equations before a fit: what is stored and said, and that it never stops a run."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import idfit
from idfit.errors import InputError
from idfit.results import StructuralVerdict, Verdict, dataset
from idfit.structural import assess
from idfit.study import pipeline
from idfit.study.analyses import FunctionTable, ProfilesTable, StructureTable
from idfit.study.joined import joined
from idfit.study.kept import as_result, from_result
from idfit.study.pipeline import Means, extend_run, run_recipe
from tests.reporting import allowed, determined
from tests.study.decay import decay_recipe

# the amplitude is a product of which only the product is seen
PRODUCT = """idfit = 1
[parameters]
a = { value = 1, min = 0.1, max = 10, scale = "log10" }
b = { value = 1, min = 0.1, max = 10, scale = "log10" }
k = { value = 1, min = 1e-2, max = 1e2, scale = "log10" }
[states]
A = { init = "a*b" }
[odes]
A = "-k*A"
[observables]
y = { formula = "A", noise = 0.1 }
"""


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr(pipeline, "write_products", lambda study, directory, say: [])


def product_recipe(folder, **tables):
    recipe = decay_recipe(folder, **tables)
    (folder / "model.toml").write_text(PRODUCT)
    data = [row.split(",")[1:4] for row in (folder / "data.csv").read_text().splitlines()]
    (folder / "data.csv").write_text("\n".join(",".join(row) for row in data if row[1] != "z") + "\n")
    return recipe


def verdicts_of(structure: xr.Dataset) -> dict[str, str]:
    names, labels = (structure[v].values.tolist() for v in ("quantity", "verdict_label"))
    return dict(zip(names, labels, strict=True))


def test_a_product_is_named_before_the_fit_and_its_factors_are_structural_after_the_profiles(tmp_path):
    recipe = product_recipe(
        tmp_path,
        profiles=ProfilesTable(parameters=["a", "k"]),
        functions={"amplitude": FunctionTable(formula="a*b")},
    )
    outcome = run_recipe(recipe, "new", Means())
    found = verdicts_of(outcome.study["structure"].to_dataset())
    assert (found["a"], found["b"]) == ("nonidentifiable", "nonidentifiable")
    assert found["k"] == found["amplitude"] == "at_least_local"
    (warning,) = [f for f in outcome.findings if "structurally" in f.rule]
    assert (warning.severity, warning.rule) == (
        "warning",
        "structurally non-identifiable: a, b (only a*b is determined)",
    )
    assert outcome.study["combinations"]["formula"].values.tolist().count("a*b") == 1
    profiles = outcome.study["profiles"].to_dataset()
    assert [Verdict(int(v)) for v in profiles["verdict"]] == [Verdict.STRUCTURAL, Verdict.IDENTIFIABLE]
    assert profiles["verdict_label"].values.tolist() == ["structural", "identifiable"]
    assert "the equations agree" in str(profiles["reason"].values[0])
    assert idfit.open_study(tmp_path / "run").identical(outcome.study)


def test_what_is_decided_is_asked_before_anything_is_fitted(tmp_path):
    said = []
    run_recipe(decay_recipe(tmp_path), "new", Means(say=said.append))
    at = [next(i for i, line in enumerate(said) if words in line) for words in ("equations", "fitting")]
    assert at[0] < at[1]


def test_it_can_be_switched_off(tmp_path):
    outcome = run_recipe(decay_recipe(tmp_path, structure=StructureTable(enabled=False)), "new", Means())
    assert "structure" not in outcome.study.children


@pytest.mark.parametrize(("step", "kept"), [(False, False), (True, True)])
def test_an_analysis_that_fails_is_a_warning_and_the_fit_goes_on(tmp_path, monkeypatch, step, kept):
    """Whether it is the local part that fails or the global one, whose local verdicts are kept."""
    real = assess.assess_structure

    def failing(problem, *, global_, **options):
        if global_ is step:
            raise RecursionError("too deep")
        return real(problem, global_=global_, **options)

    monkeypatch.setattr(assess, "assess_structure", failing)
    outcome = run_recipe(decay_recipe(tmp_path, structure=StructureTable(global_=True)), "new", Means())
    (warning,) = [f for f in outcome.findings if "could not be computed" in f.rule]
    assert "RecursionError: too deep" in warning.rule
    assert outcome.degraded == ()
    assert ("structure" in outcome.study.children) is kept
    assert "too deep" in outcome.study.attrs["findings"]


def test_global_verdicts_are_kept_by_a_run_and_renewed_when_told(tmp_path, monkeypatch):
    """A limit in seconds must not give a resumed run another result than it had."""
    asked = []

    def slow(problem, *, global_, time_limit, **options):
        verdict = StructuralVerdict.AT_LEAST_LOCAL
        if global_:
            asked.append(time_limit)
            verdict = StructuralVerdict.GLOBAL if len(asked) == 1 else StructuralVerdict.UNDETERMINED
        return made(verdict, time_limit)

    monkeypatch.setattr(assess, "assess_structure", slow)
    recipe = decay_recipe(tmp_path, structure=StructureTable(global_=True))
    first = run_recipe(recipe, "new", Means())
    assert set(verdicts_of(first.study["structure"].to_dataset()).values()) == {"global"}
    again = run_recipe(recipe, "resume", Means())
    assert again.study.identical(first.study)
    assert asked == [10.0]
    with pytest.raises(InputError, match=r"R18.*structure.time_limit is '20.0', and was '10.0'"):
        extend_run(tmp_path / "run", {"structure": {"time_limit": 20.0}}, Means())
    renewed = extend_run(tmp_path / "run", {"structure": {"time_limit": 20.0}}, Means(), renew=True)
    assert asked == [10.0, 20.0]
    assert set(verdicts_of(renewed.study["structure"].to_dataset()).values()) == {"undetermined"}
    assert any("do not decide whether a, k" in f.rule for f in renewed.findings)


def made(verdict: StructuralVerdict, time_limit: float) -> xr.Dataset:
    return dataset(
        "structure",
        {
            "formula": ["a", "k"],
            "verdict": [int(verdict)] * 2,
            "decided_by": ["a test"] * 2,
            "involved": np.zeros((0, 2), bool),
            "rank": [1, 2],
            "n_unknowns": 2,
            "nullity": 0,
        },
        {"quantity": ["a", "k"], "kind": ["parameter"] * 2},
        {"assumptions": "one\ntwo", "time_limit": time_limit, "primes": [3, 5]},
    )


def test_functions_that_are_added_to_a_run_get_a_verdict_too(tmp_path):
    run_recipe(product_recipe(tmp_path), "new", Means())
    added = extend_run(tmp_path / "run", {"functions": {"life": "ln(2)/k", "ratio": "a/b"}}, Means())
    found = verdicts_of(added.study["structure"].to_dataset())
    assert (found["life"], found["ratio"]) == ("at_least_local", "nonidentifiable")
    functions = added.study["function_profiles"].to_dataset()
    assert functions["verdict_label"].values.tolist() == ["identifiable", "structural"]


@pytest.mark.parametrize(
    "group", [allowed.structure(), allowed.combinations(), made(StructuralVerdict.LOCAL, 3)]
)
def test_a_group_survives_the_journal(group):
    name = "combinations" if "combination" in group.dims else "structure"
    assert from_result(name, as_result(group)).identical(group)


def test_a_flat_profile_is_structural_only_if_the_equations_agree():
    profiles = determined.profiles()
    profiles["verdict"][:] = int(Verdict.FLAT)
    profiles["verdict"][0] = int(Verdict.OPEN_ABOVE)
    found = joined(profiles, allowed.structure())
    by_name = {
        n: Verdict(int(v)) for n, v in zip(found["profiled"].values, found["verdict"].values, strict=True)
    }
    assert by_name["k_phos"] is by_name["k_imp_homo"] is Verdict.STRUCTURAL
    assert by_name["k_exp_homo"] is Verdict.FLAT
    assert by_name["Epo_degradation_BaF3"] is Verdict.OPEN_ABOVE
    reason = dict(zip(found["profiled"].values, found["reason"].values, strict=True))
    assert reason["k_exp_homo"].startswith("the equations would allow")
    assert reason["sd_pSTAT5A_rel"].startswith("three refits in a row failed above 8.5; the equations would")
    assert joined(profiles, None) is profiles
    assert int(profiles["verdict"].sel(profiled="k_phos")) == int(Verdict.FLAT)  # the given is not changed


@pytest.mark.parametrize(("prior", "verdict"), [(0.0, Verdict.STRUCTURAL), (0.3, Verdict.IDENTIFIABLE)])
def test_limits_that_are_due_to_bounds_alone_are_structural(prior, verdict):
    profiles = determined.profiles()
    profiles["verdict"][:] = int(Verdict.IDENTIFIABLE)
    profiles["nlprior"][:] = prior
    found = joined(profiles, allowed.structure())
    assert Verdict(int(found["verdict"].sel(profiled="k_phos"))) is verdict
    assert Verdict(int(found["verdict"].sel(profiled="k_exp_homo"))) is Verdict.IDENTIFIABLE
