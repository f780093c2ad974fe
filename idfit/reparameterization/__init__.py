"""The same problem in other parameters: those that the data determine, the user's own, those of a limit."""

from idfit.reparameterization.intervals import OldInterval, with_profiles
from idfit.reparameterization.maps import Gauge, Reparameterization
from idfit.reparameterization.proof import prove
from idfit.reparameterization.reparameterize import reparameterization_of, reparameterize

__all__ = [
    "Gauge",
    "OldInterval",
    "Reparameterization",
    "prove",
    "reparameterization_of",
    "reparameterize",
    "with_profiles",
]
