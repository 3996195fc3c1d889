"""Definitions that hold too much are refused before anything is made of them, and what is said of them stays short."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from domain.bounds import MOST_ITEMS, MOST_LEVELS, MOST_NAMES, MOST_VALUES, refuse_too_much
from domain.definition import AlertDefinition, read_definition
from domain.errors import MOST_FAULTS, Fault, InvalidInput, MoreFaults
from domain.job import PARAMS, read_job
from domain.text import markdown, printable, refuse_steering, said
from domain.zones import zone


def deep(levels: int) -> Any:
    made: Any = "close > 1"
    for _ in range(levels):
        made = {"not": made}
    return made


TOO_MUCH = {
    "leaves": {"and": [{"x": 1}] * 26_000},
    "texts": {"and": ["rsi(14) > 70"] * 101},
    "long texts": {"and": [" and ".join(["close > 1"] * 150)] * 50},
    "operands": {"left": "close", "op": ">", "right": ["rsi(14)"] * 300},
    "names": {str(number): 1 for number in range(MOST_NAMES + 1)},
    "a long name": {"x" * 201: 1},
    "parameters": {
        "left": {"indicator": "rsi", "params": {str(n): 1 for n in range(MOST_NAMES + 1)}},
        "op": ">",
        "right": 1,
    },
    "levels": deep(MOST_LEVELS + 1),
    "a thousand levels": deep(1000),
}


@pytest.mark.parametrize("rule", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_rule_of_too_much_is_refused_before_any_model_is_built(rule: Any) -> None:
    with patch.object(AlertDefinition, "model_validate") as built, pytest.raises(InvalidInput) as refused:
        read_definition({"symbol": "AAPL", "rule": rule})
    built.assert_not_called()
    assert len(refused.value.faults) == 1
    assert refused.value.faults[0].path.startswith("$.rule") or refused.value.faults[0].path == "$"


@pytest.mark.parametrize("job_type", ["report", "screener", "data_processing"])
def test_a_job_of_too_many_tickers_is_refused_before_any_model_is_built(job_type: Any) -> None:
    with patch.object(PARAMS[job_type], "model_validate") as built, pytest.raises(InvalidInput) as refused:
        read_job(job_type, {"symbols": [""] * 340_000}, cron="@daily")
    built.assert_not_called()
    assert str(refused.value.faults[0]) == f"$.symbols: holds 340,000 items; at most {MOST_ITEMS:,} are read"


def test_the_first_hundred_faults_are_told_and_how_many_more_there_are() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_job("report", {"symbols": [""] * 2000}, cron="@daily")
    *told, last = refused.value.faults
    assert len(told) == MOST_FAULTS
    assert told[0].path == "$.task_params.symbols[0]"
    assert isinstance(last, MoreFaults)
    assert str(last) == "$: and 1,900 more faults"


def test_faults_left_out_are_still_counted_when_they_are_told_of_under_another_path() -> None:
    inner = InvalidInput("inner", [Fault(f"$.{number}", "is odd") for number in range(250)])
    outer = InvalidInput("outer", [Fault("$", "and this"), *inner.under("$.below")])
    assert outer.faults[1].path == "$.below.0"
    assert outer.faults[-1].message == "and 151 more faults"
    assert len(outer.faults) == MOST_FAULTS + 1


def test_what_is_said_of_a_fault_is_short_and_steers_no_terminal() -> None:
    fault = Fault("$." + "x" * 5000 + "\x1b[2J", "found \x1b[31m" + "y" * 5000, "z" * 1_000_000)
    assert len(str(fault)) < 1000
    assert "\x1b" not in str(fault)
    assert len(str(fault.as_json())) < 1100
    assert "\x1b" not in str(InvalidInput("definition", [Fault("$.a\x1bb", "is bad")]))


def test_bounds_are_those_of_the_whole_too() -> None:
    many = {"a": [[1] * 100 for _ in range(MOST_VALUES // 100)]}
    with pytest.raises(InvalidInput, match="more than 20,000 values"):
        refuse_too_much(many, "it")
    refuse_too_much({"a": [[1] * 100 for _ in range(100)]}, "it")


@pytest.mark.parametrize("field", ["name", "description", "tags"])
@pytest.mark.parametrize("bad", ["\x1b[2J", "a\x00b", "a\x9bb", "a\u202eb", "a\u2028b", "a\rb"])
def test_control_characters_are_refused_in_what_people_read(field: str, bad: str) -> None:
    value: Any = [bad] if field == "tags" else bad
    with pytest.raises(InvalidInput, match="control character"):
        read_definition({"symbol": "AAPL", "rule": "close > 1", field: value})


def test_names_have_one_line_and_descriptions_may_have_several() -> None:
    read_definition({"symbol": "AAPL", "rule": "close > 1", "description": "one\ntwo\tthree", "name": "Größe 50 € 🎯"})
    with pytest.raises(InvalidInput, match=r"control character \\n at position 4"):
        read_definition({"symbol": "AAPL", "rule": "close > 1", "name": "one\ntwo"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain – ünïcode 🎯", "plain – ünïcode 🎯"), ("a\x1b[31m\r\n\t", r"a\x1b[31m\r\n\t"), ("\u202e", r"\u202e")],
)
def test_what_steers_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_stay_where_lines_may_be() -> None:
    assert printable("a\n\tb\x07", lines=True) == "a\n\tb\\x07"
    assert refuse_steering("a\n\tb", lines=True) == "a\n\tb"


def test_what_is_kept_for_ever_is_short() -> None:
    assert len(said("x" * 2_000_000)) == 500
    assert said("short") == "short"


def test_markdown_is_shown_as_it_was_written() -> None:
    assert markdown("# *AAPL* <b> [x](http://e) BRK-B 1.5") == r"\# \*AAPL\* \<b\> \[x\](http:\//e) BRK-B 1.5"
    assert markdown("- a\n2. b") == "\\- a\n2\\. b"


@pytest.mark.parametrize(
    "name", ["a/" * 5000 + "a", "../" * 5000, "0-59/1," * 3000, "\x00", "America/", "/etc/localtime", "x" * 65]
)
def test_no_name_of_a_zone_is_looked_up_for_long(name: str) -> None:
    with pytest.raises(ValueError, match="expected an IANA time zone"):
        zone(name)
