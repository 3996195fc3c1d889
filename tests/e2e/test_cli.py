"""The command line as people and programs use it: output, exit codes, every fault at once."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.e2e.processes import Home

pytestmark = pytest.mark.timeout(120)
HEADER = "time,open,high,low,close,volume\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    """Three hundred minutes of a random walk."""
    rng = np.random.default_rng(11)
    close = 100 + rng.standard_normal(300).cumsum().round(2)
    path = tmp_path / "walk.csv"
    times = pd.date_range("2026-01-05T14:30", periods=300, freq="min").strftime("%Y-%m-%dT%H:%M")
    pd.DataFrame(
        {"time": times, "open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 5}
    ).to_csv(path, index=False)
    return path


def expected_edges(truth: pd.Series) -> list[tuple[int, str]]:
    """Edge rearm in a few lines of pandas: fires when it becomes true, rearms when it becomes false."""
    truth = truth.astype(bool)
    changes = truth != truth.shift(fill_value=False)
    return [(int(i), "triggered" if truth[i] else "rearmed") for i in np.flatnonzero(changes)]


def test_preview_gives_the_events_that_pandas_gives(home: Home, bars: Path) -> None:
    close = pd.read_csv(bars)["close"]
    found = home.data("preview", "close > 100 and close > close[3]", "--bars", str(bars))
    truth = (close > 100) & (close > close.shift(3))
    events = [(e["bar"], e["kind"]) for e in found["events"] if e["kind"] != "data_stale"]
    assert found["bars"] == 300
    assert events == expected_edges(truth)
    assert found["events"][0]["bar_time"].endswith("Z")
    crossing = home.data("preview", "sma(5) crosses_above sma(20)", "--bars", str(bars))
    fast, slow = close.rolling(5).mean(), close.rolling(20).mean()
    side = np.sign((fast - slow).round(10)).replace(0, np.nan).ffill()
    wanted = [int(i) for i in np.flatnonzero((side > 0) & (side.shift() < 0))]
    assert [e["bar"] for e in crossing["events"] if e["kind"] == "triggered"] == wanted


def test_a_row_that_cannot_be_read_is_listed_as_such_and_output_stays_data(home: Home) -> None:
    home.run("add", "AAPL > 1", "--id", "good")
    home.run("add", "MSFT > 1", "--id", "bad")
    with sqlite3.connect(home.folder / "alerts.db") as raw:
        raw.execute("UPDATE job_schedules SET task_params = '{\"rule\": \"rsx(1) > 2\"}' WHERE key = 'bad'")
    listed = {one["id"]: one for one in home.data("list")}
    assert {id: one["status"] for id, one in listed.items()} == {"good": "ARMED", "bad": "INVALID"}
    assert "did you mean rsi?" in listed["bad"]["errors"][0]["message"]
    assert [one["id"] for one in home.data("list", "--status", "invalid")] == ["bad"]
    assert [one["id"] for one in home.data("list", "--symbol", "msft")] == ["bad"]
    assert [one["status"] for one in home.data("schedules", "list")] == ["ARMED", "INVALID"]
    shown = home.run("list").stdout
    assert "$.task_params.rule: unknown indicator 'rsx'" in shown
    assert "INVALID" in shown


def test_preview_of_one_ticker_among_several(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_text(
        "ticker,volume,open,close,high,low,window_start,transactions\nAAPL,1,10,11,12,9,1704205800000000000,3\n"
        "MSFT,5,90,91,92,89,1704205800000000000,2\n"
    )
    found = home.data("preview", "close > 90", "--bars", str(file), "--symbol", "msft")
    assert [one["kind"] for one in found["events"]] == ["triggered"]
    assert "say which, --symbol NAME" in home.run("preview", "close > 90", "--bars", str(file)).stderr
    assert "holds 2 tickers" in home.run("preview", "TSLA > 90", "--bars", str(file)).stderr


def test_preview_draws_a_chart(home: Home, bars: Path, tmp_path: Path) -> None:
    chart = tmp_path / "deep" / "out.png"
    done = home.run("preview", "rsi(14) > 60 and close > sma(20)", "--bars", str(bars), "--chart", str(chart))
    assert done.returncode == 0, done.stderr
    assert chart.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(chart.read_bytes()) > 20_000
    assert "300 bars" in done.stderr


def test_a_preview_warms_up_before_it_judges_and_says_what_came_after(home: Home, bars: Path) -> None:
    whole = home.data("preview", "close > sma(50)", "--bars", str(bars))
    assert "data_stale" not in {event["kind"] for event in whole["events"]}, "no live alert meets a warm-up"
    close = pd.read_csv(bars)["close"]
    fires = [event for event in whole["events"] if event["kind"] == "triggered"]
    for event in fires:
        later = close.get(event["bar"] + 5)
        moved = None if later is None else 100 * (later / close[event["bar"]] - 1)
        assert event["after"]["5"] == pytest.approx(moved)
    moves = [event["after"]["5"] for event in fires if event["after"]["5"] is not None]
    assert whole["outcomes"]["5"]["mean"] == pytest.approx(np.mean(moves))
    assert whole["outcomes"]["5"]["hit_rate"] == pytest.approx(100 * np.mean(np.array(moves) > 0))
    since = pd.read_csv(bars)["time"][200]
    part = home.data("preview", "close > sma(50)", "--bars", str(bars), "--from", str(since))
    assert part["bars"] == 100
    assert all(event["bar"] >= 200 for event in part["events"]), "rows are those of the file"
    assert all(event["values"]["sma(50)"] is not None for event in part["events"]), "the bars before it warmed it up"


def test_a_preview_without_a_file_takes_stored_or_fetched_bars(home: Home) -> None:
    found = home.data("preview", "AAPL", "rsi(14) > 60", "--timeframe", "1h", "--from", "10d")
    assert found["source"] == "simulated"
    of_two = home.data("preview", "AAPL > 1 and close / MSFT:close > 0", "--timeframe", "1h")
    assert of_two["bars"] == 500
    assert [event["kind"] for event in of_two["events"]] == ["triggered"]
    home.run("add", "AAPL > 1", "--id", "previewed", "--timeframe", "1h")
    assert home.data("preview", "previewed")["events"][0]["kind"] == "triggered"
    assert home.run("preview", "nosuch-alert").returncode == 3


def test_a_preview_puts_bars_together_for_a_longer_timeframe(home: Home, bars: Path) -> None:
    found = home.run("preview", "close > 0", "--bars", str(bars), "--timeframe", "1w", "--json")
    assert found.returncode == 0, found.stderr
    assert "were put together" in found.stderr
    assert json.loads(found.stdout)["bars"] < 100


def test_indicator_json(home: Home, bars: Path) -> None:
    found = home.data("indicator", "rsi", "--param", "length=14", "--bars", str(bars))
    assert (found["name"], found["params"]) == ("rsi", {"timeperiod": 14})
    (values,) = found["outputs"].values()
    assert (len(values), values[13]) == (300, None)
    assert 0 < values[14] < 100


def test_cron_explain_json(home: Home) -> None:
    words = (
        "cron",
        "explain",
        "30 9 * * MON-FRI",
        "--timezone",
        "America/New_York",
        "--from",
        "2026-10-30T14:00:00Z",
        "--count",
        "1",
    )
    assert home.data(*words) == {
        "expression": "30 9 * * MON-FRI", "timezone": "America/New_York", "description": "at 09:30 on Monday to Friday",
        "fires": ["2026-11-02T14:30:00Z"],
    }  # fmt: skip


def test_validate_json_and_exit_code(home: Home, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text('{"symbol": "AAPL", "rule": "close > 1"}')
    bad.write_text('{"symbol": "A B", "rule": "rsx(1) > 2", "cron": "61 * * * *"}')
    assert home.data("validate", str(good)) == {"valid": True, "errors": []}
    done = home.run("validate", str(bad), "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["valid"]) == (2, False)
    assert {error["path"] for error in said["errors"]} == {"$.symbol", "$.rule", "$.cron"}
    assert all(set(error) == {"path", "message", "value"} for error in said["errors"])


BAD: list[tuple[list[str], list[str]]] = [
    (["add", "rsx(14) > 1 and close >"], ["rsx", "but the text ends", "$.symbol"]),
    (["add", "close > 1", "--timeframe", "7m", "--cron", "99 * * * *"], ["$.symbol", "$.timeframe", "$.cron"]),
    (["add", "AAPL > 1", "--id", "No Good"], ["is no id"]),
    (["cron", "explain", "60 25 * * *", "--timezone", "Mars"], ["minute: 60", "hour: 25", "IANA"]),
    (["preview", "AAPL > 1", "--bars", "missing.csv"], ["there is no such file"]),
    (["validate", "missing.json"], ["there is no such file"]),
    (["indicator", "rsx", "--param", "length", "--bars", "missing.csv"], ["name=number", "there is no such file"]),
    (["cron", "explain"], ["Missing argument"]),
    (["nonsense"], ["No such command"]),
    (["pause", "x", "--for", "5", "--until", "2020-01-01"], ["not both"]),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), BAD, ids=[" ".join(words[:2]) for words, _ in BAD])
def test_bad_input_exits_2_with_every_fault_and_writes_nothing(home: Home, words: list[str], said: list[str]) -> None:
    done = home.run(*words)
    assert done.returncode == 2, done.stderr
    for text in said:
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (home.folder / "alerts.db").exists()


def test_bad_csv_names_each_line(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(
        HEADER
        + "2026-01-05T14:30,1,2,0.5,1,5\nsoon,1,2,0.5,1,5\n2026-01-05T14:31,x,2,0.5,1,5\n2026-01-05T14:30,1,2,3,-1,5\n"
    )
    done = home.run("preview", "AAPL > 1", "--bars", str(path))
    assert done.returncode == 2
    assert "line 3.time" in done.stderr
    assert "line 4.open" in done.stderr
    path.write_text(HEADER + "2026-01-05T14:30,1,2,0.5,1,5\n2026-01-05T14:30,1,2,3,-1,5\n")
    done = home.run("preview", "AAPL > 1", "--bars", str(path))
    assert all(text in done.stderr for text in ("line 3.time", "line 3.close", "line 3.high"))


def test_bad_settings_are_all_named_and_secrets_are_not(home: Home) -> None:
    done = home.run("list", ALERTS_UI_PORT="x", LOG_LEVEL="LOUD", ALERT_WEBHOOKS="https://secret.example/key")
    assert done.returncode == 2
    assert all(name in done.stderr for name in ("ALERTS_UI_PORT", "LOG_LEVEL", "ALERT_WEBHOOKS"))
    assert "secret" not in done.stderr


def test_alerts_without_a_server_are_saved_and_listed(home: Home) -> None:
    added = home.data("add", "AAPL > 150", "--id", "mine", "--tag", "tech")
    assert (added["id"], added["running"]) == ("mine", False)
    (listed,) = home.data("list")
    assert (listed["id"], listed["status"], listed["rule"]) == ("mine", "ARMED", "close > 150")
    assert home.data("list", "--status", "TRIGGERED") == []
    assert home.run("add", "AAPL > 1", "--id", "mine").returncode == 5
    assert home.run("show", "other").returncode == 3
    assert home.run("update", "mine", "rsx(1) > 1").returncode == 2
    assert home.data("update", "mine", "AAPL > 160", "--cooldown", "60")["version"] == 2
    paused = home.data("pause", "mine", "--reason", "lunch")  # written at once, told when there is a server
    assert (paused["status"], paused["version"], paused["told"]) == ("INACTIVE", 3, False)
    assert home.run("explain", "mine").returncode == 1
    assert home.data("delete", "mine")["deleted"] is True
    assert home.run("delete", "mine").returncode == 3


def test_reminders_are_options_beside_those_that_are_there(home: Home) -> None:
    home.run("add", "AAPL > 150", "--id", "mine", "--remind-every", "30m", "--remind-max", "5")
    assert home.data("show", "mine")["definition"]["options"] == {"remind_every": 1800.0, "remind_max": 5}
    home.run("update", "mine", "--remind-every", "2h")
    assert home.data("show", "mine")["definition"]["options"] == {"remind_every": 7200.0, "remind_max": 5}
    home.run("update", "mine", "AAPL > 160", "--remind-every", "off")
    assert "options" not in home.data("show", "mine")["definition"]
    for words in (["--remind-every", "soon"], ["--remind-max", "3"], ["--remind-every", "1h", "--rearm", "once"]):
        done = home.run("update", "mine", *words)
        assert done.returncode == 2, words
        assert "remind" in done.stderr, words


def test_light_commands_load_nothing_heavy() -> None:
    code = (
        "import sys, starter.cli.main, starter.context, starter.alerts;"
        "print([m for m in ('pandas', 'talib', 'matplotlib', 'numpy', 'temporalio', 'alembic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="sample data is not part of the project")
def test_real_bars_hysteresis_as_a_few_lines_give_it(home: Home, tmp_path: Path) -> None:
    import talib

    definition = tmp_path / "d.json"
    definition.write_text('{"symbol": "SPY", "rule": "rsi(14) > 65", "rearm": {"type": "hysteresis", "level": 55}}')
    for file, zone in (("spy_daily_2017_2018.csv", "UTC"), ("spy_1min_20201215_20201218.csv", "America/New_York")):
        found = home.data("preview", str(definition), "--bars", str(SHARED / file), "--timezone", zone)
        rsi = talib.RSI(pd.read_csv(SHARED / file)["close"].to_numpy(dtype=float), 14)
        expected, armed = [], True
        for index, value in enumerate(rsi):
            if armed and value > 65:
                expected, armed = [*expected, (index, "triggered")], False
            elif not armed and value <= 55:
                expected, armed = [*expected, (index, "rearmed")], True
        assert [(e["bar"], e["kind"]) for e in found["events"] if e["kind"] != "data_stale"] == expected
        assert len(expected) > 10
