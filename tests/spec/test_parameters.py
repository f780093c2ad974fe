"""Rules for parameters, priors, ties and noise, each with its message (rows P)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from idfit.expressions import ExpressionError
from idfit.numerics.priors import PRIORS, prior_term
from idfit.spec.check_parameters import with_copy
from idfit.spec.priors import PRIOR_ARGUMENTS, Prior, parse_prior
from tests.spec.sound import DATA, MODEL, line_of

K = 'k = { value = 0.1, min = 1e-4, max = 1e2, scale = "log10" }'


@pytest.mark.parametrize(
    ("k", "code", "key", "words"),
    [
        ("{ value = 0.1, min = 2, max = 1 }", "P03", "min", "min = 2 is above max = 1"),
        ("{ value = 0.1 }", "P04", "", "(value = 0.1) - is estimated and has no min and no max"),
        ("{ value = 0.1, min = 0 }", "P04", "", "has no max"),
        ("{}", "M19", "", "has no min and no max - give it finite bounds, or write fixed = true"),
        ("{ fixed = true }", "M19", "", "condition 'control' does not set it"),
        ('{ value = 0.1, min = 0, max = 1, scale = "log10" }', "P05", "min", "min = 0 - must be positive"),
        ('{ value = 0, min = 1e-3, max = 1, scale = "log" }', "P05", "value", "positive on the scale log"),
        ('{ value = 0.1, min = -4, max = 2, scale = "log10" }', "P06", "min", "min = 0.0001?"),
        ('{ value = 0.5, min = 0, max = 1, scale = "logit" }', "P05", "min", "between 0 and 1"),
        ("{ value = 3, min = 0, max = 2 }", "P07", "value", "value = 3 is above max = 2"),
        ("{ value = -3, min = 0, max = 2 }", "P07", "value", "value = -3 is below min = 0"),
        ("{ value = 3, min = 2, max = 2 }", "P07", "value", "is not the 2"),
        ('{ tie = "2*sd", min = 1 }', "P03", "min", "a tied parameter has no 'min'"),
        ('{ tie = "2*sd", value = 1 }', "P03", "value", "a tied parameter has no 'value'"),
        ('{ tie = "2*sd", prior = "normal(0, 1)" }', "P03", "prior", "a tied parameter has no 'prior'"),
        ('{ tie = "2*sd", start = "normal(0, 1)" }', "P03", "start", "a tied parameter has no 'start'"),
        ('{ tie = "2*sd", fixed = true }', "P03", "fixed", "either tied or fixed"),
        ('{ tie = "2*A" }', "E12", "tie", "a tie may use parameters, constants"),
        ('{ tie = "2*t" }', "E12", "tie", "a tie may not depend on the time"),
        ('{ tie = "k" }', "M17", "tie", "k -> k - refers to itself"),
        ('{ value = 1, min = 0, max = 2, prior = "normall(0, 1)" }', "P14", "prior", "'normal'?"),
        ('{ value = 1, min = 0, max = 2, start = "normall(0, 1)" }', "P14", "start", "'normal'?"),
        ('{ min = 90, max = 99, prior = "normal(0, 1) within bounds" }', "P14", "prior", "no probability"),
        ('{ value = 1, min = -1, max = 2, prior = "log-normal(0, 1)" }', "P14", "prior", "bounds"),
        ('{ value = 1, min = 0, max = 9, prior = "uniform(0, 5)" }', "P14", "prior", "[0, 5] only"),
        ('{ min = 1e-3, max = 1e3, scale = "log10", prior = "uniform(-2, 2) on estimation" }', "P14", "prior",
         "on the estimation scale"),
    ],
)  # fmt: skip
def test_a_parameter_is_refused(refused, k, code, key, words):
    findings = refused(K, f"k = {k}")
    finding = next(f for f in findings if f.code == code)
    line = f"k = {k}"
    assert finding.line == line_of(MODEL, K)
    assert words in str(finding)
    start = line.index(key + " =") + 1 if key else 1
    if finding.code in ("E12", "P14") and "bounds" not in finding.rule and "only" not in finding.rule:
        assert finding.column > start
    else:
        assert finding.column == start


@pytest.mark.parametrize(
    ("k", "code", "severity", "words"),
    [
        ("{ value = 2, min = 2, max = 2 }", "P03", "notice", "taken as fixed"),
        ("{ value = 2, min = 0, max = 2 }", "P08", "notice", "lies on max"),
        ("{ value = 0, min = 0, max = 2 }", "P08", "notice", "lies on min"),
        ('{ value = 2, fixed = true, prior = "normal(0, 1)" }', "P14", "warning", "no effect"),
        ('{ value = 2, fixed = true, start = "normal(0, 1)" }', "P14", "warning", "no effect"),
    ],
)
def test_a_parameter_is_accepted_with_a_word(read, k, code, severity, words):
    _, findings = read(K, f"k = {k}")
    (finding,) = findings
    assert (finding.code, finding.severity) == (code, severity)
    assert words in finding.rule


@pytest.mark.parametrize(
    "k",
    [
        "{ value = 0, min = -1, max = 2 }",
        "{ min = 0, max = 2 }",
        '{ min = 0.1, max = 0.9, scale = "logit" }',
        '{ value = 1, min = 0, max = 2, prior = "log-normal(0, 1)" }',
        '{ value = 1, min = 0, max = 2, per = "condition" }',
        '{ tie = "2*sd" }',
        '{ value = 1, min = 0, max = 2, prior = { density = "normal(0, 1)", on = "estimation" } }',
    ],
)
def test_a_parameter_is_accepted_without_a_word(read, k):
    assert read(K, f"k = {k}")[1] == []


def test_a_fixed_parameter_without_value_is_fine_if_every_condition_sets_it(read):
    model = MODEL.replace(K, "k = { fixed = true }").replace(
        "[conditions.control]", "[conditions.control]\nset = { k = 1 }"
    )
    assert read(model=model)[1] == []


COPIES = K.replace(" }", ', per = "condition" }')


@pytest.mark.parametrize(
    ("base", "entry", "code", "words"),
    [
        (K, '"k[control]" = { value = 1 }', "E12", "which has no copies"),
        (COPIES, '"kk[control]" = { value = 1 }', "E12", "is not declared - did you mean 'k'?"),
        (COPIES, '"k[control]" = { value = 1e3 }', "P07", "value = 1000 is above max = 100"),
        (COPIES, '"k[control]" = { min = 0 }', "P05", "must be positive"),
        (COPIES, '"k[control]" = { tie = "sd" }', "P03", "a copy has no 'tie'"),
        (COPIES, '"k[control]" = { prior = "uniform(1, 2)" }', "P14", "bounds are [0.0001, 100]"),
        (COPIES, '"k[" = { value = 1, fixed = true }', "S10", "is not a name"),
    ],
)
def test_an_entry_for_a_copy_is_refused(refused, base, entry, code, words):
    (finding,) = refused(K, f"{base}\n{entry}")
    assert finding.code == code
    assert words in str(finding)
    assert finding.line == line_of(MODEL, K) + 1


def test_an_entry_for_a_copy_is_accepted(read):
    copies = '"k[control]" = { value = 50, max = 60 }\n"k[other]" = { fixed = true }'
    spec, findings = read(K, f"{COPIES}\n{copies}", data=DATA)
    (notice,) = findings
    assert notice.given == 'parameters."k[other]"'
    assert "the data have no 'other'" in notice.rule
    merged = with_copy(spec.parameters["k"], spec.parameters["k[control]"])
    assert (merged.value, merged.min, merged.max, merged.scale) == (50, 1e-4, 60, "log10")


def test_an_unused_parameter_is_noticed(read):
    _, findings = read("[observables]", "unused = { value = 1, min = 0, max = 2 }\n[observables]")
    (finding,) = findings
    assert (finding.code, finding.severity) == ("P10", "notice")
    assert "data cannot determine it" in finding.rule


def test_a_circle_of_ties_is_printed(refused):
    ties = 'a = { tie = "b" }\nb = { tie = "c + k" }\nc = { tie = "2*a" }\n'
    (finding,) = refused("[observables]", ties + "[observables]")
    assert finding.code == "M17"
    circle = finding.given.removeprefix("parameters: ").split(" -> ")
    assert circle in (["a", "b", "c", "a"], ["b", "c", "a", "b"], ["c", "a", "b", "c"])


@pytest.mark.parametrize(
    ("sd", "noise", "vanishes"),
    [
        ("{ value = 0.1, min = 0, max = 1 }", "sd", True),
        ("{ value = 0.1, min = -1, max = 1 }", "sd", True),
        ("{ value = 0.1, min = 0, max = 1 }", "2*sd*(1 + A)", True),
        ("{ value = 0.1, min = 0, max = 1 }", "sqrt(sd^2 + (sd*y)^2)", True),
        ("{ value = 0.1, min = 0, max = 1 }", "0.01 + sd*y", False),
        ("{ value = 0.1, min = 0, max = 1 }", "k + sd*y", False),
        ("{ value = 0.1, min = 1e-3, max = 1 }", "sd*y", False),
    ],
)
def test_noise_that_can_vanish_is_refused(read, refused, sd, noise, vanishes):
    model = MODEL.replace('sd = { value = 0.1, min = 1e-3, max = 1, scale = "log10" }', f"sd = {sd}")
    model = model.replace('formula = "A", noise = "sd"', f'formula = "A", noise = "{noise}"')
    model = model.replace('formula = "B", noise = "sd"', 'formula = "B", noise = 0.1')
    if vanishes:
        (finding,) = refused(model=model)
        assert (finding.code, finding.line) == ("P17", line_of(model, "sd = {"))
        assert "likelihood unbounded" in finding.rule
    else:
        assert read(model=model)[1] == []


@pytest.mark.parametrize("noise", ["0", "-1", '"0"', '"1 - 2"'])
def test_constant_noise_must_be_positive(refused, noise):
    (finding,) = refused('formula = "A", noise = "sd"', f'formula = "A", noise = {noise}')
    assert finding.code == "D19"


class TestPriors:
    @pytest.mark.parametrize(
        ("text", "prior"),
        [
            ("normal(0, 1)", Prior("normal", 0, 1)),
            (" log-normal( -4.6 , 1e0 ) ", Prior("log-normal", -4.6, 1)),
            ("uniform(-1, .5) on estimation", Prior("uniform", -1, 0.5, "estimation")),
            ("exponential(2) on natural", Prior("exponential", 2)),
            ("normal(0, 1) within bounds", Prior("normal", 0, 1, within_bounds=True)),
            ("normal(0, 1) on estimation within  bounds ", Prior("normal", 0, 1, "estimation", True)),
        ],
    )
    def test_texts_are_read(self, text, prior):
        assert parse_prior(text) == prior

    @pytest.mark.parametrize("kind", PRIOR_ARGUMENTS)
    def test_every_kind_survives_its_text(self, kind):
        prior = parse_prior(f"{kind}({', '.join('12'[: len(PRIOR_ARGUMENTS[kind])])}) on estimation")
        assert prior == Prior(kind, 1.0, 2.0 if len(PRIOR_ARGUMENTS[kind]) == 2 else 0.0, "estimation")
        assert parse_prior(str(prior)) == prior
        assert parse_prior(f"{prior} within bounds") == replace(prior, within_bounds=True)
        assert parse_prior(str(replace(prior, within_bounds=True))).within_bounds
        assert prior.support[1] == (2.0 if kind in ("uniform", "log-uniform") else math.inf)

    @pytest.mark.parametrize(
        ("text", "column", "words"),
        [
            ("", 1, "is not a prior"),
            ("normal", 1, "write it as normal(0, 1)"),
            ("normal(0)", 8, "write normal(mean, sd)"),
            ("normal(0, 1, 2)", 8, "3 arguments"),
            ("normal(0, 0)", 8, "the sd of normal(mean, sd) must be positive"),
            ("normal(0, x)", 8, "'x'"),
            ("gamma(-1, 1)", 7, "the shape"),
            ("uniform(1, 1)", 9, "below the upper"),
            ("log-uniform(0, 1)", 13, "must be positive"),
            ("gaussian(0, 1)", 1, "there are normal"),
            ("lognormal(0, 1)", 1, "'log-normal'"),
            ("normal(0, 1) on log10", 17, "'on natural' or 'on estimation'"),
            ("normal(0, 1e400)", 8, "finite"),
            ("normal(0, 1) within bound", 1, "is not a prior"),
            ("normal(0, 1) within bounds on estimation", 1, "is not a prior"),
            ("normal(0, __import__('os'))", 1, "is not a prior"),
            ("n" * 10_000, 1, "is not a prior"),
        ],
    )
    def test_wrong_texts_are_refused_with_their_column(self, text, column, words):
        with pytest.raises(ExpressionError) as raised:
            parse_prior(text)
        assert raised.value.column == column
        assert words.strip("'") in str(raised.value)

    @pytest.mark.parametrize("kind", PRIOR_ARGUMENTS)
    @pytest.mark.parametrize(("low", "high"), [(0.2, 0.9), (0.4, 30.0), (12.0, 13.0)])
    def test_probability_is_the_integral_of_the_density(self, kind, low, high):
        arguments = {"uniform": (0.1, 40.0), "log-uniform": (0.1, 40.0)}.get(kind, (1.3, 0.8))
        prior = parse_prior(f"{kind}({', '.join(map(str, arguments[: len(PRIOR_ARGUMENTS[kind])]))})")
        code = PRIORS.index(kind)

        def density(v):
            return math.exp(-prior_term(code, prior.a, prior.b, v)[0])

        integral = quad(density, low, high, points=[x for x in (1.3, math.exp(1.3)) if low < x < high])[0]
        assert prior.log_probability(low, high) == pytest.approx(math.log(integral), rel=1e-9)
        inside = replace(prior, within_bounds=True).quantile(np.array([0.0, 0.25, 1.0]), low, high)
        assert inside[[0, 2]] == pytest.approx([low, high], rel=0.01)  # where little is left, 1 - p rounds
        quarter = prior.log_probability(low, inside[1]) - prior.log_probability(low, high)
        assert quarter == pytest.approx(math.log(0.25), rel=1e-6)

    def test_probability_far_in_a_tail_keeps_its_digits(self):
        tail = Prior("normal", 0, 1).log_probability(10, 11)
        assert tail == pytest.approx(
            math.log(0.5 * (math.erfc(10 / 2**0.5) - math.erfc(11 / 2**0.5))), rel=1e-12
        )
        assert Prior("normal", 0, 1).log_probability(-11, -10) == pytest.approx(tail, rel=1e-12)
        assert Prior("normal", 0, 1).log_probability(90, 91) == -math.inf

    def test_extreme_arguments_overflow_to_no_error(self):
        assert Prior("log-normal", 1e6, 1).quantile(np.array([0.5])).tolist() == [math.inf]
        assert Prior("log-normal", 1e6, 1, within_bounds=True).log_probability(0, 1) == -math.inf
