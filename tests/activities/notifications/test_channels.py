"""Every channel against a stand-in that speaks as the other side does: what is taken, what may go well later, what never will."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from activities import outgoing
from activities.notifications.channel import Channel, ChannelRefused, ChannelUnavailable, Letter, Moved
from activities.notifications.channels.telegram import MOST_TEXT, shortened
from activities.notifications.directory import Directory
from activities.notifications.registry import channel_at
from activities.notifications.sending import Sender
from domain.errors import InvalidInput
from storage.deliveries import Delivery, DeliveryStatus
from tests.conftest import START
from tests.stand_ins.bot_api import TOKEN, BotApi, bot_api
from tests.stand_ins.mail import PASSWORD, USER, Mail, mail_server
from worker.settings import Settings

if TYPE_CHECKING:
    from activities.notifications.artist import Artist
    from storage.database import Database

QUICK = 0.3  # a time-out that is waited for must be short; what is well answers at once


def letter(
    subject: str = "AAPL 1h: hot triggered", body: str = "Rule: close > 150 & rsi < 70", priority: str = "high"
) -> Letter:
    row = Delivery(
        "e1", "a1", "ann", "me", subject, body, status=DeliveryStatus.PENDING, attempts=1, last_error="", created_at=START,
        attempted_at=None, delivered_at=None, priority=priority,
    )  # fmt: skip
    return Letter(row, None, "alert", priority)


@dataclass
class World:
    """Both stand-ins and the settings that lead to them."""

    api: BotApi
    mail: Mail
    settings: Settings

    def channel(self, address: str, **changes: Any) -> Channel:
        return channel_at(self.settings.model_copy(update=changes), address)[1]


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with bot_api() as api, mail_server(tmp_path) as mail:
        monkeypatch.setenv("SSL_CERT_FILE", str(mail.certificate))
        outgoing.tls.cache_clear()
        settings = Settings(
            telegram_bot_token=TOKEN, telegram_api_url=api.url, smtp_host="localhost", smtp_port=mail.port, smtp_user=USER,
            smtp_password=PASSWORD, smtp_from="alerts@example.com", notification_timeout=10,
        )  # fmt: skip
        yield World(api, mail, settings)
        outgoing.tls.cache_clear()


@asynccontextmanager
async def opened(channel: Channel) -> AsyncIterator[Channel]:
    try:
        yield channel
    finally:
        await channel.close()


async def test_telegram_tells_it_with_its_markup(world: World) -> None:
    async with opened(world.channel("telegram://-100123")) as chat:
        await chat.send(letter(body="close < 5 & <b>not bold</b>"))
    (sent,) = world.api.messages
    assert (sent["chat_id"], sent["parse_mode"]) == ("-100123", "HTML")
    assert sent["text"].startswith("<b>AAPL 1h: hot triggered</b>\n")
    assert sent["shown"] == "AAPL 1h: hot triggered\nclose < 5 & <b>not bold</b>"


async def test_telegram_falls_back_to_plain_text_where_markup_is_refused(world: World) -> None:
    world.api.fault, world.api.faults_left = "markup", 1
    async with opened(world.channel("telegram://5")) as chat:
        await chat.send(letter())
    (sent,) = world.api.messages
    assert "parse_mode" not in sent
    assert world.api.asked == 2


@pytest.mark.parametrize("character", ["x", "é", "😀", "&"])
async def test_telegram_cuts_what_is_too_long_in_its_own_unit(world: World, character: str) -> None:
    async with opened(world.channel("telegram://5")) as chat:
        await chat.send(letter(body=character * 9000))
    (sent,) = world.api.messages
    assert MOST_TEXT - 2 <= len(sent["shown"].encode("utf-16-le")) // 2 <= MOST_TEXT
    assert sent["shown"].endswith("…")
    assert shortened("short", MOST_TEXT) == "short"


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("flood", ChannelUnavailable, "retry after 35"),
        ("server_error", ChannelUnavailable, "Bad Gateway"),
        ("reset", ChannelUnavailable, "could not be reached"),
        ("blocked", ChannelRefused, "blocked by the user"),
        ("silent", ChannelUnavailable, "no answer in time"),
        ("slow", ChannelUnavailable, "no answer in time"),
    ],
)  # fmt: skip
async def test_telegram_faults(world: World, fault: str, error: type[Exception], said: str) -> None:
    world.api.fault, world.api.faults_left = fault, 1
    timeout = {"notification_timeout": QUICK} if fault in ("silent", "slow") else {}
    async with opened(world.channel("telegram://5", **timeout)) as chat:
        with pytest.raises(error, match=said) as caught:
            await chat.send(letter())
        assert TOKEN not in str(caught.value)
        assert getattr(caught.value, "disable", False) is (fault == "blocked")
        if fault == "flood":
            assert caught.value.retry_after == timedelta(seconds=35)  # type: ignore[attr-defined]
        await chat.send(letter())
    assert len(world.api.messages) == (2 if fault == "slow" else 1), "taken twice only where nobody can tell"


async def test_pictures_go_with_the_words(world: World) -> None:
    png = b"\x89PNG\r\n\x1a\n" + b"\0\r\n--x" * 500
    async with opened(world.channel("telegram://-5")) as chat, opened(world.channel("mailto:ann@example.com")) as box:
        for channel in (chat, box):
            await channel.send(replace(letter(), picture=png))
        await chat.send(replace(letter(body="x" * 2000), picture=png))
    photo, text = world.api.messages
    assert (photo["photo"], photo["chat_id"], photo["parse_mode"]) == (png, "-5", "HTML")
    assert photo["shown"].startswith("AAPL 1h: hot triggered\nRule:")
    assert "photo" not in text, "words that are too long for a caption go alone"
    (mail,) = world.mail.messages
    assert mail.get_body(("plain",)).get_content().startswith("Rule: close > 150 & rsi < 70")  # type: ignore[union-attr]
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "close &gt; 150 &amp; rsi" in html
    (image,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert image.get_content() == png
    assert f"cid:{image['Content-ID'].strip('<>')}" in html


async def test_a_chat_that_takes_no_pictures_gets_the_words(world: World) -> None:
    """As a group does whose administrator allows texts alone."""
    directory = Directory(cast("Database", None), {"telegram": world.channel("telegram://5")}, None)

    async def found(_user: str, _name: str, *, disabled: bool) -> tuple[Channel, None]:
        return directory.channels["telegram"], None

    directory.channel = found  # type: ignore[method-assign,assignment]

    class Painter:
        async def picture(self, *_given: object) -> bytes:
            return b"no picture that Telegram reads"

    await Sender(directory, cast("Artist", Painter()), lambda: START).send(letter())
    (sent,) = world.api.messages
    assert "photo" not in sent
    assert world.api.asked == 2
    await directory.channels["telegram"].close()


async def test_a_proxys_403_disables_nobody(world: World) -> None:
    from pytest_httpserver import HTTPServer

    with HTTPServer() as server:
        server.expect_request(f"/bot{TOKEN}/sendMessage").respond_with_data("<html>Forbidden by proxy</html>", 403)
        async with opened(world.channel("telegram://5", telegram_api_url=server.url_for("").rstrip("/"))) as chat:
            with pytest.raises(ChannelRefused) as caught:
                await chat.send(letter())
    assert not caught.value.disable


async def test_a_servers_words_are_told_without_the_mailbox(world: World) -> None:
    box = world.channel("mailto:ann.private@example.com")
    said = str(box._sorted(550, "5.1.1 <Ann.Private@example.com>: Recipient rejected for ann.private"))  # type: ignore[attr-defined]
    assert said == "SMTP 550 5.1.1 <…>: Recipient rejected for …"


def test_apprise_writes_no_address_down(caplog: pytest.LogCaptureFixture) -> None:
    for address in ("tgram://SECRETBOT/abc", "slack://SECRETTOKEN/bad"):
        with pytest.raises(InvalidInput):
            channel_at(Settings(), address)
    assert "SECRET" not in caplog.text


async def test_telegram_groups_move(world: World) -> None:
    world.api.fault = "moved"
    async with opened(world.channel("telegram://-5")) as chat:
        with pytest.raises(Moved) as caught:
            await chat.send(letter())
    assert caught.value.address == str(world.api.moved_to)
    async with opened(world.channel(f"telegram://{caught.value.address}")) as chat:
        await chat.send(letter())


async def test_a_wrong_token_is_told_without_it(world: World) -> None:
    wrong = world.settings.model_copy(update={"telegram_bot_token": type(world.settings.telegram_bot_token)("1:wrong")})
    async with opened(channel_at(wrong, "telegram://5")[1]) as chat:
        with pytest.raises(ChannelRefused, match="TELEGRAM_BOT_TOKEN") as caught:
            await chat.send(letter())
    assert "wrong" not in str(caught.value)


async def test_email_is_encrypted_and_a_repeat_can_be_told(world: World) -> None:
    async with opened(world.channel("mailto:ann@example.com")) as box:
        await box.send(letter(subject="Ünïcode\r\nBcc: all@example.com", body="line\n.dot\n"))
        await box.send(letter(subject="Ünïcode\r\nBcc: all@example.com", body="line\n.dot\n"))
    first, second = world.mail.messages
    assert world.mail.encrypted == [True, True]
    assert first["Message-ID"] == second["Message-ID"] == "<e1-me@example.com>"
    assert (first["To"], first["From"], first["Bcc"]) == ("ann@example.com", "alerts@example.com", None)
    assert first["Subject"] == "Ünïcode Bcc: all@example.com"
    assert first.get_content().replace("\r\n", "\n") == "line\n.dot\n"
    assert first["Importance"] == "high"


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("refused", ChannelRefused, "SMTP 554 5.7.1 refused for policy"),
        ("unknown", ChannelRefused, "SMTP 550 5.1.1 no such mailbox"),
        ("later", ChannelUnavailable, "SMTP 451"),
        ("hangs_up", ChannelUnavailable, "could not be reached"),
        ("slow", ChannelUnavailable, "took too long"),
    ],
)  # fmt: skip
async def test_email_faults(world: World, fault: str, error: type[Exception], said: str) -> None:
    world.mail.fault = fault
    timeout = {"notification_timeout": 1.0} if fault == "slow" else {}
    async with opened(world.channel("mailto:ann@example.com", **timeout)) as box:
        with pytest.raises(error, match=said) as caught:
            await box.send(letter())
        assert PASSWORD not in str(caught.value)
        world.mail.fault = ""
        await box.send(letter())
    assert len(world.mail.messages) == (2 if fault == "slow" else 1)


async def test_email_that_cannot_be_sent_as_it_is_set_up(world: World) -> None:
    changes: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"smtp_password": type(world.settings.smtp_password)("wrong")}, ChannelRefused),
        ({"smtp_port": 1}, ChannelUnavailable),
        ({"smtp_starttls": False}, ChannelRefused),
    ]
    for change, error in changes:
        async with opened(world.channel("mailto:ann@example.com", **change)) as box:
            with pytest.raises(error) as caught:
                await box.send(letter())
            assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("telegram://", "expected telegram://CHAT"),
        ("telegram://a b", "expected telegram://CHAT"),
        ("mailto:ann", "expected mailto:"),
        ("mailto:a@b,c@d", "expected mailto:"),
        ("http://127.0.0.1/secret-path", "expected https"),
        ("https://", "expected https://HOST"),
        ("notify://7", "notify is not set up: set NOTIFICATION_SERVICE_URL"),
        ("pigeon://home", "no URL that Apprise"),
        ("no address", "expected telegram://CHAT"),
        ("", "expected telegram://CHAT"),
    ],
)  # fmt: skip
def test_addresses_that_are_none(address: str, said: str) -> None:
    settings = Settings(telegram_bot_token=TOKEN, smtp_host="h", smtp_from="a@b.example")
    with pytest.raises(InvalidInput, match=said) as caught:
        channel_at(settings, address)
    assert "secret-path" not in str(caught.value)


def test_what_is_not_set_up_says_what_to_set() -> None:
    for address, name in (
        ("telegram://5", "TELEGRAM_BOT_TOKEN"),
        ("mailto:a@b.example", "SMTP_HOST"),
        ("notify://5", "NOTIFICATION_SERVICE_URL"),
    ):
        with pytest.raises(InvalidInput, match=name):
            channel_at(Settings(), address)


async def test_apprise_urls_are_told_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever Apprise knows; its own JSON plugin stands for them all."""
    from pytest_httpserver import HTTPServer

    with HTTPServer() as server:
        server.expect_ordered_request("/in").respond_with_data("ok")
        server.expect_ordered_request("/in").respond_with_data("no", 500)
        async with opened(channel_at(Settings(), f"json://127.0.0.1:{server.port}/in")[1]) as service:
            await service.send(letter())
            with pytest.raises(ChannelUnavailable, match="not told"):
                await service.send(letter())
        (first, _), _ = server.log
        body = first.get_json()
    assert (body["title"], body["type"]) == ("AAPL 1h: hot triggered", "warning")


async def test_a_webhook_of_a_user_reaches_no_private_address() -> None:
    kind, hook = channel_at(Settings(), "https://localhost:9/x")
    assert kind == "webhook"
    async with opened(hook):
        with pytest.raises(ChannelRefused, match="not one that may be connected to"):
            await hook.send(letter())


def test_letters_have_one_key_over_all_attempts() -> None:
    one = letter()
    assert one.key == replace(one, delivery=replace(one.delivery, attempts=9)).key
