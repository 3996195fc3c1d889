"""Completion under real shells: installed by the command itself, with ids, statuses, indicators, rearm types and zones."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import binary
from tests.e2e.processes import Home
from tests.mortal import with_us

CASES = [
    ("alerts pau", "pause"), ("alerts pause my-al", "my-alert"), ("alerts list --status TRIG", "TRIGGERED"), ("alerts indicators macde", "macdext"),
    ("alerts add x --rearm hyst", "hysteresis"), ("alerts add x --timezone Europe/Berl", "Europe/Berlin"), ("alerts show my-a", "my-alert"),
    ("alerts pause --group my-gr", "my-group"), ("alerts db back", "backup"),
]  # fmt: skip
BASH = """
source "$HOME/.bash_completions/alerts.sh"
COMP_LINE="$1"; read -ra COMP_WORDS <<< "$1"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_alerts_completion alerts
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = "PS1='> '; fpath=($HOME/.zfunc $fpath); autoload -Uz compinit; compinit -u -D; print REA''DY"
CLEAR_LINE = "\x15"


class Terminal:
    """A program under a terminal of its own."""

    def __init__(self, words: list[str], variables: dict[str, str]) -> None:
        self.main, sub = pty.openpty()
        self.process = subprocess.Popen(
            words, env=variables, stdin=sub, stdout=sub, stderr=sub, start_new_session=True, preexec_fn=with_us
        )
        os.close(sub)

    def type(self, text: str) -> None:
        os.write(self.main, text.encode())

    def shows(self, wanted: str, seconds: float = 30) -> bool:
        """Whether that comes."""
        shown, until = "", time.monotonic() + seconds
        while wanted not in shown and time.monotonic() < until:
            if select.select([self.main], [], [], 0.2)[0]:
                shown += os.read(self.main, 65_536).decode(errors="replace")
        return wanted in shown

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.main)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(tmp_path_factory.mktemp("completion") / "home")
    done = made.run("add", "AAPL > 150", "--id", "my-alert", "--group", "my-group")
    assert done.returncode == 0, done.stderr
    return made


def environment(home: Home, folder: Path, shell: str) -> dict[str, str]:
    path = f"{Path(binary('alerts')).parent}{os.pathsep}{os.environ['PATH']}"
    return {**home.variables, "HOME": str(folder), "SHELL": shell, "PATH": path, "TERM": "dumb"}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes(home: Home, shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    variables = environment(home, tmp_path, program)
    installed = subprocess.run(
        [program, "-c", "alerts --install-completion; exit $?"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert installed.returncode == 0, installed.stderr
    assert f"{shell} completion installed" in installed.stdout
    (in_bash if shell == "bash" else in_zsh)(program, variables)


def in_bash(program: str, variables: dict[str, str]) -> None:
    for line, whole in CASES:
        script = [program, "-c", BASH, "bash", line]
        done = subprocess.run(script, env=variables, capture_output=True, text=True, timeout=60, check=False)
        assert whole in done.stdout.split(), (line, done.stdout, done.stderr)


def in_zsh(program: str, variables: dict[str, str]) -> None:
    terminal = Terminal([program, "-f", "-i"], variables)
    try:
        terminal.type(f"{ZSH}\n")
        assert terminal.shows("READY")
        for line, whole in CASES:
            terminal.type(f"{line}\t")
            written = whole[len(line.rpartition(" ")[2]) :]
            assert terminal.shows(written), line
            terminal.type(CLEAR_LINE)
    finally:
        terminal.end()
