"""A change of parameters as lines for the console and facts for ``--json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from idfit.cli.determined import table_lines
from idfit.results import Status

if TYPE_CHECKING:
    from idfit.study.reparameterizing import Change


def change_lines(change: Change, proof: xr.Dataset) -> list[str]:
    """New parameters, what becomes of the old ones, why, and whether it is the same model."""
    new, forward = (proof[name].values.tolist() for name in ("new", "forward"))
    made = [(name, "=", formula) for name, formula in zip(new, forward, strict=True) if name != formula]
    rows = [(name, "=", formula) for name, formula in _changed(proof)]
    lines = ["new parameters:", *table_lines(made)] if made else []
    lines += ["old parameters:", *table_lines(rows)] if rows else []
    lines += [f"  {sentence}" for sentence in change.maps.reasons]
    return [*lines, *proof_lines(proof)]


def _changed(proof: xr.Dataset) -> list[tuple[str, str]]:
    """Old parameters that are replaced or held, with their formula."""
    columns = (proof[name].values.tolist() for name in ("old", "back", "held_at"))
    return [
        (name, formula if held != held else f"{held:.6g} (held)")
        for name, formula, held in zip(*columns, strict=True)
        if formula != name or held == held
    ]


def proof_lines(proof: xr.Dataset) -> list[str]:
    """One line for each check, with what was found."""
    rank, n = int(proof["rank"]), int(proof["n_unknowns"])
    said = (
        "cannot be computed for these equations" if rank < 0 else f"{rank} of {n} new unknowns are determined"
    )
    lines = [f"rank: {said}"]
    for name, what, same in (
        ("prediction_difference", "predictions", "same_predictions"),
        ("nllh_difference", "nllh", "same_nllh"),
    ):
        values = proof[name].values[proof["status"].values == int(Status.OK)]
        values = values[values == values]
        if values.size:
            words = "the same" if bool(proof[same]) else "not the same"
            points = f"{values.size} point{'s' if values.size > 1 else ''}"
            lines.append(f"{what}: {words} at {points} (largest difference {values.max():.1e})")
        elif name == "prediction_difference":
            lines.append("predictions: could not be compared, as no point can be simulated")
    return lines


def change_facts(change: Change, proof: xr.Dataset) -> dict[str, Any]:
    new, forward = (proof[name].values.tolist() for name in ("new", "forward"))
    return {
        "changed": True,
        "new": {name: formula for name, formula in zip(new, forward, strict=True) if name != formula},
        "old": dict(_changed(proof)),
        "held": {g.name: g.value for g in change.maps.gauge},
        "reasons": list(change.maps.reasons),
        "proof": {
            "rank": int(proof["rank"]),
            "n_unknowns": int(proof["n_unknowns"]),
            **{name: bool(proof[name]) for name in ("full_rank", "same_predictions", "same_nllh")},
            "prediction_difference": proof["prediction_difference"].values.tolist(),
            "nllh_difference": proof["nllh_difference"].values.tolist(),
        },
    }
