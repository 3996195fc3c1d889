"""Sessions, early closes, holidays, breaks and clock changes, on real calendars."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from activities.market_data.calendars.calendars import Calendars
from activities.market_data.calendars.market import Continuous
from activities.market_data.calendars.tickers import INDEXES, SUFFIXES, market_code
from domain.timeframe import Timeframe

HALF_HOUR = timedelta(minutes=30)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def calendars() -> Calendars:
    return Calendars(lambda: utc("2026-11-20 12:00"))


@pytest.mark.parametrize(
    ("symbol", "code"),
    [
        ("AAPL", "XNYS"), ("BRK.B", "XNYS"), ("VOD.L", "XLON"), ("7203.T", "XTKS"), ("0700.HK", "XHKG"), ("SAP.DE", "XETR"),
        ("BTC-USD", "24/7"), ("BTCUSDT", "24/7"), ("ETH/BTC", "24/7"), ("EURUSD=X", "24/5"), ("JPY=X", "24/5"),
        ("EUR/USD", "24/5"), ("ES=F", "CMES"), ("^GSPC", "XNYS"), ("^N225", "XTKS"), ("BTC", "XNYS"), ("ETHE", "XNYS"),
        ("USDTHB=X", "24/5"), ("HUF=X", "24/5"), ("^IBEX", "XMAD"), ("^NSEI", "XBOM"), ("6488.TWO", "XTAI"), ("BRK-B", "XNYS"),
    ],
)  # fmt: skip
def test_a_ticker_says_where_it_trades(symbol: str, code: str) -> None:
    assert market_code(symbol) == code


@pytest.mark.parametrize(
    ("code", "day", "opened", "closed"),
    [
        ("XNYS", "2026-11-25", "2026-11-25 14:30", "2026-11-25 21:00"),
        ("XNYS", "2026-11-27", "2026-11-27 14:30", "2026-11-27 18:00"),  # the day after Thanksgiving
        ("XNYS", "2026-07-06", "2026-07-06 13:30", "2026-07-06 20:00"),  # summer time
        ("XLON", "2026-12-24", "2026-12-24 08:00", "2026-12-24 12:30"),
        ("XTKS", "2026-11-20", "2026-11-20 00:00", "2026-11-20 06:30"),
    ],
)
def test_a_daily_bar_is_its_session_whatever_its_label(
    calendars: Calendars, code: str, day: str, opened: str, closed: str
) -> None:
    """Labels of session open (Yahoo), local midnight (Polygon) and the bare date at midnight UTC are one bar."""
    market = calendars.market(code)
    local_midnight = datetime.fromisoformat(day).replace(tzinfo=market.zone)  # type: ignore[attr-defined]
    for label in (utc(opened), local_midnight.astimezone(UTC), utc(f"{day} 00:00")):
        assert market.bar(Timeframe("1d"), label) == (utc(opened), utc(closed))
    assert market.bar(Timeframe("1d"), utc("2000-01-01 00:00"), date.fromisoformat(day)) == (utc(opened), utc(closed))


def test_a_day_without_session_has_no_bar(calendars: Calendars) -> None:
    market = calendars.market("XNYS")
    assert market.bar(Timeframe("1d"), utc("2026-11-26 05:00")) is None
    assert market.bar(Timeframe("1d"), utc("2026-11-28 05:00")) is None
    assert market.bar(Timeframe("1w"), utc("2026-11-23 05:00")) == (utc("2026-11-23 14:30"), utc("2026-11-27 18:00"))


def test_the_last_hour_ends_with_the_session(calendars: Calendars) -> None:
    market = calendars.market("XNYS")
    assert market.bar(Timeframe("1h"), utc("2026-11-25 20:30")) == (utc("2026-11-25 20:30"), utc("2026-11-25 21:00"))
    assert market.bar(Timeframe("1h"), utc("2026-11-27 17:30")) == (utc("2026-11-27 17:30"), utc("2026-11-27 18:00"))
    assert market.bar(Timeframe("1h"), utc("2026-11-25 15:30")) == (utc("2026-11-25 15:30"), utc("2026-11-25 16:30"))


def test_a_lunch_break_is_no_hole_and_ends_a_bar(calendars: Calendars) -> None:
    market = calendars.market("XHKG")
    assert market.bar(Timeframe("1h"), utc("2026-11-20 03:30")) == (utc("2026-11-20 03:30"), utc("2026-11-20 04:00"))
    assert market.next_close(Timeframe("5m"), utc("2026-11-20 04:00")) == utc("2026-11-20 05:05")
    assert market.last_close(Timeframe("5m"), utc("2026-11-20 04:40")) == utc("2026-11-20 04:00")
    assert market.missing(Timeframe("5m"), utc("2026-11-20 03:55"), utc("2026-11-20 05:00")) is None
    assert market.missing(Timeframe("5m"), utc("2026-11-20 02:00"), utc("2026-11-20 05:00")) is not None


def test_closes_follow_one_another(calendars: Calendars) -> None:
    market = calendars.market("XNYS")
    friday = utc("2026-11-27 18:00")
    assert market.next_close(Timeframe("1d"), utc("2026-11-25 21:00")) == friday
    assert market.next_close(Timeframe("1d"), friday) == utc("2026-11-30 21:00")
    assert market.last_close(Timeframe("1d"), utc("2026-11-29 12:00")) == friday
    assert market.next_close(Timeframe("1h"), friday, HALF_HOUR) == utc("2026-11-30 15:30")
    assert market.next_close(Timeframe("1m"), friday) == utc("2026-11-30 14:31")
    assert market.last_close(Timeframe("1h"), utc("2026-11-30 15:29"), HALF_HOUR) == friday
    assert market.last_close(Timeframe("1h"), utc("2026-11-30 15:30"), HALF_HOUR) == utc("2026-11-30 15:30")
    assert market.next_close(Timeframe("1w"), friday) == utc("2026-12-04 21:00")


@pytest.mark.parametrize(("frame", "count"), [("1d", 250), ("1h", 250), ("1m", 300), ("5m", 1000), ("1w", 100)])
@pytest.mark.parametrize("code", ["XNYS", "XHKG", "24/7", "24/5"])
def test_a_window_holds_its_bars(calendars: Calendars, code: str, frame: str, count: int) -> None:
    market, until = calendars.market(code), utc("2026-11-29 12:00")
    start, close, bars = market.start_of(Timeframe(frame), until, count), until, 0
    earlier = market.last_close(Timeframe(frame), start)
    assert earlier is not None
    close = earlier
    while (following := market.next_close(Timeframe(frame), close)) is not None and following <= until:
        close, bars = following, bars + 1
    assert count <= bars <= count * 1.2 + 500


def test_a_missing_session_is_a_hole_and_a_holiday_is_none(calendars: Calendars) -> None:
    market = calendars.market("XNYS")
    opens = [utc(f"2026-11-{day} 14:30") for day in (24, 25, 27)]
    assert market.missing(Timeframe("1d"), opens[1], opens[2]) is None
    assert market.missing(Timeframe("1d"), opens[0], opens[2]) == (opens[1], opens[2])
    assert market.missing(Timeframe("1m"), utc("2026-11-25 20:59"), utc("2026-11-27 14:30")) is None


def test_the_calendar_is_rebuilt_before_its_horizon_ends() -> None:
    now = [utc("2026-11-20 12:00")]
    calendars = Calendars(lambda: now[0])
    first = calendars.market("XNYS")
    now[0] += timedelta(days=200)
    assert calendars.market("XNYS") is first
    now[0] += timedelta(days=110)
    again = calendars.market("XNYS")
    assert again is not first
    assert again.next_close(Timeframe("1d"), now[0] + timedelta(days=200)) is not None
    with pytest.raises(ValueError, match="XXXX"):
        calendars.market("XXXX")


def test_crypto_days_are_utc_days() -> None:
    market = Continuous()
    assert market.bar(Timeframe("1d"), utc("2026-11-20 00:00")) == (utc("2026-11-20 00:00"), utc("2026-11-21 00:00"))
    assert market.bar(Timeframe("1d"), utc("2026-11-20 15:12")) == (utc("2026-11-20 00:00"), utc("2026-11-21 00:00"))
    assert market.bar(Timeframe("1w"), utc("2026-11-18 00:00")) == (utc("2026-11-16 00:00"), utc("2026-11-23 00:00"))


def test_currencies_trade_from_sunday_evening_to_friday_evening(calendars: Calendars) -> None:
    market = calendars.of("EURUSD=X")
    friday = utc("2026-11-20 22:00")
    assert market.last_close(Timeframe("5m"), utc("2026-11-21 12:00")) == friday
    assert market.next_close(Timeframe("5m"), friday) == utc("2026-11-22 22:05")
    assert market.trading(friday, utc("2026-11-22 22:00")) == timedelta()
    assert market.bar(Timeframe("1d"), utc("2026-11-18 00:00")) == (utc("2026-11-17 22:00"), utc("2026-11-18 22:00"))
    assert market.bar(Timeframe("1d"), utc("2026-07-14 23:00")) == (
        utc("2026-07-14 21:00"),
        utc("2026-07-15 21:00"),
    )  # London's midnight


def test_futures_rest_an_hour_a_day(calendars: Calendars) -> None:
    market = calendars.of("ES=F")
    assert market.last_close(Timeframe("5m"), utc("2026-11-18 22:40")) == utc("2026-11-18 22:00")
    assert market.next_close(Timeframe("5m"), utc("2026-11-18 22:00")) == utc("2026-11-18 23:05")


def test_an_evenings_live_row_belongs_to_the_session_it_lies_in(calendars: Calendars) -> None:
    """Wednesday, 19:30 in New York: Thursday's trading has begun an hour and a half ago."""
    market, day = calendars.of("ES=F"), Timeframe("1d")
    thursday = market.bar(day, utc("2026-11-19 05:00"))  # as past days are labelled: New York's midnight
    assert market.bar(day, utc("2026-11-19 00:30"), date(2026, 11, 18)) == thursday
    assert market.bar(day, utc("2026-11-22 23:30"), date(2026, 11, 22)) == market.bar(day, utc("2026-11-23 05:00"))
    assert market.bar(day, utc("2026-11-18 22:10"), date(2026, 11, 18)) == market.bar(day, utc("2026-11-18 05:00"))


