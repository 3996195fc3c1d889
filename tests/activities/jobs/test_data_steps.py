"""The eight kinds, step by step, from vendors' true formats into their own tables on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.evaluation import Evaluation
from activities.interface import StepInput
from activities.jobs.data_steps import DataSteps
from activities.jobs.executor import JobFailed, JobRefused, Task
from activities.jobs.runner import JobRunner
from activities.market_data.failover import MarketData
from activities.market_data.vendors.errors import BeingTried, ProviderRefused
from domain.errors import InvalidInput
from domain.job import JobDefinition, JobType, read_job
from domain.run import Run, RunStatus
from domain.vendor_data import Kind
from storage.database import Database
from tests.stand_ins.alpha_vantage import AlphaVantageStandIn
from tests.stand_ins.finnhub import FinnhubStandIn
from tests.stand_ins.polygon import PolygonStandIn
from tests.stand_ins.server import Asked, Reply, StandIn
from tests.stand_ins.vendor import KEY, Vendor
from worker.provider_settings import VENDORS

NOW = datetime(2026, 11, 19, 15, 47, 20, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'data.db'}"
    else:
        cluster = request.getfixturevalue("cluster")
        url = await cluster.new()
    database = Database(url)
    await database.upgrade()
    yield database
    await database.close()
    if request.param == "postgresql":
        await cluster.drop(url)


class Desk:
    """Vendors in order, and the steps over them."""

    def __init__(
        self, database: Database | None, vendors: list[Vendor], servers: list[StandIn], now: list[datetime]
    ) -> None:
        self.vendors, self.servers, self.now = vendors, servers, now
        self.providers = [
            VENDORS[vendor.name](server.settings(KEY), lambda: now[0])
            for vendor, server in zip(vendors, servers, strict=True)
        ]
        self.slept: list[float] = []
        market = MarketData(self.providers, database, lambda: now[0], retries=2)
        if database is not None:
            self.steps = DataSteps(Evaluation(market), database, clock=lambda: now[0], sleep=self._sleep, at_once=1)

    async def process(self, one: Task) -> dict[str, Any]:
        """The result of the whole job."""
        return (await self.steps.process(one)).result

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now[0] += timedelta(seconds=seconds)


@pytest.fixture
async def desk(request: pytest.FixtureRequest, store: Database) -> AsyncIterator[Desk]:
    now = [NOW]
    async with AsyncExitStack() as stack:
        vendors: list[Vendor] = [kind(lambda: now[0]) for kind in (FinnhubStandIn, PolygonStandIn, AlphaVantageStandIn)]
        servers = [await stack.enter_async_context(StandIn(vendor)) for vendor in vendors]
        made = Desk(store, vendors, servers, now)
        yield made
        for provider in made.providers:
            await provider.close()


def job(kind: Kind, *symbols: str, **more: Any) -> JobDefinition:
    params = {"kind": kind.value, **({"symbols": list(symbols)} if symbols else {}), **more}
    return read_job("data_processing", params, cron="@daily")


RUN = "00000000-0000-0000-0000-000000000001"


def task(definition: JobDefinition, run_id: str = "run-1") -> Task:
    return Task(run_id, "job", "local", definition)


OF_TWO = [kind for kind in Kind if kind not in (Kind.ECONOMIC_EVENTS, Kind.HISTORICAL_PRICES)]


@pytest.mark.parametrize("kind", OF_TWO)
async def test_each_kind_lands_in_its_table_once(desk: Desk, store: Database, kind: Kind) -> None:
    for run in ("first", "second"):
        result = await desk.process(task(job(kind, "AAPL", "MSFT"), run))
        assert (set(result["symbols"]), result["failed"], result["partial"]) == ({"AAPL", "MSFT"}, {}, False)
        desk.now[0] += timedelta(seconds=1)
    async with store.transaction() as work:
        each = {Kind.OPTIONS_CHAIN: 4}.get(kind, 1)
        assert await work.records.count(kind, "AAPL") == await work.records.count(kind, "MSFT") == each
        (row, *_) = await work.records.newest(kind, symbol="AAPL")
    assert (row["source"], row["stored_at"]) == (
        "polygon" if kind is Kind.OPTIONS_CHAIN else "finnhub",
        NOW + timedelta(seconds=1),
    )
    expected = {
        Kind.STOCK_QUOTES: ("price", 101.5), Kind.OPTIONS_CHAIN: ("implied_volatility", 0.35), Kind.COMPANY_INFO: ("market_cap", 2.5e6),
        Kind.EARNINGS: ("period", date(2026, 9, 30)), Kind.EARNINGS_CALENDAR: ("day", date(2027, 1, 28)), Kind.NEWS: ("headline", "X rises"),
    }  # fmt: skip
    name, value = expected[kind]
    assert row[name] == value


async def test_economic_events_have_no_ticker(desk: Desk, store: Database) -> None:
    result = await desk.process(task(job(Kind.ECONOMIC_EVENTS)))
    assert result["symbols"] == {"*": {"source": "finnhub", "rows": 1}}
    async with store.transaction() as work:
        (row,) = await work.records.newest(Kind.ECONOMIC_EVENTS)
    assert (row["event"], row["actual"], row["at"]) == ("CPI y/y", 3.1, datetime(2026, 11, 12, 13, 30, tzinfo=UTC))


async def test_a_date_that_has_moved_does_not_stand_beside_the_new_one(desk: Desk, store: Database) -> None:
    class Moving(FinnhubStandIn):
        day = "2027-01-28"

        def well(self, asked: Asked) -> Reply:
            found = super().well(asked)
            if asked.path == "/calendar/earnings":
                found.body["earningsCalendar"][0]["date"] = self.day
            return found

    moving = Moving(lambda: desk.now[0])
    desk.servers[0].answer = moving
    for run, day in (("one", "2027-01-28"), ("two", "2027-02-02")):
        moving.day = day
        await desk.process(task(job(Kind.EARNINGS_CALENDAR, "AAPL"), run))
    async with store.transaction() as work:
        rows = await work.records.newest(Kind.EARNINGS_CALENDAR, symbol="AAPL")
    assert [row["day"] for row in rows] == [date(2027, 2, 2)]


async def test_historical_prices_go_through_all_four_steps(desk: Desk, store: Database) -> None:
    desk.now[0] = datetime(2026, 11, 19, 22, 0, tzinfo=UTC)
    definition = job(
        Kind.HISTORICAL_PRICES, "AAPL", operation="indicators", indicators=["rsi(14)", "sma(20)"], lookback=260
    )
    for step in ("fetch", "normalize", "cache", "indicators"):
        assert await desk.steps.step(task(definition), step) == {"done": 1, "failed": 0}
    asked = len(desk.servers[0].asked)
    result = await desk.process(task(definition))
    assert len(desk.servers[0].asked) == asked == 1, (
        "what is done is not done again, and indicators read what was stored"
    )
    values = result["symbols"]["AAPL"]["values"]
    assert values["sma(20)"] is not None
    async with store.transaction() as work:
        bars = await work.bars.newest("AAPL", "1d", "finnhub/split", 1000, desk.now[0])
    assert len(bars) >= 260
    assert values["sma(20)"] == pytest.approx(sum(bar.close for bar in bars[-20:]) / 20)
    assert (bars[-1].open_time, bars[-1].close_time) == (
        datetime(2026, 11, 19, 14, 30, tzinfo=UTC),
        datetime(2026, 11, 19, 21, 0, tzinfo=UTC),
    )


@pytest.mark.parametrize(("operation", "stored"), [("fetch", 0), ("normalize", 0), ("cache", 1)])
async def test_nothing_is_stored_before_it_is_cached(desk: Desk, store: Database, operation: str, stored: int) -> None:
    result = await desk.process(task(job(Kind.STOCK_QUOTES, "AAPL", operation=operation)))
    assert result["symbols"]["AAPL"]["rows"] == 1
    async with store.transaction() as work:
        assert await work.records.count(Kind.STOCK_QUOTES) == stored


async def test_one_tickers_failure_stops_no_other_and_is_told(desk: Desk, store: Database) -> None:
    for vendor in desk.vendors:
        vendor.fault = lambda asked: (
            "half_json" if "BAD" in (*asked.query.values(), asked.path.rsplit("/", 2)[-2]) else None
        )
    result = await desk.process(task(job(Kind.STOCK_QUOTES, "AAPL", "BAD", "MSFT")))
    assert (sorted(result["symbols"]), list(result["failed"]), result["partial"]) == (["AAPL", "MSFT"], ["BAD"], True)
    assert "sent no JSON" in result["failed"]["BAD"]
    assert len([asked for asked in desk.servers[0].asked if asked.query.get("symbol") == "BAD"]) == 3, "two retries"
    assert result["steps"]["fetch"] == {"done": 2, "failed": 1}
    for vendor in desk.vendors:
        vendor.fault = "error_500"
    desk.now[0] += timedelta(hours=1)
    with pytest.raises(JobFailed, match="HTTP 500"):
        await desk.process(task(job(Kind.STOCK_QUOTES, "AAPL", "MSFT"), "run-2"))


async def test_the_next_vendor_serves_a_kind_the_first_does_not_give(desk: Desk, store: Database) -> None:
    desk.vendors[0].fault = "no_plan"
    result = await desk.process(task(job(Kind.COMPANY_INFO, "AAPL")))
    assert result["symbols"]["AAPL"]["source"] == "polygon"


async def test_yesterdays_close_is_no_quote_while_the_market_is_open(desk: Desk) -> None:
    """Polygon's free plan has the day before only: the next vendor is asked, unless the market is shut."""
    desk.providers[:2] = desk.providers[1::-1]
    desk.steps.market.providers[:2] = desk.providers[:2]
    definition = job(Kind.STOCK_QUOTES, "AAPL")
    assert (await desk.process(task(definition)))["symbols"]["AAPL"]["source"] == "finnhub"
    desk.now[0] = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
    assert (await desk.process(task(definition, "night")))["symbols"]["AAPL"]["source"] == "polygon"


