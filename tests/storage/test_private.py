"""Nobody but their owner may read databases, logs and backups, also those that were open before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from storage.backups.postgres import environment_of
from storage.database import Database, async_url
from storage.private import make_private, open_to_others, private_file, private_folder


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(autouse=True)
def usual_umask() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


async def test_a_database_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "alerts.db"
    database = Database(f"sqlite:///{path}")
    await database.upgrade()
    async with database.transaction() as work:
        await work.schedules.counts()
        beside = {one.name: mode(one) for one in path.parent.iterdir()}
    await database.close()
    assert mode(path.parent) == 0o700
    assert beside.keys() >= {"alerts.db", "alerts.db-wal"}
    assert set(beside.values()) == {0o600}


async def test_a_database_that_was_open_to_all_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "alerts.db"
    path.touch(mode=0o644)
    shared = mode(tmp_path)
    database = Database(f"sqlite:///{path}")
    await database.upgrade()
    await database.close()
    assert mode(path) == 0o600
    assert mode(tmp_path) == shared, "a folder that somebody else made stays as it is"


def test_a_home_that_was_open_is_closed_with_its_backups(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "backups").mkdir(parents=True)
    files = [home / "temporal.log", home / "alerts.db-wal", home / "backups" / "alerts-1.db"]
    for one in files:
        one.touch(mode=0o644)
    assert set(open_to_others(home)) == {home, home / "backups", *files}
    make_private(home)
    assert open_to_others(home) == []
    assert {mode(one) for one in files} == {0o600}
    assert open_to_others(home, [private_file(tmp_path / "elsewhere.db")]) == []
    assert open_to_others(private_folder(tmp_path / "fresh")) == []


def test_a_dump_connects_as_we_do_and_sees_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", "secret")
    monkeypatch.setenv("PGSSLROOTCERT", "/etc/ca.pem")
    url = "postgresql://ann:pass@db.example.com:5433/alerts?sslmode=verify-full&sslcert=/a.pem"
    found = environment_of(make_url(url))
    assert "secret" not in found.values()
    wanted = {
        "PGHOST": "db.example.com",
        "PGPORT": "5433",
        "PGUSER": "ann",
        "PGPASSWORD": "pass",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/etc/ca.pem",
        "PGSSLCERT": "/a.pem",
    }
    assert {name: value for name, value in found.items() if name.startswith("PG")} == wanted
    assert environment_of(make_url("postgresql+asyncpg:///x?host=/run/pg&ssl=require"))["PGSSLMODE"] == "require"


def test_tls_may_be_asked_for_as_the_tools_of_postgresql_spell_it() -> None:
    assert async_url("postgresql://h/d?sslmode=require") == "postgresql+asyncpg://h/d?ssl=require"
    assert async_url("postgres://h/d?a=1&sslmode=verify-full").endswith("?a=1&ssl=verify-full")