@pytest.mark.parametrize("symbol", ["600519.SS", "D05.SI", "RELIANCE.NS"])
def test_a_market_known_to_the_years_end_goes_on_after_it(symbol: str) -> None:
    calendars = Calendars(lambda: utc("2026-11-20 12:00"))
    market = calendars.of(symbol)
    assert market.next_close(Timeframe("1d"), utc("2027-03-01 12:00")) is not None
    assert calendars.of(symbol) is market


def test_futures_days_that_end_early_have_no_rest_before_their_end(calendars: Calendars) -> None:
    """Thanksgiving: Globex closes at noon in Chicago."""
    assert calendars.of("ES=F").bar(Timeframe("5m"), utc("2026-11-26 17:55")) == (
        utc("2026-11-26 17:55"),
        utc("2026-11-26 18:00"),
    )
    assert calendars.of("ES=F").next_close(Timeframe("1d"), utc("2026-11-26 12:00")) == utc("2026-11-26 18:00")


@pytest.mark.parametrize("code", sorted({*SUFFIXES.values(), *INDEXES.values()}))
def test_every_market_a_ticker_may_name_has_a_calendar(calendars: Calendars, code: str) -> None:
    market = calendars.market(code)
    following = market.next_close(Timeframe("1d"), utc("2027-06-01 00:00"))
    assert following is not None
    assert following < utc("2027-06-12 00:00")
    assert market.start_of(Timeframe("1d"), utc("2026-11-20 00:00"), 250) < utc("2026-01-10 00:00")


