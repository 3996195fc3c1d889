"""A user's own sets of tickers, and those that come with the product; CLI and REST API share them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domain.errors import Fault, InvalidInput
from domain.ticker import ticker
from domain.ticker_sets import KnownSet, TickerSet, by_name, checked, plain_name, read_set
from starter.clock import now
from starter.context import Context, NotFound
from storage.database import UnitOfWork

MOST = 200  # of one user


async def every(work: UnitOfWork, context: Context, user_id: str) -> list[KnownSet]:
    """All that the user's screeners may name.

    Raises:
        InvalidInput: a file of the operator's cannot be read.
    """
    return list((await _known(work, context, user_id)).values())


async def find(work: UnitOfWork, context: Context, user_id: str, name: str) -> KnownSet:
    """The set.

    Raises:
        NotFound: there is none.
    """
    found = (await _known(work, context, user_id)).get(plain_name(name))
    if found is None:
        raise NotFound(name, "set of tickers", "alerts sets list")
    return found


async def _known(work: UnitOfWork, context: Context, user_id: str) -> dict[str, KnownSet]:
    from activities.jobs.screening import files_of

    known = by_name(await work.sets.list(user_id), files_of(context.settings.ticker_sets))
    return {name: known[name] for name in sorted(known)}


async def put(work: UnitOfWork, context: Context, user_id: str, name: str, symbols: Sequence[str]) -> TickerSet:
    """A new one, or other tickers under its name.

    Raises:
        InvalidInput: naming each that is no ticker, or a name that is none; nothing is written.
    """
    faults, found = [], []
    for place, text in enumerate(symbols):
        try:
            found.append(ticker(text))
        except ValueError as error:
            faults.append(Fault(f"$.symbols[{place}]", str(error), text[:40]))
    one = checked(plain_name(name), found, faults)
    own = [known.name for known in await work.sets.list(user_id)]
    if len(own) >= MOST and one.name not in own:
        raise InvalidInput("set of tickers", [Fault("$.name", f"there are {MOST} sets already; remove one")])
    await work.sets.put(user_id, one, now())
    await context.audit(work, "put", "ticker set", one.name, {"user": user_id, "tickers": len(one.symbols)})
    return one


async def remove(work: UnitOfWork, context: Context, user_id: str, name: str) -> None:
    """Takes the user's own away; a file's or the shipped one of that name counts again.

    Raises:
        NotFound: the user has none of that name.
    """
    if not await work.sets.remove(user_id, plain_name(name)):
        raise NotFound(name, "set of tickers of your own", "alerts sets list")
    await context.audit(work, "removed", "ticker set", plain_name(name), {"user": user_id})


def tickers_of(path: Path) -> list[str]:
    """Those of a file, as they are written there.

    Raises:
        InvalidInput: there is no such file, or it holds no tickers.
    """
    try:
        return list(read_set("file", path.read_text(encoding="utf-8-sig")).symbols)
    except (OSError, UnicodeError) as error:
        raise InvalidInput(str(path), [Fault("--file", str(error))]) from None
