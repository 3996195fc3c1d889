"""Variables and files of settings that the replaced services had: read, or said to have no effect; never silently ignored."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from domain.errors import InvalidInput
from tests.compat.test_old_commands import run
from worker.settings import effective, load_settings, notes_on

DOCUMENTED = {
    "SCHEDULER_DATABASE_URL": "postgresql://user:secret@host/old",
    "SCHEDULER_MAX_WORKERS": "5",
    "SCHEDULER_JOB_TIMEOUT": "600",
    "SCHEDULER_TIMEZONE": "Europe/Berlin",
    "DATA_DEFAULT_LOOKBACK": "365",
    "DATA_MAX_RETRIES": "3",
    "DATA_TIMEOUT": "30",
    "DATA_CACHE_ENABLED": "false",
    "DATA_CACHE_TTL": "300",
    "ALERT_DEFAULT_LOOKBACK": "200",
    "ALERT_MAX_EVAL_TIME": "60",
    "ALERT_ONCE_PER_BAR": "false",
    "NOTIFICATION_SERVICE_URL": "http://localhost:8000",
    "NOTIFICATION_TIMEOUT": "30",
    "NOTIFICATION_RETRIES": "3",
    "NOTIFICATION_ENABLED": "true",
    "TRADING_ENV": "production",
    "LOG_LEVEL": "INFO",
    "HEALTH_CHECK_INTERVAL": "60",
    "DB_POOL_SIZE": "10",
    "DB_MAX_OVERFLOW": "20",
    "SQL_ECHO": "false",
}


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return monkeypatch


def test_the_documented_environment(put: pytest.MonkeyPatch) -> None:
    for name, value in DOCUMENTED.items():
        put.setenv(name, value)
    settings = load_settings()
    assert settings.database == "postgresql://user:secret@host/old"
    assert (settings.scheduler_max_workers, settings.scheduler_job_timeout) == (5, 600)
    assert (settings.lookback, settings.data_timeout, settings.health_check_interval) == (250, 30, 60)
    shown = effective(settings)
    assert "secret" not in str(shown["DATABASE_URL"])
    assert shown["ALERT_DEFAULT_LOOKBACK"] == 250
    assert notes_on(settings) == [
        "ALERT_DEFAULT_LOOKBACK=200 means 250: indicators need as many bars",
        "ALERT_ONCE_PER_BAR=false has no effect: an alert fires at most once per bar",
    ]


def test_a_time_that_is_longer_than_a_try_may_take(put: pytest.MonkeyPatch) -> None:
    put.setenv("NOTIFICATION_TIMEOUT", "120")
    settings = load_settings()
    assert settings.send_timeout == effective(settings)["NOTIFICATION_TIMEOUT"] == 30
    assert notes_on(settings) == ["NOTIFICATION_TIMEOUT=120 means 30: it is tried again then"]


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("SCHEDULER_MAX_WORKER", "is none of this program's settings; did you mean SCHEDULER_MAX_WORKERS?"),
        ("DATABSE_URL", "is none of this program's settings; did you mean DATABASE_URL?"),
        ("SCHEDULER_JOBSTORE", "is none of this program's settings"),
        ("ALERTS_COLOUR", "is none of this program's settings"),
        ("SCHEDULER_MISFIRE_GRACE_TIME", "has no effect: a job's options.catchup says how late a run may begin"),
        ("YAHOO_TIMOUT", "is none of this program's settings; did you mean YAHOO_TIMEOUT?"),
        ("PATHS_OF_ANOTHER_PROGRAM", None),
        ("DATA_LAKE", None),
        ("TEMPORAL_API_KEY", None),
    ],
)  # fmt: skip
def test_what_nobody_reads_is_said(put: pytest.MonkeyPatch, name: str, note: str | None) -> None:
    put.setenv(name, "5")
    found = [one for one in notes_on(load_settings()) if one.startswith(f"{name} ")]
    assert found == ([f"{name} {note}"] if note else [])


def test_our_own_name_wins_and_the_other_is_said(put: pytest.MonkeyPatch) -> None:
    put.setenv("SCHEDULER_DATABASE_URL", "postgresql://old:secret@host/old")
    put.setenv("DATABASE_URL", "sqlite:///new.db")
    settings = load_settings()
    assert settings.database_url == "sqlite:///new.db"
    assert notes_on(settings) == ["SCHEDULER_DATABASE_URL has no effect: DATABASE_URL is set and wins"]


def test_a_bad_value_under_an_old_name_is_a_fault(put: pytest.MonkeyPatch) -> None:
    put.setenv("SCHEDULER_DATABASE_URL", "mysql://u:secret@host/db")
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    assert [fault.path for fault in caught.value.faults] == ["DATABASE_URL"]
    assert "secret" not in str(caught.value)


FILE = {
    "database": {"url": "sqlite:///from-file.db", "pool_size": 7},
    "scheduler": {
        "max_workers": 5,
        "job_timeout": 600,
        "timezone": "Europe/Berlin",
        "misfire_grace_time": 60,
        "colour": 1,
    },
    "data": {"timeout": 30},
    "alerts_providers": ["yahoo", "polygon"],
}


def test_a_file_of_settings(put: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "scheduler.json").write_text(json.dumps(FILE))
    put.setenv("ALERTS_CONFIG", str(tmp_path / "scheduler.json"))
    put.setenv("DATA_TIMEOUT", "20")
    settings = load_settings()
    assert (settings.database_url, settings.db_pool_size) == ("sqlite:///from-file.db", 7)
    assert (settings.scheduler_max_workers, settings.alerts_providers) == (5, ("yahoo", "polygon"))
    assert settings.data_timeout == 20
    assert notes_on(settings) == [
        "SCHEDULER_MISFIRE_GRACE_TIME in scheduler.json has no effect: a job's options.catchup says how late a run may begin",
        "SCHEDULER_COLOUR in scheduler.json is none of this program's settings",
        "DATA_TIMEOUT in scheduler.json has no effect: DATA_TIMEOUT is set and wins",
    ]


@pytest.mark.parametrize("text", ["{", "[1]", None])
def test_a_file_that_cannot_be_read(put: pytest.MonkeyPatch, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "scheduler.json"
    if text is not None:
        path.write_text(text)
    put.setenv("ALERTS_CONFIG", str(path))
    if text == "[1]":  # lines of an environment, of which it has none
        assert load_settings()
        return
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_settings()


def config(home: Path, *words: str, **variables: str) -> tuple[subprocess.CompletedProcess[str], dict[str, object]]:
    found = run(home, *words, "--json", **variables)
    return found, json.loads(found.stdout)


def test_the_commands_read_it_and_say_what_has_no_effect(tmp_path: Path) -> None:
    path = tmp_path / "scheduler.json"
    path.write_text(json.dumps(FILE))
    _, shown = config(tmp_path, "config", "--config", str(path))
    assert (shown["SCHEDULER_MAX_WORKERS"], shown["SCHEDULER_TIMEZONE"]) == (5, "Europe/Berlin")
    assert len(shown["notes"]) == 2  # type: ignore[arg-type]
    _, first = config(tmp_path, "--config", str(path), "config")
    assert first == shown
    checked, said = config(tmp_path, "validate-config", "--config", str(path), ALERT_ONCE_PER_BAR="false")
    assert checked.returncode == 0
    assert len(said["warnings"]) == 3  # type: ignore[arg-type]
    assert "note: ALERT_ONCE_PER_BAR=false has no effect" in checked.stderr
    assert run(tmp_path, "config", "--config", str(tmp_path / "none.json")).returncode == 2


def test_start_says_it_too(tmp_path: Path) -> None:
    """What is set in vain is said before anything else; the database that cannot be opened ends it here."""
    env = tmp_path / "old.env"
    env.write_text(
        "TRADING_ENV=staging\nSCHEDULER_MAX_WORKER=3\nexport SCHEDULER_DATABASE_URL='sqlite:////proc/none/a.db'\n"
    )
    for words in (["start", "--env", str(env)], ["api", "--config", str(env)]):
        found = run(tmp_path, *words)
        assert found.returncode == 1
        assert found.stderr.startswith(
            "note: SCHEDULER_MAX_WORKER in old.env is none of this program's settings; did you mean"
        )
    named = run(tmp_path, "start", "--env", "producton")
    assert named.returncode == 2
    assert "TRADING_ENV" in named.stderr
