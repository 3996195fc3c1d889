"""Who writes which files: each format by what its first lines show, and what they do not say of themselves.

Where a layout is two formats' and means something else in each, nobody guesses: the person is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from activities.bar_files.sheet import Sheet
from activities.bar_files.times import Dates
from activities.bar_files.words import CLOCK, FIELDS, TIME, place
from domain.zones import zone

Places = Mapping[str, int]
ASK = ""  # the zone of its times is nowhere in the file
LAST_WORDS = ("price", "último", "ultimo", "dernier", "zuletzt", "цена", "şimdi", "senaste")


@dataclass(frozen=True)
class Format:
    """``places`` finds the columns, of a header or of headerless rows; ``fits`` says whether a file is of this format.

    ``zone`` is that of times without an offset, ``zone_hint`` what to say when it is asked for. ``ends``: a time names the end
    of its bar. ``drops``: rows without prices are holidays or other tickers' days, and are left out. ``ask`` says why a file that
    fits is not read before ``--format`` says so.
    """

    name: str
    title: str
    fits: Callable[[Sheet], bool]
    places: Callable[[Sheet], Places] = field(default=lambda sheet: named_places(sheet.header))
    zone: str = "UTC"
    zone_hint: str = ""
    dates: Dates | None = None
    decimal: Literal[".", ","] | None = None
    ends: bool = False
    drops: bool = False
    no_volume: float | None = None
    ask: str = ""
    note: str = ""

    @property
    def is_sure_of_zone(self) -> bool:
        """Whether the zone is the program's own or stands in the file, rather than what is taken for want of another."""
        return self.name not in ("csv", "tradingview")


def named_places(header: Sequence[str]) -> Places:
    """Columns by the names that the fields have anywhere."""
    found = {name: at for name, words in FIELDS.items() if (at := place(header, words)) is not None}
    when = place(header, [word for word in TIME if word != "time"])
    clock = place(header, CLOCK)
    if when is None:
        when, clock = clock, None
    if when is not None:
        found["time"] = when
    if when is not None and clock is not None and clock != when:
        found["clock"] = clock
    for name in ("symbol", "ticker"):
        if name in header:
            found["symbol"] = header.index(name)
    return found


def by_position(*names: str) -> Callable[[Sheet], Places]:
    """Columns of rows without a header."""
    return lambda sheet: {name: at for at, name in enumerate(names) if name}


def has(*words: str) -> Callable[[Sheet], bool]:
    """Whether all these columns are there."""
    return lambda sheet: all(word in sheet.header for word in words)


def _rows_like(pattern: str, *cells: int) -> Callable[[Sheet], bool]:
    """Whether there is no header, and rows are of that shape and one of those widths."""
    return lambda sheet: (
        not sheet.header
        and all(len(row) in cells and re.match(pattern, sheet.delimiter.join(row)) is not None for row in sheet.sample)
    )


def _cdd(sheet: Sheet) -> bool:
    if any("cryptodatadownload" in line.lower() for line in sheet.preamble):
        return True
    of_pair = [word for word in sheet.header if word.startswith("volume ")]
    return "symbol" in sheet.header and (len(of_pair) == 2 or bool({"unix", "unix timestamp"} & set(sheet.header)))


def _cdd_places(sheet: Sheet) -> Places:
    """The volume in the pair's first currency: which of the two columns that is differs."""
    found = dict(named_places(sheet.header))
    unix = place(sheet.header, ("unix", "unix timestamp"))
    if unix is not None:
        found["time"] = unix
    found.pop("clock", None)
    at, first = found.get("symbol"), sheet.sample[0]
    pair = first[at].upper() if at is not None and len(first) > at else ""
    volumes = {
        word.removeprefix("volume ").upper(): at for at, word in enumerate(sheet.header) if word.startswith("volume ")
    }
    base = next((name for name in volumes if pair.startswith(name)), None)
    if base is not None:
        found["volume"] = volumes[base]
    return found


def _stooq_places(sheet: Sheet) -> Places:
    found = dict(named_places(sheet.header))
    return {**found, "clock": sheet.header.index("time")} if "time" in sheet.header else found


def _metatrader_places(sheet: Sheet) -> Places:
    """Real volume where there is any; brokers of currencies have ticks alone."""
    found = {**named_places(sheet.header), "volume": sheet.header.index("tickvol")}
    at = sheet.header.index("vol") if "vol" in sheet.header else None
    if at is not None and any(len(row) > at and row[at].strip("0.") for row in sheet.sample):
        found["volume"] = at
    return found


def _investing(sheet: Sheet) -> bool:
    header = sheet.header
    return len(header) >= 6 and header[1] in LAST_WORDS and "%" in header[-1]


def _is_english(sheet: Sheet) -> bool:
    return sheet.header[1] == "price"


def _dukascopy(sheet: Sheet) -> bool:
    first = sheet.header[0] if sheet.header else ""
    return len(sheet.header) == 6 and (
        first in ("gmt time", "local time") or first.startswith("time (") or _zone_of(first) != ""
    )


def _zone_of(word: str) -> str:
    name = {"gmt time": "UTC", "local time": ""}.get(word) or word.removeprefix("time (").removesuffix(")")
    if name == "eet":
        return "Europe/Athens"
    for written in (
        name.upper(),
        "/".join("_".join(part.capitalize() for part in one.split("_")) for one in name.split("/")),
    ):
        try:
            zone(written)
        except ValueError:
            continue
        return written
    return ""


def _dukascopy_places(sheet: Sheet) -> Places:
    return {"time": 0, **{name: at for name, at in named_places(sheet.header).items() if name in FIELDS}}


