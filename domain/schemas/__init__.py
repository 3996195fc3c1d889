"""JSON Schemas of what people write, generated from the models and committed: ``python -m domain.schemas``."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from domain.definition import SCHEMA_VERSION, AlertDefinition
from domain.job import PARAMS, JobOptions, JobType
from domain.schemas.dialects import widened

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


def generate(job_type: str = JobType.ALERT) -> dict[str, Any]:
    """The schema of what may be written as ``task_params`` of a job type: the models' full form, and all dialects of it."""
    model: type[BaseModel] = AlertDefinition if job_type == JobType.ALERT else PARAMS[JobType(job_type)]
    schema = model.model_json_schema(by_alias=True, mode="validation")
    if job_type != JobType.ALERT:
        options = JobOptions.model_json_schema(mode="validation")
        schema["properties"] = {**schema["properties"], "options": options}
    return {"$schema": DIALECT, "$id": f"{job_type}.v{SCHEMA_VERSION}.json", **widened(schema, job_type)}


def main() -> None:
    """Rewrites the committed files."""
    for job_type in JobType:
        text = json.dumps(generate(job_type), indent=2) + "\n"
        schema_path(job_type).write_text(text, encoding="utf-8")
