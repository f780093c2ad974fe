"""What the page says about the next measurement, as texts ready for the template."""

from __future__ import annotations

import xarray as xr

from idfit.reporting import next_measurement, numerals, reading
from idfit.reporting.tables.design import candidate_table
from idfit.reporting.verdicts import level_words

_MOST_CANDIDATES = 12


def context(study: xr.DataTree) -> dict:
    """Everything that the template `design` asks for."""
    return {"design": _design(study)}


def _design(study: xr.DataTree) -> dict | None:
    found = reading.read_design(study)
    if found is None:
        return None
    time_unit = reading.attribute(study, "time_unit")
    rows = candidate_table(study)
    return {
        "proposal": next_measurement.proposal(found, time_unit),
        "effects": next_measurement.effects(found),
        "expected": [] if found.has_check else next_measurement.expected(found),
        "reach": [
            *next_measurement.determining(found, time_unit),
            *next_measurement.out_of_reach(found, time_unit),
        ],
        "by_valley": found.method == "valley",
        "criterion": found.criterion,
        "time_unit": time_unit,
        "level": level_words(found.prob),
        "repeated": _repeated(found),
        "n_candidates": len(rows),
        "rows": [
            {
                "row": row,
                "when": numerals.short_number(row.time)
                if row.last_time == row.time
                else f"{numerals.short_number(row.time)} to {numerals.short_number(row.last_time)}",
                "telling": numerals.number(row.telling, 3),
                "score": numerals.number(row.score, 3),
                "gain": numerals.number(row.gain, 3),
                "sigma": numerals.number(row.sigma, 3),
                "closes": f"{row.closes} of {row.asked}" if row.asked else numerals.ABSENT,
            }
            for row in rows[:_MOST_CANDIDATES]
        ],
    }


def _repeated(found: reading.Design) -> str:
    """The set beside the best single one measured as often."""
    if len(set(found.chosen)) < 2:
        return ""
    own, again = float(found.chosen_score[-1]), float(found.repeated_score[-1])
    return (
        f"The set scores {numerals.number(own, 3)}; the best single one measured {len(found.chosen)} times "
        f"instead scores {numerals.number(again, 3)}."
    )
