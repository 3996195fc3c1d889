"""How fresh a series is: when a bar is expected, on its way, late or missing for good. Pure; every time is handed in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from activities.interface import Freshness
from activities.market_data.calendars.market import Market
from activities.market_data.feeds.series import BarSeries
from activities.market_data.quality.outliers import SECOND_LOOK, suspect_bar
from domain.timeframe import Timeframe

SETTLE_FOR = timedelta(minutes=10)  # slow vendors publish a bar some minutes after its close
SETTLE_STEP = timedelta(seconds=2)  # vendors' bars come within seconds mostly
SETTLE_GROWTH = 1.15  # eight looks, as many as an alert takes, span the ten minutes
LATE_AFTER = timedelta(seconds=15)  # beyond its grace: another vendor may have the bar already
FORMING_TTL = timedelta(seconds=1)  # the shortest timeframe
REPLAY_TTL = FORMING_TTL / 2  # a replay's bars may come every second
OVERDUE_SHARE = 8  # the longer a bar is overdue, the less often it is asked for: after another eighth of that time
BEHIND = timedelta(minutes=2)  # a vendor's newest minute comes when the next is over
THINLY_TRADED = timedelta(minutes=15)  # of a session: a thin stock's minutes may lack for so long
LONGEST_QUIET = timedelta(hours=4)  # of trading without a bar: half a session
DEAD = timedelta(days=3)  # of trading: an old series is no news while the market is shut either
MOMENT = timedelta(seconds=1)
LATE_FILE = 3  # bars that a file may lack


@dataclass(frozen=True)
class Times:
    """The times a series is judged by. ``now`` is ours and ``as_of`` the market's (a replay has its own), both as far as the
    feed is, which comes ``delay`` late; ``grace`` is how long after its close a bar of the timeframe is waited for, and
    ``vendor_grace`` how long the vendor takes whatever the timeframe.
    """

    now: datetime
    as_of: datetime
    grace: timedelta
    delay: timedelta = timedelta()
    vendor_grace: timedelta = timedelta()

    @property
    def is_real(self) -> bool:
        """Whether the market's time is ours."""
        return self.as_of == self.now


@dataclass(frozen=True)
class Assessment:
    """``stale`` says why a series is too old to be used; empty when it is not."""

    freshness: Freshness
    expected: datetime | None = None
    next_close: datetime | None = None
    ready_at: datetime | None = None
    stale: str = ""


def is_due(series: BarSeries, times: Times, age: timedelta, ttl: timedelta, *, forming: bool, suspect: bool) -> bool:
    """Whether the vendor may have something newer than what was fetched ``age`` ago. ``ttl`` bounds how long a late bar waits."""
    if forming:
        return age >= FORMING_TTL
    if not times.is_real or series.market is None:  # a replay has a pace of its own, a file changes when it does
        return age >= REPLAY_TTL
    if age >= SECOND_LOOK and (series.blank or suspect):
        return True
    newest = series.newest_close
    if newest is None:
        return age >= ttl
    following = series.next_close(newest)
    if following is not None and times.as_of < following + times.grace:
        return False
    overdue = times.as_of - following if following is not None else timedelta(0)
    return age >= max(SETTLE_STEP / 2, min(overdue / OVERDUE_SHARE, ttl))


def assess(series: BarSeries, times: Times) -> Assessment:
    """Whether the newest bar is there, is about to come, or is overdue while the market is open."""
    expected, following = series.last_close(times.as_of), series.next_close(times.as_of)
    coming = following + times.delay if following is not None else None
    newest = series.newest_close
    if series.market is None or not times.is_real:
        return Assessment(Freshness.FRESH, next_close=coming)
    if expected is None or (newest is not None and newest >= expected):
        return Assessment(Freshness.FRESH, expected, coming)
    if newest is None:
        return Assessment(Freshness.FRESH, expected, stale="has no recent bars")
    if stale := _stale(series, series.market, newest, expected, times.now):
        return Assessment(Freshness.FRESH, expected, stale=stale)
    late = times.now - expected
    if late < SETTLE_FOR + times.grace:
        pause = max(SETTLE_STEP, (late - times.grace) * SETTLE_GROWTH)
        ready = max(expected + times.grace, times.now + pause) + times.delay
        return Assessment(Freshness.SETTLING, expected, ready_at=ready)
    return Assessment(Freshness.FRESH, expected)  # late, or without a trade: asked for at every tick


def _stale(series: BarSeries, market: Market, newest: datetime, expected: datetime, now: datetime) -> str:
    if not series.timeframe.is_intraday:
        overdue = (series.next_close(newest) or expected) < expected
        return f"its newest bar is of {newest:%Y-%m-%d}" if overdue else ""
    missed = market.trading(newest, now)
    least = 3 * series.timeframe.length + BEHIND
    least = least if market.continuous else max(least, THINLY_TRADED)
    is_stale = missed > least and (market.is_open(now - MOMENT, now) or missed > DEAD)
    return f"its newest bar is {missed.total_seconds():.0f} s old" if is_stale else ""


def stale_file(newest: datetime, frame: Timeframe, market: Market, now: datetime) -> str:
    """Why a file is no news: it lacks more than the newest bar, or some hours of short ones, by the ticker's own market."""
    if frame.is_intraday:
        is_stale = market.trading(newest, now) > max(LATE_FILE * frame.length, LONGEST_QUIET)
    else:
        following = market.next_close(frame, newest)
        second = following and market.next_close(frame, following)
        is_stale = second is not None and now >= second
    return f"its newest bar is of {newest:%Y-%m-%d %H:%M} UTC" if is_stale else ""


def with_usable_forming(series: BarSeries, times: Times) -> BarSeries:
    """Without the forming bar where it would stand beside the bar before the last, or has no time to be looked at twice."""
    forming = series.forming
    if forming is None:
        return series
    if _closed_bar_is_coming(series, times) or suspect_bar((*series.bars[-1:], forming), series.market) is not None:
        return replace(series, forming=None)
    return series


def _closed_bar_is_coming(series: BarSeries, times: Times) -> bool:
    expected, forming = series.last_close(times.as_of), series.forming
    if series.market is None or expected is None or (series.newest_close or expected) >= expected:
        return False
    if forming is None or forming.close_time <= expected:  # it is that bar, within its grace
        return False
    return times.as_of - expected <= SETTLE_FOR + times.vendor_grace and series.misses_none


def is_late(as_of: datetime, expected: datetime, grace: timedelta) -> bool:
    """Whether a bar has been expected for longer than its vendor usually takes."""
    return as_of - expected > grace + LATE_AFTER


def was_quiet_for_hours(series: BarSeries, as_of: datetime) -> bool:
    """Whether a market that is shut now has traded for hours without a bar: even a thin ticker's vendor may be dead."""
    if series.market is None or series.newest_close is None or not series.timeframe.is_intraday:
        return False
    return series.market.trading(series.newest_close, as_of) > 3 * series.timeframe.length + LONGEST_QUIET
