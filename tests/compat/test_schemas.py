"""The JSON Schemas that are shipped take whatever the reader takes, in every dialect; and no nonsense."""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from domain import schemas
from domain.definition import read_definition
from domain.errors import InvalidInput
from domain.job import JobType
from domain.schedule_draft import ScheduleDraft
from tests.compat import test_old_alerts, test_old_jobs

ROOT = Path(__file__).parents[2]

EXAMPLES = sorted((ROOT / "examples").glob("*.json"))
HISTORIES = sorted((ROOT / "tests" / "histories").rglob("*.json"))


@cache
def validator(job_type: str) -> Draft202012Validator:
    return Draft202012Validator(schemas.load(job_type))


def is_valid(job_type: str, data: Any) -> bool:
    return bool(validator(job_type).is_valid(json.loads(json.dumps(data))))


def literals_of(path: Path) -> list[Any]:
    """Every dict and text of a module that is written out: what its tests read, good and bad."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Dict | ast.Constant):
            try:
                found.append(ast.literal_eval(node))
            except ValueError:
                continue
    return [one for one in found if isinstance(one, dict) or (isinstance(one, str) and len(one) < 200)]


def alerts_of(path: Path) -> list[Any]:
    """What of a module the reader takes as an alert, as a rule or as a part of one."""
    good = []
    for one in literals_of(path):
        for data in (one, {"ticker": "AAPL", "rule": one}):
            try:
                read_definition(data)
            except InvalidInput:
                continue
            good.append(data)
            break
    return good


@pytest.mark.parametrize(
    "path",
    [
        Path(test_old_alerts.__file__), ROOT / "tests/domain/test_definition.py", ROOT / "tests/starter/api/test_alerts.py",
        ROOT / "tests/histories/record.py", ROOT / "tests/activities/test_preview.py",
    ],
    ids=lambda path: path.name,
)  # fmt: skip
def test_alerts_that_are_read_are_valid(path: Path) -> None:
    good = alerts_of(path)
    assert len(good) >= 10
    for data in good:
        assert is_valid("alert", data), (data, [error.message for error in validator("alert").iter_errors(data)][:3])
        assert is_valid("alert", read_definition(data).as_json()), "and so is the full form"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_valid(path: Path) -> None:
    data = json.loads(path.read_text())
    for one in data if isinstance(data, list) else [data]:
        kind = one.get("job_type", "alert") if isinstance(one, dict) else "alert"
        params = one if "job_type" not in one else one["task_params"]
        assert is_valid(kind, params), list(validator(kind).iter_errors(params))


JOBS = [
    (case[0], case[1], case[2])
    for mark in test_old_jobs.test_what_was_written_is_what_is_run.pytestmark  # type: ignore[attr-defined]
    for case in mark.args[1]
]


@pytest.mark.parametrize(("job_type", "params", "target"), JOBS)
def test_jobs_that_are_read_are_valid(job_type: str, params: Any, target: str | None) -> None:
    assert is_valid(job_type, params), [error.message for error in validator(job_type).iter_errors(params)]
    found = ScheduleDraft(job_type, params, "n", target, "0 9 * * *", "UTC").definition()
    assert is_valid(job_type, found.task_params())  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "data",
    [
        {}, [], 5, {"symbol": "AAPL"}, {"symbol": "AA PL", "rule": "close > 1"}, {"ticker": 5, "rule": "close > 1"},
        {"rule": {"operator": "and", "conditions": []}}, {"rule": {"operator": "and"}}, {"rule": 7}, {"rule": "A > 1", "foo": 1},
        {"rule": {"indicator": "rsi", "operator": ">"}}, {"rule": {"indicator": "rsi", "value": 1}},
        {"rule": {"indicator": "rsi", "operator": ">", "value": 1, "colour": "red"}}, {"rule": {"and": [5]}},
        {"rule": {"operator": "and", "conditions": [{"left": {"field": "clos"}, "op": ">", "right": 1}]}},
        {"rule": "A > 1", "notify": {"who": 1}}, {"rule": "A > 1", "rearm": {"type": "other"}}, {"rule": "A > 1", "user_id": []},
    ],
)  # fmt: skip
def test_nonsense_is_not_valid(data: Any) -> None:
    assert not is_valid("alert", data)
    with pytest.raises(InvalidInput):
        ScheduleDraft("alert", data).definition()


@pytest.mark.parametrize("job_type", sorted(set(JobType) - {JobType.ALERT}))
def test_unknown_parameters_are_not_valid(job_type: str) -> None:
    assert not is_valid(job_type, {"symbols": ["A"], "message": "m", "colour": "red"})
