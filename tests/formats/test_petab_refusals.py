"""What is wrong in a PEtab problem is said with file, line, value, rule and remedy, all of it in one pass."""

from __future__ import annotations

import os
import time

import pytest

from idfit.errors import InputError
from idfit.formats.petab import read_petab
from tests.formats.petab_problems import VERSION_1, VERSION_2, write

pytest.importorskip("libsbml")

Y, P, C = "problem.yaml", "parameters.tsv", "conditions.tsv"
E, O, M = "experiments.tsv", "observables.tsv", "measurements.tsv"


def findings_of(folder, version, *changes):
    """What is said of the problem with texts replaced: (file, old, new)."""
    files = dict(VERSION_1 if version == 1 else VERSION_2)
    for file, old, new in changes:
        assert old in files[file], (file, old)
        files[file] = files[file].replace(old, new)
    with pytest.raises(InputError) as raised:
        read_petab(write(folder, files))
    return [f for f in raised.value.findings if f.severity == "error"]


ONE_FAULT = [
    # version, file, old, new, file that is blamed, line, code, words
    (1, M, "obs_a\tc0\t0", "obs_b\tc0\t0", M, 2, "D21", "'obs_b' - is not in the observable table"),
    (1, M, "c0\t10", "c1\t10", M, 3, "D21", "simulationConditionId = 'c1' - is not in the condition table"),
    (1, M, "measurement\n", "value\n", M, 1, "D13", "there is no column 'measurement'"),
    (1, M, "time", "Time", M, 1, "D13", "did you mean 'Time'?"),
    (1, M, "0.7", "<0.7", M, 2, "D16", "PEtab has no censored values"),
    (1, M, "0.7", "1e400", M, 2, "D15", "is too large"),
    (1, M, "0.7", "nan", M, 2, "D14", "is missing"),
    (1, M, "0.7", "1_000", M, 2, "D16", "without separators"),
    (1, M, "c0\t10", "c0\tten", M, 3, "D29", "time = 'ten' - is not a number"),
    (1, M, "c0\t10", "c0\t-10", M, 3, "D27", "is before the experiment begins, at 0"),
    (1, M, "c0\t10", "c0\t-inf", M, 3, "D27", "is before the experiment begins"),
    (1, M, "c0\t10\t0.1", "c0\t10", M, 3, "D06", "the row has 3 cells, the header 4"),
    (1, P, "1e-3\t1e3", "\t1e3", P, 2, "P04", "k1: lowerBound - an estimated parameter needs bounds"),
    (1, P, "1e-3\t1e3", "1e-3\tinf", P, 2, "P04", "needs finite bounds"),
    (1, P, "1e-3\t1e3", "1e3\t1e-3", P, 2, "P03", "lowerBound = 1000, upperBound = 0.001"),
    (1, P, "1e-3\t1e3", "0\t1e3", P, 2, "P05", "lowerBound = 0 - must be positive on the scale log10"),
    (1, P, "1e-3\t1e3", "-3\t1e3", P, 2, "P06", "not of its logarithm: lowerBound = 0.001?"),
    (1, P, "log10", "log2", P, 2, "M29", "did you mean 'log'?"),
    (1, P, "0.8\t1", "\t0", P, 2, "P09", "is not estimated and has no nominalValue"),
    (1, P, "0.6\t1", "0.6\tyes", P, 3, "M29", "must be 1 or 0"),
    (1, P, "k2", "k1", P, 3, "D11", "stands twice, first in line 2"),
    (1, P, "k2", "k 2", P, 3, "S10", "is not an id"),
    (1, P, "k2", "B", P, 3, "D21", "is changed by the model itself"),
    (1, P, "k2", "total", P, 3, "D21", "is changed by the model itself"),
    (1, O, "\tA\t", "\tA*\t", O, 2, "E03", "the formula ends too early"),
    (1, O, "\tA\t", "\t__import__('os').system('touch pwned')\t", O, 2, "E01", "quotes have no meaning"),
    (1, O, "\tA\t", "\tA*scale\t", O, 2, "E12", "'scale' - is neither in the model nor"),
    (1, O, "\tA\t", "\tA*t\t", O, 2, "E12", "'t' - is neither"),
    (1, O, "0.5", "k3", O, 2, "E12", "noiseFormula: 'k3' - is neither"),
    (1, O, "0.5", "0", O, 2, "D19", "noise must be positive"),
    (1, O, "0.5", "noiseParameter2_obs_a", O, 2, "D20", "numbered from 1 without gaps"),
    (1, O, "0.5", "noiseParameter1_obs_a", M, 2, "D20", "holds 0 values, and the formula has 1 placeholders"),
    (1, O, "noiseFormula", "noise", O, 1, "D13", "there is no column 'noiseFormula'"),
    (1, C, "a0", "a9", C, 2, "D21", "a9 = '1' - is nothing in the model"),
    (1, C, "a0", "total", C, 2, "D21", "has an equation in the model"),
    (1, C, "c0\t1", "c0\tkk1", C, 2, "D21", "did you mean 'k1'?"),
    (1, C, "c0\t1", "c0\t1;2", C, 2, "D16", "a cell holds a number, the id of a parameter, or nothing"),
    (1, C, "c0\t1\n", "c0\t1\nc0\t2\n", C, 3, "D11", "stands twice, first in line 2"),
    (1, Y, "format_version: 1", "format_version: 3.0.0", Y, 1, "M30", "it reads 1 and 2.0.0"),
    (1, Y, "format_version: 1\n", "", Y, 0, "M30", "has no format_version"),
    (1, Y, "observable_files", "observables_files", Y, 7, "M29", "did you mean 'observable_files'?"),
    (1, Y, "    observable_files: [observables.tsv]\n", "", Y, 4, "M29", "needs an observable table"),
    (1, Y, "[model.xml]", "[model.xml, other.xml]", Y, 4, "M32", "several models are named"),
    (1, Y, "problems:\n", "problems:\n  - sbml_files: [a.xml]\n", Y, 3, "M32", "a list of one problem"),
    (1, Y, "model.xml", "modell.xml", "modell.xml", 0, "M01", "did you mean 'model.xml'?"),
    (1, Y, "observables.tsv", "observable.tsv", "observable.tsv", 0, "M01", "no such observable table"),
    (1, Y, "observables.tsv", "../../etc/passwd", Y, 7, "S01", "leads out of the folder"),
    (1, Y, "observables.tsv", "a/../../b.tsv", Y, 7, "S01", "leads out of the folder"),
    (1, Y, "model.xml", "/etc/passwd", Y, 4, "S01", "is an absolute path"),
    (1, Y, "model.xml", '"C:\\\\x.xml"', Y, 4, "S01", "is an absolute path"),
    (1, Y, "model.xml", '"https://example.org/model.xml"', Y, 4, "S02", "nothing is read from a network"),
    (1, Y, "model.xml", '"file:///etc/passwd"', Y, 4, "S02", "nothing is read from a network"),
    (1, Y, "model.xml", "~/model.xml", Y, 4, "S01", "not expanded"),
    (1, Y, "model.xml", "$HOME/model.xml", Y, 4, "S01", "not expanded"),
    (1, Y, "[observables.tsv]", "[observables.tsv, observables.tsv]", Y, 7, "D11", "is named twice"),
    (2, P, "0.8\ttrue", "0.8\t1", P, 2, "M29", "estimate = '1' - must be true or false"),
    (2, C, "a0", "k1", C, 2, "D21", "is in the parameter table"),
    (2, C, "a0", "total", C, 2, "D21", "has an equation in the model"),
    (2, C, "a0\t1", "a0\tA + 1", C, 2, "E12", "values of parameters, and here is A"),
    (2, C, "a0\t1", "a0\t1 +", C, 2, "D16", "is neither a number nor a formula"),
    (2, C, "a0\t1", "a0\tq", C, 2, "D21", "'q' is neither in the model nor in the parameter table"),
    (2, C, "c0\ta0\t1\n", "c0\ta0\t1\nc0\ta0\t2\n", C, 3, "D11", "changed twice by the same condition"),
    (2, E, "c0", "c9", E, 2, "D21", "conditionId = 'c9' - is not in the condition table"),
    (2, E, "\t0\t", "\tx\t", E, 2, "D29", "time = 'x'"),
    (2, E, "\t0\t", "\tinf\t", E, 2, "D29", "no condition begins in the end"),
    (2, E, "\t0\t", "\t5\t", M, 2, "D27", "is before the experiment begins, at 5"),
    (2, M, "e0\t10", "e1\t10", M, 3, "D21", "experimentId = 'e1' - is not in the experiment table"),
    (2, P, "k2", "Sqrt", P, 3, "M18", "is a word that formulas keep for themselves"),
    (2, Y, "sbml", "pysb", Y, 3, "M31", "is a Python program"),
    (2, Y, "sbml", "bngl", Y, 3, "M30", "is a language that idfit does not read"),
    (2, Y, "location: model.xml, ", "", Y, 3, "M29", "names no file"),
    (2, Y, "measurement_files", "extensions: {x: {}}\nmeasurement_files", Y, 7, "M30", "needed"),
]  # fmt: skip


