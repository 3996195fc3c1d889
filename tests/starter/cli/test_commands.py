"""The table of commands says what the commands say of themselves, and help imports none of them."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest
import typer
from typer.main import get_group

from starter.cli.commands import COMMANDS, load

HEAVY = ("pandas", "numpy", "talib", "temporalio", "sqlalchemy", "alembic", "httpx")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_the_command_says(name: str) -> None:
    command, place = load(name), COMMANDS[name]
    assert command.hidden is place.hidden
    if not place.hidden:
        assert place.help == command.get_short_help_str(1000)


def test_no_command_is_forgotten() -> None:
    for module in sorted({place.module for place in COMMANDS.values()}):
        here = {name for name, place in COMMANDS.items() if place.module == module}
        own = typer.Typer()
        own.callback()(lambda: None)
        import_module(f"starter.cli.{module}").register(own)
        assert set(get_group(own).commands) == here, module


def test_help_loads_nothing() -> None:
    code = f"import sys; sys.argv = ['alerts', '--help']; from starter.cli.main import app; app(standalone_mode=False); print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "backfill" in done.stdout
    assert done.stderr.strip() == "[]"


def test_a_typing_error_is_told_what_it_may_have_meant() -> None:
    code = "import sys; sys.argv = ['alerts', 'backfil']; from starter.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, "Did you mean 'backfill'?" in done.stderr) == (2, True), done.stderr
