"""Column types that behave alike on both databases, and that survive what other programs write into SQLite."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType


@dataclass(frozen=True)
class Unreadable:
    """What stands in a JSON column and is no JSON: SQLite lets any program write it."""

    text: str


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

        def process(value: Any) -> Any:
            try:
                return None if value is None else json.loads(value)
            except (TypeError, ValueError, RecursionError):
                return Unreadable(str(value))

        return process


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
