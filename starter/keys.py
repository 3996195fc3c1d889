"""Bearer API keys: made once, kept as a hash, and recognisable when they leak."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from datetime import datetime, timedelta
from enum import StrEnum

from domain.errors import Fault, InvalidInput
from storage.access import ApiKey
from storage.audit import AuditEntry
from storage.database import UnitOfWork

PREFIX = "mak"
_SECRET_BYTES = 24


class Scope(StrEnum):
    """What a key may do. ``admin`` includes the others, and sees every user's objects."""

    READ = "read"
    WRITE = "write"
    RUN = "run"
    ADMIN = "admin"


async def create(
    work: UnitOfWork,
    user_id: str,
    name: str,
    scopes: list[Scope],
    now: datetime,
    days: float | None = None,
    actor: str = "",
) -> tuple[ApiKey, str]:
    """A new key and its text, which is never to be had again: ``mak_<id>_<secret>_<checksum>``.

    Raises:
        InvalidInput: without a user or a name of sensible length.
    """
    faults = [
        Fault(f"$.{field}", f"expected 1 to {most} characters", value)
        for field, value, most in (("user_id", user_id, 64), ("name", name, 200))
        if not 1 <= len(value) <= most
    ]
    if faults:
        raise InvalidInput("key", faults)
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(_SECRET_BYTES).replace("_", "-")
    key = ApiKey(
        id=key_id,
        user_id=user_id,
        name=name,
        secret_hash=_hash(secret),
        scopes=tuple(sorted(set(scopes))),
        created_at=now,
        expires_at=now + timedelta(days=days) if days else None,
    )
    await work.keys.add(key)
    detail = {"name": name, "scopes": list(key.scopes)}
    await work.audit.add(AuditEntry(now, actor or user_id, "cli", "created", "key", key_id, None, detail))
    body = f"{PREFIX}_{key_id}_{secret}"
    return key, f"{body}_{_checksum(body)}"


async def verify(work: UnitOfWork, text: str, now: datetime) -> ApiKey | None:
    """The key a bearer text is of; None when it is none, or is revoked or expired."""
    body, _, checksum = text.rpartition("_")
    parts = body.split("_")
    if len(parts) != 3 or parts[0] != PREFIX or not hmac.compare_digest(_checksum(body).encode(), checksum.encode()):
        return None
    key = await work.keys.get(parts[1])
    if key is None or not hmac.compare_digest(key.secret_hash, _hash(parts[2])):
        return None
    over = key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now)
    return None if over else key


def _hash(secret: str) -> str:
    """The secret has 192 random bits, so that a plain hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode(errors='replace')):08x}"