async def test_a_list_that_is_too_long_goes_on_in_the_next_run(desk: Desk, store: Database) -> None:
    desk.vendors[0].fault = lambda asked: desk.now.__setitem__(
        0, desk.now[0] + timedelta(minutes=1)
    )  # each call takes a minute
    every = [f"S{n}" for n in range(20)]
    seen: list[str] = []
    for number in range(3):
        run_id = f"00000000-0000-0000-0000-00000000000{number}"
        result = await desk.process(task(job(Kind.STOCK_QUOTES, *every), run_id))
        assert 0 < len(result["symbols"]) < 20
        assert (result["failed"], result["partial"]) == ({}, True)
        assert set(result["symbols"]) | set(result["left"]) == set(every)
        kept = Run(run_id, "data_processing", "job", "local", RunStatus.COMPLETED, desk.now[0], result=result)
        async with store.transaction() as work:
            await work.runs.add([kept])
        left = [symbol for symbol in every if symbol not in seen]
        assert set(result["symbols"]) >= set(left[: len(result["symbols"])]), "those left come first"
        seen += [symbol for symbol in result["symbols"] if symbol not in seen]
    assert len(seen) == 20, "nobody is left out for long"


async def test_several_tickers_are_fetched_at_once_within_the_vendors_rate(store: Database) -> None:
    now, busy, most = [NOW], [0], [0]
    async with StandIn(FinnhubStandIn(lambda: now[0])) as server:
        found = Desk(store, [FinnhubStandIn(lambda: now[0])], [server], now)
        provider = found.providers[0]
        fetch = provider.data

        async def counted(request: Any) -> Any:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
            try:
                return await fetch(request)
            finally:
                busy[0] -= 1

        provider.data = counted  # type: ignore[method-assign]
        steps = DataSteps(found.steps.evaluation, store, clock=lambda: now[0], at_once=4)
        told: list[tuple[int, int, str]] = []
        one = replace(task(job(Kind.STOCK_QUOTES, *[f"S{n}" for n in range(12)])), tell=lambda *said: told.append(said))
        result = (await steps.process(one)).result
        await provider.close()
    assert (len(result["symbols"]), result["failed"], result["left"]) == (12, {}, [])
    assert 1 < most[0] <= 4
    assert told[-1][:2] == (36, 36), "three steps of twelve"
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


