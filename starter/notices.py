"""Notices that other programs want told: a message for a user, by the user's own destinations."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from domain.definition import CHANNELS
from domain.errors import Fault, InvalidInput
from starter.clock import now
from starter.context import Context
from storage.database import UnitOfWork
from storage.deliveries import Delivery, NewDelivery
from storage.destinations import Destination

SOURCE = "notify"  # what stands where an alert's or a schedule's id would
SERVICE = "notify"  # the kind that passes on to a notification service, and a channel's word: its own choice
ALL_USERS = ("telegram", "email")  # of the operator's channels, those that are told where nothing was named
MOST_SUBJECT = 300


@dataclass(frozen=True)
class Notice:
    """``kind`` is ``alert``, ``report``, ``screener`` or ``notification``; no ``channels`` means all of the user's."""

    user_id: str
    message: str
    kind: str = "alert"
    priority: str = "normal"
    channels: tuple[str, ...] = ()
    subject: str = ""


async def queue(work: UnitOfWork, context: Context, notice: Notice) -> list[Delivery]:
    """Its deliveries, which wait to be told; Temporal is told of them after the commit.

    Raises:
        InvalidInput: naming each channel that is not there or cannot deliver, or saying that there is none at all.
    """
    from activities.notifications.fallback import with_fallbacks

    names = await _names(work, context, notice)
    subject, body = _words(notice)
    source, at = uuid.uuid4().hex, now()
    rows = [
        NewDelivery(
            source, SOURCE, notice.user_id, name, subject, body, kind=notice.kind, priority=notice.priority
        )
        for name in names
    ]  # fmt: skip
    await work.deliveries.open(await with_fallbacks(work, rows, at), at, handed=False)
    return (await work.deliveries.of_events([source]))[source]


def _words(notice: Notice) -> tuple[str, str]:
    """Its first line is the subject, where it has none of its own."""
    if notice.subject:
        return notice.subject, notice.message
    first, _, rest = notice.message.strip().partition("\n")
    if len(first) <= MOST_SUBJECT:
        return first, rest.strip()
    return f"{first[: MOST_SUBJECT - 1]}…", notice.message


async def _set_up(context: Context) -> Collection[str]:
    """The operator's channels that reach people or programs by themselves, by their words."""
    from activities.notifications.registry import declarations

    settings = context.settings
    on = settings.notification_enabled
    found = [one for one in declarations() if not one.stands_in and (on or one.needs_no_service)]
    built = {name: channel for one in found for name, channel in one.build(settings).items()}
    for channel in built.values():
        await channel.close()
    return built.keys()


async def _names(work: UnitOfWork, context: Context, notice: Notice) -> list[str]:
    own = {one.name: one for one in await work.destinations.list(notice.user_id)}
    wanted = [name for name in dict.fromkeys(notice.channels) if name != SERVICE or name in own]
    if wanted:
        words = await _set_up(context) if any(name not in own for name in wanted) else ()
        faults = [fault for place, name in enumerate(wanted) if (fault := _fault(place, name, own, words))]
        if faults:
            raise InvalidInput("notice", faults)
        return wanted
    able = [one.name for one in own.values() if _is_able(one)]
    if able:
        return able
    words = await _set_up(context)
    found = [name for name in ALL_USERS if name in words]
    if not found:
        advice = f"user '{notice.user_id}' has no destination that can deliver; alerts channels add me URL"
        raise InvalidInput("notice", [Fault("$.user_id", advice, notice.user_id)])
    return found


def _is_able(one: Destination) -> bool:
    """Whether it is told what names none: no fallback, and not a service that would pass it on to us."""
    return one.disabled_at is None and one.kind != SERVICE and one.fallback_after is None


def _fault(place: int, name: str, own: dict[str, Destination], words: Collection[str]) -> Fault | None:
    path, there = f"$.channels[{place}]", own.get(name)
    if there is not None and there.kind == SERVICE:
        return Fault(path, "is told by a notification service itself: the notice would come back", name)
    if there is not None and there.disabled_at is not None:
        return Fault(path, f"cannot deliver: {there.problem}", name)
    if there is not None or name.partition(":")[0] in words:
        return None
    known = sorted({*own, *(word for word in CHANNELS if word in words)})
    return Fault(path, f"there is no such destination; there are {', '.join(known) or 'none'}", name)
