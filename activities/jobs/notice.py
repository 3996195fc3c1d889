"""Tells people what a job has to say, by the channels of alerts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from activities.jobs.executor import JobFailed, JobRefused, Task
from activities.notifications.channel import ChannelRefused, ChannelUnavailable, Letter
from activities.notifications.delivery import Notifier
from domain.job import NotificationParams
from storage.deliveries import Delivery, DeliveryStatus

LONGEST_BODY = 4000


class Announcer:
    """One letter a channel, its key the same over all attempts of a run."""

    def __init__(self, notifier: Notifier, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.notifier = notifier
        self.clock = clock

    async def tell(
        self, task: Task, channels: Sequence[str], subject: str, body: str, kind: str, priority: str = "normal"
    ) -> dict[str, str]:
        """What came of each channel: SENT, or why not."""
        outcomes: dict[str, str] = {}
        for name in channels:
            letter = Letter(self._delivery(task, name, subject, body), None, kind, priority)
            try:
                await self.notifier.channels.get(name, self.notifier.fallback).send(letter)
            except (ChannelRefused, ChannelUnavailable) as error:
                outcomes[name] = f"{type(error).__name__}: {error}"
            else:
                outcomes[name] = DeliveryStatus.SENT.value
        return outcomes

    async def notify(self, task: Task) -> dict[str, Any]:
        """The work of a notification job; a channel that may answer later makes the run be tried again."""
        params: NotificationParams = task.job.params
        subject = params.subject or task.job.name
        told = await self.tell(
            task, params.notification_channels, subject, params.message, "notification", params.priority
        )
        missing = {name: why for name, why in told.items() if why != DeliveryStatus.SENT.value}
        if missing:
            text = "; ".join(f"{name}: {why}" for name, why in missing.items())
            raise (JobFailed if any("Unavailable" in why for why in missing.values()) else JobRefused)(text)
        return {"deliveries": told}

    def _delivery(self, task: Task, channel: str, subject: str, body: str) -> Delivery:
        return Delivery(
            event_id=task.run_id.replace("-", ""),
            alert_id=task.job_id,
            user_id=task.user_id,
            channel=channel,
            subject=subject[:300],
            body=body[:LONGEST_BODY],
            status=DeliveryStatus.PENDING,
            attempts=0,
            last_error="",
            created_at=self.clock(),
            attempted_at=None,
            delivered_at=None,
        )
