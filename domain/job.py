"""Definitions of the jobs that are no alerts: reports, screeners, data processing, notifications, backups."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from domain import expression
from domain.bounds import refuse_too_much
from domain.cron import CronError, CronExpression
from domain.cron import parse as parse_cron
from domain.definition import faults_of, refuse_known
from domain.errors import Fault, InvalidInput
from domain.job_dialects import translated_params
from domain.job_params import Params, Told, WithFrame
from domain.job_words import Operation
from domain.operand import Model
from domain.report import ReportParams
from domain.screener import ScreenerParams
from domain.text import Line, Lines
from domain.ticker import Ticker
from domain.vendor_data import EVERYWHERE, Kind
from domain.zones import zone


class JobType(StrEnum):
    """What a row of ``job_schedules`` is."""

    ALERT = "alert"
    REPORT = "report"
    SCREENER = "screener"
    NOTIFICATION = "notification"
    DATA_PROCESSING = "data_processing"
    BACKUP = "backup"


class Limits(Model):
    """How long a run may take and how often it is tried. ``apart`` is the pause between tries."""

    timeout: timedelta
    tries: int = 1
    apart: timedelta = timedelta(seconds=10)


def _limits(seconds: float, tries: int = 1, apart: float = 10) -> Limits:
    return Limits(timeout=timedelta(seconds=seconds), tries=tries, apart=timedelta(seconds=apart))


class Step(StrEnum):
    """The steps of a data job, each on what the one before has left."""

    FETCH = "fetch"
    NORMALIZE = "normalize"
    CACHE = "cache"
    INDICATORS = "indicators"


class DataProcessingParams(WithFrame):
    """A data job. ``operation`` is the last step that is taken; nothing is stored before ``cache``."""

    kind: Kind = Kind.HISTORICAL_PRICES
    operation: Operation = "cache"
    data_source: str | None = Field(default=None, max_length=64)
    symbols: tuple[Ticker, ...] = Field(default=(), max_length=2000)
    lookback: int | None = Field(default=None, ge=1, le=50_000)
    indicators: tuple[str, ...] = Field(default=(), max_length=50)
    market_hours_only: bool = False

    @model_validator(mode="after")
    def _fits_its_kind(self) -> DataProcessingParams:
        if self.kind is Kind.ECONOMIC_EVENTS and self.symbols:
            raise ValueError("economic events are of no ticker; leave symbols out")
        if self.kind is not Kind.ECONOMIC_EVENTS and not self.symbols:
            raise ValueError("symbols: name at least one ticker")
        if self.operation == "indicators" and self.kind is not Kind.HISTORICAL_PRICES:
            raise ValueError("indicators are of historical_prices")
        return self

    @field_validator("indicators")
    @classmethod
    def _known_indicators(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                expression.parse(f"{text} != 0")
            except InvalidInput as error:
                raise ValueError("; ".join(fault.message for fault in error.faults)) from None
        return value

    def warnings(self) -> list[str]:
        """Vendors are asked in one order for all."""
        if self.data_source is None:
            return []
        return [f"data_source {self.data_source} has no effect: vendors are asked in the order of ALERTS_PROVIDERS"]

    @property
    def steps(self) -> tuple[Step, ...]:
        """In order, up to the operation."""
        every = tuple(Step)
        return every[: every.index(Step(self.operation)) + 1]

    @property
    def each(self) -> tuple[str, ...]:
        """The tickers, each once; one that stands for all where a kind has none."""
        return tuple(dict.fromkeys(self.symbols)) or (EVERYWHERE,)


class NotificationParams(Told):
    """A message at a time of its own."""

    message: Lines = Field(min_length=1, max_length=4000)
    subject: Line = Field(default="", max_length=200)
    priority: Literal["normal", "high", "urgent"] = "normal"
    notification_channels: tuple[str, ...] = Field(default=("log",), min_length=1, max_length=10)


class BackupParams(Params):
    """A backup of the database. ``keep`` is how many backups stay."""

    keep: int = Field(default=7, ge=1, le=1000)


@dataclass(frozen=True)
class JobKind:
    """What a job type is: the model of its parameters, its limits, and the Temporal workflow that runs it."""

    workflow: str
    limits: Limits
    params: type[Params] | None = None


JOBS = {
    JobType.REPORT: JobKind("ReportWorkflow", _limits(300, tries=3, apart=60), ReportParams),
    JobType.SCREENER: JobKind("ScreenerWorkflow", _limits(3600), ScreenerParams),  # the worker's own limit is shorter
    JobType.DATA_PROCESSING: JobKind("DataProcessingWorkflow", _limits(600, tries=2, apart=120), DataProcessingParams),
    JobType.NOTIFICATION: JobKind("NotificationWorkflow", _limits(30, tries=5, apart=10), NotificationParams),
    JobType.BACKUP: JobKind("BackupWorkflow", _limits(3600), BackupParams),  # the same
    JobType.ALERT: JobKind("EvaluationWorkflow", _limits(120)),  # one evaluation by hand; the alert itself is no job
}
PARAMS: dict[JobType, type[Params]] = {name: one.params for name, one in JOBS.items() if one.params is not None}


class JobOptions(Model):
    """``catchup`` and ``jitter`` are in seconds: a slot missed by more than ``catchup`` is recorded as MISSED."""

    overlap: Literal["skip", "buffer_one", "allow_all"] = "skip"
    catchup: float = Field(default=600, ge=10, le=86_400)
    jitter: float = Field(default=0, ge=0, le=3600)


class JobDefinition(Model):
    """One schedule that is no alert. ``params`` is the model of its type.

    ``named`` is an operator's own type that this one runs, ``custom`` holds own fields (``domain/own_types.py``).
    """

    job_type: JobType
    name: Line = Field(default="", max_length=255)
    target: Line | None = Field(default=None, max_length=255)
    cron: str
    timezone: str = "UTC"
    params: Any
    options: JobOptions = JobOptions()
    named: str = Field(default="", max_length=50)
    custom: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _own_fields_are_its_own(self) -> JobDefinition:
        refuse_known(self.custom, {*type(self.params).model_fields, "options"})
        return self

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        zone(value)
        return value

    @field_validator("cron")
    @classmethod
    def _readable_cron(cls, value: str) -> str:
        try:
            parse_cron(value)
        except CronError as error:
            raise ValueError("; ".join(fault.message for fault in error.faults)) from None
        return value

    @cached_property
    def parsed_cron(self) -> CronExpression:
        """The schedule, read."""
        return parse_cron(self.cron)

    @cached_property
    def digest(self) -> str:
        """Hash of all fields; equal definitions have equal digests."""
        text = json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def warnings(self) -> list[str]:
        """What is accepted, but has no effect in this version."""
        found: list[str] = self.params.warnings()
        return found

    def task_params(self) -> dict[str, Any]:
        """What stands in the column ``task_params``."""
        data: dict[str, Any] = self.params.model_dump(mode="json", exclude_defaults=True)
        options = self.options.model_dump(mode="json", exclude_defaults=True)
        return {**data, **({"options": options} if options else {}), **({"custom": self.custom} if self.custom else {})}


class Job(Model):
    """A job's definition with identity. ``version`` grows by one with each edit."""

    id: str
    user_id: str = "local"
    version: int = 1
    definition: JobDefinition


