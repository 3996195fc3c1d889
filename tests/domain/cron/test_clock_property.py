"""Random expressions over random zones and years against a brute-force reading of the rule.

The brute force walks real time step by step, looks at the wall clock, and applies the two sentences of the rule:
an interval job fires at each matching wall clock; a fixed job fires at the first showing of a matching wall time, and
at the first instant after a gap of at most three hours that hid one. It shares no code with the product.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.cron import next_fire, next_fires, parse
from domain.errors import InvalidInput

ZONES = [
    "UTC", "America/New_York", "Europe/Berlin", "Europe/Dublin", "Australia/Lord_Howe", "Asia/Kolkata",
    "Asia/Kathmandu", "Pacific/Apia", "America/Santiago", "Africa/Cairo", "America/Havana", "Antarctica/Troll",
    "Africa/Casablanca", "Asia/Tehran", "Australia/Sydney", "America/St_Johns",
]  # fmt: skip


@dataclass(frozen=True)
class Field:
    text: str
    values: frozenset[int]

    @property
    def starred(self) -> bool:
        return self.text.startswith("*")


def field(low: int, high: int) -> st.SearchStrategy[Field]:
    value = st.integers(low, high)
    star = st.just(Field("*", frozenset(range(low, high + 1))))
    step = st.integers(1, high).map(lambda n: Field(f"*/{n}", frozenset(range(low, high + 1, n))))
    single = value.map(lambda v: Field(str(v), frozenset([v])))
    ranged = st.tuples(value, value).map(
        lambda pair: Field(f"{min(pair)}-{max(pair)}", frozenset(range(min(pair), max(pair) + 1)))
    )
    several = st.lists(value, min_size=2, max_size=4).map(lambda many: Field(",".join(map(str, many)), frozenset(many)))
    return st.one_of(star, step, single, single, ranged, several)


@dataclass(frozen=True)
class DayRule:
    text: str
    values: frozenset[int]
    letter: str = ""

    @property
    def starred(self) -> bool:
        return self.text.startswith("*")


def days_of_month() -> st.SearchStrategy[DayRule]:
    plain = field(1, 31).map(lambda found: DayRule(found.text, found.values))
    letters = st.sampled_from(["L", "LW", "15W", "1W", "30W"]).map(lambda x: DayRule(x, frozenset(), x))
    return st.one_of(st.just(DayRule("*", frozenset(range(1, 32)))), plain, letters)


def days_of_week() -> st.SearchStrategy[DayRule]:
    plain = field(0, 6).map(lambda found: DayRule(found.text, found.values))
    letters = st.sampled_from(["5L", "0L", "5#3", "1#1", "6#5"]).map(lambda x: DayRule(x, frozenset(), x))
    return st.one_of(st.just(DayRule("*", frozenset(range(7)))), plain, letters)


def month_rule(rule: DayRule, day: datetime) -> bool:
    length = calendar.monthrange(day.year, day.month)[1]
    workdays = [n for n in range(1, length + 1) if datetime(day.year, day.month, n).weekday() < 5]
    if rule.letter == "L":
        return day.day == length
    if rule.letter == "LW":
        return day.day == workdays[-1]
    if rule.letter.endswith("W"):
        wanted = int(rule.letter[:-1])
        return wanted <= length and day.day == min(workdays, key=lambda n: (abs(n - wanted), n))
    return day.day in rule.values


def week_rule(rule: DayRule, day: datetime) -> bool:
    weekday = (day.weekday() + 1) % 7
    if rule.letter.endswith("L"):
        return weekday == int(rule.letter[0]) and (day + timedelta(days=7)).month != day.month
    if "#" in rule.letter:
        same = [n for n in range(1, day.day + 1) if (day.replace(day=n).weekday() + 1) % 7 == weekday]
        return weekday == int(rule.letter[0]) and len(same) == int(rule.letter[2])
    return weekday in rule.values


@dataclass(frozen=True)
class Job:
    second: Field | None
    minute: Field
    hour: Field
    dom: DayRule
    month: Field
    dow: DayRule

    @property
    def text(self) -> str:
        fields = [self.minute, self.hour, self.dom, self.month, self.dow]
        return " ".join(part.text for part in ([self.second, *fields] if self.second else fields))

    @property
    def interval(self) -> bool:
        return any(part.starred for part in (self.second, self.minute, self.hour) if part)

    def matches(self, wall: datetime) -> bool:
        seconds = self.second.values if self.second else {0}
        if wall.second not in seconds or wall.minute not in self.minute.values:
            return False
        if wall.hour not in self.hour.values or wall.month not in self.month.values:
            return False
        by_month, by_week = month_rule(self.dom, wall), week_rule(self.dow, wall)
        both = self.dom.starred or self.dow.starred
        return (by_month and by_week) if both else (by_month or by_week)


jobs = st.builds(
    Job,
    second=st.none(),
    minute=field(0, 59),
    hour=field(0, 23),
    dom=days_of_month(),
    month=field(1, 12),
    dow=days_of_week(),
)
everyday = st.builds(
    Job,
    second=st.one_of(st.none(), field(0, 59)),
    minute=field(0, 59),
    hour=st.one_of(field(0, 5).filter(lambda found: not found.starred), field(0, 23)),
    dom=st.just(DayRule("*", frozenset(range(1, 32)))),
    month=st.just(Field("*", frozenset(range(1, 13)))),
    dow=st.just(DayRule("*", frozenset(range(7)))),
)


def brute_force(job: Job, zone: ZoneInfo, after: datetime, hours: int, step: timedelta) -> list[datetime]:
    start = after.replace(second=0, microsecond=0) - timedelta(hours=4)
    end = after + timedelta(hours=hours)
    shown: set[datetime] = set()
    previous = (start - step).astimezone(zone).replace(tzinfo=None)
    fires = []
    moment = start
    while moment <= end:
        wall = moment.astimezone(zone).replace(tzinfo=None)
        fire = job.matches(wall) and (job.interval or wall not in shown)
        gap = wall - previous - step
        if not job.interval and timedelta(0) < gap <= timedelta(hours=3):
            hidden = previous + step
            while hidden < wall and not fire:
                fire, hidden = job.matches(hidden), hidden + step
        if fire and moment > after:
            fires.append(moment)
        shown.add(wall)
        previous = wall
        moment += step
    return fires


def changes(zone: ZoneInfo, year: int) -> list[datetime]:
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(366 * 24)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    return [hours[i] for i in range(1, len(hours)) if offsets[i] != offsets[i - 1]]


def check(job: Job, zone_name: str, after: datetime, hours: int) -> None:
    zone = ZoneInfo(zone_name)
    try:
        expression = parse(job.text)
    except InvalidInput as refused:
        assert "never occur" in str(refused)
        return
    step = timedelta(seconds=1) if job.second else timedelta(minutes=1)
    expected = brute_force(job, zone, after, hours, step)[:40]
    if expected:
        assert next_fires(expression, zone, after, len(expected)) == expected, (job.text, zone_name, after)
    else:
        try:
            assert next_fire(expression, zone, after) > after + timedelta(hours=hours)
        except LookupError:
            assert job.dom.letter or job.dow.letter or not job.month.starred


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(jobs, st.sampled_from(ZONES), st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)))
def test_any_time(job: Job, zone: str, when: datetime) -> None:
    check(job, zone, when.replace(microsecond=0, tzinfo=UTC), hours=72)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(everyday, st.sampled_from(ZONES), st.integers(2005, 2037), st.integers(-7200, 7200), st.integers(0, 1))
def test_around_clock_changes(job: Job, zone: str, year: int, seconds: int, which: int) -> None:
    found = changes(ZoneInfo(zone), year)
    moment = found[which % len(found)] if found else datetime(year, 3, 8, 7, tzinfo=UTC)
    check(job, zone, moment + timedelta(seconds=seconds), hours=5)


@settings(max_examples=100, deadline=None)
@given(
    field(0, 59),
    field(0, 23),
    field(1, 28),
    field(1, 12),
    st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)),
)
def test_libraries_agree_on_plain_utc_schedules(
    minute: Field, hour: Field, dom: Field, month: Field, when: datetime
) -> None:
    text = f"{minute.text} {hour.text} {dom.text} {month.text} *"
    after = when.replace(microsecond=0, tzinfo=UTC)
    ours = next_fires(parse(text), ZoneInfo("UTC"), after, 3)
    simulated = CronSim(text, after)
    assert ours == [next(simulated) for _ in range(3)]
    if not any("-" in part.text and len(set(part.text.split("-"))) == 1 for part in (minute, hour, dom, month)):
        libraries = croniter(text, after, ret_type=datetime, second_at_beginning=True)
        assert ours == [libraries.get_next() for _ in range(3)]