def _alpha_vantage(sheet: Sheet) -> bool:
    if sheet.header[:1] == ("timestamp",) and {"adjusted_close", "adjusted close"} & set(sheet.header):
        return True
    first, second = (sheet.sample[at][0] if len(sheet.sample) > at else "" for at in (0, 1))
    return (
        sheet.header == ("timestamp", "open", "high", "low", "close", "volume") and "-" in first and first > second > ""
    )


def _tradingview_places(sheet: Sheet) -> Places:
    """Plots stand beside the bars, named as their authors like: Date, Symbol."""
    found = named_places(sheet.header)
    return {"time": 0, **{name: at for name, at in found.items() if name in FIELDS}}


def _yahoo_table(sheet: Sheet) -> bool:
    return "adj close" in sheet.header and re.match(r"[A-Za-z]{3}", sheet.sample[0][0]) is not None


CELLS = by_position("time", "open", "high", "low", "close", "volume")
SERVERS = "they are the broker's server's: Europe/Athens is right for most, but for weeks in March and October"
TWO_MEANINGS = (
    "HistData's minutes are named by their beginning in New York's winter time, NinjaTrader's by their end in UTC"
)

FORMATS: tuple[Format, ...] = (
    Format("cryptodatadownload", "CryptoDataDownload", _cdd, _cdd_places),
    Format(
        "stooq_ascii",
        "Stooq, ASCII",
        has("ticker", "per", "date", "openint"),
        _stooq_places,
        zone="Europe/Warsaw",
        note="prices are adjusted for splits and dividends",
    ),
    Format("finam", "Finam, TSLab", has("ticker", "per", "date"), _stooq_places, ASK, "Finam's are Europe/Moscow"),
    Format("metatrader5", "MetaTrader 5", has("date", "tickvol"), _metatrader_places, ASK, SERVERS),
    Format(
        "polygon", "Polygon's files", has("window_start", "transactions"), note="prices are not adjusted for splits"
    ),
    Format("binance", "Binance Vision, with a header", has("open_time", "ignore")),
    Format("nasdaq", "Nasdaq.com", has("close/last"), dates="mdy"),
    Format("investing", "Investing.com", lambda sheet: _investing(sheet) and _is_english(sheet), drops=True),
    Format(
        "investing_local",
        "Investing.com in another language",
        lambda sheet: _investing(sheet) and not _is_english(sheet),
        dates="dmy",
        decimal=",",
        drops=True,
    ),
    Format("dukascopy", "Dukascopy", _dukascopy, _dukascopy_places, ASK, "'Local time' is your own"),
    Format("sierra", "Sierra Chart", has("last", "numberoftrades"), zone=ASK, zone_hint="they are the chart's"),
    Format(
        "tradestation",
        "TradeStation",
        has("date", "time", "up", "down"),
        zone=ASK,
        zone_hint="they are the exchange's, at the end of each bar",
        ends=True,
    ),
    Format(
        "alpha_vantage",
        "Alpha Vantage",
        _alpha_vantage,
        zone=ASK,
        zone_hint="Alpha Vantage's are America/New_York",
        note="daily prices are not adjusted for splits",
    ),
    Format(
        "yfinance",
        "yfinance, history",
        has("dividends", "stock splits"),
        zone=ASK,
        zone_hint="they are the exchange's",
        drops=True,
    ),
    Format("yahoo_table", "Yahoo's web table", _yahoo_table, dates="mdy", drops=True),
    Format("yahoo", "Yahoo's download", has("adj close"), drops=True),
    Format("ibkr", "Interactive Brokers' bars", has("barcount"), zone=ASK, zone_hint="those of TWS", no_volume=-1.0),
    Format("binance_vision", "Binance Vision", _rows_like(r"\d{13}(\d{3})?,", 12), CELLS),
    Format("kraken", "Kraken", _rows_like(r"\d{10},", 7), CELLS),
    Format(
        "metatrader4",
        "MetaTrader 4",
        _rows_like(r"\d{4}\.\d\d\.\d\d[,;\t]\d\d:\d\d", 7),
        by_position("time", "clock", "open", "high", "low", "close", "volume"),
        ASK,
        SERVERS,
    ),
    Format("histdata", "HistData", _rows_like(r"\d{8} \d{6};", 6), CELLS, "Etc/GMT+5", decimal=".", ask=TWO_MEANINGS),
    Format("ninjatrader", "NinjaTrader", _rows_like(r"\d{8}( \d{6})?;", 6), CELLS, decimal=".", ends=True),
    Format("firstrate", "FirstRate", _rows_like(r"\d{4}-\d\d-\d\d", 6), CELLS, ASK, "FirstRate's are America/New_York"),
    Format("plain", "Unix times without a header", _rows_like(r"\d{10}(\d{3})?[,;\t]", 6), CELLS),
    Format(
        "tradingview",
        "TradingView",
        lambda sheet: sheet.header[:5] == ("time", "open", "high", "low", "close"),
        _tradingview_places,
    ),
    Format("csv", "time,open,high,low,close,volume", lambda sheet: "time" in named_places(sheet.header)),
)
NAMES = tuple(one.name for one in FORMATS)


def recognised(sheet: Sheet) -> Format | None:
    """The first format that a file fits."""
    return next((one for one in FORMATS if one.fits(sheet)), None)


def named(name: str) -> Format:
    """A format by its name, one of NAMES."""
    return FORMATS[NAMES.index(name)]


def zone_of(kind: Format, sheet: Sheet) -> str:
    """That of a file's times without an offset; empty where it must be asked for."""
    return _zone_of(sheet.header[0]) if kind.name == "dukascopy" else kind.zone
