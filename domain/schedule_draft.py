"""A schedule as somebody wrote it, before it is known to make sense: in a row, in a request, in a file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from domain.definition import AlertDefinition, read_definition
from domain.dialects import NOTIFIED
from domain.errors import Fault, InvalidInput
from domain.job import PARAMS, JobDefinition, JobType, read_job
from domain.job_dialects import WORDS, translated_params
from domain.own_types import NONE, OwnTypes
from domain.short_forms import ALIASES

OWN = ("$.name", "$.cron", "$.timezone")
WRITTEN = frozenset((*ALIASES, *NOTIFIED, "condition", "threshold"))
KNOWN: dict[str, frozenset[str]] = {
    JobType.ALERT.value: frozenset(AlertDefinition.model_fields) | WRITTEN,
    **{name.value: frozenset(model.model_fields) | WORDS for name, model in PARAMS.items()},
}
RULES = ("rule", "expression", "condition")
_CONDITION = re.compile(r"[<>=!]| crosses")


@dataclass(frozen=True)
class ScheduleDraft:
    """The parts that all schedules have. ``target`` stands for an alert's symbol where the parameters name none."""

    job_type: str
    params: Any
    name: str = ""
    target: str | None = None
    cron: str = ""
    timezone: str = ""
    own: OwnTypes = NONE

    def definition(self) -> AlertDefinition | JobDefinition:
        """What it means.

        Raises:
            InvalidInput: with every fault, by JSON path from the schedule.
        """
        try:
            json.dumps([self.params, self.name, self.target], ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InvalidInput("schedule", [Fault("$.task_params", "holds half of a surrogate pair")]) from None
        except (TypeError, ValueError):
            pass  # told by what reads it
        if self.job_type == JobType.ALERT:
            return self._alert()
        runs_as = self.own.runs_as(self.job_type)
        return read_job(
            runs_as, self._spread(runs_as), name=self.name, target=self.target, cron=self.cron, timezone=self.timezone,
            named="" if runs_as == self.job_type else self.job_type,
        )  # fmt: skip

    def _spread(self, runs_as: str) -> Any:
        there = frozenset[str]()
        if isinstance(self.params, dict) and self.target and runs_as != JobType.ALERT:
            there = frozenset(translated_params(runs_as, self.params, self.target).data)
        try:
            return self.own.spread(self.job_type, self.params, KNOWN.get(runs_as, frozenset()), there)
        except InvalidInput as error:
            raise InvalidInput("schedule", [one.at("$.task_params" + one.path[1:]) for one in error.faults]) from None

    def _alert(self) -> AlertDefinition:
        params = {"rule": self.params} if isinstance(self.params, str) else self._spread(JobType.ALERT)
        if not isinstance(params, dict):
            raise InvalidInput("schedule", [Fault("$.task_params", "expected an object or an expression", params)])
        if self._is_rule_in_target(params):
            return replace(self, params={**params, "rule": self.target}, target=None)._told_of_target()
        own = {"name": self.name, "cron": self.cron, "timezone": self.timezone}
        given = {key: value for key, value in own.items() if value}
        try:
            definition = read_definition(self._with_symbol({**params, **given}))
        except InvalidInput as error:
            faults = [one if one.path in OWN else one.at("$.task_params" + one.path[1:]) for one in error.faults]
            raise InvalidInput("schedule", faults) from None
        if self.target and self.target.strip().upper() != definition.symbol:
            message = f"names another ticker than the rule's {definition.symbol}"
            raise InvalidInput("schedule", [Fault("$.target", message, self.target)])
        return definition

    def _is_rule_in_target(self, params: dict[str, Any]) -> bool:
        """Whether the condition stands where others have the ticker, as ``AAPL > 150``."""
        return bool(self.target and _CONDITION.search(self.target)) and not any(name in params for name in RULES)

    def _told_of_target(self) -> AlertDefinition:
        try:
            return self._alert()
        except InvalidInput as error:
            rule = "$.task_params.rule"
            faults = [
                one.at("$.target" + one.path[len(rule) :]) if one.path.startswith(rule) else one for one in error.faults
            ]
            raise InvalidInput("schedule", faults) from None

    def _with_symbol(self, data: dict[str, Any]) -> dict[str, Any]:
        """``target`` as the symbol, unless the parameters or the rule's own text name one."""
        return {**data, "symbol": self.target} if self.target and not names_its_ticker(data) else data


def read_alert(data: Any, own: OwnTypes = NONE) -> AlertDefinition:
    """An alert that stands alone, with the fields that an operator's schema adds.

    Raises:
        InvalidInput: with every fault, by JSON path.
    """
    return read_definition(own.spread(JobType.ALERT, data, KNOWN[JobType.ALERT]))


def names_its_ticker(data: dict[str, Any]) -> bool:
    """Whether an alert's parameters say which ticker they are of."""
    if "symbol" in data or "ticker" in data:
        return True
    try:
        read_definition(data)
    except InvalidInput:
        return False
    return True
