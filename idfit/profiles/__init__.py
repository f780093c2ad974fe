"""Profile likelihoods, and what they say about each parameter."""

from idfit.profiles.bootstrap import bootstrap
from idfit.profiles.plane import profile_2d
from idfit.profiles.profile import profile
from idfit.profiles.quantities import profile_functions
from idfit.profiles.radial import identifiability_test
from idfit.profiles.rounds import ProfileOptions

__all__ = [
    "ProfileOptions",
    "bootstrap",
    "identifiability_test",
    "profile",
    "profile_2d",
    "profile_functions",
]
