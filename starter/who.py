"""On whose behalf something is done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Who:
    """Who writes, and through what: ``api``, ``cli`` or ``telegram``."""

    user_id: str
    client: str
