"""A report in words, for chats and mail: one title, and lines with the numbers in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from domain.text import counted

MOST = 5  # of a kind in one line
Result = dict[str, Any]


def words(result: Result) -> tuple[str, str]:
    """Title and body."""
    title, lines = KINDS[result["report_type"]](result)
    if result.get("stale"):
        lines.append(f"No new bar of {_few(result['stale'])}")
    if result["failed"]:
        few = "; ".join(f"{symbol}: {why}" for symbol, why in list(result["failed"].items())[:MOST])
        lines.append(f"No data for {len(result['failed'])}: {few}")
    return title, "\n".join(lines)


def percent(value: float | None, *, signed: bool = True) -> str:
    """Two digits behind the point."""
    return "–" if value is None else f"{value:{'+' if signed else ''}.2f} %"


def number(value: float | None, digits: int = 2) -> str:
    """With commas between thousands."""
    return "–" if value is None else f"{value:,.{digits}f}"


def price(value: float | None) -> str:
    """Six digits."""
    return "–" if value is None else f"{value:,.6g}" if abs(value) < 1e5 else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """As short as it can be said."""
    if value is None:
        return "–"
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def _daily(result: Result) -> tuple[str, list[str]]:
    title = f"Daily summary {result['as_of'][:10]} ({result['timeframe']}, {len(result['symbols'])} tickers)"
    lines = []
    if len(result["symbols"]) <= MOST:
        lines = [
            f"{name}: {price(one['close'])} ({percent(one['change_1'])})" for name, one in result["symbols"].items()
        ]
    else:
        lines += _line("Up", result["movers"]["up"], "change_1", percent)
        lines += _line("Down", result["movers"]["down"], "change_1", percent)
    lines += _line("Gaps", result["gaps"], "gap", percent)
    lines += _line("Volume against usual", result["volume"], "volume_ratio", lambda value: f"{value:.1f}×")
    fired = [f"{one['name']} ({one['symbol']})" for one in result["fired"]]
    lines.append(f"Fired: {len(fired)}" + (f": {_few(fired)}" if fired else ""))
    near = [f"{one['name']} ({one['away']:.1f} % away)" for one in result["nearly_fired"]]
    if near:
        lines.append(f"Nearly fired: {_few(near)}")
    if result["earnings"]:
        coming = [f"{one['symbol']} {one['day']}" for one in result["earnings"]]
        lines.append(f"Earnings: {_few(coming)}")
    return title, lines


def _portfolio(result: Result) -> tuple[str, list[str]]:
    whole = result["portfolio"]
    unit = f" {result['currency']}" if result["currency"] else ""
    equal = " (equal weights)" if result["weights"] == "equal" else ""
    lines = [
        f"Value {number(whole['value'])}{unit}{equal}, last {percent(whole['change_1'])}",
        f"Since {result['since']}: {percent(whole['return'])} ({result['benchmark']} {percent(whole['benchmark_return'])})",
        f"Deepest drawdown {percent(whole['max_drawdown'])}, now {percent(whole['drawdown'])}",
        f"Volatility {percent(whole['volatility'], signed=False)} a year, Sharpe {number(whole['sharpe'])}, "
        f"beta {number(whole['beta'])}",
        f"Concentration {number(whole['concentration'])} (as {number(whole['effective_holdings'], 1)} equal holdings)",
    ]
    lines += [
        f"{one['symbol']}: {percent(one['weight'], signed=False)} of it, {percent(one['return'])}"
        for one in result["holdings"][:MOST]
    ]
    return f"Portfolio {result['as_of']}", lines + result["notes"]


def _performance(result: Result) -> tuple[str, list[str]]:
    total = result["total"]
    fires, alerts = counted(total["fires"], "fire"), counted(len(result["alerts"]), "alert")
    lines = [f"{fires} of {alerts} ({result['watched']} watched)"]
    for bars, one in total["outcomes"].items():
        if one["count"]:
            lines.append(
                f"After {counted(int(bars), 'bar')}: {percent(one['mean'])} on average, "
                f"{percent(one['hit_rate'], signed=False)} hits of {one['count']}"
            )
    lines.append(f"False rearms {total['false_rearms']} of {total['rearms']}")
    lines.append(
        f"Recorded {seconds(total['delay_p50'])} after the bar (95 %: {seconds(total['delay_p95'])}), {total['late']} late"
    )
    sent = sum(one.get("SENT", 0) for one in result["deliveries"].values())
    dead = sum(one.get("DEAD", 0) for one in result["deliveries"].values())
    lines.append(f"Deliveries: {sent} sent, {dead} dead")
    return f"Alerts of the last {result['days']} days", lines


def _line(title: str, rows: list[Result], name: str, said: Callable[[float], str]) -> list[str]:
    found = [f"{one['symbol']} {said(one[name])}" for one in rows if one[name] is not None]
    return [f"{title}: {_few(found)}"] if found else []


def _few(words: Iterable[str]) -> str:
    every = list(words)
    return ", ".join(every[:MOST]) + (f" and {len(every) - MOST} more" if len(every) > MOST else "")


KINDS: dict[str, Callable[[Result], tuple[str, list[str]]]] = {
    "daily_summary": _daily,
    "portfolio_analysis": _portfolio,
    "performance_report": _performance,
}
