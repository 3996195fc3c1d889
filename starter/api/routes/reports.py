"""``/api/reports``: what reports look like."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from starter import reports
from starter.api.access import context_of, needs
from starter.keys import Scope

router = APIRouter(tags=["reports"])
ReportId = Annotated[str, Path(max_length=64, description="A run's id; or a schedule's, for its newest report.")]
Format = Annotated[
    Literal["html", "text", "pdf"],
    Query(description="As a page, in words, or as PDF where the report was asked for one."),
]
WITHIN = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
MEDIA = ("text/html", "text/plain", "application/pdf")


@router.get(
    "/reports/{id}",
    operation_id="getReport",
    dependencies=[needs(Scope.READ)],
    response_class=Response,
    responses={
        200: {"description": "The report.", "content": {name: {"schema": {"type": "string"}} for name in MEDIA}}
    },
)
async def get(request: Request, id: ReportId, format: Format = "html") -> Response:
    """A report as it was made, for as long as its run is kept."""
    context = context_of(request)
    async with context.database.transaction() as work:
        run = await reports.find(work, context, id)
        found = await reports.file_of(work, run, format)
    headers = {
        "Content-Security-Policy": WITHIN,
        "Content-Disposition": f'inline; filename="{run.run_id}.{found.name}"',
    }
    return Response(found.content, media_type=found.media_type, headers=headers)
