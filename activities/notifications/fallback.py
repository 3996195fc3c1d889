"""What is urgent and does not arrive: it is told where its user wants it then, and only then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from storage.database import UnitOfWork
from storage.deliveries import Delivery, DeliveryStatus, NewDelivery

URGENT = "urgent"
LOOK = timedelta(seconds=10)
WHY = "Told here because it could not be told elsewhere in time."


async def with_fallbacks(work: UnitOfWork, rows: Sequence[NewDelivery], now: datetime) -> list[NewDelivery]:
    """The rows of one notice, and one held back for each fallback not among them; nothing is added to what is not urgent."""
    if not rows or rows[0].priority != URGENT:
        return list(rows)
    first, names = rows[0], {row.channel for row in rows}
    held = [
        replace(
            first, channel=one.name, body=f"{first.body}\n{WHY}", held_until=now + timedelta(seconds=one.fallback_after or 0)
        )
        for one in await work.destinations.fallbacks(first.user_id)
        if one.name not in names
    ]  # fmt: skip
    return [*rows, *held]


def is_spared(others: Sequence[Delivery]) -> bool:
    """Whether all that should be told were, or another fallback was."""
    told = [one.status is DeliveryStatus.SENT for one in others if one.held_until is None]
    return all(told) or any(one.status is DeliveryStatus.SENT for one in others if one.held_until is not None)


def wait_of(held: Delivery, others: Sequence[Delivery], now: datetime) -> timedelta:
    """Until it is looked at again; zero when it is time: what is dead elsewhere is told by the first fallback at once."""
    if held.held_until is None:
        return timedelta(0)
    is_dead = any(one.status is DeliveryStatus.DEAD for one in others)
    earlier = [one for one in others if one.held_until is not None and one.held_until < held.held_until]
    is_first = all(one.status is not DeliveryStatus.PENDING for one in earlier)
    if is_dead and is_first:
        return timedelta(0)
    return max(min(held.held_until - now, LOOK), timedelta(0))
