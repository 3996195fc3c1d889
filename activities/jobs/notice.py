"""Notification jobs, and a run's notice as rows of deliveries."""

from __future__ import annotations

from collections.abc import Sequence

from activities.interface import source_of
from activities.jobs.executor import Done, Notice, Task
from domain.job import NotificationParams
from storage.deliveries import NewDelivery

LONGEST_BODY = 4000


async def notify(task: Task) -> Done:
    """The work of a notification job is to be told."""
    params: NotificationParams = task.job.params
    subject = params.subject or task.job.name
    notice = Notice(params.notification_channels, subject, params.message, "notification", params.priority)
    return Done({}, notice, is_all=True)


def deliveries(task: Task, notice: Notice | None, names: Sequence[str]) -> list[NewDelivery]:
    """One row a name, of the same words for all attempts."""
    if notice is None:
        return []
    return [
        NewDelivery(
            event_id=source_of(task.run_id),
            alert_id=task.job_id,
            user_id=task.user_id,
            channel=channel,
            subject=notice.subject[:300],
            body=notice.body[:LONGEST_BODY],
            kind=notice.kind,
            priority=notice.priority,
        )
        for channel in names
    ]
