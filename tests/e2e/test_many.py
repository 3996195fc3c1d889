"""Many alerts at once through the real command, server and worker, with a bar that shows how far it is."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

from tests.conftest import binary
from tests.e2e.processes import Home, eventually
from tests.mortal import with_us

COUNT = int(os.environ.get("MANY_ALERTS", "120"))


def watched(home: Home, *words: str) -> tuple[str, str]:
    """What people see: the words on stdout, and what a terminal shows meanwhile."""
    main, sub = pty.openpty()
    process = subprocess.Popen(
        [binary("alerts"), *words],
        env={**home.variables, "TERM": "xterm", "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=sub,
        preexec_fn=with_us,
    )
    os.close(sub)
    shown = b""
    while True:
        try:
            piece = os.read(main, 65_536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        shown += piece
    out, _ = process.communicate(timeout=120)
    os.close(main)
    assert process.returncode == 0, shown.decode(errors="replace")
    return out.decode(), shown.decode(errors="replace")


async def test_all_of_a_group_at_once(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.spawn("up")
    try:

        async def runs() -> bool:
            return home.run("status", "--json").returncode == 0

        await eventually(runs, 60, "alerts up runs")
        tickers = ",".join(f"T{number}" for number in range(COUNT))
        ids, shown = watched(
            home, "add", "rsi(14) > 99", "--symbols", tickers, "--timeframe", "1h", "--group", "many", "--tag", "m"
        )
        assert len(ids.split()) == COUNT
        assert "adding alerts" in shown
        assert "100%" in shown
        assert f"{COUNT:,} alerts added in the group many" in shown
        for words, done in (
            (("pause", "--group", "many", "--reason", "earnings"), "paused"),
            (("resume", "--tag", "m"), "resumed"),
            (("snooze", "--group", "many", "--for", "1h"), "snoozed"),
            (("resume", "--group", "many"), "resumed"),
            (("update", "--of-group", "many", "--cooldown", "1h"), "updated"),
        ):
            _, shown = watched(home, *words, "--yes")
            assert "100%" in shown, words
            assert f"{COUNT:,} alerts {done}" in shown
        listed = home.data("list", "--group", "many")
        assert {one["definition"]["rearm"]["cooldown"] for one in listed} == {3600}
        file = tmp_path / "many.json"
        assert home.run("export", "--group", "many", "--to", str(file)).returncode == 0
        exported = json.loads(file.read_text())
        (tmp_path / "listed.json").write_text(json.dumps(listed))
        for name in ("many.json", "listed.json"):
            assert home.run("validate", str(tmp_path / name)).returncode == 0, "what is listed and exported validates"
        watched(home, "delete", "--tag", "m", "--yes")
        assert home.data("list") == []
        assert len(home.data("restore")) == COUNT
        watched(home, "import", str(file))
        back = {one["id"]: one["definition"] for one in home.data("list")}
        assert back == {one["id"]: one["definition"] for one in exported}
        refused = home.run("import", str(file))
        assert refused.returncode == 5
        assert "--skip leaves those alone" in refused.stderr
        asked = home.run("delete", "--all")
        assert (asked.returncode, len(home.data("list"))) == (2, COUNT)
        assert f"delete {COUNT:,} alerts (all)" in asked.stderr
    finally:
        home.end()
