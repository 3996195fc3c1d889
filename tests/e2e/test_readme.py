"""Every command of the README, as it is written and in its order, in a clean clone; vendors and Telegram are stand-ins."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import binary
from tests.e2e.processes import free_port
from tests.mortal import with_us
from tests.stand_ins.binance import BinanceStandIn
from tests.stand_ins.bot_api import TOKEN, BotApi
from tests.stand_ins.faulty import listening
from tests.stand_ins.finnhub import FinnhubStandIn
from tests.stand_ins.polygon import PolygonStandIn
from tests.stand_ins.server import StandIn
from tests.stand_ins.vendor import KEY, Vendor
from tests.stand_ins.yahoo import YahooStandIn

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420), pytest.mark.xdist_group("demo")]
ROOT = Path(__file__).parents[2]
FOR_EVER = ("alerts up", "alerts events --follow", "make demo")
OF_DEVELOPERS = ("make check", "make test", "make faults", "make bench")  # this very run, or hours
KINDS: tuple[type[Vendor], ...] = (YahooStandIn, BinanceStandIn, PolygonStandIn, FinnhubStandIn)


def commands() -> list[str]:
    """Of the blocks that show a shell; a line that ends open goes on in the next."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found: list[str] = []
    for kind, block in re.findall(r"```(console|bash)\n(.*?)```", text, re.S):
        lines = block.splitlines()
        while lines:
            line = lines.pop(0)
            if kind == "console" and not line.startswith("$ "):
                continue
            line = line.removeprefix("$ ")
            while line.count('"') % 2 or line.endswith("\\"):
                line += "\n" + lines.pop(0)
            found.append(line)
    return found


def without_comment(command: str) -> str:
    return re.sub(r"\s{2,}#.*", "", command)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files of the project in a folder of their own, with the environment that is there already."""
    made = tmp_path / "clone"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, made / name)
    (made / ".venv").mkdir()
    (made / ".venv" / "bin").symlink_to(Path(binary("alerts")).parent)
    for stamp in (".runtime", ".installed"):
        (made / ".venv" / stamp).touch()
    return made


@pytest.fixture
async def variables(clone: Path, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """A new user's, but for where vendors are and on which ports the product listens."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TEMPORAL_", "ALERT", "DATABASE_", "XDG_"))}
    port = free_port()
    found = {
        **kept, "HOME": str(tmp_path / "home"), "PATH": f"{clone / '.venv' / 'bin'}{os.pathsep}{kept['PATH']}", "LOG_LEVEL": "WARNING",
        "ALERTS_TEMPORAL_PORT": str(port), "TEMPORAL_ADDRESS": f"127.0.0.1:{port}", "ALERTS_UI_PORT": str(free_port()),
        "ALERTS_API_PORT": str(free_port()), "TELEGRAM_BOT_TOKEN": TOKEN,
    }  # fmt: skip
    (tmp_path / "home").mkdir()
    async with AsyncExitStack() as stack:
        for kind in KINDS:
            server = await stack.enter_async_context(StandIn(kind(lambda: datetime.now(UTC))))
            found |= {f"{kind.name.upper()}_BASE_URL": server.url, f"{kind.name.upper()}_RATE": "10000/minute"}
        bot = await stack.enter_async_context(listening(BotApi()))
        found["TELEGRAM_API_URL"] = bot.url
        yield found


class Shell:
    """One shell for all of them: what is exported stays."""

    END = "END-OF-COMMAND"

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder, self.variables = folder, variables
        self.process: asyncio.subprocess.Process

    async def begin(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            "bash", cwd=self.folder, env=self.variables, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, preexec_fn=with_us, limit=1 << 24,
        )  # fmt: skip

    async def run(self, command: str) -> tuple[int, str]:
        """Its exit code and what it said."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{{ {command}\n}} < /dev/null; code=$?; echo; echo {self.END} $code\n".encode())
        said = ""
        async with asyncio.timeout(90):
            while True:
                line = (await self.process.stdout.readline()).decode(errors="replace")
                if line.startswith(self.END):
                    return int(line.split()[1]), said
                assert line, f"the shell ended: {said}"
                said += line


async def test_every_command_runs_as_written(clone: Path, variables: dict[str, str]) -> None:
    shell = Shell(clone, variables)
    await shell.begin()
    running: list[asyncio.subprocess.Process] = []
    failed: list[str] = []
    try:
        for command in map(without_comment, commands()):
            if command.startswith(OF_DEVELOPERS):
                known = await shell.run(f"make --dry-run {command.split()[1]} > /dev/null")
                assert known[0] == 0, command
                continue
            if command in FOR_EVER:
                started = await _begin(command, clone, variables)
                if command == "alerts up":
                    running.append(started)
                else:
                    await _end(started, command)
                continue
            command = command.replace("localhost:8002", f"localhost:{variables['ALERTS_API_PORT']}").replace(
                "your-key", KEY
            )
            code, said = await shell.run(command)
            if code != 0:
                failed.append(f"$ {command}\nexit {code}: {said[-1500:]}")
        assert not failed, "\n\n".join(failed)
    finally:
        for one in running:
            await _end(one, "alerts up")
        shell.process.kill()
        await shell.process.wait()


async def _begin(command: str, clone: Path, variables: dict[str, str]) -> asyncio.subprocess.Process:
    """Until it says what shows that it does what it is for."""
    ready = {"make demo": "triggered", "alerts up": "Ctrl-C stops"}.get(command)
    own = {k: v for k, v in variables.items() if k != "TEMPORAL_ADDRESS"}
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", f"exec {command} 2>&1", cwd=clone, env=own, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        preexec_fn=with_us,
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(90):
        while ready is not None and ready not in said:
            line = (await process.stdout.readline()).decode(errors="replace")
            assert line, f"{command} ended: {said}"
            said += line
    return process


async def _end(process: asyncio.subprocess.Process, command: str) -> None:
    assert process.returncode is None, f"{command} ended by itself"
    os.killpg(process.pid, signal.SIGINT)
    async with asyncio.timeout(60):
        await process.communicate()


def test_the_commands_are_found() -> None:
    found = commands()
    assert len(found) > 35
    assert any("\n" in one for one in found), "those of several lines are one"
    for named in re.findall(r"examples/[\w.-]+", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / named).exists(), named
