"""Screeners: sets by name, bounds on companies, ranking, and what is new; on both databases, with bars that tests decide."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.jobs.executor import Done, JobRefused, Task
from activities.jobs.runner import JobRunner
from activities.jobs.screening import Screener, Sets, files_of
from domain.errors import InvalidInput
from domain.job import JobType, read_job
from domain.run import Run, RunStatus
from domain.ticker_sets import ALIASES, SHIPPED, TickerSet, checked, plain_name, read_set, shipped
from domain.vendor_data import CompanyProfile, EarningsReport, Kind
from storage.database import Database
from storage.stored_schedule import Filter

AT = datetime(2026, 1, 5, 21, tzinfo=UTC)
BARS: dict[str, dict[str, float | None]] = {
    "BIG": {"close": 100.0, "volume": 5e6, "rsi(14)": 25.0},
    "SMALL": {"close": 10.0, "volume": 9e6, "rsi(14)": 28.0},
    "LOSS": {"close": 50.0, "volume": 7e6, "rsi(14)": None},
    "HOT": {"close": 70.0, "volume": 1e6, "rsi(14)": 80.0},
}


class Bars:
    """What ``OnBars`` would read."""

    def __init__(self) -> None:
        self.asked: tuple[str, ...] = ()

    async def each(self, symbols: Any, frame: Any, keys: tuple[str, ...], tell: Any = None) -> Any:
        self.asked = keys
        known = {one: BARS[one] for one in symbols if one in BARS}
        return known, {one: "yahoo: no such ticker" for one in symbols if one not in BARS}


async def screen(database: Database, folder: Path | None = None, user: str = "ann", **params: Any) -> Done:
    definition = read_job("screener", {"symbols": [*BARS, "NONE"], **params}, cron="@daily")
    bars = Bars()
    return await Screener(bars, database, Sets(database, folder))(Task("run", "screen", user, definition))  # type: ignore[arg-type]


async def companies(database: Database) -> None:
    def report(symbol: str, quarter: int, actual: float | None) -> EarningsReport:
        period = date(2025, 3 * quarter, 28)
        return EarningsReport(symbol=symbol, frequency="quarterly", period=period, actual=actual)

    profiles = [
        CompanyProfile(symbol=symbol, at=AT, name=symbol, currency="USD", market_cap=cap)
        for symbol, cap in (("BIG", 3e12), ("SMALL", 2e8), ("LOSS", 5e10))
    ]
    earned = [report("BIG", n, 1.0) for n in (1, 2, 3, 4)] + [report("LOSS", n, -1.0) for n in (1, 2, 3, 4)]
    earned += [report("SMALL", n, 1.0) for n in (1, 2, 3)]  # a quarter is missing
    async with database.transaction() as work:
        await work.records.save(Kind.COMPANY_INFO, profiles, "finnhub", AT)
        await work.records.save(Kind.EARNINGS, earned, "finnhub", AT)


async def test_criteria_ranking_and_the_shape_of_the_result(any_database: Database) -> None:
    done = await screen(any_database, filter_criteria={"conditions": ["rsi(14) < 30"], "min_volume": 1e6})
    assert done.result == {
        "screener_set": "custom",
        "total_tickers": 5,
        "filtered_count": 2,
        "results": [{"symbol": "SMALL", "values": BARS["SMALL"]}, {"symbol": "BIG", "values": BARS["BIG"]}],
        "failed": {"NONE": "yahoo: no such ticker"},
    }
    assert done.notice is not None
    assert (done.notice.subject, done.notice.body) == ("2 of 5 tickers match", "SMALL, BIG\n1 tickers have no data")


@pytest.mark.parametrize(
    ("rank_by", "descending", "order"),
    [
        ("rsi(14)", True, ["HOT", "SMALL", "BIG", "LOSS"]),
        ("rsi(14)", False, ["BIG", "SMALL", "HOT", "LOSS"]),
        ("close", True, ["BIG", "HOT", "LOSS", "SMALL"]),
        ("market_cap", True, ["BIG", "LOSS", "SMALL", "HOT"]),
        ("pe_ratio", False, ["BIG"]),
    ],
)
async def test_ranked_by_anything_what_is_missing_last(
    any_database: Database, rank_by: str, descending: bool, order: list[str]
) -> None:
    await companies(any_database)
    done = await screen(any_database, rank_by=rank_by, descending=descending)
    assert [one["symbol"] for one in done.result["results"]][: len(order)] == order
    assert done.result["filtered_count"] == 4, "what cannot be ranked is a match all the same"


async def test_bounds_on_companies(any_database: Database) -> None:
    await companies(any_database)
    done = await screen(any_database, filter_criteria={"min_market_cap": 1e9, "max_pe_ratio": 30})
    (big,) = done.result["results"]
    assert (big["symbol"], big["market_cap"], big["pe_ratio"], big["fundamentals_as_of"]) == (
        "BIG",
        3e12,
        25.0,
        "2025-12-28",
    )
    assert done.result["without_fundamentals"] == ["HOT", "LOSS", "SMALL"], (
        "three quarters, losses and nothing are no ratio"
    )
    small = await screen(any_database, filter_criteria={"max_market_cap": 1e9})
    assert [one["symbol"] for one in small.result["results"]] == ["SMALL"]


async def test_what_is_new_since_the_last_run(any_database: Database) -> None:
    assert "new" not in (await screen(any_database)).result, "there was none before"
    before = Run(
        run_id="0e5c7c3c-0000-4000-8000-00000000000a", job_type="screener", job_id="screen", user_id="ann",
        status=RunStatus.COMPLETED, scheduled_for=AT, enqueued_at=AT, finished_at=AT + timedelta(minutes=1),
        result={"results": [{"symbol": "BIG"}, {"symbol": "GONE"}]}, job_snapshot={},
    )  # fmt: skip
    async with any_database.transaction() as work:
        await work.runs.add([before])
    done = await screen(any_database, top_n=2)
    assert ([one["symbol"] for one in done.result["results"]], done.result["new"]) == (
        ["SMALL", "LOSS"],
        ["SMALL", "LOSS"],
    )
    whole = await screen(any_database)
    assert whole.result["new"] == ["SMALL", "LOSS", "HOT"]
    assert whole.notice is not None
    assert "New since the last run: SMALL, LOSS, HOT" in whole.notice.body


async def test_sets_by_name_the_users_own_first_then_a_file(any_database: Database, tmp_path: Path) -> None:
    sets = Sets(any_database, tmp_path)
    assert len((await sets.find("ann", "S&P 500")).symbols) == 503
    (tmp_path / "sp500.csv").write_text("# ours as of 2026-01-02\nname,ticker\nBig,big\n", encoding="utf-8")
    assert await sets.find("ann", "sp500") == TickerSet("sp500", ("BIG",), date(2026, 1, 2))
    async with any_database.transaction() as work:
        await work.sets.put("ann", TickerSet("sp500", ("HOT", "SMALL")), AT)
    assert (await sets.find("ann", "SP500")).symbols == ("HOT", "SMALL")
    assert (await sets.find("bob", "sp500")).symbols == ("BIG",), "hers are hers"
    done = await screen(any_database, tmp_path, symbols=[], screener_set="sp500")
    assert (done.result["total_tickers"], done.result["set_as_of"]) == (2, "2026-01-05")
    with pytest.raises(JobRefused, match=r"there is no set 'tech'; there are nasdaq100, sp500; 'alerts sets put"):
        await sets.find("bob", "tech")
    (tmp_path / "bad.csv").write_text("AAPL\nnot a ticker\n", encoding="utf-8")
    with pytest.raises(JobRefused, match=r"TICKER_SETS: .*bad\.csv"):
        await sets.find("bob", "sp500")
    with pytest.raises(InvalidInput):
        files_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "fewest", "some"), [("sp500", 490, ("AAPL", "BRK.B")), ("nasdaq100", 100, ("NVDA", "ASML"))]
)
def test_the_shipped_sets_are_whole_and_dated(name: str, fewest: int, some: tuple[str, ...]) -> None:
    found = shipped(name)
    assert found is not None
    assert fewest <= len(found.symbols) <= 520
    assert set(some) <= set(found.symbols)
    assert found.as_of is not None
    assert date(2026, 1, 1) <= found.as_of
    assert name in SHIPPED


def test_files_of_sets() -> None:
    assert read_set("x", "aapl\n\nMSFT\naapl\n").symbols == ("AAPL", "MSFT")
    assert read_set("x", "name,symbol\nApple,AAPL\n").symbols == ("AAPL",)
    for text, words in (("", "at least one"), ("A B\nC D\n", "row 2"), ("name,symbol\nApple\n", "row 1")):
        with pytest.raises(InvalidInput, match=words):
            read_set("x", text)
    with pytest.raises(InvalidInput, match=r"\$\.name"):
        checked("No Good", ["A"])
    assert {plain_name(one) for one in ALIASES} == set(SHIPPED)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"rank_by": "rsx(14)"}, "operand"),
        ({"rank_by": "AAPL"}, "operand"),
        ({"rank_by": "close > 5"}, "operand"),
        ({"rank_by": "5"}, "operand"),
        ({"top_n": 0}, "greater"),
    ],
)
def test_what_cannot_be_is_refused(params: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_job("screener", {"symbols": ["A"], **params}, cron="@daily")


TEMPLATE = {"rule": "close > sma(20)", "rearm": "once", "tags": ["screened"]}


async def test_an_alert_is_made_once_for_each_ticker_that_begins_to_match(any_database: Database) -> None:
    """Through the runner, which writes alerts with the result, or not at all."""
    runs = iter(f"00000000-0000-0000-0000-00000000000{number}" for number in range(9))
    tickers, limit = [*BARS, "^GSPC"], 3
    BARS["^GSPC"] = {"close": 5000.0, "volume": 1.0, "rsi(14)": 20.0}

    async def run(*, fail: bool = False, **params: Any) -> dict[str, Any]:
        given = {
            "symbols": tickers,
            "filter_criteria": {"conditions": ["rsi(14) < 30"]},
            "create_alerts": TEMPLATE,
            **params,
        }
        kept = {"task_params": given, "cron": "@daily", "name": "cheap"}
        one = Run(next(runs), "screener", "screen", "ann", RunStatus.PENDING, datetime.now(UTC), AT, job_snapshot=kept)
        screener = Screener(Bars(), any_database, Sets(any_database, None), limit)  # type: ignore[arg-type]

        async def work(task: Task) -> Done:
            done = await screener(task)
            if fail:
                async with any_database.transaction() as unit:
                    await unit.runs.finish(one.run_id, RunStatus.CANCELLED, AT)
            return done

        async with any_database.transaction() as unit:
            await unit.runs.add([one])
        await ActivityEnvironment().run(JobRunner(any_database, {JobType.SCREENER: work}, "w").run, one.run_id)
        async with any_database.transaction() as unit:
            found = await unit.runs.get(one.run_id)
        assert found is not None
        return found.result or {}

    async def alerts() -> list[str]:
        async with any_database.transaction() as unit:
            return [one.id for one in await unit.schedules.page(Filter("ann", "alert"), None, 99)]

    try:
        await run(fail=True)
        assert await alerts() == [], "what was cancelled makes none"
        made = await run(symbols=["BIG", "^GSPC"])
        assert set(made["alerts_created"]) == {"BIG", "^GSPC"}
        assert made["alerts_created"]["^GSPC"].startswith("screen-gspc-"), "told apart from GSPC's"
        async with any_database.transaction() as unit:
            (stored,) = await unit.schedules.these(["screen-big"])
            audited = await unit.audit.of("screen-big", 9)
        definition = stored.alert.definition
        assert (definition.symbol, definition.timeframe, definition.name, definition.tags) == (
            "BIG",
            "1d",
            "BIG: cheap",
            ("screened",),
        )
        assert (audited[0].client, audited[0].detail["name"]) == ("job", "BIG: cheap")
        again = await run(symbols=["BIG", "^GSPC"])
        assert (again["new"], again["alerts_created"]) == ([], {})
        async with any_database.transaction() as unit:
            await unit.schedules.delete("screen-big")
        assert (await run(symbols=["BIG", "^GSPC"]))["alerts_created"] == {}, "who removed it does not want it back"
        more = await run()
        assert more["alerts_created"] == {"SMALL": "screen-small"}
        assert len(await alerts()) == 2
        BARS["HOT"]["rsi(14)"], BARS["LOSS"]["rsi(14)"] = 10.0, 10.0
        full = await run()
        assert (len(full["alerts_created"]), len(full["alerts_left_out"])) == (1, 1), "a user may have three"
        limit += 1
        later = await run()
        assert list(later["alerts_created"]) == full["alerts_left_out"], "as soon as there is room"
    finally:
        del BARS["^GSPC"]
        BARS["HOT"]["rsi(14)"], BARS["LOSS"]["rsi(14)"] = 80.0, None


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ({"rule": "close >"}, "rule"),
        ({"symbol": "X", "rule": "close > 1"}, "leave out symbol"),
        ({"rule": "close > 1", "rearm": "never", "nonsense": 1}, "nonsense"),
        ({}, "rule"),
    ],
)
def test_a_template_that_is_no_alert_is_refused(template: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_job("screener", {"symbols": ["X"], "create_alerts": template}, cron="@daily")
    assert [fault.path for fault in caught.value.faults] == ["$.task_params.create_alerts"]
    assert said in str(caught.value)


def test_a_template_is_judged_by_the_screeners_timeframe() -> None:
    given = {"symbols": ["X"], "create_alerts": {"rule": "close > sma(20)@4h"}}
    assert read_job("screener", {**given, "timeframe": "1h"}, cron="@daily").params.create_alerts
    with pytest.raises(InvalidInput, match="create_alerts"):
        read_job("screener", {**given, "timeframe": "1w"}, cron="@daily")
