"""Posteriors: samplers, and what their draws are worth."""

# recipes and commands are read with the options alone; what samples loads when used
from idfit.sampling.options import SAMPLERS, SampleOptions

__all__ = ["SAMPLERS", "SampleOptions"]