def test_hours_are_counted_from_each_spans_own_start(calendars: Calendars) -> None:
    """Hong Kong: 9:30, 10:30 and 11:30 to noon, then 13:00, 14:00, 15:00; the afternoon says nothing of the next morning's grid."""
    market = calendars.of("0700.HK")
    afternoon = utc("2026-11-19 07:00")
    phase = market.phase_of(Timeframe("1h"), afternoon)
    closes, at = [], afternoon
    for _ in range(7):
        at = market.next_close(Timeframe("1h"), at, phase) or at
        closes.append(f"{at:%H:%M}")
    assert closes == ["08:00", "02:30", "03:30", "04:00", "06:00", "07:00", "08:00"]
    assert market.last_close(Timeframe("1h"), utc("2026-11-20 02:20"), phase) == utc("2026-11-19 08:00")
    assert market.slot(Timeframe("1h"), utc("2026-11-20 03:45")) == (utc("2026-11-20 03:30"), utc("2026-11-20 04:00"))
    assert market.slot(Timeframe("1h"), utc("2026-11-20 04:30")) is None


@pytest.mark.parametrize(
    ("frame", "earlier", "later", "liquid", "is_hole"),
    [
        ("1h", "2026-11-18 15:30", "2026-11-18 17:30", False, True),
        ("30m", "2026-11-18 15:30", "2026-11-18 16:30", False, True),
        ("1h", "2026-11-18 19:30", "2026-11-19 14:30", False, True),  # the day's last half hour
        ("1h", "2026-11-18 20:30", "2026-11-19 14:30", False, False),
        ("5m", "2026-11-18 15:30", "2026-11-18 15:40", True, True),
        ("5m", "2026-11-18 15:30", "2026-11-18 16:00", False, False),  # of what trades now and then
        ("5m", "2026-11-18 15:30", "2026-11-18 16:30", False, True),
    ],
)
def test_which_bars_are_missed(
    calendars: Calendars, frame: str, earlier: str, later: str, liquid: bool, is_hole: bool
) -> None:
    found = calendars.market("XNYS").missing(Timeframe(frame), utc(earlier), utc(later), liquid=liquid)
    assert (found is not None) is is_hole


