"""The one client for everything outside: answers without end, names that stand for what nobody should be sent to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from activities.market_data.vendors.errors import ProviderUnavailable
from activities.market_data.vendors.http import MOST_BYTES
from activities.notifications.channel import ChannelRefused, ChannelUnavailable
from activities.notifications.posting import post
from activities.outgoing import NotAllowed, Outgoing, TooLarge, is_allowed
from tests.stand_ins.server import Reply, StandIn

A_MEGABYTE = 1 << 20
HERE = "127.0.0.1"


def standing_for(*addresses: str) -> Any:
    """What a name server says."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve


@pytest.mark.parametrize(
    ("address", "private", "public"),
    [
        ("8.8.8.8", True, True),
        ("2606:4700::1111", True, True),
        ("127.0.0.1", True, False),
        ("::1", True, False),
        ("10.1.2.3", True, False),
        ("172.16.0.1", True, False),
        ("192.168.1.1", True, False),
        ("100.64.0.1", True, False),
        ("fc00::1", True, False),
        ("::ffff:10.0.0.1", True, False),
        ("::ffff:8.8.8.8", True, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("fe80::1%eth0", False, False),
        ("fd00:ec2::254", False, False),
        ("2002:a00:1::", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("ff02::1", False, False),
        ("255.255.255.255", True, False),
    ],
)
def test_where_one_may_be_sent(address: str, private: bool, public: bool) -> None:
    assert is_allowed(address, private=True) is private
    assert is_allowed(address, private=False) is public


async def test_an_answer_without_end_is_cut_off() -> None:
    async with StandIn(lambda _: Reply(how="endless")) as there:
        out = Outgoing(timeout=60, most_bytes=A_MEGABYTE)
        with pytest.raises(TooLarge, match="more than 1 MB"):
            await out.request("GET", there.url)
        await out.close()
        assert there.streamed < 20 * A_MEGABYTE


async def test_a_webhook_that_answers_without_end_is_told_and_not_listened_to() -> None:
    async with StandIn(lambda _: Reply(how="endless")) as there:
        out = Outgoing(timeout=60, most_bytes=0)
        await post(out, there.url, b"{}", {})
        await out.close()
        assert there.streamed < 20 * A_MEGABYTE
    assert len(there.asked) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(500, ChannelUnavailable), (404, ChannelRefused), (302, ChannelUnavailable)]
)
async def test_a_webhooks_status_counts_whatever_follows_it(status: int, error: type[Exception]) -> None:
    answer = Reply(status, how="endless", headers={"Location": "http://169.254.169.254/"})
    async with StandIn(lambda _: answer) as there:
        out = Outgoing(timeout=60, most_bytes=0)
        with pytest.raises(error, match=str(status)):
            await post(out, there.url, b"{}", {})
        await out.close()
    assert len(there.asked) == 1, "no redirect is followed"


async def test_a_whole_answer_has_one_deadline() -> None:
    async with StandIn(lambda _: Reply(body="x" * 4000, how="drip")) as there:
        out = Outgoing(timeout=0.05, most_bytes=A_MEGABYTE)
        with pytest.raises(TimeoutError):
            await out.request("GET", there.url)
        await out.close()


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "fe80::1"])
async def test_a_good_name_that_stands_for_a_bad_address_is_not_connected_to(address: str) -> None:
    out = Outgoing(timeout=60, most_bytes=A_MEGABYTE, resolving=standing_for(address))
    with pytest.raises(NotAllowed):
        await out.request("GET", "http://hooks.example.com/")
    with pytest.raises(ChannelRefused, match="may be connected to"):
        await post(out, "http://hooks.example.com/", b"{}", {})
    await out.close()


async def test_a_name_is_looked_up_anew_for_each_connection() -> None:
    """What stood for a public address when it was checked may stand for this machine now."""
    async with StandIn(lambda _: Reply(body={})) as there:
        port = httpx.URL(there.url).port
        out = Outgoing(timeout=60, most_bytes=A_MEGABYTE, private=False, resolving=standing_for(HERE))
        with pytest.raises(NotAllowed):
            await out.request("GET", f"http://rebound.example.com:{port}/")
        await out.close()
        assert there.asked == []


async def test_the_next_address_is_tried_and_the_name_is_still_the_one_asked_for() -> None:
    async with StandIn(lambda _: Reply(body={"ok": True})) as there:
        port = httpx.URL(there.url).port
        out = Outgoing(timeout=60, most_bytes=A_MEGABYTE, resolving=standing_for("169.254.1.1", "127.0.0.2", HERE))
        answer = await out.request("GET", f"http://service.example.com:{port}/path?a=1")
        await out.close()
    assert answer.json() == {"ok": True}
    assert there.asked[0].headers["host"] == f"service.example.com:{port}"
    assert (there.asked[0].path, there.asked[0].query) == ("/path", {"a": "1"})


async def test_a_vendor_that_never_stops_is_one_that_cannot_be_used() -> None:
    from activities.market_data.vendors.http import VendorClient
    from activities.market_data.vendors.rate_limit import RateLimiter

    async with StandIn(lambda _: Reply(how="endless")) as there:
        client = VendorClient("yahoo", there.settings(), RateLimiter("yahoo", (), lambda: datetime.now(UTC)))
        with pytest.raises(ProviderUnavailable, match="sent more than"):
            await client.get("/", {})
        await client.close()
        assert there.streamed < MOST_BYTES + 20 * A_MEGABYTE
