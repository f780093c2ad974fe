"""How far the objective may rise within a confidence interval."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy import stats

from idfit.errors import InputError

Kind = Literal["chi2", "F"]


def rises(levels: np.ndarray, kind: Kind, n: int = 0, dof: int = 0, df: int = 1) -> np.ndarray:
    """Rise of the objective at the limits, for each confidence level.

    ``chi2``: half the quantile of χ² with `df` degrees of freedom, exact for many data or known noise.
    ``F``: (n/2) ln(1 + df·F(level; df, dof)/dof), exact for a linear model with `n` measurements of one
    unknown noise level and dof = n less the parameters that are not noise: there the ratio of the sums of
    squares follows F (Bates & Watts 1988, chapter 6).

    Errors: `InputError` for a level outside (0, 1) or an unknown kind.

    >>> rises(np.array([0.95]), "chi2")
    array([1.92072941])
    """
    levels = np.atleast_1d(np.asarray(levels, dtype=float))
    if not len(levels) or not ((levels > 0) & (levels < 1)).all():
        raise InputError(f"ci_prob = {levels.tolist()} was given; confidence levels lie between 0 and 1")
    if kind == "chi2":
        return stats.chi2.ppf(levels, df) / 2
    if kind != "F":
        raise InputError(f"threshold = {kind!r} was given; there are 'chi2' and 'F'")
    if dof <= 0:
        raise InputError(
            "threshold 'F' needs more measurements than parameters; there are no degrees of freedom left"
        )
    return np.array([0.5 * n * math.log1p(df * stats.f.ppf(level, df, dof) / dof) for level in levels])
