"""Parameters that nobody reads are refused, and a request's faults are told at once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.starter.api.conftest import Api


@pytest.mark.parametrize(
    ("path", "faults"),
    [
        ("/api/runs?state=FAILED", {"query.state": "did you mean status?"}),
        ("/api/alerts?limit=0&symbl=AAPL&x=1", {"query.limit": "greater", "query.symbl": "did you mean symbol?", "query.x": "there are cursor"}),
        ("/api/schedules/none?version=1", {"query.version": "there are no parameters here"}),
        ("/api/data/status?ticker=AAPL", {"query.ticker": "there are symbol"}),
    ],
)  # fmt: skip
async def test_a_misspelt_parameter_is_no_filter_left_out(api: Api, path: str, faults: dict[str, str]) -> None:
    answer = await api.ann.get(path)
    assert answer.status_code == 422, answer.text
    told = {one["path"]: one["message"] for one in answer.json()["errors"]}
    assert told.keys() == faults.keys()
    assert all(words in told[name] for name, words in faults.items()), told
    assert (await api.nobody.get(path)).status_code == 401, "who has no key learns nothing"


@pytest.mark.parametrize(
    ("path", "body", "paths"),
    [
        ("/api/alerts", {"symbol": "AAPL", "rule": "close >", "colour": 1, "timeframe": "7m", "cron": "x"},
         {"$.colour", "$.rule", "$.timeframe", "$.cron"}),
        ("/api/alerts", {"expression": "AAPL > 1", "enabled": "yes", "rearm": "never"}, {"$.enabled", "$.rearm.type"}),
        ("/api/alerts", {"colour": 1}, {"$.colour"}),
        ("/api/schedules", {"job_type": "report", "colour": 1, "cron": "nope", "task_params": {"symbols": ["A B"], "x": 1}},
         {"$.colour", "$.cron", "$.task_params.symbols[0]", "$.task_params.x"}),
        ("/api/schedules", {"job_type": "alert", "name": 5, "task_params": {"rule": "AAPL >"}}, {"$.name", "$.task_params.rule"}),
        ("/api/schedules", {"job_type": 5, "task_params": []}, {"$.job_type", "$.task_params"}),
    ],
)  # fmt: skip
async def test_one_fault_hides_no_other(api: Api, path: str, body: dict[str, Any], paths: set[str]) -> None:
    answer = await api.ann.post(path, json=body)
    assert answer.status_code == 422, answer.text
    assert {one["path"] for one in answer.json()["errors"]} == paths
