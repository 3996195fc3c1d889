"""What people write and press, and what they read: alerts, schedules, reports, by their owners alone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from domain.errors import InvalidInput
from starter.telegram.reading import order_in, rule_in
from storage.database import Database
from storage.runs import RunFilter
from tests.conftest import START
from tests.starter.telegram.conftest import Desk

MINUTE = timedelta(minutes=1)


async def alerts_of(database: Database, user: str) -> list[Any]:
    async with database.transaction() as work:
        return [one for one in await work.schedules.alerts() if one.user_id == user]


async def test_an_alert_is_made_and_steered_by_buttons(desk: Desk) -> None:
    await desk.register()
    said = await desk.write("/alert aapl > 150 on 1h")
    lines = said.splitlines()
    assert lines[0] == "Saved; it runs as soon as Temporal can be reached."
    assert lines[2:4] == ["AAPL 1h: close > 150", "🟢 ARMED (created)"]
    (made,) = await alerts_of(desk.database, "ann")
    assert made.alert.definition.notification_channels == ("telegram",)
    assert "1 alert" in await desk.write("/list")
    assert "🟢 ARMED (created)" in await desk.press("AAPL")
    assert (await desk.press("Pause")).startswith("Paused.\n")
    (made,) = await alerts_of(desk.database, "ann")
    assert not made.enabled
    assert "⏸ paused" in desk.telegram.messages[-1]["shown"]
    assert (await desk.press("Resume")).startswith("Resumed.\n")
    assert "Delete AAPL 1h: close > 150?" in await desk.press("Delete")
    assert "AAPL" in await desk.press("No")
    await desk.press("Delete")
    assert (await desk.press("Yes")).startswith("Deleted.\n")
    assert await alerts_of(desk.database, "ann") == []
    async with desk.database.transaction() as work:
        audit = await work.audit.of(made.id, 10)
    assert [(one.action, one.actor, one.client) for one in audit] == [
        ("deleted", "ann", "telegram"), ("resumed", "ann", "telegram"), ("paused", "ann", "telegram"),
        ("created", "ann", "telegram"),
    ]  # fmt: skip


async def test_an_update_that_comes_twice_makes_one_alert(desk: Desk) -> None:
    await desk.register()
    desk.telegram.write("/alert AAPL > 150")
    update = desk.telegram.updates[0]
    await desk.hear()
    desk.telegram.updates = [update]
    await desk.hear()
    assert len(await alerts_of(desk.database, "ann")) == 1
    assert desk.telegram.messages[-1]["shown"].startswith("Already there.")


async def test_nobody_sees_or_steers_anothers(desk: Desk) -> None:
    await desk.register()
    await desk.register(43, "bob")
    await desk.write("/alert AAPL > 150")
    (anns,) = await alerts_of(desk.database, "ann")
    assert "No alerts yet" in await desk.write("/list", 43)
    for word in ("pause", "delete", "explain", "chart", "snooze", "acknowledge"):
        assert "there is no alert" in await desk.write(f"/{word} {anns.id}", 43), word
    card = next(one for one in desk.telegram.messages if one.get("reply_markup"))
    card["chat_id"] = 43  # a button of hers, pressed by somebody else
    assert "there is no alert" in await desk.press("Pause", 43)
    assert (await alerts_of(desk.database, "ann"))[0].enabled


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("/alert", "Write the rule behind it"),
        ("/alert AAPL >", "rule: "),
        ("/alert AAPL rsx(14) > 70", "did you mean rsi?"),
        ("/alert close > 150", "symbol: "),
        ("/pause", "name it by its id"),
        ("/pause nothing", "there is no alert 'nothing'; see '/list'"),
        ("/report", "Say of what"),
        ("/report A B!", "symbols"),
        ("/schedule report AAPL at 25:00", "expected such as"),
        ("/schedule something", "expected such as"),
        ("/sing", "There is no /sing."),
        ("hello <b>you</b>", "I know commands"),
    ],
)
async def test_what_cannot_be_done_is_told(desk: Desk, said: str, answer: str) -> None:
    await desk.register()
    assert answer in await desk.write(said)
    assert await alerts_of(desk.database, "ann") == []


async def test_without_temporal_what_needs_it_says_so(desk: Desk) -> None:
    await desk.register()
    await desk.write("/alert AAPL > 150")
    for label in ("Explain", "Snooze"):
        assert "127.0.0.1:1" in await desk.press(label) or "Temporal" in desk.telegram.messages[-1]["shown"], label
        await desk.write("/list")
        await desk.press("AAPL")


async def test_quotas_hold_here_too(desk: Desk) -> None:
    small = desk.again(quota_alerts=1)
    await small.register()
    await small.write("/alert AAPL > 150")
    assert "QUOTA_ALERTS" in await small.write("/alert MSFT > 150")


async def test_many_alerts_have_pages(desk: Desk) -> None:
    await desk.register()
    for number in range(10):
        desk.telegram.write(f"/alert T{number} > 150")
        await desk.hear()
    assert await desk.write("/list") == "10 alerts, page 1 of 2"
    assert await desk.press("›") == "10 alerts, page 2 of 2"
    keyboard = json.loads(desk.telegram.messages[-1]["reply_markup"])["inline_keyboard"]
    assert [len(row) for row in keyboard] == [1, 1, 2]
    assert await desk.press("›") == "10 alerts, page 1 of 2"


async def test_a_row_that_cannot_be_read_is_shown_as_such(desk: Desk) -> None:
    from sqlalchemy import text

    await desk.register()
    await desk.write("/alert AAPL > 150")
    async with desk.database.transaction() as work:
        await work.session.execute(text('UPDATE job_schedules SET task_params = \'{"rule": "rsx(1) > 2"}\''))
    await desk.write("/list")
    said = await desk.press("⚠️")
    assert "cannot be used" in said
    assert "did you mean rsi?" in said


async def test_schedules_are_made_run_and_stopped(desk: Desk) -> None:
    await desk.register()
    assert "No schedules yet" in await desk.write("/schedule")
    said = await desk.write("/schedule report aapl, msft at 16:30")
    assert "▶️ Report on AAPL, MSFT (report): at 16:30 on Monday to Friday, UTC" in said
    assert "is on its way" in await desk.press("Run Report")
    async with desk.database.transaction() as work:
        (run,) = await work.runs.page(RunFilter(), None, 10)
    assert (run.job_type, run.user_id) == ("report", "ann")
    assert "⏸" in await desk.press("Pause")
    assert "▶️" in await desk.press("Resume")


async def test_a_report_is_ordered_and_told_in_this_chat(desk: Desk) -> None:
    await desk.register()
    await desk.write("/alert AAPL > 150")
    assert (await desk.write("/report")).startswith("The report on AAPL is on its way.")
    async with desk.database.transaction() as work:
        (run,) = await work.runs.page(RunFilter(), None, 10)
    assert run.job_snapshot["task_params"] == {"symbols": ["AAPL"], "notification_channels": ["telegram"]}


async def test_a_chart_comes_as_a_picture(desk: Desk) -> None:
    from domain.bar import Bar

    await desk.register()
    await desk.write("/alert AAPL > 150")
    assert "too few bars" in await desk.press("Chart")
    bars = [Bar(START + i * MINUTE, START + (i + 1) * MINUTE, 100 + i, 103 + i, 99 + i, 101 + i, 10) for i in range(60)]
    async with desk.database.transaction() as work:
        await work.bars.save("AAPL", "1m", "raw", bars, "test")
    await desk.write("/list")
    await desk.press("AAPL")
    assert await desk.press("Chart") == "AAPL 1m: close > 150"
    picture = desk.telegram.messages[-1]
    assert picture["photo"].startswith(b"\x89PNG")
    assert "AAPL" in await desk.press("Back"), "the card comes as a new message, as a picture cannot become one"


async def test_an_id_that_another_has_is_shown_without_its_mark(desk: Desk) -> None:
    await desk.register()
    assert "-u" not in (await desk.write("/alert AAPL > 150")).splitlines()[-1].removeprefix("aapl-")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("AAPL > 150", {"rule": "AAPL > 150"}),
        ("aapl > 150 on 1H", {"rule": "AAPL > 150", "timeframe": "1h"}),
        ("btc-usd rsi(14) < 30 1d", {"symbol": "BTC-USD", "rule": "rsi(14) < 30", "timeframe": "1d"}),
        ("AAPL: close crosses_above sma(50)", {"symbol": "AAPL", "rule": "close crosses_above sma(50)"}),
        ("EURUSD=X between 1.0 and 1.1", {"rule": "EURUSD=X between 1.0 and 1.1"}),
        ("rsi(14) > 70 and AAPL > 150", {"rule": "rsi(14) > 70 and AAPL > 150"}),
        ("not AAPL > 150", {"rule": "not AAPL > 150"}),
        ("close > 5", {"rule": "close > 5"}),
    ],
)
def test_rules_as_people_type_them(said: str, expected: dict[str, str]) -> None:
    assert rule_in(said) == expected


def test_orders_as_people_type_them() -> None:
    assert order_in("report AAPL MSFT at 9:30 daily") == (["AAPL", "MSFT"], "30 9 * * *")
    assert order_in("Report aapl,msft at 16:05 weekdays") == (["AAPL", "MSFT"], "5 16 * * 1-5")
    with pytest.raises(InvalidInput, match="expected such as"):
        order_in("report at 16:00")


async def test_whatever_comes_the_bot_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.register()

    async def broken(*given: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("starter.telegram.commands.Commands._rows", broken)
    monkeypatch.setattr("starter.telegram.bot.log.exception", lambda *given, **named: None)
    said = await desk.write("/list")
    assert said.startswith("A fault of ours")
    assert "secret" not in said
    assert "/alert AAPL" in await desk.write("/help")
