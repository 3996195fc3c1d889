"""The only door from workflows to the world: names, inputs, outputs, timeouts and retries of every activity.

No heavy imports: workflow code loads this module.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio.common import RetryPolicy

from domain.alert import Alert, AlertEvent, AlertState
from domain.bar import BarSnapshot
from domain.compiled_rule import Side
from domain.job import JOBS, JobType
from domain.observing import MOST_BYTES, MOST_SNAPSHOTS
from domain.outbox import EvaluationRun
from domain.timeframe import Timeframe


class TaskQueue(StrEnum):
    """One queue for each kind of work, so that slow work never delays an alert."""

    ALERTS = "alerts"
    MARKET_DATA = "market-data"
    NOTIFICATIONS = "notifications"
    JOBS = "jobs"
    RECONCILE = "reconcile"
    WATCH = "watch"


PRUNE = "prune"
EVALUATE = "evaluate_bars"
FETCH = "fetch_bars"
RECORD = "record_events"
LOAD_ALERT = "load_alert"
SAVE_ALERT = "save_alert"
OPEN_DELIVERY = "open_delivery"
DELIVER = "deliver"
BURY = "bury_delivery"
MARK_SENT = "mark_sent"
NOTE_DELIVERIES = "note_deliveries"
UNSAVED = "UNSAVED"  # what ``DELIVER`` answers when it was told, and that could not be written
OPEN_RUN = "open_run"
RUN_STEP = "run_step"
RUN_JOB = "run_job"
CLOSE_RUN = "close_run"
RECONCILE = "reconcile"
WATCH = "watch"
BARS_OBSERVED = "bars_observed"
WATCH_REPORT = "report"

WORKFLOW_TYPES: dict[JobType, str] = {name: one.workflow for name, one in JOBS.items()}

# A local activity runs inside the workflow task: short, tried once or twice, never waited for long.
LOCAL_TIMEOUT = timedelta(seconds=8)
LOCAL_RETRY = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=200))
FETCH_ATTEMPT_TIMEOUT = timedelta(seconds=30)
FETCH_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=1)
)
SHORTEST_FETCH = timedelta(seconds=30)
LONGEST_FETCH = timedelta(minutes=10)
STORE_TIMEOUT = timedelta(seconds=20)
STORE_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
DELIVER_TIMEOUT = timedelta(seconds=60)
DELIVER_HEARTBEAT = timedelta(seconds=15)  # a worker that died is noticed, and the notice told by another
# When a channel is asked again, and for how long, its worker says; a database that is away is waited out, however long it takes.
DELIVER_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=2), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=2)
)
TOLD_WITHIN = timedelta(minutes=2)  # so long a run that is all message waits for what comes of it
RECONCILE_TIMEOUT = timedelta(minutes=5)
RECONCILE_HEARTBEAT = timedelta(seconds=30)
PRUNE_TIMEOUT = timedelta(hours=2)
PRUNE_HEARTBEAT = timedelta(minutes=1)
JOB_HEARTBEAT = timedelta(seconds=15)  # a cancellation arrives with an answer to one
WATCH_HEARTBEAT = timedelta(seconds=10)  # a worker that died is noticed, and another takes its shards
WATCH_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=5))
WATCH_RUN = timedelta(days=1)  # of one activity; the next goes on from what SQL has
LOST_WORKER_TRIES = 3  # of a job that its type tries once
# One answer of ``EVALUATE`` is bounded by bars and by bytes. The server takes 2 MB a payload and 4 MB a message, and ends a
# workflow whose task brings more; all answers of one task travel in one message.
MAX_SNAPSHOTS = MOST_SNAPSHOTS
RESULT_BYTES = MOST_BYTES
TASK_SNAPSHOTS = 1000
TASK_BYTES = 1024 * 1024
ALERT_PREFIX = "alert-"


def watch_workflow_id(shard: int) -> str:
    """``watch-<n>``."""
    return f"watch-{shard}"


def alert_workflow_id(alert_id: str) -> str:
    """``alert-<id>``."""
    return f"{ALERT_PREFIX}{alert_id}"


class ErrorType(StrEnum):
    """``ApplicationError.type`` of what activities raise."""

    PROVIDER_UNAVAILABLE = "ProviderUnavailable"
    PROVIDER_REFUSED = "ProviderRefused"
    CHANNEL_REFUSED = "ChannelRefused"
    CHANNEL_UNAVAILABLE = "ChannelUnavailable"
    JOB_REFUSED = "JobRefused"
    JOB_FAILED = "JobFailed"


@dataclass(frozen=True)
class EvaluateInput:
    """Which values an alert needs, and of which bars.

    ``keys`` are operand texts. ``after`` is the close of the last bar seen (None: only the newest closed bar).
    ``now`` is the workflow's time. With ``forming`` the unfinished bar is wanted too. With ``alert`` and its ``state`` only the
    bars that matter to it are answered; ``checks``: the watch has looked for it until now.
    """

    symbol: str
    timeframe: Timeframe
    keys: tuple[str, ...]
    now: datetime
    after: datetime | None = None
    lookback: int | None = None
    newest_only: bool = False
    forming: bool = False
    market_hours_only: bool = False
    alert: Alert | None = None
    state: AlertState | None = None
    checks: bool = False


class Freshness(StrEnum):
    """Whether the answer is all there is to know."""

    FRESH = "fresh"
    SETTLING = "settling"  # the expected bar is not final yet: ask again at ``ready_at``
    UNAVAILABLE = "unavailable"  # the vendor did not answer in the short limit
    REFUSED = "refused"  # the vendor will not answer this, however often asked


@dataclass(frozen=True)
class EvaluateResult:
    """Snapshots of each new closed bar, ascending. ``as_of`` is the market's time (a replay has its own).

    Of an alert, only the bars that matter, to be stepped from ``before``: the state carried over ``quiet`` bars, of which the
    last found the comparisons on ``sides``.

    ``more`` says that the batch was cut and the next should be asked for at once. ``skipped_until`` is set when the outage
    was too long to catch up with: bars that closed before it are not evaluated. ``next_close`` is when the market's next bar
    closes, where its hours are known. ``clock`` is the worker's, which may be behind the server's. With ``record_all`` the
    operator wants a run row of every evaluation. ``watched``: the watch of the ticker's shard lives, and takes alerts.
    """

    freshness: Freshness
    as_of: datetime
    snapshots: tuple[BarSnapshot, ...] = ()
    forming: BarSnapshot | None = None
    ready_at: datetime | None = None
    more: bool = False
    source: str = ""
    problem: str = ""
    skipped_until: datetime | None = None
    next_close: datetime | None = None
    clock: datetime | None = None
    record_all: bool = False
    watched: bool = False
    before: AlertState | None = None
    quiet: int = 0
    sides: dict[str, Side] = field(default_factory=dict)


@dataclass(frozen=True)
class FetchInput:
    """Bars to bring into the cache, by the regular path with all its retries."""

    symbol: str
    timeframe: Timeframe
    keys: tuple[str, ...]
    now: datetime
    after: datetime | None = None
    lookback: int | None = None


@dataclass(frozen=True)
class FetchResult:
    """Who served, and the close of the newest bar."""

    source: str
    newest_close: datetime | None


class Watching(StrEnum):
    """Who looks for an alert, as its workflow says."""

    ITSELF = ""
    OFFERED = "offered"  # it would let the watch look, from the state on that is recorded with this
    WATCHED = "watched"  # it does
    ENDED = "ended"  # it did


@dataclass(frozen=True)
class RecordInput:
    """Events and runs to write, and the state for lists. ``watched_until`` is there while the alert is watched."""

    alert_id: str
    version: int
    events: tuple[AlertEvent, ...]
    state: AlertState
    next_run_at: datetime | None = None
    runs: tuple[EvaluationRun, ...] = ()
    snoozed_until: datetime | None = None
    memory_key: str = ""
    symbol: str = ""
    watching: Watching = Watching.ITSELF
    watched_until: datetime | None = None


@dataclass(frozen=True)
class RecordAnswer:
    """Until when the watch looks for the alert; None where it looks for itself."""

    watched_until: datetime | None = None


@dataclass(frozen=True)
class BarsObserved:
    """A nudge of the watch: what mattered to the alert, from the state of that revision on.

    It stays in the history as the proof of what made the alert fire; ``shard`` says who observed it. Without ``result`` the alert
    is to look for itself.
    """

    revision: int
    version: int
    result: EvaluateResult | None = None
    shard: int = 0


@dataclass(frozen=True)
class SaveInput:
    """A definition changed, paused or resumed through Temporal, made from ``expected_version``, to be written to its row.

    ``why`` is for the audit log, where no person made the edit.
    """

    alert: Alert
    expected_version: int
    enabled: bool | None = None
    why: str = ""


@dataclass(frozen=True)
class StoredDefinition:
    """The row as it is now; ``alert`` is None when it is gone, or when it is there but not ``readable``."""

    alert: Alert | None
    enabled: bool = True
    readable: bool = True


@dataclass(frozen=True)
class RunInput:
    """A run to be made: of a schedule's slot (``schedule_id``), or one that was written already (``run_id``)."""

    job_type: str
    schedule_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class OpenRun:
    """A slot that came, with the workflow that is to run it."""

    given: RunInput
    slot: datetime
    workflow_id: str


