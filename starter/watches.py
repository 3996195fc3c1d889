"""The workflows that keep the watch going, one a shard: made where they are missing."""

from __future__ import annotations

import asyncio
import contextlib

import structlog
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.service import RPCError

from activities.interface import TaskQueue, watch_workflow_id
from workflows.search_attributes import JOB_TYPE
from workflows.watch import WatchWorkflow

KEEP_SECONDS = 30.0
log = structlog.get_logger(__name__)


async def ensure_watches(client: Client, shards: int) -> None:
    """One that runs stays as it is. A shard that is none any more ends by itself, when its activity begins again."""
    for shard in range(shards):
        await client.start_workflow(
            WatchWorkflow.run,
            shard,
            id=watch_workflow_id(shard),
            task_queue=TaskQueue.WATCH,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"looks for the alerts of shard {shard}",
            search_attributes=TypedSearchAttributes([SearchAttributePair(JOB_TYPE, "watch")]),
        )


async def keep_watches(client: Client, shards: int, stop: asyncio.Event, every: float = KEEP_SECONDS) -> None:
    """Makes them again when somebody has ended them; until ``stop``."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every)
        try:
            await ensure_watches(client, shards)
        except RPCError as error:
            log.warning("no watch started", action="watch", error=error.message[:300])
