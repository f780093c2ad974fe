"""The report: one HTML page that needs no network and no script, drawn from the study alone."""

from __future__ import annotations

import contextlib
import math
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jinja2
import xarray as xr
from markupsafe import Markup

from idfit.files import write_whole
from idfit.reporting import (
    numerals,
    page_change,
    page_design,
    page_identifiability,
    page_posterior,
    page_prediction,
    page_structure,
    reading,
    summary,
    tables,
    verdicts,
)
from idfit.reporting.figures import style
from idfit.reporting.figures.catalogue import SECTIONS, Drawing, drawings

_MOST_DATA_ROWS = 24
_MOST_START_ROWS = 200
_PRINTED_STATISTICS = {
    "objective": "Objective",
    "nllh": "−log likelihood",
    "nlprior": "−log prior",
    "n_data": "Measurements",
    "n_parameters": "Estimated parameters",
    "chi2": "χ²",
    "dof": "Degrees of freedom",
    "chi2_dof": "χ²/dof",
    "aic": "AIC",
    "aicc": "AICc",
    "bic": "BIC",
    "sigma_correction": "σ correction",
    "delta_nllh_chi2_95": "Threshold (χ²)",
    "delta_nllh_f_95": "Threshold (F)",
}


@dataclass(frozen=True)
class Picture:
    """A figure as it stands in the page."""

    name: str
    svg: Markup
    caption: str


def render_report(study: xr.DataTree, drawn: Iterable[Drawing] | None = None) -> str:
    """The whole page as text, with the figures `drawn` already if given; the same study gives the same
    bytes."""
    pictures: dict[str, list[Picture]] = {section: [] for section in SECTIONS}
    for drawing in drawings(study) if drawn is None else drawn:
        pictures[drawing.section].append(_picture(drawing))
    text = (
        _environment()
        .get_template("report.html.j2")
        .render(
            **_what_was_asked(study),
            **_what_was_found(study),
            **_what_was_computed(study),
            **page_identifiability.context(study),
            **page_structure.context(study),
            **page_posterior.context(study),
            **page_prediction.context(study),
            **page_change.context(study),
            **page_design.context(study),
            pictures=pictures,
        )
    )
    # a character that no encoding holds must not lose a report that took a night to compute
    return text.encode("utf-8", "replace").decode("utf-8")


def write_report(
    study: xr.DataTree, path: str | os.PathLike[str], drawn: Iterable[Drawing] | None = None
) -> None:
    """Write the report to `path`, all of it or nothing; raises `StorageError` when the place refuses it."""
    path = Path(path)
    content = render_report(study, drawn)
    with contextlib.suppress(OSError):  # what cannot be made is reported by the writing
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("idfit.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "name": lambda text, most=60: style.label(text, most),
        "plain": _printable,
        "number": numerals.number,
        "short": numerals.short_number,
        "interval": numerals.interval,
        "percent": numerals.percent,
        "percent_interval": numerals.percent_interval,
        "count": numerals.count,
        "whole": lambda value: numerals.ABSENT if not math.isfinite(value) or value < 0 else f"{int(value)}",
    }
    return environment


