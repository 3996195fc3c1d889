"""What the REST API answers on notices: deliveries, destinations, tests of them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from storage.deliveries import Delivery


class DeliveryOut(BaseModel):
    """A notice to one destination, and what came of telling it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 812,
                    "event_id": "9a7d0c4f2b7e4a51",
                    "alert_id": "aapl-hot",
                    "user_id": "ann",
                    "channel": "webhook",
                    "status": "DEAD",
                    "attempts": 28,
                    "last_error": "HTTP 503",
                    "kind": "alert",
                    "priority": "high",
                    "subject": "AAPL 1h: AAPL is hot triggered",
                    "body": "Rule: close > 150",
                    "created_at": "2026-01-05T15:30:00Z",
                    "attempted_at": "2026-01-06T15:02:10Z",
                    "delivered_at": None,
                    "retried_at": None,
                }
            ]
        }
    )

    id: int
    event_id: str
    alert_id: str
    user_id: str
    channel: str
    status: Literal["PENDING", "SENT", "DEAD", "SILENCED", "SPARED"]
    attempts: int
    last_error: str
    kind: str
    priority: str
    subject: str
    body: str
    created_at: datetime
    attempted_at: datetime | None
    delivered_at: datetime | None
    retried_at: datetime | None

    @classmethod
    def of(cls, one: Delivery) -> DeliveryOut:
        """From the delivery."""
        return cls(**{name: getattr(one, name) for name in cls.model_fields})


class DeliveryPage(BaseModel):
    """One page of deliveries, newest first."""

    items: list[DeliveryOut]
    next_cursor: str | None


class QueuedOut(BaseModel):
    """One delivery that waits to be told."""

    id: int
    channel: str


class NoticeOut(BaseModel):
    """What a notice came to: a delivery for each destination."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "queued", "deliveries": [{"id": 17, "channel": "me"}]}]}
    )

    status: Literal["queued"]
    deliveries: list[QueuedOut]


class DestinationOut(BaseModel):
    """Where a user wants to be told; its address is shown to nobody."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "ann",
                    "name": "me",
                    "kind": "telegram",
                    "created_at": "2026-01-05T15:30:00Z",
                    "updated_at": "2026-01-05T15:30:00Z",
                    "disabled_at": None,
                    "problem": "",
                    "fallback_after": 600,
                    "group_by": "ticker",
                    "group_wait": 60,
                    "signing_secret": None,
                }
            ]
        }
    )

    user_id: str
    name: str
    kind: str
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None
    problem: str
    fallback_after: int | None
    group_by: Literal["", "ticker", "tag", "all"]
    group_wait: int
    signing_secret: str | None = None


class Destinations(BaseModel):
    """All of a user's."""

    items: list[DestinationOut]


class TestOut(BaseModel):
    """What came of a real message."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "me", "well": True, "said": "taken"}]})

    name: str
    well: bool
    said: str


class QuietOut(BaseModel):
    """A user's quiet hours; ``quiet_until`` is when they end, where it is quiet now."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"hours": "22:00-07:00", "timezone": "Europe/Berlin", "quiet_until": None}]}
    )

    hours: str | None
    timezone: str | None = None
    quiet_until: datetime | None = None


class SilenceOut(BaseModel):
    """What a user wants to hear nothing of, and until when."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 3,
                    "user_id": "ann",
                    "kind": "ticker",
                    "value": "AAPL",
                    "until": "2026-01-05T17:30:00Z",
                    "reason": "earnings",
                }
            ]
        }
    )

    id: int
    user_id: str
    kind: Literal["ticker", "tag", "alert"]
    value: str
    until: datetime
    reason: str


class Silences(BaseModel):
    """All of a user's that have not ended."""

    items: list[SilenceOut]
