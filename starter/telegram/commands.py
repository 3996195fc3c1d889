"""What a registered chat may ask for. Each command is a use case of its user's, with the user's bounds and quotas."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from activities.notifications.artist import Artist
from domain.alert import Alert
from domain.definition import AlertDefinition, read_definition
from domain.errors import Fault, InvalidInput
from domain.job import Job, JobDefinition, JobType, read_job
from starter import alerts, definition_writes, quotas, runs
from starter.clock import now
from starter.context import Context, NotFound
from starter.telegram import cards, reading
from starter.telegram.replies import Reply, button, key_of, text
from storage.schedules import ALERT
from storage.stored_schedule import DuplicateAlert, Filter, StoredSchedule
from storage.telegram import Chat
from worker.schema_folder import SchemaFolder

HELP = """<b>Alerts</b>
/alert AAPL &gt; 150
/alert BTC-USD rsi(14) &lt; 30 on 1h
/list: your alerts, with buttons to pause, snooze, chart, explain and delete them

<b>Reports</b>
/report AAPL MSFT: now
/schedule report AAPL MSFT at 16:30: every weekday
/schedule: what is scheduled

/stop: this chat steers and hears nothing any more"""
USAGE = "Write the rule behind it: <code>/alert AAPL &gt; 150</code>, or <code>/alert AAPL rsi(14) &lt; 30 on 1h</code>"
SNOOZE = timedelta(hours=1)
MOST = 500
Do = Callable[["Commands", str], Awaitable[Reply]]


class Commands:
    """On behalf of a chat's user. ``update_id`` makes what is created the same when Telegram tells of it twice."""

    def __init__(self, context: Context, chat: Chat, artist: Artist, update_id: int = 0) -> None:
        self.context, self.chat, self.artist, self.update_id = context, chat, artist, update_id

    async def help(self, _said: str = "") -> Reply:
        """What there is."""
        return Reply(HELP)

    async def alert(self, said: str) -> Reply:
        """A new alert, told in this chat."""
        if not said.strip():
            return Reply(USAGE)
        given = {**reading.rule_in(said), "notification_channels": [self.chat.destination]}
        definition = await asyncio.to_thread(read_definition, given)
        alert = Alert(id=self._new_id(definition), user_id=self.chat.user_id, definition=definition)
        note = await self._create(alert)
        return cards.alert_card(await self.context.alert(alert.id), note)

    def _new_id(self, definition: AlertDefinition | JobDefinition) -> str:
        """The same for the same update."""
        begin = definition_writes.new_id(definition).rpartition("-")[0]
        return f"{begin}-{hashlib.sha256(f'{self.chat.chat_id} {self.update_id}'.encode()).hexdigest()[:8]}"

    async def _create(self, one: Alert | Job) -> str:
        """Writes it and tells Temporal; what is to be said of that."""
        context = self.context
        SchemaFolder(context.settings.alert_schema_dir).check_definition(one.definition)
        try:
            async with context.database.transaction() as work:
                await quotas.check(work, context, one, enabled=True)
                (written,) = await definition_writes.create(work, context.who, [one], now())
        except DuplicateAlert:
            return "Already there."
        problem = await context.gateway.tell(written)
        return "Saved; it runs as soon as Temporal can be reached." if problem else "Running."

    async def listing(self, said: str = "") -> Reply:
        """The user's alerts."""
        page = int(said) if re.fullmatch(r"\d{1,4}", said.strip()) else 0
        return cards.alert_list(await self._rows(ALERT), page)

    async def schedule(self, said: str) -> Reply:
        """The user's schedules, or a new one."""
        if not said.strip():
            return cards.schedule_list(await self._rows(None))
        tickers, cron = reading.order_in(said)
        name = f"Report on {', '.join(tickers[:5])}" + (" …" if len(tickers) > 5 else "")
        zone = self.context.settings.scheduler_timezone
        definition = await asyncio.to_thread(
            read_job, JobType.REPORT, self._report_of(tickers), cron=cron, timezone=zone, name=name
        )
        note = await self._create(Job(id=self._new_id(definition), user_id=self.chat.user_id, definition=definition))
        return cards.schedule_list(await self._rows(None), note)

    async def report(self, said: str) -> Reply:
        """One now; its result comes as a message of its own."""
        tickers = reading.tickers_in(said) or [
            str(one.target) for one in await self._rows(ALERT) if one.schedule is not None and one.target
        ]
        tickers = list(dict.fromkeys(tickers))[: reading.MOST_TICKERS]
        if not tickers:
            return Reply("Say of what: <code>/report AAPL MSFT</code>")
        params = self._report_of(tickers)
        await asyncio.to_thread(read_job, JobType.REPORT, params, cron="@daily")
        async with self.context.database.transaction() as work:
            await quotas.check_run(work, self.context, len(tickers))
            run = await runs.order(work, JobType.REPORT, self.chat.user_id, None, params)
        problem = await self.context.gateway.start(run)
        later = " It begins as soon as Temporal can be reached." if problem else ""
        return Reply(f"The report on {text(', '.join(tickers))} is on its way.{later}")

    def _report_of(self, tickers: list[str]) -> dict[str, Any]:
        return {"symbols": tickers, "notification_channels": [self.chat.destination]}

    async def show(self, said: str) -> Reply:
        """One alert."""
        return cards.alert_card(await self._alert(said))

    async def pause(self, said: str) -> Reply:
        """Until it is resumed."""
        return await self._turn(said, False)

    async def resume(self, said: str) -> Reply:
        """Bars that closed meanwhile are not judged."""
        return await self._turn(said, True)

    async def _turn(self, said: str, on: bool) -> Reply:
        stored = await self._alert(said)
        await alerts.enable(self.context, stored.id, on, "" if on else "paused in Telegram")
        return cards.alert_card(await self.context.alert(stored.id), "Resumed." if on else "Paused.")

    async def snooze(self, said: str) -> Reply:
        """For an hour."""
        stored, until = await self._alert(said), now() + SNOOZE
        await alerts.snooze(self.context, stored.id, until.isoformat(), "snoozed in Telegram")
        return cards.alert_card(stored, "Snoozed for an hour.", until)

    async def acknowledge(self, said: str) -> Reply:
        """No more reminders."""
        stored = await self._alert(said)
        await alerts.acknowledge(self.context, stored.id)
        return cards.alert_card(stored, "Acknowledged: no more reminders until it fires again.")

    async def explain(self, said: str) -> Reply:
        """Each condition's values on the last bar."""
        stored = await self._alert(said)
        return cards.explained(stored, await alerts.query(self.context, stored.id, "explain"))

    async def chart(self, said: str) -> Reply:
        """The newest bars, with the rule's indicators and thresholds."""
        stored = await self._alert(said)
        back = ((button("« Back", "show", stored.id),),)
        picture = await self.artist.chart(stored.id)
        if picture is None:
            return Reply("There are too few bars yet; they are there after its first looks.", back)
        return Reply(f"<b>{text(stored.alert.definition.name)}</b>", back, picture)

    async def delete(self, said: str) -> Reply:
        """Asks once more."""
        return cards.really_delete(await self._alert(said))

    async def erase(self, said: str) -> Reply:
        """Really."""
        stored = await self._alert(said)
        await alerts.delete(self.context, stored.id)
        return cards.alert_list(await self._rows(ALERT), note="Deleted.")

    async def run(self, said: str) -> Reply:
        """A schedule, now."""
        stored = await self._job(said)
        async with self.context.database.transaction() as work:
            await quotas.check_run(work, self.context)
            run = await runs.order(work, stored.job_type, stored.user_id, stored)
        await self.context.gateway.start(run)
        return cards.schedule_list(await self._rows(None), f"{stored.name or stored.id} is on its way.")

    async def stop_schedule(self, said: str) -> Reply:
        """Until it is resumed."""
        return await self._switch(said, False)

    async def start_schedule(self, said: str) -> Reply:
        """Again."""
        return await self._switch(said, True)

    async def _switch(self, said: str, on: bool) -> Reply:
        stored, context = await self._job(said), self.context
        async with context.database.transaction() as work:
            if on:
                await quotas.check(work, context, stored.job, enabled=True)
            written = await definition_writes.enable(work, context.who, stored, on, now(), "" if on else "Telegram")
        if written is not None:
            await context.gateway.tell(written)
        return cards.schedule_list(await self._rows(None), "Resumed." if on else "Paused.")

    async def _rows(self, job_type: str | None) -> list[StoredSchedule]:
        """The user's alerts, or with None all else but backups, which are the operator's."""
        wanted = Filter(self.chat.user_id, job_type, is_job=job_type is None)
        async with self.context.database.transaction() as work:
            found = await work.schedules.page(wanted, None, MOST)
        return [one for one in found if one.job_type != JobType.BACKUP]

    async def _alert(self, said: str) -> StoredSchedule:
        return self._found(said, await self._rows(ALERT), "alert")

    async def _job(self, said: str) -> StoredSchedule:
        return self._found(said, await self._rows(None), "schedule")

    def _found(self, said: str, rows: list[StoredSchedule], what: str) -> StoredSchedule:
        """By its id, or by what stands for it in a button."""
        wanted = said.strip()
        if not wanted:
            raise InvalidInput(what, [Fault(f"/{what}", "name it by its id, or take /list")])
        shown = {one.id: one for one in rows} | {key_of(one.id): one for one in rows}
        if wanted not in shown:
            raise NotFound(wanted, what, "/list" if what == "alert" else "/schedule")
        return shown[wanted]


BY_WORD: dict[str, Do] = {
    "help": Commands.help, "start": Commands.help, "alert": Commands.alert, "list": Commands.listing,
    "schedule": Commands.schedule, "report": Commands.report, "pause": Commands.pause, "resume": Commands.resume,
    "delete": Commands.delete, "explain": Commands.explain, "chart": Commands.chart, "snooze": Commands.snooze,
    "acknowledge": Commands.acknowledge,
}  # fmt: skip
BY_BUTTON: dict[str, Do] = {
    **{word: BY_WORD[word] for word in ("list", "pause", "resume", "delete", "explain", "chart", "snooze", "acknowledge")},
    "show": Commands.show, "erase": Commands.erase, "run": Commands.run, "stop": Commands.stop_schedule,
    "start": Commands.start_schedule,
}  # fmt: skip
MENU = (
    ("alert", "A new alert: /alert AAPL > 150"), ("list", "Your alerts"), ("report", "A report now: /report AAPL MSFT"),
    ("schedule", "What is scheduled, or a new report"), ("help", "All commands"), ("stop", "This chat hears nothing any more"),
)  # fmt: skip