def _printable(text: str) -> str:
    """Free text without control characters, except for line ends and tabs."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") else "�" for c in str(text)
    )


def _picture(drawing: Drawing) -> Picture:
    svg = style.to_inline_svg(drawing.figure, drawing.name, drawing.caption)
    return Picture(
        drawing.name, Markup(svg), drawing.caption
    )  # an XML writer made it: no name is markup in it


def _what_was_asked(study: xr.DataTree) -> dict:
    rows = tables.data_table(study)
    observables: dict[str, list[tables.DataRow]] = {}
    for row in rows:
        observables.setdefault(row.observable, []).append(row)
    return {
        "title": reading.attribute(study, "name") or "Study",
        "description": reading.attribute(study, "description"),
        "time_unit": reading.attribute(study, "time_unit"),
        "data_rows": rows,
        "data_by_observable": [_merged(group) for group in observables.values()]
        if len(rows) > _MOST_DATA_ROWS
        else [],
        "n_measurements": sum(row.n for row in rows),
    }


def _merged(rows: list[tables.DataRow]) -> dict:
    """One observable over all its conditions."""
    return {
        "observable": rows[0].observable,
        "unit": rows[0].unit,
        "n_conditions": len(rows),
        "n": sum(r.n for r in rows),
        "n_censored": sum(r.n_censored for r in rows),
        "first_time": min(r.first_time for r in rows),
        "last_time": max(r.last_time for r in rows),
        "smallest": min(r.smallest for r in rows),
        "largest": max(r.largest for r in rows),
        "noise": ", ".join(dict.fromkeys(r.noise for r in rows if r.noise)),
    }


def _what_was_found(study: xr.DataTree) -> dict:
    starts = reading.read_starts(study)
    parameters = tables.parameter_table(study)
    succeeded = starts is not None and bool(starts.finished.any())
    profiled = page_identifiability.intervals(study)
    opinions = page_structure.opinions(study)
    ranked = sorted(tables.start_table(study), key=lambda r: (r.rank == 0, r.rank, r.start))
    return {
        "paragraph": summary.paragraph(study),
        "remarks": summary.remarks(study),
        "estimated": [
            _parameter(row, profiled.get(row.name), opinions.get(row.name, ""))
            for row in parameters
            if row.role == "estimated"
        ],
        "all_profiled": all(row.name in profiled for row in parameters if row.role == "estimated"),
        "others": [_parameter(row) for row in parameters if row.role != "estimated"],
        "has_estimates": succeeded,
        "statistics": [
            {"name": _PRINTED_STATISTICS[s.name], "value": _statistic(s), "meaning": s.meaning}
            for s in tables.statistics_table(study)
        ],
        "optima": tables.optimum_table(study),
        "fates": tables.fate_table(study),
        "starts": ranked[:_MOST_START_ROWS],
        "n_starts": len(ranked),
        "noise_estimated": reading.noise_was_estimated(study),
    }


def _parameter(
    row: tables.ParameterRow, profile: verdicts.Interval | None = None, equations: str = ""
) -> dict:
    estimate, error = numerals.value_and_error(row.estimate, row.standard_error)
    return {
        "row": row,
        "estimate": estimate,
        "error": error,
        "profile": profile,
        "equations": equations,
        "position": summary.position_between_bounds(row),
    }


def _statistic(row: tables.StatisticRow) -> str:
    if row.name in ("n_data", "n_parameters", "dof"):
        return numerals.number(row.value, 12).split(".")[0]
    digits = {"objective": 3, "nllh": 3, "nlprior": 3, "aic": 2, "aicc": 2, "bic": 2}.get(row.name)
    if digits is None or abs(row.value) >= 1e6:
        return numerals.number(row.value, 4)
    return numerals.number(row.value, max(4, len(str(int(abs(row.value)))) + digits))


def _what_was_computed(study: xr.DataTree) -> dict:
    """Provenance: what it takes to compute the same again."""
    fit = reading.group(study, "fit")
    versions = reading.json_attribute(study, "versions")
    facts = [(label, reading.attribute(study, label.lower()), "code") for label in ("Command", "Files")]
    for label, name in (
        ("Local optimiser", "optimizer"),
        ("Starting points", "sampling"),
        ("Number of starts", "n_starts"),
    ):
        facts.append((label, reading.attribute(fit, name) if fit is not None else "", "text"))
    for label, name in (("Seed", "seed"), ("Relative tolerance", "rtol"), ("Absolute tolerance", "atol")):
        value = reading.attribute(study, name) or (reading.attribute(fit, name) if fit is not None else "")
        facts.append((label, value, "text"))
    for label, name in (("Model", "hash_model"), ("Data", "hash_data"), ("Recipe", "hash_recipe")):
        facts.append((f"{label} (SHA-256)", reading.attribute(study, name), "code"))
    facts += page_identifiability.profile_facts(study)
    facts.append(("Schema of the results", reading.attribute(study, "schema_version"), "text"))
    return {
        "facts": [fact for fact in facts if fact[1]],
        "versions": sorted((str(k), str(v)) for k, v in versions.items())
        if isinstance(versions, dict)
        else [],
        "idfit_version": reading.attribute(study, "idfit_version"),
        "model_toml": reading.attribute(study, "model_toml"),
    }
