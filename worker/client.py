"""Connection to Temporal: the standard ``TEMPORAL_*`` variables and profiles, our data converter, a bounded wait."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from domain.errors import ErrorKind, ExpectedError
from worker.converter import DATA_CONVERTER
from worker.settings import Settings


class TemporalUnreachable(ExpectedError):
    """No Temporal server answers."""

    kind = ErrorKind.UNAVAILABLE

    def __init__(self, target: str) -> None:
        self.target = target
        super().__init__(f"no Temporal server answers at {target}; start one with 'alerts up', or set TEMPORAL_ADDRESS")


async def connect(settings: Settings, seconds: float = 5.0) -> Client:
    """A connected client.

    Raises:
        TemporalUnreachable: when none answers in time.
    """
    config: dict[str, Any] = {**ClientConfig.load_client_connect_config()}
    config.setdefault("target_host", settings.temporal_target)
    config.setdefault("namespace", settings.temporal_namespace)
    try:
        return await asyncio.wait_for(Client.connect(**config, data_converter=DATA_CONVERTER), timeout=seconds)
    except (TimeoutError, RuntimeError, RPCError):
        raise TemporalUnreachable(str(config["target_host"])) from None
