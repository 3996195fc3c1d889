"""What all reports read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from activities.jobs.executor import JobRefused, Task
from activities.jobs.on_bars import OnBars
from domain.alert import Alert
from domain.holding import Holding
from domain.job import JobType
from domain.report import ReportParams
from storage.database import Database
from storage.stored_schedule import Filter, StoredSchedule

PAGE = 500
MOST_TICKERS = 2000


@dataclass(frozen=True)
class Source:
    """Bars, the database and the clock."""

    on_bars: OnBars
    database: Database
    clock: Callable[[], datetime]

    async def alerts(self, user_id: str) -> list[StoredSchedule]:
        """The user's alerts that can be read, oldest first."""
        wanted, found, after = Filter(user_id=user_id, job_type=JobType.ALERT), [], None
        while True:
            async with self.database.transaction() as work:
                page = await work.schedules.page(wanted, after, PAGE)
            found += [one for one in page if isinstance(one.schedule, Alert)]
            if len(page) < PAGE:
                return found
            after = page[-1].created_at, page[-1].id

    async def holdings(self, user_id: str) -> Sequence[Holding]:
        """What the user holds."""
        async with self.database.transaction() as work:
            return await work.holdings.list(user_id)


def tickers(task: Task, params: ReportParams, *others: Sequence[str]) -> list[str]:
    """Those of the job, else the others, each once.

    Raises:
        JobRefused: there are none, or too many.
    """
    found = list(dict.fromkeys(params.symbols or [symbol for some in others for symbol in some]))
    if not found:
        raise JobRefused("there is nothing to report on: name symbols, or 'alerts holdings put' what you hold")
    if len(found) > MOST_TICKERS:
        raise JobRefused(f"{len(found):,} tickers are more than a report is of ({MOST_TICKERS:,}); name symbols")
    return found
