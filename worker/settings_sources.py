"""Where settings come from beside variables of our own names: names of the earlier services, and a file.

Variables win over the file. What nobody reads is said, so that a misspelt name is no silent default.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from domain.errors import Fault, InvalidInput

HOME_FILE = "home.env"  # in the home folder: settings of that home, which everything else wins over
DEMO = "ALERTS_DEMO"  # in the file of a demo's home
FILE = "ALERTS_CONFIG"  # the path of a file, as ``--config`` names it
OURS = {  # names of the earlier services, and what they are called here
    "SCHEDULER_DATABASE_URL": "DATABASE_URL",
    "SCHEDULER_DB_URL": "DATABASE_URL",
    "SCHEDULER_DB_POOL_SIZE": "DB_POOL_SIZE",
    "SCHEDULER_DB_MAX_OVERFLOW": "DB_MAX_OVERFLOW",
    "DATABASE_POOL_SIZE": "DB_POOL_SIZE",
    "DATABASE_MAX_OVERFLOW": "DB_MAX_OVERFLOW",
    "DATABASE_ECHO": "SQL_ECHO",
    "SCHEDULER_SQL_ECHO": "SQL_ECHO",
    "SCHEDULER_LOG_LEVEL": "LOG_LEVEL",
    "SCHEDULER_ENV": "TRADING_ENV",
    "SCHEDULER_API_PORT": "ALERTS_API_PORT",
    "SCHEDULER_HEALTH_CHECK_INTERVAL": "HEALTH_CHECK_INTERVAL",
    "NOTIFICATION_SERVICE_TIMEOUT": "NOTIFICATION_TIMEOUT",
    "NOTIFICATION_SERVICE_RETRIES": "NOTIFICATION_RETRIES",
    "NOTIFICATION_MAX_RETRIES": "NOTIFICATION_RETRIES",
    "NOTIFICATION_SERVICE_ENABLED": "NOTIFICATION_ENABLED",
    "ALERT_SCHEMA_PATH": "ALERT_SCHEMA_DIR",
}
WITHOUT_EFFECT = {  # names of the earlier services for what is said elsewhere now
    "SCHEDULER_MISFIRE_GRACE_TIME": "a job's options.catchup says how late a run may begin",
    "SCHEDULER_COALESCE": "a job's options.overlap says what becomes of runs that meet",
    "SCHEDULER_MAX_INSTANCES": "a job's options.overlap says what becomes of runs that meet",
    "SCHEDULER_MAX_RETRIES": "each job type has tries of its own (docs/concepts.md)",
    "SCHEDULER_RETRY_DELAY": "each job type has tries of its own (docs/concepts.md)",
    "SCHEDULER_ENABLED": "'alerts up' and 'alerts worker' run what is enabled",
    "SCHEDULER_POLL_INTERVAL": "rows are followed within 15 seconds",
}
OWNED = ("SCHEDULER_", "ALERT_", "ALERTS_", "NOTIFICATION_", "QUOTA_", "RETENTION_", "RECONCILE_")
ELSEWHERE = {FILE, "ALERTS_DB_PASSWORD"}  # read by others: the command line, docker-compose.yml
CLOSE = 0.87
MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Gathered:
    """``values`` by our names, which win over variables; ``notes`` are sentences for people."""

    values: dict[str, Any]
    notes: list[str]


def gathered(variables: Mapping[str, str], known: Collection[str]) -> Gathered:
    """What the earlier services' names and the file say; ``known`` are our names.

    Raises:
        InvalidInput: when the file cannot be read.
    """
    found = Gathered({}, [])
    _take(found, variables, variables, known, "")
    path = variables.get(FILE)
    if path:
        _take(found, dict(_of_file(Path(path))), variables, known, f" in {Path(path).name}")
    home = variables.get("ALERTS_HOME") or found.values.get("ALERTS_HOME") or default_home()
    own = Path(str(home)) / HOME_FILE
    lines = dict(_of_lines(own)) if own.is_file() else {}
    if DEMO in lines:  # its own server and database, never those that are real, whatever else is set
        found.values.update({**lines, "DATABASE_URL": "", "TEMPORAL_ADDRESS": ""})
    else:
        _take(found, lines, variables, known, f" in {own.name}")
    return found


def default_home() -> Path:
    """Where data of programs belongs on this system (``~/.local/share/market-alerts`` and its like)."""
    return platformdirs.user_data_path("market-alerts", appauthor=False)


def _take(
    found: Gathered, given: Mapping[str, Any], variables: Mapping[str, str], known: Collection[str], where: str
) -> None:
    for name, value in given.items():
        ours = name if name in known else OURS.get(name)
        if ours is None:
            if (why := _unread(name, known, everything=bool(where))) is not None:
                found.notes.append(f"{name}{where} {why}")
        elif ours in variables and (ours != name or where):
            if str(variables[ours]) != str(value):
                found.notes.append(f"{name}{where} has no effect: {ours} is set and wins")
        elif ours not in variables:
            found.values.setdefault(ours, value)


def _unread(name: str, known: Collection[str], *, everything: bool) -> str | None:
    """Why a name has no effect; None for what is some other program's."""
    if name in ELSEWHERE or (name.startswith("TEMPORAL_") and not everything):
        return None
    if name in WITHOUT_EFFECT:
        return f"has no effect: {WITHOUT_EFFECT[name]}"
    near = difflib.get_close_matches(name, [*known, *OURS], 1, CLOSE)
    if near:
        return f"is none of this program's settings; did you mean {near[0]}?"
    return "is none of this program's settings" if everything or name.startswith(OWNED) else None


def _of_file(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig") if path.stat().st_size <= MOST_BYTES else ""
        if not text.lstrip().startswith("{"):
            return _of_lines(path)
        return _flat(json.loads(text))
    except (OSError, ValueError) as error:
        raise InvalidInput(str(path), [Fault("$", f"cannot be read: {error}")]) from None


def _of_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """``NAME=value`` lines, as files of environments have them."""
    from dotenv import dotenv_values

    return ((name.upper(), value) for name, value in dotenv_values(path).items() if value is not None)


def _flat(data: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``{"scheduler": {"max_workers": 5}}`` is SCHEDULER_MAX_WORKERS."""
    for key, value in data.items():
        name = f"{prefix}_{key}".strip("_").replace("-", "_").upper()
        if isinstance(value, dict):
            yield from _flat(value, name)
        elif isinstance(value, list):
            yield name, ",".join(str(one) for one in value)
        elif value is not None:
            yield name, value
