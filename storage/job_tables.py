"""Tables of what jobs read and make: users' holdings, and the files of runs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Float, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables import Base


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
