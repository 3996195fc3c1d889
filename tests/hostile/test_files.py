"""Every file and text the commands read: one clear refusal, shortly, and nothing is written; and rows of any kind in their tables."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from starter.cli import main
from storage.database import Database
from tests.hostile.catalogue import BODIES, MARKUP, STEERING, VALUES
from tests.hostile.test_columns import CELLS, COLUMNS, put

pytestmark = pytest.mark.timeout(1800)
SAMPLE = None if os.environ.get("HOSTILE") == "all" else 60
GOOD = {"symbol": "AAPL", "rule": "close > 1", "name": "n"}
HEAD = "time,open,high,low,close,volume\n"
CSVS: dict[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)) * 4000,
    "half": (HEAD + "2026-01-05T14:30:00Z,1,2").encode(),
    "one long line": b"x" * 3_000_000,
    "many columns": ",".join(f"c{number}" for number in range(20_000)).encode(),
    "many bad lines": (HEAD + "yesterday,a,b,c,d,e\n" * 200_000).encode(),
    "huge numbers": (HEAD + "2026-01-05T14:30:00Z," + ",".join(["9" * 5000] * 5) + "\n").encode(),
    "formulas": (HEAD + '"=cmd|calc",1,1,1,1,1\n').encode(),
    "steering": (HEAD + f'"{STEERING}",1,1,1,1,1\n').encode(),
    "quotes": (HEAD + '"' * 100_001).encode(),
    "NUL": (HEAD + "2026\x00,1,1,1,1,1\n").encode(),
    "years": (HEAD + "0001-01-01T00:00:00Z,1,1,1,1,1\n9999-12-31T23:59:59Z,1,1,1,1,1\n").encode(),
    "the same time": (HEAD + "2026-01-05T14:30:00Z,1,1,1,1,1\n" * 50_000).encode(),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALERTS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    return tmp_path / "home"


def run(monkeypatch: pytest.MonkeyPatch, *words: str, stdin: bytes = b"") -> tuple[int, str]:
    """Exit code and all that was printed, on both streams."""
    output = io.StringIO()
    monkeypatch.setattr(sys, "argv", ["alerts", *words])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = main._run()
    return code, output.getvalue()


def is_decent(code: int, said: str, codes: tuple[int, ...] = (2,)) -> bool:
    """A refusal that can be read: no traceback, no page after page, nothing that steers the terminal."""
    assert code in codes, said[:1000]
    assert "Traceback" not in said
    assert "alerts: unexpected" not in said
    assert len(said) < 100_000
    assert not any(ord(mark) < 32 and mark not in "\n\t" for mark in said), repr(said[:300])
    return True


def cases() -> dict[str, bytes]:
    whole = {what: json.dumps(value).encode(errors="surrogatepass") for what, value in VALUES.items()}
    inside = {
        f"{field}: {what}": json.dumps({**GOOD, field: value}).encode(errors="surrogatepass")
        for field in ("symbol", "rule", "name", "cron", "timeframe", "timezone", "rearm", "options", "tags", "unknown")
        for what, value in VALUES.items()
    }
    jobs = {
        f"symbols: {what}": json.dumps(
            {"job_type": "report", "cron": "@daily", "task_params": {"symbols": value}}
        ).encode(errors="surrogatepass")
        for what, value in VALUES.items()
    }
    return {**BODIES, **whole, **inside, **jobs}


async def _no_rows(home: Path) -> bool:
    if not (home / "alerts.db").exists():
        return True
    database = Database(f"sqlite:///{home / 'alerts.db'}")
    try:
        async with database.transaction() as work:
            return await work.schedules.counts() == []
    finally:
        await database.close()


def test_every_definition_file_is_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "definition.json"
    seen = 0
    every = list(cases().values())
    for raw in every if SAMPLE is None else random.Random(len(every)).sample(every, SAMPLE):
        path.write_bytes(raw)
        assert is_decent(*run(monkeypatch, "validate", str(path)), codes=(0, 2))
        seen += 1
    assert seen >= 60


@pytest.mark.parametrize("what", [*BODIES, "many items", "deep", "control characters", "a long text", "an expression"])
async def test_a_file_that_is_refused_adds_nothing(
    what: str, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "definition.json"
    path.write_bytes(cases()[what])
    code, said = await asyncio.to_thread(run, monkeypatch, "add", str(path))
    assert is_decent(code, said)
    assert await _no_rows(home)


@pytest.mark.parametrize("what", CSVS)
@pytest.mark.parametrize("words", [("preview", "AAPL > 1", "--bars"), ("indicator", "rsi", "--bars")])
def test_every_file_of_bars_is_read_or_refused(
    what: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(CSVS[what])
    assert is_decent(*run(monkeypatch, *words, str(path)), codes=(0, 2) if what == "half" else (2,))


@pytest.mark.parametrize("what", [one for one, value in VALUES.items() if isinstance(value, str)])
def test_every_text_on_the_command_line_is_read_or_refused(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = str(VALUES[what])[:100_000].lstrip("-") or "x"
    for words in (
        ("cron", "explain", text),
        ("validate", text),
        ("indicator", text, "--bars", "/nowhere.csv"),
        ("show", text),
    ):
        assert is_decent(*run(monkeypatch, *words), codes=(0, 2, 3))


def test_a_device_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("starter.cli.inputs.MOST_BYTES", 1 << 20)
    monkeypatch.setattr("activities.bar_files.decoding.MOST_BYTES", 1 << 20)
    assert is_decent(*run(monkeypatch, "validate", "/dev/zero"))
    assert is_decent(*run(monkeypatch, "preview", "AAPL > 1", "--bars", "/dev/zero"))


async def test_tables_show_rows_of_any_kind(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row that is odd in some way must not hide the others from whoever looks for what is wrong."""
    database = Database(f"sqlite:///{home / 'alerts.db'}")
    await database.upgrade()
    names: list[Any] = []
    for column in COLUMNS:
        for number, cell in enumerate([*CELLS.values(), MARKUP]):
            name = cell if column == "id" else f"{column.replace('_', '-')}-{number}"
            if await put(database, name, column, cell):
                names.append(name)
    await database.close()
    for words in (
        ("list",),
        ("list", "--json"),
        ("schedules", "list"),
        ("schedules", "list", "--json"),
        ("schedules", "list", "--invalid"),
    ):
        code, said = await asyncio.to_thread(run, monkeypatch, *words)
        assert code == 0, said[-1000:]
        assert "Traceback" not in said
        assert "name-3" in said or "--invalid" in words
        assert not any(ord(mark) < 32 and mark not in "\n" for mark in said)
    code, said = await asyncio.to_thread(run, monkeypatch, "show", f"name-{len(CELLS)}")
    assert "[/bold]" in said
    for name in ("version-0", "name-2", "task-params-10", "user-id-0", "created-at-3"):
        code, said = await asyncio.to_thread(run, monkeypatch, "schedules", "show", name)
        assert code in (0, 2), said[-500:]
        code, said = await asyncio.to_thread(run, monkeypatch, "schedules", "delete", name)
        assert code == 0, said[-500:]
