"""``/api/sets``: sets of tickers that screeners may name."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from domain.ticker_sets import KnownSet
from starter import sets
from starter.api.access import context_of, needs, owner_wanted
from starter.api.requests import In, Owner, Whose
from starter.keys import Scope

router = APIRouter(tags=["sets"])
Name = Annotated[str, Path(max_length=64, description="The set's name.")]


class SetIn(In):
    """Its tickers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"symbols": ["AAPL", "MSFT", "NVDA"]}]})

    symbols: list[str] = Field(min_length=1, max_length=5000)
    user_id: Owner | None = Field(default=None, description="For admin keys: whose it is.")


class SetOut(BaseModel):
    """A set. ``as_of`` is the day for which it holds, where that is known."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "tech", "where": "own", "symbols": ["AAPL", "MSFT"], "as_of": "2026-01-05"}]
        }
    )

    name: str
    where: Literal["own", "file", "shipped"]
    symbols: list[str]
    as_of: date | None

    @classmethod
    def of(cls, known: KnownSet) -> SetOut:
        """From the set."""
        return cls(name=known.set.name, where=known.where, symbols=list(known.set.symbols), as_of=known.set.as_of)


class SetsOut(BaseModel):
    """All that a user's screeners may name."""

    items: list[SetOut]


@router.get("/sets", response_model=SetsOut, operation_id="listSets", dependencies=[needs(Scope.READ)])
async def listing(request: Request, user_id: Whose = None) -> SetsOut:
    """The user's own, the operator's, and those that come with the product."""
    context, owner = context_of(request), owner_wanted(request, user_id)
    async with context.database.transaction() as work:
        return SetsOut(items=[SetOut.of(one) for one in await sets.every(work, context, owner)])


@router.get("/sets/{name}", response_model=SetOut, operation_id="getSet", dependencies=[needs(Scope.READ)])
async def get(request: Request, name: Name, user_id: Whose = None) -> SetOut:
    """One."""
    context, owner = context_of(request), owner_wanted(request, user_id)
    async with context.database.transaction() as work:
        return SetOut.of(await sets.find(work, context, owner, name))


@router.put("/sets/{name}", response_model=SetOut, operation_id="putSet", dependencies=[needs(Scope.WRITE)])
async def put(request: Request, name: Name, body: SetIn) -> SetOut:
    """A new one of the user's own, or other tickers under its name."""
    context, owner = context_of(request), owner_wanted(request, body.user_id)
    async with context.database.transaction() as work:
        one = await sets.put(work, context, owner, name, body.symbols)
        return SetOut.of(await sets.find(work, context, owner, one.name))


@router.delete(
    "/sets/{name}",
    status_code=204,
    operation_id="deleteSet",
    dependencies=[needs(Scope.WRITE)],
    response_class=Response,
)
async def delete(request: Request, name: Name, user_id: Whose = None) -> Response:
    """Takes the user's own away."""
    context, owner = context_of(request), owner_wanted(request, user_id)
    async with context.database.transaction() as work:
        await sets.remove(work, context, owner, name)
    return Response(status_code=204)
