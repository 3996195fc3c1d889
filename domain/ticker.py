"""How a ticker is written: in capitals, as vendors have it."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

SYMBOL = r"^[A-Za-z0-9^][A-Za-z0-9.\-=/:^_]{0,31}$"

PLAIN = r"\^?[A-Z][A-Z0-9]*(?:[.\-/:][A-Z0-9]+|=[A-Z])*"  # what may stand in a rule without quotes


def _capitals(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


Ticker = Annotated[Annotated[str, Field(pattern=SYMBOL)], BeforeValidator(_capitals)]


def ticker(text: str) -> str:
    """The ticker that a text names.

    Raises:
        ValueError: it is none.
    """
    name = text.strip().upper()
    if not re.fullmatch(SYMBOL, name):
        raise ValueError("expected a ticker such as AAPL, BTC-USD or EURUSD=X")
    return name


def ticker_text(name: str) -> str:
    """How a rule names another ticker: in quotes where it could be read as something else."""
    return name if re.fullmatch(PLAIN, name) and ":" not in name else f'"{name}"'
