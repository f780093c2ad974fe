"""Posteriors: samplers, and what their draws are worth."""

from idfit.sampling.options import SAMPLERS, SampleOptions
from idfit.sampling.sample import sample

__all__ = ["SAMPLERS", "SampleOptions", "sample"]
