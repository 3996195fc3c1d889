"""What market data there is, over HTTP and by command."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from domain.bar import Bar
from domain.vendor_data import CompanyProfile, EarningsDate, EconomicEvent, Kind
from storage.bars import Gap
from storage.database import Database
from tests.e2e.processes import Home
from tests.starter.api.conftest import Api

AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def fill(database: Database) -> None:
    bars = [Bar(AT + n * HOUR, AT + (n + 1) * HOUR, 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(3)]
    async with database.transaction() as work:
        for symbol in ("AAPL", "MSFT"):
            await work.bars.save(symbol, "1h", "yahoo/split", bars, "yahoo")
        await work.bars.save("AAPL", "1d", "polygon/split", bars[:1], "polygon")
        await work.bars.note_gaps(
            [
                Gap("AAPL", "1h", "yahoo/split", AT, AT + HOUR, AT, 0),
                Gap("AAPL", "1h", "yahoo/split", AT + HOUR, AT, AT, 2),
            ]
        )
        await work.records.save(Kind.COMPANY_INFO, [CompanyProfile(symbol="AAPL", at=AT, name="Apple")], "finnhub", AT)
        await work.records.save(
            Kind.EARNINGS_CALENDAR, [EarningsDate(symbol="AAPL", day=date(2026, 1, 29))], "finnhub", AT
        )
        await work.records.save(
            Kind.ECONOMIC_EVENTS, [EconomicEvent(id="x", at=AT, country="US", event="CPI")], "finnhub", AT
        )


async def test_over_http(api: Api) -> None:
    assert (await api.reader.get("/api/data/status")).json() == {"items": []}
    await fill(api.database)
    found = {
        (one["table"], one["timeframe"]): one for one in (await api.reader.get("/api/data/status")).json()["items"]
    }
    assert found["bars", "1h"] == {
        "table": "bars", "timeframe": "1h", "source": "yahoo/split", "tickers": 2, "rows": 6, "oldest": "2026-01-05T14:30:00Z",
        "newest": "2026-01-05T17:30:00Z", "gaps": 1,
    }  # fmt: skip
    assert found["bars", "1d"]["gaps"] == 0
    assert (found["company_profiles", ""]["tickers"], found["company_profiles", ""]["gaps"]) == (1, None)
    assert found["earnings_calendar", ""]["newest"] == "2026-01-29T00:00:00Z"
    assert found["economic_events", ""]["tickers"] == 0
    of_one = (await api.reader.get("/api/data/status?symbol=msft")).json()["items"]
    assert [(one["table"], one["rows"], one["gaps"]) for one in of_one] == [("bars", 3, 0)]
    assert (await api.reader.get("/api/data/status?symbol=A%20B")).status_code == 422


async def test_by_command(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert "nothing is stored yet" in home.run("data", "status").stderr
    database = Database(f"sqlite:///{home.folder / 'alerts.db'}")
    await fill(database)
    await database.close()
    assert len(home.data("data", "status")) == 5
    told = home.run("data", "status", "--symbol", "AAPL").stdout
    assert "yahoo/split" in told
    assert "2026-01-05 17:30:00Z" in told
