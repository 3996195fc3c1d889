"""Each job type from a row that a plain SQL program wrote to a result that somebody heard, with one ticker that no vendor knows."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from domain.run import Run, RunStatus
from storage.database import Database
from storage.runs import RunFilter
from tests.e2e.processes import Home, eventually
from tests.postgres import Cluster
from tests.stand_ins.polygon import PolygonStandIn
from tests.stand_ins.receiver import Receiver, receiver
from tests.stand_ins.server import StandIn
from tests.stand_ins.vendor import KEY, UNKNOWN

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
TICKERS = ["AAPL", "MSFT", "NVDA", UNKNOWN]
TOLD = {"notification_channels": ["webhook"]}
JOBS: dict[str, tuple[str, dict[str, Any]]] = {
    "closing": ("report", {"report_type": "daily_summary", "symbols": TICKERS, **TOLD}),
    "portfolio": ("report", {"report_type": "portfolio_analysis", "symbols": TICKERS, "benchmark": "SPY", **TOLD}),
    "record": ("report", {"report_type": "performance_report", **TOLD}),
    "screen": ("screener", {"symbols": TICKERS, "filter_criteria": {"conditions": ["close > 0"]}, "top_n": 2,
                            "create_alerts": {"rule": "close > 0", **TOLD}, **TOLD}),
    "data": ("data_processing", {"kind": "historical_prices", "symbols": TICKERS, "operation": "indicators"}),
    "hello": ("notification", {"message": "the market opens", **TOLD}),
    "nightly": ("backup", {"keep": 2}),
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'home' / 'alerts.db'}"
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    made = await cluster.new()
    yield made
    await cluster.drop(made)


async def test_from_a_row_to_what_is_heard(url: str, tmp_path: Path) -> None:
    async with StandIn(PolygonStandIn(lambda: datetime.now(UTC))) as vendor, receiver() as hook:
        home = Home(
            tmp_path / "home", DATABASE_URL=url, ALERTS_PROVIDERS="polygon", POLYGON_BASE_URL=vendor.url, POLYGON_API_KEY=KEY,
            POLYGON_RATE="100000/minute", ALERT_WEBHOOK_URL=hook.url, RECONCILE_FULL_SECONDS="2",
        )  # fmt: skip
        database = Database(url)
        try:
            await database.upgrade()
            home.spawn("up")
            await asyncio.to_thread(home.data, "holdings", "put", "AAPL", "10", "--cost", "90")
            async with database.engine.begin() as connection:
                for name, (kind, params) in JOBS.items():
                    given = {"k": name, "t": kind, "p": json.dumps(params), "u": "local"}
                    await connection.execute(
                        text("INSERT INTO job_schedules (key, owner, name, job_type, task_params, cron) "
                             "VALUES (:k, :u, :k, :t, :p, '*/15 * * * * *')"), given,
                    )  # fmt: skip
            found = await _all_done(database, home)
            await _check(database, home, hook, found)
        finally:
            home.end()
            await database.close()


async def _all_done(database: Database, home: Home) -> dict[str, Run]:
    """The first run of each, once all have ended."""
    found: dict[str, Run] = {}

    async def done() -> bool:
        for name in JOBS:
            async with database.transaction() as work:
                runs = await work.runs.page(RunFilter(job_id=name, status=RunStatus.COMPLETED), None, 1)
                failed = await work.runs.page(RunFilter(job_id=name, status=RunStatus.FAILED), None, 1)
            assert not failed, failed[0].error
            if runs:
                found[name] = runs[0]
        return len(found) == len(JOBS)

    await eventually(done, 150, "each job has run")
    return found


async def _check(database: Database, home: Home, hook: Receiver, runs: dict[str, Run]) -> None:
    result = {name: run.result or {} for name, run in runs.items()}
    assert all(run.scheduled_for.second % 15 == 0 for run in runs.values()), "slots of the cron"
    assert list(result["closing"]["failed"]) == [UNKNOWN]
    assert set(result["closing"]["symbols"]) == set(TICKERS) - {UNKNOWN}
    assert list(result["portfolio"]["failed"]) == [UNKNOWN]
    assert result["portfolio"]["weights"] == "holdings"
    assert result["portfolio"]["portfolio"]["beta"] is not None
    assert result["record"]["watched"] >= 0
    assert (result["screen"]["total_tickers"], result["screen"]["filtered_count"]) == (4, 3)
    assert list(result["screen"]["failed"]) == [UNKNOWN]
    assert (list(result["data"]["failed"]), result["data"]["partial"]) == ([UNKNOWN], True)
    assert result["data"]["symbols"]["AAPL"]["values"]["rsi(14)"] is not None
    assert (result["nightly"]["checked"], result["nightly"]["tables"] > 10) == ("restored", True)

    made = result["screen"]["alerts_created"]
    assert len(made) == 2, "one for each of the top two"

    async def alerts_run() -> bool:
        answers = [await asyncio.to_thread(home.run, "evaluate", id, "--json") for id in made.values()]
        return all(one.returncode == 0 and json.loads(one.stdout)["truth"] == "TRUE" for one in answers)

    await eventually(alerts_run, 60, "the screener's alerts run in Temporal, and judge the last bar")

    async def all_heard() -> bool:
        heard = " ".join(one.body.decode() for one in hook.taken)
        return all(
            said in heard
            for said in (
                "Daily summary",
                "Portfolio",
                "Alerts of the last 30 days",
                "tickers match",
                "the market opens",
            )
        )

    await eventually(all_heard, 60, "each was heard")
    summary = next(one.body.decode() for one in hook.taken if b"Daily summary" in one.body)
    assert re.search(r"AAPL: [\d.,]+ \([+-]\d+\.\d\d %\)", summary), "with the numbers in it"
    assert UNKNOWN in summary
    page = home.folder / "page.html"
    opened = await asyncio.to_thread(home.run, "reports", "open", "closing", "--output", str(page))
    assert opened.returncode == 0, opened.stderr
    html = page.read_text(encoding="utf-8")
    assert all(f"<td>{symbol}</td>" in html for symbol in TICKERS)
    assert "data:image/svg+xml" in html
    shown = await asyncio.to_thread(home.run, "reports", "show", "portfolio")
    assert "Volatility" in shown.stdout
    watched = await asyncio.to_thread(home.run, "runs", "watch", runs["screen"].run_id)
    assert watched.returncode == 0
    stored = {(one["table"], one["timeframe"]): one for one in await asyncio.to_thread(home.data, "data", "status")}
    assert stored["bars", "1d"]["tickers"] >= 3
