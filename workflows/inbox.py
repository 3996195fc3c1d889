"""What messages leave for the main loop. It lives no longer than a run of the workflow: a run ends when all is done."""

from __future__ import annotations

from dataclasses import dataclass, field

from activities.interface import BarsObserved


@dataclass
class Inbox:
    """``woken``: something has changed. ``requested`` and ``evaluated`` count evaluations that were asked for, and made.

    ``deleted``: the row has gone. ``nudges`` are what the watch observed.
    """

    woken: bool = False
    requested: int = 0
    evaluated: int = 0
    deleted: bool = False
    nudges: list[BarsObserved] = field(default_factory=list)

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for an evaluation."""
        return self.requested > self.evaluated

    @property
    def calls(self) -> bool:
        """Whether the main loop should look."""
        return self.woken or self.is_asked
