"""The API on a real database of each kind, over ASGI, with keys of several users; Temporal away unless a test brings it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from starter import keys
from starter.api.app import create_app
from starter.clock import now
from starter.keys import Scope
from storage.database import Database
from worker.settings import Settings


@dataclass
class Api:
    """Clients by user; each has all scopes but admin."""

    app: Any
    database: Database
    ann: httpx.AsyncClient
    bob: httpx.AsyncClient
    admin: httpx.AsyncClient
    reader: httpx.AsyncClient
    nobody: httpx.AsyncClient


async def key_of(database: Database, user: str, *scopes: Scope) -> str:
    async with database.transaction() as work:
        _, text = await keys.create(work, user, "test", list(scopes), now())
    return text


def client_of(app: Any, key: str | None = None) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers)


@pytest.fixture
async def api(any_database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    settings = Settings(
        alerts_home=tmp_path, temporal_address="127.0.0.1:1", api_rate_limit="100000/minute", health_check_interval=0
    )
    app = create_app(settings, any_database)
    usual = (Scope.READ, Scope.WRITE, Scope.RUN)
    clients = [
        client_of(app, await key_of(any_database, "ann", *usual)),
        client_of(app, await key_of(any_database, "bob", *usual)),
        client_of(app, await key_of(any_database, "root", Scope.ADMIN)),
        client_of(app, await key_of(any_database, "ann", Scope.READ)),
        client_of(app),
    ]
    yield Api(app, any_database, *clients)
    for client in clients:
        await client.aclose()
