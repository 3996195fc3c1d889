"""What is told of the providers: their circuits, calls, quotas and last troubles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from activities.market_data.vendors.circuit_breaker import Circuit
from activities.market_data.vendors.provider import Provider

NOTE = "providers:"
TOLD_FOR = timedelta(days=1)  # so long a worker's word counts
SEEN = timedelta(minutes=2)  # and so long what it says of now
RECENT = timedelta(minutes=15)


def states(providers: Iterable[Provider]) -> list[dict[str, Any]]:
    """One object a provider, times as ISO text; plain values for SQL and JSON."""
    return [state(provider) for provider in providers]


def state(provider: Provider) -> dict[str, Any]:
    """``circuit`` is closed, open or half-open; ``none`` where nothing can be asked too much."""
    breaker = provider.breaker
    if breaker is None:
        return {"name": provider.name, "circuit": "none", "calls": 0, "failures": 0}
    tally = breaker.tally
    return {
        "name": provider.name,
        "circuit": breaker.circuit.value,
        "open_until": _text(breaker.open_until if breaker.circuit is Circuit.OPEN else None),
        "quota_until": _text(breaker.quota_until),
        "calls": breaker.limiter.calls,
        "failures": tally.failures,
        "last_ok_at": _text(tally.last_ok_at),
        "shortfall": provider.shortfall,
        "unknown_sessions": list(provider.unknown_sessions),
        "last_error": tally.last_error,
        "last_error_at": _text(tally.last_error_at),
        "tokens": [
            {
                "calls": bucket.calls,
                "seconds": bucket.period.total_seconds(),
                "left": round(bucket.level(breaker.clock()), 1),
            }
            for bucket in breaker.limiter.rates
        ],
    }


def unreachable(notes: Iterable[Mapping[str, Any]], now: datetime) -> dict[str, str]:
    """Why each vendor cannot be used, when the last call of each went wrong a little while ago; empty when one answers.

    What nobody has asked for long, as while markets are shut, is no trouble.
    """
    troubles, recent = dict[str, str](), (now - RECENT).isoformat()
    for note in notes:
        for state in note.get("providers", []):
            asked = state.get("calls") or state.get("failures")
            if state["circuit"] == "none" or (asked and not _is_in_trouble(state, recent)):
                return {}
            if asked:
                troubles[state["name"]] = state.get("last_error") or "does not answer"
    return troubles


def _is_in_trouble(state: Mapping[str, Any], recent: str) -> bool:
    """Its last call went wrong not long ago; ISO texts of UTC sort as the times do."""
    failed = state.get("last_error_at") or ""
    return failed > recent and (state.get("last_ok_at") or "") < failed


def outside_sessions(notes: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """By market and provider, of all workers' notes: times with trades where a market's calendar knows no session."""
    return {
        (one["market"], state["name"]): one
        for note in notes
        for state in note.get("providers", [])
        for one in state.get("unknown_sessions", [])
    }


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
