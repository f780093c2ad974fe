"""The study as plain arrays and texts: the only place in the report that knows names of groups and variables.

A study may lack any group or variable; what is absent comes back as ``None``, NaN or ``""`` and is left out
later.
"""

from idfit.reporting.reading.access import (
    attribute,
    axis_names,
    count_of,
    group,
    json_attribute,
    numbers,
    scalar,
    texts,
)
from idfit.reporting.reading.companions import (
    Bootstrap,
    Opinions,
    QuickTest,
    read_agreement,
    read_bootstrap,
    read_test,
)
from idfit.reporting.reading.fit import (
    Measurements,
    Starts,
    Trajectories,
    is_gaussian,
    noise_is_stated,
    noise_was_estimated,
    read_measurements,
    read_observables,
    read_starts,
    read_trajectories,
    simulated_at,
)
from idfit.reporting.reading.identifiability import (
    Axis,
    Contour,
    Fisher,
    Pair,
    Partner,
    Profile,
    Profiles,
    read_bounds,
    read_fisher,
    read_pairs,
    read_profiles,
)

__all__ = [
    "Axis",
    "Bootstrap",
    "Contour",
    "Fisher",
    "Measurements",
    "Opinions",
    "Pair",
    "Partner",
    "Profile",
    "Profiles",
    "QuickTest",
    "Starts",
    "Trajectories",
    "attribute",
    "axis_names",
    "count_of",
    "group",
    "is_gaussian",
    "json_attribute",
    "noise_is_stated",
    "noise_was_estimated",
    "numbers",
    "read_agreement",
    "read_bootstrap",
    "read_bounds",
    "read_fisher",
    "read_measurements",
    "read_observables",
    "read_pairs",
    "read_profiles",
    "read_starts",
    "read_test",
    "read_trajectories",
    "scalar",
    "simulated_at",
    "texts",
]
