"""Log records: readable on a terminal, JSON lines elsewhere, always on stderr; what repeats itself is told once a minute."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import structlog

from domain.errors import ExpectedError
from domain.text import cut, printable

A_FEW = 5
WINDOW = 60.0
MOST_KINDS = 1000
MOST_ERROR = 300  # characters
SERVICE = "market-alerts"
STANDARD = {"event", "level", "timestamp", "exception", "stack_info"}
Record = MutableMapping[str, Any]


class Folding:
    """Lets a few of equal records pass in a minute; the first one after it says how many were left out.

    Equal are records that differ in nothing but their time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.seen: dict[tuple[tuple[str, str], ...], tuple[float, int]] = {}

    def __call__(self, _logger: Any, _method: str, record: Record) -> Record:
        """A processor of structlog's."""
        key, now = _key(record), self.clock()
        began, count = self.seen.get(key, (now, 0))
        if now - began >= WINDOW:
            if count > A_FEW:
                record["repeated"] = count - A_FEW
            began, count = now, 0
        if len(self.seen) >= MOST_KINDS and key not in self.seen:
            self.seen = {one: kept for one, kept in self.seen.items() if now - kept[0] < WINDOW}
            if len(self.seen) >= MOST_KINDS:
                return record
        self.seen[key] = (began, count + 1)
        if count >= A_FEW:
            raise structlog.DropEvent
        return record


def _key(record: Record) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted((name, _brief(value)) for name, value in record.items() if name not in ("timestamp", "_record"))
    )


def _brief(value: Any) -> str:
    """Enough to tell records apart; of an exception, its kind."""
    if isinstance(value, tuple) and len(value) == 3:
        return str(value[0])
    return str(value)[:300]


def plain(_logger: Any, _method: str, record: Record) -> Record:
    """Texts without what would steer the terminal they are shown on."""
    for name, value in record.items():
        if isinstance(value, str):
            record[name] = printable(value, lines=name == "exception")
    return record


def for_collectors(_logger: Any, _method: str, record: Record) -> Record:
    """The fields that log collectors look for, beside ours: of what service and part, of which job, for whom."""
    own = {name: value for name, value in record.items() if name not in STANDARD}
    job_id = next((own[name] for name in ("job_id", "alert_id", "id") if own.get(name)), None) or _job_under_way()
    record["service"] = SERVICE
    record["component"] = own.get("component") or own.get("action") or own.get("logger") or "alerts"
    record["message"] = record.get("event", "")
    record["job_id"] = job_id
    record["user_id"] = own.get("user_id")
    record["context"] = {name: value for name, value in own.items() if name not in ("job_id", "user_id", "component")}
    return record


def _job_under_way() -> str | None:
    """The schedule whose workflow asked for the activity that logs this."""
    activity = sys.modules.get("temporalio.activity")  # where nobody has imported it, nothing runs
    if activity is None or not activity.in_activity():
        return None
    from activities.interface import ALERT_PREFIX

    workflow_id = activity.info().workflow_id or ""
    return workflow_id.removeprefix(ALERT_PREFIX) if workflow_id.startswith(ALERT_PREFIX) else None


def one_line(_logger: Any, _method: str, record: Record) -> Record:
    """An exception in one line: its kind, its words, and where it was raised; the whole of it is for LOG_LEVEL=DEBUG."""
    given = record.pop("exc_info", None)
    if not given:
        return record
    error = given[1] if isinstance(given, tuple) else given if isinstance(given, BaseException) else sys.exc_info()[1]
    if error is None:
        return record
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    kind = type(error).__name__
    record["error"] = cut(first if first.startswith(kind) else f"{kind}: {first}".rstrip(": "), MOST_ERROR)
    if not isinstance(error, _told_elsewhere()):
        record["where"] = _where(error)
    return record


def _told_elsewhere() -> tuple[type[BaseException], ...]:
    """Failures that are foreseen, and whose place says nothing."""
    exceptions = sys.modules.get("temporalio.exceptions")
    foreseen: list[type[BaseException]] = [ExpectedError, TimeoutError, ConnectionError]
    if exceptions is not None:
        foreseen.append(exceptions.TemporalError)
    return tuple(foreseen)


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if "site-packages" not in one.filename] or list(frames)
    return f"{'/'.join(Path(own[-1].filename).parts[-2:])}:{own[-1].lineno}" if own else "unknown"


def of_temporal(_logger: Any, _method: str, record: Record) -> Record:
    """What Temporal knows of an activity or workflow that logs, in our words."""
    found = record.get("_record")
    for kind in ("activity", "workflow"):
        known = getattr(found, f"temporal_{kind}", None)
        if isinstance(known, dict):
            record["action"] = known.get(f"{kind}_type", kind)
            record["workflow"] = known.get("workflow_id", "")
            if "attempt" in known and kind == "activity":
                record["attempt"] = known["attempt"]
    return record


def _quieten_temporal() -> None:
    """Its records say what they are about in fields, not in their words, so that equal ones are seen to be equal."""
    for name, switch in (("activity", "activity_info_on_message"), ("workflow", "workflow_info_on_message")):
        module = sys.modules.get(f"temporalio.{name}")
        if module is not None:
            setattr(module.logger, switch, False)


def configure_logging(level: str) -> None:
    """One place for our records and the libraries'; those that would log URLs are held to warnings.

    Exceptions are one line, and their whole traceback, without the values in it, at DEBUG.
    """
    number = logging.getLevelNamesMapping()[level]
    _quieten_temporal()
    exceptions = structlog.processors.format_exc_info if number <= logging.DEBUG else one_line
    folding = Folding()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        folding,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[structlog.typing.Processor] = [for_collectors, structlog.processors.JSONRenderer()]
    if sys.stderr.isatty():
        rendering = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(
        processors=[*shared, exceptions, plain, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared[:2], *shared[3:]],
        processors=[
            of_temporal,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            exceptions,
            plain,
            *rendering,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Repeated(folding))
    handler.setFormatter(formatter)
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


class Repeated(logging.Filter):
    """The same for the libraries' records, before they are written out."""

    def __init__(self, folding: Folding) -> None:
        super().__init__()
        self.folding = folding

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is told."""
        found: Record = {"event": str(record.msg), "logger": record.name, "arguments": str(record.args)[:300]}
        found["action"] = getattr(record, "temporal_activity", {}).get("activity_type", "")
        found["error"] = str(record.exc_info[1] if record.exc_info else "")[:MOST_ERROR]
        try:
            told = self.folding(None, "", found)
        except structlog.DropEvent:
            return False
        if "repeated" in told:
            record.msg, record.args = f"{record.getMessage()} ({told['repeated']} more in between)", ()
        return True
