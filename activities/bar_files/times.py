"""Times as files write them: recognised by their shape, parsed by pandas; what may be two days is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Dates = Literal["dmy", "mdy", "ymd"]
DAY_SECONDS = 86_400
EPOCH = re.compile(r"-?\d{9,10}(\.\d+)?|\d{13}|\d{16}|\d{19}")
OFFSET = r"\s?(?:Z|[+-]\d\d(?::?\d\d)?|GMT[+-]\d{1,4}|UTC)"
OF_A_CLOCK = rf"(:\d\d(?:[:.]\d+)*(?:\s?[AaPp][Mm])?)({OFFSET})$"  # the year of 02-01-2024 is none
CLOCK = re.compile(rf"[ T,]+(\d{{1,2}}:\d\d(?::\d\d(?:\.\d+)?)?|\d{{1,2}}-)\s?([AP]M)?({OFFSET})?$", re.IGNORECASE)
SHAPES: tuple[tuple[str, str], ...] = (  # a date's shape and how it is parsed; slashes with the year last may be two
    (r"\d{4}-\d{1,2}-\d{1,2}", "%Y-%m-%d"),
    (r"\d{4}\.\d{1,2}\.\d{1,2}", "%Y.%m.%d"),
    (r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d"),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y"),
    (r"\d{8}", "%Y%m%d"),
    (r"[A-Za-z]{3,9}\.? \d{1,2},? \d{4}", "%b %d %Y"),
    (r"\d{1,2}-[A-Za-z]{3}-\d{4}", "%d-%b-%Y"),
    (r"\d{1,2} [A-Za-z]{3,9}\.? \d{4}", "%d %b %Y"),
)
TWO_WAYS = re.compile(r"\d{1,2}([/-])\d{1,2}\1(\d{4}|\d\d)$")
YEAR_FIRST = re.compile(r"\d{4}[-/.]?\d")
COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)[ T](\d\d)(\d\d)(\d\d)")
PLAIN_ISO = re.compile(r"\d{4}-\d\d-\d\d(([T ])\d\d:\d\d(?::\d\d)?(Z)?)?")
ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d.*)?")
CLOCK_WITH_WORDS = re.compile(r"[AP]M|GMT|UTC", re.IGNORECASE)
EXPECTED = "expected an ISO time such as 2026-01-05T14:30:00Z, or as its format writes times"


@dataclass(frozen=True)
class Times:
    """``seconds`` since 1970, UTC; where ``bad`` they mean nothing.

    ``bare``: all are days, at midnight UTC. ``naive``: some are moments that carry no offset; ``iso``: written year first, as
    programs do. ``skipped``: of a local clock that was put forward over them.
    """

    seconds: NDArray[np.int64]
    bad: NDArray[np.bool_]
    bare: bool
    naive: bool
    iso: bool = True
    skipped: NDArray[np.bool_] | None = None


class AmbiguousDates(Exception):
    """Days that may be months: somebody must say which of ``ways``."""

    def __init__(self, example: str, ways: Sequence[str]) -> None:
        self.example, self.ways = example, ways
        super().__init__("its days may be months, by all that is there")


def parse_times(texts: pd.Series, zone: str, dates: Dates | None) -> Times:
    """All texts of a column, by the shape of the first.

    ``zone`` is that of times without an offset.

    Raises:
        AmbiguousDates: 03/04/2024 is the third of April or the fourth of March, by all that is there.
    """
    quick = _alike(texts, zone)
    if quick is not None:
        return quick
    texts = texts.astype("str").str.strip()
    first = next((str(one) for one in texts.head(50) if one), "")
    if EPOCH.fullmatch(first):
        return _epochs(texts)
    if COMPACT.fullmatch(first):
        texts = texts.str.replace(COMPACT, r"\1-\2-\3 \4:\5:\6", regex=True)
        first = str(texts.iloc[0])
    if ISO.fullmatch(first) and not CLOCK_WITH_WORDS.search(first):
        return _zoned(pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True), texts, zone)
    clock = CLOCK.search(first)
    day = first[: clock.start()] if clock else first
    formats = _formats_of(day, dates)
    rest = _clock_format(clock) if clock else ""
    cleaned = _cleaned(texts, words=any("%b" in one for one in formats))
    parsed = [_wall(cleaned, one + rest) for one in formats] or [
        pd.Series(pd.NaT, index=texts.index, dtype="datetime64[s]")
    ]
    usable = [one for one in parsed if one.notna().all() and _is_monotone(one)]
    if len(formats) > 1 and len(usable) > 1:
        raise AmbiguousDates(first, ("dmy", "mdy", "ymd")[: len(formats)])
    wall = usable[0] if usable else max(parsed, key=lambda one: int(one.notna().sum()))
    return replace(_from_wall(wall, texts, zone, has_clock=clock is not None), iso=bool(YEAR_FIRST.match(first)))


def _alike(texts: pd.Series, zone: str) -> Times | None:
    """Where all are ISO times of one shape, in UTC or days: most files, in a tenth of the time."""
    first = str(texts.iloc[0])
    clock = PLAIN_ISO.fullmatch(first)
    if clock is None or (clock[1] and not clock[3] and zone != "UTC"):
        return None
    joined, count = "".join(texts.to_numpy(dtype=object)), len(texts)
    marks = (joined.count("Z"), joined.count("-"), joined.count("+"))
    if len(joined) != count * len(first) or marks != (count if clock[3] else 0, 2 * count, 0):
        return None
    parsed = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
    bare = not clock[1] or (not clock[3] and _are_days(parsed))
    return Times(_seconds(parsed), parsed.isna().to_numpy(), bare=bare, naive=not bare and not clock[3])


def _formats_of(day: str, dates: Dates | None) -> list[str]:
    two = TWO_WAYS.fullmatch(day)
    if two:
        mark, year = two[1], "%Y" if len(two[2]) == 4 else "%y"
        ways = {"dmy": f"%d{mark}%m{mark}{year}", "mdy": f"%m{mark}%d{mark}{year}"}
        if year == "%y":
            ways["ymd"] = f"%y{mark}%m{mark}%d"
        return [ways[dates]] if dates in ways else list(ways.values())
    return [pattern for shape, pattern in SHAPES if re.fullmatch(shape, day)][:1]


def _clock_format(clock: re.Match[str]) -> str:
    hours, half = clock[1], clock[2]
    if hours.endswith("-"):  # ``05-PM``
        return " %I-%p"
    seconds = ":%S" if hours.count(":") == 2 else ""
    return f" {'%I' if half else '%H'}:%M{seconds}{'.%f' if '.' in hours else ''}{' %p' if half else ''}"


def _cleaned(texts: pd.Series, *, words: bool) -> pd.Series:
    """Without offsets, commas and dots of abbreviations, the clock one space after the day, months by three letters."""
    found = _without_offsets(texts).str.replace(r"[T,]\s*(?=\d{1,2}:)", " ", regex=True)
    if words:
        found = found.str.replace(r"[.,](?!\d)", "", regex=True)
        found = found.str.replace(r"([A-Za-z]{3})[a-z]+", r"\1", regex=True)
    return found.str.replace(r"\s+", " ", regex=True).str.replace(r"(?<=\d)(?=[AP]M$)", " ", regex=True)


def _offsets(texts: pd.Series) -> pd.Series:
    """What stands behind the clock; missing where nothing does."""
    return texts.str.extract(OF_A_CLOCK, expand=True)[1]


def _without_offsets(texts: pd.Series) -> pd.Series:
    return texts.str.replace(OF_A_CLOCK, r"\1", regex=True)


def _wall(texts: pd.Series, pattern: str) -> pd.Series:
    return pd.to_datetime(texts, format=pattern, errors="coerce").astype("datetime64[us]")


def _is_monotone(times: pd.Series) -> bool:
    return bool(times.is_monotonic_increasing or times.is_monotonic_decreasing)


def _epochs(texts: pd.Series) -> Times:
    """Each cell by its own digits: some files change their unit in the middle."""
    whole = texts.str.replace(r"\.\d+$", "", regex=True)
    good = whole.str.fullmatch(r"-?\d{1,19}").to_numpy(dtype=bool)
    digits = whole.where(good, "0").to_numpy(dtype=object).astype("int64")
    length = whole.str.len().to_numpy()
    unit = np.select([length >= 18, length >= 15, length >= 12], [10**9, 10**6, 10**3], 1)
    return Times(digits // unit, ~good, bare=False, naive=False)


def _zoned(parsed: pd.Series, texts: pd.Series, zone: str) -> Times:
    """ISO: an offset counts where there is one; a bare date is a day wherever the file is from."""
    bad = parsed.isna().to_numpy()
    bare = ~texts.str.contains(":", regex=False)
    if bool(bare.all()):
        return Times(_seconds(parsed), bad, bare=True, naive=False)
    offsets = _offsets(texts).notna() & ~bare
    if bool(offsets.all()):
        wall = pd.to_datetime(_without_offsets(texts), format="ISO8601", errors="coerce")
        if _are_days(wall) and not bool(texts.str.endswith("Z").any()):  # of a place: its own date is the day
            return Times(_seconds(wall), bad, bare=True, naive=False)
        return Times(_seconds(parsed), bad, bare=False, naive=False)
    if not bool(offsets.any()) and _are_days(parsed):
        return Times(_seconds(parsed), bad, bare=True, naive=False)
    local, skipped = _localised(parsed.dt.tz_localize(None).where(~offsets), zone)
    mixed = parsed.where(offsets | bare, local)
    return Times(_seconds(mixed), bad, bare=False, naive=True, skipped=skipped & ~(offsets | bare).to_numpy())


def _from_wall(wall: pd.Series, texts: pd.Series, zone: str, *, has_clock: bool) -> Times:
    bad = wall.isna().to_numpy()
    if not has_clock or _are_days(wall):
        return Times(_seconds(wall), bad, bare=True, naive=False)
    offsets = _offsets(texts)
    if bool(offsets.notna().any()):  # those that have none beside others that have one are no times
        bad = bad | offsets.isna().to_numpy()
        return Times(_seconds(wall) - _offset_seconds(offsets.fillna("Z")), bad, bare=False, naive=False)
    local, skipped = _localised(wall, zone)
    return Times(_seconds(local), bad, bare=False, naive=True, skipped=skipped)


def _are_days(wall: pd.Series) -> bool:
    """All at midnight, and days apart."""
    seconds = _seconds(wall.dropna())
    if len(seconds) == 0 or bool((seconds % DAY_SECONDS).any()):
        return False
    return len(seconds) > 1 and bool((np.abs(np.diff(seconds)) >= DAY_SECONDS).all())


def _offset_seconds(offsets: pd.Series) -> NDArray[np.int64]:
    """``GMT+0700``, ``+07:00``, ``GMT+7``, ``Z`` as seconds east of Greenwich."""

    def one(text: str) -> int:
        found = re.search(r"([+-])(\d{1,2}):?(\d\d)?$", text)
        if not found:
            return 0
        seconds = int(found[2]) * 3600 + int(found[3] or 0) * 60
        return -seconds if found[1] == "-" else seconds

    known = {text: one(text) for text in offsets.unique()}
    return np.asarray(offsets.map(known), dtype=np.int64)


def _localised(wall: pd.Series, zone: str) -> tuple[pd.Series, NDArray[np.bool_]]:
    """In UTC, and where there was no such time. An hour that comes twice is told apart by its order, where it is there twice."""
    known = wall.dropna()
    newest_first = len(known) > 1 and bool(known.iloc[0] > known.iloc[-1])
    ordered = wall.iloc[::-1] if newest_first else wall
    try:
        local = ordered.dt.tz_localize(zone, ambiguous="infer", nonexistent="NaT")
    except ValueError:
        local = ordered.dt.tz_localize(zone, ambiguous=np.ones(len(wall), dtype=bool), nonexistent="NaT")
    local = local.iloc[::-1] if newest_first else local
    skipped = (local.isna() & wall.notna()).to_numpy(dtype=bool)
    return local.dt.tz_convert("UTC"), skipped


def _seconds(times: pd.Series) -> NDArray[np.int64]:
    naive = times.dt.tz_localize(None) if times.dt.tz is not None else times
    return np.asarray(naive.astype("datetime64[s]").astype("int64"), dtype=np.int64)
