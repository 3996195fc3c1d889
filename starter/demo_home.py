"""The demo's own home: folder, database, namespace and ports, so that it never meets what is real."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from storage.private import private_file, private_folder
from worker.settings import Settings
from worker.settings_sources import HOME_FILE

NAMESPACE = "demo"
TEMPORAL_PORT, UI_PORT = 7243, 8243  # where they are free


def demo_settings(settings: Settings) -> Settings:
    """The same, for a home within the home. Whatever says where a real Temporal server or database is has no effect here."""
    home = private_folder(settings.alerts_home / "demo")
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        del os.environ[name]
    os.environ["TEMPORAL_CONFIG_FILE"] = str(home / "no-profiles.toml")  # those of ~/.config would count else
    ports = {"alerts_temporal_port": _free(TEMPORAL_PORT), "alerts_ui_port": _free(UI_PORT)}
    own = {"alerts_home": home, "database_url": "", "temporal_address": "", "temporal_namespace": NAMESPACE, **ports}
    _write(home, {"TEMPORAL_NAMESPACE": NAMESPACE, **{name.upper(): str(port) for name, port in ports.items()}})
    return settings.model_copy(update=own)


def _write(home: Path, values: dict[str, str]) -> None:
    """What commands need to find it: ``ALERTS_HOME`` alone leads there."""
    lines = [f"{name}={value}" for name, value in values.items()]
    private_file(home / HOME_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _free(wanted: int) -> int:
    """That port, or another that nobody uses."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError
