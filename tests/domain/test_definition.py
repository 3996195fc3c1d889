"""Definitions in all their forms: what is accepted, what is refused, and that nothing else escapes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from domain import indicators, schemas
from domain.definition import AlertDefinition, edited, read_definition
from domain.errors import InvalidInput
from domain.expression import parse
from domain.job import JobType
from domain.operand import IndicatorOperand


def faults(data: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        read_definition(data)
    return {fault.path: fault.message for fault in caught.value.faults}


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ("AAPL > 150", "close > 150"),
        ({"symbol": "AAPL", "condition": "price_above", "threshold": 150}, "close > 150"),
        ({"symbol": "AAPL", "condition": "price_below", "threshold": 9.5}, "close < 9.5"),
        ({"symbol": "AAPL", "condition": "volume_spike", "threshold": 3}, "volume > 3 * sma(volume, 20)[1]"),
        ({"symbol": "AAPL", "condition": "rsi_oversold"}, "rsi(14) < 30"),
        ({"symbol": "AAPL", "condition": "rsi_overbought", "threshold": 80}, "rsi(14) > 80"),
        ({"ticker": "AAPL", "expression": "rsi(14) > 70 and close > sma(50)"}, "rsi(14) > 70 and close > sma(50)"),
        ({"symbol": "X", "rule": {"left": "macd(12, 26, 9).macdhist@1d[2]", "op": "<", "right": -1}}, "macd(12, 26, 9).macdhist@1d[2] < -1"),
        ({"symbol": "X", "rule": {"not": {"or": ["close > 1", {"left": "open", "op": "between", "right": [1, 2]}]}}}, "not (close > 1 or open between 1 and 2)"),
        ({"symbol": "X", "rule": "change_pct(close, 3) <= -5"}, "change_pct(close, 3) <= -5"),
    ],
)  # fmt: skip
def test_forms_compile_to_one_tree_and_print_back(data: Any, rule: str) -> None:
    definition = read_definition(data)
    assert str(definition.rule) == rule
    assert parse(rule).rule == definition.rule
    assert read_definition(definition.as_json()) == definition


def test_every_fault_is_told_at_once_with_its_path() -> None:
    found = faults(
        {
            "symbol": "SP Y", "timeframe": "7m", "rule": {"and": ["close > 1", {"left": "rsx(3)", "op": ">>", "right": 1}]},
            "rearm": {"type": "hysteresis"}, "cron": "60 * * * * *", "timezone": "Mars", "foo": 1,
            "options": {"lookback": 3, "market_hours_only": 3}, "notification_channels": ["Pigeon!"],
        }
    )  # fmt: skip
    assert set(found) == {
        "$.symbol", "$.timeframe", "$.rule.and[1].left", "$.rule.and[1].op", "$.rearm", "$.cron", "$.timezone", "$.foo",
        "$.options.lookback", "$.options.market_hours_only", "$.notification_channels",
    }  # fmt: skip
    assert "did you mean rsi" in found["$.rule.and[1].left"]


@pytest.mark.parametrize(
    ("rule", "rearm", "text"),
    [
        ("close > 100", {"type": "hysteresis", "level": 101}, "must not lie above"),
        ("not close > 100", {"type": "hysteresis", "level": 99}, "must not lie below"),
        ("close > 1 and open > 2", {"type": "hysteresis", "level": 1}, "one comparison"),
        ("close between 1 and 2", {"type": "crossing"}, "has none"),
        ("close > 1", {"type": "crossing", "persistence": 2}, "cannot be combined"),
        ("close > 1", {"type": "cooldown"}, "needs 'cooldown'"),
        ("close > 1", {"type": "persistence"}, "needs 'persistence'"),
        ("close > 1", {"type": "edge", "threshold": 0.1}, "belong to type hysteresis"),
        ("close crosses 1", {"type": "hysteresis", "threshold": 0.1}, "already a crossing"),
    ],
)
def test_rearm_that_cannot_go_with_the_rule(rule: str, rearm: dict[str, Any], text: str) -> None:
    assert text in " ".join(faults({"symbol": "X", "rule": rule, "rearm": rearm}).values())


HOSTILE: list[Any] = [
    None, 3, [], {}, "", "(" * 500, "close >" * 400, "not " * 3000, "rsi(1e999) > 1", "close[1e999] > 1", "close > \x00",
    {"symbol": "X", "rule": {"left": {"indicator": "rsi", "params": {"timeperiod": 10**400}}, "op": ">", "right": 1}},
    {"symbol": "X", "rule": "close > 1", "options": {"expires_at": "0001-01-01T00:00:00+14:00"}},
    {"symbol": "X", "rule": "close > 1", "options": {"expires_at": 5}},
    {"symbol": "X", "rule": "close > 1", "options": {"max_triggers": True}},
    {"symbol": "X", "rule": "close > 1", "rearm": {"type": "edge", "cooldown": True}},
    {"symbol": "X", "rule": {"left": "close", "op": ">", "right": True}},
    {"symbol": "X", "rule": {"left": "close", "op": ">", "right": float("nan")}},
    {"symbol": "X", "rule": "close > 1", "notification_channels": ["log\n"]},
]  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_input_is_refused_as_input(data: Any) -> None:
    assert faults(data)


def test_a_tree_of_a_thousand_levels_is_refused() -> None:
    node: Any = "close > 1"
    for _ in range(900):
        node = {"not": node}
    assert "nested" in faults({"symbol": "X", "rule": node})["$"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["symbol", "rule", "rearm", "options", "cron", "timezone", "timeframe", "tags", "condition", "threshold"]
        ),
        json_values,
    )
)
def test_only_invalid_input_escapes(data: dict[str, Any]) -> None:
    try:
        read_definition(data)
    except InvalidInput as error:
        assert error.faults


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="closervsima()<>=. 0123456789andot@[]*-+/%:&!,'\"XY", max_size=40))
def test_expressions_read_back_or_are_refused(text: str) -> None:
    try:
        rule = parse(text).rule
    except InvalidInput:
        return
    assert parse(str(rule)).rule == rule


def test_an_edit_derives_name_and_cron_anew_and_changes_nothing_when_bad() -> None:
    definition = read_definition({"symbol": "AAPL", "rule": "close > 1", "timeframe": "1m"})
    changed = edited(definition, {"timeframe": "5m", "rule": "AAPL > 2"})
    assert (changed.cron, changed.name) == ("*/5 * * * *", "AAPL 5m: close > 2")
    assert not changed.keeps_state_of(definition)
    assert edited(definition, {"name": "mine"}).keeps_state_of(definition)
    with pytest.raises(InvalidInput):
        edited(definition, {"rule": "nonsense("})


@pytest.mark.parametrize("name", sorted(indicators.catalogue()))
def test_every_indicator_reads_back_with_its_defaults(name: str) -> None:
    operand = IndicatorOperand(indicator=name)
    definition = read_definition({"symbol": "X", "rule": {"left": {"indicator": name}, "op": ">", "right": 1}})
    assert read_definition(definition.as_json()) == definition
    assert getattr(parse(f"{operand.key} > 0").rule, "left", None) == operand


def test_schema_is_the_models_and_agrees_with_them() -> None:
    for job_type in JobType:
        assert schemas.load(job_type) == json.loads(json.dumps(schemas.generate(job_type))), "run: make generated"
        Draft202012Validator.check_schema(schemas.load(job_type))
    validator = Draft202012Validator(schemas.load("alert"))
    validator.check_schema(schemas.load("alert"))
    full = read_definition(
        {
            "symbol": "SPY", "timeframe": "1h", "rule": "rsi(14) > 70 and not close between 1 and sma(50)",
            "rearm": {"type": "hysteresis", "threshold": 0.01, "cooldown": 60}, "options": {"max_triggers": 3},
            "tags": ["a"],
        }
    )  # fmt: skip
    good = full.as_json()
    assert validator.is_valid(good)
    assert validator.is_valid(json.loads(full.model_dump_json(by_alias=True)))
    for bad in (
        {**good, "symbol": "SP Y"}, {**good, "foo": 1}, {**good, "rearm": {"type": "other"}},
        {**good, "rearm": {"type": "edge", "cooldown": -1}}, {**good, "options": {"lookback": 3}},
        {**good, "rule": {"left": {"field": "clos"}, "op": ">", "right": 1}}, {k: v for k, v in good.items() if k != "rule"},
    ):  # fmt: skip
        assert not validator.is_valid(bad)
        assert faults(bad)
    assert isinstance(full, AlertDefinition)
