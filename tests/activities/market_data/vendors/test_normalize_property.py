"""Whatever a vendor does to its rows, the stored bars are the same, or it is said what is wrong."""

from __future__ import annotations

import asyncio
import copy
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.market_data.vendors.errors import ProviderError
from activities.market_data.vendors.provider import BarRequest
from domain.bar import Bar
from domain.timeframe import Timeframe
from tests.stand_ins.server import Asked, Reply, StandIn
from tests.stand_ins.vendor import KEY, Vendor
from tests.stand_ins.vendors import ALL
from worker.provider_settings import VENDORS

NOW = datetime(2026, 11, 2, 15, 47, 20, tzinfo=UTC)  # early in the month, so that a month's answer is short
START = NOW - timedelta(minutes=25)


class Mangled(Vendor):
    """A vendor whose rows are put into another order, repeated, or cut."""

    def __init__(self, vendor: Vendor, data: st.DataObject, how: str) -> None:
        self.vendor, self.data, self.how = vendor, data, how

    def __call__(self, asked: Asked) -> Reply:
        """The same answer, mangled."""
        reply = self.vendor.well(asked)
        if self.how == "cut text":
            text = reply.raw().decode()
            return Reply(body=text[: self.data.draw(st.integers(0, len(text) - 1))])
        return Reply(body=self.mangle(copy.deepcopy(reply.body)))

    def mangle(self, body: Any) -> Any:
        name = self.vendor.name
        if name == "yahoo":
            result = body["chart"]["result"][0]
            quote = result["indicators"]["quote"][0]
            columns = {"timestamp": result["timestamp"], **quote}
            changed = self.columns(columns)
            result["timestamp"] = changed.pop("timestamp")
            quote.update(changed)
        elif name == "finnhub":
            body.update(self.columns({key: body[key] for key in "tohlcv"}))
        elif name == "alpha_vantage":
            key = next(key for key in body if "Time Series" in key)
            body[key] = dict(self.rows(list(body[key].items())))
        elif name == "binance":
            body = self.rows(body)
        elif name == "polygon":
            body["results"] = self.rows(body["results"])
        elif "data" in body:
            body["data"] = self.rows(body["data"])
        return body

    def rows(self, rows: list[Any]) -> list[Any]:
        """A permutation, with repeats, or only a part."""
        if self.how == "permuted":
            return list(self.data.draw(st.permutations(rows)))
        if self.how == "repeated":
            extra = self.data.draw(st.lists(st.sampled_from(rows), max_size=8))
            return list(self.data.draw(st.permutations([*rows, *extra])))
        return rows[: self.data.draw(st.integers(1, len(rows)))]

    def columns(self, columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """The same for parallel arrays; a cut may leave one of them shorter than the others."""
        if self.how == "cut column":
            name = self.data.draw(st.sampled_from(sorted(columns)))
            keep = self.data.draw(st.integers(0, len(columns[name]) - 1))
            return {**columns, name: columns[name][:keep]}
        rows = self.rows(list(zip(*columns.values(), strict=True)))
        return dict(zip(columns, (list(column) for column in zip(*rows, strict=True)), strict=True))


async def stored(vendor: Vendor, answer: Any) -> list[Bar]:
    async with StandIn(answer) as server:
        provider = VENDORS[vendor.name](server.settings(KEY), lambda: NOW)
        try:
            end = NOW + timedelta(minutes=1)
            fetched = await provider.fetch(
                BarRequest(vendor.symbol, Timeframe("1m"), START, end, NOW, vendor.market.market)
            )
        finally:
            await provider.close()
    return [bar for bar in fetched.bars if bar.final]


@lru_cache
def _whole(kind: type[Vendor]) -> list[Bar]:
    vendor = kind(lambda: NOW)
    return asyncio.run(stored(vendor, vendor))


@pytest.mark.parametrize("kind", ALL, ids=lambda one: one.name)
@pytest.mark.parametrize("how", ["permuted", "repeated", "cut", "cut column", "cut text"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_any_repeat_any_cut(kind: type[Vendor], how: str, data: st.DataObject) -> None:
    vendor = kind(lambda: NOW)
    if how == "cut column" and kind.name not in ("yahoo", "finnhub"):
        how = "cut"
    whole = _whole(kind)
    try:
        found = asyncio.run(stored(vendor, Mangled(vendor, data, how)))
    except ProviderError as error:
        assert how in ("cut column", "cut text")
        assert len(str(error)) > len(kind.name) + 5
        return
    if how in ("permuted", "repeated"):
        assert found == whole
    else:
        true = {bar.open_time: bar for bar in whole}
        assert all(true[bar.open_time] == bar for bar in found), "part of the same bars, none of them another"


def test_the_whole_is_not_empty() -> None:
    for kind in ALL:
        vendor = kind(lambda: NOW)
        assert len(asyncio.run(stored(vendor, vendor))) >= 20