@pytest.mark.parametrize(("version", "file", "old", "new", "blamed", "line", "code", "words"), ONE_FAULT)
def test_one_fault_is_one_finding_with_its_place(
    tmp_path, version, file, old, new, blamed, line, code, words
):
    found = findings_of(tmp_path, version, (file, old, new))
    about = [f for f in found if f.code == code and f.line == line and os.path.basename(f.file) == blamed]
    assert any(words in str(f) for f in about), [str(f) for f in found]
    assert {f.code for f in found} <= {code, "M29"}  # a key that is lacking and one too many belong together


@pytest.mark.parametrize(
    ("version", "columns", "cells", "line", "words"),
    [
        (2, "priorDistribution\tpriorParameters", ("gaussian\t1;2", "\t"), 2, "is not a prior of PEtab"),
        (2, "priorDistribution\tpriorParameters", ("normal\t1", "\t"), 2, "must hold mean;sd"),
        (2, "priorDistribution\tpriorParameters", ("normal\t1;0", "\t"), 2, "must be positive"),
        (2, "priorDistribution\tpriorParameters", ("normal\t1;a", "\t"), 2, "'a' is not a number"),
        (2, "priorDistribution\tpriorParameters", ("normal\t", "\t"), 2, "must hold mean;sd"),
        (2, "priorDistribution\tpriorParameters", ("\t", "uniform\t20;30"), 3, "the bounds allow nothing"),
        (2, "priorDistribution\tpriorParameters", ("\t", "uniform\t1;2"), 3, "outside the bounds [1, 2]"),
        (2, "objectivePriorType\tobjectivePriorParameters", ("normal\t1;2", "\t"), 2, "a column of PEtab 1"),
        (1, "objectivePriorType\tobjectivePriorParameters", ("logNorm\t1;2", "\t"), 2, "'logNormal'?"),
        (1, "objectivePriorType\tobjectivePriorParameters", ("\t1;2", "\t"), 2, "a objectivePriorType"),
        (1, "priorDistribution\tpriorParameters", ("normal\t1;2", "\t"), 2, "is a column of PEtab 2"),
    ],
)  # fmt: skip
def test_priors(tmp_path, version, columns, cells, line, words):
    rows = (VERSION_1 if version == 1 else VERSION_2)[P].splitlines()
    table = "\n".join(f"{row}\t{more}" for row, more in zip(rows, (columns, *cells), strict=True)) + "\n"
    found = findings_of(tmp_path, version, (P, "\n".join(rows) + "\n", table))
    assert any(f.line == line and words in str(f) for f in found), [str(f) for f in found]


