"""Holdings over HTTP and by command."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.processes import Home
from tests.starter.api.conftest import Api


async def test_over_http(api: Api) -> None:
    made = await api.ann.put("/api/holdings/aapl", json={"quantity": 12.5, "cost": 151.2, "currency": "USD"})
    assert (made.status_code, made.json()["symbol"]) == (200, "AAPL")
    assert (await api.ann.get("/api/holdings")).json()["items"] == [made.json()]
    assert (await api.bob.get("/api/holdings")).json()["items"] == []
    assert (await api.admin.get("/api/holdings?user_id=ann")).json()["items"] == [made.json()]
    lots = [{"symbol": "MSFT", "quantity": 10, "cost": 100}, {"symbol": "msft", "quantity": 30, "cost": 200}]
    whole = await api.ann.put("/api/holdings", json={"items": lots})
    assert whole.json()["items"] == [{"symbol": "MSFT", "quantity": 40.0, "cost": 175.0, "currency": ""}]
    bad = [{"symbol": "A B", "quantity": 1}, {"symbol": "X", "quantity": 0}, {"symbol": "Y", "quantity": 1}]
    refused = await api.ann.put("/api/holdings", json={"items": bad})
    assert refused.status_code == 422
    assert {one["path"] for one in refused.json()["errors"]} == {"$.items[0].symbol", "$.items[1].quantity"}
    assert len((await api.ann.get("/api/holdings")).json()["items"]) == 1, "nothing was written"
    assert (await api.reader.put("/api/holdings/X", json={"quantity": 1})).status_code == 403
    assert (await api.ann.delete("/api/holdings/msft")).status_code == 204
    assert (await api.ann.delete("/api/holdings/msft")).status_code == 404


def test_by_command(tmp_path: Path) -> None:
    home, file = Home(tmp_path / "home"), tmp_path / "mine.csv"
    file.write_text("Symbol,Shares,Average Cost\nNVDA,10,50\nAMD,-5,\nNVDA,10,70\n", encoding="utf-8")
    assert home.data("holdings", "import", str(file))[0] == {
        "symbol": "NVDA",
        "quantity": 20.0,
        "cost": 60.0,
        "currency": "",
    }
    assert home.run("holdings", "put", "aapl", "2.5", "--currency", "usd").returncode == 0
    listed = home.run("holdings", "list").stdout
    assert "AAPL" in listed
    assert "USD" in listed
    for words, code in (
        (["put", "A B", "0"], 2), (["import", "nowhere.csv"], 2), (["remove"], 2), (["remove", "ZZZ"], 3), (["remove", "X", "--all"], 2),
    ):  # fmt: skip
        assert home.run("holdings", *words).returncode == code, words
    assert home.data("holdings", "import", str(file), "--replace")
    assert [one["symbol"] for one in home.data("holdings", "list")] == ["AMD", "NVDA"]
    assert home.data("holdings", "remove", "--all") == {"removed": 2}
