"""What is told of the providers: their circuits, calls, quotas and last troubles (R-302)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from activities.market_data.gate import Circuit
from activities.market_data.provider import BarProvider

NOTE = "providers:"


def states(providers: Iterable[BarProvider]) -> list[dict[str, Any]]:
    """One object a provider, times as ISO text; plain values for SQL and JSON."""
    return [state(provider) for provider in providers]


def state(provider: BarProvider) -> dict[str, Any]:
    """``circuit`` is closed, open or half-open; ``none`` where nothing can be asked too much."""
    gate = provider.gate
    if gate is None:
        return {"name": provider.name, "circuit": "none", "calls": 0, "failures": 0}
    tally = gate.tally
    return {
        "name": provider.name,
        "circuit": gate.circuit.value,
        "open_until": _text(gate.open_until if gate.circuit is Circuit.OPEN else None),
        "quota_until": _text(gate.quota_until),
        "calls": tally.calls,
        "failures": tally.failures,
        "last_ok_at": _text(tally.last_ok_at),
        "last_error": tally.last_error,
        "last_error_at": _text(tally.last_error_at),
        "tokens": [
            {
                "calls": bucket.calls,
                "seconds": bucket.period.total_seconds(),
                "left": round(bucket.level(gate.clock()), 1),
            }
            for bucket in gate.rates
        ],
    }


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
