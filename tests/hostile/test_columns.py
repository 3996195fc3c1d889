"""Rows that other programs wrote: whatever a cell holds, lists, single objects and deletion work, and the row says its fault."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.ids import may_be_of_a_row
from storage.database import Database
from storage.tables import ScheduleRow
from tests.hostile.catalogue import MEGABYTE, STEERING, VALUES
from tests.starter.api.conftest import Api

COLUMNS = [column.name for column in ScheduleRow.__table__.columns]
CELLS: dict[str, Any] = {
    "binary": b"\x00\xff\xfe" * 20,
    "binary text": b"ARMED",
    "much binary": b"\xff" * (3 * MEGABYTE),
    "text": "garbage",
    "control characters": STEERING,
    "beyond 64 bits": 1e300,
    "not finite": float("inf"),
    "negative": -(2**62),
    "a time": "9999-12-31 23:59:59.999999",
    "JSON text": '"text"',
    "huge JSON": json.dumps(["x" * 100] * 40_000),
    "deep JSON": '{"not":' * 5000 + "1" + "}" * 5000,
    "wide JSON": json.dumps(VALUES["many names"]),
    "bad leaves": json.dumps({"symbol": "A", "rule": {"and": [{"left": {}, "op": "?"}] * 26_000}}),
    "a number beyond": json.dumps({"symbol": "A", "rule": "close > 1", "threshold": 2**80}),
    "NaN": '{"symbol": "A", "rule": {"left": "close", "op": ">", "right": NaN}}',
}
LIMITS = {"name": 255, "owner": 64}
GOOD = {"symbol": "AAPL", "rule": "close > 1"}


async def put(database: Database, id: str, column: str, cell: Any) -> bool:
    """A good row with one odd cell, as another program writes it; False where the database refuses."""
    values = {"key": id, "owner": "ann", "task_params": json.dumps(GOOD), column: cell}
    kinds = {name: ScheduleRow.__table__.columns[name].type for name in values}
    marks = [f":{n}" if database.engine.dialect.name == "sqlite" else f"CAST(:{n} AS {_sql(kinds[n])})" for n in values]
    statement = text(f"INSERT INTO job_schedules ({', '.join(values)}) VALUES ({', '.join(marks)})")
    given = (
        values if database.engine.dialect.name == "sqlite" else {name: _plain(value) for name, value in values.items()}
    )
    try:
        async with database.engine.begin() as connection:
            await connection.execute(statement, given)
    except (DBAPIError, UnicodeError, ValueError):
        return False
    return True


def _sql(kind: Any) -> str:
    return "json" if "Json" in type(kind).__name__ else str(kind.compile())


def _plain(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_row_with_any_cell_can_be_listed_seen_and_deleted(api: Api, column: str) -> None:
    await put(api.database, "good", "name", "good")
    there = []
    for number, cell in enumerate(CELLS.values()):
        id = cell if column == "key" else f"odd-{number}"
        if await put(api.database, id, column, cell):
            there.append(id)
    if column == "key":
        there = [id for id in there if isinstance(id, str) and may_be_of_a_row(id)]
    for path in ("/api/schedules", "/api/alerts"):
        seen: dict[str, Any] = {}
        cursor: str | None = None
        while True:
            answer = await api.admin.get(path, params={"cursor": cursor} if cursor else {})
            assert answer.status_code == 200, answer.text[:500]
            assert len(answer.content) < 4 * MEGABYTE
            seen |= {one["id"]: one for one in answer.json()["items"]}
            cursor = answer.json()["next_cursor"]
            if cursor is None:
                break
        assert "good" in seen
        if path == "/api/schedules" and column not in ("key", "created_at"):
            assert set(there) <= set(seen)
    assert (await api.admin.get("/health")).status_code in (200, 503)
    for id in there:
        single = await api.admin.get(f"/api/schedules/{id}")
        assert single.status_code == 200, single.text[:500]
        assert len(single.content) < 200_000
        assert single.json()["id"] == id
        gone = await api.admin.delete(f"/api/schedules/{id}", headers={"If-Match": "*"})
        assert gone.status_code == 204, gone.text[:500]
        assert (await api.admin.get(f"/api/schedules/{id}")).status_code == 404


@pytest.mark.parametrize("column", ["task_params", "owner", "version", "state_version", "name", "cron", "timezone"])
async def test_a_row_that_cannot_be_used_says_why(api: Api, column: str) -> None:
    for number, cell in enumerate(CELLS.values()):
        if not await put(api.database, f"odd-{number}", column, cell):
            continue
        told = (await api.admin.get(f"/api/schedules/odd-{number}")).json()
        kept = cell if api.database.engine.dialect.name == "sqlite" else _plain(cell)[: LIMITS.get(column)]
        if not _readable(column, kept):  # a cast to a text of some length cuts it off
            assert told["errors"], (column, list(CELLS)[number])
            assert all(len(json.dumps(one)) < 2000 for one in told["errors"])


def _readable(column: str, cell: Any) -> bool:
    """What is odd, and still means something in that column."""
    if column in ("version", "state_version"):
        return isinstance(cell, int) or str(cell).lstrip("-").isdigit()
    most = LIMITS.get(column, 0)
    return not isinstance(cell, bytes) and len(str(cell)) <= most and str(cell).isprintable()
