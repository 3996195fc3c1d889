"""Sets of tickers over HTTP and by command."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.processes import Home
from tests.starter.api.conftest import Api


async def test_over_http(api: Api) -> None:
    listed = (await api.ann.get("/api/sets")).json()["items"]
    assert [(one["name"], one["where"]) for one in listed] == [("nasdaq100", "shipped"), ("sp500", "shipped")]
    made = await api.ann.put("/api/sets/tech", json={"symbols": ["aapl", "MSFT", "AAPL"]})
    assert made.status_code == 200, made.text
    assert (made.json()["symbols"], made.json()["where"]) == (["AAPL", "MSFT"], "own")
    assert (await api.ann.get("/api/sets/TECH")).json() == made.json()
    assert (await api.bob.get("/api/sets/tech")).status_code == 404
    assert (await api.ann.put("/api/sets/sp500", json={"symbols": ["X"]})).json()["where"] == "own"
    assert len((await api.bob.get("/api/sets/sp500")).json()["symbols"]) > 400
    assert (await api.ann.delete("/api/sets/sp500")).status_code == 204
    assert (await api.ann.delete("/api/sets/sp500")).status_code == 404, "the shipped one is nobody's"
    assert (await api.reader.put("/api/sets/x", json={"symbols": ["X"]})).status_code == 403
    bad = await api.ann.put("/api/sets/No%20Good", json={"symbols": ["A B", "X", "C D"]})
    assert bad.status_code == 422
    assert {one["path"] for one in bad.json()["errors"]} == {"$.symbols[0]", "$.symbols[2]", "$.name"}


def test_by_command(tmp_path: Path) -> None:
    home, file = Home(tmp_path / "home"), tmp_path / "mine.csv"
    file.write_text("ticker\nNVDA\nAMD\n", encoding="utf-8")
    assert home.data("sets", "put", "chips", "--file", str(file)) == {"name": "chips", "tickers": 2}
    assert next((one["name"], one["tickers"]) for one in home.data("sets", "list")) == ("chips", 2)
    assert home.run("sets", "show", "chips").stdout.split() == ["NVDA", "AMD"]
    assert "AAPL" in home.run("sets", "show", "nasdaq").stdout.split()
    for words, code in ((["put", "x"], 2), (["put", "x", "A B"], 2), (["show", "none"], 3), (["remove", "sp500"], 3)):
        assert home.run("sets", *words).returncode == code, words
    assert home.data("sets", "remove", "chips")["removed"] is True
