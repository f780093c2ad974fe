"""Models as equations, and their compiled form."""

from idfit.model.compiled import CompiledModel, Readout, compile_formulas, compile_model
from idfit.model.model import Model

__all__ = ["CompiledModel", "Model", "Readout", "compile_formulas", "compile_model"]
