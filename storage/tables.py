"""The tables, one class each. All times are aware UTC; JSON columns hold plain values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Float, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC; SQLite holds it without an offset."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database; a naive time is a bug and refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must carry its zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database, aware again."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: JSON(), str: String(200)}


class ScheduleRow(Base):
    """``job_schedules``: one definition a row (R-202). The last group is a projection of the workflow's state."""

    __tablename__ = "job_schedules"
    __table_args__ = (
        Index("ix_job_schedules_type_enabled", "job_type", "enabled"),
        Index("ix_job_schedules_user", "user_id"),
        Index("ix_job_schedules_updated", "updated_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str]
    job_type: Mapped[str] = mapped_column(String(32))
    target: Mapped[str | None] = mapped_column(String(64))
    task_params: Mapped[dict[str, Any]]
    cron: Mapped[str] = mapped_column(String(256))
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    enabled: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    definition_hash: Mapped[str] = mapped_column(String(16))
    next_run_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    status: Mapped[str] = mapped_column(String(16), default="ARMED")
    reason: Mapped[str] = mapped_column(String(100), default="created")
    state_version: Mapped[int] = mapped_column(default=0)
    last_bar_close: Mapped[datetime | None]
    last_values: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    triggered_at: Mapped[datetime | None]
    trigger_count: Mapped[int] = mapped_column(default=0)


class EventRow(Base):
    """``alert_events``: what happened to alerts (R-113). The id is the event's hash, so a repeat is no second row."""

    __tablename__ = "alert_events"
    __table_args__ = (Index("ix_alert_events_alert_at", "alert_id", "at"), Index("ix_alert_events_at", "at"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    alert_id: Mapped[str] = mapped_column(String(64))
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]
    bar_close: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(100))
    values: Mapped[dict[str, Any]] = mapped_column("bar_values", JSON)
    ordinal: Mapped[int]
    trigger_count: Mapped[int]
    late: Mapped[bool]
    count: Mapped[int] = mapped_column("fire_count")
    detail: Mapped[str] = mapped_column(Text, default="")
    recorded_at: Mapped[datetime]


class BarRow(Base):
    """``bars``: closed candles as vendors gave them (R-303). Prices are NULL where the vendor had none."""

    __tablename__ = "bars"

    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    timeframe: Mapped[str] = mapped_column(String(8), primary_key=True)
    adjustment: Mapped[str] = mapped_column(String(16), primary_key=True)
    open_time: Mapped[datetime] = mapped_column(primary_key=True)
    close_time: Mapped[datetime]
    open: Mapped[float | None] = mapped_column(Float)
    high: Mapped[float | None] = mapped_column(Float)
    low: Mapped[float | None] = mapped_column(Float)
    close: Mapped[float | None] = mapped_column(Float)
    volume: Mapped[float | None] = mapped_column(Float)
    source: Mapped[str] = mapped_column(String(32))


class DeliveryRow(Base):
    """``deliveries``: one row an (event, channel), its rendered text, and how its attempts went (R-402)."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("event_id", "channel", name="uq_deliveries_event_channel"),
        Index("ix_deliveries_status", "status"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    event_id: Mapped[str] = mapped_column(String(32), ForeignKey("alert_events.id", ondelete="CASCADE"))
    alert_id: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(String(64))
    channel: Mapped[str] = mapped_column(String(80))
    status: Mapped[str] = mapped_column(String(16), default="PENDING")
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    subject: Mapped[str] = mapped_column(String(300))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    attempted_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
