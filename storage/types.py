"""Column types that behave alike on both databases, and that survive what other programs write into SQLite."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, String
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from domain.bounds import MOST_LEVELS, is_too_deep
from domain.text import cut, printable

MOST_JSON = 2_000_000  # characters; what is larger was never written by us
LARGEST = 2**63 - 1
_UNSTORABLE = re.compile(r"\\u(0000|d[89a-f])")


@dataclass(frozen=True)
class Unreadable:
    """What stands in a JSON column and cannot be used: no JSON, or more of it than we read. ``text`` is how it begins."""

    text: str

    def __str__(self) -> str:
        return self.text


class OddText(str):
    """What stands in a text column and is none that it may hold, as it can be shown; ``raw`` is what stands there."""

    raw: Any

    def __new__(cls, raw: Any) -> OddText:
        """From what the database gave."""
        shown = f"<{len(raw):,} bytes>" if isinstance(raw, bytes) else cut(printable(str(raw)[:60]), 60)
        made = super().__new__(cls, shown)
        made.raw = raw
        return made


class OddNumber(int):
    """What stands in a column of whole numbers and is none: zero, to whoever counts; ``raw`` is what stands there."""

    raw: Any

    def __new__(cls, raw: Any) -> OddNumber:
        """From what the database gave."""
        made = super().__new__(cls, 0)
        made.raw = raw
        return made


def read_json(text: Any) -> Any:
    """The value, or ``Unreadable``; never slow, and nothing that is too deep for whoever walks through it."""
    if text is None:
        return None
    if isinstance(text, str | bytes) and len(text) <= MOST_JSON:
        try:
            found = json.loads(text)
        except (TypeError, ValueError, RecursionError):
            return Unreadable(_shown(text))
        brackets = 2 * MOST_LEVELS if isinstance(text, bytes) else text.count("[") + text.count("{")
        if brackets <= MOST_LEVELS or not is_too_deep(found):
            return found
    elif isinstance(text, dict | list | int | float | bool):
        return text  # read by the driver
    return Unreadable(_shown(text))


def _shown(raw: Any) -> str:
    begin = raw[:200].decode(errors="replace") if isinstance(raw, bytes) else str(raw)[:200]
    return printable(begin, lines=True)


class ForeignText(TypeDecorator[str]):
    """Text of some length that other programs write too: SQLite keeps whatever they do."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        """To the database."""
        return value.raw if isinstance(value, OddText) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """From the database."""
        most = self.impl_instance.length  # type: ignore[attr-defined]
        fits = value is None or (isinstance(value, str) and (most is None or len(value) <= most))
        return value if fits else OddText(value)


class ForeignInteger(TypeDecorator[int]):
    """A whole number that other programs write too."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        """To the database."""
        return value.raw if isinstance(value, OddNumber) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        """From the database."""
        whole = isinstance(value, int) and abs(value) <= LARGEST
        return value if value is None or whole else OddNumber(value)


class _SqliteDateTime(sqlite.DATETIME):
    """A time that cannot be read is missing; one bad cell must not hide every other row."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """From the database."""

        def process(value: Any) -> datetime | None:
            try:
                return datetime.fromisoformat(value) if value is not None else None
            except (TypeError, ValueError):
                return None

        return process


class _SqliteJson(UserDefinedType[Any]):
    """JSON whose unreadable texts come back as ``Unreadable``."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        """As SQLAlchemy's own type is spelled."""
        return "JSON"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str | None]:
        """To the database."""
        return lambda value: None if value is None else json.dumps(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """From the database."""

        return read_json


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC; SQLite holds it without an offset."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite's own reading is replaced by one that bears garbage."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_SqliteDateTime())  # type: ignore[no-untyped-call]
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database; a naive time is a bug and refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must carry its zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database, aware again."""
        if value is None:
            return None
        try:
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except OverflowError:
            return None


class Json(TypeDecorator[Any]):
    """Plain JSON values; None is SQL's NULL."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite's own reading is replaced by one that bears garbage."""
        return dialect.type_descriptor(_SqliteJson() if dialect.name == "sqlite" else JSON(none_as_null=True))


class Jsonb(Json):
    """The same, as PostgreSQL can search and change it: ``@>``, ``jsonb_set``. The order of keys is not kept there."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite has but one kind of JSON."""
        if dialect.name == "postgresql":
            from sqlalchemy.dialects import postgresql  # 30 ms, for whoever has it

            return dialect.type_descriptor(postgresql.JSONB(none_as_null=True))
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """To the database; JSONB holds no NUL and no half of a surrogate pair, and a result must not be lost for one."""
        if dialect.name == "postgresql" and _UNSTORABLE.search(json.dumps(value)):
            return _storable(value)
        return value


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_storable(name): _storable(one) for name, one in value.items()}
    return [_storable(one) for one in value] if isinstance(value, list | tuple) else value


class _Untyped(UserDefinedType[Any]):
    """A column of SQLite that keeps what it is given: a number a number, a text a text, also one that looks like a number."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        """Without an affinity of its own."""
        return "BLOB"


class Number(TypeDecorator[Any]):
    """A whole number; in SQLite whatever other programs put there."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite knows no types."""
        return dialect.type_descriptor(_Untyped() if dialect.name == "sqlite" else BigInteger())


class RunId(TypeDecorator[str]):
    """A UUID, as a text; PostgreSQL has a type for it."""

    impl = String(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite keeps the text."""
        if dialect.name == "postgresql":
            from sqlalchemy.dialects import postgresql

            return dialect.type_descriptor(postgresql.UUID(as_uuid=False))
        return dialect.type_descriptor(String(36))
