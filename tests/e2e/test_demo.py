"""``alerts demo`` and ``alerts up`` as a user runs them."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import signal
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.market_data.vendors.provider import BarRequest
from domain.timeframe import Timeframe
from storage.database import Database
from tests.conftest import binary
from tests.e2e.processes import Home, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.xdist_group("demo")]


def demo_ports(home: Home) -> dict[str, str]:
    """Where the demo is, as it says."""
    file = home.folder / "demo" / "home.env"
    return dict(line.split("=") for line in file.read_text().splitlines()) if file.exists() else {}


def test_demo_ends_by_itself_with_a_summary(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    done = home.run("demo", "--for", "35", seconds=120)
    assert done.returncode == 0, done.stderr
    assert "▲ triggered" in done.stdout
    assert "✉ delivered" in done.stdout
    ports = demo_ports(home)
    assert f"http://127.0.0.1:{ports['ALERTS_UI_PORT']}" in done.stdout
    assert f"export ALERTS_HOME={home.folder / 'demo'}" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("Summary:")
    assert re.search(r"1 delivery sent|\d deliveries sent", done.stdout)
    assert not home.leftovers()


async def test_web_ui_lists_triggered_alerts_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    import httpx

    home = Home(tmp_path / "home")
    demo = home.spawn("demo")
    try:

        async def begun() -> bool:
            return bool(demo_ports(home))

        await eventually(begun, 60, "the demo says where it is")
        url = f"http://127.0.0.1:{demo_ports(home)['ALERTS_UI_PORT']}/api/v1/namespaces/demo/workflows"
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
    database = Database(f"sqlite:///{home.folder / 'demo' / 'alerts.db'}")
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


async def test_the_demo_meets_nothing_that_is_real(tmp_path: Path) -> None:
    """Beside a running 'up' with alerts of its own, whose database and server the variables name."""
    home = Home(tmp_path / "home", DATABASE_URL=f"sqlite:///{tmp_path / 'real.db'}", ALERTS_PROVIDERS="simulated")
    try:
        home.spawn("up")

        async def added() -> bool:
            done = home.run("add", "REAL > 1", "--timeframe", "1s", "--id", "real", "--json")
            return done.returncode == 0 or "exists already" in done.stderr

        await eventually(added, 60, "a real alert")
        address = {"TEMPORAL_ADDRESS": f"127.0.0.1:{home.temporal_port}"}
        demo = home.run("demo", "--for", "15", "--json", seconds=90, **address)
        assert demo.returncode == 0, demo.stderr
        assert json.loads(demo.stdout)["events"]["triggered"] > 0
        assert [one["id"] for one in home.data("list")] == ["real"], "no alert of the demo's"
        shown = home.run("list", "--json", ALERTS_HOME=str(home.folder / "demo"), **address)
        assert all(one["id"].startswith("demo-") for one in json.loads(shown.stdout)), "and none of ours there"
    finally:
        home.end()


async def test_a_server_of_another_home_is_left_alone(tmp_path: Path) -> None:
    home, other = Home(tmp_path / "home"), Home(tmp_path / "other")
    other.variables["ALERTS_TEMPORAL_PORT"] = str(home.temporal_port)
    try:
        home.spawn("up")

        async def is_up() -> bool:
            done = home.run("add", "SIM > 1", "--timeframe", "1s", "--id", "mine")
            return home.run("evaluate", "mine").returncode == 0 if done.returncode in (0, 5) else False

        await eventually(is_up, 60, "alerts up")
        done = other.run("add", "SIM > 2", "--id", "theirs")
        assert f"is that of {home.folder}, and this is {other.folder}" in done.stderr
        assert "set ALERTS_HOME" in done.stderr
        asked = other.run("evaluate", "theirs")
        assert asked.returncode == 1
        assert "is that of" in asked.stderr
        listed = home.run("sync", "--dry-run", "--json")
        assert "theirs" not in listed.stdout, "nothing was started there"
    finally:
        home.end()


def test_one_home_wherever_one_stands(tmp_path: Path) -> None:
    """And what an earlier version left in a folder is pointed at."""
    variables = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(("ALERT", "TEMPORAL", "DATABASE"))}, **variables}

    def run(*words: str, where: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [binary("alerts"), *words], env=env, cwd=where, capture_output=True, text=True, check=False
        )

    one, two = tmp_path / "one", tmp_path / "two"
    for place in (one, two):
        (place / ".alerts").mkdir(parents=True)
    (two / ".alerts" / "alerts.db").write_bytes(b"")
    assert run("holdings", "put", "AAPL", "1", where=one).returncode == 0
    assert json.loads(run("holdings", "list", "--json", where=two).stdout)[0]["symbol"] == "AAPL"
    assert (tmp_path / "data" / "market-alerts" / "alerts.db").exists()
    assert ".alerts in this folder is not used" in run("config", where=two).stderr
    assert ".alerts in this folder" not in run("config", where=one).stderr
