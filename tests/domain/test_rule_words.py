"""What traders type: understood, or answered with the exact text to write instead."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import expression
from domain.alert import Alert
from domain.compiled_rule import CompiledRule
from domain.definition import AlertDefinition, read_definition
from domain.errors import InvalidInput
from domain.operand import CalculatedOperand, FieldOperand, Operand, operand_text
from domain.rule import comparisons
from domain.screener import _operand_key

UNDERSTOOD = [
    ("tell me when RSI(14) of X on the hour is over 70 and the price over 150", "rsi(14) > 70 and close > 150"),
    ("price above 150", "close > 150"), ("the price is below 150.", "close < 150"), ("close => 150", "close >= 150"),
    ("close =< 150", "close <= 150"), ("close ≥ 150", "close >= 150"), ("close <> 150", "close != 150"),
    ("close > 1 && open > 2 || high > 3", "close > 1 and open > 2 or high > 3"), ("!(close > 1)", "not (close > 1)"),
    ("price is at least 150", "close >= 150"), ("price is at most 150", "close <= 150"),
    ("price is greater than or equal to 150", "close >= 150"), ("rsi(14) cross_above 70", "rsi(14) crosses_above 70"),
    ("rsi(14) crosses above 70", "rsi(14) crosses_above 70"), ("rsi(14) crossing up 70", "rsi(14) crosses_above 70"),
    ("close crossunder sma(50)", "close crosses_below sma(50)"), ("price falls below 150", "close crosses_below 150"),
    ("price crosses 150", "close crosses 150"), ("rsi is not between 30 and 70", "rsi(14) outside 30 and 70"),
    ("macd crosses_above macdsignal", "macd(12, 26, 9) crosses_above macd(12, 26, 9).macdsignal"),
    ("macd(5, 35, 5) crosses above macdsignal", "macd(5, 35, 5) crosses_above macd(5, 35, 5).macdsignal"),
    ("change_pct(close, 12) < -3%", "change_pct(close, 12) < -3"),
    ("(high + low) / 2 > sma(20)", "(high + low) / 2 > sma(20)"), ("close > sma(50) * 102%", "close > 1.02 * sma(50)"),
    ("close / sma(50) - 1 > 2%", "close / sma(50) - 1 > 0.02"), ("abs(close - open) > 2 * atr(14)", "abs(close - open) > 2 * atr(14)"),
    ("-close < -5", "-1 * close < -5"), ("max(open, close) > sma(20)", "max(open, close) > sma(20)"),
    ("max(high, 20) > 5", "max(high, 20) > 5"), ("min(30, close) > 5", "min(30, close) > 5"), ("close > 3 * 4 + 1", "close > 13"),
    ("close - (open - low) > 0", "close - (open - low) > 0"), ("close / QQQ:close > 1.2", "close / QQQ:close > 1.2"),
    ("qqq:rsi(14)@1d > 70", "QQQ:rsi(14)@1d > 70"), ("close of QQQ > 300", "QQQ:close > 300"),
    ('"7203.T":close > 300', '"7203.T":close > 300'), ("X:close > 150", "close > 150"),
    ("change_pct(close, 5) > change_pct(QQQ:close, 5)", "100 * ((close - close[5]) / abs(close[5])) > 100 * ((QQQ:close - QQQ:close[5]) / abs(QQQ:close[5]))"),
]  # fmt: skip
REWRITTEN = [
    ("aapl > 150", "a ticker is written in capitals: AAPL > 150"), ("rsii > 70", "did you mean rsi?"),
    ("X > 1 and MSFT > 2", "write X > 1 and MSFT:close > 2"), ("close > sma(50) + 2%", "write sma(50) * 1.02"),
    ("rsi(14) > 70%", "means 0.7; write the number itself"), ("close > upperband", "write accbands(…).upperband or bbands(…).upperband"),
    ("RSI > 70", "for the indicator write rsi(…), for another ticker's price RSI:close"), ("close / 0 > 1", "divides by zero"),
    ("close > 1 on the hour and open > 2 on the day", "write rsi(14)@1d for one of another"), ("1 + 2 > 3", "compares two numbers"),
    ("close > 1 and", "but the text ends"), ("sma(rsi(14), 3) > 2", "expected a number, name=number, or one of open"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rule"), UNDERSTOOD, ids=[text for text, _ in UNDERSTOOD])
def test_what_people_type_is_understood(text: str, rule: str) -> None:
    definition = read_definition({"rule": text, "symbol": "X"})
    assert str(definition.rule) == rule
    assert read_definition({"rule": rule, "symbol": "X"}).rule == definition.rule
    assert read_definition(definition.as_json()) == definition


@pytest.mark.parametrize(("text", "words"), REWRITTEN, ids=[text for text, _ in REWRITTEN])
def test_or_answered_with_what_to_write(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_definition({"rule": text, "symbol": "X"})
    assert [fault.path for fault in caught.value.faults] == ["$.rule"], "one fault, once"
    assert words in caught.value.faults[0].message


def test_the_sentence_of_the_readme_is_a_whole_alert() -> None:
    found = read_definition("tell me when RSI(14) of AAPL on the hour is over 70 and the price over 150")
    assert (found.symbol, found.timeframe, str(found.rule)) == ("AAPL", "1h", "rsi(14) > 70 and close > 150")


def test_a_text_that_says_another_timeframe_is_told() -> None:
    with pytest.raises(InvalidInput, match="says 1h, but the alert's timeframe is 1d"):
        read_definition({"rule": "X > 1 on the hour", "timeframe": "1d"})


def test_a_bad_rule_that_names_a_ticker_does_not_ask_for_one() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_definition("AAPL > 1 / 0")
    assert [fault.path for fault in caught.value.faults] == ["$.rule"]


@pytest.mark.parametrize(
    ("rule", "values", "truth"),
    [
        ("(high + low) / 2 > 10", {"high": 12.0, "low": 9.0}, True),
        ("close / open > 1.2", {"close": 12.0, "open": 0.0}, None),
        ("close / open > 1.2", {"close": 12.0, "open": None}, None),
        ("close / QQQ:close > 1.2", {"close": 12.0, "QQQ:close": 9.0}, True),
        ("close / QQQ:close > 1.2", {"close": 12.0, "QQQ:close": None}, None),
        ("abs(close - open) >= 2", {"close": 8.0, "open": 10.0}, True),
        ("max(open, close) - min(open, close) < 2", {"close": 8.0, "open": 10.0}, False),
        ("close * volume > 1", {"close": 1e200, "volume": 1e200}, None),
        ("change_pct(close / QQQ:close, 1) > 50", {"close": 4.0, "QQQ:close": 2.0, "close[1]": 2.0, "QQQ:close[1]": 2.0}, True),
    ],
)  # fmt: skip
def test_arithmetic_is_unknown_where_no_number_comes_of_it(
    rule: str, values: dict[str, float | None], truth: bool | None
) -> None:
    assert CompiledRule(read_definition({"symbol": "X", "rule": rule})).truth(values, {}) is truth


@pytest.mark.parametrize(
    ("operand", "words"),
    [
        ({"calc": "/", "of": ["close"]}, "'/' takes two values, got 1"), ({"calc": "abs", "of": ["close", 1]}, "abs takes one value, got 2"),
        ({"calc": "+", "of": [1, 2]}, "calculates with numbers alone"), ({"calc": "^", "of": ["close", 2]}, "'^'"),
        ({"calc": "+", "of": ["close", "nonsense("]}, "nonsense"),
    ],
)  # fmt: skip
def test_a_tree_that_cannot_be_calculated_is_told(operand: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_definition({"symbol": "X", "rule": {"left": operand, "op": ">", "right": 1}})
    told = [f"{fault.message} {fault.value}" for fault in caught.value.faults]
    assert len(told) == 1
    assert words in told[0] or words.strip("'") in told[0]


def test_deep_calculations_are_refused_as_input() -> None:
    node: Any = "close"
    for _ in range(300):
        node = {"calc": "abs", "of": [node]}
    with pytest.raises(InvalidInput):
        read_definition({"symbol": "X", "rule": {"left": node, "op": ">", "right": 1}})
    with pytest.raises(InvalidInput, match="nested deeper"):
        read_definition({"symbol": "X", "rule": "(" * 60 + "close" + ")" * 60 + " > 1"})


def test_a_rule_of_too_many_tickers_is_told() -> None:
    rule = " and ".join(f"T{letter}:close > 1" for letter in "ABCDEFGHIJK")
    with pytest.raises(InvalidInput, match="reads 11 other tickers, at most 10"):
        read_definition({"symbol": "X", "rule": rule})


def _calculated(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    two = st.tuples(st.sampled_from("+-*/"), st.lists(parts, min_size=2, max_size=2))
    many = st.tuples(st.sampled_from(["min", "max"]), st.lists(parts, min_size=2, max_size=3))
    one = st.tuples(st.just("abs"), st.lists(parts, min_size=1, max_size=1))
    return (two | many | one).map(lambda pair: {"calc": pair[0], "of": pair[1]})


NAMES = ["open", "high", "low", "close", "volume"]
TREES = st.recursive(
    st.sampled_from([{"field": name} for name in NAMES]) | st.sampled_from([2.0, 0.5, 3.0]), _calculated, max_leaves=8
)
VALUES = st.fixed_dictionaries({name: st.sampled_from([0.0, 1.0, -2.5, 7.0, None]) for name in NAMES})


@settings(max_examples=300, deadline=None)
@given(TREES, VALUES)
def test_any_calculation_reads_back_to_the_same_value(tree: Any, values: dict[str, float | None]) -> None:
    """A text may be built another way (numbers are worked out at once), never mean something else."""
    try:
        definition = read_definition({"symbol": "X", "rule": {"left": tree, "op": ">", "right": 1}})
        again = read_definition({"symbol": "X", "rule": str(definition.rule)})
    except InvalidInput:
        return
    left = [_left(one, values) for one in (definition, again)]
    assert left[0] == pytest.approx(left[1]) or _at_zero(definition.rule.left)  # type: ignore[union-attr]


def _left(definition: AlertDefinition, values: dict[str, float | None]) -> float | None:
    return Alert(id="a", definition=definition).compiled.explain(values, {})[0].left


def _at_zero(operand: Operand) -> bool:
    """A number divided by zero is refused in a text and missing in a tree."""
    return "/ 0" in operand_text(operand)


def test_an_operand_alone_is_no_comparison() -> None:
    assert expression.operand_in("(high + low) / 2") == CalculatedOperand.model_validate(
        {"calc": "/", "of": [{"calc": "+", "of": [{"field": "high"}, {"field": "low"}]}, 2]}
    )
    assert expression.operand_in("QQQ:close") == FieldOperand(field="close", symbol="QQQ")
    with pytest.raises(InvalidInput, match="expected the end"):
        expression.operand_in("close > 1")


def test_whose_a_rule_is_that_names_one_ticker_is_not_guessed() -> None:
    for text in ("close / QQQ:close > 1.2", "rsi(14) > rsi(14) of QQQ"):
        with pytest.raises(InvalidInput) as caught:
            read_definition(text)
        assert [fault.path for fault in caught.value.faults] == ["$.symbol"], "it would compare QQQ with itself"
    assert read_definition("QQQ:close > 300").symbol == "QQQ"
    assert read_definition("rsi(14) of QQQ > 70 and price > 3").symbol == "QQQ"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("abs(change_pct(close, 1)) > 3%", 3), ("3% < change_pct(close, 5)", 3), ("-change_pct(close, 5) > 3%", 3),
        ("max(change_pct(close, 1), change_pct(QQQ:close, 1)) > 3%", 3), ("(close - open) / open * 100 > 3%", 3),
        ("change_pct(close, 5) > 2% + 1%", 3), ("close / sma(50) > 1 + 2%", 1.02), ("close / sma(50) - 1 > 3%", 0.03),
        ("3% < close / sma(50) - 1", 0.03),
    ],
)  # fmt: skip
def test_a_percent_means_what_stands_beside_it(text: str, number: float) -> None:
    (leaf,) = comparisons(read_definition({"rule": text, "symbol": "X"}).rule)
    assert number in leaf.operands()


@pytest.mark.parametrize("text", ["close > 150 + 2%", "close < 150 - 5%", "close > 2% + sma(50)", "3% < close"])
def test_a_percent_of_something_unsaid_is_asked_for(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"could mean two things|write the number itself"):
        read_definition({"rule": text, "symbol": "X"})


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"left": "close / QQQ", "op": ">", "right": 1.2}, "for another ticker's price write QQQ:close"),
        ({"left": "QQQ", "op": ">", "right": "close"}, "for another ticker's price write QQQ:close"),
        ({"left": "close", "op": ">", "right": "3%"}, "could mean two things"),
        ({"left": "close on the hour", "op": ">", "right": 1}, "names the timeframe 1h"),
        ("sma(20) of volume > 1000", "write sma(volume, …)"), ("QQQ:close of SPY > 1", "names two tickers, QQQ and SPY"),
    ],
)  # fmt: skip
def test_nothing_that_is_named_is_passed_over(rule: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_definition({"symbol": "X", "rule": rule})
    assert words in str(caught.value)
    assert str(read_definition({"symbol": "X", "rule": {"left": "X", "op": ">", "right": 1}}).rule) == "close > 1"


def test_an_output_by_itself_is_of_the_indicator_before_it() -> None:
    daily = read_definition({"symbol": "X", "timeframe": "1m", "rule": "macd@1d crosses_above macdsignal"})
    assert str(daily.rule) == "macd(12, 26, 9)@1d crosses_above macd(12, 26, 9).macdsignal@1d"
    other = read_definition({"symbol": "X", "rule": "QQQ:macd crosses_above macdsignal"})
    assert str(other.rule) == "QQQ:macd(12, 26, 9) crosses_above QQQ:macd(12, 26, 9).macdsignal"


def test_a_short_text_does_not_become_a_definition_that_nobody_can_keep() -> None:
    inner = ",".join(f"sma({number})" for number in range(2, 22))
    text = " or ".join(f"change_pct(change_pct(change_pct(max({inner}),1),1),1) == {n}" for n in range(8))
    with pytest.raises(InvalidInput, match="is calculated from 5,064 parts, at most 2,000"):
        read_definition({"symbol": "X", "rule": text})


def test_the_forming_bar_is_not_compared_with_other_tickers() -> None:
    with pytest.raises(InvalidInput, match="leave out 'evaluate_on'"):
        read_definition({"symbol": "X", "rule": "close > QQQ:close", "options": {"evaluate_on": "tick"}})


def test_a_multiple_that_is_no_number_is_unknown() -> None:
    rule = CompiledRule(read_definition({"symbol": "X", "rule": "1e300 * volume > 5"}))
    assert rule.truth({"volume": 1e200}, {}) is None


def test_a_screener_ranks_by_what_it_says() -> None:
    for text in ("100 / close", "2 * close", "QQQ:close", "abs(rsi(14) - 50)"):
        with pytest.raises(ValueError, match="expected volume"):
            _operand_key(text)
    assert _operand_key("rsi(14)") == "rsi(14)"
