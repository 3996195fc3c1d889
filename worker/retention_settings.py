"""``RETENTION_<WHAT>``: days that rows are kept, 0 for ever."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, create_model

from storage.retention_days import DAYS
from worker.deferred import PartOfSettings

Days = Annotated[int, Field(ge=0, le=36_500)]
_declared: dict[str, Any] = {f"retention_{name}": (Days, days) for name, days in DAYS.items()}
_OfRules: Any = create_model("_OfRules", __base__=PartOfSettings, **_declared)


class RetentionSettings(_OfRules):
    """Each table that grows has one or more."""

    @property
    def retention(self) -> dict[str, int]:
        """Days by rule."""
        return {name: getattr(self, f"retention_{name}") for name in DAYS}
