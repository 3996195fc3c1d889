"""``/api/holdings``: what a user holds, which portfolio reports are of."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.definition import faults_of
from domain.errors import InvalidInput
from domain.holding import MOST, Holding
from starter import holdings
from starter.api.access import context_of, needs, owner_wanted
from starter.api.requests import In, Owner, Whose
from starter.keys import Scope

router = APIRouter(tags=["holdings"])
Symbol = Annotated[str, Path(max_length=64, description="The ticker.")]


class Figures(In):
    """So many shares, negative when sold short, and what was paid for one."""

    quantity: float = Field(description="Shares; not 0.", json_schema_extra={"not": {"const": 0}})
    cost: float | None = Field(default=None, ge=0, description="What a share was bought for.")
    currency: str = Field(default="", pattern=r"^([A-Z]{3})?$", description="ISO 4217.")


class HoldingIn(Figures):
    """So many shares, negative when sold short, and what was paid for one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"quantity": 12.5, "cost": 151.2, "currency": "USD"}]})

    user_id: Owner | None = Field(default=None, description="For admin keys: whose it is.")


class LotIn(Figures):
    """A holding of a ticker; several of one ticker become one."""

    symbol: str = Field(min_length=1, max_length=64)


class HoldingsIn(In):
    """All that a user holds."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"symbol": "AAPL", "quantity": 12.5, "cost": 151.2}]}]}
    )

    items: list[LotIn] = Field(max_length=MOST)
    user_id: Owner | None = Field(default=None, description="For admin keys: whose they are.")


class HoldingOut(BaseModel):
    """A holding."""

    symbol: str
    quantity: float
    cost: float | None
    currency: str


class HoldingsOut(BaseModel):
    """What a user holds, by ticker."""

    items: list[HoldingOut]


@router.get("/holdings", response_model=HoldingsOut, operation_id="listHoldings", dependencies=[needs(Scope.READ)])
async def listing(request: Request, user_id: Whose = None) -> HoldingsOut:
    """What the user holds."""
    context, owner = context_of(request), owner_wanted(request, user_id)
    async with context.database.transaction() as work:
        return HoldingsOut(items=[_out(one) for one in await work.holdings.list(owner)])


@router.put("/holdings", response_model=HoldingsOut, operation_id="putHoldings", dependencies=[needs(Scope.WRITE)])
async def put_all(request: Request, body: HoldingsIn) -> HoldingsOut:
    """These, and no others."""
    context, owner = context_of(request), owner_wanted(request, body.user_id)
    lots, faults = [], []
    for place, one in enumerate(body.items):
        try:
            lots.append(Holding.model_validate(one.model_dump()))
        except ValidationError as error:
            faults += [fault.at(f"$.items[{place}]{fault.path[1:]}") for fault in faults_of(error)]
    if faults:
        raise InvalidInput("holdings", faults)
    async with context.database.transaction() as work:
        await holdings.put(work, context, owner, lots, whole=True)
        return HoldingsOut(items=[_out(one) for one in await work.holdings.list(owner)])


@router.put(
    "/holdings/{symbol}", response_model=HoldingOut, operation_id="putHolding", dependencies=[needs(Scope.WRITE)]
)
async def put(request: Request, symbol: Symbol, body: HoldingIn) -> HoldingOut:
    """A new holding, or other figures of one."""
    context, owner = context_of(request), owner_wanted(request, body.user_id)
    try:
        one = Holding.model_validate({"symbol": symbol, **body.model_dump(exclude={"user_id"})})
    except ValidationError as error:
        raise InvalidInput("holding", faults_of(error)) from None
    async with context.database.transaction() as work:
        (kept,) = await holdings.put(work, context, owner, [one])
    return _out(kept)


@router.delete(
    "/holdings/{symbol}",
    status_code=204,
    operation_id="deleteHolding",
    dependencies=[needs(Scope.WRITE)],
    response_class=Response,
)
async def delete(request: Request, symbol: Symbol, user_id: Whose = None) -> Response:
    """No longer held."""
    context, owner = context_of(request), owner_wanted(request, user_id)
    async with context.database.transaction() as work:
        await holdings.remove(work, context, owner, [symbol.upper()])
    return Response(status_code=204)


def _out(one: Holding) -> HoldingOut:
    return HoldingOut(**one.model_dump())
