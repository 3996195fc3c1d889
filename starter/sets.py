"""A user's own sets of tickers, and those that come with the product; CLI and REST API share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.errors import Fault, InvalidInput
from domain.ticker import ticker
from domain.ticker_sets import SHIPPED, TickerSet, checked, plain_name, shipped
from starter.clock import now
from starter.context import Context, NotFound
from storage.database import UnitOfWork

MOST = 200  # of one user


@dataclass(frozen=True)
class Known:
    """A set, and where it is: ``own``, ``file`` (of TICKER_SETS) or ``shipped``."""

    set: TickerSet
    where: str


async def every(work: UnitOfWork, context: Context, user_id: str) -> list[Known]:
    """All that the user's screeners may name; of the same name the user's own is taken first, then a file."""
    from activities.jobs.screening import files_of

    found = {name: Known(one, "shipped") for name in SHIPPED if (one := shipped(name)) is not None}
    found |= {one.name: Known(one, "file") for one in files_of(context.settings.ticker_sets)}
    found |= {one.name: Known(one, "own") for one in await work.sets.list(user_id)}
    return [found[name] for name in sorted(found)]


async def find(work: UnitOfWork, context: Context, user_id: str, name: str) -> Known:
    """The set.

    Raises:
        NotFound: there is none.
    """
    for one in await every(work, context, user_id):
        if one.set.name == plain_name(name):
            return one
    raise NotFound(name, "set of tickers", "alerts sets list")


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
    from domain.ticker_sets import read_set

    try:
        return list(read_set("file", path.read_text(encoding="utf-8-sig")).symbols)
    except (OSError, UnicodeError) as error:
        raise InvalidInput(str(path), [Fault("--file", str(error))]) from None
