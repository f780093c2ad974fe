"""Made-up posteriors of the Boehm-like study: a normal one with a banana and limits by bounds, and two modes.

The draws stand on the estimation scale around the best fit of `determined`; four independent ensembles of
walkers, each an autoregressive series.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from idfit.results import Limit, Status, dataset
from tests.reporting import determined
from tests.reporting.determined import CENTRE, ERROR, PARAMETERS, SCALES, UNITS, natural

SUPERCHAINS, WALKERS, DRAWS, THIN = 4, 6, 250, 5
SLOWNESS = 0.6  # of the autoregression
LEVELS = np.linspace(0.005, 0.995, 100)  # of the quantiles of the uniform priors
BANANA, PARTNER = 0, 2
#: parameters that no data limit below, above, on either side; the first has a prior of its own
OPEN_BELOW, OPEN_ABOVE, FREE = 1, 4, 5


def series(rng: np.random.Generator, n: int = len(PARAMETERS)) -> np.ndarray:
    """Standard normal autoregressive series (chain, draw, n)."""
    chains = SUPERCHAINS * WALKERS
    steps = rng.standard_normal((chains, DRAWS, n))
    out = np.empty_like(steps)
    out[:, 0] = steps[:, 0]
    for t in range(1, DRAWS):
        out[:, t] = SLOWNESS * out[:, t - 1] + np.sqrt(1 - SLOWNESS**2) * steps[:, t]
    return out


def normal_cdf(z: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return ndtr(z)


def draws(seed: int = 11) -> np.ndarray:
    """(chain, draw, parameter) on the estimation scale."""
    z = series(np.random.default_rng(seed))
    theta = CENTRE + ERROR * z
    theta[..., BANANA] = CENTRE[BANANA] + ERROR[BANANA] * (0.4 * z[..., BANANA] + 0.8 * z[..., PARTNER] ** 2)
    low, high = bounds()
    share = normal_cdf(z)
    top = CENTRE[OPEN_BELOW] + 3.0  # uniform in the logarithm between the bound and where the data begin
    theta[..., OPEN_BELOW] = low[OPEN_BELOW] + share[..., OPEN_BELOW] * (top - low[OPEN_BELOW])
    theta[..., OPEN_ABOVE] = 4.0 + share[..., OPEN_ABOVE] * (high[OPEN_ABOVE] - 4.0)
    theta[..., FREE] = low[FREE] + share[..., FREE] * (high[FREE] - low[FREE])
    theta[..., 8] = np.abs(theta[..., 8])
    return theta


def two_modes(seed: int = 12) -> np.ndarray:
    """Ensembles that stay in the mode where they began: one in the left one, three in the right one."""
    theta = draws(seed)
    theta[:WALKERS, :, 6] -= 12 * ERROR[6]
    return theta


def bounds() -> tuple[np.ndarray, np.ndarray]:
    """Those of the study of `determined`, on the estimation scale."""
    low, high = np.full(len(PARAMETERS), -5.0), np.full(len(PARAMETERS), 5.0)
    high[OPEN_ABOVE], low[8], high[8] = 6.5, 0.0, 1e5
    low[FREE], high[FREE] = CENTRE[FREE] - 0.33, CENTRE[FREE] + 0.33
    return low, high


def superchain() -> np.ndarray:
    return np.repeat(np.arange(SUPERCHAINS), WALKERS)


def posterior(theta: np.ndarray, names: tuple[str, ...] = PARAMETERS) -> xr.Dataset:
    values = natural(theta)
    return xr.Dataset(
        {
            name: (
                ("chain", "draw"),
                values[..., k],
                {"long_name": name, "units": UNITS[k], "scale": SCALES[k]},
            )
            for k, name in enumerate(names)
        },
        coordinates(theta),
    )


def coordinates(theta: np.ndarray) -> dict:
    chains, n = theta.shape[:2]
    return {
        "chain": np.arange(chains),
        "draw": THIN * np.arange(n),
        "superchain": ("chain", superchain()),
    }


def sample_stats(theta: np.ndarray) -> xr.Dataset:
    lp = -0.5 * (((theta - CENTRE) / ERROR) ** 2).sum(axis=-1)
    return xr.Dataset({"lp": (("chain", "draw"), lp)}, coordinates(theta))


def log_likelihood(theta: np.ndarray, n: int = 5) -> tuple[xr.Dataset, xr.Dataset]:
    """Of n measurements at every tenth draw, and the measurements."""
    few = theta[:, ::10]
    terms = -0.5 * ((few[..., :1] - CENTRE[0]) / ERROR[0] + np.arange(n) / 3) ** 2
    coords = {"chain": np.arange(len(theta)), "draw": THIN * np.arange(DRAWS)[::10]}
    likelihood = xr.Dataset({"value": (("chain", "draw", "measurement"), terms)}, coords)
    return likelihood, xr.Dataset({"value": ("measurement", np.arange(n) * 1.5)})


def prior_quantiles(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(parameter, level) of uniform priors, natural scale."""
    with np.errstate(over="ignore"):  # of the power that a linear parameter does not take
        return natural(low + LEVELS[:, None] * (high - low)).T


