"""Reports' pages over HTTP and by command, and how far a run has come."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

from domain.run import Run, RunStatus
from storage.database import Database
from storage.holdings import RunFile
from tests.e2e.processes import Home
from tests.starter.api.conftest import Api

AT = datetime(2026, 1, 5, 21, 30, tzinfo=UTC)
PAGE = "<!doctype html><title>Daily summary</title>"


async def a_report(database: Database, user: str = "ann", status: RunStatus = RunStatus.COMPLETED) -> str:
    run_id = str(uuid.uuid4())
    run = Run(
        run_id, "report", "closing", user, status, datetime.now(UTC), AT, AT, AT, {"task_params": {}}, {"failed": {}}
    )
    async with database.transaction() as work:
        await work.runs.add([run])
        if status is RunStatus.COMPLETED:
            files = [RunFile("html", "text/html; charset=utf-8", PAGE.encode())]
            await work.files.put(run_id, [*files, RunFile("text", "text/plain; charset=utf-8", b"Daily summary\n")], AT)
    return run_id


async def test_over_http(api: Api) -> None:
    run_id = await a_report(api.database)
    for named in (run_id, "closing"):
        page = await api.ann.get(f"/api/reports/{named}")
        assert (page.status_code, page.text) == (200, PAGE)
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (await api.ann.get(f"/api/reports/{run_id}?format=text")).text == "Daily summary\n"
    assert (await api.ann.get(f"/api/reports/{run_id}?format=pdf")).status_code == 404
    assert (await api.ann.get(f"/api/reports/{run_id}?format=doc")).status_code == 422
    assert (await api.bob.get(f"/api/reports/{run_id}")).status_code == 404
    assert (await api.bob.get("/api/reports/closing")).status_code == 404
    failed = await a_report(api.database, status=RunStatus.FAILED)
    refused = await api.ann.get(f"/api/reports/{failed}")
    assert refused.status_code == 404
    assert failed in refused.json()["detail"]


async def test_how_far_a_run_has_come_is_told(api: Api) -> None:
    run_id = await a_report(api.database, status=RunStatus.RUNNING)
    assert (await api.ann.get(f"/api/runs/{run_id}")).json()["progress"] is None
    async with api.database.transaction() as work:
        await work.runs.progress(run_id, 3, 10, "AAPL")
    assert (await api.ann.get(f"/api/runs/{run_id}")).json()["progress"] == {"done": 3, "total": 10, "what": "AAPL"}
    async with api.database.transaction() as work:
        await work.runs.finish(run_id, RunStatus.COMPLETED, AT, {})
        await work.runs.progress(run_id, 4, 10, "MSFT")
    assert (await api.ann.get(f"/api/runs/{run_id}")).json()["progress"]["done"] == 3, "what has ended does not move"


async def test_by_command(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert home.run("status").returncode in (0, 1)
    database = Database(f"sqlite:///{home.folder / 'alerts.db'}")
    await database.upgrade()
    run_id = await a_report(database)
    failed = await a_report(database, status=RunStatus.FAILED)
    await database.close()
    assert home.run("reports", "show", "closing").stdout == "Daily summary\n"
    assert home.data("reports", "show", run_id)["run_id"] == run_id
    assert {one["run_id"] for one in home.data("reports", "list")} == {run_id, failed}
    out = tmp_path / "page.html"
    assert home.run("reports", "open", run_id, "--output", str(out)).stdout == f"{out}\n"
    assert out.read_text(encoding="utf-8") == PAGE
    assert home.run("runs", "watch", run_id).returncode == 0
    assert home.run("runs", "watch", failed).returncode == 1
    assert home.data("runs", "watch", run_id)["status"] == "COMPLETED"
    for words, code in (
        (["show", "none"], 3), (["open", run_id, "--pdf"], 3), (["run", "weekly"], 2), (["run", "daily_summary", "A B"], 2),
        (["run", "daily_summary", "--days", "0"], 2),
    ):  # fmt: skip
        assert home.run("reports", *words).returncode == code, words
