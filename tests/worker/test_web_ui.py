"""Who is let in to the embedded server: this machine's people, and no page of another site, on any of its doors."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client

from tests.e2e.processes import eventually, free_port
from tests.stand_ins.server import Reply, StandIn
from worker.client import connect
from worker.settings import Settings
from worker.temporal_server import EmbeddedServer
from worker.web_ui import refusal, web_ui

OURS = "localhost:8233"
LISTENING = "0A"


@pytest.mark.parametrize(
    ("method", "headers", "let_in"),
    [
        ("GET", {"host": OURS}, True),
        ("GET", {"host": "127.0.0.1:8233"}, True),
        ("GET", {"host": "[::1]:8233"}, True),
        ("GET", {"host": "LOCALHOST.:9000"}, True),
        ("POST", {"host": OURS}, True),
        ("POST", {"host": OURS, "origin": f"http://{OURS}", "sec-fetch-site": "same-origin"}, True),
        ("GET", {"host": OURS, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),
        ("GET", {"host": "evil.example:8233"}, False),
        ("GET", {"host": "127.0.0.1.evil.example"}, False),
        ("GET", {"host": "localhost@evil.example"}, False),
        ("GET", {"host": "["}, False),
        ("GET", {}, False),
        ("POST", {"host": OURS, "origin": "http://evil.example"}, False),
        ("POST", {"host": OURS, "origin": "null"}, False),
        ("POST", {"host": OURS, "origin": "http://localhost:3000"}, False),
        ("POST", {"host": OURS, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, False),
        ("POST", {"host": OURS, "sec-fetch-site": "same-site"}, False),
        ("GET", {"host": OURS, "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),
    ],
)
def test_pages_of_other_sites_are_not_let_in(method: str, headers: dict[str, str], let_in: bool) -> None:
    assert (refusal(method, headers) == "") is let_in


async def test_what_is_let_in_is_passed_on_whole() -> None:
    async with StandIn(lambda _: Reply(201, body={"a": 1}, headers={"Set-Cookie": "x=1", "X-Own": "yes"})) as inside:
        async with web_ui(inside.url, free_port()) as address, httpx.AsyncClient(base_url=address) as http:
            answer = await http.post("/api/v1/x%20y?q=a%3Db", json={"b": 2}, headers={"Cookie": "c=3"})
            evil = await http.get("/", headers={"Host": "evil.example"})
        assert (answer.status_code, answer.json()) == (201, {"a": 1})
        assert (answer.headers["x-own"], answer.cookies["x"]) == ("yes", "1")
        asked = inside.asked[0]
        assert (asked.path, asked.query) == ("/api/v1/x y", {"q": "a=b"})
        assert (asked.headers["cookie"], asked.headers["content-length"]) == ("c=3", "7")
        assert evil.status_code == 403
        assert len(inside.asked) == 1


async def test_a_server_that_is_away_is_said() -> None:
    async with web_ui("http://127.0.0.1:1", free_port()) as address, httpx.AsyncClient() as http:
        assert (await http.get(address)).status_code == 502


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    home = tmp_path_factory.mktemp("doors") / "home"
    ports = {"alerts_temporal_port": free_port(), "alerts_ui_port": free_port()}
    embedded = EmbeddedServer(Settings(alerts_home=home, **ports))
    await embedded.start()
    yield embedded
    await embedded.stop()


def doors_of(pid: int) -> list[tuple[str, int]]:
    """Where a process listens."""
    own = {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir() if one.exists() or one.is_symlink()}
    found = []
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        parts = line.split()
        if parts[3] == LISTENING and f"socket:[{parts[9]}]" in own:
            address, port = parts[1].split(":")
            found.append((".".join(str(byte) for byte in bytes.fromhex(address)[::-1]), int(port, 16)))
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads where a process listens from /proc")
async def test_no_door_of_the_server_takes_orders_from_a_page(server: EmbeddedServer) -> None:
    """Each port it listens on is asked as a page in a browser would ask it, under every host name such a page can send."""
    assert server.process is not None
    client: Client = await connect(server.settings, 10.0)
    await client.start_workflow("Nobody", id="target", task_queue="nobody")
    doors = doors_of(server.process.pid)
    assert len(doors) > 5
    known = (server.ui_host, server.ui_port)
    assert known in doors
    assert all(host.startswith("127.") for host, _ in doors)
    order = b'{"signalName": "pause"}'
    for host, port in doors:
        if (host, port) == known:
            continue  # at an address that no page knows
        for name in (f"127.0.0.1:{port}", f"localhost:{port}", "evil.example", "x.invalid"):
            async with httpx.AsyncClient(timeout=10) as http:
                headers = {"Host": name, "Content-Type": "text/plain", "Origin": "http://evil.example"}
                path = f"http://{host}:{port}/api/v1/namespaces/default/workflows/target/signal/pause"
                try:
                    answer = await http.post(path, content=order, headers=headers)
                except httpx.HTTPError:
                    continue
                assert not answer.is_success, (host, port, name)
    history = [one async for one in client.get_workflow_handle("target").fetch_history_events()]
    assert not any(one.HasField("workflow_execution_signaled_event_attributes") for one in history)
    await client.get_workflow_handle("target").terminate()


async def test_the_web_ui_works_through_its_door_alone(server: EmbeddedServer) -> None:
    port = server.settings.alerts_ui_port
    async with web_ui(server.ui, port) as address, httpx.AsyncClient(base_url=address) as http:
        page = await http.get("/namespaces/default/workflows")
        assert page.is_success
        assert "<html" in page.text

        async def listed() -> bool:
            answer = await http.get("/api/v1/namespaces/default/workflows")
            return answer.is_success and (answer.json() == {} or "executions" in answer.json())

        await eventually(listed, 60, "the UI has found its server, which it may have asked before that was up")
        evil = await http.get("/api/v1/namespaces", headers={"Host": f"evil.example:{port}"})
        assert evil.status_code == 403