def sampling(theta: np.ndarray, converged: bool = True, names: tuple[str, ...] = PARAMETERS) -> xr.Dataset:
    """Summary of the draws, with R-hat by superchain means."""
    flat = theta.reshape(-1, theta.shape[-1])
    low, high = bounds()
    by_superchain = theta.reshape(SUPERCHAINS, -1, theta.shape[-1])
    between = by_superchain.mean(axis=1).var(axis=0, ddof=1)
    rhat = np.sqrt(1 + between / by_superchain.var(axis=1).mean(axis=0))
    ess = flat.shape[0] * (1 - SLOWNESS) / (1 + SLOWNESS) / np.maximum(rhat, 1.0) ** 8
    tails = np.array([[0.16, 0.84], [0.025, 0.975]])
    ends = np.quantile(natural(flat), tails, axis=0)  # level, bound, parameter
    limited = np.full((len(names), 2), int(Limit.DATA if converged else Limit.UNDETERMINED))
    if converged:
        limited[OPEN_BELOW, 0], limited[OPEN_ABOVE, 1], limited[FREE] = Limit.PRIOR, Limit.BOUND, Limit.BOUND
        limited[8, 0] = Limit.DOMAIN
    spread = natural(flat).std(axis=0)
    contraction = 1 - flat.var(axis=0) / ((high - low) ** 2 / 12)
    claims = {
        "mean": natural(flat).mean(axis=0),
        "sd": spread,
        "median": np.median(natural(flat), axis=0),
        "interval": np.moveaxis(ends, -1, 0),
        "mcse_mean": spread / np.sqrt(ess),
        "mcse_sd": spread / np.sqrt(2 * ess),
        "contraction": contraction,
        "data_share": np.clip(contraction, 0.0, 1.0),
    }
    if not converged:
        claims = {name: np.full_like(values, np.nan) for name, values in claims.items()}
    return dataset(
        "sampling",
        claims
        | {
            "rhat": rhat,
            "ess_bulk": ess,
            "ess_tail": 0.8 * ess,
            "autocorrelation_time": np.full(len(names), THIN * (1 + SLOWNESS) / (1 - SLOWNESS)),
            "limited_by": limited,
            "prior_quantile": prior_quantiles(low, high),
            "acceptance": [0.31, 0.29, 0.33, 0.30],
            "n_stuck": [0, 1, 0, 0],
            "n_evaluations": [30_000] * SUPERCHAINS,
            "n_failures": [17],
        },
        {
            "parameter": list(names),
            "scale": list(SCALES),
            "unit": list(UNITS),
            "ci_prob": determined.PROBS,
            "superchain": np.arange(SUPERCHAINS),
            "prior_level": LEVELS,
            "fate": [Status.STEP_TOO_SMALL.label],
        },
        {
            "sampler": "emcee",
            "converged": int(converged),
            "reason": "" if converged else "R-hat of sd_pSTAT5A_rel is 2.1 after 120,000 evaluations",
            "n_draws": theta.shape[1],
            "burn_in": 400,
            "thin": THIN,
            "seed": 1,
            "rtol": 1e-8,
            "atol": 1e-12,
        },
    )


def groups(theta: np.ndarray | None = None, converged: bool = True) -> dict[str, xr.Dataset]:
    theta = draws() if theta is None else theta
    likelihood, data = log_likelihood(theta)
    return {
        "posterior": posterior(theta),
        "sample_stats": sample_stats(theta),
        "log_likelihood": likelihood,
        "observed_data": data,
        "sampling": sampling(theta, converged),
    }


def study(theta: np.ndarray | None = None, converged: bool = True, **options) -> xr.DataTree:
    """The Boehm-like study with everything and a posterior."""
    tree = determined.everything(**options)
    for name, made in groups(theta, converged).items():
        tree[name] = xr.DataTree(made)
    return tree
