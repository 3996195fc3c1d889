"""``/api/v1/health``: every system with its state, as the replaced services' monitors ask."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict

from starter.api.routes.health import IssueOut, State
from starter.clock import now
from starter.context import NotFound
from starter.health import Level
from starter.systems import System, overall, systems

router = APIRouter(prefix="/api/v1/health", tags=["health"])
EXAMPLE: Any = {
    "name": "worker",
    "status": "healthy",
    "last_heartbeat": "2026-01-05T15:30:00Z",
    "issues": [],
    "metrics": {"alive": 2, "silent": 0, "stopped": 0},
    "instances": [],
}
SICK: dict[int | str, dict[str, Any]] = {503: {"description": "Unhealthy."}}


class InstanceOut(BaseModel):
    """One process."""

    system: str
    instance: str
    status: Literal["healthy", "degraded", "unhealthy", "silent", "stopped"]
    started_at: datetime
    last_heartbeat: datetime
    version: str
    issues: list[str]
    metrics: dict[str, Any]


class SystemOut(BaseModel):
    """One system; its processes are told to whoever has a key."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: str
    status: State
    last_heartbeat: datetime | None
    issues: list[IssueOut]
    metrics: dict[str, Any]
    instances: list[InstanceOut]


class SystemsOut(BaseModel):
    """Some or all of them."""

    systems: list[SystemOut]
    total: int


class OverallOut(BaseModel):
    """The worst of all systems, and the state of each."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "healthy",
                    "timestamp": "2026-01-05T15:30:00Z",
                    "version": "0.1.0",
                    "systems": {"database": "healthy", "temporal": "healthy", "worker": "healthy"},
                    "issues": [],
                }
            ]
        }
    )

    status: State
    timestamp: datetime
    version: str
    systems: dict[str, State]
    issues: list[IssueOut]


async def _found(request: Request) -> list[System]:
    state = request.app.state
    health = await state.examiner.health(now())
    beats = []
    if Level(health.components.get("database", {}).get("status", Level.UNHEALTHY)) is Level.HEALTHY:
        async with state.database.transaction() as work:
            beats = list(await work.heartbeats.list())
    return systems(health, beats, now())


def _shown(request: Request, these: list[System]) -> dict[str, Any]:
    whole = request.scope.get("principal") is not None
    return {"systems": [one.as_json(whole=whole) for one in these], "total": len(these)}


@router.get("", response_model=OverallOut, operation_id="getOverallHealth", responses=SICK)
async def whole(request: Request, response: Response) -> dict[str, Any]:
    """The whole. 200 while healthy or degraded, 503 when unhealthy."""
    found = await _found(request)
    status = overall(found)
    if status is Level.UNHEALTHY:
        response.status_code = 503
    return {
        "status": status,
        "timestamp": now(),
        "version": version("market-alerts"),
        "systems": {one.name: one.status for one in found},
        "issues": [issue for one in found for issue in one.as_json(whole=False)["issues"]],
    }


@router.get("/systems", response_model=SystemsOut, operation_id="listSystems")
async def listing(request: Request) -> dict[str, Any]:
    """Every system."""
    return _shown(request, await _found(request))


@router.get("/unhealthy", response_model=SystemsOut, operation_id="listUnhealthySystems")
async def unhealthy(request: Request) -> dict[str, Any]:
    """Those that are not healthy."""
    return _shown(request, [one for one in await _found(request) if one.status is not Level.HEALTHY])


@router.get("/system/{name}", response_model=SystemOut, operation_id="getSystem")
async def get(request: Request, name: Annotated[str, Path(max_length=64)]) -> dict[str, Any]:
    """One system."""
    for one in await _found(request):
        if one.name == name:
            return one.as_json(whole=request.scope.get("principal") is not None)
    raise NotFound(name, "system", "GET /api/v1/health/systems")
