"""Settings from the environment, checked all at once; secrets are never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import SettingsConfigDict

from domain.errors import Fault, InvalidInput
from domain.job import JOBS, JobType
from domain.zones import zone
from worker.notification_settings import LONGEST_TRY, NotificationSettings
from worker.provider_settings import ProviderSettings
from worker.retention_settings import RetentionSettings
from worker.schema_folder import SchemaFolder
from worker.settings_sources import default_home, gathered

Port = Annotated[int, Field(ge=1, le=65535)]
LEAST_BARS = 250
LONGEST_JOB = JOBS[JobType.BACKUP].limits.timeout.total_seconds()


class Settings(NotificationSettings, RetentionSettings, ProviderSettings):
    """Every variable the product reads; names are the fields in upper case."""

    model_config = SettingsConfigDict(env_prefix="", extra="ignore", frozen=True)

    alerts_home: Path = Field(default_factory=default_home)
    alerts_demo: bool = False
    alerts_link: str = ""
    alerts_user_id: str = Field(default="local", min_length=1, max_length=64)
    alert_schema_dir: Path | None = None
    ticker_sets: Path | None = None
    alert_default_lookback: int = Field(default=LEAST_BARS, ge=1, le=50_000)
    alert_max_eval_time: float = Field(default=120.0, gt=0, le=600)
    alert_once_per_bar: bool = True
    alerts_watch: Literal["on", "off"] = "on"
    alerts_watch_shards: int = Field(default=1, ge=1, le=1000)
    alerts_record: Literal["changes", "all"] = "changes"
    scheduler_job_timeout: float = Field(default=300.0, ge=1, le=LONGEST_JOB)
    alerts_temporal_port: Port = 7233
    alerts_ui_port: Port = 8233
    alerts_api_port: Port = 8002
    alerts_notifier_port: Port = 8003
    alerts_telegram_port: Port = 8004
    telegram_allowed_chats: str = ""
    telegram_webhook_url: str = ""
    alerts_api_strict: bool = True
    temporal_address: str = ""
    temporal_namespace: str = "default"
    database_url: str = ""
    sql_echo: bool = False
    db_pool_size: int = Field(default=5, ge=1, le=200)
    reconcile_full_seconds: float = Field(default=60.0, ge=1, le=86_400)
    db_max_overflow: int = Field(default=10, ge=0, le=200)
    scheduler_max_workers: int = Field(default=10, ge=1, le=500)
    scheduler_timezone: str = "UTC"
    trading_env: Literal["development", "test", "staging", "production"] = "development"
    health_check_interval: float = Field(default=5.0, ge=0, le=3600)
    api_host: str = "127.0.0.1"
    api_rate_limit: str = "1200/minute"
    api_address_rate_limit: str = "6000/minute"
    api_max_connections: int = Field(default=1000, ge=10, le=50_000)
    api_connections_per_address: int = Field(default=100, ge=1, le=50_000)
    api_max_body: int = Field(default=1_048_576, ge=1024, le=100_000_000)
    api_page_bytes: int = Field(default=2_000_000, ge=10_000, le=100_000_000)
    quota_schedules: int = Field(default=2000, ge=1)
    quota_alerts: int = Field(default=1000, ge=1)
    quota_ticks: int = Field(default=2000, ge=1)
    quota_symbols: int = Field(default=1000, ge=1)
    quota_runs: int = Field(default=10, ge=1)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("alert_schema_dir", "ticker_sets")
    @classmethod
    def _a_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("there is no such folder")
        return value

    @field_validator("api_rate_limit", "api_address_rate_limit")
    @classmethod
    def _a_rate(cls, value: str) -> str:
        if not re.fullmatch(r"[1-9]\d{0,8}/(second|minute|hour|day)", value):
            raise ValueError("expected a rate such as 1200/minute")
        return value

    @field_validator("scheduler_timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        zone(value)
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not re.match(r"(sqlite|postgres(ql)?)(\+[a-z0-9]+)?://", value):
            raise ValueError("expected a URL such as sqlite:///alerts.db or postgresql://host/name")
        return value

    @field_validator("telegram_allowed_chats")
    @classmethod
    def _numbers_of_chats(cls, value: str) -> str:
        if not re.fullmatch(r"\s*(-?\d{1,18}\s*(,\s*-?\d{1,18}\s*)*)?", value):
            raise ValueError("expected numbers of chats such as 123456789,-1001234567890")
        return value

    @field_validator("telegram_webhook_url")
    @classmethod
    def _https(cls, value: str) -> str:
        if value and not re.match(r"https://[^/\s]+", value):
            raise ValueError("expected an https address that Telegram can reach")
        return value

    @property
    def allowed_chats(self) -> frozenset[int]:
        """Chats that alone may steer the bot; none means any that has a code."""
        return frozenset(int(one) for one in self.telegram_allowed_chats.split(",") if one.strip())

    @property
    def database(self) -> str:
        """``DATABASE_URL``, or the SQLite file in the home folder."""
        return self.database_url or f"sqlite:///{self.alerts_home / 'alerts.db'}"

    @property
    def lookback(self) -> int:
        """Bars that indicators are warmed up on; fewer than 250 would give other figures than charts show."""
        return max(self.alert_default_lookback, LEAST_BARS)

    @property
    def temporal_target(self) -> str:
        """Where the Temporal server is: ``TEMPORAL_ADDRESS``, else the embedded one's address."""
        return self.temporal_address or f"127.0.0.1:{self.alerts_temporal_port}"

    @property
    def ui_url(self) -> str:
        """The embedded server's Web UI."""
        return f"http://127.0.0.1:{self.alerts_ui_port}"

    @property
    def link(self) -> str:
        """Where an alert is seen, by its ``{id}``: ALERTS_LINK, else the embedded server's Web UI."""
        if self.alerts_link or self.temporal_address:
            return self.alerts_link
        return f"{self.ui_url}/namespaces/{self.temporal_namespace}/workflows/alert-{{id}}"


