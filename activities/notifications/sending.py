"""One letter to where it belongs, its picture with it, within a time that leaves room to write down what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from activities.notifications.artist import Artist
from activities.notifications.channel import Channel, ChannelRefused, ChannelUnavailable, Letter, Moved
from activities.notifications.directory import Directory

WITHIN = 45.0  # seconds: the activity is given sixty


class Sender:
    """Follows a destination that has moved, disables one that is gone, and tries without a picture that is refused.

    With ``disabled`` also one that is disabled is told.
    """

    def __init__(
        self, directory: Directory, artist: Artist | None, clock: Callable[[], datetime], *, disabled: bool = False
    ) -> None:
        self.directory, self.artist, self.clock, self.disabled = directory, artist, clock, disabled

    async def send(self, letter: Letter) -> None:
        """Tells it.

        Raises:
            ChannelUnavailable: may go well later; whatever went wrong that nobody foresaw is told by its kind alone.
            ChannelRefused: will not.
        """
        try:
            async with asyncio.timeout(WITHIN):
                await self._send(letter)
        except (ChannelRefused, ChannelUnavailable):
            raise
        except TimeoutError:
            raise ChannelUnavailable("took too long") from None
        except Exception as error:
            raise ChannelUnavailable(f"failed ({type(error).__name__})") from None

    async def _send(self, letter: Letter) -> None:
        delivery = letter.delivery
        for _ in range(2):
            channel, own = await self.directory.channel(delivery.user_id, delivery.channel, disabled=self.disabled)
            try:
                await self._tell(channel, letter)
            except ChannelRefused as error:
                if error.disable and own is not None:
                    await self.directory.disable(own, str(error), self.clock())
                raise
            except Moved as moved:
                if own is None:
                    raise ChannelRefused("the chat has another number now; see TELEGRAM_CHAT_ID") from None
                await self.directory.move(own, moved.address, self.clock())
            else:
                return
        raise ChannelRefused("the chat moves on and on")

    async def _tell(self, channel: Channel, letter: Letter) -> None:
        if self.artist is not None and getattr(channel, "takes_pictures", False):
            letter = replace(letter, picture=await self.artist.picture(letter.event, letter.delivery.alert_id))
        try:
            await channel.send(letter)
        except ChannelRefused as error:
            if letter.picture is None or error.disable:
                raise
            await channel.send(replace(letter, picture=None))  # perhaps it was the picture
