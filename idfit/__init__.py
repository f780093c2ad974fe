"""What do your data say about your ODE model? Fits, identifiability and the loss landscape."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# The public names and where they live. They load when first used, so that `import idfit` stays quick.
_HOME = {
    "Finding": "idfit.errors",
    "IdfitError": "idfit.errors",
    "InputError": "idfit.errors",
    "RunError": "idfit.errors",
    "StorageError": "idfit.errors",
    "Interrupted": "idfit.errors",
    "Status": "idfit.results",
    "Runner": "idfit.tasks",
    "Model": "idfit.model",
    "ProblemSpec": "idfit.spec.schema",
    "Problem": "idfit.problem",
    "ParameterSpace": "idfit.problem",
    "Quantity": "idfit.problem",
    "load": "idfit.formats.load",
    "simulate": "idfit.problem",
    "simulate_data": "idfit.problem",
    "fit": "idfit.optimize",
    "fisher_information": "idfit.fisher",
    "to_lmfit": "idfit.optimize",
    "to_minimizer_result": "idfit.optimize",
    "assess_structure": "idfit.structural.assess",
    "find_combinations": "idfit.structural.combinations",
    "reparameterize": "idfit.reparameterization",
    "reparameterization_of": "idfit.reparameterization",
    "prove": "idfit.reparameterization",
    "reduce": "idfit.reparameterization.reduction",
    "profile": "idfit.profiles",
    "profile_functions": "idfit.profiles",
    "profile_2d": "idfit.profiles",
    "identifiability_test": "idfit.profiles",
    "bootstrap": "idfit.profiles",
    "sample": "idfit.sampling.sample",
    "Candidate": "idfit.prediction.candidates",
    "design": "idfit.prediction.design",
    "predict": "idfit.prediction",
    "posterior_predictive": "idfit.prediction",
    "residual_diagnostics": "idfit.prediction",
    "compare": "idfit.prediction",
    "likelihood_ratio": "idfit.prediction",
    "run": "idfit.study.pipeline",
    "resume": "idfit.study.pipeline",
    "open_study": "idfit.study.store",
    "report": "idfit.study.products",
}

__all__ = ["__version__", *_HOME]  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    __version__: str
    from idfit.errors import Finding, IdfitError, InputError, Interrupted, RunError, StorageError
    from idfit.fisher import fisher_information
    from idfit.formats.load import load
    from idfit.model import Model
    from idfit.optimize import fit, to_lmfit, to_minimizer_result
    from idfit.prediction import (
        compare,
        likelihood_ratio,
        posterior_predictive,
        predict,
        residual_diagnostics,
    )
    from idfit.prediction.candidates import Candidate
    from idfit.prediction.design import design
    from idfit.problem import ParameterSpace, Problem, Quantity, simulate, simulate_data
    from idfit.profiles import bootstrap, identifiability_test, profile, profile_2d, profile_functions
    from idfit.reparameterization import prove, reparameterization_of, reparameterize
    from idfit.reparameterization.reduction import reduce
    from idfit.results import Status
    from idfit.sampling.sample import sample
    from idfit.spec.schema import ProblemSpec
    from idfit.structural.assess import assess_structure
    from idfit.structural.combinations import find_combinations
    from idfit.study.pipeline import resume, run
    from idfit.study.products import report
    from idfit.study.store import open_study
    from idfit.tasks import Runner


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("idfit")
    if name not in _HOME:
        raise AttributeError(f"idfit has no public name {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
