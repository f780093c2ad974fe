"""Every rule of meaning that a problem must obey: names, formulas, parameters, conditions, data, units."""

from __future__ import annotations

from idfit.errors import Finding
from idfit.spec.check_conditions import check_conditions, check_inputs
from idfit.spec.check_formulas import check_cycles, check_references, parsed
from idfit.spec.check_measurements import check_measurements
from idfit.spec.check_names import check_names
from idfit.spec.check_observables import check_observables
from idfit.spec.check_parameters import check_parameters
from idfit.spec.check_states import check_states
from idfit.spec.check_units import check_units
from idfit.spec.findings import Findings, Positions
from idfit.spec.schema import ProblemSpec


def check(spec: ProblemSpec, positions: Positions | None = None) -> list[Finding]:
    """All findings about `spec`, errors first. `positions` gives them their places in the model file."""
    findings = Findings(positions or Positions())
    check_into(spec, findings)
    return findings.finish()


def check_into(spec: ProblemSpec, findings: Findings) -> None:
    check_names(spec, findings)
    formulas = parsed(spec, findings)
    check_references(spec, formulas, findings)
    check_cycles(spec, formulas, findings)
    check_states(spec, formulas, findings)
    check_parameters(spec, formulas, findings)
    check_observables(spec, formulas, findings)
    check_inputs(spec, formulas, findings)
    check_conditions(spec, formulas, findings)
    check_measurements(spec, formulas, findings)
    check_units(spec, formulas, findings)
