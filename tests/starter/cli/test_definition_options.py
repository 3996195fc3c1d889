"""Every field of a definition can be said by an option, and what cannot be read is told with all the rest."""

from __future__ import annotations

from typing import Any

import pytest

from domain.definition import AlertDefinition, Options, read_definition
from domain.errors import InvalidInput
from domain.rearm_policy import Rearm
from starter.cli.definition_options import OF_OPTIONS, OF_REARM, OPTIONS, PLAIN, RENAMED, fields_of


def read(**given: Any) -> AlertDefinition:
    return read_definition({"rule": "X > 1", **fields_of(given)})


def test_no_field_is_forgotten() -> None:
    said = {*PLAIN, *RENAMED.values(), "rule", "rearm", "options"}
    assert set(AlertDefinition.model_fields) - said == {"schema_version", "custom"}, (
        "custom belongs to an operator's own schema"
    )
    of_options = {*OF_OPTIONS.values(), "evaluate_on", "remind_every", "expires_at"}
    assert set(Options.model_fields) - of_options == {"once_per_bar", "jitter", "record"}, "the operator's"
    assert set(Rearm.model_fields) == {*OF_REARM, "type", "cooldown", "threshold"}
    every = {
        *PLAIN,
        *RENAMED,
        *OF_OPTIONS,
        *OF_REARM,
        "rearm",
        "once",
        "always",
        "cooldown",
        "threshold",
        "tick",
        "expires",
        "remind_every",
    }
    assert set(OPTIONS) == every


def test_what_options_come_to() -> None:
    made = read(
        expires="2026-12-31 16:00", timezone="America/New_York", max_triggers=3, market_hours=True, threshold="2%", cooldown="1h",
        persistence=2, message="{ticker}!", description="why", lookback=300, tick=False, catchup="latest", skip_if_true=True,
        group="dips", tag=["a", "b"], channel=["log"], remind_every="30m", remind_max=4,
    )  # fmt: skip
    assert made.options.expires_at is not None
    assert made.options.expires_at.isoformat() == "2026-12-31T21:00:00+00:00"
    assert (made.options.max_triggers, made.options.market_hours_only, made.options.catchup) == (3, True, "latest")
    assert made.rearm == Rearm(type="hysteresis", threshold=0.02, cooldown=3600, persistence=2)
    assert (made.message_template, made.description, made.group, made.tags) == ("{ticker}!", "why", "dips", ("a", "b"))
    assert (made.options.remind_every, made.options.remind_max) == (1800, 4)


@pytest.mark.parametrize(
    ("given", "type"),
    [
        ({"once": True}, "once"), ({"always": True}, "simple"), ({"level": 0.5}, "hysteresis"), ({"direction": "up"}, "crossing"),
        ({"cooldown": "90"}, "edge"), ({"cooldown": "0", "rearm": "edge"}, "edge"),
    ],
)  # fmt: skip
def test_the_type_follows_from_what_belongs_to_it_alone(given: dict[str, Any], type: str) -> None:
    assert read(**given).rearm.type == type


def test_every_option_that_cannot_be_read_is_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        fields_of({"expires": "soon", "cooldown": "long", "threshold": "much", "once": True, "rearm": "edge"})
    assert {fault.path for fault in caught.value.faults} == {
        "--expires",
        "--cooldown",
        "--threshold",
        "--once, --rearm",
    }


def test_off_takes_one_away() -> None:
    assert fields_of({"expires": "off", "remind_every": "off"})["options"] == {
        "expires_at": None, "remind_every": None, "remind_max": None,
    }  # fmt: skip
