"""``RETENTION_<WHAT>``: days that rows are kept, 0 for ever."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, create_model
from pydantic_settings import BaseSettings

from storage.retention import RULES

Days = Annotated[int, Field(ge=0, le=36_500)]
_declared: dict[str, Any] = {f"retention_{rule.name}": (Days, rule.days) for rule in RULES}
_OfRules: Any = create_model("_OfRules", __base__=BaseSettings, **_declared)


class RetentionSettings(_OfRules):
    """Each table that grows has one or more."""

    @property
    def retention(self) -> dict[str, int]:
        """Days by rule."""
        return {rule.name: getattr(self, f"retention_{rule.name}") for rule in RULES}
