"""Numbers as text: as many digits as they deserve, signs and powers as printed in a paper."""

from __future__ import annotations

import math

ABSENT = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_of_ten(exponent: int) -> str:
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:.{max(decimals, 0)}f}"
    if text.startswith("-"):
        text = "−" + text[1:] if text.strip("-0.") else text[1:]
    return text


def _exponent(value: float, digits: int) -> int:
    """Decimal exponent of `value` after rounding to `digits` significant digits (9.996 to 3 digits has 1)."""
    return int(f"{abs(value):.{max(digits, 1) - 1}e}".split("e")[1])


def number(value: float, digits: int = 4) -> str:
    """`value` to `digits` significant digits; scientific outside 0.001 ... 99999.

    >>> number(0.0269825), number(1.00068e-5), number(-138.22199), number(float("nan"))
    ('0.02698', '1.001 × 10⁻⁵', '−138.2', '–')
    """
    value = float(value)
    if math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    exponent = _exponent(value, digits)
    if -3 <= exponent < 5:
        return _fixed(value, digits - 1 - exponent)
    return f"{_fixed(value / 10.0**exponent, digits - 1)} × {power_of_ten(exponent)}"


def short_number(value: float, digits: int = 4) -> str:
    """Like `number`, without trailing zeros: for bounds and nominal values that people wrote themselves.

    >>> short_number(0.0), short_number(100000.0), short_number(1e-5), short_number(0.25)
    ('0', '10⁵', '10⁻⁵', '0.25')
    """
    text = number(value, digits)
    mantissa, times, power = text.partition(" × ")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    if not times:
        return mantissa
    return power if mantissa == "1" else f"−{power}" if mantissa == "−1" else f"{mantissa} × {power}"


def value_and_error(value: float, error: float) -> tuple[str, str]:
    """Both rounded to the second significant digit of the error, with the power of ten of the larger one.

    >>> value_and_error(0.0269825, 0.00123)
    ('0.0270', '0.0012')
    >>> value_and_error(1.00068e-5, 2.2e-7)
    ('1.001 × 10⁻⁵', '0.022 × 10⁻⁵')
    """
    value, error = float(value), float(error)
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return number(value), number(error, 2)
    leading, last = max(_exponent(value, 3) if value else -400, _exponent(error, 2)), _exponent(error, 2) - 1
    if leading - last > 9:  # an error this small is round-off, and twelve digits help no reader
        return number(value, 7), number(error, 2)
    if (
        value and _exponent(value, 3) < last - 1
    ):  # an error that swamps the value says nothing about its digits
        return number(value, 3), number(error, 2)
    if -3 <= leading < 5:
        return _fixed(value, -last), _fixed(error, -last)
    factor, power = 10.0**leading, power_of_ten(leading)
    return tuple(f"{_fixed(x / factor, leading - last)} × {power}" for x in (value, error))  # type: ignore[return-value]


def interval(lower: float, upper: float, digits: int = 3) -> str:
    """``lower to upper``; digits are added until the ends differ.

    >>> interval(0.0245, 0.0297), interval(138.2211, 138.2242)
    ('0.0245 to 0.0297', '138.221 to 138.224')
    """
    if math.isnan(lower) or math.isnan(upper):
        return ABSENT
    for more in range(digits, 10):
        a, b = number(lower, more), number(upper, more)
        if a != b or lower == upper:
            return f"{a} to {b}"
    return f"{lower!r} to {upper!r}"


def percent(rate: float) -> str:
    """A rate in per cent: whole numbers, with a decimal near the ends, where it matters.

    >>> percent(0.374), percent(0.0021), percent(0.0), percent(1.0), percent(0.9984)
    ('37 %', '0.2 %', '0 %', '100 %', '99.8 %')
    """
    if math.isnan(rate):
        return ABSENT
    value = 100 * rate
    if 0 < value < 1 or 99 < value < 100:
        return "< 0.1 %" if value < 0.05 else "> 99.9 %" if value > 99.95 else f"{value:.1f} %"
    return f"{value:.0f} %"


def percent_interval(lower: float, upper: float) -> str:
    """``28 to 47 %``."""
    if math.isnan(lower) or math.isnan(upper):
        return ABSENT
    return f"{percent(lower).removesuffix(' %')} to {percent(upper)}"


def count(n: int, noun: str, plural: str = "") -> str:
    """``1 start``, ``3 starts``."""
    return f"{n} {noun}" if n == 1 else f"{n} {plural or noun + 's'}"


def listing(items: list[str], most: int = 6) -> str:
    """``a, b and c``; ``a, b and 5 more`` when there are more than `most`."""
    if len(items) > most:
        items = [*items[: most - 1], f"{len(items) - most + 1} more"]
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]
