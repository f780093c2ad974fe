"""The posterior and its superchains as rows of plain values."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from idfit.reporting import reading
from idfit.reporting.posterior import comes_from


@dataclass(frozen=True)
class PosteriorRow:
    """The posterior of one parameter, natural scale; `claimed` is 0 where the chains have not converged, and
    then median, mean, sd and limits are NaN."""

    name: str
    unit: str
    scale: str
    claimed: int
    median: float
    mean: float
    sd: float
    ci_prob: float
    lower: float
    upper: float
    limits_from: str
    contraction: float
    data_share: float
    rhat: float
    ess_bulk: float
    ess_tail: float
    mcse_mean: float
    autocorrelation_time: float


@dataclass(frozen=True)
class SuperchainRow:
    """One independent ensemble, or chain."""

    superchain: int
    walkers: int
    acceptance: float
    stuck: int
    evaluations: int


def posterior_table(study: xr.DataTree) -> list[PosteriorRow]:
    found = reading.read_posterior(study)
    if found is None:
        return []
    nan = float("nan")
    rows = []
    for i, axis in enumerate(found.parameters):
        low, high = found.limits(i) if found.converged else (nan, nan)
        rows.append(
            PosteriorRow(
                name=axis.name,
                unit=axis.unit,
                scale=axis.scale,
                claimed=int(found.converged),
                median=float(found.median[i]) if found.converged else nan,
                mean=float(found.mean[i]) if found.converged else nan,
                sd=float(found.sd[i]) if found.converged else nan,
                ci_prob=found.prob,
                lower=low,
                upper=high,
                limits_from=comes_from(found, i),
                contraction=float(found.contraction[i]),
                data_share=float(found.data_share[i]),
                rhat=float(found.rhat[i]),
                ess_bulk=float(found.ess_bulk[i]),
                ess_tail=float(found.ess_tail[i]),
                mcse_mean=float(found.mcse_mean[i]),
                autocorrelation_time=float(found.autocorrelation_time[i]),
            )
        )
    return rows


def superchain_table(study: xr.DataTree) -> list[SuperchainRow]:
    found = reading.read_posterior(study)
    if found is None:
        return []
    return [
        SuperchainRow(
            superchain=n + 1,
            walkers=int((found.superchain == k).sum()),
            acceptance=float(found.acceptance[n]),
            stuck=int(found.n_stuck[n]),
            evaluations=int(found.n_evaluations[n]),
        )
        for n, k in enumerate(found.superchains)
        if n < len(found.acceptance)
    ]
