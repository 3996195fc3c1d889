"""``/api/alerts`` for many at once: steered together, exported, imported, brought back, cloned."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from domain.alert import Alert
from domain.definition import chosen as chosen_fields
from domain.definition import edited, read_definition
from domain.errors import Fault, InvalidInput
from starter import alerts, definition_writes, quotas
from starter.api.access import context_of, needs, owner_wanted
from starter.api.answers import AlertOut
from starter.api.requests import AlertFields, Id, In, Owner, Params, _few, _whole
from starter.api.routes.schedules import ETAG, LOCATION, IdempotencyKey, created, free_id
from starter.api.routes.schedules import Id as PathId
from starter.api.writes import Outcome, perform
from starter.clock import now
from starter.context import Context
from starter.keys import Scope
from starter.selection import Selection, chosen, each
from storage.database import UnitOfWork
from storage.schedules import ALERT
from storage.stored_schedule import StoredSchedule
from worker.schema_folder import SchemaFolder

router = APIRouter(prefix="/alerts", tags=["alerts"])
MOST_IDS, MOST_IMPORTED = 5_000, 1_000


class BulkIn(In):
    """What is to be done, and with which alerts: those of ``ids``, or all that fit every other word given."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"action": "pause", "tag": "tech", "reason": "earnings"},
                {"action": "snooze", "symbol": "AAPL", "seconds": 3600},
                {"action": "update", "group": "dips", "changes": {"rearm": {"type": "edge", "cooldown": 3600}}},
            ]
        }
    )

    action: Literal["pause", "resume", "snooze", "update", "delete", "export"]
    ids: Annotated[list[Id], BeforeValidator(_few(MOST_IDS))] | None = Field(
        default=None, min_length=1, max_length=MOST_IDS
    )
    tag: str | None = Field(default=None, min_length=1, max_length=64)
    symbol: str | None = Field(default=None, min_length=1, max_length=32)
    group: str | None = Field(default=None, min_length=1, max_length=64)
    status: Literal["ARMED", "TRIGGERED", "COOLDOWN", "INACTIVE", "INVALID"] | None = None
    all: StrictBool = Field(default=False, description="All there are; needed where nothing else chooses.")
    reason: str = Field(default="", max_length=500)
    seconds: Annotated[int | None, Field(ge=1, le=366 * 86_400), BeforeValidator(_whole)] = Field(
        default=None, description="Of a snooze."
    )
    changes: AlertFields | None = Field(default=None, description="Of an update: the fields to change.")
    dry_run: StrictBool = Field(default=False, description="Change nothing; say which alerts it would be.")

    def selection(self) -> Selection:
        """Which alerts.

        Raises:
            InvalidInput: nothing, or two things, or not what the action needs.
        """
        faults = []
        if self.action == "snooze" and self.seconds is None:
            faults.append(Fault("$.seconds", "is needed for a snooze"))
        if self.action == "update" and (self.changes is None or not self.changes.given()):
            faults.append(Fault("$.changes", "is needed for an update"))
        if faults:
            raise InvalidInput("the request", faults)
        found = Selection(
            tuple(map(str, self.ids or ())), self.tag or "", self.symbol or "", self.group or "", self.status or "", self.all
        )  # fmt: skip
        found.check("$.ids")
        return found


class FailedOut(BaseModel):
    """One that could not be, and why."""

    id: str
    error: str


class ExportedAlert(BaseModel):
    """An alert as a file has it."""

    id: str
    user_id: str
    enabled: bool
    definition: dict[str, Any]


class BulkOut(BaseModel):
    """``matched`` alerts were chosen; what one refused stopped no other. ``alerts`` are there when they were asked for."""

    matched: int
    done: list[str]
    failed: list[FailedOut]
    alerts: list[ExportedAlert] | None = None


