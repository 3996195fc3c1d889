"""A preview over HTTP: read, computed and written as JSON in a thread, within bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from activities.market_data.calendars.calendars import Calendars
from domain.alert import Alert
from domain.definition import AlertDefinition, faults_of, read_definition
from domain.errors import InvalidInput
from starter.api.heavy import Deadline
from starter.api.requests import PreviewIn

MOST_EVENT_BYTES = 1_000_000
Bars = Sequence[Mapping[str, Any]]


def read_preview(body: dict[str, Any]) -> tuple[AlertDefinition, Bars | None]:
    """The definition and the bars; None where the stored ones are wanted.

    Raises:
        InvalidInput: with its faults.
    """
    try:
        given = PreviewIn.model_validate(body)
    except ValidationError as error:
        raise InvalidInput("the request", faults_of(error)) from None
    try:
        definition = read_definition(given.definition.named())
    except InvalidInput as error:
        raise InvalidInput("definition", error.under("$.definition")) from None
    return definition, None if given.bars is None else [bar.model_dump() for bar in given.bars]


def previewed(definition: AlertDefinition, bars: Bars, deadline: Deadline, calendars: Calendars) -> bytes:
    """The preview as JSON, its events as far as they fit.

    Raises:
        ProblemError: it takes too long.
        InvalidInput: the bars cannot be used.
    """
    from activities.bar_files.reading import bars_of
    from activities.preview import as_json, preview

    alert = Alert(id="preview", definition=definition)
    said = as_json(preview(alert, bars_of(bars), deadline.check, calendars))
    events, room = said.pop("events"), MOST_EVENT_BYTES
    kept: list[bytes] = []
    for number, event in enumerate(events):
        if number % 100 == 0:
            deadline.check()
        text = to_json(event)
        room -= len(text)
        if room < 0:
            break
        kept.append(text)
    rest = to_json({**said, "events_left_off": len(events) - len(kept)})
    return rest[:-1] + b',"events":[' + b",".join(kept) + b"]}"
