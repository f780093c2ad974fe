"""Models as equations, and their compiled form."""

from idfit.model.compiled import CompiledModel, Readout, compile_formulas, compile_model
from idfit.model.model import Event, Model

__all__ = ["CompiledModel", "Event", "Model", "Readout", "compile_formulas", "compile_model"]