@router.post("/bulk", response_model=BulkOut, operation_id="bulkAlerts", dependencies=[needs(Scope.WRITE)])
async def bulk(request: Request, body: BulkIn) -> BulkOut:
    """Pauses, resumes, snoozes, updates, deletes or exports many alerts."""
    context = context_of(request)
    found = await chosen(context, body.selection())
    if len(found) > MOST_IDS:
        raise InvalidInput(
            "the request", [Fault("$", f"{len(found):,} alerts fit; at most {MOST_IDS:,} in one request")]
        )
    if body.action == "export":
        readable = [_exported(one) for one in found if one.schedule is not None]
        return BulkOut(matched=len(found), done=[one.id for one in readable], failed=[], alerts=readable)
    if body.dry_run:
        return BulkOut(matched=len(found), done=[], failed=[])
    until = (now() + timedelta(seconds=body.seconds or 0)).isoformat()

    async def work(stored: StoredSchedule) -> None:
        await _act(context, stored, body, until)

    many = await each(found, work)
    failed = [FailedOut(id=id, error=error) for id, error in many.failed.items()]
    return BulkOut(matched=len(found), done=list(many.done), failed=failed)


async def _act(context: Context, stored: StoredSchedule, body: BulkIn, until: str) -> None:
    if body.action == "pause":
        await alerts.enable(context, stored.id, False, body.reason)
    elif body.action == "snooze":
        await alerts.snooze(context, stored.id, until, body.reason)
    elif body.action == "delete":
        await alerts.delete(context, stored.id)
    elif body.action == "resume":
        await alerts.enable(context, stored.id, True, allow=quotas.check)
    elif body.changes is not None:
        await alerts.update(context, stored.id, body.changes.given(), allow=quotas.check)


def _exported(stored: StoredSchedule) -> ExportedAlert:
    definition = stored.alert.definition.as_json()
    return ExportedAlert(id=stored.id, user_id=stored.user_id, enabled=bool(stored.enabled), definition=definition)


class ImportedAlert(In):
    """One to be brought in."""

    id: Id | None = None
    user_id: Owner | None = Field(default=None, description="For admin keys: whose it is.")
    enabled: StrictBool = True
    definition: Params


