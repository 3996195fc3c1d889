"""What people type into a chat: rules with a ticker in whatever case, and orders for reports."""

from __future__ import annotations

import re
from typing import Any

from domain.bar import FIELDS
from domain.errors import Fault, InvalidInput
from domain.indicators import ALIASES, catalogue

_FRAME = re.compile(r"\s+(?:on\s+)?(\d+[smhdw])\s*$", re.IGNORECASE)
_FIRST = re.compile(r"([\^A-Za-z][A-Za-z0-9.\-/:=]*):?(?=\s)\s*")
_OPERATOR = re.compile(r"[<>=!+\-*/\[@.]|(crosses|crosses_above|crosses_below|between|outside)\b")
_ORDER = re.compile(
    r"report\s+(?P<tickers>.+?)\s+at\s+(?P<hour>\d{1,2}):(?P<minute>\d\d)(?:\s+(?P<days>weekdays|daily))?",
    re.IGNORECASE,
)
ORDER_HINT = "expected such as: /schedule report AAPL MSFT at 16:30, daily or on weekdays (the default)"
DAYS = {"daily": "*", "weekdays": "1-5"}
MOST_TICKERS = 50


def rule_in(said: str) -> dict[str, Any]:
    """A definition in its short form: ``aapl > 150 on 1h``, ``AAPL rsi(14) < 30``, or any rule that names its ticker."""
    given: dict[str, Any] = {}
    if frame := _FRAME.search(said):
        given["timeframe"], said = frame[1].lower(), said[: frame.start()]
    first = _FIRST.match(said)
    if first is None or first[1].lower() in (*FIELDS, *ALIASES, "not") or first[1].lower() in catalogue():
        return {**given, "rule": said.strip()}
    ticker, rest = first[1].rstrip(":").upper(), said[first.end() :]
    if _OPERATOR.match(rest):
        return {**given, "rule": f"{ticker} {rest}".strip()}
    return {**given, "symbol": ticker, "rule": rest.strip()}


def order_in(said: str) -> tuple[list[str], str]:
    """Tickers and cron of ``report AAPL MSFT at 16:30 weekdays``.

    Raises:
        InvalidInput: saying what was expected.
    """
    found = _ORDER.fullmatch(said.strip())
    if found is None or int(found["hour"]) > 23 or int(found["minute"]) > 59:
        raise InvalidInput("schedule", [Fault("/schedule", ORDER_HINT, said)])
    days = DAYS[(found["days"] or "weekdays").lower()]
    return tickers_in(found["tickers"]), f"{int(found['minute'])} {int(found['hour'])} * * {days}"


def tickers_in(said: str) -> list[str]:
    """``aapl, MSFT`` as tickers.

    Raises:
        InvalidInput: there are too many.
    """
    found = list(dict.fromkeys(word.upper() for word in re.split(r"[\s,;]+", said.strip()) if word))
    if len(found) > MOST_TICKERS:
        raise InvalidInput("report", [Fault("tickers", f"expected at most {MOST_TICKERS}", len(found))])
    return found
