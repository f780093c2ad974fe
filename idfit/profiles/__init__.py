"""Profile likelihoods, and what they say about each parameter."""

from idfit.profiles.profile import profile
from idfit.profiles.quantities import profile_functions
from idfit.profiles.rounds import ProfileOptions

__all__ = ["ProfileOptions", "profile", "profile_functions"]
