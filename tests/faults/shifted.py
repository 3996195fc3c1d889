"""``alerts worker`` on a machine whose clock is off: ``python -m tests.faults.shifted SECONDS``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.events import EventStore
from activities.market_data.failover import MarketData
from activities.market_data.vendors.http_provider import HttpProvider
from activities.notifications.delivery import Notifier


def shift(kind: type[Any], seconds: float) -> None:
    """Every new object of the kind reads that clock, where it would read the machine's."""
    made = kind.__init__

    def init(self: Any, *given: Any, **more: Any) -> None:
        made(self, *given, **more)
        self.clock = lambda: datetime.now(UTC) + timedelta(seconds=seconds)

    kind.__init__ = init  # type: ignore[method-assign]


if __name__ == "__main__":
    off = float(sys.argv[1])
    for one in (MarketData, EventStore, Notifier, HttpProvider):
        shift(one, off)
    sys.argv = ["alerts", "worker"]
    from starter.cli.main import main

    main()
