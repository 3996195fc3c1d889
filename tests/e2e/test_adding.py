"""``alerts add`` as people meet it: asked step by step, tried without writing, and told what cannot work."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import binary
from tests.e2e.processes import Home
from tests.mortal import with_us


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def answered(home: Home, *answers: tuple[str, str]) -> str:
    """Starts ``alerts add`` under a terminal, answers each question as it comes, and gives all that was shown."""
    main, sub = pty.openpty()
    process = subprocess.Popen(
        [binary("alerts"), "add"], env={**home.variables, "TERM": "dumb"}, stdin=sub, stdout=sub, stderr=sub,
        start_new_session=True, preexec_fn=with_us,
    )  # fmt: skip
    os.close(sub)
    shown, waiting, until = "", list(answers), time.monotonic() + 60
    while time.monotonic() < until:
        if not select.select([main], [], [], 0.2)[0]:
            continue
        try:
            piece = os.read(main, 65_536).decode(errors="replace")
        except OSError:
            break
        shown += piece
        if waiting and waiting[0][0] in shown.rpartition("\n")[2]:
            os.write(main, f"{waiting.pop(0)[1]}\n".encode())
            shown += "\n"
    assert process.wait(timeout=30) == 0, shown
    assert not waiting, (waiting, shown)
    os.close(main)
    return shown


def test_without_arguments_it_asks_one_thing_after_the_other(home: Home) -> None:
    shown = answered(
        home, ("Ticker", "aa pl"), ("Ticker", "aapl"), ("Bars", "7m"), ("Bars", "1h"), ("Rule", "rsii(14) > 70"),
        ("Rule", "RSI(14) is over 70 and the price above 150"), ("After it has fired", "4"), ("Pause", "2h"),
        ("Until when", "2099-12-31"), ("Told by", "pigeon!"), ("Told by", "log"),
    )  # fmt: skip
    assert "expected a ticker such as AAPL" in shown
    assert "did you mean rsi?" in shown
    assert "understood as: rsi(14) > 70 and close > 150" in shown
    (made,) = home.data("list")
    assert made["definition"]["rearm"] == {"cooldown": 7200.0}
    assert (made["symbol"], made["timeframe"]) == ("AAPL", "1h")
    assert made["definition"]["options"]["expires_at"] == "2099-12-31T00:00:00Z"


def test_a_dry_run_shows_what_would_be_and_writes_nothing(home: Home) -> None:
    words = ("add", "AAPL > 1", "--timeframe", "1h", "--expires", "2099-01-01 9:30", "--timezone", "America/New_York")
    done = home.run(*words, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["next_ticks"]) == 3
    assert (found["truth"], found["away"]) == ("TRUE", 0.0)
    assert found["values"]["close"] > 1
    shown = home.run(*words, "--dry-run").stdout
    assert "2099-01-01 09:30:00 America/New_York (2099-01-01 14:30:00 UTC)" in shown
    assert "it is true now: the alert would fire at its next bar" in shown
    assert home.data("list") == []
    far = home.run("add", "AAPL > 1e9", "--dry-run")
    assert "% from firing" in far.stdout


def test_what_cannot_work_is_said_and_added_all_the_same(home: Home, tmp_path: Path) -> None:
    (tmp_path / "bars").mkdir()
    only_files = {"ALERTS_PROVIDERS": "csv", "ALERTS_CSV_FOLDER": str(tmp_path / "bars")}
    done = home.run("add", "NOSUCH > 1", "--expires", "2020-01-01", "--channel", "telegram", **only_files)
    assert done.returncode == 0
    assert "no vendor has NOSUCH 1m: csv: there is no file NOSUCH_1m.csv" in done.stderr
    assert "it expired at 2020-01-01 00:00:00 UTC and would never look" in done.stderr
    assert "channel 'telegram' is not set up here" in done.stderr


def test_several_are_updated_by_their_ids(home: Home) -> None:
    home.run("add", "close > 1", "--symbols", "A,B,C", "--group", "g")
    ids = [one["id"] for one in home.data("list")]
    done = home.run("update", ids[0], ids[1], "close > 2", "--cooldown", "1h")
    assert done.returncode == 0, done.stderr
    assert "2 alerts updated" in done.stderr
    rules = {one["id"]: (one["rule"], one["definition"].get("rearm")) for one in home.data("list")}
    assert rules[ids[0]] == rules[ids[1]] == ("close > 2", {"cooldown": 3600.0})
    assert rules[ids[2]] == ("close > 1", None)
    clone = json.loads(home.run("clone", ids[0], "--symbol", "D", "--json").stdout)
    assert clone["definition"]["symbol"] == "D"
    assert clone["definition"]["rearm"] == {"cooldown": 3600.0}


def test_a_time_that_is_changed_is_in_the_alerts_own_zone(home: Home) -> None:
    home.run("add", "AAPL > 1", "--id", "zoned", "--timezone", "America/New_York")
    done = home.run("update", "zoned", "--expires", "2099-01-05 16:00")
    assert "2099-01-05 16:00:00 America/New_York (2099-01-05 21:00:00 UTC)" in done.stderr
    (one,) = home.data("list")
    assert one["definition"]["options"]["expires_at"] == "2099-01-05T21:00:00Z"