async def test_while_one_ticker_tries_a_vendor_again_the_others_wait(store: Database) -> None:
    """However long the trial takes: no try of theirs is used up by it."""
    waited = [0]

    async def sleep(_seconds: float) -> None:
        waited[0] += 1
        await asyncio.sleep(0)

    class Busy:
        name = "busy"
        asked = 0

        async def data(self, request: Any) -> Any:
            Busy.asked += 1
            if Busy.asked <= 20:
                raise BeingTried("busy", "is being tried again", timedelta(seconds=2))
            raise ProviderRefused("busy", "knows nothing of this ticker")

    market = MarketData([Busy()], store, lambda: NOW, retries=2)  # type: ignore[list-item]
    steps = DataSteps(Evaluation(market), store, clock=lambda: NOW, sleep=sleep)
    assert await steps.step(task(job(Kind.STOCK_QUOTES, "A")), "fetch") == {"done": 0, "failed": 1}
    assert (waited[0], Busy.asked) == (20, 21)


async def test_a_step_that_was_cut_off_goes_on_where_it_was(desk: Desk, store: Database) -> None:
    def down_after_two(asked: Asked) -> str | None:
        return "reset" if len(desk.servers[0].asked) > 2 else None

    desk.vendors[0].fault = down_after_two
    for vendor in desk.vendors[1:]:
        vendor.fault = "reset"
    definition = job(Kind.STOCK_QUOTES, "A", "B", "C", "D")
    assert await desk.steps.step(task(definition), "fetch") == {"done": 2, "failed": 2}
    desk.vendors[0].fault = None
    before = len(desk.servers[0].asked)
    assert await desk.steps.step(task(definition), "fetch") == {"done": 4, "failed": 0}
    assert len(desk.servers[0].asked) - before == 2


