"""What a user holds; CLI and REST API share it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domain.errors import Fault, InvalidInput
from domain.holding import MOST, Holding, merged, read_holdings
from starter.clock import now
from starter.context import Context, NotFound
from storage.database import UnitOfWork


async def put(
    work: UnitOfWork, context: Context, user_id: str, these: Sequence[Holding], *, whole: bool = False
) -> list[Holding]:
    """New ones, or other figures of the same tickers; ``whole``: those are all, and others go.

    Raises:
        InvalidInput: lots that do not go together, or too many tickers; nothing is written.
    """
    found = merged(list(these))
    kept = [] if whole else [one.symbol for one in await work.holdings.list(user_id)]
    if len({*kept, *(one.symbol for one in found)}) > MOST:
        raise InvalidInput("holdings", [Fault("holdings", f"expected at most {MOST:,} tickers of a user")])
    if whole:
        await work.holdings.remove(user_id)
    await work.holdings.put(user_id, found, now())
    await context.audit(work, "put", "holdings", user_id, {"tickers": len(found), "whole": whole})
    return found


async def remove(work: UnitOfWork, context: Context, user_id: str, symbols: Sequence[str] | None) -> int:
    """Takes these away, or all; how many there were.

    Raises:
        NotFound: one of them is not held.
    """
    held = {one.symbol for one in await work.holdings.list(user_id)}
    for symbol in symbols or ():
        if symbol not in held:
            raise NotFound(symbol, "holding", "alerts holdings list")
    count = await work.holdings.remove(user_id, symbols)
    await context.audit(work, "removed", "holdings", user_id, {"tickers": count})
    return count


def of_file(path: Path) -> list[Holding]:
    """Those of a CSV.

    Raises:
        InvalidInput: there is no such file, or rows cannot be read; every fault.
    """
    try:
        return read_holdings(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeError) as error:
        raise InvalidInput(str(path), [Fault("FILE", str(error))]) from None
