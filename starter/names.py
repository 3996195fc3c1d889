"""Ids that users choose, in one space of names: what another user has taken is no business of whoever asks for it.

The second user to choose an id gets it with a mark of their own behind it, which the API takes off again in all that it tells
that user. So nobody learns from an answer which ids others have.
"""

from __future__ import annotations

import hashlib

MOST_CHOSEN = 48  # characters of an id that a mark may follow


def mark_of(user_id: str) -> str:
    """What follows a user's id where another user was first."""
    return "-u" + hashlib.sha256(f"ids of {user_id}".encode()).hexdigest()[:12]


def marked(id: str, user_id: str) -> str:
    """The id as it is kept where another user was first."""
    return id + mark_of(user_id)
