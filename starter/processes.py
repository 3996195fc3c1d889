"""The processes behind ``demo``, ``up`` and ``worker``: server, database, workers, in that order and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from activities.market_data.vendors.provider import Provider
from domain.alert import Alert, AlertState
from starter.alert_workflows import start_afresh
from starter.clock import now
from starter.reconciler.sweep import Reconciler, ensure_schedule, installation, keep_schedule
from starter.retention import ensure_retention
from starter.views import views
from starter.watches import ensure_watches, keep_watches
from storage.private import make_private
from worker.beats import beating
from worker.client import claim, connect, has_own_server
from worker.files import allow_many_files
from worker.logs import configure_logging
from worker.runner import running_workers, stop_on_signal, unless_stopped
from worker.schema_folder import SchemaFolder
from worker.settings import Settings
from worker.temporal_server import EmbeddedServer, ensure_search_attributes
from worker.web_ui import web_ui
from worker.wiring import Services, always_open, build_services


class Stack:
    """Everything of one process, started on entry and drained on exit. ``stop`` is set by Ctrl-C or SIGTERM."""

    def __init__(
        self,
        settings: Settings,
        providers: Sequence[Provider] | None,
        say: Callable[[str], None],
        *,
        embedded: bool = True,
        jobs: bool = True,
        queues: Collection[str] | None = None,
    ) -> None:
        self.settings, self.providers, self.say, self.jobs = settings, providers, say, jobs
        self.queues = queues
        self.embedded = embedded and has_own_server(settings)
        self.exits = AsyncExitStack()
        self.stop = asyncio.Event()
        self.services: Services
        self.client: Any
        self.reconciler: Reconciler

    @property
    def ui_url(self) -> str:
        """Where the Web UI is, as far as we know."""
        return self.settings.ui_url if self.embedded else f"that of the server at {self.settings.temporal_target}"

    @property
    def views(self) -> list[str]:
        """Links into it; none where another's server is used."""
        return views(self.settings.ui_url, self.settings.temporal_namespace) if self.embedded else []

    async def __aenter__(self) -> Stack:
        configure_logging(self.settings.log_level)
        self.stop = self.exits.enter_context(stop_on_signal())
        try:
            await unless_stopped(self.stop, self._start())
        except BaseException:
            await self.exits.aclose()
            raise
        return self

    async def _start(self) -> None:
        allow_many_files()
        make_private(self.settings.alerts_home)
        if self.embedded:
            self.say("starting the Temporal server …")
            server = EmbeddedServer(self.settings)
            self.exits.push_async_callback(server.stop)
            await server.start()
            await self.exits.enter_async_context(web_ui(server.ui, self.settings.alerts_ui_port))
        self.services = build_services(self.settings, self.providers)
        self.exits.push_async_callback(self.services.close)
        await self.services.database.upgrade()
        self.client = await connect(self.settings, seconds=15.0, claimed=self.embedded)
        if self.embedded:
            await claim(self.client, self.settings)
        await ensure_search_attributes(self.client)
        database = self.services.database
        mark = await installation(database, now())
        folder = SchemaFolder(self.settings.alert_schema_dir)
        self.reconciler = Reconciler(
            self.client,
            database,
            mark,
            unmarked=self.embedded,
            calendars=None if always_open(self.services.market.providers) else self.settings.calendars(),
            full_every=timedelta(seconds=self.settings.reconcile_full_seconds),
            check=lambda stored: folder.check_definition(stored.schedule.definition) if stored.schedule else None,
        )
        sweeps = [self.reconciler.reconcile] if self.jobs else None
        running = running_workers(self.client, self.services, sweeps=sweeps, queues=self.queues)
        await self.exits.enter_async_context(running)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.exits.aclose()

    async def serve_api(self) -> str:
        """The REST API in this process; returns its address."""
        from starter.api.app import create_app
        from worker.http_server import bounds_of, serving

        app = create_app(self.settings, self.services.database)
        settings = self.settings
        serves = serving(app, settings.api_host, settings.alerts_api_port, bounds_of(settings))
        await self.exits.enter_async_context(beating(self.services.database, "api"))
        return await self.exits.enter_async_context(serves)

    async def answer_telegram(self) -> str:
        """The bot in this process; returns its name."""
        from starter.telegram.intake import telegram_bot

        await self.exits.enter_async_context(beating(self.services.database, "telegram"))
        return await self.exits.enter_async_context(telegram_bot(self.settings, self.services.database))


async def resume_alerts(stack: Stack) -> int:
    """Brings every row to Temporal, now and from now on; returns how many alerts run."""
    await stack.reconciler.sweep(full=True)
    await ensure_schedule(stack.client)
    await ensure_retention(stack.client)
    keeping = asyncio.create_task(keep_schedule(stack.client, stack.stop))
    stack.exits.callback(keeping.cancel)
    await keep_watching(stack)
    async with stack.services.database.transaction() as work:
        return sum(row.is_alert and row.enabled and not row.is_over for row in await work.schedules.briefs())


async def keep_watching(stack: Stack) -> None:
    """The watch of every shard, now and from now on."""
    shards = stack.services.shards.count
    await ensure_watches(stack.client, shards)
    keeping = asyncio.create_task(keep_watches(stack.client, shards, stack.stop))
    stack.exits.callback(keeping.cancel)


async def fresh_alerts(stack: Stack, alerts: Sequence[Alert], seen_until: datetime | None = None) -> None:
    """Replaces alerts of the same ids by new ones, with no memory of an earlier demo.

    With ``seen_until`` they evaluate every bar that closes after it, instead of beginning with the newest.
    """
    for alert in alerts:
        async with stack.services.database.transaction() as work:
            await work.schedules.delete(alert.id)
            (fresh,) = await work.never_before([alert])
            await work.schedules.add(fresh, now())
        assert isinstance(fresh, Alert)
        await start_afresh(stack.client, fresh, AlertState(last_bar_close=seen_until), stack.reconciler.ours)
