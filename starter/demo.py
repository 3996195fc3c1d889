"""``alerts demo``: example alerts that fire within a minute, told as they happen."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from domain.alert import Alert, EventKind
from domain.definition import read_definition
from domain.text import counted
from starter.event_stream import event_line
from storage.database import Database
from storage.deliveries import DeliveryFilter, DeliveryStatus

POLL_SECONDS = 0.3
OVERLAP = timedelta(seconds=2)

SIMULATED: list[tuple[str, dict[str, Any]]] = [
    (
        "demo-momentum",
        {
            "symbol": "AAPL",
            "timeframe": "1s",
            "rule": "rsi(14) > 65",
            "rearm": {"type": "hysteresis", "level": 55},
            "name": "AAPL momentum",
        },
    ),
    (
        "demo-cross",
        {
            "symbol": "BTC-USD",
            "timeframe": "1s",
            "rule": "close crosses_above sma(20)",
            "rearm": {"type": "crossing", "cooldown": 10},
            "name": "BTC crosses its average",
        },
    ),
    ("demo-dip", {"symbol": "MSFT", "timeframe": "5s", "rule": "rsi(7) < 40 and close < sma(10)", "name": "MSFT dip"}),
    (
        "demo-volume",
        {
            "symbol": "TSLA",
            "timeframe": "1s",
            "condition": "volume_spike",
            "threshold": 2.5,
            "rearm": {"type": "cooldown", "cooldown": 15},
            "name": "TSLA volume spike",
        },
    ),
    (
        "demo-slide",
        {
            "symbol": "ETH-USD",
            "timeframe": "5s",
            "rule": "change_pct(close, 3) < 0",
            "rearm": {"type": "persistence", "persistence": 2},
            "name": "ETH slides",
        },
    ),
]
REPLAYED: list[tuple[str, dict[str, Any]]] = [
    ("replay-overbought", {"rule": "rsi(14) > 70", "rearm": {"type": "hysteresis", "level": 60}, "name": "overbought"}),
    ("replay-oversold", {"rule": "rsi(14) < 30", "name": "oversold"}),
    (
        "replay-cross",
        {"rule": "sma(10) crosses_above sma(30)", "rearm": {"type": "simple"}, "name": "moving averages cross"},
    ),
]


def simulated_alerts() -> list[Alert]:
    """Alerts on the simulated market."""
    return [
        Alert(id=id, user_id="demo", definition=read_definition({**data, "tags": ["demo"]})) for id, data in SIMULATED
    ]


def replayed_alerts(symbol: str, timeframe: str, definitions: list[Any] | None = None) -> list[Alert]:
    """Alerts on replayed bars; they look every second, since the replay has its own pace."""
    given = [(f"replay-{index + 1}", data) for index, data in enumerate(definitions)] if definitions else REPLAYED
    common = {
        "symbol": symbol,
        "timeframe": timeframe,
        "cron": "* * * * * *",
        "timezone": "UTC",
        "tags": ["demo"],
    }
    return [Alert(id=id, user_id="demo", definition=read_definition({**data, **common})) for id, data in given]


class Teller:
    """Follows the event table and tells each event once."""

    def __init__(
        self, database: Database, since: datetime, names: dict[str, str], tell: Any, untold: Collection[EventKind] = ()
    ) -> None:
        self.database, self.since, self.names, self.tell = database, since, names, tell
        self.untold = {EventKind.SUPPRESSED, *untold}
        self.seen: set[str] = set()
        self.kinds: Counter[str] = Counter()
        self.sent: set[tuple[str, str]] = set()

    async def follow(self, stop: asyncio.Event, quiet: bool = False) -> None:
        """Until told to stop, and once more after."""
        while not stop.is_set():
            await self.poll(quiet)
            try:
                await asyncio.wait_for(stop.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def poll(self, quiet: bool = False) -> None:
        """Tells what is new; what is not told is counted."""
        while True:
            async with self.database.transaction() as work:
                found = await work.events.since(self.since - OVERLAP)
            fresh = [(at, event) for at, event in found if event.id not in self.seen and event.alert_id in self.names]
            for at, event in fresh:
                self.seen.add(event.id)
                self.kinds[event.kind.value] += 1
                self.since = max(self.since, at)
                if not quiet and event.kind not in self.untold:
                    self.tell(event_line(event, self.names[event.alert_id]))
            if not fresh:
                break
        await self._poll_deliveries(quiet)

    async def _poll_deliveries(self, quiet: bool) -> None:
        async with self.database.transaction() as work:
            rows = await work.deliveries.page(DeliveryFilter(), None, 200)
        for row in reversed(rows):
            key = (row.event_id, row.channel)
            if key in self.sent or row.status is not DeliveryStatus.SENT or row.event_id not in self.seen:
                continue
            self.sent.add(key)
            if not quiet and row.delivered_at:
                took = (row.delivered_at - row.created_at).total_seconds()
                name = self.names[row.alert_id]
                self.tell(
                    f"{row.delivered_at:%Y-%m-%d %H:%M:%S}Z ✉ delivered  {name:<24} by {row.channel} in {took:.2f} s"
                )

    async def finish(self, quiet: bool, seconds: float = 5.0) -> None:
        """Tells the rest; deliveries under way are waited for, within a bound."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            await self.poll(quiet)
            under_way = (await self.delivered()).get(DeliveryStatus.PENDING.value, 0)
            if not under_way or asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def delivered(self) -> Counter[str]:
        """Deliveries of these alerts by status."""
        async with self.database.transaction() as work:
            rows = await work.deliveries.page(DeliveryFilter(), None, 100_000)
        return Counter(row.status.value for row in rows if row.alert_id in self.names)

    async def summary(self) -> str:
        """What happened, in one line."""
        delivered = await self.delivered()
        events = ", ".join(f"{count} {kind}" for kind, count in self.kinds.most_common()) or "no events"
        sent = delivered.get(DeliveryStatus.SENT.value, 0)
        rest = sum(delivered.values()) - sent
        return f"{events}; {counted(sent, 'delivery', 'deliveries')} sent" + (f", {rest} not yet" if rest else "")
