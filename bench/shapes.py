"""The shapes that ``bench/ticks.py`` compares: a bare timer, and the plain alert of three regular activities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from activities.indicators import compute
    from activities.market_data.vendors.local.simulated import SimulatedMarket
    from activities.market_data.vendors.provider import BarRequest
    from domain.expression import parse
    from domain.operand import IndicatorOperand
    from domain.timeframe import Timeframe

SECOND = timedelta(seconds=1)


async def until_next_second() -> None:
    """Waits as our workflow does: one timer to the absolute next whole second."""
    now = workflow.now()
    due = now.replace(microsecond=0) + SECOND
    try:
        await workflow.wait_condition(lambda: False, timeout=due - now)
    except TimeoutError:
        return


@workflow.defn
class TimerOnly:
    """A tick that does nothing."""

    @workflow.run
    async def run(self, symbol: str) -> None:
        while True:
            await until_next_second()


@workflow.defn
class Plain:
    """A tick of three regular activities: fetch, indicator, check."""

    @workflow.run
    async def run(self, symbol: str) -> None:
        limit = timedelta(seconds=10)
        while True:
            await until_next_second()
            closes = await workflow.execute_activity(plain_fetch, symbol, start_to_close_timeout=limit)
            value = await workflow.execute_activity(plain_indicator, closes, start_to_close_timeout=limit)
            await workflow.execute_activity(plain_check, value, start_to_close_timeout=limit)


MARKET = SimulatedMarket()
RSI = getattr(parse("rsi(14) > 0").rule, "left")  # noqa: B009


@activity.defn
async def plain_fetch(symbol: str) -> list[float]:
    """The last 250 closes, through history as people write it first."""
    now = datetime.now(UTC)
    return [
        bar.close for bar in MARKET.bars(BarRequest(symbol, Timeframe("1s"), now - 250 * SECOND, now, now)) if bar.final
    ]


@activity.defn
async def plain_indicator(closes: list[float]) -> float:
    """RSI(14) of the last close."""
    import numpy as np

    assert isinstance(RSI, IndicatorOperand)
    return float(compute(RSI, {"close": np.array(closes)}, whole_history=True)["real"][-1])


@activity.defn
async def plain_check(value: float) -> bool:
    """Whether to notify."""
    return value > 99.9
