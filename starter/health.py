"""How the installation is: healthy, degraded or unhealthy, every issue with how to mend it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from activities.interface import WORKFLOW_TYPES, TaskQueue
from activities.market_data.vendors.status import NOTE as PROVIDERS
from activities.market_data.vendors.status import SEEN, unreachable
from domain.run import RunStatus
from starter.gateway import Gateway
from starter.statistics import by_status, statistics
from starter.watching import watch_state
from storage.database import HEAD, Database
from storage.runs import RunFilter
from worker.client import TemporalUnreachable

CHECK_SECONDS = 3.0
READY_SECONDS = 1.0
SWEEP_LATE = timedelta(minutes=2)
DAY = timedelta(days=1)
POLLER_SEEN = timedelta(minutes=3)

OFTEN, MANY_FAILED = 3, 5
MOST_NAMED, MOST_LISTED, MOST_ERRORS = 3, 20, 10
PROBLEMS = "TemporalReportedProblems"
TYPES = (
    "AlertWorkflow",
    "WatchWorkflow",
    "DeliveryWorkflow",
    "ReconcileWorkflow",
    "RetentionWorkflow",
    *WORKFLOW_TYPES.values(),
)
STUCK = f"{PROBLEMS} IS NOT NULL AND ExecutionStatus = 'Running' AND WorkflowType IN ({', '.join(map(repr, TYPES))})"


class Level(StrEnum):
    """From best to worst."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True)
class Issue:
    """Something wrong, and how to mend it."""

    component: str
    level: Level
    message: str
    mend: str


