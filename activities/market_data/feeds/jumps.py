"""Jumps of a ticker's price that were seen: when first, and which of them have been confirmed."""

from __future__ import annotations

from datetime import datetime

from cachetools import LRUCache

from activities.market_data.quality.outliers import Suspect

MOST = 100  # of one ticker and timeframe: the newest bars are what counts


class Jumps:
    """Of one ticker and timeframe, whichever provider brought them; a jump is named by the close of its bar."""

    def __init__(self) -> None:
        self._first_seen: LRUCache[datetime, datetime] = LRUCache(MOST)
        self._believed: LRUCache[datetime, bool] = LRUCache(MOST)

    @property
    def is_empty(self) -> bool:
        """Whether none was seen."""
        return not self._first_seen and not self._believed

    def seen(self, suspect: Suspect, now: datetime) -> datetime:
        """When it was seen first."""
        found: datetime = self._first_seen.setdefault(suspect.bar.close_time, now)
        return found

    def believe(self, suspect: Suspect) -> None:
        """It has stood for long enough, or two vendors agree."""
        self._believed[suspect.bar.close_time] = True

    def is_believed(self, suspect: Suspect) -> bool:
        """Whether it has been confirmed."""
        return suspect.bar.close_time in self._believed