def test_minutes_before_the_open_are_no_bars(calendars: Calendars) -> None:
    market = calendars.market("XNYS")
    assert market.bar(Timeframe("5m"), utc("2026-11-25 11:05")) is None
    assert market.bar(Timeframe("5m"), utc("2026-11-25 21:00")) is None
    assert market.bar(Timeframe("1h"), utc("2026-11-25 14:00")) == (utc("2026-11-25 14:00"), utc("2026-11-25 15:00"))


def test_four_hours_of_currencies_go_on_over_the_days_turn(calendars: Calendars) -> None:
    market = calendars.of("EURUSD=X")
    assert market.bar(Timeframe("4h"), utc("2026-07-14 20:00")) == (utc("2026-07-14 20:00"), utc("2026-07-15 00:00"))
    assert market.next_close(Timeframe("4h"), utc("2026-07-14 20:00"), timedelta()) == utc("2026-07-15 00:00"), (
        "on the clock's grid"
    )
    assert market.slot(Timeframe("4h"), utc("2026-07-14 20:30")) == (
        utc("2026-07-14 17:00"),
        utc("2026-07-14 21:00"),
    ), "on New York's day"
    assert market.bar(Timeframe("4h"), utc("2026-07-17 20:00")) == (utc("2026-07-17 20:00"), utc("2026-07-17 21:00")), (
        "the week ends"
    )