async def test_a_vendor_that_asks_to_wait_is_waited_for(desk: Desk, store: Database) -> None:
    asked_to_wait = iter(["wait_429"])
    desk.vendors[0].fault = lambda asked: next(asked_to_wait, None)
    result = await desk.process(task(job(Kind.EARNINGS, *[f"S{n}" for n in range(6)])))
    assert (len(result["symbols"]), result["failed"], desk.slept) == (6, {}, [7.0])
    assert {one["source"] for one in result["symbols"].values()} == {"finnhub"}


@pytest.mark.parametrize(("fault", "again_in"), [("error_500", None), ("banned_418", 130), ("banned_for_long", None)])
async def test_what_all_vendors_ask_for_is_temporals_next_try(
    desk: Desk, store: Database, fault: str, again_in: float | None
) -> None:
    """A wait that fits into a run is Temporal's; a longer one ends the run."""
    for vendor in desk.vendors:
        vendor.fault = fault
        vendor.banned_for_long = lambda asked: Reply(418, {}, headers={"Retry-After": "7200"})  # type: ignore[attr-defined]
    wanted = job(Kind.EARNINGS, "AAPL", "MSFT")
    snapshot = {"task_params": {"kind": wanted.params.kind.value, "symbols": ["AAPL", "MSFT"]}}
    run = Run(RUN, "data_processing", None, "local", RunStatus.PENDING, NOW, NOW, job_snapshot=snapshot)
    async with store.transaction() as work:
        await work.runs.add([run])
    runner = JobRunner(store, {}, "worker", steps={JobType.DATA_PROCESSING: desk.steps.step}, clock=lambda: desk.now[0])
    with pytest.raises(ApplicationError, match="fetch: ") as caught:
        await ActivityEnvironment().run(runner.run_step, StepInput(RUN, "fetch"))
    delay = caught.value.next_retry_delay
    assert caught.value.non_retryable is (fault == "banned_for_long")
    assert delay is None if again_in is None else delay is not None and abs(delay.total_seconds() - again_in) <= 1
    assert KEY not in str(caught.value)


