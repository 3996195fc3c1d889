"""The three reports on bars that tests decide: what their figures are, what they say, and how they look; on both databases."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from activities.jobs.executor import Done, JobFailed, JobRefused, Task
from activities.jobs.reports.page import render, spark
from activities.jobs.reports.report import Reports
from activities.jobs.reports.text import price, words
from activities.market_data.calendars.calendars import Calendars
from activities.market_data.feeds.series import BEGINNING, BarSeries
from activities.side_process import SideProcess
from domain.alert import Alert, AlertEvent, EventKind, Status
from domain.bar import Bar
from domain.definition import read_definition
from domain.holding import Holding
from domain.job import read_job
from domain.timeframe import Timeframe
from domain.vendor_data import EarningsDate, Kind
from storage.database import Database
from storage.deliveries import NewDelivery

DAY = timedelta(days=1)
BEGIN = datetime(2025, 6, 1, tzinfo=UTC)
COUNT = 120
LAST = BEGIN + COUNT * DAY
NOW = LAST + timedelta(hours=1)


def walk(symbol: str, count: int = COUNT) -> list[float]:
    phase = sum(map(ord, symbol))
    return [100 + phase % 40 + 9 * math.sin(at / 7 + phase) + at * 0.05 for at in range(count)]


def bars(closes: Sequence[float], length: timedelta = DAY, gap: float = 1.0, end: datetime = LAST) -> tuple[Bar, ...]:
    begin = end - len(closes) * length
    found = []
    for at, close in enumerate(closes):
        opened = begin + at * length
        first = closes[at - 1] * gap if at else close
        volume = 3000.0 if at == len(closes) - 1 else 1000.0
        found.append(
            Bar(opened, opened + length, first, max(first, close) + 1, min(first, close) - 1, close, volume, True)
        )
    return tuple(found)


class Bars:
    """What ``OnBars`` would read: every ticker but ``NONE``."""

    def __init__(self, **series: tuple[Bar, ...]) -> None:
        self.own = series

    async def series(
        self, symbols: Sequence[str], frame: Timeframe, window: int, since: datetime | None = None, tell: Any = None
    ) -> tuple[dict[str, BarSeries], dict[str, str]]:
        found, failed = {}, {}
        for number, symbol in enumerate(symbols):
            tell(number + 1, len(symbols), symbol)
            if symbol == "NONE":
                failed[symbol] = "yahoo: no such ticker"
                continue
            every = self.own.get(symbol) or bars(walk(symbol), frame.length)
            if since is None:
                every = every[-window:]
            found[symbol] = BarSeries("test", frame, every, True, BEGINNING)
        if not found:
            raise JobFailed("nobody has any")
        return found, failed


@pytest.fixture(scope="module")
async def side() -> AsyncIterator[SideProcess]:
    made = SideProcess()
    yield made
    made.close()


async def report(database: Database, side: SideProcess, on_bars: Bars | None = None, **params: Any) -> Done:
    definition = read_job("report", {"pdf": False, **params}, name="closing", cron="@daily", timezone="Europe/Berlin")
    return await Reports(on_bars or Bars(), database, side, lambda: NOW)(Task("run", "closing", "ann", definition))  # type: ignore[arg-type]


async def add_alert(database: Database, id: str, rule: str, **given: Any) -> Alert:
    definition = read_definition({"symbol": "AAA", "timeframe": "1d", "rule": rule, "name": id} | given)
    alert = Alert(id=id, user_id=given.pop("user", "ann"), definition=definition)
    async with database.transaction() as work:
        await work.schedules.add(alert, BEGIN)
    return alert


async def happened(database: Database, alert: str, *what: tuple[EventKind, int, float]) -> None:
    """Each at the close of the n-th bar, recorded so many seconds later."""
    for number, (kind, at, delay) in enumerate(what):
        close = BEGIN + (at + 1) * DAY
        event = AlertEvent(
            f"{alert}{number}", alert, 1, kind, close, Status.TRIGGERED, "fired", close, {"close": 1.0}, number
        )
        async with database.transaction() as work:
            await work.events.record([event], close + timedelta(seconds=delay))


async def test_the_daily_summary_says_what_moved_what_fired_and_what_nearly_did(
    any_database: Database, side: SideProcess
) -> None:
    up, down = [100.0] * 99 + [110.0], [100.0] * 98 + [50.0, 45.0]
    on_bars = Bars(UP=bars(up, gap=1.05), DOWN=bars(down))
    await add_alert(any_database, "near", "close > 110")
    await add_alert(any_database, "far", "close > 200")
    await add_alert(any_database, "fired", "close > 1")
    await happened(any_database, "fired", (EventKind.TRIGGERED, 50, 1), (EventKind.TRIGGERED, COUNT - 1, 1))
    async with any_database.transaction() as work:
        for name in ("near", "far"):
            row = (await work.schedules.these([name]))[0].row
            row.last_values = {"close": 108.0}
            work.session.add(row)
        coming = [EarningsDate(symbol="UP", day=NOW.date() + DAY * days, hour="after_close") for days in (2, 9)]
        await work.records.save(Kind.EARNINGS_CALENDAR, coming, "finnhub", NOW)
    done = await report(any_database, side, on_bars, symbols=["UP", "DOWN", "AAA", "NONE"])
    found = done.result
    assert found["symbols"]["UP"]["change_1"] == pytest.approx(10.0)
    assert found["symbols"]["UP"]["gap"] == pytest.approx(5.0)
    assert found["symbols"]["UP"]["volume_ratio"] == pytest.approx(3.0)
    assert found["symbols"]["DOWN"]["change_5"] == pytest.approx(-55.0)
    assert found["symbols"]["DOWN"]["range"] == pytest.approx((51 - 44) / 50 * 100)
    assert found["movers"]["up"][0]["symbol"] == "UP"
    assert found["movers"]["down"][0]["symbol"] == "DOWN"
    assert found["gaps"][0]["symbol"] == "UP"
    assert [one["alert"] for one in found["fired"]] == ["fired"], "of this session alone"
    assert [(one["alert"], round(one["away"], 2)) for one in found["nearly_fired"]] == [("near", 1.82)]
    assert [one["symbol"] for one in found["earnings"]] == ["UP"], "of the next seven days"
    assert found["failed"] == {"NONE": "yahoo: no such ticker"}
    assert done.notice is not None
    assert done.notice.subject == "Daily summary 2025-09-29 (1d, 3 tickers)"
    for text in (
        "UP: 110 (+10.00 %)",
        "Fired: 1: fired (AAA)",
        "Nearly fired: near (1.8 % away)",
        "Earnings: UP 2025",
        "No data for 1: NONE",
    ):
        assert text in done.notice.body
    page = _file(done, "html")
    assert "+10.00 %" in page
    assert "data:image/svg+xml;base64," in page
    assert "Europe/Berlin" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert _file(done, "text").startswith(done.notice.subject)


async def test_without_tickers_it_is_of_the_users_alerts_and_holdings(
    any_database: Database, side: SideProcess
) -> None:
    with pytest.raises(JobRefused, match="nothing to report on"):
        await report(any_database, side)
    await add_alert(any_database, "one", "close > 1")
    async with any_database.transaction() as work:
        await work.holdings.put("ann", [Holding(symbol="BBB", quantity=1)], NOW)
        await work.holdings.put("bob", [Holding(symbol="CCC", quantity=1)], NOW)
    done = await report(any_database, side, include_charts=False)
    assert list(done.result["symbols"]) == ["BBB", "AAA"]
    assert "image/svg" not in _file(done, "html")


async def test_a_portfolio_is_measured_as_pandas_would(any_database: Database, side: SideProcess) -> None:
    held = {"AAA": 10.0, "BBB": -4.0, "CCC": 2.5}
    async with any_database.transaction() as work:
        costs = {"AAA": 90.0}
        await work.holdings.put(
            "ann", [Holding(symbol=name, quantity=size, cost=costs.get(name)) for name, size in held.items()], NOW
        )
    done = await report(any_database, side, report_type="portfolio_analysis", lookback=100, risk_free_rate=0.03)
    found = done.result
    table = pd.DataFrame({name: walk(name)[-101:] for name in [*held, "SPY"]})
    value = sum(table[name] * size for name, size in held.items())
    changes, market = value.pct_change().dropna(), table["SPY"].pct_change().dropna()
    whole = found["portfolio"]
    assert whole["value"] == pytest.approx(value.iloc[-1])
    assert whole["return"] == pytest.approx(100 * (value.iloc[-1] / value.iloc[0] - 1))
    assert whole["max_drawdown"] == pytest.approx(100 * (value / value.cummax() - 1).min())
    assert whole["volatility"] == pytest.approx(100 * changes.std() * math.sqrt(365)), "a market that never closes"
    free = 1.03 ** (1 / 365) - 1
    assert whole["sharpe"] == pytest.approx((changes.mean() - free) / changes.std() * math.sqrt(365))
    assert whole["beta"] == pytest.approx(changes.cov(market) / market.var())
    sizes = pd.Series({name: abs(table[name].iloc[-1] * size) for name, size in held.items()})
    assert whole["concentration"] == pytest.approx(((sizes / sizes.sum()) ** 2).sum())
    rows = {one["symbol"]: one for one in found["holdings"]}
    assert sum(one["contribution"] for one in rows.values()) == pytest.approx(whole["return"])
    assert sum(abs(one["weight"]) for one in rows.values()) == pytest.approx(100)
    assert rows["BBB"]["weight"] < 0
    assert rows["AAA"]["gain"] == pytest.approx((walk("AAA")[-1] - 90) * 10)
    assert done.notice is not None
    assert f"Value {whole['value']:,.2f}" in done.notice.body
    page = _file(done, "html")
    assert "Value and drawdown" in page
    assert f"{whole['beta']:.2f}" in page


async def test_of_tickers_nobody_holds_each_weighs_the_same(any_database: Database, side: SideProcess) -> None:
    done = await report(
        any_database, side, report_type="portfolio_analysis", symbols=["AAA", "BBB", "NONE"], benchmark="NONE"
    )
    found = done.result
    assert found["weights"] == "equal"
    assert [one["weight"] for one in found["holdings"]] == pytest.approx([50, 50])
    assert found["portfolio"]["beta"] is None
    assert found["notes"] == ["no beta: NONE: yahoo: no such ticker"]


async def test_a_new_ticker_does_not_cut_everybodys_history(any_database: Database, side: SideProcess) -> None:
    on_bars = Bars(NEW=bars(walk("NEW", 30)))
    done = await report(any_database, side, on_bars, report_type="portfolio_analysis", symbols=["AAA", "NEW"])
    assert done.result["notes"] == ["NEW is left out: 30 bars of 253"]
    assert len(done.result["curve"]["days"]) == COUNT


async def test_the_record_of_alerts(any_database: Database, side: SideProcess) -> None:
    """The price rises by one each day from 100: what comes after a fire can be said by hand."""
    on_bars = Bars(AAA=bars([100.0 + at for at in range(COUNT)]))
    await add_alert(any_database, "long", "close > 1")
    await add_alert(any_database, "short", "close > 1", tags=["Short"])
    await add_alert(any_database, "quiet", "close > 1")
    await add_alert(any_database, "other", "close > 1", symbol="BBB")
    fired, rearmed = EventKind.TRIGGERED, EventKind.REARMED
    await happened(
        any_database,
        "long",
        (fired, 100, 2),
        (rearmed, 104, 0),
        (fired, 106, 4),
        (rearmed, 108, 0),
        (fired, COUNT - 2, 60),
    )
    await happened(any_database, "short", (fired, 100, 3))
    async with any_database.transaction() as work:
        told = NewDelivery("long0", "long", "ann", "email", "s", "b")
        await work.deliveries.open([told, NewDelivery("long0", "long", "ann", "webhook", "s", "b")], NOW)
        await work.deliveries.sent([("long0", "email")], NOW)
    done = await report(any_database, side, on_bars, report_type="performance_report", symbols=["AAA"])
    found = done.result
    assert found["watched"] == 3
    total, rows = found["total"], {one["alert"]: one for one in found["alerts"]}
    assert (total["fires"], rows["long"]["fires"], total["rearms"], total["false_rearms"]) == (4, 3, 2, 1)
    after_one = [1 / 200, 1 / 206, 1 / (100 + COUNT - 2)]
    assert rows["long"]["outcomes"]["1"]["mean"] == pytest.approx(100 * sum(after_one) / 3)
    assert rows["long"]["outcomes"]["1"]["hit_rate"] == 100
    assert rows["short"]["outcomes"]["1"]["hit_rate"] == 0, "it expected a fall"
    assert rows["long"]["outcomes"]["5"]["count"] == 2, "after the last fire there are no five bars yet"
    assert rows["long"]["outcomes"]["20"] == {"count": 0, "mean": None, "median": None, "hit_rate": None}
    assert (total["delay_p50"], total["delay_p95"]) == (3.0, 60.0)
    assert found["deliveries"] == {"email": {"SENT": 1}, "webhook": {"PENDING": 1}}
    assert done.notice is not None
    assert "4 fires of 2 alerts (3 watched)" in done.notice.body
    assert "Deliveries: 1 sent, 0 dead" in done.notice.body
    assert sum(count for _, count in found["by_day"]) == 4
    assert "Fires a day" in _file(done, "html")


@pytest.mark.parametrize("kind", ["daily_summary", "portfolio_analysis", "performance_report"])
async def test_it_can_be_had_as_pdf(any_database: Database, side: SideProcess, kind: str) -> None:
    await add_alert(any_database, "one", "close > 1")
    done = await report(any_database, side, report_type=kind, symbols=["AAA", "BBB"], pdf=True)
    assert next(one for one in done.files if one.name == "pdf").content.startswith(b"%PDF-")
    assert done.result["files"] == ["html", "text", "pdf"]


async def test_nothing_of_what_users_write_becomes_html(any_database: Database, side: SideProcess) -> None:
    await add_alert(any_database, "one", "close > 1", name="<script>x</script>")
    await happened(any_database, "one", (EventKind.TRIGGERED, COUNT - 1, 1))
    done = await report(any_database, side, symbols=["AAA"])
    page = _file(done, "html")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_small_things() -> None:
    assert spark([1.0]) == ""
    assert spark([1.0, None, 1.0]) == "0.0,20.0 90.0,20.0"
    assert price(1234567.0) == "1,234,567"
    assert (
        words(
            {
                "report_type": "performance_report",
                "total": EMPTY,
                "alerts": [],
                "watched": 0,
                "days": 3,
                "deliveries": {},
                "failed": {},
            }
        )[0]
        == "Alerts of the last 3 days"
    )
    html = render(
        {"report_type": "performance_report", "total": EMPTY, "alerts": [], "watched": 0, "days": 3, "deliveries": {}, "failed": {}, "by_day": [["2026-01-05", 0]]},
        "r", "UTC", NOW, drawn=True, pdf=False,
    )[0].content.decode()  # fmt: skip
    assert "No alert fired in these 3 days." in html


EMPTY: dict[str, Any] = {
    "fires": 0, "rearms": 0, "false_rearms": 0, "late": 0, "delay_p50": None, "delay_p95": None,
    "outcomes": {bars: {"count": 0, "mean": None, "median": None, "hit_rate": None} for bars in ("1", "5", "20")},
}  # fmt: skip


def _file(done: Done, name: str) -> str:
    return next(one for one in done.files if one.name == name).content.decode()


async def test_a_halted_ticker_is_no_mover_and_does_not_widen_the_session(
    any_database: Database, side: SideProcess
) -> None:
    on_bars = Bars(HALTED=bars([100.0] * 50 + [150.0], end=LAST - 30 * DAY))
    await add_alert(any_database, "fired", "close > 1")
    await happened(any_database, "fired", (EventKind.TRIGGERED, COUNT - 5, 1), (EventKind.TRIGGERED, COUNT - 1, 1))
    done = await report(any_database, side, on_bars, symbols=["HALTED", "AAA"])
    assert done.result["stale"] == ["HALTED"]
    assert len(done.result["fired"]) == 1, "of this session alone"
    assert "HALTED" not in [one["symbol"] for way in done.result["movers"].values() for one in way]
    assert done.notice is not None
    assert "No new bar of HALTED" in done.notice.body


async def test_across_a_split_that_the_vendor_has_not_worked_in_nothing_is_compared(
    any_database: Database, side: SideProcess
) -> None:
    new_york = Calendars(lambda: NOW).market("XNYS")
    closes = [300.0 + at % 5 for at in range(60)] + [30.0 + at % 5 / 10 for at in range(40)]
    sessions = [(start, end) for start, end in new_york.days(LAST - 200 * DAY, LAST)][-100:]
    made = tuple(
        Bar(start, end, close, close + 1, close - 1, close, 1000.0)
        for (start, end), close in zip(sessions, closes, strict=True)
    )

    class Raw(Bars):
        async def series(self, symbols: Any, *given: Any, **named: Any) -> Any:
            found, failed = await super().series(symbols, *given, **named)
            found["SPLIT"] = BarSeries("raw", Timeframe("1d"), made, True, BEGINNING, market=new_york, is_raw=True)
            return found, failed

    daily = (await report(any_database, side, Raw(), symbols=["SPLIT"])).result["symbols"]["SPLIT"]
    assert (daily["change_60"], daily["change_20"] is not None) == (None, True)
    whole = (
        await report(any_database, side, Raw(), report_type="portfolio_analysis", symbols=["SPLIT"], benchmark="SPLIT")
    ).result
    assert len(whole["curve"]["days"]) == 40
    assert whole["portfolio"]["max_drawdown"] > -5


async def test_a_year_of_an_exchange_has_its_sessions_also_from_a_file(
    any_database: Database, side: SideProcess
) -> None:
    """A file says nothing of its market; its days do."""
    closes = walk("AAA", 300)
    weekdays = tuple(bar for bar in bars(closes) if bar.open_time.weekday() < 5)
    done = await report(
        any_database, side, Bars(AAA=weekdays, SPY=weekdays), report_type="portfolio_analysis", symbols=["AAA"]
    )
    changes = pd.Series([bar.close for bar in weekdays][-253:]).pct_change().dropna()
    assert done.result["portfolio"]["volatility"] == pytest.approx(100 * changes.std() * math.sqrt(252))
