"""Rows E01 to E17 and E21 of the catalogue of bad inputs: what is refused, where, and what is said."""

import inspect
import pickle
import sys
import time

import pytest
import sympy

from idfit.errors import InputError
from idfit.expressions import ExpressionError, parse

ROWS = [
    # code, formula, column, part of the message
    ("E01", "__import__('os').system('touch pwned')", 12, "quotes have no meaning"),
    ("E01", 'f"{x}"', 2, "quotes"),
    ("E02", "().__class__.__bases__[0].__subclasses__()", 3, "'.' has no meaning"),
    ("E02", "x.__class__.__mro__", 2, "'.' has no meaning"),
    ("E02", "[x for x in y]", 1, "'['"),
    ("E02", "{1}", 1, "'{'"),
    ("E02", "print.__reduce__()", 6, "'.' has no meaning"),
    ("E03", "lambda: 0", 7, "piecewise(value, condition, otherwise)"),
    ("E03", "a if b else c", 3, "piecewise(value, condition, otherwise)"),
    ("E03", "x:=1", 2, "no meaning"),
    ("E03", "a;b", 2, "write one formula"),
    ("E03", "a#b", 2, "comments"),
    ("E03", "a\nimport os", 3, "an operator is missing"),
    ("E03", "a\0b", 2, "U+0000"),
    ("E03", "a = b", 3, "write =="),
    ("E03", "a & b", 3, "write &&"),
    ("E03", "a | b", 3, "write ||"),
    ("E03", "~a", 1, "write !"),
    ("E03", "a and b", 3, "write &&"),
    ("E03", "x ? 1 : 2", 3, "piecewise"),
    ("E03", "$x", 1, "no meaning"),
    ("E03", "a\\b", 2, "no meaning"),
    ("E03", "", 1, "empty"),
    ("E03", " \n ", 1, "empty"),
    ("E03", "(x + 1", 7, "add )"),
    ("E03", "x + 1)", 6, "closing parenthesis"),
    ("E03", "x +", 4, "too early"),
    ("E03", "*x", 1, "'*'"),
    ("E03", "2x", 1, "write 2*x"),
    ("E03", "2(x)", 2, "write *"),
    ("E03", "x y", 3, "operator is missing"),
    ("E03", "1 < x < 3", 1, "write 1 < x && x < 3"),
    ("E05", "1 + 9**9**9**9", 8, "9**9**9 - overflows a double"),
    ("E05", "2^2^2^2^2^2", 3, "overflows"),
    ("E05", "x^1e9", 1, "exponents may reach 100"),
    ("E05", "(2*x)^1000000000", 1, "exponents may reach 100"),
    ("E05", "exp(1e9*log(2*x))", 1, "exponents may reach 100"),
    ("E05", "1e400", 1, "overflows a double"),
    ("E05", "1e-400", 1, "too small for a double"),
    ("E05", "1" * 65, 1, "64 characters"),
    ("E06", "1e308*1e308", 1, "overflows a double"),
    ("E06", "exp(1000)", 1, "overflows a double"),
    ("E06", "1e300*x*1e300", 1, "overflows a double"),
    ("E11", "factorial(10^9)", 1, "factorials are not available - the nearest function is"),
    ("E07", "x + " + "(" * 5000 + "x" + ")" * 5000, 205, "nested deeper than 200"),
    ("E08", "-" * 5000 + "x", 4801, "nested 201 deep"),
    ("E08", "^".join("x" * 5000), 9599, "nested 201 deep"),
    ("E10", "-" * 50_000 + "x", 0, "this has 50001"),
    ("E10", "x" * 10_000_000, 0, "20000 characters, this has 10000000"),
    ("E11", "1 + foo(x)", 5, "foo - there is no function of this name - the nearest function is floor"),
    ("E11", "sine(x)", 1, "the nearest function is sin;"),
    ("E11", "k(x + 1)", 1, "write k*(...)"),
    ("E11", "gamma(x)", 1, "the gamma function is not available - the nearest function is"),
    ("E11", "lgamma(x)", 1, "the gamma function is not available"),
    ("E11", "digamma(x)", 1, "the digamma function is not available"),
    ("E11", "heaviside(x)", 1, "piecewise(1, x >= 0, 0)"),
    ("E11", "exp(1,2)", 1, "exp takes 1 argument, here are 2"),
    ("E11", "log(1,2,3)", 1, "log takes 1 or 2 arguments, here are 3"),
    ("E11", "pow(2)", 1, "pow takes 2 arguments, here are 1"),
    ("E11", "max()", 1, "max takes at least 1 argument, here are 0"),
    ("E11", "piecewise(1, x > 2)", 1, "piecewise takes an odd number of arguments"),
    ("E13", "2 + log(-1)", 5, "log(-1) - is not a real number"),
    ("E13", "sqrt(-1)*x", 1, "sqrt(-1) - is not a real number"),
    ("E13", "1/0", 1, "divides by zero"),
    ("E13", "0/0", 1, "divides by zero"),
    ("E13", "x/(y - y)", 1, "divides by zero"),
    ("E13", "x + 1 % 0", 5, "divides by zero"),
    ("E13", "inf - inf", 1, "inf - inf has no value"),
    ("E13", "0*inf", 1, "0*inf has no value"),
    ("E13", "asin(2)", 1, "not a real number"),
    ("E13", "(-8)^(1/3)", 1, "no real power"),
    ("E13", "sqrt(-2*abs(x))", 1, "not a real number"),
    ("E15", "1.0D+03", 1, "write 1.0e+03"),
    ("E15", "x + 1_000", 5, "write 1000"),
    ("E15", "1,5", 2, "write a decimal point: 1.5"),
    ("E11", "exp(1,5)", 1, "1.5"),
    ("E15", "3 \u2212 x", 3, "U+2212 MINUS SIGN"),
    ("E15", "\uff11 + 2", 1, "write '1'"),
    ("E15", "x \u00d7 y", 3, "write '*'"),
    ("E15", "1.2.3", 1, "a single decimal point"),
    ("E15", "2e", 1, "the exponent of the number is missing"),
    ("E15", "1\u00a0+ x", 2, "ASCII"),
    ("E16", "\u043a1*x", 1, "U+043A CYRILLIC SMALL LETTER KA"),
    ("E16", "x + \u043a1", 5, "looks like the ASCII letter 'k'"),
    ("E16", "e\u0301", 2, "U+0301 COMBINING ACUTE ACCENT"),
    ("E16", "\u03b2*x", 1, "U+03B2 GREEK SMALL LETTER BETA"),
    ("E16", "\uff41", 1, "'a'"),
    ("E21", "https://example.org/data", 6, "path or an address"),
    ("E21", "file:///etc/passwd", 5, "path or an address"),
    ("E21", "/etc/passwd", 1, "path or an address"),
    ("E21", "../data/x", 1, "path or an address"),
    ("E21", "~/x", 1, ""),
    ("E21", "C:\\x", 2, "path or an address"),
    ("E21", "data/stat.csv", 10, "path or an address"),
]


