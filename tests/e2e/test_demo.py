"""``alerts demo`` and ``alerts up`` as a user runs them."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.market_data.vendors.provider import BarRequest
from domain.timeframe import Timeframe
from storage.database import Database
from tests.e2e.processes import Home, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def test_demo_ends_by_itself_with_a_summary(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    done = home.run("demo", "--for", "20", seconds=90)
    assert done.returncode == 0, done.stderr
    assert "▲ triggered" in done.stdout
    assert "✉ delivered" in done.stdout
    assert f"http://127.0.0.1:{home.ui_port}" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Summary:")
    assert "deliveries sent" in done.stdout
    assert not home.leftovers()


async def test_web_ui_lists_triggered_alerts_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    import httpx

    home = Home(tmp_path / "home")
    demo = home.spawn("demo")
    url = f"http://127.0.0.1:{home.ui_port}/api/v1/namespaces/default/workflows"
    try:
        async with httpx.AsyncClient() as http:

            async def listed() -> bool:
                try:
                    query = "AlertStatus = 'TRIGGERED' OR AlertStatus = 'COOLDOWN'"
                    answer = await http.get(url, params={"query": query})
                except httpx.HTTPError:
                    return False
                return bool(answer.is_success and answer.json().get("executions"))

            await eventually(listed, 90, "a triggered alert in the Web UI's list")
        demo.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(demo.wait, 40) == 0
        assert not home.leftovers()
    finally:
        home.end()


def test_a_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", home.temporal_port))
        taken.listen()
        done = home.run("up")
    assert done.returncode == 1
    assert f"port {home.temporal_port} is in use; set ALERTS_TEMPORAL_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def write_csv(path: Path, count: int) -> None:
    """Simulated minutes with New York wall times, as recorded files have them."""
    start = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
    bars = SimulatedMarket().bars(
        BarRequest("AAPL", Timeframe("1m"), start, start + timedelta(minutes=count), start + timedelta(days=9))
    )
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        rows = csv.writer(file)
        rows.writerow(["date", "open", "high", "low", "close", "volume"])
        for bar in bars:
            wall = (bar.open_time - timedelta(hours=5)).strftime("%Y-%m-%d %H:%M")
            rows.writerow([wall, bar.open, bar.high, bar.low, bar.close, int(bar.volume)])


async def test_a_replay_fires_on_the_bars_the_preview_names(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.folder.mkdir()
    recorded = tmp_path / "AAPL_1m.csv"
    write_csv(recorded, 400)
    definition = {"rule": "rsi(14) > 60", "rearm": {"type": "hysteresis", "level": 50}}
    definition_file = tmp_path / "definition.json"
    definition_file.write_text(json.dumps(definition))
    zone = ("--timezone", "America/New_York")
    preview = home.data("preview", str(definition_file), "--bars", str(recorded), *zone)
    expected = [
        (datetime.fromisoformat(e["bar_time"]) + timedelta(minutes=1), e["kind"])
        for e in preview["events"]
        if e["kind"] != "data_stale"
    ]
    assert len(expected) > 5
    replay = ("demo", str(definition_file), "--bars", str(recorded), "--symbol", "AAPL", "--speed", "2400", *zone)
    done = home.run(*replay, "--for", "20", "--json", seconds=90)
    assert done.returncode == 0, done.stderr
    database = Database(f"sqlite:///{home.folder / 'alerts.db'}")
    async with database.transaction() as work:
        events = await work.events.of_alert("replay-1", kinds=["triggered", "rearmed"])
    await database.close()
    assert sorted((e.bar_close, e.kind.value) for e in events if e.bar_close) == expected


async def test_restart_continues_where_it_was(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    try:
        first = home.spawn("up")

        async def running() -> bool:
            return home.run("list", "--json").stdout.strip().startswith("[") and "running" in first_log()

        def first_log() -> str:
            return (home.folder / "up-0.log").read_text()

        await eventually(running, 60, "alerts up")
        added = home.data("add", "AAPL > 1", "--timeframe", "1s", "--id", "mine")
        assert added == {**added, "id": "mine", "running": True}

        async def fired() -> bool:
            return [e["kind"] for e in home.data("history", "mine")] == ["triggered"]

        await eventually(fired, 30, "the first fire")
        first.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(first.wait, 40) == 0
        assert not home.leftovers()
        home.spawn("up")

        async def live() -> bool:
            shown = home.data("show", "mine")["live"]
            return bool(shown and shown["state"]["status"] == "TRIGGERED" and shown["state"]["trigger_count"] == 1)

        await eventually(live, 60, "the alert's memory after the restart")
        assert [e["kind"] for e in home.data("history", "mine")] == ["triggered"]
    finally:
        home.end()
