"""``alerts show`` says all that its owner said, and how it is."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.alert import Alert, AlertState, Reason, Status
from domain.bar import BarSnapshot
from domain.definition import read_definition
from starter.cli.alert_view_commands import _shown
from starter.liveness import seen
from storage.database import Database

AT = datetime(2026, 1, 5, 21, tzinfo=UTC)
WHOLE = {
    "symbol": "AAPL", "timeframe": "1h", "rule": "close > 160", "name": "breakout", "description": "after earnings", "tags": ["tech", "q4"],
    "priority": "urgent", "message_template": "{ticker} broke out", "options": {"expires_at": "2026-12-31T21:00:00Z", "max_triggers": 3},
    "rearm": {"type": "hysteresis", "threshold": 0.01}, "notification_channels": ["webhook"],
}  # fmt: skip


async def shown(
    database: Database, definition: dict[str, object], state: AlertState, paused: str = ""
) -> dict[str, str]:
    alert = Alert(id="a1", user_id="ann", definition=read_definition(definition))
    async with database.transaction() as work:
        await work.schedules.add(alert, AT)
        await work.schedules.project("a1", 1, state, AT)
    async with database.transaction() as work:
        (stored,) = await work.schedules.these(["a1"])
    return dict(_shown(stored, {}, paused, seen(stored, None), ""))  # type: ignore[arg-type]


async def test_everything_that_the_definition_has(database: Database) -> None:
    state = AlertState(last_snapshot=BarSnapshot(AT, AT, {"close": 152.0}), last_bar_close=AT)
    rows = await shown(database, WHOLE, state)
    assert rows["description"] == "after earnings"
    assert rows["message"] == "{ticker} broke out"
    assert rows["tags"] == "tech, q4"
    assert rows["options"] == "expires_at=2026-12-31T21:00:00Z, max_triggers=3"
    assert rows["rearm"] == "hysteresis, threshold 0.01"
    assert (rows["priority"], rows["owner"], rows["channels"]) == ("urgent", "ann", "webhook")
    assert rows["away"] == "5.00 % from firing"
    assert "paused" not in rows


async def test_why_it_is_paused_and_nothing_that_nobody_said(database: Database) -> None:
    state = AlertState(status=Status.INACTIVE, reason=Reason.SNOOZED)
    rows = await shown(database, {"rule": "AAPL > 1"}, state, "until 2026-01-06 09:30:00 UTC: earnings")
    assert rows["paused"] == "until 2026-01-06 09:30:00 UTC: earnings"
    assert not {"description", "message", "tags", "options", "custom", "away", "last fire"} & rows.keys()
