"""Fisher information: spectrum and null space, covariance and standard errors, curvature of the model."""

from idfit.fisher.information import fisher_information

__all__ = ["fisher_information"]
