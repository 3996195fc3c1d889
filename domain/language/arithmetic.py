"""Builds calculated operands, working out what is known already: numbers at once, a number times a series as its multiplier."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from domain.operand import (
    CalculatedOperand,
    FieldOperand,
    IndicatorOperand,
    Operand,
    earlier,
    operand_text,
    with_fields,
)


class Percent(float):
    """A number with a percent sign behind it; as a number it is its hundredth."""

    value: float

    def __new__(cls, value: float) -> Percent:
        """Of ``3`` for ``3%``."""
        made = super().__new__(cls, value / 100)
        made.value = value
        return made


def combined(sign: str, left: Operand, right: Operand) -> Operand:
    """``left + right`` and the like.

    Raises:
        ValueError: it divides by zero, is too large, or adds percents to a price.
    """
    if sign in "+-" and isinstance(left, Percent) and isinstance(right, Percent):
        return Percent(left.value + right.value if sign == "+" else left.value - right.value)
    if sign in "+-" and isinstance(right, Percent) and left != 1:
        factor = 1 + (right if sign == "+" else -right)
        raise ValueError(f"'{sign} {right.value:g}%' could mean two things; write {operand_text(left)} * {factor:g}")
    if sign in "+-" and isinstance(left, Percent) and right != 1:
        raise ValueError(f"'{left.value:g}% {sign}' could mean two things; write {operand_text(right)} * {1 + left:g}")
    if isinstance(left, int | float) and isinstance(right, int | float):
        return _worked_out(sign, left, right)
    if sign == "/" and isinstance(right, int | float) and not right:
        raise ValueError("divides by zero")
    if sign == "*":
        for number, other in ((left, right), (right, left)):
            if isinstance(number, int | float) and isinstance(other, FieldOperand | IndicatorOperand):
                return _times(number, other)
    parts = left.of if isinstance(left, CalculatedOperand) and left.calc == sign and sign in "+*" else (left,)
    return CalculatedOperand.model_validate({"calc": sign, "of": tuple(map(_plain, (*parts, right)))})


def negative(part: Operand) -> Operand:
    """``-part``."""
    return Percent(-part.value) if isinstance(part, Percent) else combined("*", -1.0, part)


def absolute(part: Operand) -> Operand:
    """``abs(part)``."""
    return abs(float(part)) if isinstance(part, int | float) else CalculatedOperand(calc="abs", of=(part,))


def extreme(name: str, parts: Sequence[Operand]) -> Operand:
    """``min(…)`` or ``max(…)``."""
    return CalculatedOperand.model_validate({"calc": name, "of": tuple(map(_plain, parts))})


def change(part: Operand, bars: int) -> Operand:
    """Its change over so many bars, in percent: missing where it was zero then.

    Raises:
        ValueError: it is a number, or lies too far back.
    """
    if isinstance(part, int | float):
        raise ValueError("change_pct compares a price or an indicator with itself; a number does not change")
    if bars < 1:
        raise ValueError("change_pct looks back at least one bar")
    before = earlier(part, bars)
    difference = CalculatedOperand(calc="-", of=(part, before))
    ratio = CalculatedOperand(calc="/", of=(difference, CalculatedOperand(calc="abs", of=(before,))))
    return CalculatedOperand(calc="*", of=(100.0, ratio))


def is_change(operand: Operand) -> bool:
    """Whether it is a change in percent."""
    if not isinstance(operand, CalculatedOperand):
        return False
    numbers = [part for part in operand.of if isinstance(part, int | float)]
    parts = [part for part in operand.of if not isinstance(part, int | float)]
    if operand.calc == "*":
        is_ratio = len(parts) == 1 and isinstance(parts[0], CalculatedOperand) and parts[0].calc == "/"
        return (is_ratio and numbers == [100.0]) or (len(parts) == 1 and is_change(parts[0]))
    return operand.calc != "/" and all(is_change(part) for part in parts)


def _times(number: float, series: FieldOperand | IndicatorOperand) -> Operand:
    multiplier = float(number) * series.multiplier
    if not isfinite(multiplier):
        raise ValueError("the number is too large")
    return with_fields(series, multiplier=multiplier)


def _plain(part: Operand) -> Operand:
    return float(part) if isinstance(part, int | float) else part


def _worked_out(sign: str, left: float, right: float) -> float:
    if sign == "/" and not right:
        raise ValueError("divides by zero")
    found = {"+": left + right, "-": left - right, "*": left * right}[sign] if sign != "/" else left / right
    if not isfinite(found):
        raise ValueError("the number is too large")
    return found
