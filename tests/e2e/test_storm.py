"""The storm on the real server: many alerts, few tickers, the first vendor failing in another way each minute.

``STORM_ALERTS`` and ``STORM_BARS`` make it as large as one likes; every way to fail has come after 16 bars.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from domain.alert import Alert
from domain.definition import read_definition
from starter.clock import now as real_time
from storage.database import Database
from tests.e2e.processes import Home, eventually
from tests.stand_ins.binance import BinanceStandIn
from tests.stand_ins.polygon import PolygonStandIn
from tests.stand_ins.server import Asked, StandIn
from tests.stand_ins.vendor import KEY
from tests.stand_ins.vendors import EVERY_FAULT

ALERTS, BARS, SYMBOLS = int(os.environ.get("STORM_ALERTS", "100")), int(os.environ.get("STORM_BARS", "2")), 50
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300 + 75 * BARS)]
MINUTE = timedelta(minutes=1)
ON_BAD_DATA = "close < 50 or close > 500 or rsi(14) < 0.5 or sma(20) < 50"
ON_GOOD_DATA = "close > sma(20)"


class CryptoPolygon(PolygonStandIn):
    """Polygon's crypto, which never closes."""

    always = True


class Vendors:
    """Both vendors, and what each was asked by the minute."""

    def __init__(self) -> None:
        self.first, self.second = CryptoPolygon(real_time), BinanceStandIn(real_time)
        self.begun: datetime | None = None
        self.per_bar: dict[str, Counter[datetime]] = defaultdict(Counter)
        self.first.fault = self._fault

    def _fault(self, asked: Asked) -> str | None:
        if self.begun is None or (minute := self.minute()) < self.begun:
            return None
        return EVERY_FAULT[int((minute - self.begun) / MINUTE) % len(EVERY_FAULT)]

    def minute(self) -> datetime:
        return real_time().replace(second=0, microsecond=0)

    def counted(self, name: str, vendor: Any) -> Any:
        def answer(asked: Asked) -> Any:
            self.per_bar[name][self.minute()] += 1
            return vendor(asked)

        return answer


@pytest.fixture
async def vendors() -> AsyncIterator[tuple[Vendors, dict[str, str]]]:
    made = Vendors()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(StandIn(made.counted("first", made.first)))
        two = await stack.enter_async_context(StandIn(made.counted("second", made.second)))
        yield (
            made,
            {
                "ALERTS_PROVIDERS": "polygon,binance", "POLYGON_BASE_URL": one.url, "POLYGON_API_KEY": KEY, "BINANCE_BASE_URL": two.url,
                "POLYGON_RATE": "100000/minute", "BINANCE_RATE": "100000/minute", "DATA_TIMEOUT": "2" if EVERY_FAULT.index("slow_drip") < BARS else "60",
            },
        )  # fmt: skip


async def test_a_storm_on_the_real_server(tmp_path: Path, vendors: tuple[Vendors, dict[str, str]]) -> None:
    storm, variables = vendors
    home = Home(tmp_path / "home", **variables)
    home.folder.mkdir(parents=True)
    home.variables["TEMPORAL_ADDRESS"] = f"127.0.0.1:{home.temporal_port}"
    database = Database(f"sqlite:///{home.folder / 'alerts.db'}")
    await database.upgrade()
    await _fill(database)
    home.server()
    home.spawn("worker")
    try:
        await eventually(lambda: _all_have_run(database), 240, "every alert has seen a bar")
        storm.begun = first = storm.minute() + MINUTE
        last = first + MINUTE * (BARS - 1)
        await eventually(lambda: _all_have_run(database, last), BARS * 60 + 120, "every alert has seen the last bar")
        found = await _runs(database, first, last)
        bad = await _fires(database, "bad")
        good = await _fires(database, "good")
    finally:
        home.end()
        await database.close()
    closes = [first + MINUTE * n for n in range(BARS)]
    wrong = {id: sorted(slots) for id, slots in found.items() if sorted(slots) != closes}
    assert (len(found), wrong) == (ALERTS, {}), "every bar once, by every alert"
    assert (bad, good > 0) == (0, True), "nothing fired on bad data"
    late = sorted((done - slot).total_seconds() for slots in found.values() for slot, done in slots.items())
    figures = [(storm.per_bar["first"][close], storm.per_bar["second"][close]) for close in closes]
    print(  # noqa: T201
        f"\nstorm on the real server: {ALERTS} alerts, {SYMBOLS} tickers, {BARS} bars; from close to record: median "
        f"{late[len(late) // 2]:.1f} s, 99th {late[int(len(late) * 0.99)]:.1f} s, at worst {late[-1]:.1f} s; requests a bar "
        f"(failing vendor, next vendor): {figures}"
    )
    for close, (one, two) in zip(closes, figures, strict=True):
        assert SYMBOLS <= one + two <= 4 * SYMBOLS, (
            close,
            one,
            two,
            "a request a ticker, and retries; never one an alert",
        )


async def _fill(database: Database) -> None:
    options = {"record": "all"}
    definitions = [
        read_definition(
            {"symbol": f"C{n % SYMBOLS}-USDT", "timeframe": "1m", "rule": ON_GOOD_DATA if n % 2 else ON_BAD_DATA,
             "notification_channels": [], "options": options}
        )
        for n in range(ALERTS)
    ]  # fmt: skip
    async with database.transaction() as work:
        these = [Alert(id=f"{'good' if n % 2 else 'bad'}-{n}", definition=one) for n, one in enumerate(definitions)]
        await work.schedules.add_all(these, real_time())


async def _rows(database: Database, statement: str, **values: Any) -> list[Any]:
    async with database.engine.connect() as connection:
        return list(await connection.execute(text(statement), values))


async def _all_have_run(database: Database, slot: datetime | None = None) -> bool:
    await asyncio.sleep(0.5)
    since = _text(slot) if slot else ""
    rows = await _rows(
        database,
        "SELECT count(DISTINCT job_key) FROM job_schedule_runs WHERE scheduled_for >= :s AND error IS NULL",
        s=since,
    )
    return bool(rows[0][0] == ALERTS)


async def _runs(database: Database, first: datetime, last: datetime) -> dict[str, dict[datetime, datetime]]:
    rows = await _rows(
        database,
        "SELECT job_key, scheduled_for, finished_at FROM job_schedule_runs WHERE scheduled_for BETWEEN :a AND :b AND error IS NULL",
        a=_text(first), b=_text(last),
    )  # fmt: skip
    found: dict[str, dict[datetime, datetime]] = defaultdict(dict)
    for id, slot, done in rows:
        assert _time(slot) not in found[id], "once"
        found[id][_time(slot)] = _time(done)
    return found


async def _fires(database: Database, prefix: str) -> int:
    rows = await _rows(
        database, "SELECT count(*) FROM alert_events WHERE kind = 'triggered' AND alert_id LIKE :p", p=f"{prefix}-%"
    )
    return int(rows[0][0])


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")


def _time(text_of: str) -> datetime:
    return datetime.fromisoformat(text_of).replace(tzinfo=UTC)
