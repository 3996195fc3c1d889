"""Every vendor there is. A module of ``adapters`` declares one: its name, address, rate, intervals, kinds and need of a key."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from activities.market_data.vendors import adapters
from activities.market_data.vendors.http_provider import HttpProvider


@cache
def vendors() -> Mapping[str, type[HttpProvider]]:
    """Classes by name, in the order of their names."""
    found = {}
    for one in pkgutil.iter_modules(adapters.__path__, f"{adapters.__name__}."):
        module = import_module(one.name)
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, HttpProvider) and value.__module__ == one.name:
                found[value.name] = value
    return MappingProxyType(found)
