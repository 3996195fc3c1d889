"""A report as files: a page that needs nothing from elsewhere, words, and a PDF where it is wanted."""

from __future__ import annotations

import base64
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from activities.jobs.reports import NoPdf, text
from activities.jobs.reports.charts import charts
from storage.holdings import RunFile

TEMPLATES = Path(__file__).parent / "templates"
SPARK_WIDTH, SPARK_HEIGHT = 90, 22


def render(result: dict[str, Any], name: str, zone: str, made_at: datetime, *, drawn: bool, pdf: bool) -> list[RunFile]:
    """``html`` and ``text``, and ``pdf`` if wanted.

    Raises:
        NoPdf: it cannot be made here.
    """
    title, body = text.words(result)
    drawings = {what: _inline(svg) for what, svg in charts(result).items()} if drawn else {}
    page = _environment().get_template(f"{result['report_type']}.html.j2")
    local = made_at.astimezone(ZoneInfo(zone))
    html = page.render(
        r=result, title=title, name=name, zone=zone, made_at=f"{local:%Y-%m-%d %H:%M} {zone}", charts=drawings
    )
    files = [
        RunFile("html", "text/html; charset=utf-8", html.encode()),
        RunFile("text", "text/plain; charset=utf-8", f"{title}\n\n{body}\n".encode()),
    ]
    if pdf:
        files.append(RunFile("pdf", "application/pdf", _pdf(html)))
    return files


def _pdf(html: str) -> bytes:
    try:
        from weasyprint import HTML  # type: ignore[import-untyped]
        from weasyprint.urls import URLFetcher  # type: ignore[import-untyped]
    except (ImportError, OSError) as error:
        why = str(error).splitlines()[0][:200]
        raise NoPdf(
            f"a PDF needs the extra 'pdf' (pip install 'market-alerts[pdf]') and the library Pango: {why}"
        ) from None
    within = URLFetcher(allowed_protocols=("data",))
    found: bytes = HTML(string=html, url_fetcher=within).write_pdf()
    return found


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": text.percent,
        "number": text.number,
        "price": text.price,
        "seconds": text.seconds,
        "spark": spark,
        "sign": lambda value: "" if value is None or value == 0 else "up" if value > 0 else "down",
    }
    return made


def spark(values: list[float | None]) -> str:
    """Points of a polyline in a box of 90 by 22, the oldest on the left."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    scale = (SPARK_HEIGHT - 4) / (high - low) if high > low else 0.0
    step = SPARK_WIDTH / (len(known) - 1)
    return " ".join(f"{at * step:.1f},{SPARK_HEIGHT - 2 - (one - low) * scale:.1f}" for at, one in enumerate(known))


def _inline(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
