"""The way from a client process to Temporal: one connection, bounded waits, and never a reason for a write to fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import structlog

from domain.alert import Alert
from domain.reconcile import Action, ActionKind
from domain.run import Run
from starter.definition_writes import Written
from storage.database import Database
from storage.deliveries import Delivery
from worker.client import TemporalUnreachable, connect
from worker.settings import Settings

if TYPE_CHECKING:
    from temporalio.client import Client

    from starter.alert_workflows import Ownership

TELL_SECONDS = 5.0
CONNECT_SECONDS = 3.0
AWAY_SECONDS = 3.0
log = structlog.get_logger(__name__)


class Gateway:
    """Tells Temporal what was written. What cannot be told is delivered by the reconciler."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self._client: Client | None = None
        self._ours: Ownership | None = None
        self._away_until = 0.0
        self._connecting = asyncio.Lock()

    async def client(self) -> Client:
        """A connected client; a server that did not answer is not asked again for some seconds.

        Raises:
            TemporalUnreachable: when none answers in time.
        """
        async with self._connecting:
            if self._client is None:
                if time.monotonic() < self._away_until:
                    raise TemporalUnreachable(self.settings.temporal_target)
                try:
                    self._client = await connect(self.settings, CONNECT_SECONDS)
                except TemporalUnreachable:
                    self._away_until = time.monotonic() + AWAY_SECONDS
                    raise
            return self._client

    async def ours(self) -> Ownership:
        """What in Temporal is this database's."""
        from starter.alert_workflows import Ownership
        from starter.clock import now
        from starter.reconciler.sweep import installation

        if self._ours is None:
            mark = await installation(self.database, now())
            self._ours = Ownership(mark, unmarked=not self.settings.temporal_address)
        return self._ours

    async def tell(self, written: Written) -> str:
        """Brings one write to Temporal; empty when it was told, else why not."""
        return await self._try(self._tell(written), written.id)

    async def start(self, run: Run) -> str:
        """Starts a run that was ordered; empty when it was told, else why not."""
        from starter.reconciler.runs import start_run

        async def start() -> None:
            await start_run(await self.client(), run)

        return await self._try(start(), run.run_id)

    async def deliver(self, delivery: Delivery) -> str:
        """Tells a delivery again; empty when Temporal knows of it, else why not."""
        from starter.clock import now
        from starter.reconciler.notices import hand_on

        async def deliver() -> None:
            await hand_on(await self.client(), self.database, delivery, now())

        return await self._try(deliver(), str(delivery.id))

    async def cancel(self, run: Run) -> str:
        """Cancels a run's workflow; empty when it was told, else why not."""
        from starter.alert_workflows import reached
        from starter.reconciler.runs import run_workflow_id

        async def cancel() -> None:
            name = str(run.job_snapshot.get("workflow_id") or run_workflow_id(run.run_id))
            await reached((await self.client()).get_workflow_handle(name).cancel())

        return await self._try(cancel(), run.run_id)

    async def _try(self, work: Coroutine[Any, Any, None], name: str) -> str:
        from temporalio.service import RPCError

        try:
            await asyncio.wait_for(work, TELL_SECONDS)
        except TimeoutError:
            return "Temporal did not answer in time"
        except TemporalUnreachable as error:
            return str(error)
        except Exception as error:  # the write is done, whatever this is: the reconciler delivers it
            text = error.message if isinstance(error, RPCError) else f"{type(error).__name__}: {error}"
            log.warning("Temporal not told", action="tell", id=name, error=text[:300])
            return "Temporal was not told"
        return ""

    async def _tell(self, written: Written) -> None:
        from starter import alert_workflows
        from starter.clock import now
        from starter.reconciler.apply import Applier

        client = await self.client()
        if written.kind is ActionKind.CREATE and isinstance(written.schedule, Alert):
            if written.enabled:
                await alert_workflows.start_afresh(client, written.schedule, ours=await self.ours())
            return
        action = Action(written.kind, written.id, written.job_type, "written", written.reason)
        await Applier(client, self.database, await self.ours(), now).apply(action)
