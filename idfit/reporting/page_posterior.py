"""What the page says about the posterior, as texts ready for the template."""

from __future__ import annotations

import xarray as xr

from idfit.reporting import numerals, posterior, reading, verdicts
from idfit.reporting.tables.posterior import PosteriorRow, posterior_table, superchain_table


def context(study: xr.DataTree) -> dict:
    """What the template `posterior` asks for; `posterior` is None where nothing was sampled."""
    found = reading.read_posterior(study)
    return {"posterior": None if found is None else _section(study, found)}


def intervals(study: xr.DataTree) -> dict[str, verdicts.Interval]:
    """The interval of each parameter, with what gave it; empty unless the chains have converged."""
    found = reading.read_posterior(study)
    if found is None or not found.converged:
        return {}
    return {
        axis.name: verdicts.Interval(numerals.interval(*found.limits(i)), _note(found, i))
        for i, axis in enumerate(found.parameters)
    }


def level_words(study: xr.DataTree) -> str:
    """That of the intervals; "" without a posterior."""
    found = reading.read_posterior(study)
    return "" if found is None else verdicts.level_words(found.prob)


def _note(found: reading.Posterior, i: int) -> str:
    words = posterior.comes_from(found, i)
    return "" if not found.given(i) else f"from {words}" if ":" not in words else words


def _section(study: xr.DataTree, found: reading.Posterior) -> dict:
    tag, tone = posterior.verdict_words(found)
    words = (
        [posterior.trust_words(found), posterior.evidence_words(found)]
        if found.converged
        else [posterior.why_no_claim(found)]
    )
    failed = [f"{label.replace('_', ' ')} ({n:,})" for label, n in found.failures.items()]
    return {
        "tag": tag,
        "tone": tone,
        "converged": found.converged,
        "words": " ".join(w for w in words if w),
        "given": posterior.given_words(found),
        "how": posterior.how_drawn(found),
        "level": level_words(study),
        "rows": [_row(row) for row in posterior_table(study)],
        "superchains": [
            {
                "name": row.superchain,
                "walkers": row.walkers,
                "acceptance": numerals.percent(row.acceptance),
                "stuck": row.stuck,
                "evaluations": f"{row.evaluations:,}" if row.evaluations >= 0 else numerals.ABSENT,
            }
            for row in superchain_table(study)
        ],
        "failed": numerals.listing(failed),
    }


def _row(row: PosteriorRow) -> dict:
    return {
        "name": row.name,
        "unit": row.unit,
        "median": numerals.number(row.median),
        "error": f"± {numerals.number(row.mcse_mean, 2)}" if row.claimed else "",
        "interval": numerals.interval(row.lower, row.upper),
        "limits_from": row.limits_from,
        "from_data": row.limits_from == "the data" or "natural" in row.limits_from,
        "contraction": f"contraction {numerals.percent(max(row.contraction, 0.0))}",
        "rhat": numerals.number(row.rhat, 4),
        "ess": " / ".join(_rounded(value) for value in (row.ess_bulk, row.ess_tail)),
    }


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value == value else numerals.ABSENT
