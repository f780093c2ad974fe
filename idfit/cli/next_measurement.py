"""The next measurement on the console: lines, and facts for ``--json``."""

from __future__ import annotations

from typing import Any

import xarray as xr

from idfit.reporting import next_measurement
from idfit.reporting.reading import attribute, read_design
from idfit.results import SideStatus


def design_lines(study: xr.DataTree) -> list[str]:
    """The proposal, what it does to the targets, and what is out of reach."""
    found = read_design(study)
    if found is None:
        return []
    unit = attribute(study, "time_unit")
    lines = [f"the next measurement: {next_measurement.proposal(found, unit)}"]
    if found.has_check:
        lines += _effect_lines(next_measurement.effects(found))
    else:
        lines += [f"  {line}" for line in next_measurement.expected(found)]
    further = [*next_measurement.determining(found, unit), *next_measurement.out_of_reach(found, unit)]
    return lines + [f"  {line}" for line in further]


def _effect_lines(effects: list[next_measurement.Effect]) -> list[str]:
    """A row for each target and point that may be true."""
    rows = [("", "now", "if true", "closed in", "median interval")]
    rows += [(e.target, e.now, e.truth, f"{e.closed} of {e.n}", e.median) for e in effects]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def design_facts(design: xr.Dataset) -> dict[str, Any]:
    chosen = design.isel(candidate=design["chosen_candidate"].values)
    columns = (chosen[name].values.tolist() for name in ("observable", "condition", "time", "last_time"))
    names = design["target"].values.tolist()
    return {
        "method": str(design.attrs["method"]),
        "proposal": [
            {"observable": o, "condition": c, "time": t, "last_time": last}
            for o, c, t, last in zip(*columns, strict=True)
        ],
        "replicates": int(design.attrs["replicates"]),
        "targets": {
            name: {
                "interval": design["interval"].values[i].tolist(),
                "side_status": [SideStatus(int(s)).label for s in design["side_status"].values[i]],
                "simulated": [
                    {
                        "truth": truth,
                        "value": float(design["true_value"][t, i]),
                        "share_closed": design["share_closed"].values[t, i].tolist(),
                        "median_interval": design["median_interval"].values[t, i].tolist(),
                    }
                    for t, truth in enumerate(design["truth"].values.tolist())
                ],
            }
            for i, name in enumerate(names)
        },
    }
