"""The normative cron vectors: every fire and every refusal, and the known faults of croniter."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from domain.cron import CronError, calendars, describe, next_fires, parse

VECTORS = Path(__file__).parents[2] / "vectors"


def rows(name: str) -> list[dict[str, str]]:
    with (VECTORS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


VALID = rows("cron_vectors.tsv")
INVALID = rows("cron_invalid.tsv")


@pytest.mark.parametrize("row", VALID, ids=[row["id"] for row in VALID])
def test_fires(row: dict[str, str]) -> None:
    expected = [datetime.fromisoformat(text) for text in row["expected_utc_list"].split(",")]
    start = datetime.fromisoformat(row["from_utc"])
    assert next_fires(parse(row["expression"]), ZoneInfo(row["timezone"]), start, len(expected)) == expected


@pytest.mark.parametrize("row", INVALID, ids=[row["id"] for row in INVALID])
def test_refuses(row: dict[str, str]) -> None:
    expression = row["expression"].replace("\\n", "\n").replace("\\u00a0", "\u00a0")
    with pytest.raises(CronError) as caught:
        parse(expression)
    fault = caught.value.faults[0]
    assert fault.path == row["field"]
    assert fault.message.startswith(row["good_error"].removesuffix(" (policy)"))


def test_every_bad_field_is_named_at_once() -> None:
    with pytest.raises(CronError) as caught:
        parse("60 99 24 0 13 MOON")
    assert [fault.path for fault in caught.value.faults] == [
        "second", "minute", "hour", "day-of-month", "month", "day-of-week",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("30 9 * * MON-FRI", "at 09:30 on Monday to Friday"),
        ("*/30 * * * * *", "every 30 seconds"),
        ("*/5 * * * *", "every 5 minutes"),
        ("0 * * * *", "every hour on the hour"),
        ("* * * * *", "every minute"),
        ("0 0 13 * 5", "at 00:00 on day 13 (or) on Friday"),
        ("0 0 */2 * 1", "at 00:00 on day 1, day 3"),
        ("0 18 LW * *", "at 18:00 on the last workday of the month"),
        ("0 16 * 3,6 5#3", "at 16:00 on the third Friday of the month in March and June"),
        ("0 16 * * 5L", "at 16:00 on the last Friday of the month"),
        ("5,35 0 9 * * 1-5", "at 09:00:05 and 09:00:35 on Monday to Friday"),
        ("@daily", "at 00:00"),
        ("*/10 9-16 * * *", "every 10 minutes of hours 9 to 16"),
        ("0 9 15W * *", "at 09:00 on the workday nearest to day 15"),
    ],
)
def test_description(expression: str, words: str) -> None:
    assert describe(parse(expression)).startswith(words)


def test_and_when_a_day_field_begins_with_a_star() -> None:
    assert "(and)" in describe(parse("0 0 */2 * 1"))


@pytest.mark.parametrize("expression", ["0 0 LW * *", "0 0 L,15 * *", "0 0 1-31/10 * FRI-SUN", "0 0 ? * 7"])
def test_accepted_forms(expression: str) -> None:
    assert next_fires(parse(expression), ZoneInfo("UTC"), datetime.fromisoformat("2026-01-01T00:00Z"), 3)


@pytest.mark.parametrize("expression", ["0 0 2 * 0-6", "0 0 2 * SUN-SAT", "0 0 1-31 * 1", "0 0 2 * 1-7"])
def test_a_day_field_that_names_every_day_is_no_star(expression: str) -> None:
    """Two restricted day fields are joined by OR, however much the one holds: every day."""
    fires = next_fires(parse(expression), ZoneInfo("UTC"), datetime.fromisoformat("2026-01-01T00:00Z"), 5)
    assert [fire.day for fire in fires] == [2, 3, 4, 5, 6]
    terms = calendars(parse(expression), ZoneInfo("UTC"), fires[0])
    assert all(any(one.matches(fire.replace(tzinfo=None)) for one in terms) for fire in fires)


@pytest.mark.parametrize("field", ["1W,15", "15,LW", "W15,L", "1W,15W", "LW,LW", "1w,15", "15,lw"])
def test_a_nearest_workday_stands_alone_in_its_field(field: str) -> None:
    with pytest.raises(CronError, match=r"day-of-month: '\w+' stands alone in its field"):
        parse(f"0 9 {field} * *")
