"""Tables of users' holdings, the files of runs, alerts that were deleted, when those that run have looked, and who is watched."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables import Base
from storage.types import Json


class HoldingRow(Base):
    """``holdings``: what users hold. ``cost`` is what a share was bought for; ``quantity`` is negative when sold short."""

    __tablename__ = "holdings"

    user_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    symbol: Mapped[str] = mapped_column(String(64), primary_key=True)
    quantity: Mapped[float] = mapped_column(Float)
    cost: Mapped[float | None] = mapped_column(Float)
    currency: Mapped[str] = mapped_column(String(8), default="", server_default="")
    updated_at: Mapped[datetime]


class RunFileRow(Base):
    """``run_files``: what a run has made to be looked at, such as a report's page."""

    __tablename__ = "run_files"
    __table_args__ = (Index("ix_run_files_created", "created_at"),)

    run_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class DeletedAlertRow(Base):
    """``deleted_alerts``: alerts that were deleted, as they may be brought back for a while."""

    __tablename__ = "deleted_alerts"
    __table_args__ = (Index("ix_deleted_alerts_at", "deleted_at"),)

    user_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    definition: Mapped[dict[str, Any]] = mapped_column(Json)
    enabled: Mapped[bool]
    deleted_at: Mapped[datetime]


class LookRow(Base):
    """``alert_looks``: when an alert looked last, and the newest bar that it saw."""

    __tablename__ = "alert_looks"

    alert_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    looked_at: Mapped[datetime]
    bar_close: Mapped[datetime | None]
    values: Mapped[dict[str, Any] | None] = mapped_column(Json)
    problem: Mapped[str] = mapped_column(String(300), default="", server_default="")


class WatchedRow(Base):
    """``watched_alerts``: alerts whose workflows wake for bars that matter alone, and look for themselves at ``until``."""

    __tablename__ = "watched_alerts"
    __table_args__ = (Index("ix_watched_alerts_noted", "noted_at"),)

    alert_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    symbol: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    revision: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[datetime | None]
    noted_at: Mapped[datetime]
