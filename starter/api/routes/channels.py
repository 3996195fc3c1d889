"""``/api/channels``: a user's destinations."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import ConfigDict, Field

from domain.quiet import Grouping
from starter import destinations
from starter.api.access import context_of, needs, owner_wanted
from starter.api.notice_answers import DestinationOut, Destinations, TestOut
from starter.api.requests import In, Owner, Whose
from starter.context import NotFound
from starter.keys import Scope

router = APIRouter(tags=["channels"])
Name = Annotated[str, Path(max_length=63, description="The destination's name.")]


class DestinationIn(In):
    """Where to be told. The address is encrypted, and shown to nobody again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"address": "telegram://123456789"}]})

    address: str = Field(
        min_length=1, max_length=2000, description="telegram://CHAT, mailto:a@b, https://… or notify://USER."
    )
    user_id: Owner | None = Field(default=None, description="For admin keys: whose it is.")


class FallbackIn(In):
    """After how long it is told what is urgent and did not arrive elsewhere."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"after": 600}]})

    after: int | None = Field(ge=60, le=43_200, description="Seconds; null: never.")
    user_id: Owner | None = Field(default=None, description="For admin keys: whose it is.")


class GroupingIn(In):
    """Which notices go in one letter, and for how long the first of them waits for others."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"by": "ticker", "wait": 60}]})

    by: Literal["ticker", "tag", "all"] | None = Field(description="null: each on its own.")
    wait: int = Field(default=30, ge=5, le=3600, description="Seconds.")
    user_id: Owner | None = Field(default=None, description="For admin keys: whose it is.")


@router.get("/channels", response_model=Destinations, operation_id="listDestinations", dependencies=[needs(Scope.READ)])
async def listing(request: Request, user_id: Whose = None) -> dict[str, Any]:
    """The destinations, without their addresses."""
    context, owner = context_of(request), owner_wanted(request, user_id)
    async with context.database.transaction() as work:
        return {"items": destinations.shown(await work.destinations.list(owner))}


@router.put(
    "/channels/{name}", response_model=DestinationOut, operation_id="putDestination", dependencies=[needs(Scope.WRITE)]
)
async def put(request: Request, name: Name, body: DestinationIn) -> dict[str, Any]:
    """A new one, or another address. A webhook's answer holds the secret that its notices are signed with, this once."""
    context, owner = context_of(request), owner_wanted(request, body.user_id)
    async with context.database.transaction() as work:
        added = await destinations.add(work, context, owner, name, body.address, shared=context.owner is not None)
    (one,) = destinations.shown([added.destination])
    return one | {"signing_secret": added.secret or None}


@router.put(
    "/channels/{name}/fallback",
    response_model=DestinationOut,
    operation_id="putFallback",
    dependencies=[needs(Scope.WRITE)],
)
async def fall_back(request: Request, name: Name, body: FallbackIn) -> dict[str, Any]:
    """Tells it what is urgent and did not arrive elsewhere within a time."""
    context, owner = context_of(request), owner_wanted(request, body.user_id)
    after = None if body.after is None else timedelta(seconds=body.after)
    async with context.database.transaction() as work:
        found = await destinations.fall_back(work, context, owner, name, after)
    (one,) = destinations.shown([found])
    return one


@router.put(
    "/channels/{name}/grouping",
    response_model=DestinationOut,
    operation_id="putGrouping",
    dependencies=[needs(Scope.WRITE)],
)
async def group(request: Request, name: Name, body: GroupingIn) -> dict[str, Any]:
    """Tells it notices that belong together in one letter; urgent ones wait for nobody."""
    context, owner = context_of(request), owner_wanted(request, body.user_id)
    by, wait = body.by and Grouping(body.by), timedelta(seconds=body.wait)
    async with context.database.transaction() as work:
        found = await destinations.group(work, context, owner, name, by, wait)
    (one,) = destinations.shown([found])
    return one


@router.delete(
    "/channels/{name}",
    status_code=204,
    operation_id="deleteDestination",
    dependencies=[needs(Scope.WRITE)],
    response_class=Response,
)
async def delete(request: Request, name: Name, user_id: Whose = None) -> Response:
    """Takes it away."""
    context, owner = context_of(request), owner_wanted(request, user_id)
    async with context.database.transaction() as work:
        await destinations.remove(work, context, owner, name)
    return Response(status_code=204)


@router.post(
    "/channels/{name}/test", response_model=TestOut, operation_id="testDestination", dependencies=[needs(Scope.RUN)]
)
async def send_test(request: Request, name: Name, user_id: Whose = None) -> dict[str, Any]:
    """Sends a real message there, and says what came back."""
    context, owner = context_of(request), owner_wanted(request, user_id)
    async with context.database.transaction() as work:
        if await work.destinations.get(owner, name) is None:
            raise NotFound(name, "destination", "alerts channels list")
    found = await destinations.send_test(context, owner, name)
    return {"name": name, "well": found.well, "said": found.said}
