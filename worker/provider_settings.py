"""Settings of the market data vendors: which are asked, in which order, where, with which key, how often and how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, create_model, field_validator
from pydantic_settings import NoDecode

from activities.market_data.calendars.calendars import Calendars, is_market
from activities.market_data.vendors.http import VendorSettings
from activities.market_data.vendors.http_provider import HttpProvider
from activities.market_data.vendors.rate_limit import parse_rates
from activities.market_data.vendors.registry import vendors
from activities.outgoing import HeaderKey, is_http
from domain.zones import zone
from worker.deferred import PartOfSettings

VENDORS = vendors()
PROVIDERS = (*VENDORS, "csv", "simulated")
SECRET_KEYS = tuple(f"{name}_api_key" for name, one in VENDORS.items() if one.needs_key)
Seconds = Annotated[float, Field(gt=0, le=60)]
Priority = Annotated[int, Field(ge=1, le=99)]


def _fields_of(vendor: type[HttpProvider]) -> dict[str, Any]:
    """A vendor's own variables, with the defaults that it declares."""
    fields: dict[str, Any] = {
        "base_url": (str, vendor.base_url),
        "rate": (str, vendor.rates),
        "timeout": (Seconds | None, None),
        "priority": (Priority | None, None),
        **vendor.own_settings,
    }
    if vendor.needs_key:
        fields["api_key"] = (HeaderKey, SecretStr(""))
    return {f"{vendor.name}_{name}": field for name, field in fields.items()}


_OfVendors: Any = create_model(
    "_OfVendors",
    __base__=PartOfSettings,
    **{name: field for one in VENDORS.values() for name, field in _fields_of(one).items()},
)


class ProviderSettings(_OfVendors):
    """``<VENDOR>_BASE_URL``, ``_API_KEY``, ``_RATE``, ``_TIMEOUT`` and ``_PRIORITY`` (1 is asked first) for each vendor.

    Without priorities the order is that of ``ALERTS_PROVIDERS``; ``DATA_TIMEOUT`` holds where no timeout is set.
    ``ALERTS_CSV_TIMEZONE`` is that of files whose times have none, and whose format has none either.
    ``ALPHA_VANTAGE_LABELS`` says whether its times name a bar's ``start`` or its ``end``: it has changed that once.
    """

    alerts_providers: Annotated[tuple[str, ...], NoDecode] = ("yahoo", "binance")
    alerts_csv_folder: Path = Path("bars")
    alerts_csv_timezone: str = ""
    alerts_simulated_seed: int = 7
    alerts_default_market: str = "XNYS"
    alerts_markets: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    data_timeout: Seconds = 10.0
    data_max_retries: int = Field(default=2, ge=0, le=10)
    data_default_lookback: int = Field(default=250, ge=1, le=50_000)
    data_cache_enabled: bool = True
    data_cache_ttl: float = Field(default=60.0, ge=1, le=3600)

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

    def calendars(self) -> Calendars:
        """Whose sessions a ticker's bars keep."""
        return Calendars(default=self.alerts_default_market, overrides=self.alerts_markets)

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
        parse_rates(value)
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
        if value:
            zone(value)
        return value
