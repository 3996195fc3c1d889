"""The demo's own home: folder, database, namespace and ports, so that it never meets what is real."""

from __future__ import annotations

import socket

from storage.private import private_file, private_folder
from worker.settings import Settings
from worker.settings_sources import DEMO, HOME_FILE
from worker.temporal_server import is_free

NAMESPACE = "demo"
TEMPORAL_PORT, UI_PORT = 7243, 8243  # where they are free


def demo_settings(settings: Settings) -> Settings:
    """The same, for a home within the home. Whatever says where a real Temporal server or database is has no effect there."""
    home = settings.alerts_home if settings.alerts_demo else settings.alerts_home / "demo"
    own = {"alerts_home": private_folder(home), "alerts_demo": True, "database_url": "", "temporal_address": ""}
    ports = {"alerts_temporal_port": _free(TEMPORAL_PORT), "alerts_ui_port": _free(UI_PORT)}
    return settings.model_copy(update={**own, **ports, "temporal_namespace": NAMESPACE})


def leave_word(settings: Settings) -> None:
    """What commands need to find a demo that runs: ``ALERTS_HOME`` alone leads there."""
    lines = [
        f"{DEMO}=true",
        f"TEMPORAL_NAMESPACE={settings.temporal_namespace}",
        f"ALERTS_TEMPORAL_PORT={settings.alerts_temporal_port}",
        f"ALERTS_UI_PORT={settings.alerts_ui_port}",
    ]
    private_file(settings.alerts_home / HOME_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _free(wanted: int) -> int:
    """That port, or another that nobody uses."""
    if is_free(wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