def test_all_faults_of_all_files_are_told_at_once(tmp_path):
    found = findings_of(
        tmp_path, 1,
        (M, "obs_a\tc0\t0\t0.7", "obs_b\tc1\tx\ty"), (P, "0.6\t1", "0.6\t2"), (O, "\tA\t", "\tA + Q\t"),
        (C, "c0\t1", "c0\tq"),
    )  # fmt: skip
    places = sorted((os.path.basename(f.file), f.line, f.code) for f in found)
    in_row_2 = [(M, 2, code) for code in ("D16", "D21", "D21", "D29")]
    assert places == [(C, 2, "D21"), *in_row_2, (O, 2, "E12"), (P, 3, "M29")]


def test_columns_of_the_other_version_are_refused_where_they_would_be_lost(tmp_path):
    table = "observableId\tobservableFormula\tnoiseFormula\tobservableTransformation\nobs_a\tA\t0.5\tlog\n"
    (finding,) = findings_of(tmp_path, 2, (O, VERSION_2[O], table))
    assert (finding.line, finding.code) == (2, "D13")
    assert "log-normal" in finding.remedy


def test_two_conditions_at_once_may_not_change_the_same(tmp_path):
    (finding,) = findings_of(
        tmp_path, 2,
        (C, "c0\ta0\t1\n", "c0\ta0\t1\nc1\ta0\t2\n"), (E, "e0\t0\tc0\n", "e0\t0\tc0\ne0\t0\tc1\n"),
    )  # fmt: skip
    assert "'a0' is changed twice at time 0" in str(finding)


