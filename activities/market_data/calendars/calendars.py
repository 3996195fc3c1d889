"""Each ticker's market, its calendar rebuilt before its horizon ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from activities.market_data.calendars.construction import AHEAD, build
from activities.market_data.calendars.market import CRYPTO, FOREX, Market
from activities.market_data.calendars.tickers import SUFFIXES, market_code

BEHIND = timedelta(days=365 * 12)  # a daily indicator of 200 bars wants this much history
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
        self._built: dict[str, tuple[Market, date, date]] = {}

    def of(self, symbol: str, since: date | None = None) -> Market:
        """The market of a ticker, known from a day on at the latest."""
        return self.market(self.overrides.get(symbol.upper()) or market_code(symbol, self.default), since)

    def market(self, code: str, since: date | None = None) -> Market:
        """A market by its code, rebuilt two months before what is known of it ends.

        Raises:
            ValueError: there is no calendar of that code.
        """
        today = self.clock().date()
        kept = self._built.get(code)
        begins = min(since or today, kept[2] if kept else today - BEHIND)
        if kept is not None and today < kept[1] - MARGIN and begins >= kept[2]:
            return kept[0]
        until = today + AHEAD
        market = build(code, begins, until)
        self._built[code] = (market, until, begins)
        return market
