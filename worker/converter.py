"""The data converter: Pydantic's, made once. The SDK makes a new one for each workflow task, and with it an empty cache."""

from __future__ import annotations

from typing import Any

from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter


class SharedPydanticConverter(PydanticPayloadConverter):
    """Every instance is the same one, so that its type adapters are built once a process and not once a task."""

    _shared: SharedPydanticConverter | None = None

    def __new__(cls, *_arguments: Any, **_options: Any) -> SharedPydanticConverter:
        """The one instance."""
        if cls._shared is None:
            made = super().__new__(cls)
            PydanticPayloadConverter.__init__(made)
            cls._shared = made
        return cls._shared

    def __init__(self) -> None:
        """Nothing: the instance is ready."""


DATA_CONVERTER = DataConverter(payload_converter_class=SharedPydanticConverter)
