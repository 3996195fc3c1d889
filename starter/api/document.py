"""Writes the OpenAPI document that is committed and compared: ``python -m starter.api.document``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starter.api.app import create_app
from storage.database import Database
from worker.settings import Settings

PATH = Path(__file__).parents[2] / "docs" / "openapi.json"


def document() -> dict[str, Any]:
    """The document of this version; nothing is connected to."""
    app = create_app(Settings(), Database("sqlite:///:memory:"))
    made: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    return made


if __name__ == "__main__":
    PATH.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
