"""The real clock, read in one place."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Real time, aware UTC."""
    return datetime.now(UTC)