async def test_an_empty_answer_is_not_the_last_word_while_another_vendor_can_be_asked(
    desk: Desk, store: Database
) -> None:
    desk.vendors[0].fault = "empty"
    result = await desk.process(task(job(Kind.COMPANY_INFO, "AAPL")))
    assert result["symbols"]["AAPL"]["source"] == "polygon"
    for vendor in desk.vendors:
        vendor.fault = "no_plan"
    with pytest.raises(JobRefused, match="plan"):
        await desk.process(task(job(Kind.COMPANY_INFO, "AAPL"), "run-2"))


async def test_what_no_database_can_hold_is_cleaned(desk: Desk, store: Database) -> None:
    class Odd(FinnhubStandIn):
        def well(self, asked: Asked) -> Reply:
            found = super().well(asked)
            if asked.path == "/company-news" and asked.query["symbol"] == "ODD":
                item = {
                    **found.body[0],
                    "summary": "a\x00b \\u0000 \ud83d",
                    "sentiment": float("nan"),
                    "category": float("inf"),
                }
                return Reply(body=[item])
            return found

    odd = Odd(lambda: desk.now[0])
    desk.servers[0].answer = odd
    result = await desk.process(task(job(Kind.NEWS, "AAPL", "ODD", "MSFT")))
    assert (sorted(result["symbols"]), result["failed"]) == (["AAPL", "MSFT", "ODD"], {})
    async with store.transaction() as work:
        (row,) = await work.records.newest(Kind.NEWS, symbol="ODD")
    assert row["summary"] == "ab \\u0000"


async def test_market_hours_only_leaves_a_shut_market_alone(desk: Desk, store: Database) -> None:
    definition = job(Kind.STOCK_QUOTES, "AAPL", "BTC-USD", market_hours_only=True)
    desk.now[0] = datetime(2026, 11, 26, 16, 0, tzinfo=UTC)  # Thanksgiving
    result = await desk.process(task(definition))
    assert (result["skipped"], list(result["symbols"]), result["failed"]) == (["AAPL"], ["BTC-USD"], {})
    desk.now[0] = datetime(2026, 11, 27, 17, 59, tzinfo=UTC)  # before the early close
    assert (await desk.process(task(definition, "run-2")))["skipped"] == []
    desk.now[0] = datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
    only = await desk.process(task(job(Kind.STOCK_QUOTES, "AAPL", market_hours_only=True), "run-3"))
    assert (only["skipped"], only["partial"]) == (["AAPL"], False)


def test_parameters_that_do_not_fit_their_kind_are_refused() -> None:
    for kind, symbols, more in (
        (Kind.ECONOMIC_EVENTS, ("AAPL",), {}),
        (Kind.NEWS, (), {}),
        (Kind.NEWS, ("AAPL",), {"operation": "indicators"}),
        (Kind.HISTORICAL_PRICES, ("AAPL",), {"operation": "indicators", "indicators": ["nonsense(14)"]}),
    ):
        with pytest.raises(InvalidInput):
            job(kind, *symbols, **more)
