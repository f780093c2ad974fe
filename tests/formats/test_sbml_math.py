"""MathML as formulas: values against those of Python's own functions, and texts against texts."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("libsbml", reason="python-libsbml is not installed")

from idfit.errors import InputError
from idfit.expressions import evaluate, parse
from idfit.formats.sbml import read_sbml_text
from tests.formats.sbml_texts import CORE, assignment, function, parameter, rate, sbml

MATHML = 'xmlns="http://www.w3.org/1998/Math/MathML"'
A, B, N = 0.4, -1.7, 3.0
VALUES = {"a": A, "b": B, "n": N, "time": 2.5, "J": 0.0}


def apply(operator: str, *arguments: str) -> str:
    return f"<apply><{operator}/>{''.join(arguments)}</apply>"


def ci(name: str) -> str:
    return f"<ci>{name}</ci>"


def cn(number: str, kind: str = "") -> str:
    return f'<cn type="{kind}">{number}</cn>' if kind else f"<cn>{number}</cn>"


def texts(formulas: list[str]) -> list[str]:
    """What MathML formulas become, all in one model."""
    names = [f"x{i}" for i in range(len(formulas))]
    rules = [
        f'<assignmentRule variable="{name}"><math {MATHML} xmlns:sbml="{CORE}">{f}</math></assignmentRule>'
        for name, f in zip(names, formulas, strict=True)
    ]
    given = [parameter(k, VALUES[k]) for k in ("a", "b", "n")]
    moving = [parameter(name, constant=False) for name in names]
    spec = read_sbml_text(sbml(*given, *moving, *rules)).spec
    return [str(spec.assignments[name]) for name in names]


T, F = "<true/>", "<false/>"
LESS = apply("lt", ci("b"), ci("a"))  # holds
MORE = apply("gt", ci("b"), ci("a"))  # does not
SYMBOLS = "http://www.sbml.org/sbml/symbols"
NUMBERS = {
    cn("1.5"): 1.5,
    cn("-2"): -2,
    cn("12", "integer"): 12,
    cn("1.1<sep/>-9", "e-notation"): 1.1e-9,
    cn("-3.25<sep/>4", "e-notation"): -3.25e4,
    cn("1<sep/>3", "rational"): 1 / 3,
    cn("1.6021e-19"): 1.6021e-19,
    "<pi/>": math.pi,
    "<exponentiale/>": math.e,
    T: 1,
    F: 0,
    f'<csymbol encoding="text" definitionURL="{SYMBOLS}/time">t</csymbol>': 2.5,
    f'<csymbol encoding="text" definitionURL="{SYMBOLS}/avogadro">N</csymbol>': 6.02214179e23,
}
ARITHMETIC = {
    apply("plus"): 0,
    apply("plus", ci("a")): A,
    apply("plus", ci("a"), ci("b"), ci("n")): A + B + N,
    apply("times"): 1,
    apply("times", ci("a"), ci("b"), ci("n")): A * B * N,
    apply("minus", ci("a")): -A,
    apply("minus", apply("minus", ci("a"))): A,
    apply("minus", ci("a"), apply("minus", ci("b"), ci("n"))): A - (B - N),
    apply("minus", ci("a"), apply("minus", ci("b"))): A + B,
    apply("minus", apply("plus", ci("a"), ci("b"))): -(A + B),
    apply("plus", ci("a"), apply("minus", ci("b")), apply("power", apply("minus", ci("n")), cn("2"))): A
    - B
    + N**2,
    apply("plus", ci("a"), apply("times", apply("minus", ci("b")), ci("n")), cn("-2")): A - B * N - 2,
    apply("times", ci("a"), apply("minus", ci("b"))): -A * B,
    apply("times", apply("minus", ci("a")), apply("plus", ci("b"), ci("n"))): -A * (B + N),
    apply("times", ci("a"), apply("divide", ci("b"), ci("n"))): A * B / N,
    apply("divide", ci("a"), apply("times", ci("b"), ci("n"))): A / (B * N),
    apply("divide", apply("divide", ci("a"), ci("b")), ci("n")): A / B / N,
    apply("divide", ci("a"), apply("divide", ci("b"), ci("n"))): A / (B / N),
    apply("power", ci("b"), cn("2")): B**2,
    apply("power", cn("-2"), cn("2")): 4,
    apply("minus", apply("power", ci("n"), cn("2"))): -(N**2),
    apply("power", apply("power", ci("n"), cn("2")), cn("3")): N**6,
    apply("power", ci("n"), apply("power", cn("2"), cn("3"))): N**8,
    apply("power", ci("n"), cn("-1")): 1 / N,
    apply("power", apply("plus", ci("a"), ci("n")), apply("minus", ci("a"))): (A + N) ** -A,
    apply("root", ci("n")): math.sqrt(N),
    apply("root", "<degree><cn>3</cn></degree>", ci("n")): N ** (1 / 3),
    apply("root", "<degree><ci>n</ci></degree>", apply("plus", ci("a"), ci("n"))): (A + N) ** (1 / N),
    apply("log", ci("n")): math.log10(N),
    apply("log", "<logbase><cn>2</cn></logbase>", ci("n")): math.log2(N),
    apply("log", "<logbase><ci>n</ci></logbase>", cn("81")): 4,
    apply("ln", ci("n")): math.log(N),
    apply("exp", ci("b")): math.exp(B),
    apply("abs", ci("b")): 1.7,
    apply("floor", ci("b")): -2,
    apply("ceiling", ci("b")): -1,
    apply("factorial", cn("5")): 120,
    apply("factorial", cn("5", "integer")): 120,
    apply("max", ci("a"), ci("b"), ci("n")): N,
    apply("min", ci("a"), ci("b"), ci("n")): B,
    apply("quotient", ci("n"), ci("b")): -1,  # towards zero
    apply("quotient", cn("-7"), cn("2")): -3,
    apply("rem", cn("-7"), cn("2")): -1,
    apply("rem", ci("n"), ci("b")): 3 - 1.7,
    apply("times", cn("2"), apply("rem", cn("7"), cn("4"))): 6,
}
FUNCTIONS = {
    "sin": math.sin(A),
    "cos": math.cos(A),
    "tan": math.tan(A),
    "sec": 1 / math.cos(A),
    "csc": 1 / math.sin(A),
    "cot": 1 / math.tan(A),
    "sinh": math.sinh(A),
    "cosh": math.cosh(A),
    "tanh": math.tanh(A),
    "sech": 1 / math.cosh(A),
    "csch": 1 / math.sinh(A),
    "coth": 1 / math.tanh(A),
    "arcsin": math.asin(A),
    "arccos": math.acos(A),
    "arctan": math.atan(A),
    "arccot": math.atan(1 / A),
    "arccsch": math.asinh(1 / A),
    "arcsech": math.acosh(1 / A),
    "arcsinh": math.asinh(A),
    "arctanh": math.atanh(A),
}
BEYOND_ONE = {
    "arcsec": math.acos(1 / N),
    "arccsc": math.asin(1 / N),
    "arccosh": math.acosh(N),
    "arccoth": math.atanh(1 / N),
}
LOGIC = {
    LESS: 1,
    MORE: 0,
    apply("lt", ci("b"), ci("a"), ci("n")): 1,
    apply("leq", ci("b"), ci("a"), ci("a")): 1,
    apply("lt", ci("b"), ci("n"), ci("a")): 0,
    apply("gt", ci("n"), ci("a"), ci("b")): 1,
    apply("eq", ci("a"), ci("a"), ci("b")): 0,
    apply("neq", ci("a"), ci("b")): 1,
    apply("eq", LESS, T): 1,
    apply("and"): 1,
    apply("or"): 0,
    apply("xor"): 0,
    apply("and", LESS): 1,
    apply("and", LESS, LESS, MORE): 0,
    apply("or", MORE, MORE, LESS): 1,
    apply("or", apply("and", LESS, MORE), apply("and", LESS, LESS)): 1,
    apply("and", apply("or", MORE, LESS), apply("or", MORE, MORE)): 0,
    apply("not", LESS): 0,
    apply("not", apply("not", ci("a"))): 1,
    apply("xor", LESS, LESS): 0,
    apply("xor", LESS, MORE): 1,
    apply("xor", LESS, LESS, LESS): 1,
    apply("xor", T, apply("xor", LESS, MORE), F): 0,
    apply("implies", LESS, MORE): 0,
    apply("implies", MORE, MORE): 1,
    apply("plus", LESS, LESS, cn("1")): 3,
    apply("times", ci("a"), apply("leq", ci("a"), ci("b"))): 0,
    f"<piecewise><piece>{ci('a')}{MORE}</piece><piece>{ci('b')}{LESS}</piece></piecewise>".replace(
        "</piecewise>", f"<otherwise>{ci('n')}</otherwise></piecewise>"
    ): B,
    f"<piecewise><piece>{ci('a')}{MORE}</piece><otherwise>{T}</otherwise></piecewise>": 1,
    f"<piecewise><piece>{ci('a')}{ci('n')}</piece><otherwise>{ci('b')}</otherwise></piecewise>": A,
    f"<piecewise><piece>{ci('a')}{MORE}</piece><piece>{ci('n')}{T}</piece></piecewise>": N,
    f"<piecewise><otherwise>{ci('n')}</otherwise></piecewise>": N,
    apply("lt", ci("a"), "<infinity/>"): 1,
}


def test_values():
    table = {**NUMBERS, **ARITHMETIC, **LOGIC}
    table |= {apply(name, ci("a")): value for name, value in FUNCTIONS.items()}
    table |= {apply(name, ci("n")): value for name, value in BEYOND_ONE.items()}
    for formula, text, expected in zip(table, texts(list(table)), table.values(), strict=True):
        assert evaluate(parse(text), VALUES) == pytest.approx(expected, rel=1e-14, abs=1e-300), (
            formula,
            text,
        )


def test_texts_have_few_parentheses():
    x = apply("plus", apply("plus", ci("a"), ci("b")), apply("minus", ci("n"), ci("a")))
    y = apply("times", apply("times", ci("a"), ci("b")), apply("power", ci("n"), cn("2.0")))
    z = apply(
        "minus",
        apply("minus", apply("times", ci("a"), ci("b")), ci("n")),
        apply("exp", apply("minus", ci("a"))),
    )
    assert texts([x, y, z]) == ["a + b + (n - a)", "a*b*n^2", "a*b - n - exp(-a)"]


def test_long_sums_and_products_of_pairs_are_flat():
    long = ci("a")
    for _ in range(400):
        long = apply("plus", long, ci("b"))
    (text,) = texts([long])
    assert text.count("(") == 0
    assert evaluate(parse(text), VALUES) == pytest.approx(A + 400 * B, rel=1e-12)


@pytest.mark.parametrize(
    ("formula", "code", "words"),
    [
        ("<notanumber/>", "M28", "notanumber"),
        (apply("factorial", ci("a")), "E06", "factorial"),
        (apply("factorial", cn("171")), "E06", "factorial"),
        (f"<piecewise><piece>{ci('a')}{MORE}</piece></piecewise>", "", "without otherwise"),
        (apply("gcd", ci("a")), "", "libsbml"),
        (apply("xor", *[LESS] * 40), "E10", "longer than"),
    ],
)
def test_what_is_refused(formula, code, words):
    with pytest.raises(InputError) as raised:
        texts([formula])
    (finding,) = raised.value.findings[:1]
    assert finding.code == code
    assert words in str(finding)
    assert finding.line > 5


def test_delays_and_rates_of_assigned_quantities_are_refused_by_name():
    x, y = parameter("x", constant=False), parameter("y", 1, constant=False)
    with pytest.raises(InputError, match="assignment rule for 'x' - contains a delay"):
        read_sbml_text(sbml(x, y, rate("y", "1"), assignment("x", "delay(y, 2)")))
    with pytest.raises(InputError, match=r"rateOf.*'x'"):
        read_sbml_text(sbml(x, y, assignment("x", "time"), assignment("y", "rateOf(x)")))


def test_operands_that_lack_in_the_body_of_a_function():
    half = function("half", ["a"], "a/2").replace('<cn type="integer"> 2 </cn>', "")
    with pytest.raises(InputError, match="assignment rule for 'x' - contains '/' of 1 operands"):
        read_sbml_text(sbml(half, parameter("x", constant=False), assignment("x", "half(time)")))


def test_functions_of_functions_are_bounded():
    grow = [function("f0", ["a"], "a + a")]
    grow += [function(f"f{i}", ["a"], f"f{i - 1}(a) * f{i - 1}(a)") for i in range(1, 40)]
    x = parameter("x", constant=False)
    with pytest.raises(InputError, match="more than 200,000 parts"):
        read_sbml_text(sbml(*grow, x, assignment("x", "f39(time)")))
