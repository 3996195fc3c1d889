"""The Schedule that removes old rows every night."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
)

from activities.interface import TaskQueue
from workflows.retention import RetentionWorkflow

SCHEDULE = "retention"
HOUR, MINUTE = 4, 10  # UTC: few markets are open


async def ensure_retention(client: Client) -> None:
    """Made where it is missing. One that somebody changed or paused stays so: it is theirs to say when."""
    made = Schedule(
        action=ScheduleActionStartWorkflow(
            RetentionWorkflow.run,
            id=SCHEDULE,
            task_queue=TaskQueue.JOBS,
            execution_timeout=timedelta(hours=6),
            static_summary="removes rows that have been kept for long enough",
        ),
        spec=ScheduleSpec(calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(HOUR)], minute=[ScheduleRange(MINUTE)])]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(hours=20)),
    )
    try:
        await client.create_schedule(SCHEDULE, made)
    except ScheduleAlreadyRunningError:
        return