@dataclass(frozen=True)
class OpenedRun:
    """The run's row; ``run_id`` is None when the slot is not to be run, and ``why`` says so.

    ``steps`` are to be taken one by one before the job is run to its end.
    """

    run_id: str | None
    why: str = ""
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepInput:
    """One step of a run."""

    run_id: str
    step: str


@dataclass(frozen=True)
class RunEnd:
    """How the work of a run ended. ``tells``: there are deliveries to be made; a run that is all message runs until then."""

    status: str
    tells: bool = False


@dataclass(frozen=True)
class CloseRun:
    """The end of a run that its work did not write: FAILED, CANCELLED, or COMPLETED with what came of each channel."""

    run_id: str
    status: str
    error: str = ""
    deliveries: dict[str, str] | None = None


@dataclass(frozen=True)
class ReconcileReport:
    """What a sweep did: how many actions of each kind, how many rows cannot be read, and why some actions failed, by id."""

    full: bool
    rows: int
    actions: dict[str, int] = field(default_factory=dict)
    invalid: int = 0
    failed: int = 0
    troubles: dict[str, str] = field(default_factory=dict)


def source_of(run_id: str) -> str:
    """What a run's deliveries are named by: its id without the dashes, as long as an event's (32 hex digits)."""
    return run_id.replace("-", "")


