"""Destinations: names in definitions, encrypted addresses in the table, real messages on trial, nothing secret anywhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from activities.interface import DeliveryInput, DeliveryTask
from activities.notifications.channel import ChannelRefused
from activities.notifications.delivery import Notifier
from activities.notifications.directory import directory
from domain.errors import InvalidInput
from starter import destinations
from starter.api.app import create_app
from starter.context import Context, NotFound
from starter.keys import Scope
from starter.who import Who
from storage.database import Database
from storage.sealing import CannotOpen, Sealer, keys_of, new_key, sealer
from tests.activities.notifications.test_notifications import fired
from tests.stand_ins.bot_api import TOKEN, BotApi, bot_api
from tests.starter.api.conftest import Api, client_of, key_of
from worker.settings import Settings


@pytest.fixture
async def api_of_telegram() -> AsyncIterator[BotApi]:
    async with bot_api() as api:
        yield api


@pytest.fixture
def context(any_database: Database, tmp_path: Path, api_of_telegram: BotApi) -> Context:
    settings = Settings(alerts_home=tmp_path, telegram_bot_token=TOKEN, telegram_api_url=api_of_telegram.url)
    return Context(settings, any_database, Who("ann", "cli"))


async def add(context: Context, name: str, address: str, user: str = "ann") -> destinations.Added:
    async with context.database.transaction() as work:
        return await destinations.add(work, context, user, name, address)


async def test_an_address_is_encrypted_and_a_real_message_tries_it(context: Context, api_of_telegram: BotApi) -> None:
    await add(context, "me", "telegram://987654321")
    async with context.database.engine.connect() as connection:
        rows = str((await connection.execute(text("SELECT * FROM destinations"))).all())
    assert "987654321" not in rows
    assert (context.settings.alerts_home / "secret.key").stat().st_mode & 0o077 == 0
    assert await destinations.send_test(context, "ann", "me") == destinations.Tested(True, "taken")
    (sent,) = api_of_telegram.messages
    assert (sent["chat_id"], "This is a test of 'me'" in sent["shown"]) == ("987654321", True)
    with pytest.raises(NotFound):
        await destinations.send_test(context, "bob", "me")


async def test_a_notice_goes_to_its_owners_destination(context: Context, api_of_telegram: BotApi) -> None:
    await add(context, "me", "telegram://1")
    await add(context, "me", "telegram://2", "bob")
    notifier = Notifier(
        context.database, directory(context.settings, context.database, lambda: destinations.sealer_of(context))
    )
    for user, chat in (("ann", "1"), ("bob", "2")):
        alert, event = fired(["me", "log"])
        alert = alert.model_copy(update={"user_id": user, "id": f"of-{user}"})
        event = replace(event, id=f"event-{user}")
        assert await notifier.open(DeliveryInput(alert, event)) == ["me", "log"]
        assert await notifier.deliver(DeliveryTask(event.id, "me")) == "SENT"
        assert api_of_telegram.messages[-1]["chat_id"] == chat
    await notifier.close()


async def test_one_that_blocks_is_disabled_and_one_that_moves_is_followed(
    context: Context, api_of_telegram: BotApi
) -> None:
    await add(context, "me", "telegram://1")
    await add(context, "group", "telegram://-5")
    notifier = Notifier(
        context.database, directory(context.settings, context.database, lambda: destinations.sealer_of(context))
    )
    alert, event = fired(["me", "group"])
    alert = alert.model_copy(update={"user_id": "ann"})
    await notifier.open(DeliveryInput(alert, event))
    api_of_telegram.fault = "moved"
    assert await notifier.deliver(DeliveryTask(event.id, "group")) == "SENT"
    assert api_of_telegram.messages[-1]["chat_id"] == str(api_of_telegram.moved_to)
    api_of_telegram.fault = "blocked"
    with pytest.raises(Exception, match="blocked by the user"):
        await notifier.deliver(DeliveryTask(event.id, "me"))
    async with context.database.transaction() as work:
        found = {one.name: one for one in await work.destinations.list("ann")}
        assert found["me"].disabled_at is not None
        assert "blocked" in found["me"].problem
        with pytest.raises(
            InvalidInput, match="'me' cannot deliver: Forbidden: bot was blocked by the user; alerts channels test me"
        ):
            await destinations_of(work, "me")
    with pytest.raises(ChannelRefused, match="is disabled"):
        await notifier.directory.channel("ann", "me")
    assert not (await destinations.send_test(context, "ann", "me")).well
    api_of_telegram.fault = ""
    assert (await destinations.send_test(context, "ann", "me")).well
    async with context.database.transaction() as work:
        await destinations_of(work, "me")
        assert (
            sealer_opens(context, (await work.destinations.get("ann", "group")).secret)
            == f"telegram://{api_of_telegram.moved_to}"
        )  # type: ignore[union-attr]
    await notifier.close()


def sealer_opens(context: Context, sealed: str) -> str:
    return destinations.sealer_of(context).open(sealed)


async def destinations_of(work: object, *names: str) -> None:
    from starter.destination_checks import refuse_unknown

    alert, _ = fired(list(names))
    await refuse_unknown(work, "ann", alert.definition)  # type: ignore[arg-type]


async def test_keys_are_rotated(context: Context) -> None:
    old, new = new_key(), new_key()
    before = context.settings.model_copy(update={"alerts_secret_key": type(context.settings.alerts_secret_key)(old)})
    first = Context(before, context.database, context.who)
    await add(first, "me", "telegram://1")
    with pytest.raises(CannotOpen, match="ALERTS_SECRET_KEY"):
        sealer(new, context.settings.alerts_home).open((await of(first, "me")).secret)
    both = Context(
        before.model_copy(update={"alerts_secret_key": type(before.alerts_secret_key)(f"{new}, {old}")}),
        context.database,
        context.who,
    )
    async with context.database.transaction() as work:
        assert await destinations.rotate(work, both) == 1
    assert Sealer([new]).open((await of(first, "me")).secret) == "telegram://1"
    for wrong in ("short", f"{new},short"):
        with pytest.raises(InvalidInput) as caught:
            keys_of(wrong)
        assert new not in str(caught.value)


async def of(context: Context, name: str):  # type: ignore[no-untyped-def]
    async with context.database.transaction() as work:
        return await destinations.find(work, "ann", name)


@pytest.mark.parametrize("name", ["", "Me", "1me", "a b", "x" * 64, "../me"])
async def test_names_that_are_none(context: Context, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await add(context, name, "pigeon://secret-loft")
    assert "secret-loft" not in str(caught.value)


async def test_over_http(any_database: Database, tmp_path: Path, api_of_telegram: BotApi) -> None:
    settings = Settings(
        alerts_home=tmp_path, temporal_address="127.0.0.1:1", health_check_interval=0, telegram_bot_token=TOKEN,
        telegram_api_url=api_of_telegram.url,
    )  # fmt: skip
    app = create_app(settings, any_database)
    keys = [await key_of(any_database, user, Scope.READ, Scope.WRITE, Scope.RUN) for user in ("ann", "bob")]
    async with client_of(app, keys[0]) as ann, client_of(app, keys[1]) as bob:
        alert = {"id": "a", "expression": "AAPL > 1", "notification_channels": ["me"]}
        refused = await ann.post("/api/alerts", json=alert)
        assert refused.status_code == 422
        assert "there is no destination 'me'; alerts channels add me URL" in refused.text
        made = await ann.put("/api/channels/me", json={"address": "telegram://42"})
        assert (made.status_code, made.json()["kind"], "42" in made.text.replace(made.json()["created_at"], "")) == (
            200,
            "telegram",
            False,
        )
        assert (await ann.post("/api/alerts", json=alert)).status_code == 201
        assert (await bob.post("/api/alerts", json={**alert, "id": "b"})).status_code == 422, "of another user"
        assert (await ann.post("/api/channels/me/test")).json() == {"name": "me", "well": True, "said": "taken"}
        hook = await ann.put("/api/channels/hook", json={"address": "https://hooks.example.com/planted-path"})
        assert hook.json()["signing_secret"].startswith("whsec_")
        assert (await ann.put("/api/channels/chat", json={"address": "slack://tokens/are/here"})).status_code == 422
        listed = (await ann.get("/api/channels")).text
        assert [one["name"] for one in json.loads(listed)["items"]] == ["hook", "me"]
        assert "planted-path" not in listed
        assert (await bob.get("/api/channels")).json() == {"items": []}
        assert [
            (await bob.request(*call)).status_code
            for call in (("DELETE", "/api/channels/me"), ("POST", "/api/channels/me/test"))
        ] == [404, 404]
        assert (await ann.delete("/api/channels/me")).status_code == 204
        assert (await ann.get("/api/channels", params={"user_id": "bob"})).status_code == 403


async def test_a_fallback_over_http(any_database: Database, tmp_path: Path, api_of_telegram: BotApi) -> None:
    settings = Settings(
        alerts_home=tmp_path, temporal_address="127.0.0.1:1", health_check_interval=0, telegram_bot_token=TOKEN,
        telegram_api_url=api_of_telegram.url,
    )  # fmt: skip
    app = create_app(settings, any_database)
    keys = [await key_of(any_database, user, Scope.READ, Scope.WRITE) for user in ("ann", "bob")]
    async with client_of(app, keys[0]) as ann, client_of(app, keys[1]) as bob:
        made = await ann.put("/api/channels/oncall", json={"address": "telegram://42"})
        assert made.json()["fallback_after"] is None
        assert (await ann.put("/api/channels/oncall/fallback", json={"after": 600})).json()["fallback_after"] == 600
        moved = await ann.put("/api/channels/oncall", json={"address": "telegram://43"})
        assert moved.json()["fallback_after"] == 600
        (one,) = (await ann.get("/api/channels")).json()["items"]
        assert one["fallback_after"] == 600, "another address keeps it"
        refused = [
            await ann.put("/api/channels/oncall/fallback", json=body) for body in ({"after": 5}, {}, {"after": 1e9})
        ]
        assert [one.status_code for one in refused] == [422] * 3
        assert (await bob.put("/api/channels/oncall/fallback", json={"after": 600})).status_code == 404
        assert (await ann.put("/api/channels/oncall/fallback", json={"after": None})).json()["fallback_after"] is None


async def test_grouping_over_http(any_database: Database, tmp_path: Path, api_of_telegram: BotApi) -> None:
    settings = Settings(
        alerts_home=tmp_path, temporal_address="127.0.0.1:1", health_check_interval=0, telegram_bot_token=TOKEN,
        telegram_api_url=api_of_telegram.url,
    )  # fmt: skip
    app = create_app(settings, any_database)
    async with client_of(app, await key_of(any_database, "ann", Scope.READ, Scope.WRITE)) as ann:
        await ann.put("/api/channels/me", json={"address": "telegram://42"})
        answer = await ann.put("/api/channels/me/grouping", json={"by": "ticker", "wait": 60})
        found = answer.json()
        assert answer.status_code == 200, answer.text
        assert (found["group_by"], found["group_wait"]) == ("ticker", 60)
        moved = (await ann.put("/api/channels/me", json={"address": "telegram://43"})).json()
        assert moved["group_by"] == "ticker", "another address keeps it"
        bodies: list[dict[str, object]] = [{"by": "colour"}, {"by": "tag", "wait": 1}, {}, {"by": "all", "wait": 7200}]
        assert [(await ann.put("/api/channels/me/grouping", json=body)).status_code for body in bodies] == [422] * 4
        assert (await ann.put("/api/channels/you/grouping", json={"by": "all"})).status_code == 404
        ended = (await ann.put("/api/channels/me/grouping", json={"by": None})).json()
        assert (ended["group_by"], ended["group_wait"]) == ("", 0)


async def test_admins_see_to_others(api: Api) -> None:
    answer = await api.admin.get("/api/channels", params={"user_id": "ann"})
    assert answer.json() == {"items": []}
