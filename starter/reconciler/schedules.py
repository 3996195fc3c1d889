"""A job's row as a Temporal Schedule: structured calendars, explicit policies, and a stamp of the definition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleDescription,
    ScheduleListDescription,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from activities.interface import WORKFLOW_TYPES, RunInput, TaskQueue
from domain.cron import Calendar, calendars, describe
from domain.job import Job, JobType
from domain.reconcile import Running
from domain.text import markdown
from starter.alert_workflows import mark_of, memo_fields
from workflows.search_attributes import ALERT_USER_ID, JOB_TYPE

REFRESH = timedelta(days=365)  # the calendars reach two years ahead
STAMP = "market-alerts"
JOBS = tuple(one.value for one in JobType if one is not JobType.ALERT)
OVERLAP = {
    "skip": ScheduleOverlapPolicy.SKIP,
    "buffer_one": ScheduleOverlapPolicy.BUFFER_ONE,
    "allow_all": ScheduleOverlapPolicy.ALLOW_ALL,
}


def schedule_id(job_type: str, row_id: str) -> str:
    """``<job_type>-<id>``."""
    return f"{job_type}-{row_id}"


def build(job: Job, enabled: bool, installation: str, now: datetime) -> Schedule:
    """The Schedule of a job."""
    definition = job.definition
    zone = ZoneInfo(definition.timezone)
    made = [_calendar(one) for one in calendars(definition.parsed_cron, zone, now)]
    made[0].comment = stamp(job, enabled, installation, now + REFRESH)
    job_type = JobType(definition.job_type)
    return Schedule(
        action=ScheduleActionStartWorkflow(
            WORKFLOW_TYPES[job_type],
            RunInput(job_type=job_type, schedule_id=job.id),
            id=schedule_id(job_type, job.id),
            task_queue=TaskQueue.JOBS,
            static_summary=markdown(definition.name),
            static_details=f"- schedule: `{definition.cron}` ({definition.timezone}): {describe(definition.parsed_cron)}",
            typed_search_attributes=TypedSearchAttributes(
                [SearchAttributePair(JOB_TYPE, job_type), SearchAttributePair(ALERT_USER_ID, job.user_id)]
            ),
        ),
        spec=ScheduleSpec(
            calendars=made,
            jitter=timedelta(seconds=definition.options.jitter) or None,
            time_zone_name=definition.timezone,
        ),
        policy=SchedulePolicy(
            overlap=OVERLAP[definition.options.overlap],
            catchup_window=timedelta(seconds=definition.options.catchup),
        ),
        state=ScheduleState(paused=not enabled, note="" if enabled else "disabled in job_schedules"),
    )


def stamp(job: Job, enabled: bool, installation: str, stale_at: datetime) -> str:
    """What a Schedule says of the definition it was made from: lists show it, updates change it."""
    return f"{STAMP} {job.version} {job.definition.digest} {int(enabled)} {stale_at:%Y-%m-%d} {installation or '-'}"


def _read_stamp(running: Running, comment: str | None) -> tuple[Running, str]:
    """What a Schedule's stamp says, and whose it is; without one it does not say which version it has."""
    words = (comment or "").split()
    if len(words) != 6 or words[0] != STAMP or not words[1].isdecimal():
        return running, ""
    _, version, digest, enabled, stale_at, installation = words
    try:
        until = datetime.fromisoformat(stale_at).replace(tzinfo=UTC)
    except ValueError:
        return running, ""
    stamped = replace(running, version=int(version), hash=digest, enabled=enabled == "1", stale_at=until)
    return stamped, "" if installation == "-" else installation


def running_of(listed: ScheduleListDescription) -> tuple[Running, str] | None:
    """A listed Schedule that may be ours, and the installation it belongs to; None when it bears no mark of any."""
    job_type, separator, row_id = listed.id.partition("-")
    if not separator or job_type not in JOBS or listed.schedule is None:
        return None
    made = listed.schedule.spec.calendars
    running = Running(row_id, job_type, None, paused=listed.schedule.state.paused)
    return _marked(running, made[0].comment if made else None, listed.raw_entry.memo)


def running_described(job_type: str, row_id: str, found: ScheduleDescription) -> tuple[Running, str] | None:
    """The same of a Schedule that was asked for by its id."""
    made = found.schedule.spec.calendars
    running = Running(row_id, job_type, None, paused=found.schedule.state.paused)
    return _marked(running, made[0].comment if made else None, found.raw_description.memo)


def _marked(running: Running, comment: str | None, memo: Any) -> tuple[Running, str] | None:
    """By the memo, which nobody can edit, else by the stamp; a Schedule with neither was never ours."""
    running, stamped = _read_stamp(running, comment)
    mark = mark_of(memo_fields(memo)) or stamped
    return (running, mark) if mark or running.version is not None else None


def _calendar(one: Calendar) -> ScheduleCalendarSpec:
    dates = one.dates
    return ScheduleCalendarSpec(
        second=_ranges(one.seconds),
        minute=_ranges(one.minutes),
        hour=_ranges(one.hours),
        day_of_month=_ranges(dates.days),
        month=_ranges(dates.months),
        year=_ranges(dates.years or ()),
        day_of_week=_ranges(dates.weekdays),
    )


def _ranges(values: Iterable[int]) -> list[ScheduleRange]:
    """The fewest runs of equal steps."""
    rest, found = sorted(values), list[ScheduleRange]()
    while rest:
        step = rest[1] - rest[0] if len(rest) > 1 else 1
        count = 1
        while count < len(rest) and rest[count] - rest[count - 1] == step:
            count += 1
        if count == 2 and step > 1:
            count = 1
        found.append(ScheduleRange(rest[0], rest[count - 1], step if count > 1 else 1))
        rest = rest[count:]
    return found
