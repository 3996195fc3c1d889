"""The application: routes, errors, documents; one function makes it, and holds no connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

from domain.job import JobType
from domain.report import ReportParams
from domain.schemas.dialects import widened
from domain.screener import ScreenerParams
from starter.api import problems
from starter.api.access import Guard
from starter.api.heavy import Heavy
from starter.api.problems import KINDS, MEDIA_TYPE, FieldError, Problem, ProblemError
from starter.api.routes import (
    alerts,
    channels,
    data,
    deliveries,
    health,
    holdings,
    many_alerts,
    notify,
    quiet,
    reports,
    runs,
    scheduler,
    schedules,
    sets,
    systems,
)
from starter.clock import now
from starter.gateway import Gateway
from starter.health import Examiner
from storage.database import Database
from worker.settings import Settings

DESCRIPTION = """Durable market alerts and scheduled market jobs.

Every write is versioned: read an object, keep its `ETag`, and send it as `If-Match`. A `POST` with an `Idempotency-Key` may be
repeated. A write succeeds when the database has it; the header `Temporal-Told` says whether Temporal knows already, and where it
is `false` the reconciler tells it within seconds of Temporal's return."""
COMMON = {
    400: "The request cannot be read.",
    401: "No valid API key.",
    403: "The key lacks the scope.",
    404: "Nothing there that this key may see.",
    405: "Not for this method.",
    408: "The request did not come in time.",
    409: "In a state in which this cannot be done.",
    412: "Changed meanwhile.",
    413: "The body is too large.",
    422: "Something in the request cannot be used; `errors` lists every fault.",
    428: "If-Match is needed.",
    429: "Too many requests; wait as long as Retry-After says.",
    500: "A fault of ours.",
    503: "The database or Temporal cannot be reached.",
}

OF_JOBS: dict[type[BaseModel], JobType] = {ReportParams: JobType.REPORT, ScreenerParams: JobType.SCREENER}
NEEDED: dict[type[BaseModel], tuple[str, ...]] = {ScreenerParams: ("symbols", "screener_set")}  # one of them
BODIES = {**runs.BODIES, **alerts.BODIES}
EXAMPLES = {**runs.EXAMPLES, **alerts.EXAMPLES}
_BY_ID = {"id": "id"}
_RUN = {"202": {"getRun": {"run_id": "run_id"}, "cancelRun": {"run_id": "run_id"}}}
LINKS: dict[str, dict[str, dict[str, dict[str, str]]]] = {
    "createSchedule": {
        "201": dict.fromkeys(("getSchedule", "replaceSchedule", "deleteSchedule", "triggerSchedule"), _BY_ID)
    },
    "createAlert": {
        "201": dict.fromkeys(
            ("getAlert", "updateAlert", "deleteAlert", "pauseAlert", "resumeAlert", "evaluateAlert"), _BY_ID
        )
    },
    "triggerSchedule": _RUN,
    "runReport": _RUN,
    "runScreener": _RUN,
}


MODULES = (many_alerts, alerts, schedules, runs, reports, deliveries, channels, quiet, notify, sets, holdings, data)
ROUTERS = tuple(module.router for module in MODULES)


def create_app(
    settings: Settings,
    database: Database,
    gateway: Gateway | None = None,
    clock: Callable[[], datetime] = now,
    *,
    routers: Sequence[APIRouter] = ROUTERS,
    beside: Sequence[APIRouter] = (scheduler.router,),
    title: str = "Market alerts",
) -> FastAPI:
    """The API on a migrated database, or that part of it that ``routers`` are; those ``beside`` are not below ``/api``."""
    app = FastAPI(
        title=title,
        version=version("market-alerts"),
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        responses={status: _declared(status, text) for status, text in COMMON.items()},
    )
    app.state.settings, app.state.database = settings, database
    app.state.gateway = gateway or Gateway(settings, database)
    app.state.heavy = Heavy()
    app.state.calendars = settings.calendars()  # a market is built once, whoever previews on it
    app.state.examiner = Examiner(database, app.state.gateway, settings.health_check_interval)
    api = APIRouter(prefix="/api")
    for router in routers:
        api.include_router(router)
    app.include_router(api)
    for router in beside:
        app.include_router(router)
    app.include_router(health.router)
    app.include_router(systems.router)
    problems.install(app)
    _documents(app)
    app.add_middleware(Guard, settings=settings, database=database, clock=clock)
    return app


def _declared(status: int, text: str) -> dict[str, Any]:
    content = {
        MEDIA_TYPE: {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "example": {"type": "/problems/…", "title": "…", "status": status, "detail": text, "errors": []},
        }
    }
    headers = {"Retry-After": {"schema": {"type": "string"}}} if status == 429 else None
    return {"description": text, "content": content, **({"headers": headers} if headers else {})}


def _documents(app: FastAPI) -> None:
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(made())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    app.mount("/docs/static", StaticFiles(packages=[("fastapi_offline", "static")]), name="docs-static")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Market alerts",
            swagger_js_url="/docs/static/swagger-ui-bundle.js",
            swagger_css_url="/docs/static/swagger-ui.css",
            swagger_favicon_url="/docs/static/favicon.png",
            swagger_ui_parameters={"validatorUrl": None},
        )

    @app.get("/problems/{kind}", include_in_schema=False)
    async def problem(kind: str) -> JSONResponse:
        if kind not in KINDS:
            raise ProblemError(404, "not-found", "there is no such problem")
        return JSONResponse({"type": f"/problems/{kind}", "meaning": KINDS[kind]})


def _complete(schema: dict[str, Any]) -> dict[str, Any]:
    """What FastAPI cannot know: the problem's schema, bodies checked by models of the domain, and examples."""
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    shared = schema["components"].setdefault("responses", {})
    template = "#/components/schemas/{model}"
    models: tuple[type[BaseModel], ...] = (Problem, FieldError)
    for model in models:
        made = model.model_json_schema(ref_template=template)
        made.pop("$defs", None)
        schemas[model.__name__] = made
    for path in schema["paths"].values():
        for operation in path.values():
            body = BODIES.get(operation["operationId"])
            if body is not None:
                made = body.model_json_schema(ref_template=template)
                if body in OF_JOBS:  # the reader takes more than the model says
                    made = widened(made, OF_JOBS[body])
                    if body in NEEDED:
                        made["anyOf"] = [{"required": [one]} for one in NEEDED[body]]
                schemas.update(made.pop("$defs", {}))
                schemas[body.__name__] = {**made, "examples": [EXAMPLES[operation["operationId"]]]}
                reference = {"$ref": template.format(model=body.__name__)}
                operation["requestBody"]["content"]["application/json"]["schema"] = reference
            answers = operation["responses"]
            for status, links in LINKS.get(operation["operationId"], {}).items():
                answers[status]["links"] = {
                    name: {
                        "operationId": name,
                        "parameters": {key: f"$response.body#/{value}" for key, value in given.items()},
                    }
                    for name, given in links.items()
                }
            if not operation.get("security"):
                operation["security"] = []
                for status in ("401", "403"):
                    answers.pop(status, None)
            for status, answer in answers.items():
                if list(answer.get("content", ())) == [MEDIA_TYPE]:  # written once, named everywhere
                    shared[f"Problem{status}"] = answer
                    answers[status] = {"$ref": f"#/components/responses/Problem{status}"}
    return schema
