"""The alerts of one shard, as SQL has them: read at the start, then whatever workflows record."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import structlog

from activities.evaluation import Evaluation
from activities.watch.listeners import Hearing, Listeners, hearing_of
from activities.watch.replica import Replica
from activities.watch.run_log import RunLog
from domain.alert import Alert, AlertState
from domain.watching import shard_of
from storage.database import Database
from storage.stored_schedule import StoredSchedule, memory_under
from storage.watched import WatchedAlert

PAGE = 500
LONGEST_UNSHOWN = timedelta(minutes=1)  # twice as long where there are many
A_FEW = 1000
OVERLAP = timedelta(
    seconds=20
)  # what was noted before and is written only now is not missed, nor by a clock that is behind
log = structlog.get_logger(__name__)


class Fleet:
    """Replicas by alert, and who listens to which bars. ``changed`` is set when somebody is to look sooner."""

    def __init__(
        self,
        database: Database,
        evaluation: Evaluation,
        shard: int,
        shards: int,
        clock: Callable[[], datetime],
        runs: RunLog | None = None,
    ) -> None:
        self.database, self.evaluation, self.clock = database, evaluation, clock
        self.shard, self.shards, self.runs = shard, shards, runs
        self.replicas: dict[str, Replica] = {}
        self.listeners: dict[Hearing, Listeners] = {}
        self.changed = asyncio.Event()
        self._mark, self._turn = clock(), asyncio.Lock()
        self._hearing: dict[str, Hearing] = {}
        self._shown_until = 0

    async def load(self) -> None:
        """All of the shard; what workflows record meanwhile is followed from before the first page on."""
        self._mark, after, held = self.clock(), "", set(self.replicas)
        known: set[str] = set()
        while True:
            async with self.database.transaction() as work:
                page = await work.watched.page(after, PAGE, self.clock())
            if not page:
                break
            after = page[-1].alert_id
            known |= {one.alert_id for one in page if self._is_ours(one)}
            await self._read([one for one in page if self._is_ours(one) and self._is_news(one)])
            gc.freeze()  # what lives as long as the watch need not be looked at by each garbage collection
        await self._drop_unless_there(sorted(held - known))

    async def _drop_unless_there(self, alert_ids: Sequence[str]) -> None:
        """Of alerts that no page had: a workflow may have handed one over again since that page was read."""
        for start in range(0, len(alert_ids), PAGE):
            some = alert_ids[start : start + PAGE]
            async with self.database.transaction() as work:
                watched, rows = await work.watched.of(some), await work.schedules.briefs(some)
            there = {row.id for row in rows}
            for alert_id in some:
                one = watched.get(alert_id)
                if alert_id not in there or one is None or one.until is None or one.until <= self.clock():
                    self.drop(alert_id)

    async def follow(self) -> None:
        """What was recorded since the last time."""
        since, self._mark = self._mark - OVERLAP, self.clock()
        async with self.database.transaction() as work:
            noted = await work.watched.noted(since)
        ours = [one for one in noted if self._is_ours(one)]
        for one in ours:
            if one.until is None or one.until <= self.clock():
                self.drop(one.alert_id)
        news = [one for one in ours if one.until is not None and one.until > self.clock() and self._is_news(one)]
        for start in range(0, len(news), PAGE):
            await self._read(news[start : start + PAGE])

    def drop(self, alert_id: str) -> None:
        """Watched no more."""
        hearing = self._hearing.pop(alert_id, None)
        self.replicas.pop(alert_id, None)
        if hearing is not None:
            group = self.listeners[hearing]
            group.remove(alert_id)
            if not group.replicas:
                del self.listeners[hearing]

    def _is_ours(self, one: WatchedAlert) -> bool:
        return shard_of(one.symbol, self.shards) == self.shard

    def _is_news(self, one: WatchedAlert) -> bool:
        held = self.replicas.get(one.alert_id)
        if held is None:
            return True
        if one.until is not None:
            held.until = one.until
        return (held.alert.version, held.revision) != (one.version, one.revision)

    async def _read(self, these: Sequence[WatchedAlert]) -> None:
        if not these:
            return
        these = await self._go_on(these)
        if not these:
            return
        async with self.database.transaction() as work:
            stored = await work.schedules.these([one.alert_id for one in these])
        by_id = {one.id: one for one in stored}
        for one in these:
            self._take(one, by_id.get(one.alert_id))
            if len(these) > 1:
                await asyncio.sleep(0)
        self.changed.set()

    async def _go_on(self, these: Sequence[WatchedAlert]) -> list[WatchedAlert]:
        """Those whose definition is the one that is held need no more than their state; the others."""
        known = [one.alert_id for one in these if self._held(one)]
        if not known:
            return list(these)
        async with self.database.transaction() as work:
            states = await work.watched.states(known)
        left = []
        for one in these:
            held, (version, kept) = self._held(one), states.get(one.alert_id, (0, None))
            state = memory_under(kept, held.alert) if held is not None and version == one.version else None
            if held is None or state is None or one.until is None:
                left.append(one)
                continue
            held.until = one.until
            held.begin(state)
            self._wake(self.listeners[self._hearing[one.alert_id]], state)
        self.changed.set()
        return left

    def _held(self, one: WatchedAlert) -> Replica | None:
        """The replica, where it is of the same version."""
        held = self.replicas.get(one.alert_id)
        return held if held is not None and held.alert.version == one.version else None

    def _take(self, one: WatchedAlert, stored: StoredSchedule | None) -> None:
        alert = stored.alert if stored is not None and stored.schedule is not None else None
        state = stored.state_under(alert) if stored is not None and alert is not None else None
        if alert is None or state is None or one.until is None or alert.version != one.version:
            self.drop(one.alert_id)  # deleted, unreadable, or edited by somebody whom its workflow has not heard yet
            return
        self.drop(alert.id)
        records = self.evaluation.record_all or alert.definition.options.record == "all"
        self._add(alert, Replica(alert, state, one.until, self.runs if records else None))

    def _add(self, alert: Alert, replica: Replica) -> None:
        hearing = hearing_of(alert.definition)
        group = self.listeners.get(hearing)
        if group is None:
            group = self.listeners[hearing] = Listeners(hearing, self.evaluation, self.clock, self._turn)
        self.replicas[alert.id], self._hearing[alert.id] = replica, hearing
        group.add(replica)

    def _wake(self, group: Listeners, state: AlertState) -> None:
        """There may be bars that an alert had to leave alone."""
        newest, seen = group.newest, state.last_bar_close
        if newest is None or seen is None or seen < newest.bar_close:
            group.due = min(group.due, self.clock())

    def to_be_shown(self, most: int) -> list[Replica]:
        """The next ones that lists have not shown for as long as a bar, or a minute; of a large fleet for two."""
        now, everyone, chosen = self.clock(), list(self.replicas.values()), list[Replica]()
        start = self._shown_until if self._shown_until < len(everyone) else 0
        is_large = len(everyone) > A_FEW
        for one in everyone[start : start + 4 * most]:
            if len(chosen) == most:
                break
            start += 1
            pause = LONGEST_UNSHOWN * 2 if is_large else min(one.bar_length, LONGEST_UNSHOWN)
            if one.shown_at is None or now - one.shown_at >= pause:
                one.shown_at = now
                chosen.append(one)
        self._shown_until = start
        return chosen

    def due(self) -> Iterable[Listeners]:
        """Who is to look now."""
        now = self.clock()
        return [one for one in self.listeners.values() if one.due <= now]
