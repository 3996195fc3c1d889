"""``ALERT_SCHEMA_DIR``: own fields of known types, and own types that built-in jobs run; what is not used is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.errors import InvalidInput
from domain.job import JobType
from domain.schedule_draft import ScheduleDraft, read_alert
from starter.api.app import create_app
from starter.keys import Scope
from storage.database import Database
from storage.stored_schedule import Filter
from tests.starter.api.conftest import client_of, key_of
from tests.storage.test_contract import sql
from worker.schema_folder import SchemaFolder
from worker.settings import Settings

ALERT = {"properties": {"strategy": {"enum": ["breakout", "reversal"]}, "risk": {"type": "number", "default": 0.5}}}
SCAN = {
    "x-runs": "screener",
    "required": ["symbols", "desk", "top_n"],
    "properties": {
        "desk": {"type": "string"},
        "symbols": {"default": ["AAPL", "MSFT"]},
        "filter_criteria": {"default": {"conditions": ["rsi(14) < 30"]}},
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> SchemaFolder:
    made = tmp_path / "schemas"
    made.mkdir()
    (made / "alert.v1.json").write_text(json.dumps({"properties": {"strategy": False}}))
    (made / "alert.v2.json").write_text(json.dumps(ALERT))
    (made / "morning_scan.json").write_text(json.dumps(SCAN))
    (made / "report.json").write_text(json.dumps({"properties": {"desk": {"type": "string"}}, "required": ["desk"]}))
    (made / "colour.json").write_text("{}")
    (made / "Read Me.json").write_text("{}")
    return SchemaFolder(made)


def test_an_alert_may_have_own_fields(folder: SchemaFolder) -> None:
    found = read_alert({"ticker": "AAPL", "rule": "close > 1", "strategy": "breakout"}, folder.own())
    assert found.custom == {"strategy": "breakout", "risk": 0.5}
    folder.check_definition(found)
    assert read_alert(found.as_json(), folder.own()) == found
    assert read_alert(found.as_json()) == found, "wherever it is read after"
    with pytest.raises(InvalidInput) as caught:
        folder.check_definition(read_alert({"ticker": "A", "rule": "close > 1", "strategy": "luck"}, folder.own()))
    assert caught.value.faults[0].path == "$.task_params.strategy"
    for data, own in (
        ({"colour": 1}, folder.own()),
        ({"strategy": "breakout"}, SchemaFolder(None).own()),
        ({"custom": 5}, folder.own()),
    ):
        with pytest.raises(InvalidInput):
            read_alert({"ticker": "A", "rule": "close > 1", **data}, own)


def draft(job_type: str, params: Any, folder: SchemaFolder) -> Any:
    found = ScheduleDraft(job_type, params, "n", None, "0 9 * * *", "UTC", folder.own()).definition()
    folder.check_definition(found)
    return found


def test_an_own_type_is_run_by_the_job_it_names(folder: SchemaFolder) -> None:
    scan = draft("morning_scan", {"desk": "east"}, folder)
    assert (scan.job_type, scan.named, scan.custom) == (JobType.SCREENER, "morning_scan", {"desk": "east"})
    assert scan.params.symbols == ("AAPL", "MSFT")
    assert scan.params.filter_criteria.conditions == ("rsi(14) < 30",)
    assert draft("morning_scan", scan.task_params(), folder) == scan
    with pytest.raises(InvalidInput) as caught:
        draft("morning_scan", {}, folder)
    assert "'desk' is a required property (morning_scan.json)" in caught.value.faults[0].message
    with pytest.raises(InvalidInput):
        draft("morning_scan", {"desk": "east", "colour": 1}, folder)
    with pytest.raises(InvalidInput, match="expected one of alert"):
        draft("evening_scan", {"desk": "east"}, folder)
    report = draft("report", {"symbols": ["A"], "desk": "west"}, folder)
    assert (report.named, report.custom) == ("", {"desk": "west"})
    with pytest.raises(InvalidInput):
        draft("report", {"symbols": ["A"]}, folder)


def test_what_is_not_used_is_said(folder: SchemaFolder) -> None:
    assert folder.faults() == []
    assert [note.partition(" is not used: ")[0].split()[0] for note in folder.notes()] == [
        "Read",
        "alert.v1.json",
        "colour.json",
    ]
    assert "name with 'x-runs' which runs it" in folder.notes()[2]
    assert folder.folder is not None
    (folder.folder / "broken.json").write_text(json.dumps({"x-runs": "nothing"}))
    (folder.folder / "backup.json").write_text(json.dumps({"x-runs": "report"}))
    assert [fault.path for fault in folder.faults()] == ["backup.json: $.x-runs", "broken.json: $.x-runs"]


async def test_rows_of_own_types_are_rows_like_others(any_database: Database, folder: SchemaFolder) -> None:
    any_database.own = folder.own
    await sql(
        any_database,
        "INSERT INTO job_schedules (key, job_type, task_params, cron) VALUES ('scan', 'morning_scan', '{\"desk\": \"e\"}', '0 9 * * *')",
    )
    await sql(any_database, "INSERT INTO job_schedule_runs (job_key) VALUES ('scan')")
    async with any_database.transaction() as work:
        stored = await work.schedules.get("scan", "screener")
        assert stored is not None
        assert (stored.job_type, stored.row.job_type, stored.job.definition.named) == (
            "screener",
            "morning_scan",
            "morning_scan",
        )
        assert [one.id for one in await work.schedules.page(Filter(job_type="screener"), None, 9)] == ["scan"]
        assert [row.job_type for row in await work.schedules.briefs()] == ["screener"]
        assert [run.job_type for run in await work.runs.waiting(stored.created_at.replace(year=2100))] == ["screener"]
    any_database.own = SchemaFolder(None).own
    async with any_database.transaction() as work:
        gone = await work.schedules.get("scan")
        assert gone is not None
        assert gone.status == "INVALID", "its file was removed"


@asynccontextmanager
async def client(database: Database, folder: SchemaFolder, *scopes: Scope) -> AsyncIterator[httpx.AsyncClient]:
    database.own = folder.own
    settings = Settings(alert_schema_dir=folder.folder, temporal_address="127.0.0.1:1", health_check_interval=0)
    async with client_of(create_app(settings, database), await key_of(database, "ann", *scopes)) as made:
        yield made


async def test_over_http(any_database: Database, folder: SchemaFolder) -> None:
    assert folder.folder is not None
    (folder.folder / "nightly.json").write_text(json.dumps({"x-runs": "backup"}))
    async with client(any_database, folder, Scope.READ, Scope.WRITE) as ann:
        scan = {"id": "s", "job_type": "morning_scan", "task_params": {"desk": "east"}, "cron": "0 9 * * *"}
        made = await ann.post("/api/schedules", json=scan)
        assert (made.status_code, made.json()["job_type"]) == (201, "morning_scan"), made.text
        assert made.json()["task_params"]["custom"] == {"desk": "east"}
        edited = {**scan, "task_params": {"desk": "west", "top_n": 5}}
        del edited["id"]
        changed = await ann.put("/api/schedules/s", json=edited, headers={"If-Match": "*"})
        assert (changed.status_code, changed.json()["job_type"]) == (200, "morning_scan"), changed.text
        assert (await ann.post("/api/schedules", json=scan | {"id": "x", "job_type": "colour"})).status_code == 422
        backup = {"job_type": "nightly", "task_params": {}, "cron": "0 3 * * *"}
        assert (await ann.post("/api/schedules", json=backup)).status_code == 403, "a backup by another name"


def test_start_and_validate_say_what_is_not_used(folder: SchemaFolder, tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "starter.cli.main", "validate-schemas", "--json"],
        env={**os.environ, "ALERTS_HOME": str(tmp_path), "ALERT_SCHEMA_DIR": str(folder.folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0
    assert len(json.loads(found.stdout)["warnings"]) == 3


def test_own_fields_hide_none_of_ours(folder: SchemaFolder) -> None:
    for data in (
        {"rule": "close > 1", "timeframe": "1m", "custom": {"timeframe": "1d"}},
        {"rule": "close > 1", "custom": {"symbol": "X"}},
    ):
        with pytest.raises(InvalidInput, match="a field of ours cannot stand here as well"):
            read_alert({"ticker": "A", **data}, folder.own())
    with pytest.raises(InvalidInput, match="a field of ours"):
        draft("screener", {"symbols": ["A"], "top_n": 500, "custom": {"top_n": 5}}, folder)


def test_a_target_counts_more_than_a_default(folder: SchemaFolder) -> None:
    found = ScheduleDraft(
        "morning_scan", {"desk": "e"}, "n", "NVDA, AMD", "0 9 * * *", "UTC", folder.own()
    ).definition()
    assert found.params.symbols == ("NVDA", "AMD")  # type: ignore[union-attr]


def test_a_schema_that_cannot_be_used_is_told_and_stops_nobody(folder: SchemaFolder) -> None:
    assert folder.folder is not None
    (folder.folder / "report.json").write_text(json.dumps({"$ref": "#/definitions/nope"}))
    (folder.folder / "backup.json").write_text('{"not":' * 3000 + "{}" + "}" * 3000)
    assert {fault.path for fault in folder.faults()} == {"report.json", "backup.json"}
    with pytest.raises(InvalidInput, match=r"report\.json"):
        draft("report", {"symbols": ["A"]}, folder)
    before = folder.own()
    for path in folder.folder.iterdir():
        path.unlink()
    folder.folder.rmdir()
    assert folder.own() == before, "what it said last holds while it is away"
