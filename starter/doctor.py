"""``alerts doctor``: every part looked at from the outside, and for each trouble what to do."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from sqlalchemy.engine import make_url

from activities.market_data.vendors.status import NOTE as PROVIDERS
from activities.market_data.vendors.status import SEEN, TOLD_FOR, outside_sessions, unreachable
from activities.notifications.registry import declarations
from domain.errors import InvalidInput
from starter.clock import now
from starter.gateway import Gateway
from starter.health import Examiner
from starter.watching import watch_state
from storage.database import HEAD, Database
from storage.private import open_to_others
from worker.client import TemporalUnreachable
from worker.provider_settings import SECRET_KEYS
from worker.schema_folder import SchemaFolder
from worker.settings import Settings

MOST_SKEW_SECONDS = 2.0
BOUND_SECONDS = 10.0
MOST_SESSIONS = 10


class Verdict(StrEnum):
    """``note`` is no fault."""

    OK = "ok"
    NOTE = "note"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and how to mend it."""

    check: str
    verdict: Verdict
    found: str
    mend: str = ""


class Doctor:
    """The checks in order; one that fails stops none of the others."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.gateway = Gateway(settings, database)

    async def findings(self) -> list[Finding]:
        """All of them."""
        checks: list[tuple[str, Callable[[], Awaitable[list[Finding]]]]] = [
            ("database", self._database),
            ("schema", self._schema),
            ("files", self._files),
            ("definitions", self._definitions),
            ("temporal", self._temporal),
            ("namespace", self._namespace),
            ("search attributes", self._search_attributes),
            ("pollers", self._pollers),
            ("watch", self._watch),
            ("clock", self._clock),
            ("providers", self._providers),
            ("sessions", self._sessions),
            ("notifications", self._notifications),
            ("API keys", self._keys),
            ("own schemas", self._schemas),
        ]
        found: list[Finding] = []
        for name, check in checks:
            try:
                found += await asyncio.wait_for(check(), BOUND_SECONDS)
            except TemporalUnreachable as error:
                found.append(Finding(name, Verdict.FAIL, str(error).partition(";")[0], "start Temporal first"))
            except TimeoutError:
                found.append(Finding(name, Verdict.FAIL, f"no answer in {BOUND_SECONDS:g} s", "is it overloaded?"))
            except Exception as error:
                text = f"{type(error).__name__}: {str(getattr(error, 'orig', None) or error)[:200]}"
                found.append(Finding(name, Verdict.FAIL, text, "see the message"))
        return found

    async def _database(self) -> list[Finding]:
        async with self.database.engine.connect() as connection:
            version = await connection.exec_driver_sql(
                "SHOW server_version"
                if self.database.engine.dialect.name == "postgresql"
                else "SELECT sqlite_version()"
            )
            return [Finding("database", Verdict.OK, f"{self.database.engine.dialect.name} {version.scalar()}")]

    async def _schema(self) -> list[Finding]:
        revision = await self.database.revision()
        if revision == HEAD:
            return [Finding("schema", Verdict.OK, f"at {HEAD}")]
        return [Finding("schema", Verdict.FAIL, f"at {revision or 'nothing'}, needs {HEAD}", "alerts db upgrade")]

    async def _files(self) -> list[Finding]:
        """Who may read them."""
        path = make_url(self.database.url).database if self.database.engine.dialect.name == "sqlite" else None
        found = open_to_others(self.settings.alerts_home, [Path(path)] if path else [])
        if not found:
            return [Finding("files", Verdict.OK, "open to their owner alone")]
        named = ", ".join(str(one) for one in found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        return [Finding("files", Verdict.FAIL, f"others may read {named}", "chmod go-rwx on each of them")]

    async def _definitions(self) -> list[Finding]:
        async with self.database.transaction() as work:
            invalid = await work.schedules.invalid()
        if not invalid:
            return [Finding("definitions", Verdict.OK, "every row can be read")]
        return [Finding("definitions", Verdict.FAIL, f"{invalid} cannot be used", "alerts schedules list --invalid")]

    async def _temporal(self) -> list[Finding]:
        from temporalio.api.workflowservice.v1 import GetSystemInfoRequest

        try:
            client = await self.gateway.client()
        except TemporalUnreachable as error:
            said, _, mend = str(error).partition("; ")
            return [Finding("temporal", Verdict.FAIL, said, mend)]
        info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
        return [Finding("temporal", Verdict.OK, f"server {info.server_version} at {self.settings.temporal_target}")]

    async def _namespace(self) -> list[Finding]:
        from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

        client = await self.gateway.client()
        found = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
        days = found.config.workflow_execution_retention_ttl.ToTimedelta().days
        return [
            Finding("namespace", Verdict.OK, f"{client.namespace}, keeps closed runs {days} day{'s' * (days != 1)}")
        ]

    async def _search_attributes(self) -> list[Finding]:
        from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest

        from workflows.search_attributes import ALL

        client = await self.gateway.client()
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        missing = [key.name for key in ALL if key.name not in listed.custom_attributes]
        if not missing:
            return [Finding("search attributes", Verdict.OK, f"all {len(ALL)} are registered")]
        mend = "a starting worker registers them; or: temporal operator search-attribute create --name …"
        return [Finding("search attributes", Verdict.FAIL, f"missing: {', '.join(missing)}", mend)]

    async def _pollers(self) -> list[Finding]:
        counts = await Examiner(self.database, self.gateway, 0).pollers(now())
        found = []
        for queue, count in counts.items():
            if count:
                found.append(Finding("pollers", Verdict.OK, f"{count} on {queue}"))
            else:
                found.append(Finding("pollers", Verdict.FAIL, f"nobody polls {queue}", "alerts worker, or alerts up"))
        return found

    async def _watch(self) -> list[Finding]:
        state = await watch_state(self.database, self.settings, now())
        if not state.shards:
            return [
                Finding("watch", Verdict.NOTE, "off: every alert ticks by itself", "ALERTS_WATCH=on saves most of that")
            ]
        troubles = [Finding("watch", Verdict.FAIL, said, mend) for said, mend in state.troubles()]
        lag = f", {state.lag_ms:,} ms behind the last bar" if state.lag_ms is not None else ""
        said = (
            f"{state.shards} of {state.shards} shards, {state.alerts:,} alerts{lag}, {state.sum_of('nudges'):,} nudges"
        )
        return troubles or [Finding("watch", Verdict.OK, said)]

    async def _clock(self) -> list[Finding]:
        """The database tells its time; Temporal's shows in when it means to sweep next."""
        return [*await self._database_clock(), *await self._temporal_clock()]

    async def _temporal_clock(self) -> list[Finding]:
        from starter.reconciler.sweep import EVERY, SCHEDULE

        described = await (await self.gateway.client()).get_schedule_handle(SCHEDULE).describe()
        coming = described.info.next_action_times
        ahead = (coming[0] - datetime.now(UTC)).total_seconds() if coming else 0.0
        if -MOST_SKEW_SECONDS <= ahead <= EVERY.total_seconds() + MOST_SKEW_SECONDS:
            return [Finding("clock", Verdict.OK, f"Temporal sweeps next in {max(ahead, 0):.0f} s")]
        return [Finding("clock", Verdict.FAIL, f"Temporal's next sweep is {ahead:.0f} s away", "let both follow NTP")]

    async def _database_clock(self) -> list[Finding]:
        async with self.database.engine.connect() as connection:
            if self.database.engine.dialect.name != "postgresql":
                return [Finding("clock", Verdict.OK, "the database has this machine's clock")]
            theirs: datetime = (await connection.exec_driver_sql("SELECT clock_timestamp()")).scalar_one()
        skew = abs((theirs - datetime.now(UTC)).total_seconds())
        if skew <= MOST_SKEW_SECONDS:
            return [Finding("clock", Verdict.OK, f"{skew:.2f} s from the database's")]
        return [Finding("clock", Verdict.FAIL, f"{skew:.1f} s from the database's", "let both follow NTP")]

    async def _providers(self) -> list[Finding]:
        """Which are enabled, in order, whether each that needs a key has one, and whether the tickers' markets are known."""
        names = self.settings.in_order
        found = [Finding("providers", Verdict.OK, f"{', '.join(names)}, asked in this order")]
        without = [name for name in names if f"{name}_api_key" in SECRET_KEYS and not self.settings.vendor(name).key]
        for name in without:
            said = f"set {name.upper()}_API_KEY, or leave {name} out of ALERTS_PROVIDERS"
            found.append(Finding("providers", Verdict.FAIL, f"{name} has no key", said))
        if "csv" in self.settings.alerts_providers and not self.settings.alerts_csv_folder.is_dir():
            text = f"there is no folder {self.settings.alerts_csv_folder}"
            found.append(Finding("providers", Verdict.FAIL, text, "set ALERTS_CSV_FOLDER"))
        async with self.database.transaction() as work:
            notes = await work.reports.under(PROVIDERS, now() - SEEN)
        for name, why in unreachable((value for _, value in notes.values()), now()).items():
            found.append(
                Finding(
                    "providers", Verdict.FAIL, f"{name} cannot be reached: {why}", "check the network and its settings"
                )
            )
        return found if len(found) == 1 else found[1:]

    async def _sessions(self) -> list[Finding]:
        """Trades that vendors have shown where a market's calendar knows no session; they were left out."""
        async with self.database.transaction() as work:
            notes = await work.reports.under(PROVIDERS, now() - TOLD_FOR)
        found = [
            f"{provider} has trades of {one['symbol']} at {one['newest'][:16]} UTC ({one['times']} times) where the calendar of "
            f"{market} has no session"
            for (market, provider), one in outside_sessions(value for _, value in notes.values()).items()
        ]
        mend = "they are left out: look at the exchange's notice; ALERTS_MARKETS=TICKER=CODE names another market for a ticker"
        if not found:
            return [Finding("sessions", Verdict.OK, "no vendor has shown trades outside the known ones")]
        return [Finding("sessions", Verdict.FAIL, said, mend) for said in found[:MOST_SESSIONS]]

    async def _notifications(self) -> list[Finding]:
        settings = self.settings
        if not settings.notification_enabled:
            return [Finding("notifications", Verdict.NOTE, "switched off", "NOTIFICATION_ENABLED=true")]
        on = sorted(name for one in declarations() if not one.needs_no_service for name in one.build(settings))
        if not on:
            mend = "; ".join(one.advice for one in declarations() if one.advice)
            return [Finding("notifications", Verdict.NOTE, "only the log channel is set up", mend)]
        return [Finding("notifications", Verdict.OK, f"log, {', '.join(on)}")]

    async def _keys(self) -> list[Finding]:
        async with self.database.transaction() as work:
            alive = [one for one in await work.keys.list() if one.revoked_at is None]
        if not alive:
            return [Finding("API keys", Verdict.NOTE, "none: nobody can use the REST API", "alerts keys create")]
        return [Finding("API keys", Verdict.OK, f"{len(alive)} alive")]

    async def _schemas(self) -> list[Finding]:
        if self.settings.alert_schema_dir is None:
            return []
        folder = SchemaFolder(self.settings.alert_schema_dir)
        try:
            faults = folder.faults()
        except InvalidInput as error:
            faults = list(error.faults)
        if faults:
            return [Finding("own schemas", Verdict.FAIL, "; ".join(str(one) for one in faults), "mend the files")]
        return [Finding("own schemas", Verdict.OK, str(self.settings.alert_schema_dir))]


def version() -> str:
    """Of the product."""
    return importlib.metadata.version("market-alerts")
