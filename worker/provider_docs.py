"""``python -m worker.provider_docs`` writes what vendors and channels declare: a page for people, and examples of settings."""

from __future__ import annotations

from pathlib import Path

from activities.market_data.vendors.http import VendorSettings
from activities.market_data.vendors.http_provider import HttpProvider
from activities.notifications.registry import declarations
from worker.provider_settings import VENDORS

ROOT = Path(__file__).parents[1]
PAGE, EXAMPLE = ROOT / "docs" / "providers.md", ROOT / "deploy" / "vendors.env.example"
CHANNELS = ROOT / "deploy" / "channels.env.example"
NOWHERE = VendorSettings("http://127.0.0.1")  # nothing is asked: the kinds are known without


def variables(name: str, vendor: type[HttpProvider]) -> list[tuple[str, str]]:
    """A vendor's settings with their defaults, in the order in which people look for them."""
    prefix = name.upper()
    found = [(f"{prefix}_API_KEY", "")] if vendor.needs_key else []
    found += [(f"{prefix}_BASE_URL", vendor.base_url), (f"{prefix}_RATE", vendor.rates)]
    found += [(f"{prefix}_TIMEOUT", ""), (f"{prefix}_PRIORITY", "")]
    return found + [(f"{prefix}_{own.upper()}", str(default)) for own, (_, default) in vendor.own_settings.items()]


def page() -> str:
    """The page, in Markdown."""
    lines = [
        "# Market data providers",
        "",
        "What each vendor declares of itself (`make generated` writes this page anew). `csv` and `simulated` need no vendor.",
        "",
        "| name | timeframes | beside bars | key | rate | address |",
        "|---|---|---|---|---|---|",
    ]
    for name, vendor in VENDORS.items():
        frames, kinds = " ".join(vendor.intervals), ", ".join(one.value for one in vendor(NOWHERE).kinds)
        key = "needed" if vendor.needs_key else "none"
        lines.append(f"| `{name}` | {frames} | {kinds} | {key} | {vendor.rates} | {vendor.base_url} |")
    lines += ["", "## Settings", "", "| variable | default |", "|---|---|"]
    for name, vendor in VENDORS.items():
        lines += [f"| `{variable}` | {f'`{value}`' if value else ''} |" for variable, value in variables(name, vendor)]
    lines += [
        "",
        "Without a timeout `DATA_TIMEOUT` holds. Priority 1 is asked first; else the order is that of `ALERTS_PROVIDERS`.",
        "",
    ]
    return "\n".join(lines)


def example() -> str:
    """Settings to be copied and filled in."""
    lines = [
        "# Copy to vendors.env beside docker-compose.yml and fill in what you use. Divide rates by WORKER_REPLICAS.",
        "# ALERTS_MARKETS=SAP.F=XFRA",
    ]
    for name, vendor in VENDORS.items():
        lines += ["", f"# {name}", *(f"# {variable}={value}" for variable, value in variables(name, vendor))]
    return "\n".join([*lines, ""])


def channels() -> str:
    """The same for where notices go."""
    lines = ["# Copy to channels.env beside docker-compose.yml and fill in what you use."]
    for one in declarations():
        if one.settings:
            lines += ["", f"# {', '.join(one.names)}: {one.advice}", *(f"# {name.upper()}=" for name in one.settings)]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
    CHANNELS.write_text(channels(), encoding="utf-8")
