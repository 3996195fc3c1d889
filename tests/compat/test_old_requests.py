"""Requests as clients of the replaced services send them: without ``If-Match``."""

from __future__ import annotations

from pathlib import Path

import pytest

from starter.api.app import create_app
from starter.keys import Scope
from storage.database import Database
from tests.starter.api.conftest import client_of, key_of
from worker.settings import Settings


@pytest.mark.parametrize("strict", [True, False])
async def test_writes_without_if_match_are_taken_where_the_operator_says_so(
    any_database: Database, tmp_path: Path, strict: bool
) -> None:
    settings = Settings(
        alerts_home=tmp_path, temporal_address="127.0.0.1:1", health_check_interval=0, alerts_api_strict=strict
    )
    key = await key_of(any_database, "ann", Scope.READ, Scope.WRITE)
    async with client_of(create_app(settings, any_database), key) as ann:
        made = await ann.post("/api/alerts", json={"id": "a", "ticker": "AAPL", "rule": "close > 150"})
        assert (made.status_code, made.json()["version"]) == (201, 1)
        changed = await ann.patch("/api/alerts/a", json={"tags": ["x"]})
        stale = await ann.patch("/api/alerts/a", json={"tags": ["y"]}, headers={"If-Match": '"7"'})
        replaced = await ann.put(
            "/api/schedules/a", json={"job_type": "alert", "target": "AAPL", "task_params": {"rule": "close > 160"}}
        )
        deleted = await ann.delete("/api/alerts/a")
    codes = [one.status_code for one in (changed, replaced, deleted)]
    assert codes == ([428, 428, 428] if strict else [200, 200, 204])
    assert stale.status_code == 412, "who names a version means it"
    assert not strict or "ALERTS_API_STRICT=false" in changed.json()["detail"]
