"""JSON Schemas of what people write, generated from the models and committed: ``python -m domain.schemas``."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from domain.definition import SCHEMA_VERSION, AlertDefinition

FOLDER = Path(__file__).parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_path(job_type: str, version: int = SCHEMA_VERSION) -> Path:
    """``alert.v1.json`` and the like."""
    return FOLDER / f"{job_type}.v{version}.json"


@lru_cache(maxsize=16)
def load(job_type: str, version: int = SCHEMA_VERSION) -> dict[str, Any]:
    """The committed schema."""
    data: dict[str, Any] = json.loads(schema_path(job_type, version).read_text(encoding="utf-8"))
    return data


def generate() -> dict[str, Any]:
    """The schema of the full form of an alert definition, from the models."""
    schema = AlertDefinition.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": DIALECT, "$id": f"alert.v{SCHEMA_VERSION}.json", **schema}


def main() -> None:
    """Rewrites the committed files."""
    text = json.dumps(generate(), indent=2) + "\n"
    schema_path("alert").write_text(text, encoding="utf-8")