@dataclass
class Health:
    """The whole. ``components`` has figures of each part."""

    status: Level
    issues: list[Issue] = field(default_factory=list)
    components: dict[str, dict[str, Any]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class Examiner:
    """Looks at every part, each within a bound, and keeps the finding for a while."""

    def __init__(self, database: Database, gateway: Gateway, keep_seconds: float) -> None:
        self.database, self.gateway, self.keep_seconds = database, gateway, keep_seconds
        self._kept: tuple[float, Health] | None = None
        self._ready: tuple[float, list[str]] | None = None
        self._figures: tuple[float, dict[str, Any]] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def health(self, now: datetime) -> Health:
        """All parts. An idle fleet, workers with nothing to do, is healthy."""
        async with self._one_at_a_time:
            if self._kept is not None and time.monotonic() - self._kept[0] < self.keep_seconds:
                return self._kept[1]
            found = await self._examine(now)
            self._kept = (time.monotonic(), found)
            return found

    async def ready(self) -> list[str]:
        """What is missing for work: nothing, when the database has its schema and Temporal answers."""
        async with self._one_at_a_time:  # anybody may ask, as often as they like
            if self._ready is None or time.monotonic() - self._ready[0] >= READY_SECONDS:
                health = Health(Level.HEALTHY)
                await asyncio.gather(self._database(health), self._temporal(health))
                bad = [f"{one.component}: {one.message}" for one in health.issues if one.level is Level.UNHEALTHY]
                self._ready = (time.monotonic(), bad)
            return self._ready[1]

    async def figures(self, now: datetime) -> dict[str, Any]:
        """``statistics`` of all users, kept like the health: anybody may ask, as often as they like."""
        async with self._one_at_a_time:
            if self._figures is None or time.monotonic() - self._figures[0] >= self.keep_seconds:
                self._figures = (time.monotonic(), await statistics(self.database, self.gateway.settings, now))
            return self._figures[1]

    async def _examine(self, now: datetime) -> Health:
        health = Health(Level.HEALTHY)
        await asyncio.gather(self._database(health), self._temporal(health))
        broken = {one.component for one in health.issues}
        wanted = False
        if "database" not in broken:
            try:
                wanted = await asyncio.wait_for(self._rows(health, now), 3 * CHECK_SECONDS)
            except Exception as error:
                text = f"cannot be read ({type(error).__name__})"
                health.issues.append(Issue("database", Level.UNHEALTHY, text, "check DATABASE_URL and the server"))
                health.components["database"] = {"status": Level.UNHEALTHY}
        if "temporal" not in broken:
            await asyncio.gather(self._workers(health, now, wanted), self._stuck_tasks(health))
        levels = {one.level for one in health.issues}
        health.status = next((level for level in (Level.UNHEALTHY, Level.DEGRADED) if level in levels), Level.HEALTHY)
        health.issues.sort(key=lambda one: (one.level is not Level.UNHEALTHY, one.component))
        return health

    async def _database(self, health: Health) -> None:
        began = time.monotonic()
        try:
            revision = await asyncio.wait_for(self.database.revision(), CHECK_SECONDS)
        except Exception as error:
            issue = f"cannot be used ({type(error).__name__})"
            health.issues.append(Issue("database", Level.UNHEALTHY, issue, "check DATABASE_URL and the server"))
            health.components["database"] = {"status": Level.UNHEALTHY}
            return
        ok = revision == HEAD
        health.components["database"] = {
            "status": Level.HEALTHY if ok else Level.UNHEALTHY,
            "kind": self.database.engine.dialect.name,
            "schema": revision,
            "latency_ms": _since(began),
        }
        if not ok:
            issue = f"its schema is {revision or 'missing'}, this version needs {HEAD}"
            health.issues.append(Issue("database", Level.UNHEALTHY, issue, "run 'alerts db upgrade'"))

    async def _temporal(self, health: Health) -> None:
        began = time.monotonic()
        try:
            client = await asyncio.wait_for(self.gateway.client(), CHECK_SECONDS)
            alive = await asyncio.wait_for(client.service_client.check_health(), CHECK_SECONDS)
            if not alive:
                raise TemporalUnreachable(self.gateway.settings.temporal_target)
        except Exception as error:
            text = str(error) if isinstance(error, TemporalUnreachable) else "does not answer"
            health.issues.append(
                Issue("temporal", Level.UNHEALTHY, text.partition(";")[0], "start it, or set TEMPORAL_ADDRESS")
            )
            health.components["temporal"] = {"status": Level.UNHEALTHY}
            return
        health.components["temporal"] = {
            "status": Level.HEALTHY,
            "namespace": client.namespace,
            "latency_ms": _since(began),
        }

    async def _rows(self, health: Health, now: datetime) -> bool:
        """Findings in SQL; whether there is anything enabled to be run."""
        async with self.database.transaction() as work:
            counts = await work.schedules.counts()
            invalid = await work.schedules.invalid()
            waiting = len(await work.schedules.changes(1000))
            swept = await work.reports.get("reconciler")
            stuck = len(await work.runs.running(now - timedelta(hours=1)))
            dead, untold = await work.deliveries.dead_since(now - DAY), await work.deliveries.waiting_count()
            recent = RunFilter(since=now - timedelta(hours=1))
            ended_as = by_status(await work.runs.statistics(recent))
            bad, well = ended_as.get(RunStatus.FAILED, 0), ended_as.get(RunStatus.COMPLETED, 0)
            mostly_failed = bad >= MANY_FAILED and bad > well
            errors = await work.runs.common_errors(recent, 1) if mostly_failed else []
            vendors = await work.reports.under(PROVIDERS, now - SEEN)
            ended = await work.audit.ended_often(now - timedelta(hours=1), OFTEN)
        await self._watch(health, now)
        enabled = sum(count for _, on, _, count in counts if on)
        level = Level.HEALTHY
        if (swept is None or now - swept[0] > SWEEP_LATE) and (enabled or waiting):
            level = Level.DEGRADED
            said = f"last swept {swept[0]:%Y-%m-%d %H:%M:%S} UTC" if swept else "has not swept yet"
            health.issues.append(Issue("reconciler", level, said, "run a worker, or 'alerts sync'"))
        health.components["reconciler"] = {
            "status": level,
            "last_sweep_at": swept[0].isoformat() if swept else None,
            "waiting_changes": waiting,
            "invalid_rows": invalid,
        }
        troubles = (swept[1].get("troubles") or {}) if swept else {}
        if troubles:
            message = f"{_many(len(troubles), 'row')} could not be brought to Temporal ({_named(troubles)})"
            health.issues.append(Issue("reconciler", Level.DEGRADED, message, "mend what it says, then 'alerts sync'"))
        ending = {one.object_id: str(one.detail.get("why")) for one in ended}
        if ending:
            message = f"{_many(len(ending), 'alert')} ended abnormally again and again ({_named(ending)})"
            mend = (
                "see 'alerts show ID' and the workflow's history; it comes back ever more slowly until that is mended"
            )
            health.issues.append(Issue("alerts", Level.DEGRADED, message, mend))
        health.components["alerts"] = {
            "status": Level.DEGRADED if ending else Level.HEALTHY,
            "ending_abnormally": dict(list(ending.items())[:MOST_LISTED]),
        }
        if invalid:
            message = f"{_many(invalid, 'row')} cannot be used"
            health.issues.append(
                Issue("definitions", Level.DEGRADED, message, "see 'alerts schedules list --invalid' and mend them")
            )
        if stuck:
            message = f"{_many(stuck, 'run')} for more than an hour"
            health.issues.append(Issue("runs", Level.DEGRADED, message, "see 'alerts runs list --status RUNNING'"))
        if dead:
            message = f"{dead} deliveries of the last day could not be made"
            health.issues.append(Issue("notifications", Level.DEGRADED, message, "see the deliveries' last errors"))
        if mostly_failed:
            often = f": {errors[0][0]}" if errors else ""
            message = f"{bad} of {bad + well} runs of the last hour failed{often}"
            health.issues.append(Issue("runs", Level.DEGRADED, message, "see 'alerts runs list --status FAILED'"))
        level = Level.DEGRADED if any(one.component == "runs" for one in health.issues) else Level.HEALTHY
        health.components["runs"] = {"status": level, "failed_last_hour": bad, "stuck": stuck}
        self._vendors(health, unreachable((value for _, value in vendors.values()), now))
        health.components["notifications"] = {
            "status": Level.DEGRADED if dead else Level.HEALTHY,
            "dead_last_day": dead,
            "waiting": untold,
        }
        return enabled > 0

    async def _watch(self, health: Health, now: datetime) -> None:
        state = await watch_state(self.database, self.gateway.settings, now)
        troubles = state.troubles()
        health.components["watch"] = {"status": Level.DEGRADED if troubles else Level.HEALTHY, **state.as_json()}
        health.issues += [Issue("watch", Level.DEGRADED, said, mend) for said, mend in troubles]

    @staticmethod
    def _vendors(health: Health, troubles: Mapping[str, str]) -> None:
        """Without any vendor no alert can be judged, however well all else is."""
        level = Level.DEGRADED if troubles else Level.HEALTHY
        health.components["market_data"] = {"status": level, "unreachable": dict(troubles)}
        if troubles:
            message = f"no vendor can be reached ({_named(troubles)}): no alert is judged meanwhile"
            mend = "check the network and ALERTS_PROVIDERS; 'alerts providers' shows each"
            health.issues.append(Issue("market data", level, message, mend))

    async def _workers(self, health: Health, now: datetime, wanted: bool) -> None:
        pollers = await self.pollers(now)
        missing = sorted(queue for queue, count in pollers.items() if count == 0)
        level = Level.HEALTHY
        if missing:
            level = Level.UNHEALTHY if wanted else Level.DEGRADED
            message = f"nobody polls {', '.join(missing)}"
            health.issues.append(Issue("workers", level, message, "start a worker with 'alerts worker' or 'alerts up'"))
        health.components["workers"] = {"status": level, "pollers": pollers}

    async def _stuck_tasks(self, health: Health) -> None:
        """Workflows of ours whose tasks fail again and again: nothing of them goes on until that is mended."""
        client = await self.gateway.client()

        async def found() -> dict[str, str]:
            listed = client.list_workflows(STUCK, page_size=MOST_LISTED, limit=MOST_LISTED)
            return {one.id: _cause(one.search_attributes.get(PROBLEMS) or ()) async for one in listed}

        try:
            stuck = await asyncio.wait_for(found(), CHECK_SECONDS)
        except Exception as error:  # an old server does not know the attribute
            health.components["workflow_tasks"] = {"status": Level.HEALTHY, "unknown": type(error).__name__}
            return
        level = Level.DEGRADED if stuck else Level.HEALTHY
        health.components["workflow_tasks"] = {"status": level, "failing": stuck}
        if stuck:
            number = f"{len(stuck)}{' or more' if len(stuck) == MOST_LISTED else ''}"
            message = (
                f"the tasks of {number} workflow{'s' if len(stuck) > 1 else ''} fail again and again ({_named(stuck)})"
            )
            mend = "see the workflow's history in the Web UI; a worker of the right version goes on where it stopped"
            health.issues.append(Issue("workflow tasks", level, message, mend))

    async def pollers(self, now: datetime) -> dict[str, int]:
        """How many workers poll each task queue; 0 as well when the server does not say."""
        from temporalio.api.enums.v1 import TaskQueueType
        from temporalio.api.taskqueue.v1 import TaskQueue as Queue
        from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

        client = await self.gateway.client()

        async def count(queue: TaskQueue) -> int:
            kind = (
                TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
                if queue is TaskQueue.MARKET_DATA
                else TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
            )
            request = DescribeTaskQueueRequest(
                namespace=client.namespace, task_queue=Queue(name=queue.value), task_queue_type=kind
            )
            answer = await client.workflow_service.describe_task_queue(request, retry=True)
            seen = [one.last_access_time.ToDatetime(tzinfo=now.tzinfo) for one in answer.pollers]
            return sum(now - at < POLLER_SEEN for at in seen)

        is_off = self.gateway.settings.alerts_watch == "off"
        queues = [queue for queue in TaskQueue if not (is_off and queue is TaskQueue.WATCH)]
        found = await asyncio.gather(*(_bounded(count(queue)) for queue in queues))
        return {queue.value: number for queue, number in zip(queues, found, strict=True)}


async def _bounded(call: Awaitable[int]) -> int:
    try:
        return await asyncio.wait_for(call, CHECK_SECONDS)
    except Exception:
        return 0


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"


def _named(reasons: Mapping[str, str]) -> str:
    """The first few, each with its reason."""
    return "; ".join(f"{name}: {why}" for name, why in list(reasons.items())[:MOST_NAMED])


def _cause(problems: Sequence[Any]) -> str:
    """From ``category=WorkflowTaskFailed`` and ``cause=WorkflowTaskFailedCause…``."""
    parts = dict(str(one).split("=", 1) for one in problems if "=" in str(one))
    cause = parts.get("cause", "").removeprefix("WorkflowTaskFailedCause").removeprefix("WorkflowTaskTimedOutCause")
    return cause or parts.get("category", "unknown")


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 2)
