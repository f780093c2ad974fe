"""Fitting: multistart local optimisation, and the optimisers of scipy and lmfit by name."""

from idfit.optimize.fit import fit
from idfit.optimize.local import LocalOptions

__all__ = ["LocalOptions", "fit"]
