"""The log: one record a notification."""

from __future__ import annotations

import structlog

from activities.notifications.channel import Declaration, Letter


class LogChannel:
    """Writes the message to the worker's log."""

    def __init__(self) -> None:
        self.log = structlog.get_logger("alerts.notification")

    async def send(self, letter: Letter) -> None:
        """Never fails."""
        delivery = letter.delivery
        self.log.info(
            delivery.subject,
            action="notify",
            alert_id=delivery.alert_id,
            user_id=delivery.user_id,
            event_id=delivery.event_id,
            kind=letter.event.kind.value if letter.event else letter.kind,
        )

    async def close(self) -> None:
        """Nothing to give back."""


DECLARED = Declaration(names=("log",), build=lambda settings: {"log": LogChannel()}, needs_no_service=True)
