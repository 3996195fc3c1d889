"""Which market a ticker trades on, and that market's calendar, rebuilt before its horizon ends (R-307)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from activities.market_data.market import Continuous, Exchange, Market, Session

CRYPTO, FOREX = "24/7", "24/5"
SUFFIXES = {
    ".L": "XLON", ".IL": "XLON", ".DE": "XETR", ".F": "XFRA", ".PA": "XPAR", ".AS": "XAMS", ".BR": "XBRU", ".LS": "XLIS",
    ".MI": "XMIL", ".MC": "XMAD", ".SW": "XSWX", ".VI": "XWBO", ".ST": "XSTO", ".HE": "XHEL", ".CO": "XCSE", ".OL": "XOSL",
    ".IR": "XDUB", ".WA": "XWAR", ".TO": "XTSE", ".V": "XTSE", ".SA": "BVMF", ".MX": "XMEX", ".T": "XTKS", ".HK": "XHKG",
    ".SS": "XSHG", ".SZ": "XSHG", ".KS": "XKRX", ".KQ": "XKRX", ".TW": "XTAI", ".AX": "XASX", ".NZ": "XNZE", ".SI": "XSES",
    ".BO": "XBOM", ".NS": "XBOM", ".JK": "XIDX", ".BK": "XBKK", ".TA": "XTAE", ".JO": "XJSE", ".IS": "XIST",
}  # fmt: skip
INDEXES = {"^FTSE": "XLON", "^GDAXI": "XETR", "^FCHI": "XPAR", "^N225": "XTKS", "^HSI": "XHKG", "^STOXX50E": "XETR"}
MONEY = "USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CNY|CNH|HKD|SGD|MXN|ZAR|TRY|INR|BRL|KRW"
COINS = "USDT|USDC|FDUSD|TUSD|BUSD|BTC|ETH|BNB"
FOREX_PAIR = re.compile(rf"({MONEY})[-/]?({MONEY})(=X)?|({MONEY})=X")
CRYPTO_PAIR = re.compile(rf"[A-Z0-9]{{2,12}}[-/]({MONEY}|{COINS})|[A-Z0-9]{{3,12}}({COINS})")
BEHIND = timedelta(days=365 * 12)
AHEAD = timedelta(days=365)
MARGIN = timedelta(days=60)
OPENED = {"XTKS": date(1997, 1, 6)}
EARLIEST = date(1990, 1, 1)
REST = {"CMES": timedelta(hours=1)}  # Globex rests from 16:00 to 17:00 in Chicago, which the library counts as trading


def market_code(symbol: str, default: str = "XNYS") -> str:
    """ISO code of the exchange (or ``24/7``, ``24/5``, ``CMES``) a ticker trades on, by the way it is written."""
    name = symbol.upper()
    if FOREX_PAIR.fullmatch(name):
        return FOREX
    if CRYPTO_PAIR.fullmatch(name) and "." not in name:
        return CRYPTO
    if name.endswith("=F"):
        return "CMES"
    if name.startswith("^"):
        return INDEXES.get(name, default)
    dot = name.rfind(".")
    return SUFFIXES.get(name[dot:], default) if dot > 0 else default


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
        market = _continuous(code) or _exchange(code, begins, until)
        self._built[code] = (market, until, begins)
        return market


def _continuous(code: str) -> Market | None:
    return Continuous() if code == CRYPTO else None


def _exchange(code: str, start: date, end: date) -> Exchange:
    import exchange_calendars  # takes most of a second; a market that never closes needs none of it
    import pandas as pd

    start = max(start, OPENED.get(code, EARLIEST))
    if code == FOREX:
        return Exchange(code, "Europe/London", _forex(start, end))
    try:
        with warnings.catch_warnings():  # of its own use of pandas
            warnings.simplefilter("ignore")
            try:
                calendar = exchange_calendars.get_calendar(code, start=start.isoformat(), end=end.isoformat())
            except ValueError:  # some are known to the end of a year only
                calendar = exchange_calendars.get_calendar(code)
    except exchange_calendars.errors.InvalidCalendarName:
        raise ValueError(f"there is no calendar of a market {code}") from None
    sessions = []
    columns = calendar.schedule[["open", "break_start", "break_end", "close"]]
    for row in columns.itertuples():
        day, opened, pause, resumed, closed = row
        first, last = opened.to_pydatetime(), closed.to_pydatetime() - REST.get(code, timedelta())
        if pd.isna(pause):
            spans: tuple[tuple[datetime, datetime], ...] = ((first, last),)
        else:
            spans = ((first, pause.to_pydatetime()), (resumed.to_pydatetime(), last))
        utc = tuple((begin.astimezone(UTC), finish.astimezone(UTC)) for begin, finish in spans)
        sessions.append(Session(day.date(), utc))
    return Exchange(code, str(calendar.tz), _extended(sessions, str(calendar.tz), end))


def _forex(start: date, end: date) -> list[Session]:
    """Currencies trade from Sunday to Friday, 17:00 to 17:00 in New York; a day is named by its end."""
    turn = ZoneInfo("America/New_York")
    at = [datetime(day.year, day.month, day.day, 17, tzinfo=turn).astimezone(UTC) for day in _days(start, end)]
    days = list(_days(start, end))
    return [
        Session(day, ((opened, closed),))
        for day, opened, closed in zip(days[1:], at, at[1:], strict=False)
        if day.isoweekday() <= 5
    ]


def _extended(sessions: list[Session], zone: str, end: date) -> list[Session]:
    """Beyond what is known, weekdays with the hours of the last day that is: late by a holiday rather than blind."""
    last, local = sessions[-1], ZoneInfo(zone)
    more = []
    for day in _days(last.day + timedelta(days=1), end):
        ahead = timedelta(days=(day - last.day).days)
        spans = tuple(
            ((begin.astimezone(local) + ahead).astimezone(UTC), (finish.astimezone(local) + ahead).astimezone(UTC))
            for begin, finish in last.spans
        )
        if day.isoweekday() <= 5:
            more.append(Session(day, spans))
    return [*sessions, *more]


def _days(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=n) for n in range((end - start).days + 1))
