"""How much one user may have: schedules, alerts, ticks a minute, tickers in a job, runs under way. Admin keys have no bounds."""

from __future__ import annotations

from functools import lru_cache

from domain.alert import Alert
from domain.cron import CronError
from domain.cron import parse as parse_cron
from domain.errors import ErrorKind, ExpectedError
from domain.job import Job
from starter.context import Context
from storage.database import UnitOfWork
from storage.schedules import ALERT
from storage.stored_schedule import Use
from worker.wiring import has_bars_of_seconds


class OverQuota(ExpectedError):
    """The user has, or asks for, more than one user may; the message says which bound it is and what sets it."""

    kind = ErrorKind.OVER_QUOTA


class TooManyRuns(OverQuota):
    """Too many runs are under way; later there will be fewer."""

    kind = ErrorKind.BUSY


async def check(work: UnitOfWork, context: Context, one: Alert | Job, *, enabled: bool) -> None:
    """Lets a definition pass that fits its user's quotas beside all else the user has; ``one`` replaces what has its id.

    Raises:
        OverQuota: naming the first bound that it breaks.
    """
    if context.owner is None:
        return
    settings, definition = context.settings, one.definition
    symbols = 1 if isinstance(one, Alert) else len(getattr(one.definition.params, "symbols", ()))
    _bound("tickers in one job", symbols, settings.quota_symbols, "QUOTA_SYMBOLS")
    if len(definition.parsed_cron.seconds) > 1 and not has_bars_of_seconds(settings):
        raise OverQuota("no provider has bars of seconds, so a cron may not fire more than once a minute")
    others = await work.schedules.use_of(context.owner, but=one.id)
    own = Use(ALERT if isinstance(one, Alert) else one.definition.job_type, definition.cron, enabled, 1)
    every = [*others, own]
    _bound("schedules", sum(use.count for use in every), settings.quota_schedules, "QUOTA_SCHEDULES")
    alerts = sum(use.count for use in every if use.job_type == ALERT)
    _bound("alerts", alerts, settings.quota_alerts, "QUOTA_ALERTS")
    ticks = sum(use.count * a_minute(use.cron) for use in every if use.enabled)
    _bound("ticks a minute", round(ticks), settings.quota_ticks, "QUOTA_TICKS")


async def check_run(work: UnitOfWork, context: Context, symbols: int = 0) -> None:
    """Lets a run be ordered while few of the user's own orders are under way.

    Raises:
        TooManyRuns: there are too many.
        OverQuota: it is of too many tickers.
    """
    if context.owner is None:
        return
    _bound("tickers in one job", symbols, context.settings.quota_symbols, "QUOTA_SYMBOLS")
    count = await work.runs.under_way(context.owner)
    if count >= context.settings.quota_runs:
        raise TooManyRuns(f"{count} runs are under way, as many as one user may have (QUOTA_RUNS)")


@lru_cache(maxsize=4096)
def a_minute(cron: str) -> float:
    """How often a cron fires in a minute, in the mean of an hour in which it does; one that cannot be read, never."""
    try:
        parsed = parse_cron(cron)
    except CronError:
        return 0.0
    return len(parsed.seconds) * len(parsed.minutes) / 60


def _bound(what: str, wanted: int, most: int, variable: str) -> None:
    if wanted > most:
        raise OverQuota(f"{wanted:,} {what} would be more than one user may have: {most:,} ({variable})")
