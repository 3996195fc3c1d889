"""Reading single cells of vendors' answers: what cannot be read is missing, never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from activities.market_data.vendors.normalize import number
from domain.vendor_data import Record

NOTHING = ("", "none", "null", "-", "n/a", "nan")
AnyRecord = TypeVar("AnyRecord", bound=Record)


def text(value: Any, limit: int = 500) -> str:
    """A string with its ends trimmed; empty for what says nothing."""
    if not isinstance(value, str) or value.strip().lower() in NOTHING:
        return ""
    return value.replace("\x00", "").strip()[:limit]


def figure(value: Any) -> float | None:
    """A finite number, also from text such as ``-0.5852%``."""
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
    return number(value)


def day(value: Any) -> date | None:
    """A date from ``YYYY-MM-DD``."""
    try:
        return date.fromisoformat(str(value).strip()[:10])
    except ValueError:
        return None


def moment(value: Any, pattern: str = "") -> datetime | None:
    """An aware UTC time from ISO text or a pattern; without an offset it is UTC."""
    try:
        found = datetime.strptime(value, pattern) if pattern else datetime.fromisoformat(value)  # noqa: DTZ007
    except (TypeError, ValueError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def mapping(value: Any) -> Mapping[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """The list, or an empty one."""
    return value if isinstance(value, list) else []


def rows(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    return [row for row in items(value) if isinstance(row, dict)]


def records(kind: type[AnyRecord], found: Iterable[Mapping[str, Any]]) -> list[AnyRecord]:
    """Those that are whole; a row without its key fields says nothing and is left out. Of equal keys the last stays."""
    kept: dict[tuple[Any, ...], AnyRecord] = {}
    for row in found:
        try:
            record = kind.model_validate(dict(row))
        except ValidationError:
            continue
        kept[tuple(getattr(record, name) for name in kind.KEY)] = record
    return list(kept.values())
