"""Jobs' parameters as the replaced services had them: accepted, accepted with a warning, or refused with the reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from activities.jobs.executor import JobRefused
from activities.jobs.screening import Sets
from domain.definition import AlertDefinition
from domain.errors import InvalidInput
from domain.job import JobDefinition
from domain.schedule_draft import ScheduleDraft
from storage.database import Database

REPORT = {
    "report_type": "daily_summary",
    "parameters": {"symbols": ["AAPL", "MSFT"], "timeframe": "1d", "include_charts": True},
}
SCREENER = {
    "screener_set": "sp500",
    "filter_criteria": {"min_market_cap": 1_000_000_000, "max_pe_ratio": 25, "min_volume": 100_000},
    "top_n": 50,
}
DATA = {"data_source": "yahoo", "operations": ["fetch", "normalize", "cache"], "symbols": ["AAPL", "MSFT"]}


def read(job_type: str, params: Any, target: str | None = None) -> JobDefinition:
    found = ScheduleDraft(job_type, params, "n", target, "0 9 * * *", "UTC").definition()
    assert isinstance(found, JobDefinition)
    again = ScheduleDraft(job_type, found.task_params(), "n", target, "0 9 * * *", "UTC").definition()
    assert again == found, "the full form says the same"
    return found


@pytest.mark.parametrize(
    ("job_type", "params", "target", "meant", "warned"),
    [
        ("report", REPORT, "daily_summary", {"report_type": "daily_summary", "symbols": ("AAPL", "MSFT"), "include_charts": True}, []),
        ("report", {"parameters": {"symbols": ["AAPL"]}}, "performance_report", {"report_type": "performance_report"}, []),
        ("report", {}, "AAPL, msft", {"symbols": ("AAPL", "MSFT")}, []),
        ("report", {"symbols": ["A"], "channels": ["log"]}, None, {"notification_channels": ("log",)}, []),
        ("report", {"symbols": ["A"], "notify": {"channels": ["log"]}}, None, {"notification_channels": ("log",)}, []),
        ("screener", SCREENER, "sp500", {"screener_set": "sp500", "top_n": 50}, []),
        ("screener", {"top_n": 10}, "AAPL,MSFT,GOOGL", {"symbols": ("AAPL", "MSFT", "GOOGL")}, []),
        ("screener", {}, ",".join(["AAPL"] * 50), {"symbols": ("AAPL",) * 50}, []),
        ("screener", {}, "nasdaq", {"screener_set": "nasdaq", "symbols": ()}, []),
        ("screener", {"screener_set": "custom", "symbols": ["X"]}, "sp500", {"symbols": ("X",)}, []),
        ("data_processing", DATA | {"kind": "earnings_data"}, None, {"kind": "earnings", "operation": "cache"}, ["data_source"]),
        ("data_processing", DATA | {"data_source": "news_data"}, None, {"kind": "news", "data_source": None}, []),
        ("data_processing", {"operations": ["indicators", "fetch"], "symbols": "A B"}, None, {"operation": "indicators"}, []),
        ("data_processing", {"symbols": ["A"]}, "earnings_data", {"kind": "earnings"}, []),
        ("notification", {"message": "m", "channels": ["webhook"]}, None, {"notification_channels": ("webhook",)}, []),
    ],
)  # fmt: skip
def test_what_was_written_is_what_is_run(
    job_type: str, params: Any, target: str | None, meant: dict[str, Any], warned: list[str]
) -> None:
    found = read(job_type, params, target)
    assert {name: getattr(found.params, name) for name in meant} == meant
    assert len(found.warnings()) == len(warned)
    assert all(word in said for word, said in zip(warned, found.warnings(), strict=True))


@pytest.mark.parametrize(
    ("job_type", "params", "target", "paths"),
    [
        ("report", {"parameters": {"symbols": ["?"], "timefram": "1d"}}, None,
         {"$.task_params.parameters.symbols[0]", "$.task_params.parameters.timefram"}),
        ("report", {"parameters": {"include_charts": "x", "symbols": ["A"]}}, None, {"$.task_params.parameters.include_charts"}),
        ("report", {"parameters": []}, None, {"$.task_params.parameters"}),
        ("screener", {"top_n": 1}, None, {"$.task_params"}),
        ("screener", {"symbols": ["A"], "filter_criteria": {"conditions": [{"indicator": "rsx", "operator": "<", "value": 1}]}},
         None, {"$.task_params.filter_criteria.conditions"}),
        ("data_processing", {"operations": ["fetch", "fly"], "symbols": ["A"]}, None, {"$.task_params.operations"}),
        ("data_processing", {"operations": "fetch", "symbols": ["A"]}, None, {"$.task_params.operations"}),
        ("data_processing", {"data_source": 5, "symbols": ["A"]}, None, {"$.task_params.data_source"}),
        ("screener", {"screener_set": "a/b"}, None, {"$.task_params.screener_set"}),
        ("screener", {}, "AAPL,#", {"$.task_params"}),
    ],
)  # fmt: skip
def test_faults_are_told_where_they_were_written(
    job_type: str, params: Any, target: str | None, paths: set[str]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(job_type, params, target)
    assert {fault.path for fault in caught.value.faults} == paths


def test_conditions_may_be_parts_of_a_rule() -> None:
    tree = {"indicator": "rsi", "operator": "<", "value": 30, "params": {"length": 7}}
    found = read("screener", {"symbols": ["A"], "filter_criteria": {"conditions": [tree, "close > 5"]}})
    assert found.params.filter_criteria.conditions == ("rsi(7) < 30", "close > 5")


def test_a_condition_may_stand_where_the_ticker_does() -> None:
    found = ScheduleDraft("alert", {"timeframe": "1h"}, "", "AAPL > 150 and rsi(14) < 70").definition()
    assert isinstance(found, AlertDefinition)
    assert (found.symbol, found.timeframe, str(found.rule)) == ("AAPL", "1h", "close > 150 and rsi(14) < 70")
    with pytest.raises(InvalidInput) as caught:
        ScheduleDraft("alert", {}, "", "AAPL > 150 and (close").definition()
    assert caught.value.faults[0].path == "$.target"


async def test_a_set_by_name_is_found_and_one_that_is_none_fails_with_the_reason(any_database: Database) -> None:
    sets = Sets(any_database, None)
    assert len((await sets.find("u", read("screener", SCREENER).params.screener_set)).symbols) > 400
    assert len((await sets.find("u", read("screener", {}, "nasdaq").params.screener_set)).symbols) > 90
    with pytest.raises(JobRefused, match="there is no set 'dax'; there are nasdaq100, sp500"):
        await sets.find("u", "dax")


def test_validate_says_what_has_no_effect(tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text(json.dumps([
        {"job_type": "screener", "user_id": 123, "id": 7, "target": "sp500", "task_params": SCREENER, "cron": "0 9 * * 1-5"},
        {"job_type": "report", "user_id": 123, "target": "daily_summary", "task_params": REPORT, "cron": "0 18 * * 1-5"},
    ]))  # fmt: skip
    found = subprocess.run(
        [sys.executable, "-m", "starter.cli.main", "validate", str(file), "--json", "--show"],
        capture_output=True, text=True, check=False, env=os.environ | {"ALERTS_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout)
    assert said["valid"]
    assert "warnings" not in said, "reports have charts"
    assert said["definitions"][1]["task_params"] == {"symbols": ["AAPL", "MSFT"]}
