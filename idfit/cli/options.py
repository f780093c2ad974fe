"""Options that several commands share, declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Missing(StrEnum):
    refuse = "refuse"
    drop = "drop"


class Threshold(StrEnum):
    chi2 = "chi2"
    F = "F"


class Method(StrEnum):
    path = "path"
    endpoints = "endpoints"
    integration = "integration"


class Opinion(StrEnum):
    endpoints = "endpoints"
    integration = "integration"


class Sampler(StrEnum):
    emcee = "emcee"
    metropolis = "metropolis"
    tempering = "tempering"
    nuts = "nuts"
    dynesty = "dynesty"


class Sampling(StrEnum):
    sobol = "sobol"
    lhs = "lhs"


ModelFile = Annotated[
    Path,
    typer.Argument(help="The model: TOML, PEtab (its YAML file), SBML or Antimony.", show_default=False),
]
DataFile = Annotated[
    Path | None,
    typer.Argument(
        help="The measurements, a tidy CSV file; a PEtab problem names its own.", show_default=False
    ),
]
KnownNames = Annotated[
    list[str] | None,
    typer.Option(
        "--known", help="Parameters whose values in MODEL are known, separated by commas.", show_default=False
    ),
]
Starts = Annotated[int, typer.Option("--starts", help="How many random starts.")]
Seed = Annotated[
    int | None, typer.Option("--seed", help="Of all random numbers; drawn, printed and stored if left out.")
]
Out = Annotated[Path | None, typer.Option("--out", help="The folder of the run.", show_default=False)]
Workers = Annotated[int, typer.Option("--workers", help="Threads; the results do not depend on them.")]
MissingValues = Annotated[
    Missing, typer.Option("--missing", help="What to do with rows without a value.", case_sensitive=False)
]
SamplingOfStarts = Annotated[Sampling, typer.Option("--sampling", help="How starts are spread.")]
Optimizer = Annotated[
    str | None,
    typer.Option("--optimizer", help="trust-region, scipy:<method> or lmfit:<method>.", show_default=False),
]
Target = Annotated[
    Path,
    typer.Argument(help="The folder of a run, or a model with DATA.", show_default=False),
]
Rtol = Annotated[float, typer.Option("--rtol", help="Relative tolerance of the integrator.")]
Atol = Annotated[float, typer.Option("--atol", help="Absolute tolerance, in units of each state's scale.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in the folder.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="One machine-readable line on stdout at the end.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and all warnings.")]
