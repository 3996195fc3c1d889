"""OHLCV candles and the snapshot of named values that an alert is judged on."""

import math
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

PRICES = ("open", "high", "low", "close")
FIELDS = (*PRICES, "volume")
SNAPSHOT_BYTES, VALUE_BYTES = 200, 30
by_open, by_close = attrgetter("open_time"), attrgetter("close_time")  # keys to sort and search bars by


def finite(value: float) -> float | None:
    """The value as a plain float; None for what is missing (NaN) or infinite."""
    return float(value) if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Bar:
    """One candle. Times are aware UTC; prices in the quote currency, NaN where the vendor gave none.

    ``final`` says that the bar has closed and the vendor will not change it in the ordinary course.
    """

    open_time: datetime
    close_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    final: bool = True

    @classmethod
    def missing(cls, open_time: datetime, close_time: datetime, *, final: bool = True) -> "Bar":
        """One whose values nobody knows: it keeps its place, and what is computed over it is missing."""
        return cls(open_time, close_time, math.nan, math.nan, math.nan, math.nan, math.nan, final)

    @property
    def is_sound(self) -> bool:
        """Finite, positive and within its own range."""
        prices = (self.open, self.high, self.low, self.close)
        return (
            all(math.isfinite(price) and price > 0 for price in prices)
            and math.isfinite(self.volume)
            and self.volume >= 0
            and self.low <= min(self.open, self.close)
            and self.high >= max(self.open, self.close)
        )


@dataclass(frozen=True, slots=True)
class BarSnapshot:
    """What an alert sees of one bar: values by operand text, e.g. ``{"close": 151.2, "rsi(14)": None}``.

    ``None`` is a missing value. ``bar_close`` is aware UTC. ``final`` is False for the forming bar.
    """

    bar_open: datetime
    bar_close: datetime
    values: dict[str, float | None] = field(default_factory=dict)
    final: bool = True

    @property
    def size(self) -> int:
        """Bytes it takes as JSON, counted from above: what is bounded by it stays within its bound."""
        return SNAPSHOT_BYTES + values_size(self.values)


def values_size(values: dict[str, float | None]) -> int:
    """Bytes of named values as JSON, counted from above: a float has at most 24 characters."""
    return sum(len(name.encode()) + VALUE_BYTES for name in values)
