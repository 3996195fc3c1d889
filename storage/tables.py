"""The tables, one class each. All times are aware UTC; JSON columns hold plain values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Float,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.types import ForeignInteger, ForeignText, Json, Jsonb, Number, RunId, UtcDateTime

SERIAL = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: Json(), str: String(200)}


class ScheduleRow(Base):
    """``job_schedules``: one definition a row. Any program may write the first two groups; triggers see to the rest.

    What this program calls a schedule's id is the column ``key``: the name it was given, else its number as a text. The column
    ``id`` is that number, and ``user_id`` that of the ``owner``; neither is read here (ADR 17).
    ``definition_hash`` is NULL while a row another program wrote waits to be read; ``errors`` says why one cannot be. The last
    group is a projection of the workflow's state.
    """

    __tablename__ = "job_schedules"
    __table_args__ = (
        UniqueConstraint("id", name="uq_job_schedules_id"),
        Index("ix_job_schedules_owner", "owner", "created_at", "key"),
        Index("ix_job_schedules_user_id", "user_id"),
        Index("ix_job_schedules_type", "job_type", "created_at", "key"),
        Index("ix_job_schedules_created", "created_at", "key"),
        Index("ix_job_schedules_target", "target", "created_at", "key"),
        Index("ix_job_schedules_status", "status", "created_at", "key"),
    )

    number: Mapped[int] = mapped_column("id", Number, Identity(), nullable=False)
    user_number: Mapped[int | None] = mapped_column("user_id", Number)

    id: Mapped[str] = mapped_column("key", ForeignText(64), primary_key=True, server_default="")
    user_id: Mapped[str] = mapped_column("owner", ForeignText(64), server_default="")
    name: Mapped[str] = mapped_column(ForeignText(255), server_default="")
    job_type: Mapped[str] = mapped_column(ForeignText(50), server_default="alert")
    target: Mapped[str | None] = mapped_column(ForeignText(255))
    task_params: Mapped[dict[str, Any]] = mapped_column(Jsonb, server_default=text("'{}'"))
    cron: Mapped[str] = mapped_column(ForeignText(256), server_default="")
    timezone: Mapped[str] = mapped_column(ForeignText(64), default="UTC", server_default="UTC")
    enabled: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    version: Mapped[int] = mapped_column(ForeignInteger, default=1, server_default="1")
    definition_hash: Mapped[str | None] = mapped_column(ForeignText(16))
    next_run_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.current_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.current_timestamp())
    errors: Mapped[list[dict[str, Any]] | None] = mapped_column(Json)

    status: Mapped[str] = mapped_column(ForeignText(16), default="ARMED", server_default="ARMED")
    reason: Mapped[str] = mapped_column(ForeignText(100), default="created", server_default="created")
    state_version: Mapped[int] = mapped_column(ForeignInteger, default=0, server_default="0")
    state: Mapped[dict[str, Any] | None] = mapped_column(Json)
    snoozed_until: Mapped[datetime | None]
    last_bar_close: Mapped[datetime | None]
    last_values: Mapped[dict[str, Any] | None] = mapped_column(Json)
    triggered_at: Mapped[datetime | None]
    trigger_count: Mapped[int] = mapped_column(ForeignInteger, default=0, server_default="0")


class ChangeRow(Base):
    """``job_schedule_changes``: rows of ``job_schedules`` that triggers saw change and the reconciler has not looked at yet."""

    __tablename__ = "job_schedule_changes"
    __table_args__ = {"sqlite_autoincrement": True}  # a number that was forgotten must not name another change

    seq: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    schedule_id: Mapped[str] = mapped_column(String(64))


class RunRow(Base):
    """``job_schedule_runs``: one execution a row, one for each (schedule, slot).

    ``job_key`` and ``owner`` are what this program reads; ``job_id`` and ``user_id`` are their numbers, for other programs.
    """

    __tablename__ = "job_schedule_runs"
    __table_args__ = (
        UniqueConstraint("run_id", name="uq_job_schedule_runs_run_id"),
        UniqueConstraint("job_key", "scheduled_for", name="uq_job_schedule_runs_slot"),
        Index("ix_job_schedule_runs_owner", "owner", "id"),
        Index("ix_job_schedule_runs_user_id", "user_id"),
        Index("ix_job_schedule_runs_job", "job_key", "id"),
        Index("ix_job_schedule_runs_job_id", "job_id"),
        Index("ix_job_schedule_runs_status", "status", "id"),
        Index("ix_job_schedule_runs_type", "job_type", "id"),
        Index("ix_job_schedule_runs_scheduled", "scheduled_for"),
    )

    id: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    job_number: Mapped[int | None] = mapped_column("job_id", Number)
    user_number: Mapped[int | None] = mapped_column("user_id", Number)

    run_id: Mapped[str] = mapped_column(RunId, server_default=func.gen_random_uuid())
    job_type: Mapped[str] = mapped_column(String(50), server_default="")
    job_id: Mapped[str | None] = mapped_column("job_key", String(64))
    user_id: Mapped[str] = mapped_column("owner", String(64), server_default="")
    status: Mapped[str] = mapped_column(String(20), server_default="PENDING")
    scheduled_for: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    enqueued_at: Mapped[datetime | None] = mapped_column(server_default=func.clock_timestamp())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    job_snapshot: Mapped[dict[str, Any]] = mapped_column(Jsonb, server_default=text("'{}'"))
    result: Mapped[dict[str, Any] | None] = mapped_column(Jsonb)
    error: Mapped[str | None] = mapped_column(Text)
    worker_id: Mapped[str | None] = mapped_column(String(255))
    progress: Mapped[dict[str, Any] | None] = mapped_column(Jsonb)


class AuditRow(Base):
    """``audit_log``: who changed what, when, from which client."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_object", "object_id", "id"), Index("ix_audit_log_at", "at"))

    id: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(120))
    client: Mapped[str] = mapped_column(String(32))
    action: Mapped[str] = mapped_column(String(32))
    object_type: Mapped[str] = mapped_column(String(32))
    object_id: Mapped[str] = mapped_column(String(64))
    version: Mapped[int | None]
    detail: Mapped[dict[str, Any]]