MASK = "********"
NAMES = frozenset(name.upper() for name in Settings.model_fields)
SECRET = {name for name, one in Settings.model_fields.items() if "SecretStr" in str(one.annotation)} | {"database_url"}


def effective(settings: Settings) -> dict[str, Any]:
    """Every variable with its value as it is in force; what is secret is masked."""
    shown: dict[str, Any] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if name in SECRET and isinstance(value, dict):
            shown[name.upper()] = dict.fromkeys(value, MASK)
        elif isinstance(value, SecretStr):
            shown[name.upper()] = MASK if value.get_secret_value() else ""
        elif name == "alert_default_lookback":
            shown[name.upper()] = settings.lookback
        elif name == "notification_timeout":
            shown[name.upper()] = settings.send_timeout
        elif name == "database_url":
            shown[name.upper()] = _masked_database(settings.database)
        elif isinstance(value, str):
            shown[name.upper()] = re.sub(r"(?<=//)[^/@]*@", f"{MASK}@", value)
        else:
            shown[name.upper()] = str(value) if isinstance(value, Path) else value
    return shown


def _masked_database(url: str) -> str:
    """The address without its password and its options, which may hold one; all of it masked when it cannot be read."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return MASK
    if parsed.username and ":" in parsed.username:
        return MASK
    return parsed.set(query={}).render_as_string(hide_password=True)


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force: of the variables, by whatever name, then of the file that ALERTS_CONFIG names.

    Raises:
        InvalidInput: naming every variable that cannot be used, its value (but for secrets) and what was expected.
    """
    given = gathered(os.environ, NAMES)
    try:
        return Settings(**{name.lower(): value for name, value in given.values.items()} | dict(overrides or {}))
    except ValidationError as error:
        faults = []
        for detail in error.errors(include_url=False):
            name = str(detail["loc"][0]) if detail["loc"] else "settings"
            message = detail["msg"].removeprefix("Value error, ")
            shown = None if name in SECRET else detail["input"]
            faults.append(Fault(name.upper(), message[:1].lower() + message[1:], shown))
        raise InvalidInput("settings", faults) from None


def notes_on(settings: Settings) -> list[str]:
    """What was set and has no effect, or another than its writer may think; sentences for people, no secrets."""
    notes = gathered(os.environ, NAMES).notes
    if "ALERTS_HOME" not in os.environ and Path(".alerts", "alerts.db").exists():
        notes.append(
            f".alerts in this folder is not used: the home is {settings.alerts_home}; set ALERTS_HOME=.alerts to go on with it"
        )
    if settings.alert_default_lookback < LEAST_BARS:
        notes.append(
            f"ALERT_DEFAULT_LOOKBACK={settings.alert_default_lookback} means {LEAST_BARS}: indicators need as many bars"
        )
    if settings.notification_timeout > LONGEST_TRY:
        notes.append(
            f"NOTIFICATION_TIMEOUT={settings.notification_timeout:g} means {LONGEST_TRY:g}: it is tried again then"
        )
    if not settings.alert_once_per_bar:
        notes.append("ALERT_ONCE_PER_BAR=false has no effect: an alert fires at most once per bar")
    return notes + SchemaFolder(settings.alert_schema_dir).notes()
