"""Connection to Temporal: the standard ``TEMPORAL_*`` variables and profiles, our data converter, a bounded wait."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio.api.namespace.v1 import UpdateNamespaceInfo
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import ErrorKind, ExpectedError
from worker.converter import DATA_CONVERTER
from worker.settings import Settings

HOME = "market-alerts-home"  # in the namespace's data


class TemporalUnreachable(ExpectedError):
    """No Temporal server answers."""

    kind = ErrorKind.UNAVAILABLE

    def __init__(self, target: str) -> None:
        self.target = target
        super().__init__(f"no Temporal server answers at {target}; start one with 'alerts up', or set TEMPORAL_ADDRESS")


class OtherHome(TemporalUnreachable):
    """The server that answers is another installation's: what was started there, nobody would see here."""

    def __init__(self, target: str, theirs: str, ours: str) -> None:
        super().__init__(target)
        self.args = (
            f"the Temporal server at {target} is that of {theirs}, and this is {ours}: set ALERTS_HOME={theirs} to work with "
            "that one, or ALERTS_TEMPORAL_PORT to a port of this one's own",
        )


async def connect(settings: Settings, seconds: float = 5.0, *, claimed: bool = False) -> Client:
    """A connected client. ``claimed``: the server is our own child, whatever it says of itself.

    Raises:
        TemporalUnreachable: when none answers in time.
        OtherHome: the server on this machine is another home's.
    """
    config = _config(settings)
    ours = str(settings.alerts_home.resolve())
    try:
        async with asyncio.timeout(seconds):
            client = await Client.connect(**config, data_converter=DATA_CONVERTER)
            theirs = await home_of(client) if not claimed and has_own_server(settings) else ""
    except (TimeoutError, RuntimeError, RPCError):
        raise TemporalUnreachable(str(config["target_host"])) from None
    if theirs and theirs != ours:
        raise OtherHome(str(config["target_host"]), theirs, ours)
    return client


def has_own_server(settings: Settings) -> bool:
    """Whether we connect to the embedded server: neither ``TEMPORAL_ADDRESS`` nor a profile says another."""
    return not settings.temporal_address and target_of(settings) == settings.temporal_target


def target_of(settings: Settings) -> str:
    """Where we connect to."""
    return str(_config(settings)["target_host"])


def _config(settings: Settings) -> dict[str, Any]:
    """The standard variables and profiles, but for a demo, which has a server of its own whatever they say."""
    given: dict[str, Any] = {} if settings.alerts_demo else {**ClientConfig.load_client_connect_config()}
    return {"target_host": settings.temporal_target, "namespace": settings.temporal_namespace, **given}


async def home_of(client: Client) -> str:
    """Whose home the embedded server is that of; empty where it does not say."""
    try:
        asked = DescribeNamespaceRequest(namespace=client.namespace)
        found = await client.workflow_service.describe_namespace(asked, timeout=timedelta(seconds=2))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return ""
        raise
    return str(found.namespace_info.data.get(HOME, ""))


async def claim(client: Client, settings: Settings) -> None:
    """Writes down in its namespace whose home the embedded server is that of."""
    data = {HOME: str(settings.alerts_home.resolve())}
    await client.workflow_service.update_namespace(
        UpdateNamespaceRequest(namespace=client.namespace, update_info=UpdateNamespaceInfo(data=data))
    )
