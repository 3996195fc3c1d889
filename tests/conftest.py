"""Fixtures shared by all layers: a simulated market, a database file, real Temporal servers."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import pytest
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.testing import WorkflowEnvironment

from domain.alert import Alert
from domain.bar import BarSnapshot
from domain.definition import read_definition
from storage.database import Database, migrate
from tests import postgres
from tests.mortal import mortal
from tests.stand_ins.server import PATIENT
from worker.converter import DATA_CONVERTER
from worker.temporal_server import MARKED_AFTER, TIMER_STEP
from workflows.search_attributes import ALL

hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")
STARTUP = timedelta(minutes=1)
HURRY = (
    "activities.evaluation.LOCAL_FETCH_SECONDS",
    "activities.market_data.feeds.refresh.LONGEST_FETCH_SECONDS",
    "activities.market_data.feeds.store.DATABASE_SECONDS",
)
VERDICT = pytest.StashKey[int]()
START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def binary(name: str) -> str:
    """A command of the virtual environment."""
    beside = Path(sysconfig.get_path("scripts")) / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is missing; run make install"
    return found


def make_alert(definition: object = "X > 100", id: str = "a1", version: int = 1) -> Alert:
    """An alert from any form of definition."""
    return Alert(id=id, version=version, definition=read_definition(definition))


def closes(*values: float | None, start: datetime = START, minutes: int = 1) -> list[BarSnapshot]:
    """Snapshots of consecutive bars with these closes."""
    length = timedelta(minutes=minutes)
    return [
        BarSnapshot(start + index * length, start + (index + 1) * length, {"close": value})
        for index, value in enumerate(values)
    ]


@pytest.fixture(scope="session", autouse=True)
def unhurried() -> Iterator[None]:
    """A slow machine is no slow vendor."""
    with pytest.MonkeyPatch.context() as patch:
        for name in HURRY:
            patch.setattr(name, PATIENT)
        yield


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that was migrated once, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "alerts.db"
    migrate(f"sqlite+aiosqlite:///{path}", "head")
    return path


@pytest.fixture
async def database(tmp_path: Path, migrated: Path) -> AsyncIterator[Database]:
    """A migrated SQLite file."""
    shutil.copyfile(migrated, tmp_path / "alerts.db")
    database = Database(f"sqlite:///{tmp_path / 'alerts.db'}")
    yield database
    await database.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """A real PostgreSQL server on which each test gets databases of its own."""
    # not in pytest's folder: a second session would close that to the user the server runs as
    with (
        tempfile.TemporaryDirectory(prefix="alerts-postgres-") as folder,
        postgres.server(Path(folder) / "data") as url,
    ):
        yield postgres.Cluster(url)


@pytest.fixture
async def postgres_url(cluster: postgres.Cluster) -> AsyncIterator[str]:
    """URL of a migrated PostgreSQL database."""
    url = await cluster.new()
    yield url
    await cluster.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
async def any_database(request: pytest.FixtureRequest, tmp_path: Path, migrated: Path) -> AsyncIterator[Database]:
    """A migrated database of each kind: what is tested with it holds for both."""
    if request.param == "sqlite":
        shutil.copyfile(migrated, tmp_path / "alerts.db")
        url, cluster = f"sqlite:///{tmp_path / 'alerts.db'}", None
    else:
        cluster = request.getfixturevalue("cluster")
        url = await cluster.new()
    database = Database(url)
    yield database
    await database.close()
    if cluster is not None:
        await cluster.drop(url)


@pytest.fixture(scope="session")
async def time_skipping(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WorkflowEnvironment]:
    """The time-skipping server, with the product's search attributes."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=mortal(binary("temporal-test-server"), tmp_path_factory.mktemp("mortal")),
        test_server_startup_timeout=STARTUP,
        data_converter=DATA_CONVERTER,
    ) as env:
        await env.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace="default",
                search_attributes={key.name: int(key.indexed_value_type) for key in ALL},  # type: ignore[arg-type]
            )
        )
        yield env


async def start_dev_server(command: str = "") -> WorkflowEnvironment:
    """A dev server of its own, with the product's search attributes and timer step."""
    return await WorkflowEnvironment.start_local(
        dev_server_existing_path=command or binary("temporal"),
        dev_server_startup_timeout=STARTUP,
        search_attributes=list(ALL),
        data_converter=DATA_CONVERTER,
        dev_server_log_level="error",
        dev_server_extra_args=["--dynamic-config-value", TIMER_STEP, "--dynamic-config-value", MARKED_AFTER],
    )


@pytest.fixture(scope="session")
async def dev_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WorkflowEnvironment]:
    """The dev server: visibility, search attributes, real time."""
    async with await start_dev_server(mortal(binary("temporal"), tmp_path_factory.mktemp("mortal"))) as env:
        yield env


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remembers the verdict for the way out."""
    session.config.stash[VERDICT] = int(exitstatus)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leaves by ``os._exit``: a process that used the Temporal client may abort while Python exits, and hide the verdict."""
    if VERDICT in config.stash and not hasattr(config, "workerinput"):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[VERDICT])
