"""Which alerts a watch looks after, in which shard, when they look for themselves all the same, and how a shard fares."""

import hashlib
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from domain.cron import next_fires
from domain.definition import AlertDefinition

MOST_APART = timedelta(minutes=15)  # ticks that are further apart cost little
SHORTEST_CHECK, LONGEST_CHECK = timedelta(hours=1), timedelta(hours=6)
CHECKS_PER_SECOND = 8  # of a whole fleet: each is a tick, and costs as much as one
SPREAD = 0.5  # of the time to the next self-check: a fleet that was brought in at once must not look at once


def shard_of(symbol: str, shards: int) -> int:
    """The shard of a ticker: the same in every process."""
    return zlib.crc32(symbol.encode()) % shards


def is_watchable(definition: AlertDefinition, now: datetime) -> bool:
    """Whether it would otherwise wake its workflow often: its ticks see new bars at most 15 minutes apart."""
    options = definition.options
    if options.evaluate_on == "close" and definition.timeframe.length > MOST_APART:
        return False
    try:
        fires = next_fires(definition.parsed_cron, ZoneInfo(definition.timezone), now, 4)
    except LookupError:
        return False
    return min((later - earlier for earlier, later in pairwise(fires)), default=MOST_APART * 2) <= MOST_APART


def next_self_check(alert_id: str, now: datetime, fleet: int) -> datetime:
    """When a watched alert looks for itself: some hours ahead, more of a large fleet, each at another time."""
    hours = min(max(timedelta(seconds=fleet / CHECKS_PER_SECOND), SHORTEST_CHECK), LONGEST_CHECK)
    digest = int.from_bytes(hashlib.sha256(f"{alert_id}|{now:%Y-%m-%dT%H}".encode()).digest()[:4])
    return now + hours * (1 - SPREAD / 2 + SPREAD * digest / 2**32)


@dataclass(frozen=True)
class WatchReport:
    """How a shard's watch fares. ``lag_ms`` is from a bar's close until its alerts were judged; ``owner`` is the worker."""

    shard: int
    shards: int
    owner: str
    started_at: datetime
    at: datetime
    alerts: int = 0
    feeds: int = 0
    judged: int = 0
    nudges: int = 0
    unanswered: int = 0
    lag_ms: int | None = None
    last_bar: datetime | None = None
