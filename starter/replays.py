"""How recorded bars are best replayed: how fast, from which bar on, and what to expect of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from activities.bar_table import BarTable
from activities.preview import first_warm, operand_columns, preview
from domain.alert import Alert
from domain.text import counted

SECONDS = 60.0  # a file is shown in about so many …
SLOWEST, FASTEST = 1.0, 10.0  # … at so many bars a second: alerts look once a second, and see all that are new
LIVE = timedelta(minutes=1)  # bars of a minute and less keep the usual sixtyfold speed
USUAL = 60.0


@dataclass(frozen=True)
class Plan:
    """``speed`` is how many times faster than recorded; the first ``warm`` bars are out from the beginning.

    ``fires`` are how often each alert would fire, in a preview of the same bars.
    """

    speed: float
    warm: int
    fires: tuple[int, ...]

    def words(self, table: BarTable, alerts: Sequence[Alert]) -> list[str]:
        """What to expect."""
        left = len(table) - self.warm
        pace = self.speed / table.interval.total_seconds()
        first, last = (datetime.fromtimestamp(int(table.open_time[at]), UTC) for at in (0, -1))
        rows = [
            f"Replay:   {counted(len(table), 'bar')} of {alerts[0].definition.symbol}, {first:%Y-%m-%d} to {last:%Y-%m-%d}; "
            f"{pace:g} a second, about {left / pace:.0f} s"
        ]
        if self.warm:
            rows.append(f"          the first {self.warm} warm the indicators up")
        return rows + [
            f"          {alert.id}: {alert.definition.name}, {alert.definition.rule}; {counted(count, 'fire')} to come"
            for alert, count in zip(alerts, self.fires, strict=True)
        ]


def plan(table: BarTable, alerts: Sequence[Alert], speed: float | None) -> Plan:
    """With the speed that was asked for, else one that shows something."""
    warm = max((first_warm(operand_columns(alert, table)) for alert in alerts), default=0)
    fires = tuple(len(preview(alert, table, begin=warm).fires) for alert in alerts)
    if speed is None and table.interval <= LIVE:
        speed = USUAL
    if speed is None:
        speed = min(max((len(table) - warm) / SECONDS, SLOWEST), FASTEST) * table.interval.total_seconds()
    return Plan(speed, min(warm, len(table) - 1), fires)
