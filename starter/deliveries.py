"""Notices that could not be told: looked at, and tried again; CLI and REST API share them."""

from __future__ import annotations

from collections.abc import Sequence

from starter.clock import now
from starter.context import Context, NotFound
from starter.definition_writes import Refused
from storage.database import UnitOfWork
from storage.deliveries import Delivery, DeliveryFilter, DeliveryStatus

MOST_AT_ONCE = 1000


async def find(work: UnitOfWork, context: Context, number: int) -> Delivery:
    """The delivery.

    Raises:
        NotFound: when there is none, or it is somebody else's.
    """
    found = await work.deliveries.by_number(number)
    if found is None or (context.owner is not None and found.user_id != context.owner):
        raise NotFound(str(number), "delivery", "alerts deliveries list")
    return found


async def retry(work: UnitOfWork, context: Context, number: int) -> Delivery:
    """A dead delivery, to be tried again; Temporal is told after the commit.

    Raises:
        NotFound, or Refused when it is not dead.
    """
    found = await find(work, context, number)
    if not await work.deliveries.reopen(number, now()):
        raise Refused(f"delivery {number} is {found.status}; only a dead one can be tried again")
    await _audit(work, context, found)
    return await find(work, context, number)


async def retry_dead(work: UnitOfWork, context: Context, wanted: DeliveryFilter) -> list[Delivery]:
    """All dead ones of a user, or of an alert, at most a thousand at once, the newest first."""
    dead = DeliveryFilter(wanted.user_id, wanted.alert_id, DeliveryStatus.DEAD.value)
    found: Sequence[Delivery] = await work.deliveries.page(dead, None, MOST_AT_ONCE)
    for one in found:
        await work.deliveries.reopen(one.id, now())
        await _audit(work, context, one)
    return [await find(work, context, one.id) for one in found]


async def _audit(work: UnitOfWork, context: Context, one: Delivery) -> None:
    detail = {"channel": one.channel, "alert": one.alert_id, "error": one.last_error[:200]}
    await context.audit(work, "retried", "delivery", str(one.id), detail)
