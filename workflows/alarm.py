"""The timer of a main loop: it is kept over messages that leave its time as it was."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow

MOMENT = timedelta(milliseconds=1)


class Alarm:
    """Rings at one time; each that is set takes two events of history, and two more where it is set anew."""

    def __init__(self) -> None:
        self.at: datetime | None = None
        self._timer: asyncio.Task[None] | None = None

    def set(self, at: datetime | None, summary: str = "") -> None:
        """For another time, or for none; for the same one the timer that runs stays."""
        if at == self.at and (self._timer is None or not self._timer.done()):
            return
        if self._timer is not None:
            self._timer.cancel()
        self.at, self._timer = at, None
        if at is not None:
            self._timer = asyncio.create_task(workflow.sleep(max(at - workflow.now(), MOMENT), summary=summary))

    @property
    def has_rung(self) -> bool:
        """Whether its time has come."""
        return self._timer is not None and self._timer.done()
