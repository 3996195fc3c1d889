"""The activity ``watch``: looks for all alerts of one shard, for as long as its worker lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.evaluation import Evaluation
from activities.heartbeat import heartbeats
from activities.interface import (
    BARS_OBSERVED,
    WATCH,
    WATCH_HEARTBEAT,
    WATCH_REPORT,
    BarsObserved,
    alert_workflow_id,
)
from activities.looks import Looks
from activities.watch.fleet import Fleet
from activities.watch.listeners import Listeners
from activities.watch.nudging import Nudger
from activities.watch.places import Places
from activities.watch.replica import Replica
from activities.watch.run_log import RunLog
from activities.watch.shards import Shards, note_of
from domain.watching import WatchReport
from storage.database import Database

AT_ONCE = 64  # questions to the market
FOLLOWED_EVERY = 0.5  # seconds
TOLD_EVERY = 3.0
SHOWN_EVERY = timedelta(minutes=1)
LOOKS_EVERY = 15.0
RUNS_EVERY = 2.0
KEPT_FOR = timedelta(minutes=1)  # what a shard knows: it may be handed back at once
READ_AGAIN = timedelta(minutes=10)  # all of it: an alert that was deleted says no more
ASK_AGAIN = timedelta(seconds=5)
LONGEST_SLEEP = 1.0
MOST_LOOKS_SHOWN = 2500  # alerts whose look is written at once: the others' turn comes
log = structlog.get_logger(__name__)


class Watch:
    """Makes a ``ShardWatch`` of each shard that this worker is given."""

    def __init__(
        self,
        database: Database,
        evaluation: Evaluation,
        shards: Shards,
        looks: Looks,
        owner: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.database, self.evaluation, self.shards, self.looks = database, evaluation, shards, looks
        self.owner, self.clock = owner, clock
        self.places = Places(database, owner, shards.count, clock)

    @activity.defn(name=WATCH)
    async def watch(self, shard: int) -> str:
        """Until the worker ends, it has more than its part of the shards, or there is no such shard any more.

        Raises:
            ApplicationError: another worker is to go on.
        """
        if shard >= self.shards.count:
            return f"there is no shard {shard} of {self.shards.count}"
        if not await self.places.take(shard):
            raise _handed_on("another worker has fewer shards", timedelta(seconds=1))
        try:
            await self._watch(shard)
        finally:
            self.places.give_back(shard)
        raise _handed_on("the worker ends, or has too many shards", timedelta(milliseconds=100))

    async def _watch(self, shard: int) -> None:
        one = ShardWatch(self, shard)
        async with heartbeats(WATCH_HEARTBEAT):
            working = asyncio.create_task(one.run())
            tasks = {
                working,
                asyncio.create_task(activity.wait_for_worker_shutdown()),
                asyncio.create_task(self.places.too_many(shard)),
            }
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    working.result()
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from None
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await one.write_all_runs()


def _handed_on(why: str, wait: timedelta) -> ApplicationError:
    """Temporal asks the workers of the queue again."""
    category = ApplicationErrorCategory.BENIGN
    return ApplicationError(why, type="HandedOn", next_retry_delay=wait, category=category)


class ShardWatch:
    """One shard's alerts, their bars and their nudges."""

    def __init__(self, owner: Watch, shard: int) -> None:
        self.owner, self.shard, self.clock = owner, shard, owner.clock
        self.runs = RunLog(owner.database, owner.owner, owner.clock)
        self.fleet = Fleet(owner.database, owner.evaluation, shard, owner.shards.count, owner.clock, self.runs)
        self.nudger = Nudger(self._signal, self.fleet.drop, owner.clock)
        self.started_at = owner.clock()
        self._looking: set[Listeners] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._shown_at = self.started_at - SHOWN_EVERY
        self._judged, self._rests = 0, False

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            # a large fleet takes a minute to read, and its shard is not silent meanwhile
            group.create_task(self._every(TOLD_EVERY, self._tell))
            await self.fleet.load()
            log.info("watching", action="watch", shard=self.shard, alerts=len(self.fleet.replicas))
            group.create_task(self._look_when_due())
            group.create_task(self._every(FOLLOWED_EVERY, self._follow))
            group.create_task(self._every(RUNS_EVERY, self.runs.write))
            group.create_task(self._every(LOOKS_EVERY, self._show_looks))
            group.create_task(self._every(READ_AGAIN.total_seconds(), self.fleet.load, late=True))

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]], *, late: bool = False) -> None:
        """What fails is done again the next time: the database or the server may be away."""
        if late:
            await asyncio.sleep(seconds)
        while True:
            try:
                await work()
            except Exception as error:
                log.debug("watch hindered", action="watch", shard=self.shard, error=repr(error)[:200])
            await asyncio.sleep(seconds)

    async def _follow(self) -> None:
        await self.nudger.tell_again()
        self._rests = not self._rests
        if self.nudger.is_waiting or not self._rests:  # a workflow that was told answers soon
            await self.fleet.follow()

    async def _look_when_due(self) -> None:
        while True:
            self.fleet.changed.clear()
            for group in self.fleet.due():
                if group not in self._looking:
                    await self._slots.acquire()
                    self._looking.add(group)
                    self._begin(self._look(group))
                    await asyncio.sleep(0)  # what each does first is done in turns of its own
            due = [one.due for one in self.fleet.listeners.values() if one not in self._looking]
            pause = (min(due) - self.clock()).total_seconds() if due else LONGEST_SLEEP
            with suppress(TimeoutError):
                await asyncio.wait_for(self.fleet.changed.wait(), min(max(pause, 0.005), LONGEST_SLEEP))

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self, group: Listeners) -> None:
        try:
            before = group.judged
            told = await group.look()
            self._judged += group.judged - before
            is_written = await self._write_runs([replica for replica, _ in told])
            for replica, result in told:
                self._begin(self.nudger.tell(replica, replica.told(result, self.shard, is_written=is_written)))
        except Exception as error:
            group.due = self.clock() + ASK_AGAIN
            said = {"symbol": group.hearing.symbol, "timeframe": str(group.hearing.timeframe)}
            log.error("bars not judged", action="watch", error=repr(error)[:300], **said)
        finally:
            self._looking.discard(group)
            self._slots.release()
            self.fleet.changed.set()

    async def write_all_runs(self) -> None:
        """At the end; whoever has the shard next judges the same bars again where that fails."""
        await self._write_runs(None)

    async def _write_runs(self, told: Sequence[Replica] | None) -> bool:
        """Before a workflow hears of a later bar: from then on nobody would look at the earlier ones again. None: all."""
        try:
            await self.runs.write(None if told is None else [one.alert.id for one in told])
        except Exception as error:
            log.warning("runs not written", action="watch", shard=self.shard, error=repr(error)[:200])
            return False
        return True

    async def _signal(self, alert_id: str, nudge: BarsObserved) -> None:
        handle = activity.client().get_workflow_handle(alert_workflow_id(alert_id))
        await handle.signal(BARS_OBSERVED, nudge)

    async def _tell(self) -> None:
        """How it fares: to SQL, and now and then to the workflow, whose details people look at."""
        report, now = self.report(), self.clock()
        async with self.owner.database.transaction() as work:
            await work.reports.put(note_of(self.shard), now, _plain(report))
        if now - self._shown_at >= SHOWN_EVERY:
            self._shown_at = now
            handle = activity.client().get_workflow_handle(str(activity.info().workflow_id))
            await handle.signal(WATCH_REPORT, report)

    def report(self) -> WatchReport:
        """As it is now."""
        groups = self.fleet.listeners.values()
        lags = [one.lag for one in groups if one.lag is not None]
        bars = [one.newest.bar_close for one in groups if one.newest is not None]
        return WatchReport(
            self.shard,
            self.owner.shards.count,
            self.owner.owner,
            self.started_at,
            self.clock(),
            alerts=len(self.fleet.replicas),
            feeds=len(groups),
            judged=self._judged,
            nudges=self.nudger.sent,
            unanswered=self.nudger.unanswered,
            lag_ms=max(int(lag.total_seconds() * 1000) for lag in lags) if lags else None,
            last_bar=max(bars, default=None),
        )

    async def _show_looks(self) -> None:
        """Lists show when an alert was looked for last; of a large fleet some at a time."""
        for replica in self.fleet.to_be_shown(MOST_LOOKS_SHOWN):
            self.owner.looks.watched(replica.alert.id, replica.newest)


def _plain(report: WatchReport) -> dict[str, object]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(report).items()}
