"""Notices that belong together: a destination may want those of a ticker, or of a tag, in one letter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from activities.notifications.fallback import URGENT
from domain.definition import AlertDefinition
from domain.quiet import Grouping
from storage.database import UnitOfWork
from storage.deliveries import Delivery, NewDelivery

ALL = "*"


async def with_groups(
    work: UnitOfWork, rows: Sequence[NewDelivery], definition: AlertDefinition, now: datetime
) -> list[NewDelivery]:
    """The rows of one notice, each held for others of its group where its destination wants that; urgent ones are not."""
    if not rows or rows[0].priority == URGENT:
        return list(rows)
    found = await work.destinations.list(rows[0].user_id, [row.channel for row in rows])
    own = {one.name: one for one in found if one.group_by}
    grouped = []
    for row in rows:
        to = own.get(row.channel)
        key = "" if to is None else group_of(definition, Grouping(to.group_by))
        until = now + timedelta(seconds=to.group_wait) if to is not None and key else None
        grouped.append(replace(row, group_key=key, group_until=until))
    return grouped


def group_of(definition: AlertDefinition, by: Grouping) -> str:
    """The group's name; empty where there is none."""
    if by is Grouping.TICKER:
        return definition.symbol
    return ALL if by is Grouping.ALL else definition.tags[0] if definition.tags else ""


def ripe(waiting: Sequence[Delivery], now: datetime) -> list[Delivery]:
    """Those that need not wait for others: a group goes when its first has waited long enough."""
    begins: dict[str, datetime] = {}
    for one in waiting:
        if one.group_until is not None:
            begins[one.group_key] = min(begins.get(one.group_key, one.group_until), one.group_until)
    return [one for one in waiting if one.group_until is None or begins[one.group_key] <= now]


def letters_of(waiting: Sequence[Delivery]) -> list[list[Delivery]]:
    """What goes into one letter each: groups, and what stands alone; in the order of the first of each."""
    found: dict[str | int, list[Delivery]] = {}
    for one in waiting:
        found.setdefault(one.group_key or one.id, []).append(one)
    return list(found.values())


def name_of(batch: Sequence[Delivery]) -> str:
    """The group that all of them are of, where it has a name to be told."""
    keys = {one.group_key for one in batch}
    only = keys.pop() if len(keys) == 1 else ""
    return "" if only == ALL else only
