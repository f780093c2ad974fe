"""A seeded mass-action network of any size: the larger model that the collection in models/ does not have."""

from __future__ import annotations

import numpy as np

import idfit


def network(
    n_states: int = 30,
    n_reactions: int = 40,
    seed: int = 1,
    *,
    reach: int | None = None,
    n_estimated: int | None = None,
    simulated: bool = True,
) -> idfit.Problem:
    """Reactions A -> B, A + B -> C and C -> A + B between random species.

    reach : how far apart (in number, round a ring) the species of a reaction may be; None for any.
    n_estimated : how many rate constants are estimated, evenly spread; None for all. Every third species is
    measured at ten times with noise drawn from the seed. The rates spread over two decades.
    simulated : False leaves every measured value at 1, so that nothing has been compiled yet.
    """
    rng = np.random.default_rng(seed)
    states = [f"s{i}" for i in range(n_states)]
    terms: dict[str, list[str]] = {s: [] for s in states}
    rates = {}
    for r in range(n_reactions):
        # the first reactions form a chain, so that every species takes part
        a = states[r % n_states]
        near = states
        if reach is not None:
            near = [states[(r + k) % n_states] for k in range(-reach, reach + 1)]
        b, c = rng.choice([s for s in near if s != a], 2, replace=False)
        rate = f"k{r}"
        rates[rate] = float(10 ** rng.uniform(-1.5, 0.5))
        kind = r % 3
        before, after = ([a], [b]) if kind == 0 else ([a, b], [c]) if kind == 1 else ([c], [a, b])
        flow = "*".join([rate, *before])
        for s in before:
            terms[s].append(f"-{flow}")
        for s in after:
            terms[s].append(f"+{flow}")
    model = idfit.Model.from_equations(
        odes={s: "".join(t).lstrip("+") or "0" for s, t in terms.items()},
        observables={f"y_{s}": s for s in states[::3]},
        parameters=list(rates),
        initial={s: float(np.round(rng.uniform(0.2, 2.0), 3)) for s in states},
    )
    times = np.round(np.geomspace(0.1, 20.0, 10), 3)
    table = [(t, f"y_{s}") for s in states[::3] for t in times]
    problem = idfit.Problem(
        model,
        {
            "condition": ["run"] * len(table),
            "time": [t for t, _ in table],
            "observable": [o for _, o in table],
            "value": [1.0] * len(table),
        },
        conditions={"run": {}},
        parameters={k: {"value": v, "min": 1e-4, "max": 1e3, "scale": "log10"} for k, v in rates.items()},
        noise={f"y_{s}": 0.02 for s in states[::3]},
    )
    if n_estimated is not None:
        kept = {f"k{r}" for r in np.linspace(0, n_reactions - 1, n_estimated).astype(int)}
        problem = problem.fix(**{k: v for k, v in rates.items() if k not in kept})
    return idfit.simulate_data(problem, seed=seed) if simulated else problem
