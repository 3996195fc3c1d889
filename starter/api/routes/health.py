"""``/health``, ``/stats``, ``/healthz``, ``/readyz``."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

import starter.health as checks
from starter.api.access import Principal
from starter.clock import now
from starter.statistics import statistics

router = APIRouter(tags=["health"])
State = Literal["healthy", "degraded", "unhealthy"]


class IssueOut(BaseModel):
    """Something wrong, and how to mend it."""

    component: str
    level: State
    message: str
    mend: str


class HealthOut(BaseModel):
    """The installation as a whole; ``components`` has figures of each part: ``database``, ``temporal``, ``reconciler``,
    ``watch``, ``runs``, ``notifications`` and ``workers``, each with its own ``status``.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "degraded",
                    "service": "market-alerts",
                    "environment": "production",
                    "timestamp": "2026-01-05T15:30:00Z",
                    "issues": [
                        {
                            "component": "definitions",
                            "level": "degraded",
                            "message": "1 row cannot be used",
                            "mend": "see 'alerts schedules list --invalid' and mend them",
                        }
                    ],
                    "components": {
                        "database": {"status": "healthy", "kind": "postgresql", "schema": "0004", "latency_ms": 1.2},
                        "temporal": {"status": "healthy", "namespace": "default", "latency_ms": 3.4},
                        "reconciler": {
                            "status": "healthy",
                            "last_sweep_at": "2026-01-05T15:29:55+00:00",
                            "waiting_changes": 0,
                            "invalid_rows": 1,
                        },
                        "runs": {"status": "healthy", "failed_last_hour": 0, "stuck": 0},
                        "notifications": {"status": "healthy", "dead_last_day": 0, "waiting": 0},
                        "workers": {
                            "status": "healthy",
                            "pollers": {"alerts": 2, "market-data": 2, "notifications": 2, "jobs": 2},
                        },
                    },
                }
            ]
        }
    )

    status: State
    service: str
    environment: str
    timestamp: str = Field(description="RFC 3339, UTC.")
    issues: list[IssueOut]
    components: dict[str, dict[str, Any]]


class ErrorCount(BaseModel):
    """How an error begins, and how often runs ended with it."""

    error: str
    count: int


class StatsOut(BaseModel):
    """What there is and what it did: counts alone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "schedules": {"alert": {"enabled": 12, "disabled": 1}, "report": {"enabled": 1, "disabled": 0}},
                    "alerts": {"ARMED": 10, "TRIGGERED": 2, "INACTIVE": 1},
                    "runs_last_day": {"alert": {"COMPLETED": {"count": 40, "mean_seconds": 0.02}}},
                    "deliveries": {"SENT": 40},
                    "market_data": {"times_outside_sessions": 0},
                    "watch": {"shards": 1, "alerts": 12, "lag_ms": 320, "nudges": 40, "unanswered": 0, "found_late": 0},
                    "metrics": {
                        "runs": 41,
                        "completed": 40,
                        "failed": 1,
                        "missed": 0,
                        "cancelled": 0,
                        "mean_seconds": 0.02,
                    },
                    "success_rate": 0.976,
                    "common_errors": [{"error": "yahoo: HTTP 503", "count": 1}],
                    "as_of": "2026-01-05T15:30:00Z",
                }
            ]
        }
    )

    schedules: dict[str, dict[str, int]]
    alerts: dict[str, int]
    runs_last_day: dict[str, dict[str, Any]]
    deliveries: dict[str, int]
    market_data: dict[str, int]
    watch: dict[str, int | None] = Field(
        description="Of all shards: alerts watched, how far behind the last bar they were judged."
    )
    metrics: dict[str, float | None] = Field(description="Of the runs of the last day.")
    success_rate: float | None = Field(description="Of the runs of the last day that have ended, from 0 to 1.")
    common_errors: list[ErrorCount] = Field(description="Of the last day's runs; told to whoever has a key.")
    as_of: str


class ProbeOut(BaseModel):
    """Answer of a probe."""

    status: Literal["ok", "not ready"]
    missing: list[str] = []


@router.get(
    "/health",
    response_model=HealthOut,
    operation_id="getHealth",
    responses={503: {"model": HealthOut, "description": "Unhealthy."}},
)
async def health(request: Request, response: Response) -> HealthOut:
    """How everything is. 200 while healthy or degraded, 503 when unhealthy."""
    found = await request.app.state.examiner.health(now())
    if found.status is checks.Level.UNHEALTHY:
        response.status_code = 503
    return HealthOut(
        service="market-alerts",
        environment=request.app.state.settings.trading_env,
        timestamp=now().isoformat().replace("+00:00", "Z"),
        **found.as_json(),
    )


@router.get("/stats", response_model=StatsOut, operation_id="getStatistics")
async def stats(request: Request) -> dict[str, Any]:
    """Schedules, alerts, runs and deliveries, counted: without a key all of them, with a user's key that user's."""
    principal: Principal | None = request.scope.get("principal")
    if principal is None:
        figures: dict[str, Any] = await request.app.state.examiner.figures(now())
        return figures
    user_id = None if principal.is_admin else principal.user_id
    state = request.app.state
    return await statistics(state.database, state.settings, now(), user_id, whole=principal.is_admin)


@router.get("/healthz", response_model=ProbeOut, operation_id="probeAlive")
async def healthz() -> ProbeOut:
    """The process answers."""
    return ProbeOut(status="ok")


@router.get(
    "/readyz",
    response_model=ProbeOut,
    operation_id="probeReady",
    responses={503: {"model": ProbeOut, "description": "Not ready."}},
)
async def readyz(request: Request, response: Response) -> ProbeOut:
    """The database has its schema and Temporal answers."""
    missing = await request.app.state.examiner.ready()
    if missing:
        response.status_code = 503
    return ProbeOut(status="not ready" if missing else "ok", missing=missing)
