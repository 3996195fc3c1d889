"""Each ticker's market, its calendar rebuilt before its horizon ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Lock

from activities.market_data.calendars.construction import AHEAD, EARLIEST, build
from activities.market_data.calendars.market import CRYPTO, FOREX, Market
from activities.market_data.calendars.tickers import SUFFIXES, market_code

BEHIND = timedelta(days=365 * 12)  # most windows lie within; wider ones ask for more
MARGIN = timedelta(days=60)  # so long before its end a calendar is built anew


def is_market(code: str) -> bool:
    """Whether there is a calendar of that code; the library is asked only for those not named here."""
    if code in (CRYPTO, FOREX, "CMES", "XNYS", "XNAS", *SUFFIXES.values()):
        return True
    import exchange_calendars

    return code in exchange_calendars.get_calendar_names()


class Calendars:
    """Markets by ticker. ``overrides`` names the market of single tickers; ``default`` that of a plain one."""

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        default: str = "XNYS",
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        self.clock = clock
        self.default = default
        self.overrides = {name.upper(): code for name, code in (overrides or {}).items()}
        self._built: dict[str, _Built] = {}
        self._locks: dict[str, Lock] = {}  # two threads that build one market would do it twice

    def code_of(self, symbol: str) -> str:
        """The code of a ticker's market."""
        return self.overrides.get(symbol.upper()) or market_code(symbol, self.default)

    def of(self, symbol: str, since: date | None = None) -> Market:
        """The market of a ticker, known from a day on at the latest."""
        return self.market(self.code_of(symbol), since)

    async def prepare(self, code: str, since: date | None = None) -> None:
        """Builds a market in a thread where it is not there yet: some take seconds."""
        if self._kept(code, since) is None:
            await asyncio.to_thread(self.market, code, since)

    def market(self, code: str, since: date | None = None) -> Market:
        """A market by its code, rebuilt two months before what is known of it ends.

        Raises:
            ValueError: there is no calendar of that code.
        """
        kept = self._kept(code, since)
        if kept is not None:
            return kept
        with self._locks.setdefault(code, Lock()):
            kept = self._kept(code, since)  # another thread has built it meanwhile
            return self._build(code, since) if kept is None else kept

    def _kept(self, code: str, since: date | None) -> Market | None:
        kept = self._built.get(code)
        if (
            kept is None
            or self.clock().date() >= kept.until - MARGIN
            or max(since or kept.begins, EARLIEST) < kept.begins
        ):
            return None
        return kept.market

    def _build(self, code: str, since: date | None) -> Market:
        today, kept = self.clock().date(), self._built.get(code)
        begins = max(min(since or today, kept.begins if kept else today - BEHIND), EARLIEST)
        until = today + AHEAD
        market = build(code, begins, until)
        self._built[code] = _Built(market, begins, until)
        return market


@dataclass(frozen=True)
class _Built:
    market: Market
    begins: date
    until: date
