"""Holdings as brokers' files have them."""

from __future__ import annotations

import pytest

from domain.errors import InvalidInput
from domain.holding import Holding, merged, read_holdings


def test_columns_go_by_several_names_and_lots_become_one() -> None:
    text = "# from the broker\nTicker,Shares,Average Cost,Account\naapl,10,100,A\nMSFT,5,,A\nAAPL,30,$200.00,B\n"
    assert read_holdings(text) == [
        Holding(symbol="AAPL", quantity=40, cost=175.0),
        Holding(symbol="MSFT", quantity=5),
    ]


def test_decimal_commas_thousands_and_shorts() -> None:
    text = "Symbol;Qty;Price paid;Currency\nSAP.DE;1.250,5;101,25;eur\nTSLA;-3;;usd\n"
    assert read_holdings(text) == [
        Holding(symbol="SAP.DE", quantity=1250.5, cost=101.25, currency="EUR"),
        Holding(symbol="TSLA", quantity=-3, currency="USD"),
    ]
    assert read_holdings('symbol,quantity\nX,"1,250"\nY,(20)\n') == [
        Holding(symbol="X", quantity=1250),
        Holding(symbol="Y", quantity=-20),
    ]


def test_every_fault_is_told_at_once() -> None:
    text = "symbol,quantity,cost,currency\n???,1,,\nX,none,,\nY,0,-1,dollars\n,5,,\n"
    with pytest.raises(InvalidInput) as caught:
        read_holdings(text)
    said = [str(fault) for fault in caught.value.faults]
    for row in (
        "row 2, symbol",
        "row 3, quantity",
        "row 4, quantity",
        "row 4, cost",
        "row 4, currency",
        "row 5, symbol",
    ):
        assert any(one.startswith(row) for one in said), (row, said)


@pytest.mark.parametrize("text", ["", "symbol\nX\n", "name,quantity\nX,1\n", "symbol,quantity\n"])
def test_what_is_no_list_of_holdings_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_holdings(text)


def test_lots_that_do_not_go_together() -> None:
    with pytest.raises(InvalidInput, match="come to nothing"):
        merged([Holding(symbol="X", quantity=5), Holding(symbol="X", quantity=-5)])
    with pytest.raises(InvalidInput, match="is held in EUR and in USD"):
        merged([Holding(symbol="X", quantity=5, currency="EUR"), Holding(symbol="X", quantity=5, currency="USD")])
