"""The only door from workflows to the world: names, inputs, outputs, timeouts and retries of every activity.

No heavy imports: workflow code loads this module.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio.common import RetryPolicy

from domain.alert import Alert, AlertEvent, AlertState
from domain.bar import BarSnapshot


class TaskQueue(StrEnum):
    """DESIGN 9: one queue for each kind of work, so that slow work never delays an alert."""

    ALERTS = "alerts"
    MARKET_DATA = "market-data"
    NOTIFICATIONS = "notifications"
    JOBS = "jobs"


EVALUATE = "evaluate_bars"
FETCH = "fetch_bars"
RECORD = "record_events"
LOAD_ALERT = "load_alert"
SAVE_ALERT = "save_alert"
OPEN_DELIVERY = "open_delivery"
DELIVER = "deliver"
BURY = "bury_delivery"

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
DELIVER_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=2),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(minutes=2),
    maximum_attempts=6,
)
MAX_SNAPSHOTS = 200


class ErrorType(StrEnum):
    """``ApplicationError.type`` of what activities raise."""

    PROVIDER_UNAVAILABLE = "ProviderUnavailable"
    PROVIDER_REFUSED = "ProviderRefused"
    CHANNEL_REFUSED = "ChannelRefused"
    CHANNEL_UNAVAILABLE = "ChannelUnavailable"


@dataclass(frozen=True)
class EvaluateInput:
    """Which values an alert needs, and of which bars.

    ``keys`` are operand texts. ``after`` is the close of the last bar seen (None: only the newest closed bar).
    ``now`` is the workflow's time. With ``forming`` the unfinished bar is wanted too.
    """

    symbol: str
    timeframe: str
    keys: tuple[str, ...]
    now: datetime
    after: datetime | None = None
    lookback: int | None = None
    newest_only: bool = False
    forming: bool = False


class Freshness(StrEnum):
    """Whether the answer is all there is to know."""

    FRESH = "fresh"
    SETTLING = "settling"  # the expected bar is not final yet: ask again at ``ready_at``
    UNAVAILABLE = "unavailable"  # the vendor did not answer in the short limit
    REFUSED = "refused"  # the vendor will not answer this, however often asked


@dataclass(frozen=True)
class EvaluateResult:
    """Snapshots of each new closed bar, ascending. ``as_of`` is the market's time (a replay has its own).

    ``more`` says that the batch was cut and the next should be asked for at once. ``skipped_until`` is set when the outage
    was too long to catch up with: bars that closed before it are not evaluated.
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


@dataclass(frozen=True)
class FetchInput:
    """Bars to bring into the cache, by the regular path with all its retries."""

    symbol: str
    timeframe: str
    keys: tuple[str, ...]
    now: datetime
    after: datetime | None = None
    lookback: int | None = None


@dataclass(frozen=True)
class FetchResult:
    """Who served, and the close of the newest bar."""

    source: str
    newest_close: datetime | None


@dataclass(frozen=True)
class RecordInput:
    """Events to write, and the state for lists."""

    alert_id: str
    version: int
    events: tuple[AlertEvent, ...]
    state: AlertState
    next_run_at: datetime | None = None


@dataclass(frozen=True)
class SaveInput:
    """A definition changed through Temporal, made from ``expected_version``, to be written to its row."""

    alert: Alert
    expected_version: int


@dataclass(frozen=True)
class StoredDefinition:
    """The row as it is now; ``alert`` is None when it is gone."""

    alert: Alert | None


@dataclass(frozen=True)
class DeliveryInput:
    """An event that its owner must hear of."""

    alert: Alert
    event: AlertEvent


@dataclass(frozen=True)
class DeliveryTask:
    """One channel's part of a delivery."""

    event_id: str
    channel: str
    error: str = ""


@dataclass(frozen=True)
class DeliveryOutcome:
    """What came of each channel: ``SENT`` or ``DEAD``."""

    channels: dict[str, str] = field(default_factory=dict)
