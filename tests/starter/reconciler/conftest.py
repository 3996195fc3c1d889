"""One installation a test, on each kind of database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from activities import interface
from storage.database import Database
from tests.starter.reconciler.support import Installation, end_all, installed


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that the server gave to a worker of the test before, which was just going, is given to another soon."""
    monkeypatch.setattr(interface, "STORE_TIMEOUT", timedelta(seconds=10))
    monkeypatch.setattr(interface, "DELIVER_TIMEOUT", timedelta(seconds=10))


@pytest.fixture
async def home(dev_server: WorkflowEnvironment, any_database: Database, tmp_path: Path) -> AsyncIterator[Installation]:
    async with installed(
        dev_server.client, any_database.engine.url.render_as_string(hide_password=False), tmp_path
    ) as found:
        yield found
    await end_all(dev_server.client)
