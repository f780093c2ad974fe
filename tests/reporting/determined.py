"""Made-up groups that say what the data determine: open, flat, bounded and failed sides, jumps and pieces.

The profiles follow the Boehm-like study of `studies`; the last noise level is on a linear scale from 0.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import xarray as xr

from idfit.results import Agreement, SideStatus, Status, Verdict, dataset
from tests.reporting import studies
from tests.reporting.studies import BEST, PARAMETERS, UNITS

NLLH = 138.222
PROBS = np.array([0.68, 0.95])
Z = np.array([NormalDist().inv_cdf((1 + p) / 2) for p in PROBS])
THRESHOLD = Z**2 / 2
SCALES = ("log10",) * 8 + ("lin",)
CENTRE = np.where(np.array(SCALES) == "lin", 10**BEST, BEST)
ERROR = np.array([0.021, 0.4, 0.05, 0.03, 0.5, 0.011, 0.077, 0.077, 1.1])  # estimation scale
CROSSED, OPEN, DOMAIN = SideStatus.CROSSED, SideStatus.SEARCH_BOUND, SideStatus.DOMAIN_BOUND
VERDICTS = (
    Verdict.IDENTIFIABLE, Verdict.OPEN_BELOW, Verdict.IDENTIFIABLE, Verdict.IDENTIFIABLE, Verdict.OPEN_ABOVE,
    Verdict.FLAT, Verdict.UNDETERMINED, Verdict.IDENTIFIABLE, Verdict.AT_DOMAIN_BOUND,
)  # fmt: skip
SIDES = (
    (CROSSED, CROSSED), (OPEN, CROSSED), (CROSSED, CROSSED), (CROSSED, CROSSED), (CROSSED, OPEN),
    (OPEN, OPEN), (CROSSED, SideStatus.FAILED), (CROSSED, CROSSED), (DOMAIN, CROSSED),
)  # fmt: skip
N_STEP = 33


def rise(k: int, u: np.ndarray) -> np.ndarray:
    """Rise of the objective of parameter k at u standard errors from the best fit."""
    plain = u**2 / 2
    if k == 0:
        return plain * np.exp(-0.16 * u)
    if k == 1:
        return np.where(u < 0, 0.0, plain)
    if k == 3:  # a second valley
        return np.minimum(plain, 0.9 + (u - 3.1) ** 2 * 2)
    if k == 4:
        return np.where(u < 0, plain, 0.28 * (1 - np.exp(-(u**2))))
    if k == 5:
        return 2e-5 * u**2
    if k == 8:
        return plain * np.exp(0.45 * u)
    return plain * np.exp(0.05 * u)


def reach(k: int) -> tuple[float, float]:
    """Ends of the profile in standard errors, where the threshold lies inside unless the side is open."""
    lower = {1: 0.0, 0: 1.9, 4: 2.3, 5: 30.0, 8: CENTRE[8] / ERROR[8]}.get(k, 2.25)
    upper = {0: 2.8, 3: 4.7, 4: (5 - BEST[4]) / ERROR[4] + 3.0, 5: 30.0, 6: 1.4, 8: 1.7}.get(k, 2.2)
    return -lower, upper


def crossing(k: int, threshold: float, sign: int) -> float:
    """Where the outermost piece of the confidence set ends, in standard errors."""
    u = np.linspace(0, reach(k)[0] if sign < 0 else reach(k)[1], 4001)
    inside = np.flatnonzero(rise(k, u) <= threshold)
    return float(u[inside[-1]])


def profiles(attrs: dict | None = None, only: tuple[int, ...] = tuple(range(9))) -> xr.Dataset:
    """Nine profiles at 68 and 95 %; `only` takes some of them."""
    n = len(PARAMETERS)
    shape = (n, N_STEP)
    value, objective, prior = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape)
    theta, status = np.full((*shape, n), np.nan), np.full(shape, int(Status.CONVERGED))
    jump, on_bound = np.zeros(shape, bool), np.zeros((*shape, n), bool)
    start = np.zeros(n, int)
    interval, wald, slices = (np.full((2, n, 2, 2), np.nan) for _ in range(3))
    searched, seen = np.full((2, n, 2), np.nan), np.zeros((n, 2))
    regions, n_regions = np.full((2, n, 2, 2, 2), np.nan), np.ones((n, 2), int)
    for k in range(n):
        low, high = reach(k)
        n_below = N_STEP // 2 if low else 0
        u = np.concatenate([np.linspace(low, 0, n_below + 1), np.linspace(0, high, N_STEP - n_below)[1:]])
        start[k] = n_below
        value[k] = CENTRE[k] + u * ERROR[k]
        objective[k] = NLLH + rise(k, u)
        prior[k] = 0.3 * (objective[k] - NLLH) if k == 0 else 0.0
        theta[k] = CENTRE + np.outer(u, paths(k)) * np.where(np.array(SCALES) == "lin", 0.4, 1.0)
        theta[k, :, k] = value[k]
        searched[:, k] = both_spaces(k, value[k][[0, -1]])
        seen[k] = rise(k, np.array([low, high]))
        for c in range(2):
            ends = [crossing(k, THRESHOLD[c], sign) * ERROR[k] + CENTRE[k] for sign in (-1, 1)]
            interval[:, k, c] = both_spaces(k, np.array(ends))
            for side in (0, 1):
                if SIDES[k][side] in (OPEN, SideStatus.FAILED):
                    interval[:, k, c, side] = np.inf if side else -np.inf
            half = Z[c] * ERROR[k]
            wald[:, k, c] = both_spaces(k, CENTRE[k] + half * np.array([-1, 1]))
            slices[:, k, c] = both_spaces(k, CENTRE[k] + 0.4 * half * np.array([-1, 1]))
    wald[:, 5] = np.nan  # no curvature, no limits
    status[6, 28:31], objective[6, 29:31] = int(Status.STEP_TOO_SMALL), np.nan
    status[6, 31:], value[6, 31:], objective[6, 31:] = int(Status.NOT_REACHED), np.nan, np.nan
    objective[6, 28] = NLLH + 1.4
    jump[2, 27] = True
    objective[2, 27:] += 0.35
    on_bound[4, 20:, 1] = True
    first = np.array([crossing(3, t, -1) for t in THRESHOLD])
    # the first valley ends at the ridge, the second begins beyond it
    regions[:, 3, 1, 0] = both_spaces(3, CENTRE[3] + ERROR[3] * np.array([first[1], 1.96]))
    second = CENTRE[3] + ERROR[3] * np.array([2.39, crossing(3, THRESHOLD[1], 1)])
    regions[:, 3, 1, 1] = both_spaces(3, second)
    n_regions[3, 1] = 2
    partner = np.full((n, 3), "", dtype="<U40")
    shift = np.full((n, 3), np.nan)
    for k in range(n):
        moved = np.ptp(theta[k], axis=0)
        moved[k] = 0
        for r, j in enumerate(np.argsort(-moved)[:3]):
            if moved[j] > 0:
                partner[k, r], shift[k, r] = PARAMETERS[j], moved[j]
    keep = list(only)
    ds = dataset(
        "profiles",
        {
            "value": value,
            "theta": theta,
            "objective": objective,
            "nllh": objective - prior,
            "nlprior": prior,
            "status": status,
            "on_bound": on_bound,
            "jump": jump,
            "start_step": start,
            "estimate": np.stack([CENTRE, natural(CENTRE)]),
            "interval": interval,
            "side_status": [[inner(sides), [int(s) for s in sides]] for sides in SIDES],
            "searched": searched,
            "rise": seen,
            "n_regions": n_regions,
            "region_interval": regions,
            "slice_interval": slices,
            "wald_interval": wald,
            "threshold": THRESHOLD,
            "verdict": [int(v) for v in VERDICTS],
            "reason": ["" if k != 6 else "three refits in a row failed above 8.5" for k in range(n)],
            "partner": partner,
            "partner_shift": shift,
            "valley": ["" if k != 5 else "k_phos rises as k_imp_homo falls" for k in range(n)],
            "n_evaluations": np.full((n, 2), 150),
        },
        {
            "profiled": list(PARAMETERS),
            "kind": ["parameter"] * n,
            "parameter": list(PARAMETERS),
            "scale": list(SCALES),
            "parameter_unit": list(UNITS),
            "unit": list(UNITS),
            "profiled_scale": list(SCALES),
            "ci_prob": PROBS,
        },
        {
            "method": "path",
            "threshold_kind": "chi2",
            "ci_prob": 0.95,
            "n_evaluations": 2700,
            "hits": 37,
            "n_starts": 100,
            "n_rounds": 1,
            "better_by": 0.0,
            "rtol": 1e-8,
            "atol": 1e-12,
        }
        | (attrs or {}),
    )
    return ds.isel(profiled=keep)


def inner(sides: tuple[SideStatus, SideStatus]) -> list[int]:
    """The sides at 68 %: that threshold is crossed before a natural limit is reached."""
    return [int(CROSSED if side is DOMAIN else side) for side in sides]


def paths(k: int) -> np.ndarray:
    """How far each parameter moves per standard error of parameter k."""
    move = np.zeros(len(PARAMETERS))
    for j, step in {
        0: {5: 0.011, 2: -0.02, 3: 0.006},
        1: {2: 0.05, 3: -0.02},
        2: {0: 0.012, 3: -0.02, 1: 0.1},
        3: {2: -0.03, 5: 0.01, 0: 0.004},
        4: {1: -0.3, 2: 0.04, 3: 0.02},
        5: {4: -0.0115, 0: 0.0004},
        6: {5: 0.002},
        7: {5: -0.003, 6: 0.004},
        8: {6: 0.01, 7: -0.006},
    }[k].items():
        move[j] = step
    return move


def natural(theta: np.ndarray) -> np.ndarray:
    return np.where(np.array(SCALES) == "lin", theta, 10.0**theta)


def both_spaces(k: int, ends: np.ndarray) -> np.ndarray:
    return np.stack([ends, ends if SCALES[k] == "lin" else 10.0**ends])


def function_profiles(names: tuple[str, ...] = ("k_phos * k_imp_homo", "pSTAT5A_rel(60)")) -> xr.Dataset:
    """A function of parameters, a prediction, and the validation that belongs to it, with 95 % only."""
    u = np.linspace(-2.3, 2.3, 21)
    names = (*names, f"new {names[1]}")
    centre, error = np.array([9.187, 71.0, 71.0]), np.array([0.03, 1.4, 4.1])
    value = centre[:, None] + error[:, None] * u
    level = Z[1:]
    ends = centre[:, None, None] + error[:, None, None] * level[:, None] * np.array([-1.02, 1.05])
    both = np.stack([ends, ends])
    both[1, 0] = 10 ** both[1, 0]
    theta = CENTRE + u[None, :, None] * 0.01 * np.arange(9) * np.array([1.0, 0.3, 0.1])[:, None, None]
    return dataset(
        "function_profiles",
        {
            "value": value,
            "theta": theta,
            "objective": NLLH + np.broadcast_to(u**2 / 2, value.shape),
            "nllh": NLLH + np.broadcast_to(u**2 / 2, value.shape),
            "status": np.full(value.shape, int(Status.CONVERGED)),
            "on_bound": np.zeros((*value.shape, 9), bool),
            "jump": np.zeros(value.shape, bool),
            "start_step": [10] * 3,
            "estimate": np.stack([centre, [10 ** centre[0], *centre[1:]]]),
            "interval": both,
            "side_status": np.full((3, 1, 2), int(CROSSED)),
            "searched": both[:, :, 0],
            "rise": np.full((3, 2), 2.6),
            "n_regions": np.ones((3, 1), int),
            "threshold": THRESHOLD[1:],
            "verdict": [int(Verdict.IDENTIFIABLE)] * 3,
            "partner": [["k_phos", "k_exp_homo"]] * 3,
            "partner_shift": [[0.2, 0.1]] * 3,
            "n_evaluations": np.full((3, 2), 80),
        },
        {
            "profiled": list(names),
            "kind": ["function", "prediction", "validation"],
            "parameter": list(PARAMETERS),
            "scale": list(SCALES),
            "parameter_unit": list(UNITS),
            "unit": ["1/min²", "percent", "percent"],
            "profiled_scale": ["log10", "lin", "lin"],
            "ci_prob": PROBS[1:],
        },
        {"method": "path", "threshold_kind": "chi2", "ci_prob": 0.95},
    )


def fisher(seed: int = 3) -> xr.Dataset:
    """Information with one direction that the data leave open: k_phos against k_imp_homo."""
    rng = np.random.default_rng(seed)
    n = len(PARAMETERS)
    vectors = np.linalg.qr(np.eye(n) + 0.25 * rng.standard_normal((n, n)))[0]
    null = np.zeros(n)
    null[[4, 5]] = [0.8, -0.6]
    vectors[:, -1] = null
    vectors = np.linalg.qr(vectors[:, ::-1])[0][:, ::-1]
    values = np.array([*np.geomspace(9e3, 0.02, n - 1), 3e-13])
    values = np.sort(values)[::-1]
    fim = vectors @ np.diag(values) @ vectors.T
    regular = vectors[:, :-1] @ np.diag(1 / values[:-1]) @ vectors[:, :-1].T
    error = np.sqrt(np.diag(regular))
    correlation = regular / np.outer(error, error)
    undetermined = [4, 5]
    error[undetermined] = np.inf
    correlation[undetermined], correlation[:, undetermined] = np.nan, np.nan
    correlation[undetermined, undetermined] = 1.0

    def twice(array: np.ndarray) -> np.ndarray:
        return np.stack([array, array])

    return dataset(
        "fisher",
        {
            "theta": CENTRE,
            "fim": twice(fim),
            "prior_information": np.zeros((2, n, n)),
            "hessian": twice(fim * 1.1),
            "eigenvalue": twice(values),
            "eigenvector": twice(vectors),
            "null": twice(np.arange(n) == n - 1),
            "nullity": [1, 1],
            "sloppiness": np.full(2, np.log10(values[0] / values[-2])),
            "null_share": null**2,
            "covariance": twice(regular),
            "correlation": twice(correlation),
            "standard_error": twice(error),
            "standard_error_data": twice(error * 1.02),
            "standard_error_observed": twice(error * np.linspace(0.7, 1.1, n)),
            "slice_error": twice(1 / np.sqrt(np.diag(fim))),
            "parameter_effects_curvature": [0.21, 0.88],
            "intrinsic_curvature": [0.06, 0.06],
            "curvature_factor": 1.43,
        },
        {"parameter": list(PARAMETERS), "scale": list(SCALES), "unit": list(UNITS), "mode": np.arange(n)},
        {
            "null_tolerance": 2e-9,
            "null_rule": "A direction counts as undetermined below the error of the integration.",
            "held_at_bound": "k_exp_hetero",
        },
    )


def profiles_2d() -> xr.Dataset:
    """Two pairs: a bent valley with failed cells, and one that stays open above."""
    n = 29
    pairs = ((0, 2), (4, 5))
    objective = np.full((2, n, n), np.nan)
    status = np.full((2, n, n), int(Status.NOT_REACHED))
    x, y = np.zeros((2, n)), np.zeros((2, n))
    for i, (a, b) in enumerate(pairs):
        u, v = np.linspace(-3.4, 3.4, n), np.linspace(-3.4, 3.4, n)
        x[i], y[i] = CENTRE[a] + ERROR[a] * u, CENTRE[b] + ERROR[b] * v
        p, q = np.meshgrid(u, v, indexing="ij")
        f = ((p - 0.5 * q - 0.12 * q**2) ** 2 + 0.8 * q**2) / 2 if i == 0 else (p + q) ** 2 / 2
        inside = f < 4.0
        objective[i][inside] = NLLH + f[inside]
        status[i][inside] = int(Status.CONVERGED)
    status[0, 18:20, 22:24], objective[0, 18:20, 22:24] = int(Status.STEP_TOO_SMALL), np.nan
    return dataset(
        "profiles_2d",
        {
            "first": [PARAMETERS[a] for a, _ in pairs],
            "second": [PARAMETERS[b] for _, b in pairs],
            "x_value": x,
            "y_value": y,
            "objective": objective,
            "nllh": objective,
            "theta": np.broadcast_to(CENTRE, (2, n, n, 9)),
            "status": status,
            "contour_prob": [0.68, 0.95, 0.68, 0.95],
            "contour_df": [1, 1, 2, 2],
            "contour_rise": [*THRESHOLD, *(-np.log(1 - PROBS))],
            "closed": [[True] * 4, [False] * 4],
        },
        {
            "pair": [f"{PARAMETERS[a]}, {PARAMETERS[b]}" for a, b in pairs],
            "parameter": list(PARAMETERS),
            "scale": list(SCALES),
            "unit": list(UNITS),
        },
    )


def quick_test() -> xr.Dataset:
    rng = np.random.default_rng(5)
    n, starts = len(PARAMETERS), 12
    direction = np.zeros(n)
    direction[[4, 5, 1]] = [0.78, -0.61, 0.14]
    least = np.sort(rng.exponential(0.02, starts)) + 4e-4
    least[-1] = np.nan
    status = [int(Status.CONVERGED)] * (starts - 1) + [int(Status.STEP_TOO_SMALL)]
    return dataset(
        "identifiability_test",
        {
            "theta": CENTRE + direction * rng.choice([-1, 1], (starts, 1)),
            "objective": NLLH + least,
            "rise": least,
            "distance": np.full(starts, 1.0),
            "status": status,
            "direction": direction,
            "radius": 1.0,
            "least_rise": float(np.nanmin(least)),
            "verdict": int(Verdict.FLAT),
        },
        {"parameter": list(PARAMETERS), "scale": list(SCALES), "unit": list(UNITS)},
    )


def bootstrap(n_replicates: int = 200) -> xr.Dataset:
    rng = np.random.default_rng(6)
    theta = CENTRE + ERROR * rng.standard_normal((n_replicates, 9)) * np.where(np.arange(9) == 5, 8, 1)
    theta[:, 4] = np.minimum(theta[:, 4], 5.0)
    theta[:, 1] = np.maximum(theta[:, 1], -5.0)
    status = np.full(n_replicates, int(Status.CONVERGED))
    status[:4] = int(Status.STEP_TOO_SMALL)
    theta[:4] = np.nan
    nat = np.where(np.array(SCALES) == "lin", theta, 10.0**theta)
    both = np.stack([theta, nat])
    levels = [np.quantile(both[:, 4:], [(1 - p) / 2, (1 + p) / 2], axis=1) for p in PROBS]
    best = np.stack([CENTRE, natural(CENTRE)])
    return dataset(
        "bootstrap",
        {
            "theta": theta,
            "objective": np.where(np.isnan(theta[:, 0]), np.nan, NLLH + rng.normal(0, 5, n_replicates)),
            "status": status,
            "mean": both[:, 4:].mean(axis=1),
            "standard_error": both[:, 4:].std(axis=1, ddof=1),
            "bias": both[:, 4:].mean(axis=1) - best,
            "interval": np.moveaxis(np.array(levels), (0, 1, 2, 3), (2, 3, 0, 1)),
            "on_bound": np.stack([(theta[4:] <= -5).mean(axis=0), (theta[4:, :] == 5).mean(axis=0)], axis=1),
        },
        {"parameter": list(PARAMETERS), "scale": list(SCALES), "unit": list(UNITS), "ci_prob": PROBS},
        {"n_replicates": n_replicates, "seed": 1},
    )


def agreement() -> xr.Dataset:
    prof, boot = profiles(), bootstrap()
    wald = prof["wald_interval"].values[1, :, 1].copy()
    wald[[1, 5]] = np.nan  # at a bound, and along the null direction
    ends = [wald, prof["interval"].values[1, :, 1], boot["interval"].values[1, :, 1]]
    verdict = [Agreement.AGREE] * 9
    verdict[4], verdict[5] = Agreement.DISAGREE, Agreement.DISAGREE
    cause = [""] * 9
    cause[4] = "the profile stays open above, where the symmetric interval ends at 9.3e+05"
    cause[5] = "no curvature at the best fit: the standard error does not exist"
    return dataset(
        "agreement",
        {"interval": np.array(ends), "agreement": [int(a) for a in verdict], "cause": cause},
        {
            "parameter": list(PARAMETERS),
            "scale": list(SCALES),
            "unit": list(UNITS),
            "source": ["wald", "profile", "bootstrap"],
        },
        {"ci_prob": 0.95},
    )


def everything(**options) -> xr.DataTree:
    """The Boehm-like study with all that is computed about what its data determine."""
    study = with_linear_noise(studies.boehm_like(**options))
    for name, make in MAKERS.items():
        study[name] = xr.DataTree(make())
    return study


MAKERS = {
    "fisher": fisher,
    "profiles": profiles,
    "function_profiles": function_profiles,
    "profiles_2d": profiles_2d,
    "identifiability_test": quick_test,
    "bootstrap": bootstrap,
    "agreement": agreement,
}


def with_linear_noise(study: xr.DataTree) -> xr.DataTree:
    """The last noise level estimated on a linear scale from 0, as the groups here have it."""
    problem, fit = study["problem"].to_dataset(), study["fit"].to_dataset()
    problem["scale"][8] = "lin"
    problem["lower"][8], problem["upper"][4] = 0.0, 10**6.5
    problem["lower"][5], problem["upper"][5] = 10 ** (BEST[5] - 0.33), 10 ** (BEST[5] + 0.33)
    for name in ("theta", "theta0", "optimum"):
        fit[name][:, 8] = np.minimum(10.0 ** fit[name].values[:, 8], 1e5)
    fit["scale"] = ("parameter", list(SCALES))
    study["problem"], study["fit"] = problem, fit
    return study


def hostile() -> xr.DataTree:
    """Everything, with names that would be markup, formulas of a spreadsheet, or math text."""
    study = studies.hostile()
    names = list(study["fit"]["parameter"].values)
    renamed = dict(zip(PARAMETERS, names, strict=True))
    odd = {"=cmd()": "=cmd()"}
    for name, make in MAKERS.items():
        ds = make() if name != "function_profiles" else function_profiles((studies.HOSTILE, "=1*2"))
        ds = ds.assign_coords({d: names for d in ("parameter", "parameter_") if d in ds.dims})
        if name == "profiles":
            ds = ds.assign_coords(profiled=names)
            ds["valley"] = ("profiled", [studies.HOSTILE] * 9)
            ds["reason"] = ("profiled", ["=cmd()"] * 9)
        for text in ("partner", "first", "second"):
            if text in ds:
                words = [renamed.get(str(w), odd.get(str(w), str(w))) for w in ds[text].values.ravel()]
                ds[text] = (ds[text].dims, np.array(words).reshape(ds[text].shape))
        if name == "agreement":
            ds["cause"] = ("parameter", [studies.HOSTILE] * 9)
        study[name] = xr.DataTree(ds)
    return study