class ImportIn(In):
    """Alerts as an export has them; ``existing`` says what becomes of those whose id is there."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"alerts": [{"id": "one", "definition": {"rule": "AAPL > 150"}}]}]}
    )

    alerts: Annotated[list[ImportedAlert], BeforeValidator(_few(MOST_IMPORTED))] = Field(
        min_length=1, max_length=MOST_IMPORTED
    )
    existing: Literal["refuse", "skip", "replace"] = "refuse"


class ImportOut(BaseModel):
    """Ids: of new ones, of those that were edited, and of those that were left as they are."""

    added: list[str]
    edited: list[str]
    left: list[str]


@router.post("/import", response_model=ImportOut, operation_id="importAlerts", dependencies=[needs(Scope.WRITE)])
async def bring_in(request: Request, body: ImportIn, idempotency_key: IdempotencyKey = None) -> JSONResponse:
    """Brings in alerts: all of them, or none and every fault."""
    context = context_of(request)
    these = await asyncio.to_thread(_read, request, body, SchemaFolder(context.settings.alert_schema_dir))

    async def change(work: UnitOfWork) -> Outcome:
        new, known, written = list[Alert](), list[str](), list[definition_writes.Written]()
        for one, enabled in these:
            id = await free_id(work, context, one.id)
            stored = await work.schedules.get(id, ALERT)
            if stored is not None and body.existing != "refuse":
                known.append(id)
                if body.existing == "replace":
                    await quotas.check(work, context, one.model_copy(update={"id": id}), enabled=enabled)
                    told = await definition_writes.edit(
                        work, context.who, stored, one.definition, now(), enabled=enabled
                    )
                    written += [told] if told else []
                continue
            named = one.model_copy(update={"id": id})
            await quotas.check(work, context, named, enabled=enabled)  # the ones before it count
            new.append(named)
            written += await definition_writes.create(
                work, context.who, [named], now(), disabled=() if enabled else (id,)
            )
        replaced = known if body.existing == "replace" else []
        left = known if body.existing == "skip" else []
        said = ImportOut(added=[one.id for one in new], edited=replaced, left=left)
        return Outcome(200, said, written=tuple(written))

    return await perform(request, context, change, idempotency_key)


def _read(request: Request, body: ImportIn, folder: SchemaFolder) -> list[tuple[Alert, bool]]:
    """Every definition, or every fault of all of them."""
    found, faults = [], list[Fault]()
    seen: set[str] = set()
    for place, one in enumerate(body.alerts):
        base = f"$.alerts[{place}].definition"
        try:
            definition = read_definition(one.definition)
            folder.check_definition(definition)
        except InvalidInput as error:
            faults += error.under(base)
            continue
        id = str(one.id or definition_writes.new_id(definition))
        if id in seen:
            faults.append(Fault(f"$.alerts[{place}].id", "stands there twice", id))
        seen.add(id)
        alert = Alert(id=id, user_id=owner_wanted(request, one.user_id), definition=definition)
        found.append((alert, one.enabled))
    if faults:
        raise InvalidInput("the request", faults)
    return found


class DeletedAlertOut(BaseModel):
    """An alert that can be brought back."""

    id: str
    user_id: str
    name: str
    definition: dict[str, Any]
    enabled: bool
    deleted_at: datetime


class DeletedAlertsOut(BaseModel):
    """The newest first."""

    items: list[DeletedAlertOut]


@router.get(
    "/deleted", response_model=DeletedAlertsOut, operation_id="listDeletedAlerts", dependencies=[needs(Scope.READ)]
)
async def listed(request: Request) -> DeletedAlertsOut:
    """Alerts that were deleted in the last 30 days and can be brought back."""
    found = await alerts.deleted(context_of(request))
    return DeletedAlertsOut(items=[DeletedAlertOut(**one.as_json()) for one in found])


@router.post("/{id}/restore", response_model=AlertOut, operation_id="restoreAlert", dependencies=[needs(Scope.WRITE)])
async def restore(request: Request, id: PathId) -> AlertOut:
    """Brings a deleted alert back, armed afresh."""
    context = context_of(request)
    async with context.database.transaction() as work:
        one = await alerts.deleted_one(work, context, id)
        await quotas.check(work, context, one, enabled=True)
    placed = await alerts.restore(context, id)
    return AlertOut.of(await context.alert(placed.alert.id))


class CloneIn(AlertFields):
    """What is different in the new one; ``id`` is its own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"symbol": "MSFT"}]})

    id: Id | None = Field(default=None, description="Made from the ticker when left out; a number or a text.")


@router.post(
    "/{id}/clone",
    status_code=201,
    response_model=AlertOut,
    operation_id="cloneAlert",
    dependencies=[needs(Scope.WRITE)],
    responses={201: {"headers": {**ETAG, **LOCATION}}},
)
async def clone(
    request: Request, id: PathId, body: CloneIn | None = None, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Makes another alert like one, with some fields changed."""
    context, given = context_of(request), body or CloneIn()

    async def change(work: UnitOfWork) -> Outcome:
        stored = await context.find(work, id, ALERT)
        changed = await asyncio.to_thread(edited, stored.alert.definition, given.given())
        definition = read_definition(chosen_fields(changed))
        SchemaFolder(context.settings.alert_schema_dir).check_definition(definition)
        wanted = await free_id(work, context, str(given.id or definition_writes.new_id(definition)))
        alert = Alert(id=wanted, user_id=stored.user_id, definition=definition)
        await quotas.check(work, context, alert, enabled=True)
        written = await definition_writes.create(work, context.who, [alert], now())
        return await created(work, context, alert.id, tuple(written), AlertOut, "alerts")

    return await perform(request, context, change, idempotency_key)
