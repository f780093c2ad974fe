"""Fitting: multistart local optimisation, and the optimisers of scipy and lmfit by name."""

from idfit.optimize.fit import fit
from idfit.optimize.lmfit_bridge import LmfitProblem, to_lmfit, to_minimizer_result
from idfit.optimize.local import LocalOptions

__all__ = ["LmfitProblem", "LocalOptions", "fit", "to_lmfit", "to_minimizer_result"]
