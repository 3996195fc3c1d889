"""What vendors answer: any part of it may be anything. Bars come out true or not at all, the reason is short, nothing waits."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.jobs.data_fetch import clean
from activities.market_data.vendors.errors import ProviderError
from activities.market_data.vendors.provider import DataRequest
from domain.vendor_data import RECORDS, Record
from storage.database import Database
from tests.activities.market_data.vendors.test_adapters import ALL, KEY, NOW, Pair
from tests.hostile.catalogue import BODIES, VALUES
from tests.hostile.doors import replaced
from tests.stand_ins.server import Asked, Reply, StandIn
from tests.stand_ins.vendor import Vendor
from worker.provider_settings import VENDORS

pytestmark = pytest.mark.timeout(1800)
SAMPLE = None if os.environ.get("HOSTILE") == "all" else 40
LONGEST_GAP = 1.0
LONGEST_TEXT = 20_000
BARS_ONLY = ("binance", "interactive_brokers")


class Hostile:
    """A vendor that answers well but for one thing."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.place: str | None = None
        self.value: Any = None
        self.raw: bytes | None = None
        self.whole: list[Any] = []

    def __call__(self, asked: Asked) -> Reply:
        """Well, but for what is set."""
        reply = self.vendor(asked)
        if self.raw is not None:
            return Reply(200, self.raw.decode("latin-1"))
        if isinstance(reply.body, str):
            return reply
        if self.place is None:
            self.whole.append(reply.body)
            return reply
        body = next((made for place, made in replaced(reply.body, self.value) if place == self.place), reply.body)
        return Reply(reply.status, json.dumps(body), reply.content, reply.headers)


@asynccontextmanager
async def gaps() -> AsyncIterator[list[float]]:
    """How long the loop was held up, at the longest."""
    longest, end = [0.0], asyncio.Event()

    async def tick() -> None:
        while not end.is_set():
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            longest[0] = max(longest[0], time.perf_counter() - before)

    task = asyncio.create_task(tick())
    yield longest
    end.set()
    await task


@pytest.mark.parametrize("kind", ALL, ids=lambda one: one.name)
async def test_any_part_of_an_answer_may_be_anything(kind: Any) -> None:
    vendor: Vendor = kind(lambda: NOW)
    hostile = Hostile(vendor)
    async with StandIn(hostile) as server:
        first = VENDORS[vendor.name](server.settings(KEY), lambda: NOW)
        pair = Pair(vendor, server, first)
        request = pair.request("1d", NOW - timedelta(days=30))
        assert (await first.fetch(request)).bars
        await first.close()
        places = sorted({place for body in hostile.whole for place, _ in replaced(body, None)})
        thrown: list[tuple[str | None, str]] = [(place, what) for place in places for what in VALUES]
        thrown += [(None, what) for what in BODIES]
        wrong = []
        for place, what in thrown if SAMPLE is None else random.Random(len(thrown)).sample(thrown, SAMPLE):
            hostile.place, hostile.value = place, VALUES.get(what)
            hostile.raw = BODIES[what] if place is None else None
            if found := await _fetched(vendor, server, pair, request):
                wrong.append(f"{place}: {what}: {found}")
    assert wrong == []
    assert len(thrown) > 150


@pytest.mark.parametrize("vendor_class", ALL, ids=lambda one: one.name)
async def test_so_may_any_part_of_other_data(vendor_class: Any, tmp_path: Path) -> None:
    """Of each kind that the vendor offers: records that can be stored, or a short reason."""
    vendor: Vendor = vendor_class(lambda: NOW)
    hostile = Hostile(vendor)
    database = Database(f"sqlite:///{tmp_path / 'data.db'}")
    await database.upgrade()
    wrong, count = [], 0
    async with StandIn(hostile) as server:
        for kind in VENDORS[vendor.name](server.settings(KEY), lambda: NOW).sources:
            request = DataRequest(kind, vendor.symbol, NOW.date() - timedelta(days=3), NOW.date(), NOW)
            hostile.place, hostile.raw, hostile.whole = None, None, []
            assert await _records(vendor, server, request) != "none"
            places = sorted({place for body in hostile.whole for place, _ in replaced(body, None)})
            thrown: list[tuple[str | None, str]] = [(place, what) for place in places for what in VALUES]
            thrown += [(None, what) for what in BODIES]
            count += len(thrown)
            sample = min(len(thrown), 20)
            for place, what in thrown if SAMPLE is None else random.Random(kind.value).sample(thrown, sample):
                hostile.place, hostile.value = place, VALUES.get(what)
                hostile.raw = BODIES[what] if place is None else None
                found = await _records(vendor, server, request, database)
                if found not in ("", "none"):
                    wrong.append(f"{kind.value} {place}: {what}: {found}")
    await database.close()
    assert wrong == []
    assert count > 150 or vendor.name in BARS_ONLY


async def _records(vendor: Vendor, server: StandIn, request: DataRequest, database: Database | None = None) -> str:
    """What is wrong with how the answer was read; ``none`` where it holds nothing."""
    gap = 0.0
    for _ in range(2):
        provider = VENDORS[vendor.name](server.settings(KEY), lambda: NOW)
        records: Sequence[Record] = ()
        try:
            async with gaps() as longest:
                answer = clean(await provider.data(request))
                records = provider.read(answer, request)
                rows = [one.model_dump(mode="json") for one in records]
                again = [RECORDS[request.kind].model_validate(row) for row in rows]
                if database is not None:
                    async with database.transaction() as work:
                        await work.records.save(request.kind, again, vendor.name, NOW)
        except ProviderError as error:
            said = str(error)
            if len(said) > 1000 or any(ord(mark) < 32 for mark in said):
                return f"says {said[:200]!r}"
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:200]}"
        else:
            longest_text = max((len(one) for row in rows for one in row.values() if isinstance(one, str)), default=0)
            if longest_text > LONGEST_TEXT:
                return f"keeps a text of {longest_text} characters"
        finally:
            await provider.close()
        gap = longest[0]
        if gap < LONGEST_GAP:
            return "" if records else "none"
    return f"holds the loop up for {gap:.1f} s"


async def _fetched(vendor: Vendor, server: StandIn, pair: Pair, request: Any) -> str:
    """What is wrong with how the answer was taken; what holds the loop up but once is the machine's."""
    gap = 0.0
    for _ in range(2):
        provider = VENDORS[vendor.name](server.settings(KEY), lambda: NOW)
        try:
            async with gaps() as longest:
                bars = (await provider.fetch(request)).bars
        except ProviderError as error:
            said = str(error)
            if len(said) > 1000 or any(ord(mark) < 32 for mark in said):
                return f"says {said[:200]!r}"
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:200]}"
        else:
            for bar in bars:
                prices = (bar.open, bar.high, bar.low, bar.close)
                if any(math.isinf(price) or price <= 0 for price in prices if not math.isnan(price)):
                    return f"gives {bar}"
        finally:
            await provider.close()
        gap = longest[0]
        if gap < LONGEST_GAP:
            return ""
    return f"holds the loop up for {gap:.1f} s"
