"""Runs the workers of all task queues in one process until told to stop, then drains them."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner

from activities.interface import TaskQueue
from activities.market_data.vendors.status import NOTE, states
from worker.beats import beating
from worker.wiring import Services
from workflows.alert import AlertWorkflow
from workflows.delivery import DeliveryWorkflow
from workflows.jobs import ALL as JOB_WORKFLOWS
from workflows.reconcile import ReconcileWorkflow
from workflows.retention import RetentionWorkflow
from workflows.watch import WatchWorkflow

GRACE = timedelta(seconds=15)
LONGEST_END = 27.0  # seconds from the signal to the end: compose and Kubernetes allow 30
CACHED_WORKFLOWS = 20_000
TELL_SECONDS = 10.0
T = TypeVar("T")
Activity = Callable[..., Coroutine[Any, Any, Any]]
log = structlog.get_logger(__name__)


def build_workers(
    client: Client,
    services: Services,
    runner: WorkflowRunner | None = None,
    sweeps: Sequence[Activity] | None = None,
    queues: Collection[str] | None = None,
) -> list[Worker]:
    """One worker a task queue. Without the sandbox a tick costs much less; the tests keep it on.

    ``sweeps`` are the activities of the ``reconcile`` queue, which the caller brings along; None leaves that queue and the
    ``jobs`` queue alone. Sweeps wait behind no job. ``queues`` names those that this process serves; None: all.
    """
    runner = runner or UnsandboxedWorkflowRunner()
    shared: dict[str, Any] = {"workflow_runner": runner, "graceful_shutdown_timeout": GRACE}
    workers = [
        Worker(
            client,
            task_queue=TaskQueue.ALERTS,
            workflows=[AlertWorkflow],
            activities=[
                services.evaluation.evaluate,
                services.events.record,
                services.events.load,
                services.events.save,
            ],
            no_remote_activities=True,
            max_cached_workflows=CACHED_WORKFLOWS,
            **shared,
        ),
        Worker(client, task_queue=TaskQueue.MARKET_DATA, activities=[services.evaluation.fetch], **shared),
        Worker(
            client,
            task_queue=TaskQueue.NOTIFICATIONS,
            workflows=[DeliveryWorkflow],
            activities=services.notifier.activities,
            **shared,
        ),
    ]
    if sweeps is not None:
        workers += [
            Worker(
                client,
                task_queue=TaskQueue.JOBS,
                workflows=[*JOB_WORKFLOWS, RetentionWorkflow],
                activities=[
                    services.jobs.open,
                    services.jobs.run_step,
                    services.jobs.run,
                    services.jobs.close,
                    services.retention.prune,
                ],
                max_concurrent_activities=services.job_slots,
                **shared,
            ),
            Worker(
                client, task_queue=TaskQueue.RECONCILE, workflows=[ReconcileWorkflow], activities=list(sweeps), **shared
            ),
        ]
    if services.shards.count:
        workers.append(
            Worker(
                client,
                task_queue=TaskQueue.WATCH,
                workflows=[WatchWorkflow],
                activities=[services.watch.watch],
                max_concurrent_activities=services.shards.count,
                **shared,
            )
        )
    return [one for one in workers if queues is None or one.task_queue in queues]


@asynccontextmanager
async def running_workers(
    client: Client,
    services: Services,
    runner: WorkflowRunner | None = None,
    sweeps: Sequence[Activity] | None = None,
    queues: Collection[str] | None = None,
) -> AsyncIterator[None]:
    """Workers that poll inside the block and are drained at its end, all at once."""
    async with AsyncExitStack() as stack:
        workers = build_workers(client, services, runner, sweeps, queues)
        for worker in workers:
            await stack.enter_async_context(worker)
        settle_memory()
        telling = asyncio.create_task(tell_of_providers(services))
        looking = asyncio.create_task(services.looks.keep_writing())
        stack.callback(telling.cancel)
        stack.callback(looking.cancel)
        await stack.enter_async_context(beating(services.database, "worker"))
        log.info("workers running", action="start", queues=[worker.task_queue for worker in workers])
        try:
            async with _present(services, workers):
                yield
        finally:
            log.info("draining", action="drain", grace_seconds=GRACE.total_seconds())
            await asyncio.gather(*(worker.shutdown() for worker in workers))


@asynccontextmanager
async def _present(services: Services, workers: Sequence[Worker]) -> AsyncIterator[None]:
    """Other workers of the watch leave this one its part of the shards, and take them as soon as it begins to drain."""
    places = services.watch.places
    if all(worker.task_queue != TaskQueue.WATCH for worker in workers):
        yield
        return
    staying = asyncio.create_task(places.keep_present())
    try:
        yield
    finally:
        staying.cancel()
        await places.leave()


async def tell_of_providers(services: Services) -> None:
    """How the vendors fare in this process, where ``alerts providers`` can see it."""
    while True:
        now = datetime.now(UTC)
        note = {"providers": states(services.market.providers)}
        try:
            async with services.database.transaction() as work:
                await work.reports.put(f"{NOTE}{services.identity}"[:64], now, note)
                await work.reports.forget(NOTE, now - timedelta(days=1))
            await services.shards.tell(services.identity)
        except Exception as error:  # the database may be away; alerts go on
            log.debug("providers not told of", action="tell_of_providers", error=type(error).__name__)
        await asyncio.sleep(TELL_SECONDS)


def settle_memory() -> None:
    """What lives as long as the process need not be looked at by each garbage collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


class Stopped(Exception):
    """The process was told to stop before it was up."""


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; it is cancelled when the process is told to stop.

    It runs in the caller's own task: a worker that it starts ends that one, should it fail later.

    Raises:
        Stopped: it was.
    """
    body = asyncio.current_task()
    assert body is not None

    async def watch() -> None:
        await stop.wait()
        body.cancel()

    watching = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        body.uncancel()
        raise Stopped from None
    finally:
        watching.cancel()


@contextmanager
def stop_on_signal() -> Iterator[asyncio.Event]:
    """An event set by the first SIGINT or SIGTERM; the second leaves at once, and so does time: see ``LONGEST_END``."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    timer = threading.Timer(LONGEST_END, _end)
    timer.daemon = True

    told = False

    def handle(number: int, _frame: object) -> None:
        nonlocal told
        if told:  # not: the timer lives, which it does not yet while it is being started
            os._exit(128 + number)
        told = True
        timer.start()
        loop.call_soon_threadsafe(stop.set)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        if not stop.is_set():  # else it stays until the process has ended: what comes after this block may hang as well
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _end() -> None:
    """Whoever told us to stop would kill us a little later, with no word. What hangs is told."""
    log.error("not drained in time", action="drain", seconds=LONGEST_END)
    faulthandler.dump_traceback(all_threads=True)
    os._exit(1)
