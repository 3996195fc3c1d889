"""What a database's own rules refuse, in words; an earlier service's tables may have rules that we do not know."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError

from domain.alert import Alert
from domain.errors import Fault, InvalidInput
from domain.job import Job
from storage.stored_schedule import DuplicateAlert

OURS = ("uq_job_schedules_key", "uq_job_schedules_id", "job_schedules_pkey", "pk_job_schedules")


def refusal_of(error: IntegrityError, these: Sequence[Alert | Job]) -> Exception:
    """A name that is taken, or the rule that was broken."""
    text = str(error.orig)
    rule = re.search(r'constraint "([^"]+)"', text)
    name = rule[1] if rule else ""
    if "foreign key" in text.lower():
        if not these:
            return InvalidInput("database", [Fault("$.id", f"a row of another table refers to it ({name})")])
        owners = ", ".join(sorted({one.user_id for one in these}))
        return InvalidInput("database", [Fault("$.user_id", "its table of users has no such user", owners[:100])])
    if name and name not in OURS:
        return InvalidInput("database", [Fault("$", f"the database has a rule of its own that refuses it: {name}")])
    # somebody was quicker between the look and the write
    return DuplicateAlert(", ".join(one.id for one in these)[:100])
