"""What the shell offers to complete: ids, statuses, indicators, zones … Nothing heavy is imported, and nothing fails aloud."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

MOST = 200
ZSH_FUNCTION = "~/.zfunc/_alerts"
FIRST_TAB = '[ "$funcstack[1]" = _alerts ] && _alerts_completion "$@"'  # the file itself is the function, once
FRAMES = ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1w")
STATUSES = ("ARMED", "TRIGGERED", "COOLDOWN", "INACTIVE", "INVALID")


def from_the_first_tab() -> None:
    """Mends what was installed for zsh: the first TAB in a shell only defines Typer's function, and completes nothing."""
    installed = Path(ZSH_FUNCTION).expanduser()
    if installed.is_file() and FIRST_TAB not in (script := installed.read_text("utf-8")):
        installed.write_text(f"{script.rstrip()}\n\n{FIRST_TAB}\n", "utf-8")


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    wanted = incomplete.lower()
    return [name for name in names if name.lower().startswith(wanted)][:MOST]


def timeframes(incomplete: str) -> list[str]:
    """Bar lengths that are common."""
    return _beginning(FRAMES, incomplete)


def statuses(incomplete: str) -> list[str]:
    """Of alerts."""
    return _beginning(STATUSES, incomplete)


def rearm_types(incomplete: str) -> list[str]:
    """By their names."""
    from domain.rearm_policy import POLICIES

    return _beginning(POLICIES, incomplete)


def channels(incomplete: str) -> list[str]:
    """The channels' own words, and the destinations that there are."""
    from domain.definition import CHANNELS

    return _beginning([*CHANNELS, *_column("SELECT DISTINCT name FROM destinations ORDER BY name")], incomplete)


def zones(incomplete: str) -> list[str]:
    """IANA zones."""
    from zoneinfo import available_timezones

    return _beginning(sorted(available_timezones()), incomplete)


def indicators(incomplete: str) -> list[str]:
    """TA-Lib's, by name."""
    from domain.indicators import names

    return _beginning(sorted(names()), incomplete)


def alert_ids(incomplete: str) -> list[str]:
    """Of alerts that there are."""
    return _beginning(_column("SELECT id FROM job_schedules WHERE job_type = 'alert' ORDER BY id"), incomplete)


def schedule_ids(incomplete: str) -> list[str]:
    """Of schedules of any type."""
    return _beginning(_column("SELECT id FROM job_schedules ORDER BY id"), incomplete)


def groups(incomplete: str) -> list[str]:
    """Of alerts, by what their definitions say."""
    text = "SELECT DISTINCT json_extract(task_params, '$.group') FROM job_schedules WHERE job_type = 'alert'"
    return _beginning(_column(text), incomplete)


def sets(incomplete: str) -> list[str]:
    """Sets of tickers by name."""
    return _beginning(["sp500", "nasdaq100", *_column("SELECT name FROM ticker_sets ORDER BY name")], incomplete)


def _column(statement: str) -> list[str]:
    """Of the home's own SQLite file, read directly: a shell waits for it. Nothing where the database is another."""
    import sqlite3

    from worker.settings import load_settings

    try:
        found = load_settings()
        scheme, _, path = str(found.database).partition("///")
        if not scheme.startswith("sqlite") or not path:
            return []
        with sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True, timeout=1) as connection:
            return [str(row[0]) for row in connection.execute(statement).fetchmany(5_000) if row[0]]
    except Exception:
        return []
