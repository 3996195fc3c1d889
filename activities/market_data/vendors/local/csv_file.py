"""Bars from CSV files: a folder with one file a symbol, or one file replayed as though live."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left
from datetime import datetime
from pathlib import Path

from activities.bar_files.reading import Options, read_bar_file
from activities.bar_table import BarTable
from activities.market_data.vendors.errors import ProviderRefused
from activities.market_data.vendors.provider import BarRequest, FetchedBars, Hours, Provider
from domain.bar import Bar, by_open
from domain.errors import InvalidInput
from domain.timeframe import Timeframe

PACKED = (".gz", ".zip")  # endings of the same files, packed


class CsvFolder(Provider):
    """``<folder>/<symbol>.csv``, or ``<symbol>_<timeframe>.csv`` where there are several. Read again when changed."""

    name = "csv"
    hours = Hours.FILE

    def __init__(self, folder: Path, timezone: str = "") -> None:
        self.folder = folder
        self.timezone = timezone
        self._tables: dict[Path, tuple[float, list[Bar]]] = {}

    def adjustment(self, frame: Timeframe) -> str:
        """Whatever the file holds."""
        return "file"

    async def fetch(self, request: BarRequest) -> FetchedBars:
        """Bars of the file that had closed at ``now``."""
        bars = await asyncio.to_thread(self._load, request.symbol, request.timeframe)
        found = bars[bisect_left(bars, request.start, key=by_open) : bisect_left(bars, request.end, key=by_open)]
        closed = tuple(bar for bar in found if bar.close_time <= request.now)
        return FetchedBars(closed, begins_history=bool(closed) and closed[0] is bars[0])

    def _load(self, symbol: str, frame: Timeframe) -> list[Bar]:
        safe = "".join(char for char in symbol if char.isalnum() or char in "-_.^=")
        names = [f"{safe}_{frame}.csv", f"{safe}.csv"]
        path = self._found([*names, *(f"{name}{ending}" for name in names for ending in PACKED)])
        if path is None:
            raise ProviderRefused(self.name, f"there is no file {names[0]} or {names[1]}")
        changed = path.stat().st_mtime
        kept = self._tables.get(path)
        if kept is None or kept[0] != changed:
            table = _readable(self.name, path, self.timezone, symbol)
            if table.interval != frame.length:
                raise ProviderRefused(self.name, f"{path.name} holds bars of {table.interval}, not of {frame}")
            kept = self._tables[path] = (changed, list(table.bars()))
        return kept[1]

    def _found(self, names: list[str]) -> Path | None:
        """The first of these that is there, in any case: tickers are in capitals, files may not be."""
        if not self.folder.is_dir():
            return None
        there = {path.name.lower(): path for path in self.folder.iterdir() if path.is_file()}
        return next((there[name.lower()] for name in names if name.lower() in there), None)


class Replay(Provider):
    """Recorded bars published one by one once it has begun, each after ``interval / speed`` of real time.

    The bars keep their recorded times, and :meth:`market_time` runs with them, so a replay fires on the same bars as
    a preview of the file. The first ``out`` are out from the beginning.
    """

    name = "replay"
    hours = Hours.FILE

    def __init__(self, table: BarTable, symbol: str, speed: float, out: int = 0) -> None:
        self.symbol, self.out = symbol, out
        self.begun: datetime | None = None
        self.step = table.interval / speed
        self.interval = table.interval
        self.bars = list(table.bars())

    def begin(self, now: datetime) -> None:
        """Publishes from now on."""
        self.begun = now

    def published(self, now: datetime) -> int:
        """How many bars are out at ``now``."""
        since = 0 if self.begun is None else max(0, int((now - self.begun) / self.step))
        return min(len(self.bars), self.out + since)

    def is_over(self, now: datetime) -> bool:
        """Whether all are out."""
        return self.published(now) == len(self.bars)

    @property
    def seen_until(self) -> datetime:
        """The close up to which nothing is to be judged."""
        return self.bars[self.out - 1].close_time if self.out else self.bars[0].open_time

    def market_time(self, now: datetime) -> datetime:
        """Close of the newest published bar; before the first, the first's open."""
        count = self.published(now)
        return self.bars[count - 1].close_time if count else self.bars[0].open_time

    def adjustment(self, frame: Timeframe) -> str:
        """Whatever the file holds."""
        return "file"

    async def fetch(self, request: BarRequest) -> FetchedBars:
        """Published bars in the window; ``now`` is real time."""
        if request.symbol != self.symbol:
            raise ProviderRefused(self.name, f"only {self.symbol} is being replayed")
        if request.timeframe.length != self.interval:
            raise ProviderRefused(self.name, f"the replayed bars are of {self.interval}, not of {request.timeframe}")
        out = self.bars[: self.published(request.now)]
        found = out[bisect_left(out, request.start, key=by_open) : bisect_left(out, request.end, key=by_open)]
        return FetchedBars(tuple(found), begins_history=bool(found) and found[0] is self.bars[0])


def _readable(provider: str, path: Path, timezone: str, symbol: str) -> BarTable:
    try:
        return read_bar_file(path, Options(timezone or None, symbol=symbol)).table
    except InvalidInput as error:
        fault = error.faults[0]
        said = f"{fault}".replace("say it, --timezone ZONE", "set ALERTS_CSV_TIMEZONE")
        said = re.sub(
            r"; say (which, )?--.*", "; write it anew with ISO times and plain numbers, one ticker a file", said
        )
        raise ProviderRefused(provider, f"{path.name} cannot be read: {said}") from None
