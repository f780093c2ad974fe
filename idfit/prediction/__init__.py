"""What a fitted model predicts, whether it fits, and which of several models does better."""

from idfit.prediction.comparison import compare, likelihood_ratio
from idfit.prediction.diagnostics import residual_diagnostics
from idfit.prediction.predict import predict
from idfit.prediction.predictive_checks import posterior_predictive

__all__ = ["compare", "likelihood_ratio", "posterior_predictive", "predict", "residual_diagnostics"]
