"""A report from its parameters to a result, a page and a message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from activities.jobs.executor import Done, JobRefused, Notice, Task
from activities.jobs.on_bars import OnBars
from activities.jobs.reports import NoPdf
from activities.jobs.reports.daily import daily_summary
from activities.jobs.reports.performance import performance_report
from activities.jobs.reports.portfolio import portfolio_analysis
from activities.jobs.reports.source import Source
from activities.jobs.reports.text import words
from activities.side_process import SideProcess
from domain.report import ReportParams
from storage.database import Database
from storage.holdings import RunFile

Result = dict[str, Any]
KINDS: dict[str, Callable[[Source, Task, ReportParams], Awaitable[Result]]] = {
    "daily_summary": daily_summary,
    "portfolio_analysis": portfolio_analysis,
    "performance_report": performance_report,
}


class Reports:
    """Reads bars as alerts do; pages are drawn in a process of their own."""

    def __init__(
        self,
        on_bars: OnBars,
        database: Database,
        side: SideProcess,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.source, self.side, self.clock = Source(on_bars, database, clock), side, clock

    async def __call__(self, task: Task) -> Done:
        """The figures as the result, the page with its files, and the message in words.

        Raises:
            JobFailed: there is no data.
            JobRefused: there is nothing to report on, or no PDF can be made here.
        """
        params: ReportParams = task.job.params
        found = await KINDS[params.report_type](self.source, task, params)
        result = {"report_type": params.report_type, "timeframe": params.timeframe, **found}
        title, body = words(result)
        files = await self._files(task, params, result)
        kept = {**result, "files": [one.name for one in files]}
        return Done(kept, Notice(params.notification_channels, title, body, "report"), files=files)

    async def _files(self, task: Task, params: ReportParams, result: Result) -> list[RunFile]:
        given = (result, task.job.name, task.job.timezone, self.clock(), params.include_charts, params.pdf)
        try:
            return await self.side.run(_render, *given)
        except NoPdf as error:
            raise JobRefused(str(error)) from None


def _render(result: Result, name: str, zone: str, made_at: datetime, drawn: bool, pdf: bool) -> list[RunFile]:
    from activities.jobs.reports.page import render  # it takes a second to import

    return render(result, name, zone, made_at, drawn=drawn, pdf=pdf)
