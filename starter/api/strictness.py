"""Every fault of a request at once: parameters that nobody reads, and what the domain says of a body of a wrong shape."""

from __future__ import annotations

import difflib
from typing import Any

from fastapi import FastAPI, Request

from domain.definition import read_definition
from domain.errors import Fault, InvalidInput
from domain.schedule_draft import ScheduleDraft
from starter.api.requests import AlertFields, ScheduleIn

CLOSE = 0.6
MOST_SHOWN = 80


def unknown_parameters(request: Request) -> list[Fault]:
    """Names in the query that the operation does not know: what is misspelt is no filter that was left out."""
    operation = getattr(request.scope.get("route"), "operation_id", None)
    if not request.query_params or operation is None:
        return []
    known = _parameters(request.app).get(operation, [])
    return [
        Fault(f"query.{name[:MOST_SHOWN]}", _hint(name, known), value[:MOST_SHOWN])
        for name, value in request.query_params.items()
        if name not in known
    ]


def _parameters(app: FastAPI) -> dict[str, list[str]]:
    """By operation: the names in the query that it knows."""
    kept: dict[str, list[str]] | None = getattr(app.state, "query_parameters", None)
    if kept is None:
        every = (operation for path in app.openapi()["paths"].values() for operation in path.values())
        kept = {
            one["operationId"]: [name["name"] for name in one.get("parameters", []) if name["in"] == "query"]
            for one in every
        }
        app.state.query_parameters = kept
    return kept


def _hint(name: str, known: list[str]) -> str:
    if not known:
        return "unknown; there are no parameters here"
    near = difflib.get_close_matches(name, known, 1, CLOSE)
    return f"unknown; did you mean {near[0]}?" if near else f"unknown; there are {', '.join(sorted(known))}"


def domain_faults(request: Request, body: Any) -> list[Fault]:
    """What the domain finds in a body of which the shape is wrong as well; nothing where the shape alone is to blame."""
    field = getattr(request.scope.get("route"), "body_field", None)
    model = getattr(getattr(field, "field_info", None), "annotation", None)
    if not isinstance(body, dict) or not isinstance(model, type):
        return []
    try:
        if issubclass(model, AlertFields):
            if "rule" in body or "expression" in body or "condition" in body:
                read_definition({name: body[name] for name in AlertFields.model_fields if body.get(name) is not None})
        elif issubclass(model, ScheduleIn) and isinstance(body.get("job_type"), str):
            texts = {
                name: body[name] for name in ("name", "target", "cron", "timezone") if isinstance(body.get(name), str)
            }
            ScheduleDraft(body["job_type"], body.get("task_params"), **{"timezone": "UTC", **texts}).definition()
    except InvalidInput as error:
        return list(error.faults)
    except Exception:  # of a body so odd that only its shape can be told
        return []
    return []
