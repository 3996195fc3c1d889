"""A user's destinations: named, tested, removed; CLI and REST API share them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from domain.definition import CHANNELS
from domain.errors import Fault, InvalidInput
from domain.quiet import Grouping
from starter.clock import now
from starter.context import Context, NotFound
from storage.database import UnitOfWork
from storage.deliveries import Delivery, DeliveryStatus
from storage.destinations import Destination
from storage.sealing import Sealer, sealer

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
MOST_ADDRESS = 2000
MOST = 100  # of one user
SOONEST, LATEST = timedelta(minutes=1), timedelta(hours=12)
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=1)
WEBHOOK = "webhook"
SHARED = (
    "telegram",
    "notify",
    "email",
    WEBHOOK,
)  # kinds that any user may add over HTTP: none of them opens what it likes


@dataclass(frozen=True)
class Added:
    """A destination, and the secret its webhooks are signed with, which is shown this once."""

    destination: Destination
    secret: str = ""


@dataclass(frozen=True)
class Tested:
    """What came of a real message."""

    well: bool
    said: str


def sealer_of(context: Context) -> Sealer:
    """With the operator's keys, or that of the home folder."""
    return sealer(context.settings.alerts_secret_key.get_secret_value(), context.settings.alerts_home)


async def add(
    work: UnitOfWork, context: Context, user_id: str, name: str, address: str, *, shared: bool = False
) -> Added:
    """A new one, or another address under a name that is there. With ``shared`` only kinds that any user may add.

    Raises:
        InvalidInput: a name that is none, or an address that is none or of a kind that is not set up; its text never holds it.
    """
    from activities.notifications.registry import channel_at

    faults = []
    if not NAME.fullmatch(name):
        faults.append(
            Fault("$.name", "expected a letter, then letters, digits, '_' and '-', at most 63, all small", name)
        )
    if not 0 < len(address) <= MOST_ADDRESS:
        faults.append(Fault("$.address", f"expected at most {MOST_ADDRESS:,} characters"))
    if faults:
        raise InvalidInput("destination", faults)
    own = {one.name: one for one in await work.destinations.list(user_id)}
    if len(own) >= MOST and name not in own:
        raise InvalidInput("destination", [Fault("$.name", f"there are {MOST} destinations already; remove one")])
    try:
        kind, channel = channel_at(context.settings, address)
    except InvalidInput as error:
        raise InvalidInput("destination", error.under("$")) from None
    await channel.close()
    if shared and kind not in SHARED:
        raise InvalidInput(
            "destination", [Fault("$.address", f"{kind} is for the operator to add: alerts channels add")]
        )
    secret = ""
    if kind == WEBHOOK and " " not in address:
        secret = "whsec_" + secrets.token_urlsafe(24)
        address = f"{secret} {address}"
    at = now()
    new = Destination(user_id, name, kind, sealer_of(context).seal(address), at, at)
    kept = own.get(name, new)
    one = replace(new, fallback_after=kept.fallback_after, group_by=kept.group_by, group_wait=kept.group_wait)
    await work.destinations.put(one)
    await work.schedules.read_again(user_id)
    await _audit(work, context, "added", one)
    return Added(one, secret)


async def find(work: UnitOfWork, user_id: str, name: str) -> Destination:
    """The destination.

    Raises:
        NotFound: when the user has none of that name.
    """
    found = await work.destinations.get(user_id, name)
    if found is None:
        raise NotFound(name, "destination", "alerts channels list")
    return found


async def remove(work: UnitOfWork, context: Context, user_id: str, name: str) -> None:
    """Takes it away; definitions that name it deliver nowhere until it is added again.

    Raises:
        NotFound: when there is none.
    """
    one = await find(work, user_id, name)
    await work.destinations.remove(user_id, name)
    await _audit(work, context, "removed", one)


async def fall_back(
    work: UnitOfWork, context: Context, user_id: str, name: str, after: timedelta | None
) -> Destination:
    """Tells it what is urgent and did not arrive elsewhere within a time; None does so no more.

    Raises:
        NotFound: when the user has none of that name.
        InvalidInput: the time is too short or too long.
    """
    if after is not None and not SOONEST <= after <= LATEST:
        raise InvalidInput("fallback", [Fault("$.after", "expected from a minute to 12 hours", str(after))])
    await find(work, user_id, name)
    await work.destinations.fall_back(user_id, name, None if after is None else int(after.total_seconds()))
    one = await find(work, user_id, name)
    await _audit(work, context, "falls back" if after else "falls back no more", one)
    return one


async def group(
    work: UnitOfWork, context: Context, user_id: str, name: str, by: Grouping | None, wait: timedelta
) -> Destination:
    """Tells it notices that belong together in one letter, so long after the first of them; None each on its own.

    Raises:
        NotFound: when the user has none of that name.
        InvalidInput: the time is too short or too long.
    """
    if by is not None and not SHORTEST_WAIT <= wait <= LONGEST_WAIT:
        raise InvalidInput("grouping", [Fault("$.wait", "expected from 5 seconds to an hour", str(wait))])
    await find(work, user_id, name)
    seconds = int(wait.total_seconds()) if by else 0
    await work.destinations.group(user_id, name, by.value if by else "", seconds)
    one = await find(work, user_id, name)
    await _audit(work, context, f"grouped by {by.value}" if by else "grouped no more", one)
    return one


async def send_test(context: Context, user_id: str, name: str) -> Tested:
    """Sends a real message there, or by a channel's own word, and says what came back; one that went well is enabled.

    Raises:
        NotFound: when there is neither.
    """
    from activities.notifications.channel import ChannelRefused, ChannelUnavailable, Letter
    from activities.notifications.directory import directory
    from activities.notifications.sending import Sender

    async with context.database.transaction() as work:
        own = await work.destinations.get(user_id, name)
        if own is None and name.partition(":")[0] not in CHANNELS:
            raise NotFound(name, "destination", "alerts channels list")
    open_ = directory(context.settings, context.database, lambda: sealer_of(context))
    letter = Letter(_message(user_id, name, now()), None, "notification", "normal")
    try:
        await Sender(open_, None, now, disabled=True).send(letter)
    except (ChannelRefused, ChannelUnavailable) as error:
        return Tested(False, str(error))
    finally:
        await open_.close()
    if own is not None and own.disabled_at is not None:
        async with context.database.transaction() as work:
            await work.destinations.enable(user_id, name)
    return Tested(True, "taken")


def _message(user_id: str, name: str, at: datetime) -> Delivery:
    key = f"test-{secrets.token_hex(8)}"
    subject, body = (
        "Test message",
        f"This is a test of '{name}', sent at {at:%Y-%m-%d %H:%M:%S} UTC. Alerts will arrive here.",
    )
    return Delivery(
        key, "test", user_id, name, subject, body, status=DeliveryStatus.PENDING, attempts=0, last_error="",
        created_at=at, attempted_at=None, delivered_at=None, kind="notification",
    )  # fmt: skip


async def rotate(work: UnitOfWork, context: Context) -> int:
    """Every address sealed anew with the first key; how many.

    Raises:
        CannotOpen: one was sealed with a key that is not among ours.
    """
    return await work.destinations.seal_again(sealer_of(context).again)


def shown(these: Iterable[Destination]) -> Sequence[dict[str, Any]]:
    """What may be shown of them: everything but the address."""
    return [{name: value for name, value in vars(one).items() if name != "secret"} for one in these]


async def _audit(work: UnitOfWork, context: Context, action: str, one: Destination) -> None:
    await context.audit(work, action, "destination", one.name, {"user": one.user_id, "kind": one.kind})
