"""Settings of the market data vendors: which are asked, in which order, where, with which key, how often and how long."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from activities.market_data.calendars import is_market
from activities.market_data.gate import buckets
from activities.market_data.http import VendorSettings
from domain.zones import zone

VENDORS = ("yahoo", "binance", "alpha_vantage", "finnhub", "polygon", "interactive_brokers")
PROVIDERS = (*VENDORS, "csv", "simulated")
SECRET_KEYS = ("alpha_vantage_api_key", "finnhub_api_key", "polygon_api_key")
Seconds = Annotated[float, Field(gt=0, le=60)]
Priority = Annotated[int, Field(ge=1, le=99)]


def is_http(text: str) -> bool:
    """Whether a text can be an address."""
    return bool(re.match(r"https?://[^/\s]+", text))


class ProviderSettings(BaseSettings):
    """``<VENDOR>_BASE_URL``, ``_API_KEY``, ``_RATE``, ``_TIMEOUT`` and ``_PRIORITY`` (1 is asked first) for each vendor.

    Without priorities the order is that of ``ALERTS_PROVIDERS``; ``DATA_TIMEOUT`` holds where no timeout is set.
    ``ALPHA_VANTAGE_LABELS`` says whether its times name a bar's ``start`` or its ``end``: it has changed that once.
    """

    alerts_providers: Annotated[tuple[str, ...], NoDecode] = ("yahoo", "binance")
    alerts_csv_folder: Path = Path("bars")
    alerts_csv_timezone: str = "UTC"
    alerts_simulated_seed: int = 7
    alerts_default_market: str = "XNYS"
    alerts_markets: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    data_timeout: Seconds = 10.0
    data_max_retries: int = Field(default=2, ge=0, le=10)
    data_default_lookback: int = Field(default=250, ge=1, le=50_000)
    data_cache_enabled: bool = True
    data_cache_ttl: float = Field(default=60.0, ge=1, le=3600)

    yahoo_base_url: str = "https://query2.finance.yahoo.com"
    yahoo_rate: str = "100/minute"
    yahoo_timeout: Seconds | None = None
    yahoo_priority: Priority | None = None

    binance_base_url: str = "https://api.binance.com"
    binance_rate: str = "6000/minute"
    binance_timeout: Seconds | None = None
    binance_priority: Priority | None = None

    alpha_vantage_base_url: str = "https://www.alphavantage.co"
    alpha_vantage_api_key: SecretStr = SecretStr("")
    alpha_vantage_rate: str = "5/minute, 25/day"
    alpha_vantage_timeout: Seconds | None = None
    alpha_vantage_priority: Priority | None = None
    alpha_vantage_labels: Literal["start", "end"] = "start"

    finnhub_base_url: str = "https://finnhub.io/api/v1"
    finnhub_api_key: SecretStr = SecretStr("")
    finnhub_rate: str = "60/minute, 30/second"
    finnhub_timeout: Seconds | None = None
    finnhub_priority: Priority | None = None

    polygon_base_url: str = "https://api.massive.com"
    polygon_api_key: SecretStr = SecretStr("")
    polygon_rate: str = "5/minute"
    polygon_timeout: Seconds | None = None
    polygon_priority: Priority | None = None

    interactive_brokers_base_url: str = "https://localhost:5000/v1/api"
    interactive_brokers_rate: str = "10/second"
    interactive_brokers_timeout: Seconds | None = None
    interactive_brokers_priority: Priority | None = None

    def vendor(self, name: str) -> VendorSettings:
        """What is set for one vendor."""
        key: SecretStr = getattr(self, f"{name}_api_key", SecretStr(""))
        return VendorSettings(
            base_url=getattr(self, f"{name}_base_url"),
            key=key.get_secret_value(),
            timeout=getattr(self, f"{name}_timeout") or self.data_timeout,
            rates=getattr(self, f"{name}_rate"),
            priority=self.priority(name),
            labels=getattr(self, f"{name}_labels", "start"),
        )

    def priority(self, name: str) -> int:
        """As set, else 10, 20, 30 … in the order of ``ALERTS_PROVIDERS``."""
        place = (self.alerts_providers.index(name) + 1) * 10 if name in self.alerts_providers else 99
        return getattr(self, f"{name}_priority", None) or place

    @property
    def in_order(self) -> list[str]:
        """The enabled providers, first the one that is asked first."""
        return sorted(dict.fromkeys(self.alerts_providers), key=self.priority)

    @field_validator("alerts_providers", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = tuple(name.strip().lower() for name in value.split(",") if name.strip())
        unknown = [name for name in value if name not in PROVIDERS]
        if unknown or not value:
            raise ValueError(f"expected some of {', '.join(PROVIDERS)}, separated by commas")
        return value

    @field_validator("alerts_markets", mode="before")
    @classmethod
    def _split_markets(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
        if any(not name.strip() or not code.strip() for name, _, code in pairs):
            raise ValueError("expected TICKER=MARKET pairs such as SAP.F=XFRA, separated by commas")
        for _, _, code in pairs:
            cls._a_market(code.strip())
        return {name.strip(): code.strip() for name, _, code in pairs}

    @field_validator(*(f"{name}_base_url" for name in VENDORS))
    @classmethod
    def _a_vendors_address(cls, value: str) -> str:
        if not is_http(value):
            raise ValueError("expected an address that begins with http:// or https://")
        return value

    @field_validator(*(f"{name}_rate" for name in VENDORS))
    @classmethod
    def _some_rates(cls, value: str) -> str:
        buckets(value)
        return value

    @field_validator("alerts_default_market")
    @classmethod
    def _a_market(cls, value: str) -> str:
        if not is_market(value):
            raise ValueError(f"there is no calendar of a market {value}; expected an ISO code such as XNYS, or 24/7")
        return value

    @field_validator("alerts_csv_timezone")
    @classmethod
    def _known_csv_timezone(cls, value: str) -> str:
        zone(value)
        return value
