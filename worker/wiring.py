"""The composition root: builds every activity's dependencies from the settings. No other place makes them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from activities.evaluation import Evaluation
from activities.events import EventStore
from activities.jobs.backup import Backup
from activities.jobs.columns import ByColumns
from activities.jobs.data_steps import DataSteps
from activities.jobs.evaluate import evaluate
from activities.jobs.executor import Executor
from activities.jobs.notice import notify
from activities.jobs.on_bars import OnBars
from activities.jobs.reports.report import Reports
from activities.jobs.runner import JobRunner
from activities.jobs.screening import Screener, Sets
from activities.looks import Looks
from activities.market_data.failover import MarketData
from activities.market_data.vendors.local.csv_file import CsvFolder
from activities.market_data.vendors.local.simulated import SimulatedMarket
from activities.market_data.vendors.provider import Hours, Provider
from activities.notifications.artist import Artist
from activities.notifications.delivery import Notifier
from activities.notifications.directory import directory
from activities.notifications.patience import Patience
from activities.retention import Retention
from activities.side_process import SideProcess
from activities.watch.shards import Shards
from activities.watch.watch import Watch
from domain.job import JobType
from storage.database import Database
from storage.sealing import Sealer, sealer
from worker.provider_settings import VENDORS
from worker.schema_folder import SchemaFolder
from worker.settings import Settings

JOBS_NICE = 10  # the long work of jobs: alerts go first


@dataclass(frozen=True)
class Services:
    """Everything the activities need, to be closed at the end."""

    database: Database
    market: MarketData
    evaluation: Evaluation
    looks: Looks
    events: EventStore
    notifier: Notifier
    jobs: JobRunner
    retention: Retention
    side: SideProcess
    watch: Watch
    shards: Shards
    job_slots: int = 10
    identity: str = ""

    async def close(self) -> None:
        """Ends requests under way, then gives all connections back."""
        self.side.close()
        await self.market.close()
        await self.notifier.close()
        await self.database.close()


def build_services(settings: Settings, providers: Sequence[Provider] | None = None) -> Services:
    """Services for one process; ``providers`` replaces the configured ones (demo, replay)."""
    database = build_database(settings)
    market = build_market(settings, database, providers)
    found = directory(settings, database, build_sealer(settings))
    patience = Patience(settings.notification_retries, timedelta(hours=settings.notification_hours))
    artist = Artist(database, settings.notification_charts)
    notifier = Notifier(database, found, patience=patience, link=settings.link, artist=artist)
    looks = Looks(database, market.clock)
    shards = Shards(database, settings.alerts_watch_shards if settings.alerts_watch == "on" else 0)
    record_all = settings.alerts_record == "all"
    evaluation = Evaluation(market, settings.lookback, record_all=record_all, looks=looks, shards=shards)
    identity = f"{os.getpid()}@{socket.gethostname()}"
    watch = Watch(database, evaluation, shards, looks, identity)
    timeouts = {
        JobType.ALERT: settings.alert_max_eval_time,
        JobType.SCREENER: settings.scheduler_job_timeout,
        JobType.BACKUP: settings.scheduler_job_timeout,
    }
    data = DataSteps(evaluation, database, settings.data_default_lookback)
    side = SideProcess(JOBS_NICE)
    executors = build_executors(settings, database, evaluation, data, side)
    jobs = JobRunner(database, executors, identity, timeouts, {JobType.DATA_PROCESSING: data.step}, names=found.names)
    events, slots = EventStore(database, identity, shards=shards), settings.scheduler_max_workers
    retention = Retention(database, settings.retention)
    return Services(
        database, market, evaluation, looks, events, notifier, jobs, retention, side, watch, shards, slots, identity
    )


def build_sealer(settings: Settings) -> Callable[[], Sealer]:
    """Made when it is first needed: most installations have no destinations."""
    return cache(lambda: sealer(settings.alerts_secret_key.get_secret_value(), settings.alerts_home))


def build_database(settings: Settings) -> Database:
    """The database with its pool."""
    return Database(
        settings.database,
        echo=settings.sql_echo,
        pool_size=settings.db_pool_size,
        max_overflow=settings.db_max_overflow,
        own=SchemaFolder(settings.alert_schema_dir).own,
    )


def build_executors(
    settings: Settings, database: Database, evaluation: Evaluation, data: DataSteps, side: SideProcess
) -> dict[JobType, Executor]:
    """What does the work of each job type."""
    on_bars = OnBars(evaluation)
    columns = ByColumns(on_bars, database if settings.data_cache_enabled else None, side)
    return {
        JobType.REPORT: Reports(on_bars, database, side),
        JobType.SCREENER: Screener(columns, database, Sets(database, settings.ticker_sets), settings.quota_alerts),
        JobType.DATA_PROCESSING: data.process,
        JobType.NOTIFICATION: notify,
        JobType.BACKUP: Backup(database, settings.alerts_home / "backups", side),
        JobType.ALERT: evaluate,
    }


def build_providers(settings: Settings) -> list[Provider]:
    """The enabled providers in order of priority."""
    made: list[Provider] = []
    for name in settings.in_order:
        if name in VENDORS:
            made.append(VENDORS[name](settings.vendor(name)))
        elif name == "csv":
            made.append(CsvFolder(settings.alerts_csv_folder, settings.alerts_csv_timezone))
        elif name == "simulated":
            made.append(SimulatedMarket(settings.alerts_simulated_seed))
    return made


def always_open(providers: Sequence[Provider]) -> bool:
    """Whether bars come from a market that never closes, such as the simulated one."""
    return any(one.hours is Hours.ALWAYS for one in providers)


def has_bars_of_seconds(settings: Settings) -> bool:
    """Whether any enabled provider has bars shorter than a minute."""
    return any(
        name not in VENDORS or any(frame.endswith("s") for frame in VENDORS[name].intervals)
        for name in settings.in_order
    )


def build_market(
    settings: Settings, database: Database | None, providers: Sequence[Provider] | None = None
) -> MarketData:
    """The cache over the providers, with the calendars of their markets."""
    return MarketData(
        providers or build_providers(settings),
        database if settings.data_cache_enabled else None,
        retries=settings.data_max_retries,
        calendars=settings.calendars(),
        ttl=timedelta(seconds=settings.data_cache_ttl),
    )
