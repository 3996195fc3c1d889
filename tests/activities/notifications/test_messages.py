"""The words of notices: ours, and the owner's own with its placeholders."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.notifications.message import context, priority, render
from domain.alert import Alert, AlertEvent, EventKind, Status
from domain.definition import read_definition
from domain.errors import InvalidInput
from domain.template import PLACEHOLDERS, filled, template_faults

CLOSED = datetime(2026, 1, 5, 15, 30, tzinfo=UTC)


def alert(template: str = "", **fields: object) -> Alert:
    data = {
        "symbol": "AAPL",
        "timeframe": "1h",
        "rule": "rsi(14) > 70 and close > 150",
        "timezone": "America/New_York",
        **fields,
    }
    return Alert(id="aapl-hot", user_id="ann", definition=read_definition({**data, "message_template": template}))


def event(kind: EventKind = EventKind.TRIGGERED, **fields: object) -> AlertEvent:
    values = {"rsi(14)": 71.4375, "close": 151.2, "volume": None}
    given_ = {"bar_close": CLOSED, "values": values, "trigger_count": 3, "source": "yahoo", **fields}
    return AlertEvent("0123456789abcdef" * 2, "aapl-hot", 1, kind, CLOSED, Status.TRIGGERED, "fired", **given_)  # type: ignore[arg-type]


def test_a_fire_in_our_words() -> None:
    found = render(alert(tags=["tech"]), event(), "http://ui/alert-aapl-hot")
    assert found.subject == "AAPL 151.2: rsi(14) > 70 and close > 150 (1h)"
    assert found.body.splitlines() == [
        "✓ rsi(14) > 70: 71.4375",
        "✓ close > 150: 151.2",
        "Bar closed 2026-01-05 10:30:00 America/New_York, by yahoo",
        "Fired 3 times; now TRIGGERED",
        "Tags: tech",
        "Alert aapl-hot, event 0123456789ab",
        "http://ui/alert-aapl-hot",
    ]


@pytest.mark.parametrize(
    ("kind", "fields", "subject", "line"),
    [
        (EventKind.LATE, {"count": 4, "detail": "10:00 to 14:00", "values": {}}, "AAPL: hot (1h) fired while we were away",
         "It fired 4 times on bars that closed earlier: 10:00 to 14:00"),
        (EventKind.REMINDER, {"detail": "reminder 2 of 5: it fired then"}, "AAPL 151.2: hot (1h) is still triggered",
         "reminder 2 of 5: it fired then"),
        (EventKind.DATA_STALE, {"detail": "yahoo: HTTP 503"}, "AAPL 151.2: hot (1h) has no data", "yahoo: HTTP 503"),
        (EventKind.ERROR, {"detail": "no such ticker", "values": {}}, "AAPL: hot (1h) cannot be evaluated", "no such ticker"),
        (EventKind.TRIGGERED, {"late": True}, "AAPL 151.2: hot (1h)", "Bar closed 2026-01-05 10:30:00 America/New_York (late), by yahoo"),
    ],
)  # fmt: skip
def test_other_events(kind: EventKind, fields: dict[str, object], subject: str, line: str) -> None:
    found = render(alert(name="hot"), event(kind, **fields))
    assert found.subject == subject
    assert line in found.body.splitlines()


def test_two_sides_that_move_are_both_told() -> None:
    found = render(alert(rule="close crosses_above sma(50)"), event(values={"close": 101.0, "sma(50)": 100.25}))
    assert found.body.splitlines()[0] == "· close crosses_above sma(50): 101 against 100.25"


def test_an_owners_own_words() -> None:
    own = "{ticker} is at {price:.2f}!\nRSI over 70, {trigger_count} times, {volume} shares {{really}}\n{bar_time}"
    found = render(alert(own), event())
    assert found.subject == "AAPL is at 151.20!"
    assert found.body.splitlines()[:2] == [
        "RSI over 70, 3 times, missing shares {really}",
        "2026-01-05 10:30:00 America/New_York",
    ]
    assert found.body.endswith("Alert aapl-hot, event 0123456789ab"), "a repeat can be told"
    old = render(alert("Alert triggered for {ticker}"), event())
    assert old.subject == "Alert triggered for AAPL"
    again = render(alert(own), event(EventKind.REMINDER, detail="reminder 2"))
    assert again.subject.endswith(" is still triggered")
    assert again.body.startswith("reminder 2\n")
    late = render(alert(own), event(EventKind.LATE, count=2, detail="x"))
    assert "It fired 2 times on bars that closed earlier: x" in late.body
    assert "is at" not in render(alert(own), event(EventKind.ERROR)).subject, "of fires alone"


def test_every_placeholder_has_a_value() -> None:
    values = context(alert(), event(), "http://ui")
    assert set(values) == set(PLACEHOLDERS)
    text = " ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    assert template_faults(text) == []
    assert "{" not in filled(text, values)


@pytest.mark.parametrize(
    "text", ["{ticker.__class__}", "{ticker[0]}", "{ticker!r}", "{price:{count}}", "{x}", "{", "{0}", "{price:>9999f}"]
)
def test_nothing_else_can_be_reached(text: str) -> None:
    assert template_faults(text)
    said = filled(text, context(alert(), event()))
    assert "class" not in said.replace("__class__", "")
    assert len(said) < 100


@given(
    st.text(max_size=60),
    st.dictionaries(st.sampled_from(PLACEHOLDERS), st.one_of(st.none(), st.floats(), st.text(max_size=9))),
)
def test_any_text_is_filled_or_stays(text: str, values: dict[str, object]) -> None:
    assert isinstance(filled(text, values), str)
    assert filled(text.replace("{", "").replace("}", ""), values) == text.replace("{", "").replace("}", "")


def test_the_change_since_the_fire_before() -> None:
    last = event(bar_close=datetime(2026, 1, 2, 15, 30, tzinfo=UTC), values={"close": 144.0})
    body = render(alert(), event(), last=last).body.splitlines()
    assert body[4] == "+5.00 % since it fired at 144, 2026-01-02 10:30:00 America/New_York"
    own = render(alert("{change:+.1f} % from {last_price:.2f} at {last_time}"), event(), last=last)
    assert own.subject == "+5.0 % from 144.00 at 2026-01-02 10:30:00 America/New_York"
    for nothing in ({"close": None}, {"close": 0.0}, {}):
        found = render(alert("{change:+.1f}"), event(), last=event(values=nothing))
        assert found.subject == "missing"
        assert "since" not in render(alert(), event(), last=event(values=nothing)).body
    below = render(alert("{change:+.1f}"), event(values={"close": 3.0}), last=event(values={"close": -2.0}))
    assert below.subject == "+250.0", "prices below zero exist"


@pytest.mark.parametrize(
    ("own", "kind", "said"),
    [
        ("high", EventKind.TRIGGERED, "high"), ("normal", EventKind.TRIGGERED, "normal"), ("urgent", EventKind.TRIGGERED, "urgent"),
        ("urgent", EventKind.LATE, "urgent"), ("urgent", EventKind.DATA_STALE, "urgent"), ("urgent", EventKind.REARMED, "normal"),
        ("high", EventKind.LATE, "normal"), ("high", EventKind.ERROR, "high"),
    ],
)  # fmt: skip
def test_an_alert_says_how_important_it_is(own: str, kind: EventKind, said: str) -> None:
    assert priority(alert(priority=own), kind) == said
    assert priority(alert(notify={"priority": own}), kind) == said, "in the older dialect, too"


def test_a_priority_that_nobody_knows() -> None:
    with pytest.raises(InvalidInput, match=r"\$\.notify\.priority.*'normal', 'high' or 'urgent'"):
        alert(notify={"priority": "loud"})