def test_a_link_out_of_the_folder_is_refused_and_its_contents_do_not_appear(tmp_path):
    (tmp_path / "secret.tsv").write_text("observableId\tobservableFormula\tnoiseFormula\nsecret\tA\t1\n")
    folder = tmp_path / "problem"
    path = write(folder, VERSION_1)
    (folder / O).unlink()
    (folder / O).symlink_to(tmp_path / "secret.tsv")
    with pytest.raises(InputError) as raised:
        read_petab(path)
    (finding,) = raised.value.findings
    assert (finding.line, finding.code) == (7, "S01")
    assert str(tmp_path / "secret.tsv") in finding.rule
    assert "secret\t" not in str(raised.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_is_refused_at_once(tmp_path):
    path = write(tmp_path, VERSION_1)
    (tmp_path / O).unlink()
    os.mkfifo(tmp_path / O)
    with pytest.raises(InputError, match="is not a regular file"):
        read_petab(path)


@pytest.mark.parametrize("text", ["", "  \n", "- a\n", "a\n", "problems: [\n"])
def test_files_that_are_no_problem(tmp_path, text):
    (tmp_path / "problem.yaml").write_text(text)
    with pytest.raises(InputError):
        read_petab(tmp_path / "problem.yaml")


def test_a_faulty_model_is_told_with_its_line_and_so_are_the_tables(tmp_path):
    path = write(tmp_path, VERSION_1 | {M: VERSION_1[M].replace("c0\t10", "c0\tten")})
    text = (tmp_path / "model.xml").read_text().replace("<ci>a0</ci>", "<ci>a7</ci>")
    (tmp_path / "model.xml").write_text(text)
    with pytest.raises(InputError) as raised:
        read_petab(path)
    files = {os.path.basename(f.file) for f in raised.value.findings}
    assert files == {"model.xml", M}


def test_many_wrong_rows_are_counted_and_fast(tmp_path):
    rows = "".join(f"obs_{n}\tc0\t{n}\tx\n" for n in range(20_000))
    start = time.perf_counter()
    found = findings_of(tmp_path, 1, (M, "obs_a\tc0\t0\t0.7\n", rows))
    assert time.perf_counter() - start < 5.0
    assert len(found) < 300
    assert any("19900 more" in f.given for f in found)
