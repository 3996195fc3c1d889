"""Draws pictures of fires in a process of its own: alerts of this one are not kept from their ticks."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import structlog

from activities.side_process import SideProcess
from domain.alert import AlertEvent, EventKind
from storage.database import Database
from storage.stored_schedule import StoredSchedule

BARS = 400  # 80 are shown; the others warm indicators up
FEWEST = 20
LONGEST = 10.0  # seconds, the first one's start included
REST = timedelta(minutes=5)  # after it could not be done
log = structlog.get_logger(__name__)


class Artist:
    """A notice goes without a picture rather than late: whatever goes wrong here, it goes."""

    def __init__(self, database: Database, theme: str) -> None:
        self.database, self.theme = database, theme
        self.side = SideProcess()
        self._rests_until = 0.0

    async def chart(self, alert_id: str) -> bytes | None:
        """A PNG of an alert's newest bars, as far as the database has some.

        Raises:
            Exception: whatever kept it from being drawn in time.
        """
        return await asyncio.wait_for(self._drawn(None, alert_id), LONGEST)

    async def picture(self, event: AlertEvent | None, alert_id: str) -> bytes | None:
        """A PNG of a fire on bars that the database has; None of anything else, or where it cannot be drawn in time."""
        if event is None or event.kind is not EventKind.TRIGGERED or event.bar_close is None or self.theme == "off":
            return None
        if time.monotonic() < self._rests_until:
            return None
        try:
            return await asyncio.wait_for(self._drawn(event.bar_close, alert_id), LONGEST)
        except Exception as error:  # no notice waits for its picture
            log.warning("no picture", action="draw", alert_id=alert_id, error=f"{type(error).__name__}: {error}"[:200])
            self._rests_until = time.monotonic() + REST.total_seconds()
            return None

    async def _drawn(self, fired: datetime | None, alert_id: str) -> bytes | None:
        async with self.database.transaction() as work:
            stored: StoredSchedule | None = await work.schedules.get(alert_id, "alert")
            if stored is None or stored.schedule is None:
                return None
            definition = stored.alert.definition
            bars = await work.bars.newest_of_any(
                definition.symbol, definition.timeframe, BARS, fired or datetime.now(UTC)
            )
        if len(bars) < FEWEST or (fired is not None and bars[-1].close_time != fired):
            return None
        return await self.side.run(_draw, definition.as_json(), bars, fired, self.theme)

    def close(self) -> None:
        """Ends the process."""
        self.side.close()


def _draw(*given: object) -> bytes:
    from activities.notifications.picture import draw  # it takes a second to import

    return draw(*given)  # type: ignore[arg-type]
