"""Made-up studies in the shape of real ones: what the report is tested on without any solver."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from idfit.results import SCHEMA_VERSION, Status, dataset

PARAMETERS = (
    "Epo_degradation_BaF3",
    "k_exp_hetero",
    "k_exp_homo",
    "k_imp_hetero",
    "k_imp_homo",
    "k_phos",
    "sd_pSTAT5A_rel",
    "sd_pSTAT5B_rel",
    "sd_rSTAT5A_rel",
)
UNITS = ("1/min", "1/min", "1/min", "1/min", "1/min", "1/min", "percent", "percent", "percent")
BEST = np.log10([0.02698, 1.0e-5, 0.00617, 0.01637, 97749.0, 15766.5, 3.8526, 6.5915, 3.1527])
TIMES = np.array([0, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 120, 160, 200, 240.0])
HOSTILE = "<script>alert('x')</script>"


def root(name: str = "Boehm STAT5", **attrs: str) -> xr.Dataset:
    """Provenance as the study writes it."""
    versions = {
        "idfit": "0.1.0",
        "numpy": "2.4.0",
        "numba": "0.68.0",
        "python": "3.12.4",
        "xarray": "2026.9.0",
    }
    known = {
        "schema_version": SCHEMA_VERSION,
        "idfit_version": "0.1.0",
        "versions": json.dumps(versions),
        "model_toml": '# STAT5\n[parameters]\nk_phos = { value = 15766.5, scale = "log10" }\n',
        "hash_model": "4d2085084b289f6215a95475b1ee639fd7d42283" + "0" * 24,
        "hash_data": "9d1c" * 16,
        "hash_recipe": "77ab" * 16,
        "seed": 1,
        "rtol": 1e-8,
        "atol": 1e-12,
        "command": "idfit fit models/boehm.toml data/boehm.csv --starts 100 --seed 1 --out reports/boehm",
        "name": name,
        "description": "Homo- and heterodimerisation of STAT5A and STAT5B after stimulation with "
        "erythropoietin.",
        "time_unit": "min",
    }
    return xr.Dataset(attrs=known | attrs)


def curve(k: int, time: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Something like the k-th observable of Boehm et al."""
    rise = 1 - np.exp(-time / (3.0 + 2 * (k % 3)))
    fall = np.exp(-((time / (170 + 25 * (k % 3))) ** 2))
    height, base = (92.0, 78.0, 14.0)[k % 3], (6.0, 4.0, 46.0)[k % 3]
    return base + strength * height * rise * fall


def problem_and_simulation(
    rng: np.random.Generator,
    conditions: tuple[str, ...],
    observables: tuple[str, ...],
    transform: str = "lin",
    units: tuple[str, ...] = (),
) -> tuple[xr.Dataset, xr.Dataset]:
    sigmas = np.array([3.85, 6.59, 3.15])
    grid = np.linspace(0, 240, 121)
    strengths = np.linspace(1.0, 0.35, len(conditions))
    rows = [(c, o, t) for c in range(len(conditions)) for o in range(len(observables)) for t in TIMES]
    condition = [conditions[c] for c, _, _ in rows]
    observable = [observables[o] for _, o, _ in rows]
    time = np.array([t for _, _, t in rows])
    prediction = np.array([curve(o, np.array(t), strengths[c]) for c, o, t in rows])
    sigma = np.array([sigmas[o % 3] if transform == "lin" else 0.08 for _, o, _ in rows])
    noise = rng.standard_normal(len(rows))
    value = prediction + sigma * noise if transform == "lin" else prediction * 10 ** (sigma * noise)
    all_names = [*PARAMETERS, "ratio", "specC17", "k_both"]
    estimated = [True] * 9 + [False] * 3
    problem = dataset(
        "problem",
        {
            "lower": [1e-5] * 9 + [np.nan] * 3,
            "upper": [1e5] * 9 + [np.nan] * 3,
            "nominal": [*10**BEST, 0.693, 0.107, np.nan],
            "scale": ["log10"] * 9 + ["lin"] * 3,
            "unit": [*UNITS, "", "", "1/min"],
            "estimated": estimated,
            "prior": ["normal(mean=-1.5, sd=1) on log10"] + [""] * 11,
            "tie": [""] * 11 + ["k_imp_homo * ratio"],
            "condition": condition,
            "observable": observable,
            "time": time,
            "value": value,
            "sigma_source": ["estimated (sd)"] * len(rows),
            "measurement_unit": [
                dict(zip(observables, units, strict=False)).get(o, "percent") for o in observable
            ],
        },
        {"parameter_all": all_names},
    )
    shape = (len(conditions), len(observables), len(grid))
    simulation = dataset(
        "simulation",
        {
            "prediction": prediction,
            "sigma": sigma,
            "residual": noise,
            "theta": BEST,
            "nllh": 138.222,
            "trajectory_time": np.broadcast_to(grid, (len(conditions), len(grid))),
            "trajectory": [[curve(o, grid, s) for o in range(len(observables))] for s in strengths],
            "trajectory_sigma": np.broadcast_to(
                np.array([sigmas[o % 3] if transform == "lin" else 0.08 for o in range(len(observables))])[
                    :, None
                ],
                shape,
            ),
        },
        {
            "condition": condition,
            "observable": observable,
            "time": time,
            "parameter": list(PARAMETERS),
            "trajectory_condition": list(conditions),
            "trajectory_observable": list(observables),
            "observable_unit": [units[i] if i < len(units) else "percent" for i in range(len(observables))],
            "observable_transform": [transform] * len(observables),
            "observable_distribution": ["normal"] * len(observables),
        },
    )
    return problem, simulation


