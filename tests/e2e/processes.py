"""The real command, server and worker as processes of their own, each test on its own ports and home."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.conftest import binary
from tests.mortal import with_us
from worker.settings import Settings
from worker.temporal_server import EmbeddedServer


def free_port() -> int:
    """A port nobody uses now, below those that the system gives to outgoing connections at any moment."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
    """Polls until true; fails with what was waited for."""
    try:
        async with asyncio.timeout(seconds):
            while not await check():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {what}") from None


class Home:
    """One installation: a folder, ports, and the processes started in it."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.temporal_port, self.ui_port, self.api_port = free_port(), free_port(), free_port()
        self.variables = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("TEMPORAL_", "ALERT", "DATABASE_"))},
            "ALERTS_HOME": str(folder),
            "ALERTS_TEMPORAL_PORT": str(self.temporal_port),
            "ALERTS_UI_PORT": str(self.ui_port),
            "ALERTS_API_PORT": str(self.api_port),
            "ALERTS_PROVIDERS": "simulated",
            "LOG_LEVEL": "WARNING",
            **variables,
        }
        self.started: list[subprocess.Popen[bytes]] = []

    @property
    def settings(self) -> Settings:
        """The settings the processes see."""
        return Settings(alerts_home=self.folder, alerts_temporal_port=self.temporal_port, alerts_ui_port=self.ui_port)

    def spawn(self, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        """Starts ``alerts …``; its output goes to a file in the home."""
        self.folder.mkdir(parents=True, exist_ok=True)
        output = (self.folder / f"{words[0]}-{len(self.started)}.log").open("wb")
        process = subprocess.Popen(
            [binary("alerts"), *words],
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=with_us,
        )
        self.started.append(process)
        return process

    def run(
        self, *words: str, seconds: float = 60, stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs ``alerts …`` to its end."""
        return subprocess.run(
            [binary("alerts"), *words],
            env={**self.variables, **variables},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            preexec_fn=with_us,
        )

    def data(self, *words: str) -> Any:
        """The JSON a command prints; it must succeed."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def server(self) -> subprocess.Popen[bytes]:
        """The Temporal server alone, as ``alerts up`` starts it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"server-{len(self.started)}.log").open("wb") as log:
            process = subprocess.Popen(
                EmbeddedServer(self.settings).command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=with_us,
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Kills what still runs."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def leftovers(self) -> list[str]:
        """Command lines of live processes that name this home."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(self.folder) in line:
                found.append(line)
        return found
