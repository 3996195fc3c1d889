"""Listeners under a clock that is driven, and a vendor that can be away."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from activities.evaluation import Evaluation
from activities.interface import EvaluateResult
from activities.market_data.failover import MarketData
from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.market_data.vendors.provider import BarRequest, FetchedBars
from activities.watch.listeners import Listeners, hearing_of
from activities.watch.replica import Replica
from domain.alert import Alert, AlertState
from tests.conftest import START, make_alert

MINUTE = timedelta(minutes=1)
LATER = START + timedelta(days=1)


def alert(rule: str = "close > 100", id: str = "a1", **more: Any) -> Alert:
    return make_alert({"symbol": "X", "timeframe": "1m", "rule": rule, **more}, id=id)


class Vendor(SimulatedMarket):
    """Answers, or does not."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: Exception | None = None

    async def fetch(self, request: BarRequest) -> FetchedBars:
        if self.trouble is not None:
            raise self.trouble
        return await super().fetch(request)


class Corner:
    """Some listeners under a clock that is driven."""

    def __init__(self, *alerts: Alert) -> None:
        self.now = [START + timedelta(seconds=1)]
        self.vendor = Vendor()
        evaluation = Evaluation(MarketData([self.vendor], clock=self.clock), 60)
        self.group = Listeners(hearing_of(alerts[0].definition), evaluation, self.clock)
        self.replicas = [Replica(one, AlertState(last_bar_close=START), LATER) for one in alerts]
        for one in self.replicas:
            self.group.add(one)

    def clock(self) -> datetime:
        return self.now[0]

    async def look(self, seconds: float = 60) -> list[tuple[Replica, EvaluateResult | None]]:
        self.now[0] += timedelta(seconds=seconds)
        return await self.group.look()