def fit(
    rng: np.random.Generator, n_starts: int = 100, all_failed: bool = False, best_hits: int = 37
) -> xr.Dataset:
    """A multistart in four clusters with failures: `best_hits` in the best, ten starts without a value."""
    n = len(PARAMETERS)
    fates = [Status.STEP_TOO_SMALL] * 5 + [Status.SINGULAR] * 3 + [Status.STEP_BUDGET] * 2
    n_failed = n_starts if all_failed else len(fates)
    sizes = [] if all_failed else [best_hits, 25, 12]
    sizes += [] if all_failed else [n_starts - n_failed - sum(sizes)]
    cluster = np.repeat([*range(len(sizes)), -1], [*sizes, n_failed])
    status = [Status.CONVERGED] * (n_starts - n_failed) + [fates[i % len(fates)] for i in range(n_failed)]
    levels = 138.222 + np.array([0.0, 3.1, 11.4, 95.0])
    optimum = BEST + np.array(
        [[0.0] * n, [0.4, 2.2, 0.2, -0.3, -1.2, 0, 0.02, 0.03, 0], [1.5] * n, [-1.0] * n]
    )
    optimum = np.clip(optimum, -5, 5)[: len(sizes)]
    objective, theta = np.full(n_starts, np.nan), np.full((n_starts, n), np.nan)
    for i, k in enumerate(cluster):
        if k >= 0:
            objective[i] = levels[k] + rng.exponential(3e-5 if k < 3 else 20.0)
            theta[i] = optimum[k] + rng.normal(0, 0.002, n)
            theta[i, 4:6] = np.clip(optimum[k, 4:6] + rng.normal(0, [0.6, 0.002]), -5, 5)
    if not all_failed:
        objective[0], theta[0] = 138.222, BEST
        status[sizes[0] - 1] = Status.STALLED
        status[n_starts - n_failed - 1] = Status.MAX_ITERATIONS
    shuffle = rng.permutation(n_starts)
    cluster, objective, theta = cluster[shuffle], objective[shuffle], theta[shuffle]
    hits = np.array(sizes, dtype=int)
    rate = hits / n_starts
    error = 1.96 * np.sqrt(rate * (1 - rate) / n_starts)
    nothing = np.full(n, np.nan)
    natural = 10**BEST
    se = np.array([0.021, np.nan, 0.05, 0.03, 1.9, 0.011, 0.077, 0.077, 0.077])
    return dataset(
        "fit",
        {
            "theta0": rng.uniform(-5, 5, (n_starts, n)),
            "theta": theta,
            "objective": objective,
            "nllh": objective,
            "nlprior": np.where(np.isfinite(objective), 0.0, np.nan),
            "status": [int(status[i]) for i in shuffle],
            "cluster": cluster,
            "n_evaluations": rng.integers(20, 120, n_starts),
            "n_iterations": rng.integers(15, 100, n_starts),
            "gradient_norm": np.where(np.isfinite(objective), 1e-6, np.nan),
            "optimum": optimum,
            "optimum_nllh": levels[: len(sizes)],
            "hits": hits,
            "hit_rate": rate,
            "hit_rate_interval": np.stack([np.maximum(rate - error, 0), np.minimum(rate + error, 1)], axis=1),
            "estimate": nothing if all_failed else natural,
            "standard_error": np.stack([nothing, nothing] if all_failed else [se, se * natural * np.log(10)]),
            "at_bound": np.zeros(n, dtype=int) if all_failed else [0, -1, 0, 0, 0, 0, 0, 0, 0],
            "chi2": np.nan if all_failed else 47.9,
            "n_data": 48,
            "dof": 42,
        },
        {
            "parameter": list(PARAMETERS),
            "optimum_index": np.arange(len(sizes)),
            "unit": list(UNITS),
            "scale": ["log10"] * n,
        },
        {
            "optimizer": "trust-region",
            "n_starts": n_starts,
            "seed": 1,
            "sampling": "sobol",
            "rtol": 1e-8,
            "atol": 1e-12,
            "aic": 294.44,
            "aicc": 299.18,
            "bic": 311.28,
            "n_noise_parameters": 3,
            "sigma_correction": 1.069,
            "delta_nllh_chi2_95": 1.9207,
            "delta_nllh_f_95": 2.232,
        },
    )


