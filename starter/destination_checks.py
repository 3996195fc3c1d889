"""Whether the destinations that a definition names are there, and can deliver."""

from __future__ import annotations

from domain.definition import CHANNELS, AlertDefinition
from domain.errors import Fault, InvalidInput
from domain.job import JobDefinition
from domain.known_keys import hint
from storage.database import UnitOfWork
from storage.destinations import Destination


def names_in(definition: AlertDefinition | JobDefinition) -> tuple[str, ...]:
    """The channels that a definition names."""
    if isinstance(definition, AlertDefinition):
        return definition.notification_channels
    found: tuple[str, ...] = getattr(definition.params, "notification_channels", ())
    return found


def own_names(definition: AlertDefinition | JobDefinition) -> list[str]:
    """Those that are no channel's own word, and so must be destinations."""
    return [name for name in names_in(definition) if name.partition(":")[0] not in CHANNELS]


async def refuse_unknown(work: UnitOfWork, user_id: str, definition: AlertDefinition | JobDefinition) -> None:
    """Lets a definition pass whose destinations are there and can deliver.

    Raises:
        InvalidInput: naming each that is not.
    """
    names = own_names(definition)
    if not names:
        return
    there = {one.name: one for one in await work.destinations.list(user_id, names)}
    faults = [fault for name in names if (fault := _fault(name, there.get(name))) is not None]
    if faults:
        raise InvalidInput("definition", faults)


def _fault(name: str, there: Destination | None) -> Fault | None:
    path = "$.notification_channels"
    if there is None:
        return Fault(
            path,
            f"there is no destination '{name}'{hint(name, CHANNELS, lists=False)}; "
            f"alerts channels add {name} URL, or one of {', '.join(CHANNELS)}",
            name,
        )
    if there.disabled_at is not None:
        return Fault(path, f"destination '{name}' cannot deliver: {there.problem}; alerts channels test {name}", name)
    return None
