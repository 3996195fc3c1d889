"""What the parameters of several job types share."""

from __future__ import annotations

from pydantic import Field, field_validator

from domain.definition import CHANNEL, CHANNEL_HINT
from domain.operand import Model
from domain.timeframe import Timeframe


def _channels(value: tuple[str, ...]) -> tuple[str, ...]:
    bad = [name for name in value if not CHANNEL.fullmatch(name)]
    if bad:
        raise ValueError(f"unknown channel {', '.join(bad)}; {CHANNEL_HINT}")
    return tuple(dict.fromkeys(value))


class Params(Model):
    """Parameters of a job type."""

    def warnings(self) -> list[str]:
        """What is kept, but has no effect in this version."""
        return []


class Told(Params):
    """What all jobs share that may tell their result to people."""

    notification_channels: tuple[str, ...] = Field(default=(), max_length=10)

    @field_validator("notification_channels")
    @classmethod
    def _known_channels(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _channels(value)


class WithFrame(Params):
    """Jobs on bars."""

    timeframe: Timeframe = Timeframe("1d")
