"""How long a channel that does not answer is asked again: at once, then by minutes, then by hours, up to a day."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST = timedelta(seconds=2)
SLOW = timedelta(minutes=1)
LONGEST = timedelta(hours=1)
SPREAD = 0.1  # so that a thousand notices that failed at once do not all come back at once


@dataclass(frozen=True)
class Patience:
    """``quick`` tries follow the first within a minute or so; ``lasting`` is counted from the notice's beginning."""

    quick: int = 5
    lasting: timedelta = timedelta(hours=24)

    def delay(self, attempts: int) -> timedelta:
        """The pause after that many attempts."""
        if attempts <= self.quick:
            return min(FIRST * int(2 ** min(attempts - 1, 10)), SLOW)
        return min(SLOW * int(2 ** min(attempts - self.quick - 1, 10)), LONGEST)

    def next_try(
        self, attempts: int, since: datetime, now: datetime, wanted: timedelta | None, chance: float | None = None
    ) -> timedelta | None:
        """When to try again, None when that is too late; ``wanted`` is what the other side asked for, and is kept."""
        spread = 1 + SPREAD * (random.random() if chance is None else chance)
        wait = max(wanted or timedelta(), self.delay(attempts)) * spread
        return wait if now + wait <= since + self.lasting else None
