"""What equations, information and profiles leave open, held against each other on made-up groups."""

from __future__ import annotations

import numpy as np
import pytest

from idfit.results import Agreement, Verdict
from idfit.study.agreement import agreement
from idfit.study.views import DETERMINED, OPEN, SILENT, VIEWS, Evidence, directions
from tests.reporting import allowed, determined, studies
from tests.reporting.studies import PARAMETERS

A, B = PARAMETERS.index("k_imp_homo"), PARAMETERS.index("k_phos")


def evidence(**changes):
    """The information leaves a direction of k_imp_homo and k_phos open, as the equations do."""
    fit = studies.fit(np.random.default_rng(1))
    fisher = determined.fisher()
    del fisher.attrs["held_at_bound"]
    fisher["null_share"][:] = 0.0
    fisher["null_share"][[A, B]] = 0.5
    profiles = determined.profiles()
    profiles["verdict"][:] = int(Verdict.IDENTIFIABLE)
    profiles["verdict"][[A, B]] = int(Verdict.STRUCTURAL)
    partner = profiles["partner"].values.copy()
    partner[A, 0], partner[B, 0] = "k_phos", "k_imp_homo"
    profiles["partner"] = (("profiled", "rank"), partner)
    given = {"fisher": fisher, "profiles": profiles, "structure": allowed.structure()} | changes
    return Evidence(fit, combinations=allowed.combinations(), **given)


def judged(found: Evidence):
    ds = agreement(
        found.fit, found.fisher, found.profiles, structure=found.structure, combinations=found.combinations
    )
    return {
        name: (Agreement(int(code)), cause, tuple(row))
        for name, code, cause, row in zip(
            ds["parameter"].values.tolist(),
            ds["views"].values,
            ds["views_cause"].values.tolist(),
            ds["open_by_view"].transpose("parameter", "view").values.tolist(),
            strict=True,
        )
    }


def test_the_three_agree_where_all_leave_the_same_open():
    found = judged(evidence())
    assert VIEWS == ("structure", "fisher", "profile")
    assert found["k_phos"] == found["k_imp_homo"] == (Agreement.AGREE, "", (OPEN, OPEN, OPEN))
    assert found["k_exp_homo"] == (Agreement.AGREE, "", (DETERMINED, DETERMINED, DETERMINED))


def test_what_only_these_data_leave_open_is_practical():
    given = evidence()
    given.profiles["verdict"][2] = int(Verdict.OPEN_ABOVE)
    agree, cause, row = judged(given)["k_exp_homo"]
    assert (agree, row) == (Agreement.AGREE, (DETERMINED, DETERMINED, OPEN))
    assert cause.startswith("practical: the equations would determine it")


def test_a_prior_that_gives_limits_is_named():
    given = evidence()
    given.profiles["verdict"][B] = int(Verdict.IDENTIFIABLE)
    assert judged(given)["k_phos"][1] == "unknown cause: the equations alone leave it open"
    given.fisher["prior_information"].values[:, A, A] = 4.0  # of the one that makes up for it
    assert judged(given)["k_phos"][:2] == (
        Agreement.DISAGREE,
        "a prior gives it limits: the data alone would not",
    )


def test_limits_that_rest_on_bounds_of_others_are_named():
    given = evidence()
    given.profiles["verdict"][B] = int(Verdict.IDENTIFIABLE)
    rests_on = np.full((9, 2), "", dtype="<U20")
    rests_on[B] = "k_imp_homo"
    profiles = given.profiles.assign(rests_on=(("profiled", "ci_bound"), rests_on))
    assert (
        judged(evidence(profiles=profiles))["k_phos"][1]
        == "its limits rest on the search bounds of k_imp_homo"
    )


def test_a_partner_at_a_bound_takes_the_valley_from_the_information():
    given = evidence()
    given.fisher["null_share"][B] = 0.0
    given.fisher.attrs["held_at_bound"] = "k_imp_homo"
    found = judged(given)
    assert found["k_imp_homo"][2] == (OPEN, SILENT, OPEN)
    assert found["k_phos"][:2] == (
        Agreement.DISAGREE,
        "k_imp_homo stands at a bound and cannot make up for it there",
    )


def test_a_profile_in_another_valley_is_said():
    given = evidence()
    given.profiles["partner"].values[B, 0] = "k_exp_homo"
    agree, cause, _ = judged(given)["k_phos"]
    assert agree is Agreement.AGREE
    assert cause == "it moves most with k_exp_homo, along a practical valley beside that of the equations"


def test_without_the_equations_nothing_is_compared():
    found = agreement(studies.fit(np.random.default_rng(1)), determined.fisher(), determined.profiles())
    assert "open_by_view" not in found
    assert set(found["views"].values.tolist()) == {int(Agreement.NOT_COMPARABLE)}


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ({A: 1.0, B: -1.0}, "leave the same directions open (1)"),  # k_imp_homo·k_phos stays on log scales
        ({A: 1.0, B: 1.0}, "a combination that the equations determine changes (sine 1)"),
    ],
)
def test_null_directions_of_the_information_are_held_against_the_combinations(vector, words):
    given = evidence()
    direction = np.zeros(9)
    for i, value in vector.items():
        direction[i] = value
    given.fisher["eigenvector"].values[:, :, -1] = direction / np.linalg.norm(direction)
    assert words in directions(given)


def test_more_or_fewer_directions_are_told_with_their_meaning():
    given = evidence()
    given.fisher["null"].values[:, -2] = True
    assert directions(given).startswith(
        "The information at the best fit leaves 2 directions open, the equations 1"
    )
    given.fisher["null"].values[:] = False
    given.fisher.attrs["held_at_bound"] = "k_imp_homo"
    assert directions(given).endswith("the information at the best fit 0 (k_imp_homo held at a bound).")
    assert directions(evidence(fisher=None)) == ""
