"""Quiet hours and silences of a user; CLI and REST API share them."""

from __future__ import annotations

from datetime import datetime

from domain.errors import Fault, InvalidInput
from domain.quiet import QuietHours, Silence, Silenced, read_hours
from starter.clock import now
from starter.context import Context, NotFound
from storage.database import UnitOfWork

MOST = 200


def hours_of(text: str, timezone: str) -> QuietHours:
    """``22:00-07:00`` in a zone.

    Raises:
        InvalidInput: saying what was expected.
    """
    try:
        return read_hours(text, timezone)
    except ValueError as error:
        path = "$.timezone" if "zone" in str(error) else "$.hours"
        raise InvalidInput(
            "quiet hours", [Fault(path, str(error), timezone if "zone" in str(error) else text)]
        ) from None


async def set_hours(work: UnitOfWork, context: Context, user_id: str, hours: QuietHours | None) -> None:
    """Others, or none."""
    await work.quiet.set_hours(user_id, hours)
    said = {"user": user_id, "hours": f"{hours} {hours.timezone}" if hours else "none"}
    await context.audit(work, "quiet", "quiet", user_id, said)


async def silence(
    work: UnitOfWork, context: Context, user_id: str, kind: Silenced, value: str, until: datetime, reason: str = ""
) -> Silence:
    """A new one.

    Raises:
        InvalidInput: nothing to be silent about, or too many.
    """
    if not 0 < len(value) <= 255:
        raise InvalidInput("silence", [Fault("$.value", "expected 1 to 255 characters", value[:80])])
    if len(await work.quiet.silences(user_id, now())) >= MOST:
        raise InvalidInput("silence", [Fault("$", f"there are {MOST} silences already")])
    one = Silence(kind, value.upper() if kind is Silenced.TICKER else value, until, user_id, reason=reason[:500])
    number = await work.quiet.add(one, now())
    await context.audit(
        work, "silenced", "quiet", str(number), {"user": user_id, "kind": kind.value, "value": value[:80]}
    )
    return Silence(one.kind, one.value, one.until, user_id, number, one.reason)


async def end(work: UnitOfWork, context: Context, user_id: str, number: int) -> None:
    """Ends one.

    Raises:
        NotFound: when the user has none of that number.
    """
    if not await work.quiet.remove(user_id, number):
        raise NotFound(str(number), "silence", "alerts silence list")
    await context.audit(work, "unsilenced", "quiet", str(number), {"user": user_id})
