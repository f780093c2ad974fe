"""Predictions and tests of residuals, as lines for the console and facts for ``--json``."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from idfit.results.prediction import CheckVerdict, LimitStatus

_ENDS = [status for status in LimitStatus if status.finite]


def prediction_lines(prediction: xr.Dataset) -> list[str]:
    """What the bands are and how many limits there are; what they rest on."""
    codes = prediction["status"].values
    asked, found = (codes != LimitStatus.NOT_REACHED).sum(), np.isin(codes, _ENDS).sum()
    level = 100 * float(prediction.attrs["ci_prob"])
    lines = [
        f"predictions ({prediction.attrs['kind']}, {level:.4g} %): {found} of {asked} limits of "
        f"{', '.join(prediction['observable'].values.tolist())}"
    ]
    for status in LimitStatus:
        if not status.finite and status is not LimitStatus.NOT_REACHED and (n := (codes == status).sum()):
            lines.append(f"  {n} without: {status.sentence}")
    return lines


def diagnostics_line(diagnostics: xr.Dataset) -> str:
    """How many tests the residuals have passed, and which not."""
    n = int(np.isfinite(diagnostics["p_value"]).sum())
    tests = "1 test" if n == 1 else f"{n} tests"
    signs = [f"{test} of {subject} (p = {p:.2g})" for subject, test, p in _against(diagnostics)]
    if not signs:
        return f"residuals: no sign against the model in {tests}"
    return f"residuals: against the model or its noise in {tests}, corrected: {', '.join(signs)}"


def _against(diagnostics: xr.Dataset) -> list[tuple[str, str, float]]:
    subjects, tests = (diagnostics[dim].values.tolist() for dim in ("subject", "test"))
    rows, columns = np.nonzero(diagnostics["verdict"].values == int(CheckVerdict.AGAINST))
    p = diagnostics["adjusted_p_value"].values
    return [(subjects[i], tests[j], float(p[i, j])) for i, j in zip(rows, columns, strict=True)]


def prediction_facts(prediction: xr.Dataset) -> dict[str, Any]:
    """The bands, infinite or missing limits as null with their status beside them."""
    facts: dict[str, Any] = {
        name: prediction.attrs[name] for name in ("method", "kind", "inner", "ci_prob")
    } | {"time": prediction["time"].values.tolist(), "bands": []}
    names = [
        n for n in ("median", "lower", "upper", "validation_lower", "validation_upper") if n in prediction
    ]
    for condition in prediction["condition"].values.tolist():
        for observable in prediction["observable"].values.tolist():
            at = prediction.sel(condition=condition, observable=observable)
            facts["bands"].append(
                {
                    "condition": condition,
                    "observable": observable,
                    "status": at["status_label"].values.tolist(),
                }
                | {n: [v if np.isfinite(v) else None for v in at[n].values.tolist()] for n in names}
            )
    return facts


def diagnostics_facts(diagnostics: xr.Dataset) -> dict[str, Any]:
    return {
        "n_tests": int(np.isfinite(diagnostics["p_value"]).sum()),
        "against": [
            {"subject": subject, "test": test, "adjusted_p_value": p}
            for subject, test, p in _against(diagnostics)
        ],
        "outliers": np.flatnonzero(diagnostics["outlier"].values).tolist(),
    }