class KeyRow(Base):
    """``api_keys``: bearer keys, only their hash."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("ix_api_keys_user", "user_id"),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str]
    secret_hash: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AnswerRow(Base):
    """``idempotency_keys``: the answer given to a POST, for as long as the same one may be repeated."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created", "created_at"),)

    user_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    headers: Mapped[dict[str, Any]]
    body: Mapped[Any] = mapped_column(Json, nullable=True)
    created_at: Mapped[datetime]


class NoteRow(Base):
    """``system_notes``: what processes tell each other of their work, such as the reconciler's last sweep."""

    __tablename__ = "system_notes"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]
    value: Mapped[dict[str, Any]]


class EventRow(Base):
    """``alert_events``: what happened to alerts. The id is the event's hash, so a repeat is no second row."""

    __tablename__ = "alert_events"
    __table_args__ = (
        Index("ix_alert_events_alert_at", "alert_id", "at"),
        Index("ix_alert_events_at", "at"),
        Index("ix_alert_events_recorded", "recorded_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    alert_id: Mapped[str] = mapped_column(String(64))
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]
    bar_close: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(100))
    values: Mapped[dict[str, Any]] = mapped_column("bar_values", Json)
    ordinal: Mapped[int]
    trigger_count: Mapped[int]
    late: Mapped[bool]
    count: Mapped[int] = mapped_column("fire_count")
    detail: Mapped[str] = mapped_column(Text, default="")
    source: Mapped[str] = mapped_column(String(40), default="", server_default="")
    recorded_at: Mapped[datetime]


class BarRow(Base):
    """``bars``: closed candles as vendors gave them. Prices are NULL where the vendor had none."""

    __tablename__ = "bars"

    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    timeframe: Mapped[str] = mapped_column(String(8), primary_key=True)
    adjustment: Mapped[str] = mapped_column(String(40), primary_key=True)
    open_time: Mapped[datetime] = mapped_column(primary_key=True)
    close_time: Mapped[datetime]
    open: Mapped[float | None] = mapped_column(Float)
    high: Mapped[float | None] = mapped_column(Float)
    low: Mapped[float | None] = mapped_column(Float)
    close: Mapped[float | None] = mapped_column(Float)
    volume: Mapped[float | None] = mapped_column(Float)
    source: Mapped[str] = mapped_column(String(32))