def read_job(job_type: str, task_params: Any, **fields: Any) -> JobDefinition:
    """A job's definition from its columns: ``name``, ``target``, ``cron``, ``timezone``.

    Raises:
        InvalidInput: with every fault, by JSON path; those of parameters are under ``$.task_params``.
    """
    faults: list[Fault] = []
    if job_type not in PARAMS:
        known = ", ".join(JobType)
        raise InvalidInput("definition", [Fault("$.job_type", f"expected one of {known}", job_type)])
    if not isinstance(task_params, dict):
        faults.append(Fault("$.task_params", "expected an object", task_params))
        task_params = None
    refuse_too_much(task_params, "definition")
    options: Any = {}
    custom: Any = {}
    params: Any = None
    if task_params is not None:
        written = translated_params(job_type, task_params, fields.get("target"))
        given = written.data
        options, custom = given.pop("options", {}), given.pop("custom", {})
        found = list(written.faults)
        try:
            params = PARAMS[JobType(job_type)].model_validate(given)
        except ValidationError as error:
            found += [one.at(written.written(one.path)) for one in faults_of(error)]
        faults += [one if one.path == "$.target" else one.at("$.task_params" + one.path[1:]) for one in found]
    data = {"job_type": job_type, "params": params, "options": options, "custom": custom, **fields}
    try:
        definition = JobDefinition.model_validate({key: value for key, value in data.items() if value is not None})
    except ValidationError as error:
        for one in faults_of(error):
            if one.path != "$.params":
                path = re.sub(r"^\$\.(options|custom)\b", r"$.task_params.\1", one.path)
                faults.append(one.at(path))
        raise InvalidInput("definition", faults) from None
    if faults:
        raise InvalidInput("definition", faults)
    if not definition.name:
        object.__setattr__(definition, "name", f"{job_type} {definition.cron}")
    return definition
