"""Registers the definitions of files: what is new is created, what differs is edited, what is there already is left alone.

A definition has the id that it names, else one made from its file's name and place, so that a second go meets the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.alert import Alert
from domain.definition import AlertDefinition
from domain.errors import Fault, InvalidInput
from domain.job import Job, JobDefinition, JobType
from starter.definition_writes import Written, create, edit
from starter.who import Who
from storage.database import UnitOfWork

MOST_ID = 63


class Did(StrEnum):
    """What became of a definition."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Draft:
    """One definition of a file. ``enabled`` is None where the file leaves that as it is."""

    source: str
    id: str
    user_id: str
    definition: AlertDefinition | JobDefinition
    enabled: bool | None = None

    @property
    def job_type(self) -> str:
        """What it is."""
        return self.definition.job_type if isinstance(self.definition, JobDefinition) else JobType.ALERT.value


@dataclass(frozen=True)
class Registered:
    """A draft, what became of it, and what Temporal is to be told, if anything."""

    draft: Draft
    did: Did
    written: Written | None = None


def id_of(stem: str, index: int, several: bool) -> str:
    """``closing-report`` for a file of one, ``closing-report-2`` for the second of several."""
    base = re.sub(r"[^a-z0-9_.-]+", "-", stem.lower()).strip("-._") or "schedule"
    end = f"-{index + 1}" if several else ""
    return base[: MOST_ID - len(end)] + end


async def register(work: UnitOfWork, who: Who, drafts: Sequence[Draft], now: datetime) -> list[Registered]:
    """All or none, in one transaction.

    Raises:
        InvalidInput: an id that two drafts have, or that a row of another user or type has; every fault at once.
    """
    stored = {draft.id: await work.schedules.get(draft.id) for draft in drafts}
    faults, sources = [], dict[str, str]()
    for draft in drafts:
        kept = stored[draft.id]
        if draft.id in sources:
            faults.append(Fault(draft.source, f"has the id '{draft.id}', as {sources[draft.id]} has", draft.id))
        elif kept is not None and kept.user_id != draft.user_id:
            faults.append(Fault(draft.source, f"'{draft.id}' is another user's ({kept.user_id})", draft.user_id))
        elif kept is not None and kept.job_type != draft.job_type:
            faults.append(
                Fault(draft.source, f"'{draft.id}' is there as {kept.job_type}; delete it first", draft.job_type)
            )
        sources.setdefault(draft.id, draft.source)
    if faults:
        raise InvalidInput("registration", faults)
    new = [draft for draft in drafts if stored[draft.id] is None]
    these = [_made(draft) for draft in new]
    made = await create(work, who, these, now, disabled=[draft.id for draft in new if draft.enabled is False])
    created = dict(zip((draft.id for draft in new), made, strict=True))
    found = []
    for draft in drafts:
        kept = stored[draft.id]
        if kept is None:
            found.append(Registered(draft, Did.CREATED, created[draft.id]))
            continue
        written = await edit(work, who, kept, draft.definition, now, enabled=draft.enabled)
        found.append(Registered(draft, Did.UPDATED if written else Did.UNCHANGED, written))
    return found


def _made(draft: Draft) -> Alert | Job:
    if isinstance(draft.definition, AlertDefinition):
        return Alert(id=draft.id, user_id=draft.user_id, definition=draft.definition)
    return Job(id=draft.id, user_id=draft.user_id, definition=draft.definition)
