"""The watch apart from the workers: its process is killed, the other one goes on, and no bar that mattered is lost."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.watch.shards import Beat, beats
from domain.watching import shard_of
from storage.database import Database
from storage.runs import RunFilter
from tests.e2e.processes import Home, eventually
from tests.e2e.test_kill import CHECKED, expected_events, first_bar, order

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
SHARDS = 2
OTHERS = "alerts,market-data,notifications,reconcile,jobs"


async def test_a_watch_that_dies_is_replaced_and_nothing_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "home", ALERTS_WATCH_SHARDS=str(SHARDS))
    home.variables["TEMPORAL_ADDRESS"] = f"127.0.0.1:{home.temporal_port}"
    database = Database(f"sqlite:///{home.folder / 'alerts.db'}")
    await database.upgrade()
    ids = [f"w{number}" for number in range(6)]

    async def living() -> dict[int, Beat]:
        now = datetime.now(UTC)
        return await beats(database, now - timedelta(seconds=8))

    try:
        home.server()
        home.spawn("worker", "--queues", OTHERS)
        watches = [home.spawn("worker", "--queues", "watch") for _ in range(2)]

        async def watched() -> bool:
            return len(await living()) == SHARDS

        await eventually(watched, 90, "both shards are watched")
        for number, id in enumerate(ids):
            body: dict[str, Any] = {"rule": "close > sma(3)", "symbol": f"S{number}", "timeframe": "1s"}
            if number % 2:
                body["options"] = {"record": "all"}
            (tmp_path / f"{id}.json").write_text(json.dumps(body))
            made = home.run("add", str(tmp_path / f"{id}.json"), "--id", id)
            assert made.returncode == 0, made.stderr

        async def handed_over() -> bool:
            found = await living()
            is_shared = len({beat.said["owner"] for beat in found.values()}) == SHARDS
            return is_shared and sum(beat.alerts for beat in found.values()) == len(ids)

        await eventually(handed_over, 90, "all alerts are watched, by both")
        owners = {shard: str(beat.said["owner"]) for shard, beat in (await living()).items()}
        victim = next(one for one in watches if f"{one.pid}@" in owners[0])
        victim.send_signal(signal.SIGKILL)
        killed = datetime.now(UTC)
        victim.wait()

        async def back() -> bool:
            found = (await living()).get(0)
            return found is not None and found.at > killed and found.said["owner"] != owners[0]

        await eventually(back, 40, "another worker has the shard")
        took = (await living())[0].at - killed
        with capsys.disabled():
            sys.stdout.write(f"\nwatch: its shard was back after {took.total_seconds():.1f} s\n")

        async def told_since() -> bool:
            async with database.transaction() as work:
                newest = [await work.events.of_alert(id, limit=1, newest_first=True) for id in ids]
            return all(found and found[0].at > killed + timedelta(seconds=20) for found in newest)

        await eventually(told_since, 90, "every alert has told of something since")
        shown = home.run("show", ids[0]).stdout
        assert f"by shard {shard_of('S0', SHARDS)} (" in shown
        checks = {one["check"]: one for one in json.loads(home.run("doctor", "--json").stdout)}
        assert checks["watch"]["found"].startswith("2 of 2 shards, 6 alerts"), checks["watch"]
        for one in (home.started[1], *watches):
            if one.poll() is None:
                one.send_signal(signal.SIGTERM)
        assert [await asyncio.to_thread(one.wait, 40) for one in home.started[1:] if one is not victim] == [0, 0]
    finally:
        home.end()
    total = 0
    for id in ids:
        async with database.transaction() as work:
            stored = await work.schedules.get(id)
            assert stored is not None
            rows = [event for event in await work.events.of_alert(id) if event.kind.value != "late"]
        first, last = await first_bar(stored.alert, rows[0]), rows[-1].at
        expected = [one for one in await expected_events(stored.alert, first, last) if one.at <= last]
        assert [tuple(getattr(one, name) for name in CHECKED) for one in sorted(rows, key=order)] == [
            tuple(getattr(one, name) for name in CHECKED) for one in sorted(expected, key=order)
        ]
        total += len(rows)
        if stored.alert.definition.options.record == "all":
            async with database.transaction() as work:
                runs = await work.runs.page(
                    RunFilter(job_id=id, since=first, until=last + timedelta(seconds=1)), None, 10_000
                )
            closes = {run.scheduled_for for run in runs if run.status == "COMPLETED"}
            seconds = int((last - first).total_seconds())
            assert closes == {first + timedelta(seconds=n) for n in range(seconds + 1)}, (
                "each bar is a run, quiet or not"
            )
    await database.close()
    assert total > len(ids)
