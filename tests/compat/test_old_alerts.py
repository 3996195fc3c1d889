"""Alerts as the replaced services had them: alone, nested, and mixed with ours at any level."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from domain.definition import AlertDefinition, edited, read_definition
from domain.errors import InvalidInput
from domain.schedule_draft import ScheduleDraft

DOCUMENTED: dict[str, Any] = {
    "ticker": "AAPL",
    "timeframe": "1h",
    "rule": {
        "operator": "and",
        "conditions": [
            {"indicator": "rsi", "operator": ">", "value": 70},
            {"indicator": "price", "operator": ">", "value": 150},
        ],
    },
    "rearm": {"type": "hysteresis", "threshold": 0.02, "cooldown": 300},
    "notify": {"channels": ["telegram"], "message_template": "Alert triggered for {ticker}"},
}


def leaf(indicator: str, operator: str = ">", value: Any = 1, **more: Any) -> dict[str, Any]:
    return {"indicator": indicator, "operator": operator, "value": value, **more}


def read(rule: Any, **more: Any) -> AlertDefinition:
    return read_definition({"ticker": "AAPL", "rule": rule, **more})


def test_the_documented_alert_means_what_it_says() -> None:
    found = read_definition(DOCUMENTED)
    assert str(found.rule) == "rsi(14) > 70 and close > 150"
    assert (found.symbol, found.timeframe, found.notification_channels) == ("AAPL", "1h", ("telegram",))
    assert (found.rearm.type, found.rearm.threshold, found.rearm.cooldown) == ("hysteresis", 0.02, 300)
    assert found.message_template == "Alert triggered for {ticker}"
    assert read_definition(found.as_json()) == found, "the full form says the same"
    row = ScheduleDraft("alert", {key: value for key, value in DOCUMENTED.items() if key != "ticker"}, target="AAPL")
    assert row.definition() == found


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (leaf("rsi", ">", 70), "rsi(14) > 70"),
        (leaf("RSI", "GT", 70, params={"length": 7}), "rsi(7) > 70"),
        (leaf("rsi", "<", 30, params={"period": 21}), "rsi(21) < 30"),
        (leaf("ema", ">", "sma", params={"timeperiod": 12}), "ema(12) > sma(30)"),
        (leaf("price", "cross_above", {"indicator": "sma", "params": {"length": 50}}), "close crosses_above sma(50)"),
        (leaf("macd", ">", {"indicator": "macd", "output": "macdsignal"}), "macd(12, 26, 9) > macd(12, 26, 9).macdsignal"),
        (leaf("bbands", "<", "price", output="lowerband", params={"length": 20}), "bbands(20, 2, 2, 0).lowerband < close"),
        (leaf("volume", ">=", 1_000_000), "volume >= 1000000"),
        (leaf("close", ">", "high", offset=0), "close > high"),
        (leaf("price", "between", [100, 200]), "close between 100 and 200"),
        (leaf("rsi", ">", 70, timeframe="1d"), "rsi(14)@1d > 70"),
        (leaf("sma", ">", 1, params={"length": 20}, source="price"), "sma(20) > 1"),
        (leaf("price", "change_pct", -3, bars=12), "change_pct(close, 12) <= -3"),
        ({"operator": "OR", "conditions": [leaf("rsi"), {"operator": "not", "conditions": [leaf("price")]}]}, "rsi(14) > 1 or not (close > 1)"),
        ({"operator": "and", "conditions": ["close > 2", {"left": "sma(5)", "op": "<", "right": 3}, leaf("low")]},
         "close > 2 and sma(5) < 3 and low > 1"),
        ({"and": [{"operator": "or", "conditions": [leaf("rsi"), "close > 2"]}, {"not": leaf("open")}]},
         "(rsi(14) > 1 or close > 2) and not (open > 1)"),
        ({"conditions": [leaf("rsi")]}, "rsi(14) > 1"),
    ],
)  # fmt: skip
def test_rules_in_any_dialect_and_in_several(rule: Any, text: str) -> None:
    found = read(rule)
    assert str(found.rule) == text
    assert read_definition(found.as_json()) == found


@pytest.mark.parametrize(
    ("rule", "faults"),
    [
        (leaf("rsx"), {"$.rule.indicator": "unknown indicator"}),
        (leaf("rsi", "~"), {"$.rule.operator": ""}),
        (leaf("rsi", params={"length": -1}), {"$.rule.indicator": "timeperiod of rsi"}),
        (leaf("macd", output="hist"), {"$.rule.indicator": "no output 'hist'"}),
        (leaf("rsi", value="sma("), {"$.rule.value": ""}),
        (leaf("rsi", value={"indicator": "smx"}), {"$.rule.value.indicator": "unknown indicator"}),
        ({"indicator": "rsi", "operator": ">"}, {"$.rule.value": "is needed"}),
        ({"indicator": "rsi", "value": 1}, {"$.rule.operator": "is needed"}),
        (leaf("rsi", colour="red"), {"$.rule.colour": "unknown key"}),
        ({"operator": "xor", "conditions": [leaf("rsi")]}, {"$.rule.operator": "expected and, or, not"}),
        ({"operator": "and", "conditions": []}, {"$.rule.conditions": "at least one"}),
        ({"operator": "not", "conditions": [leaf("rsi"), leaf("open")]}, {"$.rule.conditions": "takes one"}),
        ({"operator": "and", "conditions": [leaf("rsi"), {"operator": "or", "conditions": [leaf("open"), leaf("rsy")]}]},
         {"$.rule.conditions[1].conditions[1].indicator": "did you mean"}),
        ({"and": [leaf("rsi"), {"operator": "or", "conditions": ["clos > 1"]}]}, {"$.rule.and[1].conditions[0]": ""}),
    ],
)  # fmt: skip
def test_faults_are_told_where_their_writer_wrote(rule: Any, faults: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(rule)
    told = {one.path: one.message for one in caught.value.faults}
    assert set(told) == set(faults), told
    assert all(words in told[path] for path, words in faults.items())


def test_every_fault_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_definition(
            {
                "ticker": "A B", "timeframe": "7m", "rule": {"operator": "and", "conditions": [leaf("rsx"), leaf("rsi", "~")]},
                "rearm": {"type": "hysteresis"}, "notify": {"channels": ["Pigeon!"], "message_template": "{x}", "sound": 1},
            }
        )  # fmt: skip
    assert {one.path for one in caught.value.faults} == {
        "$.symbol", "$.timeframe", "$.rule.conditions[0].indicator", "$.rule.conditions[1].operator", "$.rearm",
        "$.notify.channels", "$.notify.message_template", "$.notify.sound",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{tickr} fired", "unknown placeholder {tickr}; known are ticker"),
        ("{ticker.__class__}", "unknown placeholder"),
        ("{ticker!r}", "has a format"),
        ("{price:{width}}", "has a format"),
        ("{ticker", "cannot be read"),
    ],
)
def test_a_template_names_what_there_is(template: str, words: str) -> None:
    with pytest.raises(InvalidInput, match="message_template") as caught:
        read("close > 1", message_template=template)
    assert words in str(caught.value)
    assert read("close > 1", message_template="{ticker} at {price:,.2f} ({{ok}})").message_template


def test_no_rearm_is_the_default_one() -> None:
    assert read(leaf("rsi"), rearm=None).rearm.type == "edge"


def test_an_edit_may_be_in_the_old_words() -> None:
    found = read_definition(DOCUMENTED)
    changed = edited(found, {"rule": leaf("price", "<", 100), "notify": {"channels": ["log"]}})
    assert (str(changed.rule), changed.notification_channels) == ("close < 100", ("log",))
    assert changed.message_template == found.message_template
    with pytest.raises(InvalidInput, match=r"\$\.rule\.value"):
        edited(found, {"rule": {"indicator": "rsi", "operator": ">"}})
    with pytest.raises(InvalidInput) as caught:
        edited(
            found,
            {
                "notify": {"sound": 1, "message_template": "{x}", "channels": ["log"]},
                "notification_channels": ["log"],
                "timezone": "Mars",
            },
        )
    assert {one.path for one in caught.value.faults} == {
        "$.notify.sound", "$.notify.message_template", "$.notify.channels", "$.timezone",
    }  # fmt: skip


def test_validate_shows_the_full_form(tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text(json.dumps({**DOCUMENTED, "user_id": 123}))

    def run(*words: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "starter.cli.main", *words],
            env={**os.environ, "ALERTS_HOME": str(tmp_path / "home"), "ALERTS_TEMPORAL_PORT": "1"},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    shown = run("validate", "--show", str(file))
    assert shown == read_definition(DOCUMENTED).as_json()
    assert run("validate", "--show", str(file), "--json")["definitions"] == [shown]
    added = run("add", str(file), "--json")
    assert added["definition"] == shown
    rows = run("schedules", "list", "--json")
    assert [row["user_id"] for row in rows] == ["123"]
