"""All stand-ins."""

from __future__ import annotations

from tests.stand_ins.alpha_vantage import AlphaVantageStandIn
from tests.stand_ins.binance import BinanceStandIn
from tests.stand_ins.finnhub import FinnhubStandIn
from tests.stand_ins.interactive_brokers import InteractiveBrokersStandIn
from tests.stand_ins.polygon import PolygonStandIn
from tests.stand_ins.vendor import COMMON_FAULTS, Vendor
from tests.stand_ins.yahoo import YahooStandIn

ALL: tuple[type[Vendor], ...] = (
    YahooStandIn,
    BinanceStandIn,
    AlphaVantageStandIn,
    FinnhubStandIn,
    PolygonStandIn,
    InteractiveBrokersStandIn,
)
EVERY_FAULT = (*COMMON_FAULTS, "error_200", "empty", "nulls", "no_plan", "bad_key")
