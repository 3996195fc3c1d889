"""Tells workflows what mattered to their alerts, again and ever more rarely while they do not say what became of it."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

import structlog
from temporalio.service import RPCError, RPCStatusCode

from activities.interface import BarsObserved
from activities.watch.replica import Replica

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(minutes=5)
AT_ONCE = 32
MOST_OPEN = (
    200  # alerts told just now that have not answered: when a whole market fires, the rest waits here, not for SQL
)
Send = Callable[[str, BarsObserved], Awaitable[None]]
log = structlog.get_logger(__name__)


@dataclass(order=True)
class _Turn:
    at: datetime
    order: int
    replica: Replica = field(compare=False)
    nudge: BarsObserved = field(compare=False)
    wait: timedelta = field(compare=False)


class Nudger:
    """``send`` signals an alert's workflow; ``lost`` is told of alerts that have none."""

    def __init__(self, send: Send, lost: Callable[[str], None], clock: Callable[[], datetime]) -> None:
        self.send, self.lost, self.clock = send, lost, clock
        self.sent = self._sending = 0
        self._turns: list[_Turn] = []
        self._waiting: deque[tuple[Replica, BarsObserved]] = deque()
        self._order = count()
        self._slots = asyncio.Semaphore(AT_ONCE)

    @property
    def is_waiting(self) -> bool:
        """Whether somebody has not answered yet, or not been told."""
        return bool(self._waiting) or any(map(_is_open, self._turns))

    @property
    def unanswered(self) -> int:
        """Alerts that were told more than once and have not answered."""
        return sum(turn.wait > FIRST_WAIT * 2 and _is_open(turn) for turn in self._turns)

    async def tell(self, replica: Replica, nudge: BarsObserved) -> None:
        """Now, or as soon as enough of the others have answered; and again until its workflow has."""
        if self._waiting or self._open() >= MOST_OPEN:
            self._waiting.append((replica, nudge))
            return
        await self._send(self._turn(replica, nudge))

    def _turn(self, replica: Replica, nudge: BarsObserved) -> _Turn:
        return _Turn(self.clock(), next(self._order), replica, nudge, FIRST_WAIT)

    def _open(self) -> int:
        """Told for the first time, and still to answer; who does not answer for long keeps nobody from being told."""
        return self._sending + sum(turn.wait == FIRST_WAIT * 2 and _is_open(turn) for turn in self._turns)

    async def tell_again(self) -> None:
        """Those whose turn it is."""
        now, due = self.clock(), list[_Turn]()
        while self._turns and self._turns[0].at <= now:
            turn = heapq.heappop(self._turns)
            if _is_open(turn):
                due.append(turn)
        for _ in range(min(MOST_OPEN - self._open(), len(self._waiting))):
            due.append(self._turn(*self._waiting.popleft()))
        await asyncio.gather(*map(self._send, due))

    async def _send(self, turn: _Turn) -> None:
        self._sending += 1
        try:
            await self._try(turn)
        finally:
            self._sending -= 1

    async def _try(self, turn: _Turn) -> None:
        alert_id = turn.replica.alert.id
        async with self._slots:
            if not _is_open(turn):
                return
            try:
                await self.send(alert_id, turn.nudge)
                self.sent += 1
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    self.lost(alert_id)
                    return
                log.warning("nudge not sent", action="watch", alert_id=alert_id, error=error.message[:200])
        again = self.clock() + turn.wait
        wait = min(turn.wait * 2, LONGEST_WAIT)
        heapq.heappush(self._turns, _Turn(again, next(self._order), turn.replica, turn.nudge, wait))


def _is_open(turn: _Turn) -> bool:
    """Whether its workflow has not said anything since."""
    return turn.replica.nudge is turn.nudge
