"""``python -m starter FILE|FOLDER`` registers alerts and schedules, as often as one likes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ALERT = {
    "ticker": "AAPL",
    "rule": {"operator": "and", "conditions": [{"indicator": "rsi", "operator": ">", "value": 70}]},
}
REPORT = {
    "job_type": "report", "id": "closing", "user_id": 123, "name": "closing", "cron": "0 18 * * 1-5",
    "task_params": {"report_type": "daily_summary", "parameters": {"symbols": ["AAPL"], "include_charts": True}},
}  # fmt: skip


def starter(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "starter", *words],
        env={**os.environ, "ALERTS_HOME": str(home), "ALERTS_TEMPORAL_PORT": "1", "ALERTS_USER_ID": "123"},
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def registered(home: Path, *words: str) -> list[tuple[Any, ...]]:
    found = starter(home, *words, "--json")
    assert found.returncode == 0, found.stderr
    return [(one["action"], one["job_type"], one["id"]) for one in json.loads(found.stdout)]


def put(folder: Path, **files: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}.json").write_text(json.dumps(data))
    return folder


def test_a_folder_is_registered_once_and_followed_after(tmp_path: Path) -> None:
    folder, home = (
        put(tmp_path / "definitions", overbought=ALERT, report=REPORT, two=[ALERT, "MSFT > 5"]),
        tmp_path / "home",
    )
    new = [("created", "alert", "overbought"), ("created", "report", "closing"), ("created", "alert", "two-1"),
           ("created", "alert", "two-2")]  # fmt: skip
    dry = starter(home, str(folder), "--dry-run")
    assert (dry.returncode, "would be created" in dry.stdout, "4 created" in dry.stderr) == (0, True, True)
    assert registered(home, str(folder)) == new
    assert {did for did, *_ in registered(home, str(folder))} == {"unchanged"}
    put(folder, overbought=ALERT | {"timeframe": "1h", "enabled": False})
    assert [one for one in registered(home, str(folder)) if one[0] != "unchanged"] == [
        ("updated", "alert", "overbought")
    ]
    told = starter(home, str(folder / "report.json"))
    assert "unchanged" in told.stdout
    shown = subprocess.run(
        [sys.executable, "-m", "starter.cli.main", "schedules", "show", "overbought", "--json"],
        env={**os.environ, "ALERTS_HOME": str(home)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    row = json.loads(shown.stdout)
    assert (row["enabled"], row["user_id"], row["version"]) == (False, "123", 2)


def test_every_fault_of_every_file_is_told_and_nothing_is_registered(tmp_path: Path) -> None:
    folder = put(
        tmp_path / "definitions", good=ALERT, bad={"ticker": "AAPL", "rule": "rsx(1) > 2"}, worse=[REPORT | {"cron": "soon"}, 7],
        named={**ALERT, "id": "Not An Id"},
    )  # fmt: skip
    (folder / "broken.json").write_text('{"a": ')
    home = tmp_path / "home"
    found = starter(home, str(folder), str(tmp_path / "none.json"))
    assert (found.returncode, found.stdout) == (2, "")
    for name in ("bad.json", "worse.json:$[0].cron", "worse.json:$[1]", "named.json:$.id", "broken.json", "none.json"):
        assert name in found.stderr, found.stderr
    assert "good.json" not in found.stderr
    assert registered(home, str(folder / "good.json")) == [("created", "alert", "good")]


def test_what_is_another_users_or_of_another_type_is_left_alone(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", put(tmp_path / "definitions", closing=REPORT, one=ALERT)
    registered(home, str(folder))
    put(
        folder,
        closing=ALERT | {"id": "closing"},
        one=ALERT | {"user_id": "ann"},
        two=ALERT | {"id": "same"},
        six=ALERT | {"id": "same"},
    )
    found = starter(home, str(folder))
    assert found.returncode == 2
    assert "'closing' is there as report; delete it first" in found.stderr
    assert "'one' is another user's (123)" in found.stderr
    assert "has the id 'same', as" in found.stderr
    (tmp_path / "empty").mkdir()
    assert "has no file that ends in .json" in starter(home, str(tmp_path / "empty")).stderr