def delivery_id(alert_id: str, source_id: str) -> str:
    """``delivery-<alert>-<event>``; of a run, which has no alert, ``delivery-<run>``."""
    return f"delivery-{alert_id}-{source_id}" if alert_id else f"delivery-{source_id}"


@dataclass(frozen=True)
class DeliveryInput:
    """An event that its owner must hear of; or a run whose deliveries have their rows already.

    ``again`` is the source of deliveries that are to be told once more, of an event or of a run; with ``channel`` that one alone.
    """

    alert: Alert | None = None
    event: AlertEvent | None = None
    run_id: str = ""
    again: str = ""
    channel: str = ""

    @property
    def source_id(self) -> str:
        """What the deliveries are named by."""
        return self.again or (self.event.id if self.event is not None else source_of(self.run_id))

    @property
    def workflow_id(self) -> str:
        """Of the workflow that tells them: an alert's begin with its own id, so that a list of workflows shows whose they are."""
        return delivery_id(self.event.alert_id if self.event is not None else "", self.source_id)


@dataclass(frozen=True)
class DeliveryTask:
    """One channel's part of a delivery. ``event_id`` is its source's."""

    event_id: str
    channel: str
    error: str = ""


@dataclass(frozen=True)
class DeliveryOutcome:
    """What came of each channel: ``SENT``, ``SPARED`` or ``DEAD``, and why the dead ones are."""

    channels: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeliveriesOfRun:
    """What came of a run's deliveries, for its result."""

    run_id: str
    channels: dict[str, str]
