"""The OpenAPI document is committed, whole and true; the pages that show it need no network."""

from __future__ import annotations

import json
import re
from pathlib import Path

from starter.api.document import PATH, document
from tests.starter.api.conftest import Api


def test_the_committed_document_is_todays() -> None:
    assert json.loads(Path(PATH).read_text(encoding="utf-8")) == document(), "run 'make generated'"


def test_every_operation_is_described_with_examples_and_problems() -> None:
    made = document()
    assert made["openapi"].startswith("3.1")
    ids = []
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            ids.append(operation["operationId"])
            assert operation.get("summary"), (method, path)
            assert operation.get("description"), (method, path)
            assert all(status in operation["responses"] for status in ("404", "422", "429"))
            if operation["security"]:
                assert "401" in operation["responses"]
            if "requestBody" in operation:
                (schema,) = [content["schema"] for content in operation["requestBody"]["content"].values()]
                names = re.findall(r"#/components/schemas/(\w+)", json.dumps(schema))
                assert any("examples" in made["components"]["schemas"][name] for name in names), (method, path)
    assert len(ids) == len(set(ids)) == 72


async def test_the_pages_name_no_other_host(api: Api) -> None:
    page = await api.nobody.get("/docs")
    assert page.status_code == 200
    assert re.findall(r"https?://[^\"' ]+", page.text) == []
    for asset in re.findall(r'(?:src|href)="(/docs/static/[^"]+)"', page.text):
        assert (await api.nobody.get(asset)).status_code == 200
    assert (await api.nobody.get("/openapi.json")).json()["info"]["title"] == "Market alerts"
