"""A small PEtab problem of each version, written to a folder, for tests that change one thing in it.

The model: A and B in a compartment C of size 2 turn into each other, dA/dt = k2 B - k1 A, with A(0) = a0 = 1
and B(0) = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

MODEL = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2">
  <model id="small">
    <listOfCompartments>
      <compartment id="C" spatialDimensions="3" size="2" constant="true"/>
    </listOfCompartments>
    <listOfSpecies>
      <species id="A" compartment="C" hasOnlySubstanceUnits="false" boundaryCondition="false"
               constant="false"/>
      <species id="B" compartment="C" initialConcentration="0" hasOnlySubstanceUnits="false"
               boundaryCondition="false" constant="false"/>
      <species id="total" compartment="C" hasOnlySubstanceUnits="false" boundaryCondition="true"
               constant="false"/>
    </listOfSpecies>
    <listOfParameters>
      <parameter id="a0" value="1" constant="true"/>
      <parameter id="k1" value="0.8" constant="true"/>
      <parameter id="k2" value="0.6" constant="true"/>
      <parameter id="double_k1" constant="true"/>
    </listOfParameters>
    <listOfInitialAssignments>
      <initialAssignment symbol="A"><math xmlns="http://www.w3.org/1998/Math/MathML">
        <ci>a0</ci></math></initialAssignment>
      <initialAssignment symbol="double_k1"><math xmlns="http://www.w3.org/1998/Math/MathML">
        <apply><times/><cn>2</cn><ci>k1</ci></apply></math></initialAssignment>
    </listOfInitialAssignments>
    <listOfRules>
      <assignmentRule variable="total"><math xmlns="http://www.w3.org/1998/Math/MathML">
        <apply><plus/><ci>A</ci><ci>B</ci></apply></math></assignmentRule>
    </listOfRules>
    <listOfReactions>
      <reaction id="forth" reversible="false">
        <listOfReactants><speciesReference species="A" stoichiometry="1" constant="true"/></listOfReactants>
        <listOfProducts><speciesReference species="B" stoichiometry="1" constant="true"/></listOfProducts>
        <kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML">
          <apply><times/><ci>C</ci><ci>k1</ci><ci>A</ci></apply></math></kineticLaw>
      </reaction>
      <reaction id="back" reversible="false">
        <listOfReactants><speciesReference species="B" stoichiometry="1" constant="true"/></listOfReactants>
        <listOfProducts><speciesReference species="A" stoichiometry="1" constant="true"/></listOfProducts>
        <kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML">
          <apply><times/><ci>C</ci><ci>k2</ci><ci>B</ci></apply></math></kineticLaw>
      </reaction>
    </listOfReactions>
  </model>
</sbml>
"""

VERSION_1 = {
    "problem.yaml": """format_version: 1
parameter_file: parameters.tsv
problems:
  - sbml_files: [model.xml]
    condition_files: [conditions.tsv]
    measurement_files: [measurements.tsv]
    observable_files: [observables.tsv]
""",
    "model.xml": MODEL,
    "parameters.tsv": """parameterId	parameterScale	lowerBound	upperBound	nominalValue	estimate
k1	log10	1e-3	1e3	0.8	1
k2	lin	0	10	0.6	1
""",
    "conditions.tsv": """conditionId	a0
c0	1
""",
    "observables.tsv": """observableId	observableFormula	noiseFormula
obs_a	A	0.5
""",
    "measurements.tsv": """observableId	simulationConditionId	time	measurement
obs_a	c0	0	0.7
obs_a	c0	10	0.1
""",
}

VERSION_2 = {
    "problem.yaml": """format_version: 2.0.0
model_files:
  small: {location: model.xml, language: sbml}
parameter_files: [parameters.tsv]
condition_files: [conditions.tsv]
experiment_files: [experiments.tsv]
measurement_files: [measurements.tsv]
observable_files: [observables.tsv]
""",
    "model.xml": MODEL,
    "parameters.tsv": """parameterId	lowerBound	upperBound	nominalValue	estimate
k1	1e-3	1e3	0.8	true
k2	0	10	0.6	true
""",
    "conditions.tsv": """conditionId	targetId	targetValue
c0	a0	1
""",
    "experiments.tsv": """experimentId	time	conditionId
e0	0	c0
""",
    "observables.tsv": """observableId	observableFormula	noiseFormula
obs_a	A	0.5
""",
    "measurements.tsv": """observableId	experimentId	time	measurement
obs_a	e0	0	0.7
obs_a	e0	10	0.1
""",
}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write the files, and return the path of the problem file."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "problem.yaml"
