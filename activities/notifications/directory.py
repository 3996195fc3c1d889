"""Who is behind a channel's name: a destination of the user's, else a channel that the operator set up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from cachetools import LRUCache

from activities.notifications.channel import JOIN, Channel, ChannelRefused
from activities.notifications.registry import build_channels, channel_at, joined, unknown_channel
from domain.errors import ExpectedError
from storage.database import Database
from storage.destinations import Destination
from storage.sealing import Sealer

MOST_OPEN = 500
OpenAddress = Callable[[str], tuple[str, Channel]]


class Directory:
    """Channels by user and name. ``opened`` makes the channel of an address; ``sealer`` is asked for when it is needed."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        fallback: Channel | None = None,
        opened: OpenAddress | None = None,
        sealer: Callable[[], Sealer] | None = None,
    ) -> None:
        self.database, self.channels = database, dict(channels)
        self.fallback = fallback or unknown_channel()
        self.opened, self.sealer = opened, sealer
        self._open: LRUCache[tuple[str, str, datetime], Channel] = LRUCache(MOST_OPEN)

    async def names(self, user_id: str, wanted: tuple[str, ...]) -> list[str]:
        """The deliveries that these names make: what one post of the operator's channels tells is one of them."""
        async with self.database.transaction() as work:
            own = {one.name for one in await work.destinations.list(user_id, wanted)}
        shared = iter(joined(self.channels, [name for name in wanted if name not in own]))
        first: dict[str, str] = {group.partition(JOIN)[0]: group for group in shared}
        return [name if name in own else first[name] for name in wanted if name in own or name in first]

    async def channel(self, user_id: str, name: str, *, disabled: bool = False) -> tuple[Channel, Destination | None]:
        """The channel, and the destination where it is one; with ``disabled`` also one that is.

        Raises:
            ChannelRefused: a destination that is disabled, or whose address cannot be read or used any more.
        """
        async with self.database.transaction() as work:
            own = await work.destinations.get(user_id, name)
        if own is None:
            return self.channels.get(name.partition(JOIN)[0], self.fallback), None
        if own.disabled_at is not None and not disabled:
            raise ChannelRefused(f"destination '{name}' is disabled: {own.problem}")
        key = (user_id, name, own.updated_at)
        if key not in self._open:
            self._open[key] = self._opened(own)
        return self._open[key], own

    def _opened(self, own: Destination) -> Channel:
        if self.opened is None or self.sealer is None:
            raise ChannelRefused(f"destination '{own.name}': this worker has no key to read its address")
        try:
            return self.opened(self.sealer().open(own.secret))[1]
        except ExpectedError as error:
            raise ChannelRefused(f"destination '{own.name}': {error}") from None

    async def disable(self, own: Destination, why: str, now: datetime) -> None:
        """No other notice will arrive there either."""
        async with self.database.transaction() as work:
            await work.destinations.disable(own, why, now)

    async def move(self, own: Destination, address: str, now: datetime) -> None:
        """Keeps the address that the other side gave, within the same kind."""
        assert self.sealer is not None
        old = self.sealer().open(own.secret)
        async with self.database.transaction() as work:
            await work.destinations.move(own, self.sealer().seal(f"{old.partition('://')[0]}://{address}"), now)

    async def close(self) -> None:
        """Closes every channel."""
        every = (*self.channels.values(), *self._open.values(), self.fallback)
        for channel in {id(one): one for one in every}.values():
            await channel.close()


def directory(settings: Any, database: Database, sealer: Callable[[], Sealer]) -> Directory:
    """That of an installation."""
    return Directory(database, build_channels(settings), None, lambda address: channel_at(settings, address), sealer)
