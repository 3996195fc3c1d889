"""Market data as its operator meets it: vendors on loopback, the real server and worker, jobs by hand, a backfill that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from storage.database import Database
from tests.e2e.processes import Home, eventually
from tests.stand_ins.binance import BinanceStandIn
from tests.stand_ins.finnhub import FinnhubStandIn
from tests.stand_ins.polygon import PolygonStandIn
from tests.stand_ins.server import StandIn
from tests.stand_ins.vendor import KEY, Vendor

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def real_time() -> datetime:
    return datetime.now(UTC)


class Vendors:
    """Stand-ins by name, and the variables that lead to them."""

    def __init__(self) -> None:
        self.by_name: dict[str, Vendor] = {}
        self.servers: dict[str, StandIn] = {}

    @property
    def variables(self) -> dict[str, str]:
        found = {"ALERTS_PROVIDERS": ",".join(self.by_name)}
        for name, server in self.servers.items():
            found |= {
                f"{name.upper()}_BASE_URL": server.url,
                f"{name.upper()}_API_KEY": KEY,
                f"{name.upper()}_RATE": "10000/minute",
            }
        return found


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    made = Vendors()
    async with AsyncExitStack() as stack:
        for kind in (FinnhubStandIn, PolygonStandIn, BinanceStandIn):
            vendor = made.by_name[kind.name] = kind(real_time)
            made.servers[kind.name] = await stack.enter_async_context(StandIn(vendor))
        yield made


async def alerts(home: Home, *words: str) -> Any:
    return await asyncio.to_thread(home.data, *words)


async def test_default_jobs_run_by_hand_and_providers_tell_how_they_fare(tmp_path: Path, vendors: Vendors) -> None:
    home = Home(tmp_path / "home", **vendors.variables)
    home.spawn("up")
    try:

        async def serves() -> bool:
            done = await asyncio.to_thread(home.run, "doctor", "--json")
            return done.returncode == 0

        await eventually(serves, 90, "the product is up")
        seeded = await alerts(home, "schedules", "seed", "--symbols", "AAPL,MSFT")
        assert (len(seeded), {one["enabled"] for one in seeded}) == (8, {True})
        again = await alerts(home, "schedules", "seed", "--symbols", "AAPL")
        assert {one["added"] for one in again} == {False}
        for name in ("data-news", "data-company-info", "data-historical-prices", "data-economic-events"):
            vendors.by_name["finnhub"].fault = None if name != "data-company-info" else "no_plan"
            run_id = (await alerts(home, "schedules", "trigger", name))["run_id"]

            async def completed(run_id: str = run_id) -> bool:
                return (await alerts(home, "runs", "show", run_id))["status"] == "COMPLETED"

            await eventually(completed, 60, f"{name} is done")
            result = (await alerts(home, "runs", "show", run_id))["result"]
            served = {one["source"] for one in result["symbols"].values()}
            assert (result["failed"], result["partial"]) == ({}, False)
            assert served == {"polygon" if name == "data-company-info" else "finnhub"}
        database = Database(f"sqlite:///{home.folder / 'alerts.db'}")
        async with database.transaction() as work:
            assert await work.session.scalar(text("SELECT count(*) FROM data_stage")) == 0, (
                "nothing is left between the steps"
            )
        await database.close()
        vendors.by_name["finnhub"].fault = "bad_key"
        run_id = (await alerts(home, "schedules", "trigger", "data-news"))["run_id"]

        async def told() -> bool:
            found = {one["name"]: one for one in await alerts(home, "providers")}
            (state,) = found["finnhub"]["workers"]
            return (
                state["circuit"] == "open" and state["last_error"] == "finnhub: refused the key" and state["calls"] > 4
            )

        await eventually(told, 60, "providers tell of the refused key")
        shown = await asyncio.to_thread(home.run, "providers")
        assert "open" in shown.stdout
        assert KEY not in shown.stdout + shown.stderr
    finally:
        home.end()


async def test_a_backfill_that_is_killed_goes_on_where_it_was(tmp_path: Path, vendors: Vendors) -> None:
    """40 days of minutes, 58 pages of 1,000: killed with -9 after twenty, then run to its end."""
    home = Home(tmp_path / "home", **vendors.variables)
    until = real_time().replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
    words = ("backfill", "BTCUSDT", "--timeframe", "1m", "--provider", "binance", "--from", (until - timedelta(days=40)).isoformat(),
             "--to", until.isoformat())  # fmt: skip
    server = vendors.servers["binance"]
    first = home.spawn(*words)

    async def halfway() -> bool:
        return len(server.asked) >= 20

    await eventually(halfway, 60, "twenty pages")
    os.killpg(first.pid, signal.SIGKILL)
    await asyncio.to_thread(first.wait)
    before = len(server.asked)
    done = await asyncio.to_thread(lambda: home.run(*words, "--json", seconds=120))
    assert done.returncode == 0, done.stderr
    after = [asked for asked in server.asked[before:] if asked.path == "/api/v3/klines"]
    assert 58 <= before + len(after) <= 60, "each page once, but for the one that was under way"
    database = Database(f"sqlite:///{home.folder / 'alerts.db'}")
    async with database.transaction() as work:
        bars = await work.bars.newest("BTCUSDT", "1m", "binance/raw", 100_000, real_time())
    await database.close()
    assert (len(bars), bars[0].open_time) == (40 * 1440, until - timedelta(days=40))


async def test_a_backfill_says_what_it_cannot_do(tmp_path: Path, vendors: Vendors) -> None:
    home = Home(tmp_path / "home", **vendors.variables)
    wrong = await asyncio.to_thread(home.run, "backfill", "AAPL", "-t", "7m", "--from", "soon", "--to", "2020-13-01")
    assert (wrong.returncode, [name in wrong.stderr for name in ("--timeframe", "--from", "--to")]) == (2, [True] * 3)
    assert (await asyncio.to_thread(home.run, "backfill", "AAPL", "--provider", "bloomberg")).returncode == 2
    for vendor in vendors.by_name.values():
        vendor.fault = "no_plan"
    refused = await asyncio.to_thread(home.run, "backfill", "AAPL", "--provider", "finnhub")
    assert (refused.returncode, "plan" in refused.stderr, KEY in refused.stderr) == (1, True, False)


async def test_indicators_are_listed_with_bounds(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    every = await alerts(home, "indicators")
    (rsi,) = await alerts(home, "indicators", "RSI")
    assert len(every) > 100
    assert rsi["parameters"] == [{"name": "timeperiod", "default": 14, "low": 2, "high": 2000, "whole": True}]
    assert (await asyncio.to_thread(home.run, "indicators", "rsx")).returncode == 2
