"""Texts of options as lists, formulas and numbers, refused in words where they are none."""

from __future__ import annotations

import math

from idfit.errors import InputError


def names_in(texts: list[str] | None) -> list[str] | None:
    """
    >>> names_in(["a,b", "c"])
    ['a', 'b', 'c']
    """
    if texts is None:
        return None
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def levels_in(text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise refused(f"--ci-prob {text!r}", "must be numbers separated by commas", "0.68,0.95") from None


def numbers_in(text: str | None, option: str, example: str) -> list[float] | None:
    """
    >>> numbers_in("0, 2.5", "--times", "0,10")
    [0.0, 2.5]
    """
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise refused(
            f"{option} {text!r}", "must be numbers separated by commas", f"{option} {example}"
        ) from None


def named_formulas(
    texts: list[str] | None, option: str = "--function", example: str = "ratio=k1/k2"
) -> dict[str, str]:
    """
    >>> named_formulas(["ratio = k1/k2"])
    {'ratio': 'k1/k2'}
    """
    return dict(_named_formula(text, option, example) for text in texts or ())


def _named_formula(text: str, option: str, example: str) -> tuple[str, str]:
    name, sign, formula = text.partition("=")
    if not sign or not name.strip() or not formula.strip():
        raise refused(f"{option} {text!r}", "must be name=formula", f"{option} {example}")
    return name.strip(), formula.strip()


def pair_in(text: str) -> list[str]:
    names = [name.strip() for name in text.split(":")]
    if len(names) != 2:
        raise refused(f"--pairs {text!r}", "must be two names with a colon between them", "--pairs k1:k2")
    return names


def checked_seconds(option: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0.0):
        raise refused(f"{option} {value:g}", "must be a positive number of seconds", f"{option} 30")
    return value


def refused(given: str, rule: str, remedy: str) -> InputError:
    return InputError.of(given, rule, remedy, code="P19")