def boehm_like(**options) -> xr.DataTree:
    """One condition, three observables at sixteen times, a hundred starts in four clusters."""
    rng = np.random.default_rng(7)
    problem, simulation = problem_and_simulation(rng, ("Epo",), ("pSTAT5A_rel", "pSTAT5B_rel", "rSTAT5A_rel"))
    return xr.DataTree.from_dict(
        {"/": root(), "fit": fit(rng, **options), "problem": problem, "simulation": simulation}
    )


def hostile() -> xr.DataTree:
    """Names that would be markup, formulas of a spreadsheet, math text, or far too long."""
    rng = np.random.default_rng(8)
    observables = (HOSTILE, "$x_{1}^", "=cmd|'/c calc'!A1")
    problem, simulation = problem_and_simulation(
        rng, (HOSTILE * 2, "y" * 10_000), observables, units=("<b>", "µM")
    )
    tree = xr.DataTree.from_dict(
        {
            "/": root(
                HOSTILE, description=f"</style>{HOSTILE}", model_toml=f"</pre>{HOSTILE}", command=HOSTILE
            ),
            "fit": fit(rng),
            "problem": problem,
            "simulation": simulation,
        }
    )
    names = [HOSTILE, "=1+1", "-k", "@x", "a\x07b", "$k_{2}$", "&amp;", '"onload="x', "'q'"]
    tree["fit"] = tree["fit"].to_dataset().assign_coords(parameter=names)
    tree["problem"] = tree["problem"].to_dataset().assign_coords(parameter_all=[*names, "r", "s", "t"])
    return tree


def many_conditions(n: int = 40, n_observables: int = 1, transform: str = "lin") -> xr.DataTree:
    """Progress curves: many conditions of few observables."""
    rng = np.random.default_rng(9)
    conditions = tuple(f"substrate {10 * (i + 1)} µM" for i in range(n))
    problem, simulation = problem_and_simulation(
        rng,
        conditions,
        tuple(f"absorbance{i}" for i in range(n_observables)),
        transform,
        ("OD",) * n_observables,
    )
    return xr.DataTree.from_dict(
        {"/": root("Progress curves"), "fit": fit(rng), "problem": problem, "simulation": simulation}
    )


def all_failed() -> xr.DataTree:
    """A fit that found nothing, hence no simulation."""
    rng = np.random.default_rng(10)
    problem, _ = problem_and_simulation(rng, ("Epo",), ("pSTAT5A_rel",))
    return xr.DataTree.from_dict({"/": root(), "fit": fit(rng, all_failed=True), "problem": problem})


def changed(study: xr.DataTree, group: str, **variables) -> xr.DataTree:
    """The study with new values of some variables of a group, dims and attributes kept."""
    dataset_ = study[group].to_dataset()
    new = {name: (dataset_[name].dims, values, dataset_[name].attrs) for name, values in variables.items()}
    study[group] = dataset_.assign(new)
    return study
