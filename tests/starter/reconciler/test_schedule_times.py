"""What the real server says a Schedule will do, against what ``alerts cron explain`` says: the same slots, each once.

Temporal passes over some where clocks are set back; the reconciler makes up for exactly those.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from domain.cron import CronError, next_fire, parse, slot_of, slots_at_risk
from domain.job import Job as JobRow
from domain.job import read_job
from starter.reconciler.schedules import build
from tests.domain.cron.test_clock_property import ZONES, changes, everyday, jobs

MOST = 800  # times that are compared at once; the server gives a thousand
HOUR = timedelta(hours=1)
HARD = [
    ("30 2 * * *", "America/New_York", datetime(2026, 3, 7, tzinfo=UTC)),  # a time that does not exist that day
    ("30 1 * * *", "America/New_York", datetime(2026, 10, 31, tzinfo=UTC)),  # one that exists twice
    ("*/30 * * * *", "Europe/Berlin", datetime(2026, 10, 24, tzinfo=UTC)),
    ("15 30 2 * * *", "Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC)),  # half an hour of summer
    ("0 0 29 2 *", "UTC", datetime(2027, 12, 31, tzinfo=UTC)),
    ("0 9 LW * *", "Asia/Kolkata", datetime(2026, 1, 1, tzinfo=UTC)),
    ("0 9 15W * 5#3", "America/New_York", datetime(2026, 1, 1, tzinfo=UTC)),
    ("0 0 * * 5L", "Africa/Casablanca", datetime(2027, 1, 1, tzinfo=UTC)),
    ("0 0 1 1 *", "Pacific/Apia", datetime(2011, 12, 28, tzinfo=UTC)),  # a day that was left out
    ("*/7 3-5 */2 * 1-5", "America/Havana", datetime(2030, 3, 8, tzinfo=UTC)),
]


def fires(text: str, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """As ``alerts cron explain`` lists them."""
    found, at, expression = [], start, parse(text)
    while len(found) <= MOST:
        try:
            at = next_fire(expression, zone, at)
        except LookupError:
            break
        if at > end:
            break
        found.append(at)
    return found


async def compare(client: Client, text: str, zone_name: str, start: datetime, end: datetime) -> int:
    """Asks the server, and compares; how many slots there were."""
    zone = ZoneInfo(zone_name)
    expected = fires(text, zone, start, end)
    if len(expected) > MOST:
        end = expected[MOST - 1]
        expected = expected[:MOST]
    definition = read_job("report", {"symbols": ["X"]}, cron=text, timezone=zone_name)
    name = f"report-{uuid.uuid4().hex}"
    job = JobRow(id=name, user_id="ann", definition=definition)
    handle = await client.create_schedule(name, build(job, False, "test", start))
    try:
        answer = await client.workflow_service.list_schedule_matching_times(
            ListScheduleMatchingTimesRequest(
                namespace=client.namespace, schedule_id=name, start_time=_stamp(start), end_time=_stamp(end)
            )
        )
    finally:
        await handle.delete()
    times = [one.ToDatetime(UTC) for one in answer.start_time]
    late = timedelta(seconds=definition.options.jitter)
    slots = [slot_of(definition.parsed_cron, zone, one, late) for one in times]
    told = {one for one in slots if one is not None and start < one <= end}
    assert told <= set(expected), (text, zone_name, sorted(told - set(expected))[:5])
    lost = set(expected) - told
    made_up = set(slots_at_risk(definition.parsed_cron, zone, start, end))
    assert lost <= made_up, (text, zone_name, sorted(lost - made_up)[:5])
    return len(expected)


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


@pytest.mark.parametrize(("text", "zone", "start"), HARD, ids=[f"{text} {zone}" for text, zone, _ in HARD])
async def test_the_hard_ones(dev_server: WorkflowEnvironment, text: str, zone: str, start: datetime) -> None:
    days = 800 if "*" not in text.split()[-3] or any(mark in text for mark in "LW#") else 4
    assert await compare(dev_server.client, text, zone, start, start + timedelta(days=days)) > 0


async def test_many_expressions_zones_and_years(dev_server: WorkflowEnvironment) -> None:
    """Sixty at random, and sixty more around changes of the clock; one run of the loop, so that the server is asked from it."""
    cases: list[tuple[str, str, datetime, timedelta]] = []

    @seed(14)
    @settings(
        max_examples=60, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(jobs, st.sampled_from(ZONES), st.datetimes(datetime(2001, 1, 1), datetime(2036, 1, 1)))
    def any_time(job: object, zone: str, when: datetime) -> None:
        cases.append((job.text, zone, when.replace(microsecond=0, tzinfo=UTC), timedelta(days=3)))  # type: ignore[attr-defined]

    @seed(15)
    @settings(
        max_examples=60, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(everyday, st.sampled_from(ZONES), st.integers(2005, 2036), st.integers(0, 1))
    def around(job: object, zone: str, year: int, which: int) -> None:
        found = changes(ZoneInfo(zone), year)
        moment = found[which % len(found)] if found else datetime(year, 3, 8, 7, tzinfo=UTC)
        cases.append((job.text, zone, moment - 3 * HOUR, timedelta(hours=9)))  # type: ignore[attr-defined]

    any_time()
    around()
    limit, compared = asyncio.Semaphore(8), 0

    async def one(text: str, zone: str, start: datetime, span: timedelta) -> int:
        try:
            parse(text)
        except CronError:
            return 0
        async with limit:
            return await compare(dev_server.client, text, zone, start, start + span)

    for found in await asyncio.gather(*(one(*case) for case in cases)):
        compared += found
    assert len(cases) >= 100
    assert compared > 1000
