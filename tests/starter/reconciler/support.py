"""A whole installation in one process: real database, real Temporal, real workers, a simulated market."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text
from temporalio.client import Client
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from activities.market_data.vendors.local.simulated import SimulatedMarket
from starter.clock import now
from starter.reconciler.sweep import Reconciler, installation
from storage.database import Database
from worker.runner import running_workers
from worker.settings import Settings
from worker.wiring import Services, build_services

RARELY = "0 0 1 1 *"


class Installation:
    """Rows, Temporal, and the reconciler between them."""

    def __init__(self, client: Client, database: Database, reconciler: Reconciler, services: Services) -> None:
        self.client, self.database, self.reconciler, self.services = client, database, reconciler, services

    async def sql(self, statement: str, **values: object) -> None:
        """What another program does."""
        async with self.database.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def insert(
        self, id: str, params: str = '{"symbol": "X", "rule": "close > 1"}', job_type: str = "alert", cron: str = RARELY
    ) -> None:
        await self.sql(
            "INSERT INTO job_schedules (key, job_type, task_params, cron) VALUES (:i, :t, :p, :c)",
            i=id,
            t=job_type,
            p=params,
            c=cron,
        )

    async def row(self, id: str) -> Any:
        async with self.database.transaction() as work:
            found = await work.schedules.get(id)
        assert found is not None
        return found

    async def state(self, id: str) -> Any:
        return await self.client.get_workflow_handle(f"alert-{id}").query("state", result_type=dict)

    async def becomes(self, check: Callable[[], Awaitable[Any]], what: str = "") -> None:
        """Waits on a condition."""
        seen: Any = None
        try:
            async with asyncio.timeout(90):
                while not (seen := await check()):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"never: {what or check} (last {seen!r})") from None


@asynccontextmanager
async def installed(
    client: Client, url: str, folder: Path, *, providers: Sequence[Any] | None = None, **options: Any
) -> AsyncIterator[Installation]:
    """Workers run inside; sweeps are made by the test, so that it knows when."""
    settings = Settings(database_url=url, alerts_home=folder, alerts_providers=("simulated",))
    services = build_services(settings, providers or [SimulatedMarket(7)])
    reconciler = Reconciler(client, services.database, await installation(services.database, now()), **options)
    try:
        async with running_workers(client, services, SandboxedWorkflowRunner(), sweeps=[reconciler.reconcile]):
            yield Installation(client, services.database, reconciler, services)
    finally:
        await services.close()


async def end_all(client: Client) -> None:
    """Leaves the shared server as it was found."""
    async for one in client.list_workflows("WorkflowType = 'AlertWorkflow' AND ExecutionStatus = 'Running'"):
        await client.get_workflow_handle(one.id).terminate()
    async for listed in await client.list_schedules():
        await client.get_schedule_handle(listed.id).delete()