class DeliveryRow(Base):
    """``deliveries``: one row an (event or run, channel), its rendered text, and how its attempts went."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("event_id", "channel", name="uq_deliveries_event_channel"),
        Index("ix_deliveries_status", "status"),
        Index("ix_deliveries_alert", "alert_id", "id"),
        Index("ix_deliveries_user", "user_id", "id"),
        Index("ix_deliveries_waiting", "user_id", "channel", "status", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    event_id: Mapped[str] = mapped_column(String(32))
    alert_id: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(String(64))
    channel: Mapped[str] = mapped_column(String(80))
    status: Mapped[str] = mapped_column(String(16), default="PENDING")
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    subject: Mapped[str] = mapped_column(String(300))
    body: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16), default="alert", server_default="alert")
    priority: Mapped[str] = mapped_column(String(16), default="normal", server_default="normal")
    created_at: Mapped[datetime]
    attempted_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    retried_at: Mapped[datetime | None]
    next_try_at: Mapped[datetime | None]
    held_until: Mapped[datetime | None]
    group_key: Mapped[str] = mapped_column(String(64), default="", server_default="")
    group_until: Mapped[datetime | None]
    handed_at: Mapped[datetime | None]
    about: Mapped[dict[str, Any] | None] = mapped_column(Json)


class DestinationRow(Base):
    """``destinations``: where a user wants to be told, by a name of the user's own. ``secret`` is the address, encrypted."""

    __tablename__ = "destinations"

    user_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    secret: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    problem: Mapped[str] = mapped_column(Text, default="", server_default="")
    fallback_after: Mapped[int | None]
    group_by: Mapped[str] = mapped_column(String(16), default="", server_default="")
    group_wait: Mapped[int] = mapped_column(default=0, server_default="0")


class QuietRow(Base):
    """``quiet_hours``: when a user is not told what can wait."""

    __tablename__ = "quiet_hours"

    user_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    hours: Mapped[str] = mapped_column(String(16))
    timezone: Mapped[str] = mapped_column(String(64))


class SilenceRow(Base):
    """``silences``: what a user wants to hear nothing of for a time."""

    __tablename__ = "silences"
    __table_args__ = (Index("ix_silences_user", "user_id", "until"),)

    id: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    user_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(String(255))
    until: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(500), default="", server_default="")
    created_at: Mapped[datetime]


class ChatRow(Base):
    """``telegram_chats``: chats that may steer a user's alerts, and who in them."""

    __tablename__ = "telegram_chats"

    chat_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sender_id: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(255), default="", server_default="")
    destination: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]


class CodeRow(Base):
    """``telegram_codes``: what makes a chat a user's, once; hashes alone."""

    __tablename__ = "telegram_codes"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]


class HeartbeatRow(Base):
    """``msg_system_health``: processes, and when each was last heard of."""

    __tablename__ = "msg_system_health"
    __table_args__ = (PrimaryKeyConstraint("system", "instance", name="pk_system_heartbeats"),)

    system: Mapped[str] = mapped_column(String(64))
    instance: Mapped[str] = mapped_column(String(120))
    status: Mapped[str] = mapped_column(String(16))
    started_at: Mapped[datetime]
    last_heartbeat: Mapped[datetime]
    version: Mapped[str] = mapped_column(String(32), default="", server_default="")
    issues: Mapped[list[str] | None] = mapped_column(Json)
    metrics: Mapped[dict[str, Any] | None] = mapped_column(Json)


class TickerSetRow(Base):
    """``ticker_sets``: users' own sets of tickers."""

    __tablename__ = "ticker_sets"

    user_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    symbols: Mapped[list[str]] = mapped_column(Json)
    updated_at: Mapped[datetime]


class TurnRow(Base):
    """``notice_turns``: destinations that take one letter at a time: who sends now, and when the next may go."""

    __tablename__ = "notice_turns"

    user_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    channel: Mapped[str] = mapped_column(String(80), primary_key=True)
    busy_until: Mapped[datetime]
    opens_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