@pytest.mark.parametrize(
    ("code", "formula", "column", "message"), ROWS, ids=lambda v: str(v)[:30] if v else "-"
)
def test_refused(code, formula, column, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begin = time.process_time()
    with pytest.raises(ExpressionError) as caught:
        parse(formula)
    assert time.process_time() - begin < 1
    error = caught.value
    assert (error.code, error.column) == (code, column)
    assert message in str(error)
    assert len(str(error)) < 400
    assert str(error).isprintable()
    assert isinstance(error, InputError)
    (finding,) = error.findings
    assert (finding.code, finding.column, finding.given) == (error.code, error.column, error.given)
    assert (finding.rule, finding.remedy) == (error.rule, error.remedy)
    assert finding.rule
    assert finding.remedy
    assert not list(tmp_path.iterdir())


def test_not_a_number_as_a_number():
    with pytest.raises(ExpressionError, match="NaN"):
        parse(float("nan"))


def test_no_recursion_error_where_little_stack_is_left():
    formula = "cos(1 + " * 90 + "x" + ")" * 90
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 120)
    try:
        with pytest.raises(ExpressionError, match="nested too deep"):
            parse(formula)
    finally:
        sys.setrecursionlimit(limit)
    assert parse(formula).has(sympy.cos)


def test_errors_travel_between_processes():
    with pytest.raises(ExpressionError) as caught:
        parse("foo(x)")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert str(again) == str(caught.value)
    assert again.code == "E11"


@pytest.mark.parametrize(
    "formula",
    [
        "1.0000001^1e9",
        "x + exp(-1e9*log(2))",
        "+".join(f"x/(1e18+{i})" for i in range(1000)),
        "2^x*3^x*" + "*".join(["(1/7)^(1/3)"] * 300),
        "*".join(f"(x{i} + {i})^100" for i in range(100)),
        "(5e-324*x)^0.1",
        "1^(x^100)",
        "((x + y)^100*(z + w)^100)^(1/(x + y))",
        "x % y % z % w",
    ],
)
def test_what_could_run_for_ever_ends(formula):
    begin = time.process_time()
    parse(formula)
    assert time.process_time() - begin < 2


@pytest.mark.parametrize(
    ("formula", "limit"),
    [
        ("+".join(f"x{i}" for i in range(1000)), 0.5),
        ("+".join(["x*y"] * 5000), 1.0),
        (" + ".join(f"x{i}" for i in range(2500)), 1.0),
        ("*".join(f"x{i}" for i in range(2500)), 1.0),
        ("&&".join(f"x{i}<1" for i in range(2000)), 1.0),
        ("sin(" * 190 + "x" + ")" * 190, 1.0),
    ],
)
def test_long_formulas_are_quick(formula, limit):
    """The best of three: garbage of the tests before may be collected in one of them."""
    assert min(seconds_to_parse(formula) for _ in range(3)) < limit


def seconds_to_parse(formula: str) -> float:
    sys.modules["idfit.expressions.parse"]._parse.cache_clear()  # parsed texts are kept
    begin = time.process_time()
    parse(formula)
    return time.process_time() - begin


def test_a_remainder_of_remainders_is_bounded():
    with pytest.raises(ExpressionError, match="20000 parts"):
        parse("%".join(f"x{i}" for i in range(100)))
